#!/usr/bin/env python3
"""Shows that the harness measures and that it notices wrong answers; loopback only.

    bench/e2e/smoke.py --build build/release
"""

import argparse
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
from xml.etree import ElementTree

from harness import (HarnessError, Processes, busy_shares, free_port, listens, run_load,
                     wait_until)
from outcome import Outcome
from plot import line_plot
from report import verdict_table
from scale import SWEEPS, bend_of, byte_bend, slope_bend

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
                            {"padding_bytes": 300_000}, {"rate": 500}):
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


def check_pure():
    """What needs no process: verdicts, bends, plots, shares of cores."""
    out = Outcome()
    out.check("P0", "more", 2.0, 1.0, at_least=True)
    out.check("P0", "less", 2.0, 1.0, values=[1.0, 3.0])
    out.skip("P0", "none", "-", "no reason")
    assert [verdict.word for verdict in out.verdicts] == ["PASS", "FAIL", "SKIP"], out.verdicts
    assert "1.00 to 3.00 in 2 rounds" in verdict_table(out), verdict_table(out)
    assert bend_of({10: 10.0, 100: 13.0, 1000: 11.0}) == 1.3
    steep, steeper = {1: 10.0, 101: 110.0, 201: 260.0}, {1: 10.0, 101: 110.0, 201: 410.0}
    assert abs(slope_bend(steep) - 1.5) < 1e-9
    assert abs(byte_bend(steeper, steep) - 2.0) < 1e-9
    assert abs(byte_bend(steep, {1: 9.0, 101: 29.0, 201: 39.0}) - 1.5) < 1e-9
    assert busy_shares({0: (10, 100)}, {0: (60, 200)}) == {"0": 0.5}
    lines = {"n": [(1, 2, 1, 3), (10, 4, 4, 4)]}
    plot = ElementTree.fromstring(line_plot("a < b", "x", "y", lines))
    circle = "{http://www.w3.org/2000/svg}circle"
    assert len(plot.findall(circle)) == 2
    tenfold = {"n": [(x, x, x, x) for x in (1, 10, 100)]}
    plot = ElementTree.fromstring(line_plot("", "x", "y", tenfold, y_logarithmic=True))
    heights = [float(each.get("cy")) for each in plot.findall(circle)]
    assert abs(heights[0] - 2 * heights[1] + heights[2]) < 0.2, heights


def check_run(build: pathlib.Path):
    """Every part of a run once, as short as can be; the figures mean nothing at such sizes."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-B", pathlib.Path(__file__).with_name("run.py"), "--build", build,
             "--smoke", "--scale", "--only", "P1,P4,P5,P6,P7,P8,P9", "--out", folder],
            capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr[-3000:]
        assert "MEASUREMENT FAILED" not in done.stderr, done.stderr[-3000:]
        result = json.loads((pathlib.Path(folder) / "result.json").read_text())
        said = {verdict["promise"] for verdict in result["verdicts"]}
        assert said == {"P1", "P4", "P5", "P6", "P7", "P8", "P9", "scale"}, said
        assert "| **SKIP** | P1 |" in (pathlib.Path(folder) / "report.md").read_text()
        if (build / "nexus").exists():
            row = result["reports"]["P1 legacy"]["nexus, io_uring"][0]
            for key in ("cpu_us_per_call", "load_us_per_call", "servers_us_per_call"):
                assert row[key] >= 0, row
            assert row["core_busy"] and all(0 <= x <= 1 for x in row["core_busy"].values()), row
            assert len(list(pathlib.Path(folder).glob("scale-*.svg"))) == len(SWEEPS)


def main() -> int:
    """Runs all checks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    build = parser.parse_args().build.resolve()
    try:
        check_right(build)
        check_wrong(build)
        check_stdio(build)
        check_pure()
        check_run(build)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
