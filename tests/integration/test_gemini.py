"""The real Gemini CLI installs our extension, and `gemini mcp list` shows `nexus stdio` connected
with fourteen servers, offline and without credentials."""

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
HERE = os.path.dirname(os.path.abspath(__file__))
EXTENSION = os.path.join(os.path.dirname(os.path.dirname(HERE)), "deploy", "gemini-extension")


def setUpModule():
    require_fleet()


class Gemini(unittest.TestCase):
    def setUp(self):
        # The project lies inside the scratch home: enabling an extension goes by path.
        self.home = os.path.realpath(tempfile.mkdtemp(prefix="nexus-gemini-"))
        self.addCleanup(shutil.rmtree, self.home, True)
        self.project = os.path.join(self.home, "project")
        self.extension = os.path.join(self.home, "extension")
        self.programs = os.path.join(self.home, "bin")
        settings = os.path.join(self.home, ".gemini")
        for folder in (self.project, self.extension, self.programs, settings):
            os.makedirs(folder)
        os.symlink(binary(), os.path.join(self.programs, "nexus"))
        trusted = {folder: "TRUST_FOLDER" for folder in (self.home, EXTENSION)}
        self.write(".gemini/trustedFolders.json", trusted)
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
        folders = (self.programs, os.path.join(FLEET_DIR, "bin"), os.environ["PATH"])
        path = os.pathsep.join(folders)
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

    def install_ours(self):
        done = self.gemini("extensions", "install", EXTENSION, "--consent")
        self.assertIn('"nexus" installed successfully', done)

    def test_our_extension(self):
        valid = self.gemini("extensions", "validate", EXTENSION)
        self.assertIn("successfully validated", valid)
        self.install_ours()
        # Warnings may stand before it.
        told = self.gemini("extensions", "list", "-o", "json")
        ours = json.loads(told[told.index("[") :])[0]
        self.assertEqual(ours["name"], "nexus")
        self.assertEqual([os.path.basename(file) for file in ours["contextFiles"]], ["NEXUS.md"])
        variables = {"MCP_SERVER_LIST": self.servers}
        self.connected(self.gemini("mcp", "list", **variables))
        self.connected(self.gemini("mcp", "list", GITHUB_SHA="1", **variables))

    def test_our_extension_finds_its_servers_without_the_environment(self):
        self.install_ours()
        # Nothing names a file, and there is none in the project.
        self.assertIn("Disconnected", self.gemini("mcp", "list"))
        with open(os.path.join(self.home, ".gemini", ".env"), "w", encoding="utf-8") as file:
            file.write(f"MCP_SERVER_LIST={self.servers}\n")
        self.connected(self.gemini("mcp", "list"))
        os.unlink(file.name)
        shutil.copy(self.servers, os.path.join(self.project, "nexus.json"))
        self.connected(self.gemini("mcp", "list"))

    def test_our_extension_names_tools_that_there_are(self):
        with open(os.path.join(EXTENSION, "NEXUS.md"), encoding="utf-8") as file:
            named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", file.read()))
        nothing = self.write("nothing.json", {"mcpServers": {}})
        with StdioClient([binary(), "stdio", "-c", nothing]) as client:
            client.initialize()
            self.assertLessEqual(named, {tool["name"] for tool in client.tools()})
        self.assertIn("call-tool", named)

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
