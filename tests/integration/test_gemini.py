"""`gemini mcp list` of the real Gemini CLI shows `nexus stdio` connected with fourteen servers,
offline and without credentials."""

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import unittest

from support.fleet import FLEET_DIR, MODULES, NODE, light_fleet, require_fleet
from support.mcp_client import StdioClient
from support.nexus_process import Nexus, binary

GEMINI = "@google/gemini-cli/bundle/gemini.js"


def setUpModule():
    require_fleet()


class Gemini(unittest.TestCase):
    def setUp(self):
        # The project lies inside the scratch home: enabling an extension goes by path.
        self.home = os.path.realpath(tempfile.mkdtemp(prefix="nexus-gemini-"))
        self.addCleanup(shutil.rmtree, self.home, True)
        self.project = os.path.join(self.home, "project")
        self.extension = os.path.join(self.home, "extension")
        for folder in (self.project, self.extension, os.path.join(self.home, ".gemini")):
            os.makedirs(folder)
        self.write(".gemini/trustedFolders.json", {self.home: "TRUST_FOLDER"})
        self.fleet = light_fleet(self.project)
        self.assertEqual(len(self.fleet), 14)
        servers = {name: config for name, (config, _) in self.fleet.items()}
        self.servers = self.write("servers.json", {"mcpServers": servers})

    def write(self, name, value):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(value, file)
        return path

    def gemini(self, *arguments, **variables):
        path = os.path.join(FLEET_DIR, "bin") + os.pathsep + os.environ["PATH"]
        environment = {"HOME": self.home, "PATH": path, "TERM": "dumb", **variables}
        done = subprocess.run(
            [NODE, os.path.join(MODULES, GEMINI), *arguments],
            cwd=self.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    def connected(self, output, name="nexus"):
        line = next((l for l in output.splitlines() if re.search(rf"\b{name}\b.*- ", l)), output)
        self.assertRegex(line, r"- Connected\b")

    def test_settings(self):
        server = {"command": binary(), "args": ["stdio", "-c", self.servers]}
        self.write(".gemini/settings.json", {"mcpServers": {"nexus": server}})
        self.connected(self.gemini("mcp", "list"))

    def test_extension_with_the_list_in_the_environment(self):
        server = {
            "command": binary(),
            "args": ["stdio"],
            "env": {"MCP_SERVER_LIST": "${MCP_SERVER_LIST}"},
        }
        manifest = {"name": "extension", "version": "1.0.0", "mcpServers": {"nexus": server}}
        self.write("extension/gemini-extension.json", manifest)
        valid = self.gemini("extensions", "validate", self.extension)
        self.assertIn("successfully validated", valid)
        variables = {"MCP_SERVER_LIST": self.servers}
        self.gemini("extensions", "install", self.extension, "--consent", **variables)
        self.connected(self.gemini("mcp", "list", **variables))
        # In GitHub's runners the CLI passes on an allow-list of variables only.
        self.connected(self.gemini("mcp", "list", GITHUB_SHA="1", **variables))

    def test_http(self):
        with Nexus({}) as gateway:
            added = self.gemini(
                "mcp", "add", "-s", "user", "-t", "http", "overhttp", f"{gateway.url}/mcp"
            )
            self.assertIn("overhttp", added)
            self.connected(self.gemini("mcp", "list"), "overhttp")

    def handshake_seconds(self, servers):
        """What `gemini mcp list` sends, timed from the start of the program: initialize of
        2025-06-18, ping."""
        with StdioClient([binary(), "stdio", "-c", servers], version="2025-06-18") as client:
            seconds = client.initialize().seconds
            self.assertEqual(client.request("ping", timeout=5).result, {})
        return seconds

    def test_its_handshake_is_answered_within_50_ms(self):
        """On a machine that is busy with other things: as soon as that of a gateway without any
        server, give or take what its own fourteen do to it."""
        nothing = self.write("nothing.json", {"mcpServers": {}})
        alone, crowded = [], []
        for _ in range(7):
            alone.append(self.handshake_seconds(nothing))
            crowded.append(self.handshake_seconds(self.servers))
        bound = max(0.05, 2 * statistics.median(alone))
        self.assertLess(statistics.median(crowded), bound, (alone, crowded))

    def test_the_fleet_over_stdio(self):
        with StdioClient([binary(), "stdio", "-c", self.servers]) as client:
            client.initialize()
            # `nexus stdio` shows the meta-tools.
            echo = {"server_name": "everything", "tool_name": "echo", "args": {"message": "hi"}}
            answer = client.call("call-tool", echo, timeout=70)
            self.assertEqual(answer.text, "Echo: hi")
            self.assertEqual(client.close(), 0)


if __name__ == "__main__":
    unittest.main()
