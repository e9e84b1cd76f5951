"""bench/context/report.py: what it prints is what a gateway gave; made-up catalogues."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from support.catalogues import ROOT, tool
from support.nexus_process import binary

FOLDER = os.path.join(ROOT, "bench", "context")
REPORT = os.path.join(FOLDER, "report.py")
sys.path.insert(0, FOLDER)

import tokens  # noqa: E402

TEXT = "Says in many words what it does, what it needs, and when another tool is the better one. "
CATALOGUES = {
    "server-filesystem": ("read_text_file", "write_file"),
    "upstash_context7-mcp": ("query-docs", "resolve-library-id"),
    "exa-mcp-server": ("web_search_exa",),
    "figma-developer-mcp": ("get_figma_data",),
}


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-B", REPORT, "--nexus", binary(), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Report(unittest.TestCase):
    def folder(self, words):
        made = tempfile.TemporaryDirectory(prefix="nexus-test-")
        self.addCleanup(made.cleanup)
        for name, tools in CATALOGUES.items():
            with open(os.path.join(made.name, name + ".json"), "w", encoding="utf-8") as file:
                fields = {"path": {"type": "string", "description": TEXT}}
                json.dump([tool(one, words, fields) for one in tools], file)
        return made.name

    def row(self, text, name):
        line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        return [cell.strip() for cell in line.strip("|").split("|")][1:]

    def test_steps_and_sums(self):
        done = run("--catalogues", self.folder(TEXT * 40), "--tools", "20", "--rule")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("6 tools where 20 were expected", done.stderr)
        self.assertIn("a local rule", done.stdout)
        all_tools = self.row(done.stdout, "tools/list of all tools")
        self.assertEqual(all_tools[3], "100.0%")
        self.assertGreater(int(all_tools[0].replace(",", "")), 6 * 40 * len(TEXT))
        self.assertIn("“search the web for news”: a tool that does it stands at place 1",
                      done.stdout)
        context, read = self.row(done.stdout, "all tools")[1].split(" / ")
        self.assertEqual(context, all_tools[1])
        self.assertEqual(int(read.replace(",", "")), 2 * int(context.replace(",", "")))
        way = self.row(done.stdout, "`search-tools` top 3 with schemas")
        self.assertEqual(way[0], "3")
        self.assertNotIn("**", way[1])

    def test_it_says_when_nothing_is_saved(self):
        done = run("--catalogues", self.folder("Short."), "--tools", "20", "--rule")
        self.assertEqual(done.returncode, 0, done.stderr)
        ways = done.stdout[done.stdout.index("## A task"):]
        self.assertRegex(self.row(ways, "four phases, `list-tools`")[1], r"^\*\*.*\*\* / \*\*")
        until = self.row(ways, "`search-tools` and a schema each")
        self.assertEqual(until, ["0"])

    def test_what_is_missing_is_said_loudly(self):
        with tempfile.TemporaryDirectory() as empty:
            for arguments, words in (
                (("--catalogues", os.path.join(empty, "none")), "NOTHING WAS MEASURED"),
                (("--catalogues", empty), "server-filesystem.json"),
                (("--nexus", os.path.join(empty, "nexus")), "no program"),
            ):
                done = run(*arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(words, done.stderr)


class Rule(unittest.TestCase):
    def test_pieces(self):
        for text, expected in (
            ("", 0),
            ("read", 1),
            ("read a file", 3),
            ("getServerInformation", 3),
            ("read_file", 3),
            ("internationalization", 2),
            ("2026", 2),
            ('{"a":1}', 5),
            ("  \n", 1),
            ("é", 1),
        ):
            self.assertEqual(tokens.count_by_rule(text), expected, text)

    def test_every_character_counts(self):
        text = "Aé1_ \n€x"
        self.assertEqual("".join(tokens.PIECE.findall(text)), text)
        self.assertTrue(re.match(r"a local rule", tokens.counter(True)[1]))


if __name__ == "__main__":
    unittest.main()
