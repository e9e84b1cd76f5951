"""server-everything over each of its transports behind the gateway, and the TypeScript SDK 1.x and
2.x in front of it over each of theirs: everything comes out as without the gateway. That is tools,
resources with templates and subscriptions, prompts, completions, progress, and what the server
asks of the client: sampling, elicitation by form and by URL, roots. Then the Inspector's command
line in both eras and over SSE."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from support.fleet import FLEET_DIR, HERE, MODULES, NODE, require_fleet
from support.nexus_process import Nexus, binary

FOLDER = os.path.join(FLEET_DIR, "npm")
SERVER = os.path.join(MODULES, "@modelcontextprotocol/server-everything/dist/index.js")
INSPECTOR = os.path.join(MODULES, "@modelcontextprotocol/inspector/clients/launcher/build/index.js")
DIRECT = None


def setUpModule():
    require_fleet()
    for name in ("tour.mjs", "loopback.mjs"):
        shutil.copy(os.path.join(HERE, "npm", name), FOLDER)
    global DIRECT
    DIRECT = tour("1", "legacy", "stdio", NODE, SERVER, "stdio")


def tour(*arguments):
    """What a client reports of a server, or of a gateway before it."""
    done = subprocess.run(
        [NODE, os.path.join(FOLDER, "tour.mjs"), *arguments],
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{arguments}:\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout)


class Gateway(unittest.TestCase):
    """A gateway before one server-everything; a subclass says how that is reached."""

    @classmethod
    def setUpClass(cls):
        server = {"everything": cls.server()}
        cls.gateway = Nexus(server, config={"names": "bare"}).start()
        cls.addClassCleanup(cls.end_gateway)
        cls.gateway.wait_servers()

    @classmethod
    def end_gateway(cls):
        code = cls.gateway.stop()
        if code != 0:
            raise AssertionError(f"nexus ended with {code}:\n" + "\n".join(cls.gateway.log()[-40:]))

    @classmethod
    def http_server(cls, transport, path):
        """Starts the server on a free port; its configuration entry."""
        process = subprocess.Popen(
            [NODE, "--import", os.path.join(FOLDER, "loopback.mjs"), SERVER, transport],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

        def stop():
            process.kill()
            process.wait()
            process.stdout.close()

        cls.addClassCleanup(stop)
        url = next((line for line in process.stdout if line.startswith("http://")), None)
        if url is None:
            raise RuntimeError(f"server-everything {transport} does not start")
        return {"url": url.strip() + path}


class Tours:
    """Every client, against the gateway of a subclass."""

    def check(self, *client):
        report = tour(*client)
        expected = dict(DIRECT)
        # A client that gets the last step together with the result may have stopped listening, and
        # a modern one that is asked for its roots at that time does not listen while it answers.
        steps = report.pop("progress")
        self.assertEqual(steps, sorted(set(steps) & {1, 2, 3}))
        self.assertIn(len(steps), (1, 2, 3) if "modern" in client else (2, 3))
        expected.pop("progress")
        unknown, _ = report.pop("unknown"), expected.pop("unknown")
        self.assertEqual((unknown["tool"], unknown["prompt"]), (-32602, -32602))
        modern = "modern" in client
        self.assertIn(unknown["resource"], (-32602,) if modern else (-32002, -32602))
        # The server keeps the roots of a session, and all clients share one here: only the first
        # is asked.
        report["asked"] = [what for what in report["asked"] if what != "roots"]
        expected["asked"] = [what for what in expected["asked"] if what != "roots"]
        if "stdio" in client:
            # What a client of `nexus stdio` asks for at once it gets at once: the lists as they are
            # then. It hears of the others as their servers connect; here only the calls count.
            for early in ("instructions", "tools", "prompts", "resources", "templates"):
                report.pop(early), expected.pop(early)
        self.maxDiff = None
        self.assertEqual(report, expected)

    def test_sdk_1_over_http(self):
        self.check("1", "legacy", "http", f"{self.gateway.url}/mcp")

    def test_sdk_1_over_sse(self):
        self.check("1", "legacy", "sse", f"{self.gateway.url}/sse")

    def test_sdk_1_over_websocket(self):
        self.check("1", "legacy", "ws", f"ws{self.gateway.url.removeprefix('http')}/ws")

    def stdio_gateway(self):
        return binary(), "stdio", "--exposure", "tools", "-c", self.gateway.config_path

    def test_sdk_1_over_stdio(self):
        self.check("1", "legacy", "stdio", *self.stdio_gateway())

    def test_sdk_2_over_http(self):
        self.check("2", "legacy", "http", f"{self.gateway.url}/mcp")

    def test_sdk_2_modern_over_http(self):
        self.check("2", "modern", "http", f"{self.gateway.url}/mcp")

    def test_sdk_2_modern_over_stdio(self):
        self.check("2", "modern", "stdio", *self.stdio_gateway())

    def test_one_servers_own_address(self):
        self.check("2", "modern", "http", f"{self.gateway.url}/s/everything/mcp")


class OverStdio(Tours, Gateway):
    @classmethod
    def server(cls):
        return {"command": NODE, "args": [SERVER, "stdio"]}


class OverSse(Tours, Gateway):
    @classmethod
    def server(cls):
        return {"type": "sse", **cls.http_server("sse", "/sse")}


class OverHttp(Tours, Gateway):
    @classmethod
    def server(cls):
        return cls.http_server("streamableHttp", "/mcp")


class Inspector(Gateway):
    """The command line of the Inspector, one method a run."""

    WAYS = (
        ("/mcp", "--transport", "http", "--protocol-era", "legacy"),
        ("/mcp", "--transport", "http", "--protocol-era", "modern"),
        ("/mcp", "--transport", "http", "--protocol-era", "auto"),
        ("/sse", "--transport", "sse"),
    )

    @classmethod
    def server(cls):
        return {"command": NODE, "args": [SERVER, "stdio"]}

    def inspect(self, way, *arguments):
        path, *options = way
        home = tempfile.mkdtemp(prefix="nexus-inspector-")
        self.addCleanup(shutil.rmtree, home, True)
        variables = {
            "PATH": os.path.join(FLEET_DIR, "bin") + os.pathsep + os.environ["PATH"],
            "HOME": home,
            "MCP_INSPECTOR_SECRET_STORE": "memory",
        }
        done = subprocess.run(
            [NODE, INSPECTOR, "--cli", "--server-url", self.gateway.url + path, *options]
            + ["--format", "json", "-q", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, **variables},
        )
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stdout}\n{done.stderr}")
        report = json.loads(done.stdout)
        return report.get("result", report)

    def every(self, check, *arguments):
        """`check(way, report)` of each way."""
        for way in self.WAYS:
            with self.subTest(way=way):
                check(way, self.inspect(way, *arguments))

    def test_initialize(self):
        def check(way, report):
            modern = "modern" in way or "auto" in way
            self.assertIn("2026-07-28" if modern else "202", json.dumps(report))

        self.every(check, "--method", "initialize")

    def test_tools(self):
        def listed(_, report):
            self.assertIn("echo", [tool["name"] for tool in report["tools"]])

        def called(_, report):
            self.assertEqual(report["content"][0]["text"], "Echo: inspected")

        self.every(listed, "--method", "tools/list")
        arguments = ("--tool-name", "echo", "--tool-args-json", '{"message":"inspected"}')
        self.every(called, "--method", "tools/call", *arguments)

    def test_resources(self):
        def listed(_, report):
            self.assertEqual([entry["uri"] for entry in report["resources"]], DIRECT["resources"])

        def templates(_, report):
            found = [entry["uriTemplate"] for entry in report["resourceTemplates"]]
            self.assertEqual(found, DIRECT["templates"])

        def read(_, report):
            self.assertTrue(report["contents"][0]["text"].startswith("Resource 3:"))

        self.every(listed, "--method", "resources/list")
        self.every(templates, "--method", "resources/templates/list")
        self.every(read, "--method", "resources/read", "--uri", "demo://resource/dynamic/text/3")

    def test_prompts(self):
        def listed(_, report):
            self.assertEqual(sorted(p["name"] for p in report["prompts"]), DIRECT["prompts"])

        def got(_, report):
            self.assertEqual(report["messages"], DIRECT["prompt"])

        self.every(listed, "--method", "prompts/list")
        arguments = ("--prompt-name", "args-prompt", "--prompt-args", "city=Oslo")
        self.every(got, "--method", "prompts/get", *arguments)


if __name__ == "__main__":
    unittest.main()
