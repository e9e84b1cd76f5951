"""Starts the built gateway on a free port, watches it from outside, stops it by its pid."""

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from support.http_wire import Connection
from support.mcp_client import LegacyClient, ModernClient, StdioClient

# For programs of the tests that start a gateway by themselves.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="nexus-test-state-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURE = os.path.join(HERE, "fixture_server.py")
CHAOS = os.path.join(HERE, "chaos_server.py")
PYTHON = sys.executable
LISTENING = re.compile(r'listening\b.*?address"?\s*[=:]\s*"?([^\s",}]+)')
SANITIZED = os.environ.get("NEXUS_SANITIZED") == "1"
#: How much longer the build under test may take than a release build.
TIME_FACTOR = float(os.environ.get("NEXUS_TEST_TIME_FACTOR", "1"))


def within(seconds):
    """A bound on time that the program itself needs, for the build under test."""
    return seconds * TIME_FACTOR


def binary():
    """The program under test; its absence fails the run, it does not skip it."""
    path = os.environ.get("NEXUS_BIN")
    if not path:
        raise RuntimeError("set NEXUS_BIN to the built nexus program")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"NEXUS_BIN={path} is not a program; build the target nexus first")
    return path


def reactor():
    return os.environ.get("NEXUS_REACTOR", "auto")


def stdio_server(*options, **config):
    """The configuration entry of a fixture server over stdio."""
    return {"command": PYTHON, "args": ["-S", "-E", FIXTURE, *options], **config}


def chaos_server(mode, *options, **config):
    return {"command": PYTHON, "args": ["-S", "-E", CHAOS, mode, *options], **config}


def eventually(check, timeout=10.0, interval=0.02, what="the condition"):
    """Waits until `check()` is true and returns its value; fails at the deadline."""
    deadline = time.monotonic() + within(timeout)
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s: {value!r}")
        time.sleep(interval)


def json_lines(path):
    """The objects of a file of JSON lines that is being written: what has come of a last line that
    is not whole yet is left for the next time."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def process_table():
    """pid -> (parent, state, command name) of every process."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                continue
            name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :]
            fields = rest.split()
            table[int(entry)] = (int(fields[1]), fields[0], name)
    return table


def descendants(pid):
    """pid -> (parent, state, name) of every descendant, zombies included."""
    table = process_table()
    found, frontier = {}, {pid}
    while frontier:
        frontier = {p for p, row in table.items() if row[0] in frontier and p not in found}
        found.update({p: table[p] for p in frontier})
    return found


def alive(pid):
    """True while the process runs; a zombie does not."""
    row = process_table().get(pid)
    return row is not None and row[1] not in "ZX"


class Nexus:
    """`nexus serve` with a configuration, on a port of its own."""

    def __init__(self, servers=None, *, config=None, text=None, args=(), env=None, workers=2):
        self.folder = tempfile.mkdtemp(prefix="nexus-test-")
        self.config_path = os.path.join(self.folder, "nexus.json")
        self.args, self.workers = list(args), workers
        # What a gateway keeps is its own: nothing is left of other tests, nothing for them.
        state = os.path.join(self.folder, "state")
        self.env = {**os.environ, "XDG_STATE_HOME": state, **(env or {})}
        self.lines, self.process, self.address = [], None, None
        self.changed = threading.Condition()
        self.write_config(servers, config=config, text=text)

    def write_config(self, servers=None, *, config=None, text=None):
        if text is None:
            text = json.dumps({"mcpServers": servers or {}, **(config or {})}, indent=2)
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def argv(self):
        fixed = ["serve", "-c", self.config_path, "--listen", "127.0.0.1:0"]
        return [
            binary(),
            *fixed,
            "--workers",
            str(self.workers),
            "--reactor",
            reactor(),
            *self.args,
        ]

    def start(self, timeout=20.0):
        self.process = subprocess.Popen(
            self.argv(),
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        try:
            found = self.wait_log(LISTENING, timeout)
        except AssertionError:
            self.kill()
            raise
        host, port = found.group(1).rsplit(":", 1)
        self.address = (host.strip("[]"), int(port))
        return self

    def _read_log(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def log(self):
        with self.changed:
            return list(self.lines)

    def wait_log(self, pattern, timeout=10.0, since=0):
        """Waits for a log line that matches; returns the match."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + within(timeout)
        with self.changed:
            while True:
                for line in self.lines[since:]:
                    found = expression.search(line)
                    if found:
                        return found
                ended = self.process.poll() is not None and not self.reader.is_alive()
                if ended or time.monotonic() > deadline:
                    tail = "\n".join(self.lines[-40:])
                    state = f"it ended with {self.process.poll()}" if ended else "it runs"
                    raise AssertionError(
                        f"no log line matches {expression.pattern!r}; {state}; log:\n{tail}"
                    )
                self.changed.wait(0.2)

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"http://{self.address[0]}:{self.address[1]}"

    def stop(self, timeout=30.0):
        """SIGTERM and wait; returns the exit code and removes the temporary folder."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(within(timeout))
            except subprocess.TimeoutExpired:
                self.kill()
                tail = "\n".join(self.log()[-30:])
                raise AssertionError(
                    f"nexus ignores SIGTERM for {timeout} s; log:\n{tail}"
                ) from None
        return self._finish()

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return self._finish()

    def _finish(self):
        if self.process is None:
            return None
        self.reader.join(10)
        if not self.reader.is_alive():
            self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.process.returncode

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        if kind is not None:
            sys.stderr.write("---- log of nexus ----\n" + "\n".join(self.log()[-60:]) + "\n----\n")
            self.kill()
            return
        code = self.stop()
        if code != 0:
            tail = "\n".join(self.log()[-40:])
            raise AssertionError(f"nexus ended with {code}; log:\n{tail}")

    def signal(self, number):
        self.process.send_signal(number)

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def children(self):
        return descendants(self.pid)

    def zombies(self):
        return [pid for pid, row in self.children().items() if row[1] == "Z"]

    def get(self, path, headers=None, timeout=10.0):
        with Connection(self.address, timeout) as connection:
            response = connection.request("GET", path, headers or {})
            response.body
            return response

    def vmcps(self, verb, path="", body=None):
        """The status and the JSON that the API of virtual MCPs answers with."""
        with Connection(self.address) as connection:
            fields = {"Content-Type": "application/json"} if body is not None else {}
            data = json.dumps(body).encode() if body is not None else None
            answer = connection.request(verb, "/api/v1/vmcps" + path, fields, data)
            return answer.status, json.loads(answer.body)

    def servers(self):
        """name -> row of GET /api/v1/servers."""
        return {row["name"]: row for row in self.get("/api/v1/servers").json()}

    def wait_servers(self, *names, state="ready", timeout=20.0):
        """Waits until the named servers (all of them by default) are in `state`."""

        def reached():
            rows = self.servers()
            wanted = names or rows.keys()
            return all(rows.get(name, {}).get("state") == state for name in wanted)

        try:
            eventually(reached, timeout, what=f"state {state} of {names or 'all servers'}")
        except AssertionError as failure:
            tail = "\n".join(self.log()[-30:])
            raise AssertionError(f"{failure}\nservers: {self.servers()}\nlog:\n{tail}") from None
        return self

    def wait_indexed(self, timeout=20.0):
        """Waits until searches know of every tool that is listed."""

        def reached():
            told = self.get("/api/v1/tools/search?q=x").json()
            return told["indexedTools"] == told["tools"]

        eventually(reached, timeout, what="an index of all tools")
        return self

    def reload(self):
        self.signal(signal.SIGHUP)

    def server_pid(self, name):
        """The process of a stdio server: as reported, else the child whose argv names it."""
        return self.servers()[name].get("pid")

    def legacy(self, path="/mcp", version="2025-11-25", **options):
        return LegacyClient(self.address, path, version, **options).initialize()

    def modern(self, path="/mcp", **options):
        return ModernClient(self.address, path, **options)


class HttpFixture:
    """A fixture server over HTTP in a process of its own."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [PYTHON, "-S", "-E", FIXTURE, "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        line = self.process.stdout.readline().decode()
        if not line.startswith("http://"):
            self.stop()
            raise RuntimeError(f"the fixture server does not start: {line!r}")
        self.url = line.strip()
        self.port = urllib.parse.urlsplit(self.url).port

    def config(self, kind="http", **more):
        return {"type": kind, "url": self.url, **more}

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def run_cli(*args, env=None, timeout=30.0, stdin=subprocess.DEVNULL, cwd=None):
    """Runs a subcommand to its end; returns the completed process with text output."""
    return subprocess.run(
        [binary(), *args],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def stdio_gateway(config_path, env=None, args=()):
    """`nexus stdio` as a process with a client on it."""
    argv = [binary(), "stdio", *(["-c", config_path] if config_path else []), *args]
    return StdioClient(argv, env={**os.environ, **(env or {})})
