"""The end of calls that do not run to theirs: cancellation in both directions of both eras,
disconnects, deadlines, the bound on concurrent calls."""

import json
import threading
import time
import unittest

from support.cases import AT_ONCE, clean_error
from support.http_wire import Connection, WireError
from support.mcp_client import envelope
from support.nexus_process import HttpFixture, Nexus, eventually, stdio_server
from support.transports import Transports


class Cancellation(Transports):
    def abandon(self, client, kind, seconds=8):
        """Sends a call of `sleep` and returns its id once the server has it."""
        count = len(self.received(kind, "tools/call"))
        params = {"name": f"{kind}__sleep", "arguments": {"seconds": seconds}}
        connection_of = client.connection
        request_id = next(client.ids)
        message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}
        if hasattr(client, "session"):
            headers = client.headers()
        else:
            params["_meta"] = envelope()
            headers = client.headers("tools/call", params)
        client.connection = connection_of or Connection(self.address)
        body = json.dumps(message).encode()
        head = [
            f"POST {client.path} HTTP/1.1",
            f"Host: {self.address[0]}:{self.address[1]}",
            f"Content-Length: {len(body)}",
            *(f"{k}: {v}" for k, v in headers.items()),
        ]
        client.connection.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        eventually(lambda: len(self.received(kind, "tools/call")) > count, 5, what="the call")
        return request_id

    def test_modern_disconnect_cancels(self):
        for kind in self.KINDS:
            with self.subTest(server=kind):
                before = len(self.events(kind, "cancelled"))
                client = self.modern()
                self.abandon(client, kind)
                client.close()
                eventually(
                    lambda: len(self.events(kind, "cancelled")) > before,
                    4,
                    what="the end of the call on the server",
                )

    def test_cancelled_names_the_servers_own_id(self):
        client = self.modern()
        self.abandon(client, "stdio")
        client.close()
        note = eventually(lambda: self.received("stdio", "notifications/cancelled"), 4)[-1]
        call = self.received("stdio", "tools/call")[-1]
        self.assertEqual(note["params"]["requestId"], call["id"])

    def test_legacy_notification_cancels(self):
        for kind in self.KINDS:
            with self.subTest(server=kind):
                before = len(self.events(kind, "cancelled"))
                client = self.legacy()
                waiting = self.abandon(client, kind)
                pending, client.connection = client.connection, None
                client.notify("notifications/cancelled", {"requestId": waiting, "reason": "enough"})
                eventually(
                    lambda: len(self.events(kind, "cancelled")) > before,
                    4,
                    what="the end of the call on the server",
                )
                # The receiver sends no response for it; the HTTP exchange itself must end.
                try:
                    response = pending.response(timeout=5)
                    answers = [m for m in response.messages() if "result" in m]
                    self.assertEqual(answers, [])
                except WireError as failure:
                    self.assertIn("ended", str(failure))
                pending.close()
                self.assertEqual(client.call(f"{kind}__echo", {"text": "x"}).text, "x")

    def test_legacy_disconnect_is_no_cancel(self):
        for kind in ("stdio", "stdiomodern", "sse", "modern"):
            with self.subTest(server=kind):
                before = len(self.events(kind, "slept"))
                client = self.legacy()
                self.abandon(client, kind, seconds=1)
                client.close()
                eventually(
                    lambda: len(self.events(kind, "slept")) > before,
                    5,
                    what="the call, run to its end",
                )

    def test_cancel_of_unknown_or_foreign_requests_does_nothing(self):
        first, second = self.legacy(), self.legacy()
        waiting = self.abandon(first, "stdio", seconds=1)
        for odd in (waiting, 99999, "nobody", None, {}):
            second.notify("notifications/cancelled", {"requestId": odd})
        response = first.connection.response(timeout=5)
        self.assertEqual(list(response.messages())[-1]["result"]["content"][0]["text"], "slept")

    def test_stop_of_a_client_frees_its_calls(self):
        before = self.gateway.fds()
        for _ in range(10):
            client = self.modern()
            self.abandon(client, "stdio")
            client.close()
        eventually(lambda: self.gateway.fds() <= before + 3, 5, what="closed descriptors")


class Deadlines(unittest.TestCase):
    def test_every_kind_of_server(self):
        with HttpFixture() as plain, HttpFixture("--era", "modern") as modern, HttpFixture(
            "--sse"
        ) as old:
            servers = {
                "stdio": stdio_server(timeoutMs=700),
                "plain": plain.config(timeoutMs=700),
                "modern": modern.config(timeoutMs=700),
                "old": old.config("sse", timeoutMs=700),
            }
            with Nexus(servers) as gateway:
                gateway.wait_servers()
                for client in (gateway.legacy(), gateway.modern()):
                    for name in servers:
                        with self.subTest(server=name, client=type(client).__name__):
                            answer = client.call(f"{name}__sleep", {"seconds": 20})
                            clean_error(answer, name, 0.7 + AT_ONCE)
                            self.assertGreater(answer.seconds, 0.6)
                            self.assertEqual(client.call(f"{name}__echo", {"text": "x"}).text, "x")
                    client.close()

    def test_concurrency_is_a_bound(self):
        servers = {"one": stdio_server(concurrency=1)}
        with Nexus(servers) as gateway:
            gateway.wait_servers()
            ended = []

            def call():
                with gateway.legacy() as client:
                    client.call("one__sleep", {"seconds": 0.4}).text
                    ended.append(time.monotonic())

            threads = [threading.Thread(target=call) for _ in range(3)]
            started = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
            self.assertEqual(len(ended), 3)
            self.assertGreater(max(ended) - started, 1.1, "three calls of 0.4 s, one at a time")

    def test_every_waiting_call_gets_a_permit(self):
        with Nexus({"one": stdio_server(concurrency=1)}) as gateway:
            gateway.wait_servers()
            slow = []

            def call():
                with gateway.legacy() as client:
                    for number in range(60):
                        answer = client.call("one__echo", {"text": str(number)})
                        if answer.text != str(number) or answer.seconds > 5:
                            slow.append((number, answer.seconds))

            threads = [threading.Thread(target=call) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            self.assertEqual(slow, [])


if __name__ == "__main__":
    unittest.main()
