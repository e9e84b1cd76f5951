"""Every reason for which a request is turned away: what the client hears, and that it counts."""

import json
import os
import signal
import tempfile
import threading
import time
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection, request_bytes
from support.mcp_client import BOTH_FORMS, LegacyClient, envelope
from support.nexus_process import (
    Nexus,
    eventually,
    reactor,
    stdio_gateway,
    stdio_server,
    within,
)

JSON = [("Content-Type", "application/json"), ("Accept", BOTH_FORMS)]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def refusals(gateway):
    found = {}
    for line in gateway.get("/metrics").body.decode().splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("nexus_gateway_refusals_total{"):
            found[name.split('"')[1]] = float(value)
    return found


class Reasons(GatewayCase):
    extra_config = {
        "limits": {"headerTimeout": "300ms", "bodyTimeout": "300ms", "sessions": 20},
        "checkArguments": "all",
    }

    @classmethod
    def servers(cls):
        handle, path = tempfile.mkstemp(suffix=".json")
        cls.addClassCleanup(os.unlink, path)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump([{"name": "count", "inputSchema": SCHEMA}], file)
        return {"alpha": stdio_server("--tools-file", path)}

    def counted(self, reason, turn, times=1):
        """Runs `turn` and checks that so many refusals of that reason alone were counted."""
        before = refusals(self.gateway)
        value = turn()
        after = refusals(self.gateway)
        grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        self.assertEqual(grown, {reason: times})
        return value

    def raw(self, data):
        def turn():
            with Connection(self.address) as connection:
                connection.send(data)
                return connection.response().status

        return turn

    def post(self, body, *headers, path="/mcp"):
        fields = [("Host", "localhost"), *JSON, *headers, ("Content-Length", len(body))]
        return self.raw(request_bytes("POST", path, fields, body))

    def test_what_is_no_request(self):
        host = [("Host", "localhost")]
        rows = (
            ("http_syntax", b"nonsense\r\n\r\n", 400),
            ("http_syntax", request_bytes("POST", "/mcp", [*host, ("Content-Length", "x")]), 400),
            ("http_limit", request_bytes("GET", "/", [*host, ("X", "x" * 40_000)]), 431),
            (
                "http_limit",
                request_bytes("POST", "/mcp", [*host, ("Content-Length", 1 << 40)]),
                413,
            ),
            ("http_timeout", b"GET / HTTP/1.1\r\nHost: local", 408),
            ("http_timeout", request_bytes("POST", "/mcp", [*host, ("Content-Length", 9)]), 408),
            ("host", request_bytes("GET", "/healthz", [("Host", "evil.example")]), 403),
            ("origin", request_bytes("GET", "/healthz", [*host, ("Origin", "http://e.x")]), 403),
            ("media_type", request_bytes("POST", "/mcp", [*host, ("Content-Length", 0)]), 415),
        )
        for reason, data, status in rows:
            with self.subTest(reason=reason, data=data[:60]):
                self.assertEqual(self.counted(reason, self.raw(data)), status)

    def test_what_is_no_message(self):
        session = ("Mcp-Session-Id", "nobody")
        modern = ("MCP-Protocol-Version", "2026-07-28")
        params = {"_meta": envelope()}
        listed = json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}
        ).encode()
        rows = (
            ("json_syntax", b"{", (), 400),
            ("envelope", b'{"jsonrpc":"1.0","id":1,"method":"ping"}', (), 400),
            ("envelope", b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', (), 400),
            ("envelope", b'{"jsonrpc":"2.0","id":null,"method":"ping"}', (), 400),
            ("header_mismatch", listed, (modern, ("Mcp-Method", "ping")), 400),
            ("session", b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', (), 400),
            ("session", b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', (session,), 404),
        )
        for reason, body, headers, status in rows:
            with self.subTest(reason=reason, body=body):
                self.assertEqual(self.counted(reason, self.post(body, *headers)), status)

    def test_arguments(self):
        client = self.legacy()
        turn = lambda: client.call("alpha__count", {"n": "many"})
        self.assertTrue(self.counted("arguments", turn).result["isError"])
        self.assertEqual(client.call("alpha__count", {"n": 1}).text, "called count")

    def test_sessions(self):
        def turn():
            statuses = []
            for _ in range(30):
                client = LegacyClient(self.address)
                try:
                    client.initialize()
                except Exception:
                    statuses.append(client.request("ping").status)
                client.close()
            return statuses

        before = refusals(self.gateway)["sessions"]
        turn()
        self.assertGreaterEqual(refusals(self.gateway)["sessions"] - before, 10)


class Overload(unittest.TestCase):
    def test_calls_in_flight_of_the_process(self):
        config = {"limits": {"callsInFlight": 4}}
        with Nexus({"a": stdio_server()}, config=config, workers=1) as gateway:
            gateway.wait_servers()
            with gateway.modern() as client:
                busy = self.sleepers(gateway, 5, 3)
                answer = client.call("a__echo", {"text": "x"})
                self.assertEqual(answer.status, 503)
                self.assertIn("try again", answer.error["message"])
                self.assertEqual(answer.header("Retry-After"), "1")
                self.assertLess(answer.seconds, within(0.5))
                self.assertGreaterEqual(refusals(gateway)["calls"], 1)
                for thread in busy:
                    thread.join(20)
                self.assertEqual(client.call("a__echo", {"text": "x"}).text, "x")

    def sleepers(self, gateway, count, seconds):
        def sleep():
            with gateway.modern() as client:
                client.call("a__sleep", {"seconds": seconds})

        threads = [threading.Thread(target=sleep, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        return threads

    def test_calls_that_wait_for_one_server(self):
        """1,024 may; the others are told at once, and the first ones served in the end."""
        entry = stdio_server(concurrency=1, timeout="20s")
        with Nexus({"a": entry, "b": stdio_server()}, workers=1) as gateway:
            gateway.wait_servers()
            held = []
            try:
                for number in range(1100):
                    held.append(self.ask(gateway, number))
                eventually(lambda: refusals(gateway)["queue"] >= 60, 20, what="refusals")
                with gateway.modern() as client:
                    answer = client.call("a__echo", {"text": "x"})
                    self.assertIn("overloaded", answer.error["message"])
                    self.assertLess(answer.seconds, within(0.5))
                    self.assertEqual(client.call("b__echo", {"text": "x"}).text, "x")
                first = next(held[1].response(30).messages())
                self.assertEqual(first["result"]["content"][0]["text"], "slept")
            finally:
                for connection in held:
                    connection.close()
            with gateway.modern() as client:
                eventually(
                    lambda: client.call("a__echo", {"text": "x"}).error is None, 30, 0.2,
                    what="service once the others have gone",
                )  # fmt: skip

    def ask(self, gateway, number):
        connection = Connection(gateway.address, 30)
        client = gateway.modern()
        params = {"name": "a__sleep", "arguments": {"seconds": 0.2}}
        headers = client.headers("tools/call", params)
        params["_meta"] = envelope()
        body = json.dumps(
            {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        ).encode()
        fields = [("Host", "localhost"), *headers.items(), ("Content-Length", len(body))]
        connection.send(request_bytes("POST", "/mcp", fields, body))
        return connection

    def test_calls_of_one_client_on_stdio(self):
        handle, path = tempfile.mkstemp(suffix=".json")
        self.addCleanup(os.unlink, path)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            servers = {"a": stdio_server(concurrency=1)}
            json.dump({"reactor": reactor(), "exposure": "tools", "mcpServers": servers}, file)
        with stdio_gateway(path) as client:
            client.initialize()
            call = {"name": "a__sleep", "arguments": {"seconds": 1}}
            for number in range(300):
                client.send(
                    {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call}
                )
            refused = [client.receive(10) for _ in range(44)]
            self.assertTrue(all("too many requests" in m["error"]["message"] for m in refused))

    def test_requests_while_the_gateway_ends(self):
        gateway = Nexus({"a": stdio_server()}).start()
        self.addCleanup(gateway.kill)
        gateway.wait_servers()
        client, waiting = gateway.modern(), gateway.modern()
        probe = Connection(gateway.address)
        probe.send(b"GET /healthz HTTP/1.1\r\nHost: local")  # it is inside a request
        sleeper = threading.Thread(target=lambda: waiting.call("a__sleep", {"seconds": 2}))
        sleeper.start()
        time.sleep(0.5)
        late = Connection(gateway.address)
        late.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        time.sleep(0.2)
        gateway.signal(signal.SIGTERM)
        time.sleep(0.3)
        late.send(b"ngth: 2\r\n\r\n{}")
        response = late.response()
        self.assertEqual((response.status, response.header("Retry-After")), (503, "1"))
        sleeper.join(10)
        self.assertEqual(gateway.process.wait(20), 0)
        for one in (client, waiting, probe, late):
            one.close()


if __name__ == "__main__":
    unittest.main()
