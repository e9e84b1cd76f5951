"""Real servers on the official Python, Go and Rust SDKs, over stdio and over Streamable HTTP,
listed and called through the gateway by clients of both eras.

A language that this machine cannot build is skipped, with the reason in the output."""

import contextlib
import os
import socket
import subprocess
import sys
import unittest

from support.fleet import FLEET_DIR, HERE, require_fleet
from support.http_wire import Connection
from support.nexus_process import Nexus, eventually

LANGUAGES = os.path.join(FLEET_DIR, "languages")
PYTHON_SERVER = os.path.join(HERE, "languages", "python_server.py")


def setUpModule():
    require_fleet(os.path.join("languages", "install.sh"))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class LanguageCase(unittest.TestCase):
    language = ""

    @classmethod
    def setUpClass(cls):
        if not cls.language:
            raise unittest.SkipTest("a base class")
        reason = os.path.join(LANGUAGES, cls.language + ".skipped")
        if os.path.exists(reason):
            with open(reason, encoding="utf-8", errors="replace") as file:
                text = file.read()
            print(f"\n**** SKIPPED: servers in {cls.language}: {text}", file=sys.stderr)
            raise unittest.SkipTest(text)
        cls.gateway = Nexus(cls.servers()).start()
        cls.addClassCleanup(cls.gateway.stop)
        cls.gateway.wait_servers(timeout=60)

    @classmethod
    def http_server(cls, *argv, port=None):
        """Starts a server over HTTP; its address is the first line of its stdout, or the port."""
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

        def stop():
            process.kill()
            process.wait()
            process.stdout.close()

        cls.addClassCleanup(stop)
        url = f"http://127.0.0.1:{port}/mcp" if port else process.stdout.readline().decode().strip()
        address = ("127.0.0.1", port or int(url.rsplit(":", 1)[1].split("/")[0]))

        def listens():
            try:
                Connection(address, 1).close()
                return True
            except OSError:
                return False

        eventually(listens, 20, 0.1, f"a listener at {url}")
        return {"type": "http", "url": url}

    def each(self):
        """For a client of each era: a context that is a subtest."""
        for make in (self.gateway.legacy, self.gateway.modern):
            yield self.case(make)

    @contextlib.contextmanager
    def case(self, make):
        with make() as client, self.subTest(client=type(client).__name__):
            yield client

    def by_title(self, client, server, original):
        """The public name of a tool: its own when it is safe, else an alias."""
        own = [tool["name"] for tool in self.gateway.modern(f"/s/{server}/mcp").tools()]
        public = [t["name"] for t in client.tools() if t["name"].startswith(server + "__")]
        self.assertEqual(len(own), len(public))
        return public[own.index(original)]


class Python(LanguageCase):
    language = "python"

    @classmethod
    def servers(cls):
        python = os.path.join(LANGUAGES, "python", "bin", "python")
        return {
            "time": {
                "command": python,
                "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"],
            },
            "stdio": {"command": python, "args": [PYTHON_SERVER]},
            "http": cls.http_server(python, PYTHON_SERVER, "--http"),
        }

    def test_listed_and_called(self):
        for case in self.each():
            with case as client:
                names = [tool["name"] for tool in client.tools()]
                for name in ("time__get_current_time", "time__convert_time", "stdio__greet"):
                    self.assertIn(name, names)
                arguments = {
                    "source_timezone": "Europe/Berlin",
                    "time": "12:00",
                    "target_timezone": "Asia/Tokyo",
                }
                self.assertIn("Asia/Tokyo", client.call("time__convert_time", arguments).text)
                for server in ("stdio", "http"):
                    answer = client.call(f"{server}__greet", {"name": "Nexus"})
                    self.assertEqual(answer.text, "Hello Nexus from Python")
                    result = client.call(f"{server}__total", {"numbers": [1, 2, 39.5]}).result
                    self.assertEqual(result["structuredContent"], {"result": 42.5})

    def test_progress(self):
        for case in self.each():
            with case as client:
                for server in ("stdio", "http"):
                    answer = client.call(f"{server}__steps", {"count": 3}, token="p")
                    self.assertEqual(answer.text, "3 steps")
                    notes = [
                        n["params"]["progress"]
                        for n in answer.notifications
                        if n["method"] == "notifications/progress"
                    ]
                    self.assertEqual(notes, [1, 2, 3])

    def test_invalid_arguments(self):
        for case in self.each():
            with case as client:
                answer = client.call("stdio__greet", {"nobody": 1})
                self.assertTrue(answer.error or answer.result["isError"])


class Go(LanguageCase):
    language = "go"

    @classmethod
    def servers(cls):
        program, port = os.path.join(LANGUAGES, "go", "everything"), free_port()
        return {
            "stdio": {"command": program},
            "http": cls.http_server(program, "-http", f"127.0.0.1:{port}", port=port),
        }

    def test_listed_and_called(self):
        for case in self.each():
            with case as client:
                for server in ("stdio", "http"):
                    answer = client.call(f"{server}__greet", {"name": "Nexus"})
                    self.assertIn("Hi Nexus", answer.text)
                    alias = self.by_title(client, server, "greet (structured)")
                    self.assertRegex(alias, r"^[A-Za-z0-9_-]{1,64}$")
                    result = client.call(alias, {"name": "Nexus"}).result
                    self.assertIn("Hi Nexus", str(result["structuredContent"]))

    def test_unknown_tool(self):
        for case in self.each():
            with case as client:
                self.assertEqual(client.call("stdio__nothing").error["code"], -32602)


class Rust(LanguageCase):
    language = "rust"

    @classmethod
    def servers(cls):
        program = os.path.join(LANGUAGES, "rust", "nexus-test-rust-server")
        return {
            "stdio": {"command": program},
            "http": cls.http_server(program, "--http"),
        }

    def test_listed_and_called(self):
        for case in self.each():
            with case as client:
                for server in ("stdio", "http"):
                    self.assertEqual(client.call(f"{server}__sum", {"a": 40, "b": 2}).text, "42")
                    answer = client.call(f"{server}__greet", {"name": "Nexus"})
                    self.assertEqual(answer.text, "Hello Nexus from Rust")


if __name__ == "__main__":
    unittest.main()
