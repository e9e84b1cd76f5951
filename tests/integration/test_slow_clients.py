"""Clients that read slowly, not at all, or never finish a request (hazard H11): what they cost is
bounded, and others do not notice."""

import json
import resource
import signal
import socket
import threading
import time
import unittest

from support.cases import GatewayCase, latencies, percentile
from support.http_wire import Connection, request_bytes
from support.mcp_client import BOTH_FORMS, collect, envelope
from support.nexus_process import SANITIZED, Nexus, eventually, stdio_server, within

MIB = 1024


class Peak(threading.Thread):
    """The most memory that the gateway takes while something goes on, in KiB above the start."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.gateway, self.ending = gateway, threading.Event()
        self.base = self.most = gateway.rss_kib()

    def run(self):
        while not self.ending.wait(0.02):
            self.most = max(self.most, self.gateway.rss_kib())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()

    @property
    def grown(self):
        return self.most - self.base


class SlowCase(GatewayCase):
    @classmethod
    def servers(cls):
        return {"alpha": stdio_server()}

    def head(self, *more):
        return [
            ("Host", f"127.0.0.1:{self.address[1]}"),
            ("Content-Type", "application/json"),
            ("Accept", BOTH_FORMS),
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            *more,
        ]

    def call(self, tool, request_id=1, token=None, **arguments):
        params = {"name": f"alpha__{tool}", "arguments": arguments, "_meta": envelope(token=token)}
        message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}
        body = json.dumps(message).encode()
        fields = self.head(("Mcp-Name", f"alpha__{tool}"), ("Content-Length", len(body)))
        return request_bytes("POST", "/mcp", fields, body)

    def stubborn(self, address=None):
        """A connection whose kernel takes little, too."""
        connection = Connection.__new__(Connection)
        connection.address, connection.timeout = address or self.address, 60
        connection.socket = socket.socket()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.socket.connect(connection.address)
        connection.buffer, connection.ended = b"", False
        self.addCleanup(connection.close)
        return connection

    def gauge(self, name):
        for line in self.gateway.get("/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split(" ")[1])
        raise AssertionError(f"no {name}")

    def refusals(self, reason):
        return self.gauge(f'nexus_gateway_refusals_total{{reason="{reason}"}}')

    def bounded(self, kib, most_mib, what):
        print(f"{what}: {kib / MIB:.1f} MiB, allowed are {most_mib}", flush=True)
        if not SANITIZED:
            self.assertLess(kib, most_mib * MIB, what)


class Readers(SlowCase):
    def test_answers_to_pipelined_calls_wait_for_their_reader(self):
        """200 MiB of answers are asked for at once by somebody who does not read."""
        connection = self.stubborn()
        with Peak(self.gateway) as peak:
            wire = b"".join(self.call("big", n, bytes=1024 * 1024) for n in range(200))
            connection.send(wire)
            time.sleep(2)
            self.assertEqual(self.legacy().call("alpha__echo", {"text": "x"}).text, "x")
        self.bounded(peak.grown, 16, "answers of 200 MiB that nobody reads")
        for number in range(200):
            response = connection.response()
            self.assertEqual(next(response.messages())["id"], number)

    def test_progress_is_lost_before_memory_is(self):
        texts = ["p" * 4000] * 8000  # 32 MB
        connection = self.stubborn()
        with Peak(self.gateway) as peak:
            connection.send(self.call("utter", 7, token="t", texts=texts[:1] * 400))
            self.assertEqual(collect(connection.response(), 7, 0).text, texts[0])
            params = {"steps": 60000, "delay": 0}
            connection.send(self.call("progress", 8, token="t", **params))
            time.sleep(4)
        self.bounded(peak.grown, 24, "progress that nobody reads")
        answer = collect(connection.response(), 8, 0)
        self.assertEqual(answer.text, "60000 steps")

    def test_a_reader_that_has_stopped_is_cut_off(self):
        """Ten of them, each with an answer of 4 MiB that it does not take: memory is theirs until
        the stall's time is over, and comes back."""
        before, refused = self.gateway.rss_kib(), self.refusals("slow_reader")
        readers = [self.stubborn() for _ in range(10)]
        begun = time.monotonic()
        with Peak(self.gateway) as peak:
            for reader in readers:
                reader.send(self.call("big", bytes=4 * 1024 * 1024))
            time.sleep(3)
            fast = self.legacy()
            self.assertLess(percentile(latencies(fast, "alpha__echo", 50), 0.99), within(0.2))
        self.bounded(peak.grown, 10 * 4 * 2 + 16, "ten answers of 4 MiB that nobody reads")
        self.assertEqual(self.refusals("slow_reader"), refused, "not before the time is over")
        eventually(
            lambda: self.refusals("slow_reader") == refused + 10, 50, 0.5, "the end of the readers"
        )
        self.assertGreater(time.monotonic() - begun, 25)
        eventually(
            lambda: SANITIZED or self.gateway.rss_kib() < before + 48 * MIB, 10, what="the memory"
        )


class SlowButSure(SlowCase):
    """A reader that is slow takes longer than any time-out of a connection without a request."""

    extra_config = {"limits": {"idleTimeout": "800ms", "drainTimeout": "20s"}}
    SIZE = 3 * 1024 * 1024

    def read_slowly(self, connection, seconds):
        """The whole answer, over at least that time."""
        response = connection.response()
        size = int(response.header("Content-Length")) - len(connection.buffer)
        pause = seconds / (size / 65536)
        while size > 0:
            piece = connection.socket.recv(min(size, 65536))
            self.assertTrue(piece, f"cut off with {size} bytes left")
            size -= len(piece)
            time.sleep(pause * len(piece) / 65536)

    def test_it_gets_everything(self):
        connection = self.stubborn()
        connection.send(self.call("big", bytes=self.SIZE))
        self.read_slowly(connection, 4)
        connection.buffer = b""
        connection.send(self.call("echo", text="and goes on"))
        self.assertEqual(next(connection.response().messages())["id"], 1)
        self.assertTrue(connection.at_end(5), "idle from now on")

    def test_it_gets_everything_while_the_gateway_ends(self):
        with Nexus(self.servers(), config=self.extra_config) as gateway:
            gateway.wait_servers()
            connection = self.stubborn(gateway.address)
            connection.send(self.call("big", bytes=self.SIZE))
            time.sleep(0.5)
            gateway.signal(signal.SIGTERM)
            self.read_slowly(connection, 1.5)

    def test_one_that_takes_next_to_nothing_is_idle(self):
        connection = self.stubborn()
        connection.send(self.call("big", bytes=self.SIZE))
        connection.response()
        begun, gone = time.monotonic(), False
        while not gone and time.monotonic() < begun + 15:
            time.sleep(0.1)
            try:
                connection.socket.recv(1)
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            except ConnectionError:
                gone = True
            gone = gone or self.gauge("nexus_http_connections") < 2
        self.assertTrue(gone, "one byte at a time keeps 3 MiB for ever")


class HalfOpen(SlowCase):
    COUNT = 5000

    def test_connections_that_say_nothing_or_half_a_request(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        count = min(self.COUNT, (hard - 500) // 2)
        client = self.legacy()
        warm = percentile(latencies(client, "alpha__echo", 100), 0.99)
        before = self.gateway.rss_kib()
        beginnings = (
            b"",
            b"P",
            b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-",
            request_bytes("POST", "/mcp", self.head(("Content-Length", "100"))) + b"{",
        )
        held = []
        try:
            for number in range(count):
                one = socket.create_connection(self.address, timeout=10)
                held.append(one)
                one.sendall(beginnings[number % len(beginnings)])
            time.sleep(0.5)
            during = percentile(latencies(client, "alpha__echo", 100), 0.99)
            grown = self.gateway.rss_kib() - before
        finally:
            for one in held:
                one.close()
        print(
            f"{count} half-open connections: {grown / count:.1f} KiB each, p99 of others "
            f"{during * 1000:.1f} ms, {warm * 1000:.1f} ms without",
            flush=True,
        )
        self.assertLess(during, max(10 * warm, within(0.2)))
        if not SANITIZED:
            self.assertLess(grown / count, 16)
        eventually(
            lambda: self.gauge("nexus_http_connections") < 5, 15, what="the end of the connections"
        )


if __name__ == "__main__":
    unittest.main()
