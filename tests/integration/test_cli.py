"""The command line: help, exit codes, check, import, servers, tools, call; and `nexus stdio`."""

import json
import os
import re
import statistics
import tempfile
import threading
import time
import unittest

from support.mcp_client import LegacyClient
from support.nexus_process import (
    reactor,
    Nexus,
    alive,
    eventually,
    run_cli,
    stdio_gateway,
    stdio_server,
    within,
)


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def config(self, **servers):
        return self.file("good.json", json.dumps({"mcpServers": servers}))

    def test_help_everywhere(self):
        for command in (
            [],
            ["serve"],
            ["stdio"],
            ["check"],
            ["import"],
            ["search"],
            ["servers"],
            ["tools"],
            ["call"],
            ["vmcp"],
            ["vmcp", "create"],
            ["duplicates"],
            ["pins"],
        ):
            with self.subTest(command=command):
                done = run_cli(*command, "--help")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("nexus", done.stdout)
                self.assertNotIn("\x1b[", done.stdout, "colour only on a terminal")

    def test_version(self):
        self.assertEqual(run_cli("--version").returncode, 0)

    def test_wrong_usage(self):
        for command in (
            ["nothing"],
            ["serve", "--nothing"],
            ["serve", "--listen"],
            ["call"],
            ["search"],
            ["search", "--catalogue", "a", "--queries", "b", "--top", "0"],
            ["serve", "--workers", "many"],
            ["serve", "--reactor", "kqueue"],
            [],
        ):
            with self.subTest(command=command):
                done = run_cli(*command)
                self.assertNotIn(done.returncode, (0, -6, -11), done.stderr)
                self.assertTrue(done.stderr.strip())

    def test_search_ranks_a_catalogue(self):
        tools = self.file("tools.jsonl", "\n".join(json.dumps(tool) for tool in (
            {"id": "a", "server": "files", "name": "read_file", "description": "Reads a file."},
            {"id": "b", "server": "weather", "name": "forecast", "description": "What comes.",
             "inputSchema": {"properties": {"city": {"enum": ["Oslo"]}}}},
            {"name": "c"})) + "\n")
        queries = self.file("queries.jsonl", '{"id": "q1", "query": "weather in Oslo"}\n\n'
                            '{"id": 2, "query": "reading files", "gold": ["a"]}\n'
                            '{"id": "none", "query": "?"}')
        done = run_cli("search", "--catalogue", tools, "--queries", queries, "--top", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()],
                         [{"id": "q1", "ranked": ["b"]}, {"id": 2, "ranked": ["a"]},
                          {"id": "none", "ranked": []}])

    def test_search_names_file_and_line(self):
        tools = self.file("tools.jsonl", '{"name": "a"}\n')
        queries = self.file("queries.jsonl", '{"id": 1, "query": "a"}\n')
        for catalogue, asked, expected in (
            (self.file("bad.jsonl", '{"name": "a"}\n{"name": }\n'), queries, "bad.jsonl:2:"),
            (self.file("nameless.jsonl", "{}"), queries, "nameless.jsonl:1:"),
            (tools, self.file("odd.jsonl", '\n{"id": 1, "query": 2}'), "odd.jsonl:2:"),
            (tools, self.file("list.jsonl", "[]"), "list.jsonl:1:"),
            (os.path.join(self.folder.name, "absent"), queries, "absent"),
            (tools, os.path.join(self.folder.name, "absent"), "absent"),
        ):
            with self.subTest(expected=expected):
                done = run_cli("search", "--catalogue", catalogue, "--queries", asked)
                self.assertEqual(done.returncode, 1)
                self.assertIn(expected, done.stderr)

    def test_check_accepts(self):
        done = run_cli("check", "-c", self.config(a=stdio_server()))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_check_names_file_line_column_and_remedy(self):
        rows = (
            ("syntax.json", '{\n  "mcpServers": {\n    "a": {"command": }\n  }\n}', r":3:\d+", ""),
            ("kind.json", '{\n "mcpServers": {\n  "a": {"command": 5}}}', r":3:\d+", "string"),
            ("listen.json", '{\n "listen": "nowhere",\n "mcpServers": {}}', r":2:\d+", "listen"),
            (
                "duplicate.json",
                '{"mcpServers": {\n"a": {"command":"x"},\n"a": {"command":"y"}}}',
                r":3:\d+",
                "a",
            ),
            ("toml.toml", '[mcp_servers.a]\ncommand = "x\n', r":2:\d+", ""),
        )
        for name, text, place, word in rows:
            with self.subTest(name=name):
                done = run_cli("check", "-c", self.file(name, text))
                self.assertNotIn(done.returncode, (0, -6, -11))
                output = done.stdout + done.stderr
                self.assertRegex(output, re.escape(name) + place)
                self.assertIn(word, output)

    def test_check_suggests_for_a_misspelt_key(self):
        text = '{"mcpServers": {\n"a": {"comand": "x", "command": "cat"}}}'
        done = run_cli("check", "-c", self.file("misspelt.json", text))
        output = done.stdout + done.stderr
        self.assertRegex(output, r"misspelt\.json:2:\d+: warning")
        self.assertIn("command", output)
        self.assertEqual(done.returncode, 0, "unknown keys warn only")

    def test_check_of_a_file_that_is_not_there(self):
        done = run_cli("check", "-c", os.path.join(self.folder.name, "missing.json"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("missing.json", done.stdout + done.stderr)

    def test_serve_refuses_a_bad_file(self):
        done = run_cli("serve", "-c", self.file("broken.json", "{"), "--listen", "127.0.0.1:0")
        self.assertNotIn(done.returncode, (0, -6, -11))
        self.assertIn("broken.json:1", done.stderr)

    def test_serve_refuses_a_taken_port(self):
        with Nexus({}) as gateway:
            address = f"127.0.0.1:{gateway.address[1]}"
            done = run_cli("serve", "-c", self.config(), "--listen", address)
            self.assertNotIn(done.returncode, (0, -6, -11))
            self.assertIn(address, done.stderr)

    def test_serve_beyond_loopback_must_be_asked_for(self):
        done = run_cli("serve", "-c", self.config(), "--listen", "0.0.0.0:0")
        self.assertNotIn(done.returncode, (0, -6, -11))
        self.assertIn("insecure", done.stderr.lower())

    def test_import(self):
        gemini = self.file(
            "settings.json",
            json.dumps(
                {
                    "mcpServers": {
                        "a": {"httpUrl": "http://127.0.0.1:9/mcp", "timeout": 5000},
                        "b": {"command": "cat", "includeTools": ["x"], "env": {"T": "$TOKEN"}},
                    }
                }
            ),
        )
        code = self.file("mcp.json", '{"servers": {"c": {"type": "stdio", "command": "cat",}, } }')
        codex = self.file("config.toml", '[mcp_servers.d]\ncommand = "cat"\nargs = ["-u"]\n')
        for path, words in (
            (gemini, ("a", "b", "http://127.0.0.1:9/mcp", "$TOKEN")),
            (code, ("c",)),
            (codex, ("d", "-u")),
        ):
            with self.subTest(path=path):
                done = run_cli("import", path)
                self.assertEqual(done.returncode, 0, done.stderr)
                for word in words:
                    self.assertIn(word, done.stdout)
                ours = self.file("imported.json", done.stdout)
                checked = run_cli("check", "-c", ours, env={"TOKEN": "t"})
                self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_import_of_rubbish(self):
        done = run_cli("import", self.file("rubbish.json", "[1, 2"))
        self.assertNotIn(done.returncode, (0, -6, -11))

    def test_servers_tools_and_call_start_the_servers_themselves(self):
        config = self.config(a=stdio_server(), b=stdio_server())
        done = run_cli("servers", "-c", config)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)\ba\b.*ready")
        done = run_cli("tools", "-c", config)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("a__echo", done.stdout)
        done = run_cli("call", "-c", config, "a", "echo", '{"text":"by hand"}')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("by hand", done.stdout)

    def test_call_tells_failures_by_its_exit_code(self):
        config = self.config(a=stdio_server())
        for arguments in (
            ["a", "fail", "{}"],
            ["a", "nothing", "{}"],
            ["b", "echo", "{}"],
            ["a", "echo", "{broken"],
        ):
            with self.subTest(arguments=arguments):
                done = run_cli("call", "-c", config, *arguments)
                self.assertNotIn(done.returncode, (0, -6, -11))
                self.assertTrue((done.stderr + done.stdout).strip())

    def test_against_a_running_gateway(self):
        with Nexus({"a": stdio_server()}) as gateway:
            gateway.wait_servers()
            for name in ("--url", "--gateway", "--server", "--connect"):
                if name in run_cli("servers", "--help").stdout:
                    break
            url = (name, gateway.url)
            done = run_cli("servers", *url)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"(?m)\ba\b.*ready")
            self.assertIn("a__echo", run_cli("tools", *url).stdout)
            done = run_cli("call", *url, "a", "echo", '{"text":"over there"}')
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("over there", done.stdout)


class Stdio(unittest.TestCase):
    """`nexus stdio`: one client on stdin and stdout."""

    def config(self, **servers):
        handle, path = tempfile.mkstemp(suffix=".json")
        os.write(handle, json.dumps(
            {"reactor": reactor(), "exposure": "tools", "mcpServers": servers}).encode())
        os.close(handle)
        self.addCleanup(os.unlink, path)
        return path

    def test_the_meta_tools_are_shown_unless_all_are_asked_for(self):
        path = self.config(a=stdio_server())
        with open(path, encoding="utf-8") as file:
            silent = {k: v for k, v in json.load(file).items() if k != "exposure"}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(silent, file)
        with stdio_gateway(path) as client:
            client.initialize()
            self.assertIn("call-tool", [t["name"] for t in client.tools()])
            refused = client.call("a__echo", {"text": "x"})
            self.assertEqual(refused.error["code"], -32602)
            done = client.call(
                "call-tool", {"server_name": "a", "tool_name": "echo", "args": {"text": "x"}}
            )
            self.assertEqual(done.text, "x")
            self.assertEqual(client.close(), 0)

    def test_legacy_and_modern(self):
        path = self.config(a=stdio_server(), b=stdio_server("--era", "modern"))
        with stdio_gateway(path) as client:
            client.initialize()
            self.assertEqual(client.version, "2025-11-25")
            self.assertEqual(client.call("a__echo", {"text": "x"}).text, "x")
            self.assertEqual(client.call("b__echo", {"text": "y"}).text, "y")
            self.assertEqual(client.request("ping").result, {})
            answer = client.modern("tools/call", {"name": "a__echo", "arguments": {"text": "z"}})
            self.assertEqual(answer.result["resultType"], "complete")
            self.assertEqual(client.close(), 0)

    def test_configuration_from_the_environment(self):
        path = self.config(a=stdio_server())
        with stdio_gateway(None, {"MCP_SERVER_LIST": path}) as client:
            client.initialize()
            self.assertEqual(client.call("a__echo", {"text": "x"}).text, "x")
            self.assertEqual(client.close(), 0)

    def test_initialize_is_fast_with_14_servers(self):
        path = self.config(**{f"s{n}": stdio_server("--slow-start", "3") for n in range(14)})
        seconds = []
        for _ in range(5):
            with stdio_gateway(path) as client:
                # The process starts first: its exec and loading are not what is measured.
                time.sleep(0.3)
                seconds.append(client.initialize().seconds)
        self.assertLess(statistics.median(seconds), within(0.05), seconds)

    def test_stdout_carries_protocol_only(self):
        path = self.config(a=stdio_server(), bad={"command": "/nonexistent"})
        with stdio_gateway(path) as client:
            client.initialize()
            client.call("a__stderr", {"lines": ["noise"] * 50})
            for request_id, message in ((1, b"garbage"), (2, b"{"), (3, b"[]"), (4, b"\xff\xfe")):
                client.send(message)
                reply = client.receive(5)
                self.assertIn(reply["error"]["code"], (-32700, -32600), message)
            self.assertEqual(client.call("a__echo", {"text": "x"}).text, "x")
            self.assertEqual(client.close(), 0)

    def test_progress_and_cancel(self):
        with stdio_gateway(self.config(a=stdio_server())) as client:
            client.initialize()
            params = {
                "name": "a__progress",
                "arguments": {"steps": 3},
                "_meta": {"progressToken": "p"},
            }
            answer = client.request("tools/call", params)
            notes = [n for n in answer.notifications if n["method"] == "notifications/progress"]
            self.assertEqual([n["params"]["progress"] for n in notes], [1, 2, 3])
            client.send(
                {
                    "jsonrpc": "2.0",
                    "id": "slow",
                    "method": "tools/call",
                    "params": {"name": "a__sleep", "arguments": {"seconds": 2}},
                }
            )
            client.notify("notifications/cancelled", {"requestId": "slow"})
            answer = client.request("ping")
            # The list of tools may change meanwhile.
            answers = [n for n in answer.notifications if "method" not in n]
            self.assertEqual(answers, [], "a cancelled request gets no answer")

    def test_list_changed(self):
        with stdio_gateway(self.config(a=stdio_server())) as client:
            client.initialize()
            client.call("a__change", {"names": ["fresh"]})
            eventually(
                lambda: client.receive(5).get("method") == "notifications/tools/list_changed"
            )

    def test_end_of_stdin_stops_everything(self):
        with stdio_gateway(self.config(a=stdio_server())) as client:
            client.initialize()
            where = client.call("a__where").result["structuredContent"]
            self.assertEqual(client.close(), 0)
            eventually(lambda: not alive(where["pid"]), 5, what="the end of the server")

    def test_calls_interleave(self):
        with stdio_gateway(self.config(a=stdio_server())) as client:
            client.initialize()
            for request_id, seconds in (("long", 0.8), ("short", 0.1)):
                client.send(
                    {
                        "jsonrpc": "2.0",
                        "id": request_id,
                        "method": "tools/call",
                        "params": {"name": "a__sleep", "arguments": {"seconds": seconds}},
                    }
                )
            answered = []
            while len(answered) < 2:
                message = client.receive()
                if "id" in message:  # the list of tools may change meanwhile
                    answered.append(message["id"])
            self.assertEqual(answered, ["short", "long"])


class Clients(unittest.TestCase):
    def test_many_clients_come_and_go(self):
        with Nexus({"a": stdio_server()}) as gateway:
            gateway.wait_servers()
            fds = gateway.fds()
            failures = []

            def one(number):
                try:
                    for turn in range(5):
                        with LegacyClient(gateway.address) as client:
                            client.initialize()
                            text = f"{number}.{turn}"
                            if client.call("a__echo", {"text": text}).text != text:
                                failures.append(text)
                            if turn % 2:
                                client.delete()
                except Exception as failure:
                    failures.append(repr(failure))

            threads = [threading.Thread(target=one, args=(n,)) for n in range(40)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            self.assertEqual(failures, [])
            eventually(lambda: gateway.fds() <= fds + 6, 10, what="closed descriptors")


if __name__ == "__main__":
    unittest.main()
