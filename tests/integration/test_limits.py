"""Slow and idle clients, counted limits, and servers behind TLS."""

import http.server
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection
from support.mcp_client import LegacyClient
from support.nexus_process import Nexus, eventually, stdio_server, within


class Times(GatewayCase):
    """Time-outs are set short, so that each is seen to bite within its own time."""

    extra_config = {
        "limits": {
            "headerTimeout": "400ms",
            "bodyTimeout": "400ms",
            "idleTimeout": "800ms",
            "sessionIdleTimeout": "600ms",
        }
    }

    @classmethod
    def servers(cls):
        return {"alpha": stdio_server()}

    def ends_within(self, sent, least, most):
        with Connection(self.address, timeout=10) as slow:
            slow.send(sent)
            begun = time.monotonic()
            status = None
            try:
                answer = slow.response(timeout=8)
                status = answer.status
                answer.body
            except Exception:  # closed without an answer
                pass
            self.assertTrue(slow.at_end(5), "the connection stays open")
            took = time.monotonic() - begun
        self.assertGreaterEqual(took, least)
        self.assertLess(took, within(most))
        return status

    def test_slow_header_is_cut_off(self):
        status = self.ends_within(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-", 0.3, 3.0)
        self.assertEqual(status, 408)

    def test_slow_body_is_cut_off(self):
        head = (
            b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Accept: application/json, text/event-stream\r\nContent-Length: 100\r\n\r\n{"
        )
        self.assertEqual(self.ends_within(head, 0.3, 3.0), 408)

    def test_idle_connection_is_closed_silently(self):
        self.assertIsNone(self.ends_within(b"", 0.6, 4.0))

    def test_slow_clients_do_not_disturb_others(self):
        slow = [Connection(self.address) for _ in range(200)]
        for connection in slow:
            connection.send(b"GET /healthz HTTP/1.1\r\nHost: local")
        client = self.legacy()
        begun = time.monotonic()
        for _ in range(20):
            client.call("alpha__echo", {"text": "x"}).text
        self.assertLess(time.monotonic() - begun, within(5))
        for connection in slow:
            connection.close()

    def test_idle_session_ends(self):
        client = LegacyClient(self.address, "/mcp", "2025-11-25")
        self.addCleanup(client.close)
        client.initialize()
        session = client.session
        self.assertTrue(session)

        def ended():
            time.sleep(1.0)  # longer than the limit: the look itself counts as use
            with Connection(self.address) as c:
                fields = {
                    "Content-Type": "application/json",
                    "Accept": "application/json, text/event-stream",
                    "Mcp-Session-Id": session,
                    "MCP-Protocol-Version": "2025-11-25",
                }
                body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
                return c.request("POST", "/mcp", fields, body).status == 404

        eventually(ended, timeout=15, what="the end of the idle session")


class Counts(GatewayCase):
    extra_config = {"limits": {"connections": 20, "sessions": 3}}

    @classmethod
    def servers(cls):
        return {"alpha": stdio_server()}

    def test_connections_beyond_the_limit_are_closed(self):
        open_ones = [Connection(self.address) for _ in range(40)]
        try:
            held = list(open_ones)

            def ended():
                held[:] = [c for c in held if not c.at_end(0.05)]
                return len(held) <= 20

            eventually(ended, what="the end of the connections beyond the limit")
            # Those over which the start was watched may still have held a place.
            self.assertGreater(len(held), 10)
        finally:
            for c in open_ones:
                c.close()

        def served():
            try:
                return self.gateway.get("/healthz").status == 200
            except Exception:
                return False

        eventually(served, what="service once the others have gone")

    def test_sessions_beyond_the_limit_are_refused(self):
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        }
        fields = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        statuses = []
        with Connection(self.address) as c:
            for _ in range(5):
                answer = c.request("POST", "/mcp", fields, json.dumps(body).encode())
                statuses.append(answer.status)
                answer.body
        self.assertEqual(statuses[:3], [200] * 3)
        self.assertEqual(statuses[3:], [503] * 2)


class TlsHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = {
            "initialize": {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "tls", "version": "1"},
            },
            "tools/list": {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]},
            "tools/call": {"content": [{"type": "text", "text": "over TLS"}]},
        }
        answer = {"jsonrpc": "2.0", "id": message.get("id")}
        if message["method"] in results:
            answer["result"] = results[message["method"]]
        else:
            answer["error"] = {"code": -32601, "message": "no"}
        body = json.dumps(answer).encode() if "id" in message else b""
        self.send_response(200 if body else 202)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Tls(unittest.TestCase):
    """A server with a certificate of our own authority."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="nexus-tls-")
        cls.addClassCleanup(folder.cleanup)
        cls.certificate = os.path.join(folder.name, "cert.pem")
        key = os.path.join(folder.name, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
            + ["-keyout", key, "-out", cls.certificate, "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost"],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cls.certificate, key)
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), TlsHandler)
        cls.server.daemon_threads = True
        cls.server.handle_error = lambda *_: None  # refused handshakes are the point
        cls.server.socket = context.wrap_socket(
            cls.server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)

    def gateway(self, host, **tls):
        port = self.server.server_address[1]
        entry = {"type": "http", "url": f"https://{host}:{port}/mcp", "tls": tls}
        gateway = Nexus({"secure": entry}).start()
        self.addCleanup(gateway.stop)
        return gateway

    def row(self, gateway):
        rows = json.loads(gateway.get("/api/v1/servers").body)
        return rows[0] if rows[0]["state"] in ("ready", "down") else None

    def test_verified_server_is_called(self):
        gateway = self.gateway("localhost", ca=self.certificate)
        row = eventually(lambda: self.row(gateway), what="the handshake")
        self.assertEqual(row["state"], "ready", row)
        client = gateway.legacy("/mcp", "2025-11-25")
        self.addCleanup(client.close)
        self.assertEqual(client.call("secure__t", {}).text, "over TLS")

    def test_unknown_authority_is_refused_by_name(self):
        gateway = self.gateway("localhost")
        row = eventually(lambda: self.row(gateway), what="the refusal")
        self.assertEqual(row["state"], "down")
        self.assertIn("certificate", row["error"])

    def test_wrong_host_is_refused(self):
        gateway = self.gateway("127.0.0.1", ca=self.certificate)
        row = eventually(lambda: self.row(gateway), what="the refusal")
        self.assertEqual(row["state"], "down", row)

    def test_verification_can_be_switched_off(self):
        gateway = self.gateway("127.0.0.1", verify=False)
        row = eventually(lambda: self.row(gateway), what="the handshake")
        self.assertEqual(row["state"], "ready", row)


if __name__ == "__main__":
    unittest.main()
