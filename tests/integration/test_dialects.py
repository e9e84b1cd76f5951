"""Clients of the first transport (an event stream and POSTs) and over WebSocket, on the wire."""

import base64
import hashlib
import json
import os
import struct
import time
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection
from support.mcp_client import envelope
from support.nexus_process import SANITIZED, HttpFixture, eventually, stdio_server

ACCEPT_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
INITIALIZE = {
    "protocolVersion": "2024-11-05",
    "capabilities": {},
    "clientInfo": {"name": "dialects", "version": "1"},
}


def call_message(number, method, params):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


class WebSocket:
    """A client's side of RFC 6455, with masks, as little of it as the tests need."""

    def __init__(self, address, path="/ws", headers=None):
        self.connection = Connection(address)
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
            **(headers or {}),
        }
        self.answer = self.connection.request("GET", path, fields)
        digest = hashlib.sha1((key + ACCEPT_SALT).encode()).digest()
        self.accepted = (
            self.answer.status == 101
            and self.answer.header("sec-websocket-accept") == base64.b64encode(digest).decode()
        )

    def send_frame(self, opcode, payload, final=True):
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([opcode | (0x80 if final else 0)])
        if size < 126:
            head += bytes([0x80 | size])
        else:
            head += bytes([0x80 | 126]) + struct.pack("!H", size)
        body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.connection.send(head + mask + body)

    def send(self, message):
        self.send_frame(1, json.dumps(message).encode())

    def frame(self, seconds=10.0):
        deadline = time.monotonic() + seconds
        first, second = self.connection.read_exactly(2, deadline)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self.connection.read_exactly(2, deadline))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.connection.read_exactly(8, deadline))
        return first & 0x0F, self.connection.read_exactly(size, deadline)

    def receive(self):
        opcode, payload = self.frame()
        if opcode != 1:
            raise AssertionError(f"a frame of type {opcode}: {payload!r}")
        return json.loads(payload)

    def close(self):
        self.connection.close()


class Dialects(GatewayCase):
    @classmethod
    def servers(cls):
        cls.http = HttpFixture("--name", "far", "--era", "modern")
        cls.addClassCleanup(cls.http.stop)
        return {"near": stdio_server("--name", "near"), "far": cls.http.config()}

    def sessions(self):
        text = self.gateway.get("/metrics").body.decode()
        return [line for line in text.splitlines() if line.startswith("nexus_gateway_sessions")]

    def web_socket(self, **options):
        socket = WebSocket(self.address, **options)
        self.addCleanup(socket.close)
        return socket

    # ---- WebSocket ---------------------------------------------------------------------------

    def test_web_socket_serves_both_eras_at_once(self):
        socket = self.web_socket()
        self.assertTrue(socket.accepted)
        socket.send(call_message(1, "initialize", INITIALIZE))
        self.assertEqual(socket.receive()["result"]["protocolVersion"], "2024-11-05")
        socket.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        arguments = {"name": "near__echo", "arguments": {"text": "ä" * 200}}
        socket.send(call_message("a", "tools/call", arguments))
        legacy = socket.receive()
        self.assertEqual(legacy["id"], "a")
        self.assertIn("ä" * 200, legacy["result"]["content"][0]["text"])
        modern = {"name": "far__echo", "arguments": {"text": "m"}, "_meta": envelope()}
        socket.send(call_message(2, "tools/call", modern))
        self.assertEqual(socket.receive()["result"]["resultType"], "complete")

    def test_web_socket_takes_fragments_and_answers_pings(self):
        socket = self.web_socket()
        text = json.dumps(call_message(7, "ping", {})).encode()
        socket.send_frame(1, text[:10], final=False)
        socket.send_frame(9, b"are you there")
        self.assertEqual(socket.frame(), (10, b"are you there"))
        socket.send_frame(0, text[10:])
        self.assertEqual(socket.receive(), {"jsonrpc": "2.0", "id": 7, "result": {}})

    def test_web_socket_refusals(self):
        foreign = self.web_socket(headers={"Origin": "http://evil.example.com"})
        self.assertEqual(foreign.answer.status, 403)
        old = self.web_socket(headers={"Sec-WebSocket-Version": "8"})
        self.assertEqual(old.answer.status, 426)
        self.assertEqual(old.answer.header("sec-websocket-version"), "13")
        self.assertEqual(self.gateway.get("/ws").status, 400)
        binary = self.web_socket()
        binary.send_frame(2, b"\0")
        opcode, payload = binary.frame()
        self.assertEqual((opcode, struct.unpack("!H", payload[:2])[0]), (8, 1003))
        self.assertTrue(binary.connection.at_end())

    def test_what_is_no_message_gets_an_error(self):
        socket = self.web_socket()
        socket.send_frame(1, b"{")
        self.assertEqual(socket.receive()["error"]["code"], -32700)
        socket.send(call_message(3, "tools/list", {}))
        self.assertEqual(socket.receive()["error"]["code"], -32600)

    def test_who_does_not_read_is_not_read_from(self):
        socket = self.web_socket()
        socket.send(call_message(1, "initialize", INITIALIZE))
        socket.receive()
        before, count = self.gateway.rss_kib(), 20_000
        for number in range(count):  # their answers are more than what may wait to be sent
            socket.send(call_message(number, "tools/list", {}))
        time.sleep(1)
        if not SANITIZED:
            self.assertLess(self.gateway.rss_kib() - before, 32 << 10)
        for number in range(count):
            opcode, payload = socket.frame()
            if number in (0, count - 1):
                self.assertEqual(json.loads(payload)["id"], number)
            self.assertEqual(opcode, 1)

    def test_a_session_ends_with_its_web_socket(self):
        before = self.sessions()
        socket = self.web_socket()
        socket.send(call_message(1, "initialize", INITIALIZE))
        socket.receive()
        self.assertNotEqual(self.sessions(), before)
        sleep = {"name": "near__sleep", "arguments": {"seconds": 30}}
        socket.send(call_message(2, "tools/call", sleep))
        socket.close()
        eventually(lambda: self.sessions() == before, 5, what="the end of the session")

    # ---- 2024-11-05 --------------------------------------------------------------------------

    def event_stream(self, path="/sse"):
        connection = Connection(self.address)
        self.addCleanup(connection.close)
        response = connection.request("GET", path, {"Accept": "text/event-stream"})
        self.assertEqual(response.status, 200)
        events = response.events(10)
        first = next(events)
        self.assertEqual(first["event"], "endpoint")
        return connection, events, first["data"]

    def post(self, endpoint, message):
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        with Connection(self.address) as connection:
            fields = {"Content-Type": "application/json"}
            return connection.request("POST", endpoint, fields, body).status

    def test_event_stream_carries_every_answer(self):
        _, events, endpoint = self.event_stream()
        # Each POST is a connection of its own, which any worker may have accepted.
        self.assertEqual(self.post(endpoint, call_message(1, "initialize", INITIALIZE)), 202)
        self.assertEqual(json.loads(next(events)["data"])["id"], 1)
        for number in range(2, 12):
            arguments = {"name": "far__echo", "arguments": {"text": str(number)}}
            call = call_message(number, "tools/call", arguments)
            self.assertEqual(self.post(endpoint, call), 202)
        answers = [json.loads(next(events)["data"]) for _ in range(10)]
        self.assertEqual(sorted(answer["id"] for answer in answers), list(range(2, 12)))
        for answer in answers:
            self.assertIn(str(answer["id"]), answer["result"]["content"][0]["text"])

    def test_event_stream_of_one_server(self):
        _, events, endpoint = self.event_stream("/s/near/sse")
        self.post(endpoint, call_message(1, "initialize", INITIALIZE))
        next(events)
        self.post(endpoint, call_message(2, "tools/list", {}))
        names = [tool["name"] for tool in json.loads(next(events)["data"])["result"]["tools"]]
        self.assertIn("echo", names)

    def test_messages_to_nobody(self):
        connection, _, endpoint = self.event_stream()
        message = call_message(1, "ping", {})
        self.assertEqual(self.post("/message", message), 404)
        self.assertEqual(self.post("/message?sessionId=" + "0" * 34, message), 404)
        self.assertEqual(self.post("/message?sessionId=ff" + "0" * 32, message), 404)
        connection.close()
        eventually(lambda: self.post(endpoint, message) == 404, 5, what="the end of the stream")

    def test_foreign_origins_are_refused(self):
        for path in ("/sse", "/message?sessionId=x"):
            fields = {"Accept": "text/event-stream", "Origin": "http://evil.example.com"}
            with Connection(self.address) as connection:
                self.assertEqual(connection.request("GET", path, fields).status, 403)


if __name__ == "__main__":
    unittest.main()
