"""What the program does on a terminal and nowhere else: colour, and lines that are written over."""

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import fcntl
import unittest

from support.nexus_process import (
    Nexus,
    binary,
    eventually,
    reactor,
    run_cli,
    stdio_server,
)

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ERASE = "\r\x1b[K"


class Terminal:
    """A process whose stdout and stderr are a terminal of 100 columns."""

    def __init__(self, *args, env=None, stdin=subprocess.DEVNULL, stdout=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        self.process = subprocess.Popen(
            [binary(), *args],
            env={**clean, "TERM": "xterm", **(env or {})},
            stdin=stdin,
            stdout=stdout or slave,
            stderr=slave,
        )
        os.close(slave)
        self.text = ""

    def read(self, seconds):
        """What is written until the end or for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            self.text += data.decode("utf-8", "replace")
        return self.text

    def end(self, seconds=20):
        self.read(seconds)
        code = self.process.wait(10)
        os.close(self.master)
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class OnTerminals(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "nexus.json")
        servers = {
            "quick": stdio_server(),
            "slow": stdio_server("--slow-start", "1"),
            "gone": {"command": "/no/such/program"},
        }
        self.write(servers)

    def write(self, servers, **more):
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump({"reactor": reactor(), "mcpServers": servers, **more}, file)

    def run_on_terminal(self, *args, **options):
        terminal = Terminal(*args, **options)
        self.addCleanup(terminal.kill)
        code = terminal.end()
        return code, terminal.text

    def test_colour_is_for_terminals(self):
        self.write({"quick": stdio_server(), "gone": {"command": "/no/such/program"}}, odd=1)
        for command in (["check", "-c", self.path], ["servers", "-c", self.path]):
            with self.subTest(command=command[0]):
                _, text = self.run_on_terminal(*command)
                self.assertRegex(text, COLOUR)
                for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
                    _, text = self.run_on_terminal(*command, env=env)
                    self.assertNotRegex(text, COLOUR, env)
                done = run_cli(*command, env={"TERM": "xterm"})
                self.assertNotIn("\x1b", done.stdout + done.stderr)
        # An empty NO_COLOR says nothing (no-color.org).
        _, text = self.run_on_terminal("check", "-c", self.path, env={"NO_COLOR": ""})
        self.assertRegex(text, COLOUR)
        _, text = self.run_on_terminal("servers", "-a", "127.0.0.1:1")
        self.assertRegex(text, COLOUR, "errors too")

    def test_output_to_a_file_has_no_colour_although_errors_go_to_a_terminal(self):
        with tempfile.TemporaryFile() as file:
            terminal = Terminal("check", "-c", self.path, stdout=file)
            self.addCleanup(terminal.kill)
            terminal.end()
            file.seek(0)
            self.assertNotIn(b"\x1b", file.read())

    def test_a_command_shows_what_it_waits_for_and_leaves_nothing_of_it(self):
        code, text = self.run_on_terminal("tools", "-c", self.path)
        self.assertEqual(code, 0)
        self.assertRegex(text, r"connecting \d/3 \.\.\. .*slow")
        self.assertLess(text.rindex(ERASE), text.index("slow__echo"))
        lines = re.sub(r"\r\x1b\[K[^\r\n]*(?=\r\x1b\[K)", "", text)
        self.assertNotIn("connecting", lines)
        done = run_cli("tools", "-c", self.path)
        self.assertNotIn(
            "connecting", done.stdout + done.stderr.replace("'slow' is connecting", "")
        )

    def test_serve_shows_how_far_it_is(self):
        for extra, shown in (([], True), (["--quiet"], False)):
            with self.subTest(extra=extra):
                args = ["serve", "-c", self.path, "--listen", "127.0.0.1:0", *extra]
                terminal = Terminal(*args)
                self.addCleanup(terminal.kill)
                last = "connecting 2/3 servers, 1 down\r\n"
                wanted = lambda: last in terminal.read(0.2) if shown else terminal.read(3)
                eventually(wanted, 10, what="the last state of the line")
                self.assertEqual("connecting" in terminal.text, shown)
                self.assertIn("listening", terminal.text)
                terminal.process.send_signal(signal.SIGTERM)
                self.assertEqual(terminal.end(), 0)

    def test_elsewhere_there_is_no_such_line(self):
        with Nexus({"a": stdio_server()}) as gateway:
            gateway.wait_servers()
            time.sleep(0.5)
            self.assertFalse([line for line in gateway.log() if "connecting" in line])

    def test_what_servers_write_is_not_obeyed(self):
        """Neither by the terminal that shows a result nor by the one that shows a table."""
        self.write({"a": stdio_server()})
        evil = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"
        arguments = json.dumps({"text": evil})
        _, text = self.run_on_terminal("call", "-c", self.path, "a", "echo", arguments)
        for sequence in ("\x1b]", "\x1b[2J", "\x07", "\u202e"):
            self.assertNotIn(sequence, text)
        done = run_cli("call", "-c", self.path, "a", "echo", arguments)
        self.assertIn(evil, done.stdout, "a program gets what the server wrote")


class Help(unittest.TestCase):
    def subcommands(self, *command):
        text = run_cli(*command, "--help").stdout
        block = re.search(r"(?ims)^(?:Sub)?commands:\n(.*?)(?:\n\n|\Z)", text)
        if not block:
            return []
        return re.findall(r"(?m)^  (\w[\w-]*)", block.group(1))

    def test_every_command_explains_itself(self):
        first = self.subcommands()
        self.assertLessEqual(
            {"serve", "stdio", "check", "import", "servers", "tools", "call", "vmcp"}, set(first)
        )
        commands = [[name] for name in first]
        commands += [[name, more] for name in first for more in self.subcommands(name)]
        self.assertIn(["vmcp", "create"], commands)
        for command in commands:
            for flag in ("--help", "-h"):
                with self.subTest(command=command, flag=flag):
                    done = run_cli(*command, flag)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn("Usage:", done.stdout)
                    self.assertIn("Examples:", done.stdout)
                    self.assertLessEqual(max(map(len, done.stdout.splitlines())), 110)


if __name__ == "__main__":
    unittest.main()
