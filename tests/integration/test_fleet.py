"""A fleet of real npm servers behind one gateway, used by the official clients.

Fourteen servers with 239 tools, nine of them with invalid schemas; calls where calls work without
a network; one server killed with -9 and back; then the TypeScript SDK 1.x and 2.x and the
Inspector's command line as clients."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from support.cases import clean_error
from support.fleet import FLEET_DIR, HERE, MODULES, NODE, light_fleet, require_fleet
from support.nexus_process import Nexus, eventually

TOOLS_AT_LEAST = 204
INSPECTOR = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"


def setUpModule():
    require_fleet()


class Fleet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = os.path.realpath(tempfile.mkdtemp(prefix="nexus-fleet-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        with open(os.path.join(cls.folder, "hello.txt"), "w", encoding="utf-8") as file:
            file.write("hello from the fleet\n")
        cls.fleet = light_fleet(cls.folder)
        servers = {name: config for name, (config, _) in cls.fleet.items()}
        cls.gateway = Nexus(servers).start()
        cls.addClassCleanup(cls.end_gateway)
        cls.gateway.wait_servers(timeout=90)

    @classmethod
    def end_gateway(cls):
        code = cls.gateway.stop()
        if code != 0:
            raise AssertionError(f"nexus ended with {code}:\n" + "\n".join(cls.gateway.log()[-40:]))

    def client(self, *script):
        """Runs a client script to its end in the folder of the packages; returns its report."""
        for name in ("client-v1.mjs", "client-v2.mjs"):
            shutil.copy(os.path.join(HERE, "npm", name), os.path.join(FLEET_DIR, "npm"))
        done = subprocess.run(
            [NODE, *script],
            cwd=os.path.join(FLEET_DIR, "npm"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=self.environment(),
        )
        self.assertEqual(done.returncode, 0, f"{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    def environment(self):
        path = os.path.join(FLEET_DIR, "bin") + os.pathsep + os.environ["PATH"]
        return {
            **os.environ,
            "PATH": path,
            "HOME": self.folder,
            "MCP_INSPECTOR_SECRET_STORE": "memory",
        }


class Servers(Fleet):
    def test_every_tool_is_listed(self):
        rows = self.gateway.servers()
        counts = {name: rows[name]["tools"] for name in self.fleet}
        self.assertEqual(counts, {name: count for name, (_, count) in self.fleet.items()})
        for client in (self.gateway.legacy(), self.gateway.modern()):
            names = [tool["name"] for tool in client.tools()]
            self.assertEqual(len(names), sum(counts.values()))
            self.assertGreaterEqual(len(names), TOOLS_AT_LEAST)
            self.assertEqual(len(set(names)), len(names))
            client.close()

    def test_schemas_are_valid_for_strict_clients(self):
        with self.gateway.legacy() as client:
            for tool in client.tools():
                self.assertEqual(tool["inputSchema"].get("type"), "object", tool["name"])

    def test_invalid_tools_cost_their_schema_check_alone(self):
        """server-gitlab's nine schemas have no type, for which clients refuse whole lists."""
        problems = [line for line in self.gateway.log() if "list_problem server=gitlab" in line]
        self.assertEqual(len(problems), 9, problems)
        with self.gateway.legacy() as client:
            answer = client.call("gitlab__search_repositories", {"search": "x"})
            told = json.dumps(answer.message)
            self.assertIn("127.0.0.1:9", told, "the server itself was asked, and could not connect")

    def test_real_calls(self):
        for client in (self.gateway.legacy(), self.gateway.modern()):
            with self.subTest(client=type(client).__name__), client:
                self.assertEqual(
                    client.call("everything__echo", {"message": "hi"}).text, "Echo: hi"
                )
                answer = client.call("everything__get-sum", {"a": 2, "b": 40})
                self.assertIn("42", answer.text)
                structured = client.call(
                    "everything__get-structured-content", {"location": "New York"}
                ).result
                self.assertIn("temperature", structured["structuredContent"])
                image = client.call("everything__get-tiny-image").result["content"]
                self.assertIn("image", [part["type"] for part in image])
                path = os.path.join(self.folder, "hello.txt")
                answer = client.call("filesystem__read_text_file", {"path": path})
                self.assertEqual(answer.text, "hello from the fleet\n")
                answer = client.call("filesystem__list_directory", {"path": self.folder})
                self.assertIn("[FILE] hello.txt", answer.text)
                entity = {
                    "name": type(client).__name__,
                    "entityType": "test",
                    "observations": ["seen"],
                }
                client.call("memory__create_entities", {"entities": [entity]}).result
                graph = client.call("memory__read_graph").text
                self.assertIn(type(client).__name__, graph)
                thought = {
                    "thought": "t",
                    "nextThoughtNeeded": False,
                    "thoughtNumber": 1,
                    "totalThoughts": 1,
                }
                answer = client.call("thinking__sequentialthinking", thought)
                self.assertIn("thoughtNumber", answer.text)

    def test_progress_of_a_real_server(self):
        arguments = {"duration": 0.6, "steps": 3}
        tool = "everything__trigger-long-running-operation"
        for client in (self.gateway.legacy(), self.gateway.modern()):
            with self.subTest(client=type(client).__name__), client:
                answer = client.call(tool, arguments, token="t")
                steps = [
                    n["params"]["progress"]
                    for n in answer.notifications
                    if n["method"] == "notifications/progress"
                ]
                self.assertEqual(steps, [1, 2, 3])

    def test_tool_errors_of_real_servers(self):
        with self.gateway.legacy() as client:
            answer = client.call("filesystem__read_text_file", {"path": "/etc/passwd"})
            self.assertTrue(answer.result["isError"])
            self.assertIn("denied", answer.text)

    def test_killed_server_returns(self):
        before = self.gateway.server_pid("everything")
        os.kill(before, signal.SIGKILL)
        with self.gateway.legacy() as client:
            echo = lambda: client.call("everything__echo", {"message": "back"}, timeout=70)
            answer = echo()
            if answer.error is not None:
                clean_error(answer, "everything", 5)
            self.assertIn("everything__echo", [tool["name"] for tool in client.tools()])
            path = os.path.join(self.folder, "hello.txt")
            self.assertFalse(
                client.call("filesystem__read_text_file", {"path": path}).result.get("isError")
            )
            eventually(lambda: echo().error is None, 20, 0.2, "an answer of the restarted server")
        self.assertNotEqual(self.gateway.server_pid("everything"), before)


class OfficialClients(Fleet):
    CALL = (
        "everything__echo",
        '{"message":"from the SDK"}',
        "everything__trigger-long-running-operation",
        '{"duration":0.6,"steps":3}',
    )

    def check(self, report):
        self.assertGreaterEqual(len(report["tools"]), TOOLS_AT_LEAST)
        self.assertEqual(report["called"], [{"type": "text", "text": "Echo: from the SDK"}])
        self.assertEqual(report["progress"], [1, 2, 3])
        self.assertEqual(report["unknown"], -32602)

    def test_typescript_sdk_1(self):
        report = self.client("client-v1.mjs", f"{self.gateway.url}/mcp", *self.CALL)
        self.check(report)
        self.assertEqual(report["version"], "2025-11-25")
        self.assertTrue(report["session"])

    def test_typescript_sdk_2_legacy(self):
        report = self.client("client-v2.mjs", f"{self.gateway.url}/mcp", *self.CALL, "legacy")
        self.check(report)
        self.assertEqual((report["version"], report["era"]), ("2025-11-25", "legacy"))

    def test_typescript_sdk_2_modern(self):
        for mode in ("auto", "2026-07-28"):
            with self.subTest(mode=mode):
                report = self.client("client-v2.mjs", f"{self.gateway.url}/mcp", *self.CALL, mode)
                self.check(report)
                self.assertEqual((report["version"], report["era"]), ("2026-07-28", "modern"))
                self.assertFalse(report["session"])

    def test_one_servers_own_address(self):
        call = [part.replace("everything__", "") for part in self.CALL]
        url = f"{self.gateway.url}/s/everything/mcp"
        for script in (["client-v1.mjs"], ["client-v2.mjs", "auto"]):
            with self.subTest(script=script):
                report = self.client(script[0], url, *call, *script[1:])
                self.assertEqual(len(report["tools"]), 17)
                self.assertEqual(report["progress"], [1, 2, 3])


class Inspector(Fleet):
    def inspect(self, era, *arguments):
        fixed = [
            "--cli",
            "--server-url",
            f"{self.gateway.url}/mcp",
            "--transport",
            "http",
            "--protocol-era",
            era,
            "--format",
            "json",
            "-q",
        ]
        return self.client(os.path.join(MODULES, INSPECTOR), *fixed, *arguments)

    def test_both_eras(self):
        for era in ("legacy", "modern", "auto"):
            with self.subTest(era=era):
                listed = self.inspect(era, "--method", "tools/list")
                tools = listed.get("tools", listed.get("result", {}).get("tools"))
                self.assertGreaterEqual(len(tools), TOOLS_AT_LEAST)
                called = self.inspect(
                    era,
                    "--method",
                    "tools/call",
                    "--tool-name",
                    "everything__echo",
                    "--tool-args-json",
                    '{"message":"inspected"}',
                )
                self.assertIn("Echo: inspected", json.dumps(called))
                found = json.dumps(self.inspect(era, "--method", "initialize"))
                self.assertIn("2025-11-25" if era == "legacy" else "2026-07-28", found)


if __name__ == "__main__":
    unittest.main()
