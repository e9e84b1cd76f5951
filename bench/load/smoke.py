#!/usr/bin/env python3
"""Runs nexus-bench against right, wrong, slow and stalling servers in every dialect.

    bench/load/smoke.py --build build/release

A minute at most, loopback only. What shall be found is known: wrong answers by their class, a
stall in the latencies of an open loop, notifications by their number.
"""

import argparse
import contextlib
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

# pylint: disable=wrong-import-position
from harness import Processes, free_port, http_status, listens, wait_until  # noqa: E402

BUILD = pathlib.Path()
MIX = {
    "operations": [
        {"op": "call", "name": "sized", "tool": "echo", "weight": 6, "bytes": [10, 20000],
         "arguments": {"text": "$ID $PAD"}},
        {"op": "list", "weight": 2},
        {"op": "ping", "weight": 1},
        {"op": "request", "method": "tools/list", "weight": 1, "expect": "inputSchema"},
    ]
}


def bench(*arguments, seconds=0.4, code=0):
    """One run; its JSON report. Fails when the exit status is not `code`."""
    command = [str(BUILD / "nexus-bench"), "--format", "json", "--no-progress", "--seconds",
               str(seconds), "--warmup-seconds", "0.1", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != code:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}, not {code}: "
                             f"{done.stdout}{done.stderr}")
    return json.loads(done.stdout) if done.stdout else {"stderr": done.stderr}


class Answers(http.server.BaseHTTPRequestHandler):
    """A small server in Python; subclasses say what is wrong with it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def reply(self, status, body=b"", kind="application/json", **fields):
        """A whole response in one write."""
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def do_POST(self):  # pylint: disable=invalid-name
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if message.get("method") == "initialize":
            return self.reply(200, result_of(message, {"protocolVersion": "2025-11-25"}),
                              Mcp_Session_Id="s")
        if "id" not in message:
            return self.reply(202)
        return self.answer(message)

    def answer(self, message):
        """The answer to a call."""
        arguments = message["params"].get("arguments", {})
        self.reply(200, result_of(message, {"structuredContent": arguments}))


def result_of(message, result):
    """A JSON-RPC answer as bytes."""
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()


@contextlib.contextmanager
def serving(handler, tls: ssl.SSLContext | None = None):
    """The URL of a server with this handler."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/mcp"
    finally:
        server.shutdown()
        server.server_close()


class RightServers(unittest.TestCase):
    """Every dialect gets right answers from right servers."""

    @classmethod
    def setUpClass(cls):
        cls.processes = Processes()
        cls.addClassCleanup(cls.processes.__exit__)
        cls.port = free_port()
        cls.echo = cls.processes.start(
            [BUILD / "nexus_e2e_echo", "--port", cls.port, "--session", "abc"])
        wait_until(lambda: listens(cls.port), cls.echo, "the echo server")
        cls.url = f"http://127.0.0.1:{cls.port}/mcp"

    def test_eras_and_reactors(self):
        for reactor in ("io_uring", "epoll"):
            for options in (("--era", "blind"), ("--era", "legacy"), ("--era", "modern"),
                            ("--revision", "2025-03-26"), ("--revision", "2025-06-18"),
                            ("--session", "shared", "--idle-sessions", "5"),
                            ("--threads", "2"), ("--spread", "3", "--tool", "tool_$N")):
                with self.subTest(options=options, reactor=reactor):
                    report = bench(self.url, "-c", 4, "--reactor", reactor, "--watch",
                                   self.echo.pid, *options)
                    self.assertGreater(report["calls"], 100)
                    self.assertEqual((report["errors"], report["reconnects"]), (0, 0))
                    self.assertEqual(report["reactor"], reactor)
                    self.assertGreater(report["rss_mib"], 0)
                    self.assertGreaterEqual(report["cpu_us_per_call"], 0)

    def test_sessions_are_opened_as_asked(self):
        for options, sessions in ((("--era", "modern"), 0), ((), 4),
                                  (("--session", "shared"), 1), (("--idle-sessions", "7"), 11)):
            with self.subTest(options=options):
                self.assertEqual(bench(self.url, "-c", 4, *options)["sessions"], sessions)

    def test_open_loop_keeps_its_rate(self):
        for reactor in ("io_uring", "epoll"):
            for arrivals, slack in (("even", 1), ("poisson", 90)):
                with self.subTest(reactor=reactor, arrivals=arrivals):
                    report = bench(self.url, "--rate", 500, "--arrivals", arrivals, "--reactor",
                                   reactor, "-c", 8, "--era", "blind", seconds=1)
                    self.assertAlmostEqual(report["due"], 500, delta=slack)
                    self.assertGreater(report["calls"], 300)
                    self.assertEqual(report["backlog"], 0)

    def test_ramp(self):
        report = bench(self.url, "--stages", "0-400:1,400:1", "-c", 8, seconds=1)
        self.assertAlmostEqual(report["due"], 600, delta=1)
        first, second = (each["due"] for each in report["timeline"])
        self.assertAlmostEqual(first, 200, delta=1)
        self.assertAlmostEqual(second, 400, delta=1)

    def test_closed_loop_stages_and_think_time(self):
        report = bench(self.url, "--stages", "1c:1,4c:1", "-c", 4, "--think-ms", 20)
        first, second = (each["calls"] for each in report["timeline"])
        self.assertTrue(20 <= first <= 52, first)
        self.assertAlmostEqual(second / first, 4, delta=1.5)

    def test_workload_file(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "mix.json")
            file.write_text(json.dumps(MIX))
            report = bench(self.url, "--workload", file, "-c", 4, "--json",
                           pathlib.Path(folder, "out.json"), "--html",
                           pathlib.Path(folder, "out.html"))
            self.assertEqual(json.loads(pathlib.Path(folder, "out.json").read_text()), report)
            page = pathlib.Path(folder, "out.html").read_text()
            self.assertEqual(len(re.findall("<svg", page)), 3)
            self.assertNotIn("nan", page)
        counts = [each["calls"] for each in report["operations"]]
        self.assertEqual(sum(counts), report["calls"])
        self.assertAlmostEqual(counts[0] / report["calls"], 0.6, delta=0.1)
        self.assertGreater(report["bytes_out"] / report["calls"], 5000)

    def test_stdio(self):
        for era in ("legacy", "modern"):
            with self.subTest(era=era):
                report = bench("--era", era, "-c", 2, "--in-flight", 4, "--", BUILD /
                               "nexus_e2e_echo", "--stdio")
                self.assertGreater(report["calls"], 100)
                self.assertEqual(report["errors"], 0)

    def test_capacity(self):
        with serving(slow_below(300)) as url:
            report = bench(url, "--era", "blind", "--find-capacity", "--p99-ms", 500, "-c", 40,
                           "--precision", 0.2, "--rate", 100, seconds=1)
        self.assertTrue(50 <= report["capacity_rps"] <= 400, report["capacity_rps"])
        self.assertGreater(len(report["trials"]), 2)


def slow_below(rate):
    """A server that answers one call after the other and takes 1/rate for each."""
    turn = threading.Lock()

    class Slow(Answers):
        def answer(self, message):
            with turn:
                time.sleep(1 / rate)
            super().answer(message)

    return Slow


class Gateway(unittest.TestCase):
    """The gateway and the sample servers, in each of its dialects."""

    @classmethod
    def setUpClass(cls):
        cls.processes = Processes()
        cls.addClassCleanup(cls.processes.__exit__)
        cls.port = free_port()
        echo = {"command": str(BUILD / "nexus_e2e_echo"), "args": ["--stdio"]}
        clock = {"command": str(BUILD / "nexus-sample-clock")}
        config = cls.processes.write("nexus.json", json.dumps(
            {"state": "off", "exposure": "hybrid", "pinnedTools": ["*"],
             "mcpServers": {"echo": echo, "clock": clock}}))
        cls.config = config
        cls.nexus = cls.processes.start([BUILD / "nexus", "serve", "--config", config, "--listen",
                                         f"127.0.0.1:{cls.port}"])
        wait_until(lambda: http_status(cls.port, "/readyz") == 200, cls.nexus, "nexus")
        cls.url = f"http://127.0.0.1:{cls.port}"

    def test_http(self):
        for era in ("legacy", "modern"):
            with self.subTest(era=era):
                report = bench(f"{self.url}/mcp", "--era", era, "--tool", "echo__echo", "-c", 8,
                               "--watch", self.nexus.pid)
                self.assertGreater(report["calls"], 100)
                self.assertEqual(report["errors"], 0, report["first_error"])

    def test_first_transport(self):
        report = bench("--revision", "2024-11-05", f"{self.url}/sse", "--tool", "echo__echo",
                       "-c", 3, "--in-flight", 2)
        self.assertGreater(report["calls"], 100)
        self.assertEqual((report["errors"], report["sessions"]), (0, 3), report["first_error"])

    def test_websocket(self):
        for reactor in ("io_uring", "epoll"):
            for era, sessions in (("legacy", 3), ("modern", 0)):
                with self.subTest(era=era, reactor=reactor):
                    report = bench("--era", era, f"ws://127.0.0.1:{self.port}/ws", "-c", 3,
                                   "--tool", "echo__echo", "--in-flight", 4, "--reactor", reactor)
                    self.assertGreater(report["calls"], 100)
                    self.assertEqual((report["errors"], report["sessions"], report["reconnects"]),
                                     (0, sessions, 0), report["first_error"])

    def test_what_is_no_websocket(self):
        said = bench(f"ws://127.0.0.1:{self.port}/healthz", code=1)["stderr"]
        self.assertIn("no WebSocket: HTTP/1.1", said)

    def test_stdio(self):
        report = bench("--tool", "echo__echo", "-c", 1, "--in-flight", 4, "--", BUILD / "nexus",
                       "stdio", "--exposure", "tools", "--config", self.config)
        self.assertGreater(report["calls"], 100)
        self.assertEqual(report["errors"], 0, report["first_error"])

    def test_sample_server(self):
        command = [BUILD / "nexus-sample-clock"]
        report = bench("--tool", "current_time", "--arguments", '{"timezone":"UTC"}', "--expect",
                       "unix_seconds", "-c", 1, "--", *command)
        self.assertGreater(report["calls"], 10)
        self.assertEqual(report["errors"], 0, report["first_error"])

    def knows_the_time(self):
        """Whether the gateway's index has the clock's tools."""
        query = f"{self.url}/api/v1/tools/search?q=time"
        with urllib.request.urlopen(query, timeout=5) as answer:
            return b"current_time" in answer.read()

    def test_search(self):
        wait_until(self.knows_the_time, self.nexus, "the index")
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "search.json")
            file.write_text(json.dumps({"operations": [
                {"op": "search", "query": "what time is it", "expect": "current_time"}]}))
            report = bench(f"{self.url}/mcp", "--workload", file, "-c", 1)
        self.assertGreater(report["calls"], 10)
        self.assertEqual(report["errors"], 0, report["first_error"])

    def test_session_churn(self):
        report = bench(f"{self.url}/mcp", "--tool", "echo__echo", "-c", 2,
                       "--calls-per-session", 10)
        self.assertEqual(report["errors"], 0, report["first_error"])
        self.assertAlmostEqual(report["sessions"], report["calls"] / 10, delta=report["calls"] / 10)
        self.assertGreater(report["sessions"], 4)

    def test_unknown_tool_is_an_error(self):
        report = bench(f"{self.url}/mcp", "--tool", "echo__nothing", "--no-expect", "-c", 1, code=2)
        self.assertEqual(report["calls"], 0)


class WrongServers(unittest.TestCase):
    """Each mistake of a server is counted as what it is, and the exit status says so."""

    def check(self, kind, answer, *options, seconds=0.4):
        handler = type("Wrong", (Answers,), {"answer": answer})
        with serving(handler) as url:
            report = bench(url, "-c", 2, "--timeout-seconds", 0.3, *options, code=2,
                           seconds=seconds)
        self.assertGreater(report["errors_by_kind"][kind], 0, report)
        self.assertIn(kind, report["first_error"])
        return report

    def test_status(self):
        self.check("http", lambda self, message: self.reply(500, b"oops"))

    def test_garbage(self):
        self.check("protocol", lambda self, message: self.reply(200, b"garbage"))
        self.check("http", lambda self, message: self.wfile.write(b"garbage\r\n\r\n"))

    def test_rpc_error(self):
        self.check("rpc", lambda self, message: self.reply(200, json.dumps(
            {"jsonrpc": "2.0", "id": message["id"],
             "error": {"code": -32603, "message": "no"}}).encode()))

    def test_tool_error(self):
        self.check("tool", lambda self, message: self.reply(
            200, result_of(message, {"isError": True, "content": []})))

    def test_strangers(self):
        def other_id(self, message):
            message["id"] += 1
            self.reply(200, result_of(message, {"structuredContent": message["params"]}))

        def other_content(self, message):
            self.reply(200, result_of(message, {"content": message["id"] + 1}))

        self.check("stranger", other_id)
        self.check("stranger", other_content)

    def test_one_stranger_among_thousands_is_found(self):
        count = iter(range(1, 1 << 60))

        def answer(self, message):
            said = message["id"] + (1 if next(count) == 100 else 0)
            self.reply(200, result_of(message, {"content": said}))

        report = self.check("stranger", answer, seconds=1)
        self.assertEqual(report["errors_by_kind"]["stranger"], 1, report)
        self.assertGreater(report["calls"], 100)

    def test_missing_content(self):
        self.check("content", lambda self, message: self.reply(
            200, result_of(message, {"content": []})))
        self.check("content", lambda self, message: self.reply(
            200, result_of(message, {"content": "rain"})), "--expect", "sun")

    def test_hang_up(self):
        def answer(self, _):
            self.close_connection = True

        self.check("transport", answer)

    def test_silence(self):
        report = self.check("timeout", lambda self, message: time.sleep(1))
        self.assertGreaterEqual(report["p50_us"], 290_000)

    def test_refusals_are_counted_apart(self):
        turn = iter(range(1 << 60))

        def answer(self, message):
            if next(turn) % 2:
                self.reply(429, b"", Retry_After="1")
            else:
                Answers.answer(self, message)

        with serving(type("Busy", (Answers,), {"answer": answer})) as url:
            report = bench(url, "-c", 2)
        self.assertEqual(report["errors"], 0)
        self.assertAlmostEqual(report["refused"], report["calls"], delta=report["calls"] / 3)

    def test_wrong_child(self):
        report = bench("--", "sh", "-c", "echo last words >&2; exit 3", code=1)
        self.assertIn("last words", report["stderr"])

    def test_nobody_listens(self):
        report = bench(f"http://127.0.0.1:{free_port()}/mcp", code=1)
        self.assertIn("127.0.0.1", report["stderr"])


class Truth(unittest.TestCase):
    """What a generator may easily hide."""

    def test_a_stall_is_seen_by_all_calls_that_it_delays(self):
        begin = time.monotonic()

        class Stalls(Answers):
            """Does nothing at all from 0.9 s to 1.4 s after its first request."""
            first = []

            def answer(self, message):
                self.first.append(time.monotonic())
                since = time.monotonic() - self.first[0]
                if 0.9 < since < 1.4:
                    time.sleep(1.4 - since)
                super().answer(message)

        with serving(Stalls) as url:
            report = bench(url, "--era", "blind", "--rate", 200, "-c", 1, seconds=2)
        # Half a second of 2 is a quarter of the calls: each waited for up to 0.5 s.
        self.assertLess(time.monotonic() - begin, 30)
        self.assertGreater(report["p90_us"], 150_000)
        self.assertGreater(report["p99_us"], 400_000)
        # From sending to answer only the one call that was on its way was slow.
        self.assertLess(report["from_send"]["p90_us"], 100_000)
        self.assertAlmostEqual(report["due"], 400, delta=1)

    def test_what_never_left_is_in_the_latency(self):
        with serving(slow_below(20)) as url:
            report = bench(url, "--era", "blind", "--rate", 200, "-c", 1, seconds=1)
        self.assertGreater(report["backlog"], 50)
        self.assertGreater(report["p99_us"], 1_500_000)

    def test_subscribers_count_what_they_get(self):
        class Pushes(Answers):
            """Tells each listener ten things."""

            def do_GET(self):  # pylint: disable=invalid-name
                self.stream()

            def answer(self, message):
                if message["method"] == "subscriptions/listen":
                    return self.stream()
                return super().answer(message)

            def stream(self):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                 b"Connection: close\r\n\r\n: hello\n\n")
                for number in range(10):
                    time.sleep(0.01)
                    text = json.dumps({"jsonrpc": "2.0", "params": {"n": number},
                                       "method": "notifications/tools/list_changed"})
                    self.wfile.write(f"data: {text}\n\n".encode())
                time.sleep(10)
                self.close_connection = True

        for era in ("legacy", "modern"):
            with self.subTest(era=era), serving(Pushes) as url:
                seen = bench(url, "--era", era, "-c", 1, "--subscribers", 4,
                             seconds=1.5)["subscribers"]
                self.assertEqual(seen, {"count": 4, "streams": 4, "ended": 0,
                                        "notifications": 40, "least": 10, "most": 10})

    def test_answers_on_event_streams(self):
        class Streams(Answers):
            """Says something before each answer."""

            def answer(self, message):
                told = json.dumps({"jsonrpc": "2.0", "method": "notifications/message",
                                   "params": {"level": "info", "data": 1}}).encode()
                right = result_of(message, {"structuredContent": message["params"]})
                self.reply(200, b"data: " + told + b"\n\ndata: " + right + b"\n\n",
                           "text/event-stream")

        with serving(Streams) as url:
            report = bench(url, "-c", 2)
        self.assertEqual(report["errors"], 0, report["first_error"])
        self.assertGreaterEqual(report["notifications"], report["calls"])

    def test_servers_that_close_after_each_answer(self):
        class Closes(Answers):
            def answer(self, message):
                self.close_connection = True
                self.reply(200, result_of(message, {"x": message["id"]}), Connection="close")

        with serving(Closes) as url:
            report = bench(url, "-c", 2)
        self.assertEqual(report["errors"], 0, report["first_error"])
        self.assertGreater(report["calls"], 20)
        self.assertGreaterEqual(report["reconnects"], report["calls"])

    @unittest.skipUnless(shutil.which("openssl"), "NO openssl TO MAKE A CERTIFICATE WITH")
    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = pathlib.Path(folder, "key"), pathlib.Path(folder, "certificate")
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=bench",
                 "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                check=True, capture_output=True)
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate, key)
            with serving(Answers, tls) as url:
                for trust in (("--ca-file", certificate), ("--insecure",)):
                    report = bench(url, "-c", 2, *trust)
                    self.assertEqual(report["errors"], 0, report["first_error"])
                    self.assertGreater(report["calls"], 10)
                self.assertIn("certificate", bench(url, "-c", 1, code=1)["stderr"])

    def test_help_and_mistakes(self):
        program = str(BUILD / "nexus-bench")
        done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertIn("--find-capacity", done.stdout)
        for arguments, expected in (
                ([], "a URL or a command is needed"),
                (["ftp://x", "--era", "blind"], "--era blind is for HTTP"),
                (["http://127.0.0.1:1/", "--rate", "5", "--stages", "5:1"], "choose one"),
                (["http://127.0.0.1:1/", "--rate", "5", "--think-ms", "5"], "closed loop"),
                (["http://127.0.0.1:1/", "--revision", "2020"], "unknown: 2020"),
                (["http://127.0.0.1:1/", "--arguments", "[]"], "must be a JSON object"),
                (["http://127.0.0.1:1/", "--header", "x"], "not 'NAME: VALUE'"),
                (["http://127.0.0.1:1/", "--workload", "absent.json"], "cannot be read")):
            with self.subTest(arguments=arguments):
                done = subprocess.run([program, *arguments], capture_output=True, text=True,
                                      check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(expected, done.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    known, rest = parser.parse_known_args()
    BUILD = known.build.resolve()
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    unittest.main(argv=[sys.argv[0], *rest])
