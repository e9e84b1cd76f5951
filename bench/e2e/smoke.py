#!/usr/bin/env python3
"""Shows that the harness measures and that it notices wrong answers; a few seconds, loopback only.

    bench/e2e/smoke.py --build build/release
"""

import argparse
import json
import pathlib
import socket
import subprocess
import sys
import threading

from harness import HarnessError, Processes, free_port, listens, run_load, wait_until

CALLS = {"seconds": 0.2, "warmup_seconds": 0.05, "connections": 4}


class Liar(threading.Thread):
    """A server that answers every request with the same bytes; one connection after another."""

    def __init__(self, answer: bytes):
        super().__init__(daemon=True)
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def run(self):
        while True:
            peer, _ = self._listener.accept()
            with peer:
                try:
                    while peer.recv(65536):
                        peer.sendall(self._answer)
                except OSError:
                    continue


def wrap(body: str, status: str = "200 OK") -> bytes:
    """An HTTP answer."""
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def check_right(build: pathlib.Path):
    """Every era, both loops and both relays, through the echo server."""
    with Processes() as processes:
        port = free_port()
        echo = processes.start([build / "nexus_e2e_echo", "--port", port, "--session", "abc"])
        wait_until(lambda: listens(port), echo, "the echo server")
        ports = [port]
        for reactor in ("epoll", "io_uring"):
            ports.append(free_port())
            relay = processes.start([build / "nexus_e2e_relay", "--listen-port", ports[-1],
                                     "--to-port", port, "--reactor", reactor])
            wait_until(lambda: listens(ports[-1]), relay, reactor)
        for target in ports:
            url = f"http://127.0.0.1:{target}/mcp"
            for options in ({"era": "blind"}, {"era": "modern"}, {"era": "legacy"},
                            {"era": "legacy", "session": "shared", "idle_sessions": 5},
                            {"rate": 500}):
                report = run_load(build / "nexus-bench", 0, url, (echo.pid,),
                                  **CALLS | options)
                assert report["cpu_us_per_call"] >= 0 and report["rss_mib"] > 0, report
                if "rate" in options:
                    assert 50 <= report["calls"] <= 150, report["calls"]


def check_wrong(build: pathlib.Path):
    """Each kind of wrong answer is counted as what it is."""
    stranger = '{"jsonrpc":"2.0","id":5,"result":{"content":[]}}'
    for answer, kind in ((wrap(stranger), "stranger"), (wrap("{}", "500 Oops"), "http"),
                         (b"garbage\r\n\r\n", "http")):
        liar = Liar(answer)
        liar.start()
        done = subprocess.run(
            [build / "nexus-bench", "--url", f"http://127.0.0.1:{liar.port}/mcp", "--era", "blind",
             "--connections", "1", "--seconds", "0.2", "--warmup-seconds", "0", "--format",
             "json", "--no-progress"],
            capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)
        assert done.returncode == 2 and report["calls"] == 0, report
        assert report["errors_by_kind"][kind] > 0, (kind, report)


def check_stdio(build: pathlib.Path):
    """The mock server over stdio answers what needs an answer and ends with its input."""
    lines = ['{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}',
             '{"jsonrpc":"2.0","method":"notifications/initialized"}',
             '{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"arguments":{"n":1}}}']
    done = subprocess.run([build / "nexus_e2e_echo", "--stdio"], input="\n".join(lines) + "\n",
                          capture_output=True, text=True, timeout=10, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [1, "x"], answers
    assert answers[1]["result"]["structuredContent"] == {"n": 1}, answers


def main() -> int:
    """Runs all checks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    build = parser.parse_args().build.resolve()
    try:
        check_right(build)
        check_wrong(build)
        check_stdio(build)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
