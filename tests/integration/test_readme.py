"""What the README says works as it stands there, and so does what the pages say of the program."""

import json
import os
import re
import socket
import stat
import subprocess
import tempfile
import unittest

from support.cases import GatewayCase
from support.nexus_process import (
    FIXTURE,
    PYTHON,
    HttpFixture,
    alive,
    binary,
    eventually,
    stdio_server,
)

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: Stands where a newcomer has npx: a server whose tools include the one that the README calls.
NPX = f"""#!/bin/sh
exec {PYTHON} -S -E {FIXTURE} --bare --tools-file "$NPX_TOOLS"
"""


def page(*path):
    with open(os.path.join(TREE, *path), encoding="utf-8") as file:
        return file.read()


def block(text, after, kind=""):
    """The first code block of a kind behind some words."""
    return re.search(rf"```{kind}\n(.*?)```", text[text.index(after) :], re.DOTALL).group(1)


class Newcomer(unittest.TestCase):
    """The README's file and commands, in a folder with nothing else in it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="nexus-newcomer-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        programs = os.path.join(folder.name, "bin")
        os.mkdir(programs)
        self.write("bin/npx", NPX)
        os.chmod(os.path.join(programs, "npx"), stat.S_IRWXU)
        os.symlink(binary(), os.path.join(programs, "nexus"))
        tool = {
            "name": "list_directory",
            "description": "Lists a folder.",
            "inputSchema": {"type": "object"},
        }
        tools = os.path.join(folder.name, "tools.json")
        self.write("tools.json", json.dumps([tool]))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.work = os.path.join(folder.name, "empty")
        os.mkdir(self.work)
        self.env = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": folder.name,
            "NPX_TOOLS": tools,
            "SEARCH_TOKEN": "x",
            "NEXUS_ADDRESS": f"127.0.0.1:{self.port}",
        }

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def shell(self, line):
        return subprocess.run(
            ["sh", "-c", line],
            cwd=self.work,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_before_there_is_a_file(self):
        for line, word, code in (
            ("nexus check", "nexus import", 1),
            ("nexus serve", "nexus import", 1),
            ("nexus stdio", "nexus import", 1),
            ("nexus servers", "nexus serve", 3),
            ("nexus", "nexus --help", 2),
        ):
            with self.subTest(line=line):
                done = self.shell(line)
                self.assertEqual(done.returncode, code)
                self.assertIn(word, done.stdout + done.stderr, "what to do next")

    def test_the_commands_run_as_they_stand_there(self):
        readme = page("README.md")
        with HttpFixture() as search:
            text = block(readme, "Name your servers", "jsonc").replace("3000", str(self.port))
            text = text.replace("https://search.example.com/mcp", search.url)
            self.write("empty/nexus.json", text)
            self.run_commands(block(readme, "\nThen\n"))

    def run_commands(self, commands):
        lines = [line.partition("  #")[0].strip() for line in commands.splitlines()]
        self.assertEqual(lines[:2], ["nexus check", "nexus serve"])
        done = self.shell(lines[0])
        self.assertEqual((done.returncode, "good" in done.stdout), (0, True), done.stdout)
        self.assertNotIn("warning", done.stdout)
        with open(os.path.join(self.folder, "log"), "wb") as log:
            served = subprocess.Popen(
                ["nexus", "serve"], cwd=self.work, env=self.env, stdout=log, stderr=log
            )
        try:
            eventually(lambda: "ready" in self.shell("nexus servers").stdout, what="a server")
            eventually(lambda: "files__list" in self.shell("nexus tools").stdout, what="its tool")
            for line in lines[2:]:
                with self.subTest(line=line):
                    if "--catalogue" in line:
                        self.write("empty/tools.jsonl", '{"name": "rain"}\n')
                        self.write("empty/queries.jsonl", '{"id": "1", "query": "rain"}\n')
                    done = self.shell(line)
                    self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("called list_directory", self.shell(lines[5]).stdout, lines[5])
        finally:
            served.terminate()
            self.assertEqual(served.wait(30), 0)
        self.assertFalse(alive(served.pid))


class Metrics(GatewayCase):
    """docs/metrics.md and what a gateway that has served something tells, both ways."""

    ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)

    @classmethod
    def servers(cls):
        return {"alpha": stdio_server(), "gone": {"command": "/no/such/program"}}

    wait_ready = False
    maxDiff = None

    def test_the_page_lists_what_is_told(self):
        self.gateway.wait_servers("alpha")
        client = self.legacy()
        client.call("alpha__echo", {"text": "x"}).text
        client.call("gone__echo")
        told, labels = {}, {}
        for line in self.gateway.get("/metrics").body.decode().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                told[name] = kind
            elif not line.startswith("#"):
                name = re.match(r"\w+", line).group(0)
                family = re.sub(r"_(bucket|sum|count)$", "", name)
                family = family if told.get(family) == "histogram" else name
                for label, value in re.findall(r'(\w+)="([^"]*)"', line):
                    labels.setdefault(family, {}).setdefault(label, set()).add(value)
        text = page("docs", "metrics.md")
        rows = {name: (kind, cell) for name, kind, cell in self.ROW.findall(text)}
        self.assertEqual({name: kind for name, (kind, _) in rows.items()}, told)
        for name, (_, cell) in rows.items():
            with self.subTest(metric=name):
                found = set(labels.get(name, {})) - {"le"}
                self.assertEqual(set(re.findall(r"`(\w+)`", cell)), found)
                values = re.search(r": ([\w, ]+)$", cell.strip())
                if values and "to" not in values.group(1) and "see" not in values.group(1):
                    label = re.findall(r"`(\w+)`", cell)[0]
                    wanted = set(values.group(1).replace(" ", "").split(","))
                    self.assertEqual(labels[name][label], wanted)
        reasons = text[text.index("Reasons of a refusal:") : text.index("## Calls")]
        self.assertEqual(
            set(re.findall(r"`(\w+)`", reasons)), labels["nexus_gateway_refusals_total"]["reason"]
        )
        results = text[text.index("Results of a call:") : text.index("## Servers")]
        self.assertEqual(
            set(re.findall(r"`(\w+)`", results)) - {"isError"},
            labels["nexus_gateway_calls_total"]["result"],
        )


if __name__ == "__main__":
    unittest.main()
