"""What the gateway's HTTP side refuses and accepts before any MCP is read."""

import json
import socket
import time
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection, WireError, exchange, request_bytes
from support.mcp_client import BOTH_FORMS, CLIENT_INFO, envelope
from support.nexus_process import eventually, stdio_server

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT_INFO},
}
JSON = [("Content-Type", "application/json"), ("Accept", BOTH_FORMS)]
ENDPOINTS = ("/mcp", "/s/alpha/mcp", "/healthz", "/readyz", "/metrics", "/api/v1/servers")
#: Those where a foreign page must not even learn whether they are there.
OTHERS = (
    "/sse",
    "/ws",
    "/message?sessionId=x",
    "/s/alpha/sse",
    "/s/alpha/ws",
    "/v/x/mcp",
    "/api/v1/openapi.json",
    "/api/v1/vmcps",
    "/api/v1/tools/search?q=x",
    "/api/v1/pins",
    "/nothing",
)


class HttpCase(GatewayCase):
    @classmethod
    def servers(cls):
        return {"alpha": stdio_server(era="legacy")}

    @property
    def host(self):
        return f"127.0.0.1:{self.address[1]}"

    def post(self, body, headers=(), path="/mcp"):
        """A POST on a new connection; returns the response with its body read."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with Connection(self.address) as connection:
            response = connection.request("POST", path, [*JSON, *headers], data)
            response.body
            return response

    def raw(self, data):
        """Raw bytes on a new connection: (status, whether the connection is closed after it)."""
        response, connection = exchange(self.address, data)
        with connection:
            response.body
            return response.status, connection.at_end(3)


class Origins(HttpCase):
    """Host and Origin are checked on every endpoint (DNS rebinding)."""

    def status(self, method, path, headers):
        with Connection(self.address) as connection:
            body = json.dumps(INITIALIZE).encode() if method == "POST" else None
            fields = [*headers, *(JSON if method == "POST" else [])]
            return connection.request(method, path, fields, body).status

    def requests(self):
        yield from (("GET", path) for path in ENDPOINTS)
        yield from (("POST", path) for path in ENDPOINTS[:2])
        yield from (("DELETE", path) for path in ENDPOINTS[:2])
        yield from (("GET", path) for path in OTHERS)
        yield from (("POST", path) for path in OTHERS)
        yield from (("OPTIONS", path) for path in (*ENDPOINTS, *OTHERS))

    def test_foreign_hosts_are_refused_everywhere(self):
        port = self.address[1]
        hosts = (
            "evil.example.com",
            f"evil.example.com:{port}",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "169.254.169.254",
            "0.0.0.0.evil",
        )
        for method, path in self.requests():
            for host in hosts:
                with self.subTest(method=method, path=path, host=host):
                    self.assertEqual(self.status(method, path, [("Host", host)]), 403)

    def test_foreign_origins_are_refused_everywhere(self):
        origins = (
            "http://evil.example.com",
            "https://localhost.evil.example",
            "null",
            "file://",
            "http://127.0.0.1.evil.example",
            "chrome-extension://abc",
        )
        for method, path in self.requests():
            for origin in origins:
                with self.subTest(method=method, path=path, origin=origin):
                    headers = [("Host", self.host), ("Origin", origin)]
                    self.assertEqual(self.status(method, path, headers), 403)

    def test_loopback_names_are_accepted(self):
        port = self.address[1]
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "LOCALHOST"):
            with self.subTest(host=host):
                self.assertEqual(self.status("GET", "/healthz", [("Host", host)]), 200)
                self.assertEqual(self.status("POST", "/mcp", [("Host", host)]), 200)
        for origin in (f"http://localhost:{port}", "http://127.0.0.1:8080", "http://[::1]:1"):
            with self.subTest(origin=origin):
                headers = [("Host", self.host), ("Origin", origin)]
                self.assertEqual(self.status("POST", "/mcp", headers), 200)


class Requests(HttpCase):
    def test_content_types(self):
        good = ("application/json", "application/json; charset=utf-8", "Application/JSON")
        bad = (
            None,
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonx",
            "text/plain; application/json",
        )
        data = json.dumps(INITIALIZE).encode()
        for kind in good + bad:
            with self.subTest(kind=kind), Connection(self.address) as connection:
                headers = [("Accept", BOTH_FORMS), ("Content-Type", kind)]
                response = connection.request("POST", "/mcp", headers, data)
                self.assertEqual(response.status, 200 if kind in good else 415)

    def test_content_encodings(self):
        for coding in ("gzip", "br", "deflate", "identity, gzip", "GZIP"):
            with self.subTest(coding=coding):
                headers = [("Content-Encoding", coding)]
                self.assertEqual(self.post(INITIALIZE, headers).status, 415)
        self.assertEqual(self.post(INITIALIZE, [("Content-Encoding", "Identity")]).status, 200)

    def test_unknown_paths_and_methods(self):
        rows = (
            ("GET", "/", 404),
            ("GET", "/nothing", 404),
            ("POST", "/nothing", 404),
            ("POST", "/s/nobody/mcp", 404),
            ("GET", "/mcp/../healthz", 404),
            ("GET", "/s//mcp", 404),
            ("POST", "/mcp/", 404),
            ("POST", "//mcp", 404),
            ("PUT", "/mcp", 405),
            ("PATCH", "/mcp", 405),
            ("POST", "/healthz", 405),
            ("DELETE", "/metrics", 405),
            ("BREW", "/mcp", 405),
        )
        for method, path, status in rows:
            with self.subTest(method=method, path=path), Connection(self.address) as connection:
                body = b"{}" if method in ("POST", "PUT", "PATCH") else None
                response = connection.request(method, path, JSON, body)
                self.assertEqual(response.status, status)
                if status == 405:
                    self.assertIsNotNone(response.header("Allow"))

    def test_body_too_large(self):
        size = 4 * 1024 * 1024 + 1
        head = request_bytes("POST", "/mcp", [("Host", self.host), *JSON, ("Content-Length", size)])
        status, closed = self.raw(head)
        self.assertEqual((status, closed), (413, True))

    def test_chunked_body_too_large(self):
        fields = [("Host", self.host), *JSON, ("Transfer-Encoding", "chunked")]
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        with Connection(self.address) as connection:
            connection.send(request_bytes("POST", "/mcp", fields))
            try:
                for _ in range(6):
                    connection.send(chunk)
            except ConnectionError:
                pass
            try:
                self.assertEqual(connection.response().status, 413)
            except (WireError, ConnectionError):
                pass  # closed while we still send: also a refusal

    def test_large_body_within_the_limit(self):
        padded = dict(INITIALIZE, params={**INITIALIZE["params"], "pad": "x" * 3_900_000})
        self.assertEqual(self.post(padded).status, 200)

    def test_header_limits(self):
        host = ("Host", self.host)
        many = [host] + [(f"X-{i}", "1") for i in range(150)]
        rows = (
            ("many", "/healthz", many, 431),
            ("large", "/healthz", [host, ("X-Large", "y" * 40_000)], 431),
            ("target", "/healthz?" + "q" * 9_000, [host], 414),
            ("within", "/healthz", [host] + [(f"X-{i}", "1" * 100) for i in range(80)], 200),
        )
        for name, target, headers, status in rows:
            with self.subTest(name=name):
                found, closed = self.raw(request_bytes("GET", target, headers))
                self.assertEqual(found, status)
                self.assertEqual(closed, status != 200)

    def test_smuggling_forms_are_refused_and_the_connection_closed(self):
        body = json.dumps(INITIALIZE).encode()
        size, chunked = str(len(body)), ("Transfer-Encoding", "chunked")
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        host, length = ("Host", self.host), ("Content-Length", size)
        post = lambda headers, content=body: request_bytes("POST", "/mcp", headers, content)
        good = post([host, *JSON, length])
        rows = {
            "length and chunked": post([host, *JSON, length, chunked], chunks),
            "chunked and length": post([host, *JSON, chunked, length], chunks),
            "two lengths": post([host, *JSON, length, ("Content-Length", str(len(body) + 1))]),
            "two equal lengths": post([host, *JSON, length, length]),
            "length list": post([host, *JSON, ("Content-Length", f"{size}, {size}")]),
            "plus": post([host, *JSON, ("Content-Length", "+" + size)]),
            "hex": post([host, *JSON, ("Content-Length", hex(len(body)))]),
            "negative": post([host, *JSON, ("Content-Length", "-1")]),
            "huge": post([host, *JSON, ("Content-Length", "9" * 30)]),
            "empty length": post([host, *JSON, ("Content-Length", "")]),
            "xchunked": post([host, *JSON, ("Transfer-Encoding", "xchunked")], chunks),
            "chunked twice": post([host, *JSON, chunked, chunked], chunks),
            "gzip, chunked": post([host, *JSON, ("Transfer-Encoding", "gzip, chunked")], chunks),
            "identity": post([host, *JSON, ("Transfer-Encoding", "identity"), length]),
            "space before colon": good.replace(b"Content-Length:", b"Content-Length :"),
            "folded": good.replace(b"Accept:", b"X-A: 1\r\n folded: 2\r\nAccept:"),
            "bare LF": good.replace(b"\r\nAccept", b"\nAccept"),
            "bare CR": good.replace(b"\r\nAccept", b"\rAccept"),
            "NUL in a value": good.replace(b"Accept: ", b"Accept: \0"),
            "odd name": good.replace(b"Accept:", b"Acc(ept:"),
            "empty name": good.replace(b"Accept:", b":"),
            "two hosts": post([host, host, *JSON, length]),
            "two different hosts": post([host, ("Host", "evil.example"), *JSON, length]),
            "no host": post([*JSON, length]),
            "bad chunk size": post([host, *JSON, chunked], b"zz\r\n"),
            "signed chunk size": post([host, *JSON, chunked], b"+5\r\nhello\r\n0\r\n\r\n"),
            "huge chunk size": post([host, *JSON, chunked], b"f" * 17 + b"\r\n"),
            "no request line": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            "three spaces": good.replace(b"POST /mcp", b"POST   /mcp"),
            "lower version": good.replace(b"HTTP/1.1", b"http/1.1"),
        }
        for name, data in rows.items():
            with self.subTest(name=name):
                status, closed = self.raw(data)
                self.assertIn(status, (400, 413, 431, 501))
                self.assertTrue(closed, "the connection must not be used any more")

    def test_version_2_in_the_request_line(self):
        status, _ = self.raw(b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n")
        self.assertIn(status, (400, 505))

    def test_http_1_0_closes(self):
        status, closed = self.raw(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        self.assertEqual((status, closed), (200, True))

    def test_connection_close_is_honoured(self):
        data = request_bytes("GET", "/healthz", [("Host", self.host), ("Connection", "close")])
        self.assertEqual(self.raw(data), (200, True))

    def test_expect_100_continue(self):
        body = json.dumps(INITIALIZE).encode()
        fields = [
            ("Host", self.host),
            *JSON,
            ("Content-Length", len(body)),
            ("Expect", "100-continue"),
        ]
        with Connection(self.address) as connection:
            connection.send(request_bytes("POST", "/mcp", fields))
            connection.fill(time.monotonic() + 5)
            self.assertTrue(connection.buffer.startswith(b"HTTP/1.1 100"), connection.buffer)
            connection.send(body)
            self.assertEqual(connection.response().status, 200)

    def test_pipelined_requests_are_answered_in_order(self):
        one = request_bytes("GET", "/healthz", [("Host", self.host)])
        two = request_bytes("GET", "/nothing", [("Host", self.host)])
        with Connection(self.address) as connection:
            connection.send((one + two) * 10)
            for _ in range(10):
                for status in (200, 404):
                    response = connection.response()
                    response.body
                    self.assertEqual(response.status, status)

    def test_each_head_of_a_connection_is_judged(self):
        """Heads that repeat are recognised; whatever differs in one counts at once."""
        local = f"http://localhost:{self.address[1]}"
        foreign = ("Origin", "http://evil.example.com")
        form = [("Content-Type", "text/plain"), ("Accept", BOTH_FORMS)]
        page = [("Content-Type", "application/json"), ("Accept", "text/html")]
        turns = (
            (JSON, 200, None),
            ([*JSON, foreign], 403, None),
            ([*JSON, ("Origin", local)], 200, local),
            (JSON, 200, None),
            (form, 415, None),
            (page, 406, None),
            (JSON, 200, None),
        )
        body = json.dumps(INITIALIZE).encode()
        with Connection(self.address) as connection:
            for headers, status, origin in turns:
                for _ in range(3):
                    with self.subTest(headers=headers):
                        response = connection.request("POST", "/mcp", headers, body)
                        response.body
                        self.assertEqual(response.status, status)
                        self.assertEqual(
                            response.header("access-control-allow-origin"), origin
                        )

    def test_request_in_single_bytes(self):
        body = json.dumps(INITIALIZE).encode()
        data = request_bytes(
            "POST", "/mcp", [("Host", self.host), *JSON, ("Content-Length", len(body))], body
        )
        with Connection(self.address) as connection:
            for i in range(len(data)):
                connection.send(data[i : i + 1])
            response = connection.response()
            self.assertEqual(response.status, 200)
            self.assertIn("result", next(response.messages()))

    def test_chunked_request_body(self):
        body = json.dumps(INITIALIZE).encode()
        chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (1, body[i : i + 1]) for i in range(len(body)))
        fields = [("Host", self.host), *JSON, ("Transfer-Encoding", "chunked")]
        response, connection = exchange(
            self.address, request_bytes("POST", "/mcp", fields, chunks + b"0\r\n\r\n")
        )
        with connection:
            self.assertEqual(response.status, 200)

    def test_client_that_leaves_inside_a_request_costs_nothing(self):
        before = self.gateway.fds()
        for _ in range(50):
            with Connection(self.address) as connection:
                connection.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        self.assertEqual(self.gateway.get("/healthz").status, 200)
        eventually(lambda: self.gateway.fds() <= before + 4, 10, what="closed descriptors")

    def test_answers_reach_a_client_that_has_said_all(self):
        with Connection(self.address) as connection:
            connection.send(request_bytes("GET", "/healthz", [("Host", self.host)]) * 3)
            connection.socket.shutdown(socket.SHUT_WR)
            for _ in range(3):
                response = connection.response()
                response.body
                self.assertEqual(response.status, 200)
            self.assertTrue(connection.at_end(3))

    def test_head(self):
        with Connection(self.address) as connection:
            response = connection.request("HEAD", "/healthz")
            self.assertIn(response.status, (200, 405))
            self.assertEqual(response.body if response.status == 200 else b"", b"")


class Bodies(HttpCase):
    """JSON-RPC shape: everything here is refused before a server hears of it."""

    def error(self, body, headers=()):
        response = self.post(body, headers)
        try:
            message = response.json()
        except ValueError:
            self.fail(f"status {response.status} with a body that is not JSON: {response.body!r}")
        self.assertEqual(message.get("jsonrpc"), "2.0")
        self.assertIn("error", message)
        return response.status, message["error"]["code"], message.get("id")

    def test_unparsable(self):
        for body in (
            b"",
            b"   ",
            b"{",
            b"nope",
            b'{"jsonrpc":"2.0",}',
            b"\xff\xfe{}",
            b"{}x",
            b'{"jsonrpc":"2.0","id":1,"method":"ping"}{}',
            b'{"a":"\xff"}',
            b'{"jsonrpc":"2.0","id":01,"method":"ping"}',
            b"{'jsonrpc':'2.0'}",
            b'{"a":' * 5000 + b"1" + b"}" * 5000,
        ):
            with self.subTest(body=body[:50]):
                status, code, request_id = self.error(body)
                self.assertEqual(status, 400)
                # An id that was read before the mistake may be told.
                self.assertIn(request_id, (None, 1))
                self.assertIn(code, (-32700, -32600) if body.startswith(b'{"a":{') else (-32700,))

    def test_not_a_message(self):
        for body in (
            b"1",
            b'"x"',
            b"null",
            b"true",
            b"{}",
            b"[]",
            b"[1]",
            b"[[]]",
            b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
            b'{"id":1,"method":"ping"}',
            b'{"jsonrpc":"2.0","id":1,"method":5}',
            b'{"jsonrpc":"2.0","id":1}',
            b'{"jsonrpc":2.0,"id":1,"method":"ping"}',
        ):
            with self.subTest(body=body):
                status, code, _ = self.error(body)
                self.assertEqual((status, code), (400, -32600))

    def test_ids_that_are_no_string_or_integer(self):
        for odd in ("null", "1.5", "true", "{}", "[]", "[1]", "1e400", "-"):
            for method in ("initialize", "ping", "tools/list"):
                with self.subTest(id=odd, method=method):
                    body = f'{{"jsonrpc":"2.0","id":{odd},"method":"{method}","params":{{}}}}'
                    status, code, _ = self.error(body.encode())
                    self.assertEqual(status, 400)
                    self.assertIn(code, (-32600, -32700))

    def test_ids_come_back_exactly(self):
        for text in (
            "1",
            '"1"',
            "9007199254740993",
            '"\\u00e9\\n"',
            "-7",
            "0",
            '""',
            "1763650000123",
            '"x' + "y" * 200 + '"',
        ):
            with self.subTest(id=text):
                body = json.dumps(INITIALIZE).replace('"id": 1', f'"id": {text}')
                response = self.post(body.encode())
                self.assertEqual(response.status, 200)
                message = next(response.messages())
                self.assertEqual(repr(message["id"]), repr(json.loads(text)))

    def test_id_that_is_too_long(self):
        status, code, _ = self.error(dict(INITIALIZE, id="i" * 5000))
        self.assertEqual((status, code), (400, -32600))

    def test_duplicate_keys_of_the_envelope(self):
        meta = json.dumps(envelope())
        rows = (
            '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
            '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}',
            '{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}',
            '{"jsonrpc":"2.0","id":1,"method":"ping","params":{},"params":{}}',
            '{"jsonrpc":"2.0","id":1,"method":"ping","meth\\u006fd":"tools/list"}',
            '{"jsonrpc":"2.0","id":1,"method":"tools/call",'
            '"params":{"name":"alpha__echo","name":"alpha__exit","_meta":%s}}' % meta,
            '{"jsonrpc":"2.0","id":1,"method":"tools/call",'
            '"params":{"name":"alpha__echo","n\\u0061me":"alpha__exit","_meta":%s}}' % meta,
            '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":%s,"_meta":{}}}'
            % meta,
            '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":'
            '"2025-11-25","protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{}}}',
        )
        for body in rows:
            with self.subTest(body=body[:100]):
                status, code, _ = self.error(body.encode())
                self.assertEqual(status, 400)
                self.assertIn(code, (-32600, -32602))

    def test_wrong_case_keys_of_the_envelope(self):
        rows = (
            '{"jsonrpc":"2.0","id":1,"Method":"ping"}',
            '{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/list"}',
            '{"JSONRPC":"2.0","id":1,"method":"ping"}',
            '{"jsonrpc":"2.0","id":1,"Id":2,"method":"ping"}',
            '{"jsonrpc":"2.0","id":1,"method":"ping","Params":{}}',
            '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"alpha__echo",'
            '"Name":"alpha__exit","_meta":%s}}' % json.dumps(envelope()),
        )
        for body in rows:
            with self.subTest(body=body[:100]):
                status, code, _ = self.error(body.encode())
                self.assertEqual(status, 400)
                self.assertIn(code, (-32600, -32602))


if __name__ == "__main__":
    unittest.main()
