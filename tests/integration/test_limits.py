"""Slow and idle clients, and counted limits."""

import json
import time
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection
from support.mcp_client import LegacyClient
from support.nexus_process import eventually, stdio_server, within


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


if __name__ == "__main__":
    unittest.main()
