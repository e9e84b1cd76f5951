"""Requests within requests (hazard H07): whatever the framing claims, no server hears of a call
that the gateway did not answer, and nothing follows on a connection whose framing is in doubt."""

import json
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection, WireError, request_bytes
from support.mcp_client import BOTH_FORMS, ModernClient, envelope
from support.nexus_process import HttpFixture, Nexus, stdio_server, within

TYPE = ("Content-Type", "application/json")
ACCEPT = ("Accept", BOTH_FORMS)


class Smuggling(GatewayCase):
    @classmethod
    def servers(cls):
        return {"victim": stdio_server()}

    def setUp(self):
        self.host = ("Host", f"127.0.0.1:{self.address[1]}")
        self.inner = self.call("smuggled")
        self.ping = self.message("server/discover")

    def message(self, method, **params):
        params["_meta"] = envelope()
        body = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
        return json.dumps(body).encode()

    def modern(self, method, name=None):
        fields = [self.host, TYPE, ACCEPT, ("MCP-Protocol-Version", "2026-07-28")]
        fields.append(("Mcp-Method", method))
        return fields + ([("Mcp-Name", name)] if name else [])

    def call(self, text):
        """A whole request that calls the server."""
        body = self.message("tools/call", name="victim__echo", arguments={"text": text})
        fields = [*self.modern("tools/call", "victim__echo"), ("Content-Length", len(body))]
        return request_bytes("POST", "/mcp", fields, body)

    def post(self, extra, content, path="/mcp"):
        return request_bytes("POST", path, [*self.modern("server/discover"), *extra], content)

    def counted(self):
        """What the gateway counted: requests of HTTP and calls of the server."""
        sums = {"nexus_http_requests_total": 0, "nexus_server_calls_total": 0}
        for line in self.gateway.get("/metrics").body.decode().splitlines():
            name = line.split("{")[0].split(" ")[0]
            if name in sums:
                sums[name] += float(line.rsplit(" ", 1)[1])
        return sums

    def answers(self, wire):
        """Statuses of all answers on one connection, and whether it was closed after them."""
        with Connection(self.address) as connection:
            connection.send(wire)
            statuses = []
            try:
                while True:
                    response = connection.response(
                        timeout=within(0.6), no_body=wire.startswith(b"HEAD")
                    )
                    response.body
                    statuses.append(response.status)
            except WireError:
                pass
            except ConnectionError:
                connection.ended = True
            return statuses, connection.ended

    def refused(self):
        """name -> a request in doubt with another one inside or behind it."""
        ping, inner = self.ping, self.inner
        size = len(ping)
        chunked = ("Transfer-Encoding", "chunked")
        length = lambda value: ("Content-Length", value)
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (size, ping)
        long = size + len(inner)
        rows = {
            "CL.TE": self.post([length(long), chunked], chunks + inner),
            "TE.CL": self.post([chunked, length(size)], chunks + inner),
            "CL zero and TE": self.post([length(0), chunked], chunks + inner),
            "two lengths, the first short": self.post([length(size), length(long)], ping + inner),
            "two lengths, the first long": self.post([length(long), length(size)], ping + inner),
            "two equal lengths": self.post([length(size)] * 2, ping + inner),
            "a list of lengths": self.post([length(f"{size}, {size}")], ping + inner),
            "unset length and a list": self.post([length(f", {size}")], ping + inner),
            "trailing garbage in a length": self.post([length(f"{size};")], ping + inner),
            "negative": self.post([length(-size)], ping + inner),
            "plus": self.post([length(f"+{size}")], ping + inner),
            "hex": self.post([length(hex(size))], ping + inner),
            "octal-like hex": self.post([length("0x0")], ping + inner),
            "underscore": self.post([length("1_0")], ping + inner),
            "no ASCII digits": self.post([length("\xb2")], ping + inner),
            "NUL after the length": self.post([length(f"{size}\0")], ping + inner),
            "vertical tab before the length": self.post([length(f"\x0b{size}")], ping + inner),
            "TE.TE, an unknown second": self.post(
                [chunked, ("Transfer-Encoding", "x")], chunks + inner
            ),
            "TE.TE, an unknown first": self.post(
                [("Transfer-Encoding", "x"), chunked], chunks + inner
            ),
            "obs-fold": self.post(
                [length(size), ("X", "1\r\n Transfer-Encoding: chunked")], ping + inner
            ),
            "a folded coding": self.post([("Transfer-Encoding", "\r\n chunked")], chunks + inner),
            "bare LF between fields": self.post([("X", "1\nContent-Length: 0")], ping + inner),
            "bare CR between fields": self.post([("X", "1\rContent-Length: 0")], ping + inner),
            "NUL in a name": self.post([("Content\0-Length", size)], ping + inner),
            "space before the colon": self.post([("Content-Length ", size)], ping + inner),
            "coding of HTTP/1.0": self.post([chunked], chunks + inner).replace(
                b"HTTP/1.1", b"HTTP/1.0", 1
            ),
            "bare LF ends a chunk size": self.post(
                [chunked], b"%x\n%s\r\n0\r\n\r\n" % (size, ping) + inner
            ),
            "bare LF in a chunk extension": self.post(
                [chunked], b"%x;a\n%s\r\n0\r\n\r\n" % (size, ping) + inner
            ),
            "bare CR in a chunk extension": self.post(
                [chunked], b"%x;a\rb\r\n%s\r\n0\r\n\r\n" % (size, ping) + inner
            ),
            "chunk data without its end": self.post(
                [chunked], b"%x\r\n%s0\r\n\r\n" % (size, ping) + inner
            ),
            "signed chunk": self.post([chunked], b"+%x\r\n%s\r\n0\r\n\r\n" % (size, ping) + inner),
            "chunk size in 0x": self.post(
                [chunked], b"0x%x\r\n%s\r\n0\r\n\r\n" % (size, ping) + inner
            ),
            "chunk size beyond 64 bits": self.post(
                [chunked], b"1" + b"0" * 16 + b"\r\n" + ping + inner
            ),
            "length in the trailer": self.post(
                [chunked], b"%x\r\n%s\r\n0\r\nContent-Length: 9\r\n\r\n" % (size, ping) + inner
            ),
            "two Hosts": self.post([("Host", "evil.example"), length(size)], ping + inner),
            "Host and another in the target": self.post(
                [length(size)], ping + inner, "http://evil.example/mcp"
            ),
        }
        for value in (
            "xchunked", "chunkedx", "chunked, identity", "identity", "identity, chunked",
            "gzip, chunked", "chunked, chunked", "chunked,", ",chunked", "\"chunked\"", "'chunked'",
            "chunked;a=b", "\x0bchunked", "chunked\x0b", "chunked\0", "", "deflate",
        ):  # fmt: skip
            rows[f"Transfer-Encoding: {value!r}"] = self.post(
                [("Transfer-Encoding", value)], chunks + inner
            )
        return rows

    def test_what_is_in_doubt_is_refused_with_all_that_follows(self):
        before = self.counted()
        rows = self.refused()
        for name, wire in rows.items():
            with self.subTest(name=name):
                statuses, closed = self.answers(wire)
                self.assertEqual(len(statuses), 1, statuses)
                self.assertIn(statuses[0], (400, 413, 501))
                self.assertTrue(closed)
        after = self.counted()
        self.assertEqual(
            after["nexus_server_calls_total"], before["nexus_server_calls_total"], "smuggled"
        )

    def test_a_body_stays_a_body(self):
        """CL.0 and early answers: a request that is answered without its body being wanted takes
        the body with it, or the connection."""
        inner = self.inner
        length = ("Content-Length", len(inner))
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
        accept = [self.host, ("Accept", "text/event-stream")]
        expect = ("Expect", "100-continue")
        evil = [("Host", "evil.example"), TYPE, ACCEPT]
        text = [self.host, ("Content-Type", "text/plain"), ACCEPT]
        make = request_bytes
        rows = {
            "GET with a body": make("GET", "/healthz", [self.host, length], inner),
            "GET with chunks": make(
                "GET", "/healthz", [self.host, ("Transfer-Encoding", "chunked")], chunks
            ),
            "HEAD with a body": make("HEAD", "/healthz", [self.host, length], inner),
            "DELETE with a body": make("DELETE", "/mcp", [self.host, length], inner),
            "stream with a body": make("GET", "/mcp", [*accept, length], inner),
            "no such path": make("POST", "/nothing", [self.host, TYPE, length], inner),
            "no such method": make("PUT", "/mcp", [self.host, TYPE, length], inner),
            "foreign host": make("POST", "/mcp", [*evil, length], inner),
            "wrong type": make("POST", "/mcp", [*text, length], inner),
            "upgrade refused": make(
                "GET",
                "/ws",
                [
                    self.host,
                    ("Connection", "Upgrade"),
                    ("Upgrade", "websocket"),
                    ("Sec-WebSocket-Version", "777"),
                    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                    length,
                ],
                inner,
            ),
            "expectation and no such path": make(
                "POST", "/nothing", [self.host, TYPE, length, expect], inner
            ),
            "expectation and a foreign host": make("POST", "/mcp", [*evil, length, expect], inner),
            "expectation that is not met": make(
                "POST", "/mcp", [*self.modern("server/discover"), length, ("Expect", "x")], inner
            ),
            "too large": make("POST", "/mcp", [self.host, TYPE, ("Content-Length", 10**8)], inner),
        }
        before = self.counted()
        for name, wire in rows.items():
            with self.subTest(name=name):
                statuses, _ = self.answers(wire)
                self.assertEqual(len(statuses), 1, statuses)
        after = self.counted()
        self.assertEqual(after["nexus_server_calls_total"], before["nexus_server_calls_total"])
        # And with another request behind it: either that is answered as itself, or the end.
        follower = request_bytes("GET", "/healthz", [self.host])
        for name, wire in rows.items():
            if name in ("too large",):
                continue
            with self.subTest(name=name, followed=True):
                statuses, closed = self.answers(wire + follower)
                if len(statuses) == 1:
                    self.assertTrue(closed or name.startswith("HEAD"), statuses)
                else:
                    self.assertEqual(statuses[1:], [200])

    def test_requests_that_are_counted_are_those_that_are_answered(self):
        before = self.counted()
        wire = self.call("one") + self.call("two") + request_bytes("GET", "/healthz", [self.host])
        statuses, _ = self.answers(wire)
        self.assertEqual(statuses, [200] * 3)
        after = self.counted()
        # The scrape counts itself.
        self.assertEqual(
            after["nexus_http_requests_total"] - before["nexus_http_requests_total"], 3 + 1
        )
        self.assertEqual(after["nexus_server_calls_total"] - before["nexus_server_calls_total"], 2)

    def test_a_request_without_a_length_has_no_body(self):
        """0.CL: what follows its head is the next request, and is answered as one."""
        fields = self.modern("server/discover")
        before = self.counted()["nexus_server_calls_total"]
        statuses, _ = self.answers(request_bytes("POST", "/mcp", fields) + self.inner)
        self.assertEqual(statuses, [400, 200])
        self.assertEqual(self.counted()["nexus_server_calls_total"] - before, 1)

    def test_what_a_server_sends_cannot_split_our_answer(self):
        """Names and values of servers stand in no header field of ours without being encoded."""
        client = ModernClient(self.address)
        for name in ("victim__echo\r\nX-Evil: 1", "victim__echo\n\n", "\0", "a\rb"):
            answer = client.call(name, {})
            self.assertEqual(answer.error["code"], -32602)
            self.assertIsNone(answer.header("X-Evil"))
        client.close()


class ToServers(unittest.TestCase):
    """The other side: a name that the client writes does not break the request to the server."""

    def test_names_do_not_split_requests(self):
        with HttpFixture("--era", "modern") as fixture:
            with Nexus({"s": fixture.config(headers={"X-Fixed": "1"})}) as gateway:
                gateway.wait_servers()
                with gateway.modern("/s/s/mcp") as client:
                    for uri in ("a\r\nX-Evil: 1", "a\nb", "\u2028", "ü", " a ", "=?base64?x?="):
                        answer = client.call("echo" + uri, {})
                        self.assertEqual(answer.error["code"], -32602)
                        self.assertEqual(client.call("echo", {"text": uri}).text, uri)


if __name__ == "__main__":
    unittest.main()
