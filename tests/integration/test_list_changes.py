"""Changes of the tool list: from servers of every kind, to sessions and to listeners."""

import time
import unittest

from support.cases import GatewayCase
from support.http_wire import WireError
from support.mcp_client import META
from support.nexus_process import eventually, stdio_server
from support.transports import Transports


class ListChanges(Transports):
    def change(self, kind, *names, times=1):
        client = self.legacy()
        arguments = {"names": list(names), "times": times}
        self.assertEqual(client.call(f"{kind}__change", arguments).text, "changed")
        client.close()

    def test_lists_follow(self):
        for kind in self.KINDS:
            with self.subTest(server=kind):
                self.change(kind, f"fresh_{kind}")
                client = self.legacy()
                names = lambda: [tool["name"] for tool in client.tools()]
                eventually(lambda: f"{kind}__fresh_{kind}" in names(), 5, 0.05, "the new tool")
                self.assertEqual(client.call(f"{kind}__fresh_{kind}").text, f"called fresh_{kind}")
                self.change(kind)
                eventually(lambda: f"{kind}__fresh_{kind}" not in names(), 5, 0.05, "its end")

    def test_legacy_sessions_are_told_on_their_stream(self):
        for kind in ("stdio", "modern"):
            with self.subTest(server=kind):
                every = [self.legacy(), self.legacy(), self.legacy(f"/s/{kind}/mcp")]
                streams = [client.open_stream() for client in every]
                other = self.legacy("/s/json/mcp").open_stream(timeout=1)
                self.change(kind, "told")
                for stream in streams:
                    message = next(stream.messages(5))
                    self.assertEqual(message["method"], "notifications/tools/list_changed")
                with self.assertRaises(WireError):
                    next(other.messages(0.5))
                self.change(kind)
                for stream in [*streams, other]:
                    stream.connection.close()

    def test_listeners_are_told_with_their_id(self):
        for request_id in ("L1", 41):
            with self.subTest(id=request_id):
                stream = self.modern().listen({"toolsListChanged": True}, request_id)
                self.assertTrue(stream.is_stream)
                messages = stream.messages(5)
                first = next(messages)
                self.assertEqual(first["method"], "notifications/subscriptions/acknowledged")
                self.assertEqual(first["params"]["notifications"], {"toolsListChanged": True})
                self.change("stdio", f"heard{request_id}")
                second = next(messages)
                self.assertEqual(second["method"], "notifications/tools/list_changed")
                for message in (first, second):
                    tag = message["params"]["_meta"][META + "subscriptionId"]
                    self.assertEqual(repr(tag), repr(request_id))
                stream.connection.close()
        self.change("stdio")

    def test_what_was_not_asked_for_is_not_told(self):
        for filters in ({"promptsListChanged": True}, {"toolsListChanged": False}):
            with self.subTest(filters=filters):
                stream = self.modern().listen(filters)
                messages = stream.messages(1)
                first = next(messages)
                self.assertIn("acknowledged", first["method"])
                self.assertEqual(first["params"]["notifications"], {})
                self.change("stdio", "unheard")
                with self.assertRaises(WireError):
                    next(messages)
                stream.connection.close()
                self.change("stdio")

    def test_bursts_are_told_once_or_few_times(self):
        stream = self.legacy().open_stream()
        self.change("stdio", "burst", times=50)
        count = 0
        try:
            for _ in stream.messages(1):
                count += 1
        except WireError:
            pass
        self.assertGreaterEqual(count, 1)
        self.assertLess(count, 10)
        stream.connection.close()
        self.change("stdio")

    def test_change_that_changes_nothing_is_not_told(self):
        self.change("stdio")
        time.sleep(0.5)
        stream = self.legacy().open_stream()
        self.change("stdio", times=3)
        with self.assertRaises(WireError):
            next(stream.messages(1))
        stream.connection.close()


class SilentServer(GatewayCase):
    @classmethod
    def servers(cls):
        return {"s": stdio_server("--era", "modern", "--silent", "--ttl", "1000")}

    def test_its_lists_are_fetched_again_when_their_time_is_over(self):
        client = self.modern()
        names = lambda: [tool["name"] for tool in client.tools()]
        client.call("s__change", {"names": ["fresh"], "times": 1})
        self.assertNotIn("s__fresh", names())
        eventually(lambda: "s__fresh" in names(), 20, 0.2, "the new tool")


if __name__ == "__main__":
    unittest.main()
