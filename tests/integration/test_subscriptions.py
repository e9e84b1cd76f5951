"""Changes of prompts and resources; subscriptions: one downstream, many clients."""

import os
import tempfile
import time
import unittest

from support.cases import GatewayCase
from support.http_wire import WireError
from support.mcp_client import META, RpcError
from support.nexus_process import HttpFixture, eventually, stdio_gateway, stdio_server
from support.transports import Transports

ALL = "prompts,resources,subscribe,completions"
UPDATED = "notifications/resources/updated"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


class Offering(Transports):
    """A server of each kind that offers everything; `listonly` offers no subscriptions."""

    KINDS = ("stdio", "stdiomodern", "json", "modern", "oldsse")

    @classmethod
    def servers(cls):
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        cls.logs = {kind: os.path.join(folder, kind) for kind in cls.KINDS}
        options = lambda kind: ("--name", kind, "--log", cls.logs[kind], "--offers", ALL)
        found = {
            "stdio": stdio_server(*options("stdio")),
            "stdiomodern": stdio_server(*options("stdiomodern"), "--era", "modern"),
        }
        eras = {"json": [], "modern": ["--era", "modern"], "oldsse": ["--sse"]}
        for kind, more in eras.items():
            fixture = HttpFixture(*options(kind), *more)
            cls.addClassCleanup(fixture.stop)
            found[kind] = fixture.config("sse" if kind == "oldsse" else "http")
        found["listonly"] = stdio_server("--name", "listonly", "--offers", "resources")
        return found

    def touch(self, kind, uri, times=1):
        client = self.legacy()
        client.call(f"{kind}__touch", {"uri": uri, "times": times})
        client.close()

    def relist(self, kind, **lists):
        client = self.legacy()
        self.assertEqual(client.call(f"{kind}__relist", lists).text, "changed")
        client.close()

    def heard(self, stream, seconds=0.6):
        """Everything that a stream says within a while."""
        found = []
        try:
            for message in stream.messages(seconds):
                found.append(message)
        except WireError:
            pass
        return found


class ListsOfPromptsAndResources(Offering):
    def test_changes_are_told_to_who_sees_them(self):
        changes = {
            "prompts": lambda kind, n: {"prompts": ["greet", f"fresh{n}"]},
            "resources": lambda kind, n: {"resources": [f"test://{kind}/fresh{n}"]},
        }
        for number, kind in enumerate(self.KINDS):
            for family, change in changes.items():
                with self.subTest(server=kind, family=family):
                    session = self.legacy().open_stream()
                    elsewhere = self.legacy("/s/listonly/mcp").open_stream()
                    listen = self.modern().listen({f"{family}ListChanged": True})
                    deaf = self.modern().listen({"toolsListChanged": True})
                    time.sleep(0.2)
                    self.relist(kind, **change(kind, number))
                    method = f"notifications/{family}/list_changed"
                    told = self.heard(session, 1)
                    self.assertEqual([message["method"] for message in told], [method])
                    told = [message["method"] for message in self.heard(listen)]
                    self.assertEqual(told, [ACKNOWLEDGED, method])
                    self.assertEqual(self.heard(elsewhere, 0.1), [])
                    self.assertEqual(len(self.heard(deaf, 0.1)), 1)
                    listed = self.legacy().request(f"{family}/list").result[family]
                    self.assertIn(f"fresh{number}", str(listed))
                    for stream in (session, elsewhere, listen, deaf):
                        stream.connection.close()

    def test_only_what_changed_is_listed_again(self):
        before = len(self.received("json", "tools/list"))
        self.relist("json", prompts=["greet", "another"])
        names = lambda: str(self.legacy().request("prompts/list").result)
        eventually(lambda: "json__another" in names(), 5, 0.05, "the new prompt")
        self.assertEqual(len(self.received("json", "tools/list")), before)

    def test_a_modern_server_is_asked_for_what_it_tells(self):
        wanted = {f"{family}ListChanged": True for family in ("tools", "prompts", "resources")}
        for kind in ("stdiomodern", "modern"):
            filters = [
                message["params"]["notifications"]
                for message in self.received(kind, "subscriptions/listen")
            ]
            self.assertIn(wanted, filters)


class Subscriptions(Offering):
    def subscribe(self, client, uri):
        self.assertEqual(client.request("resources/subscribe", {"uri": uri}).result, {})

    def listening(self, uris, **more):
        stream = self.modern().listen({"resourceSubscriptions": uris, **more}, "L7")
        messages = stream.messages(5)
        first = next(messages)
        self.assertEqual(first["method"], ACKNOWLEDGED)
        return stream, first["params"]["notifications"]

    def test_updates_reach_every_subscriber_once(self):
        for kind in self.KINDS:
            with self.subTest(server=kind):
                uri = f"test://{kind}/static"
                sessions = [self.legacy() for _ in range(3)]
                streams = [session.open_stream() for session in sessions]
                for session in sessions[:2]:
                    self.subscribe(session, uri)
                listens = [self.listening([uri])[0] for _ in range(2)]
                self.touch(kind, uri)
                for stream in streams[:2]:
                    wanted = {"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": uri}}
                    self.assertEqual(self.heard(stream), [wanted])
                for stream in listens:
                    told = self.heard(stream)
                    self.assertEqual([message["method"] for message in told], [UPDATED])
                    meta = {META + "subscriptionId": "L7"}
                    self.assertEqual(told[0]["params"], {"uri": uri, "_meta": meta})
                self.assertEqual(self.heard(streams[2], 0.1), [])
                for stream in (*streams, *listens):
                    stream.connection.close()
                for session in sessions:
                    session.delete()

    def downstream(self, kind, uri):
        """How often the server was asked to begin and to end."""
        count = lambda method: sum(m["params"]["uri"] == uri for m in self.received(kind, method))
        return count("resources/subscribe"), count("resources/unsubscribe")

    def test_a_legacy_server_is_asked_once_for_all(self):
        for kind in ("stdio", "json", "oldsse"):
            with self.subTest(server=kind):
                uri = f"test://{kind}/items/{kind}"
                first, second = self.legacy(), self.legacy()
                # Not listed: known from a result.
                first.call(f"{kind}__link", {"path": f"items/{kind}"})
                self.subscribe(first, uri)
                self.subscribe(second, uri)
                self.subscribe(second, uri)
                listen, honoured = self.listening([uri])
                self.assertEqual(honoured, {"resourceSubscriptions": [uri]})
                self.assertEqual(self.downstream(kind, uri), (1, 0))
                result = first.request("resources/unsubscribe", {"uri": uri}).result
                self.assertEqual(result, {})
                second.delete()
                time.sleep(0.2)
                self.assertEqual(self.downstream(kind, uri), (1, 0))
                listen.connection.close()
                ended = lambda: self.downstream(kind, uri) == (1, 1)
                eventually(ended, 5, 0.05, "the end of the server's subscription")

    def test_a_modern_server_gets_the_union(self):
        for kind in ("stdiomodern", "modern"):
            with self.subTest(server=kind):
                one, two = f"test://{kind}/static", "shared://text"
                path = f"/s/{kind}/mcp"
                listens = []
                for uri in (one, two):
                    stream = self.modern(path).listen({"resourceSubscriptions": [uri]})
                    self.assertEqual(next(stream.messages(5))["method"], ACKNOWLEDGED)
                    listens.append(stream)
                asked = [
                    message["params"]["notifications"].get("resourceSubscriptions")
                    for message in self.received(kind, "subscriptions/listen")
                ]
                self.assertEqual(sorted(asked[-1]), sorted([one, two]))
                self.touch(kind, two)
                self.assertEqual(len(self.heard(listens[1])), 1)
                self.assertEqual(self.heard(listens[0], 0.1), [])
                for stream in listens:
                    stream.connection.close()

    def test_only_known_resources_are_honoured(self):
        good = "test://stdio/static"
        uris = ["nobody://x", good, good, 7, "test://listonly/static"]
        stream, honoured = self.listening(uris, promptsListChanged=True)
        self.assertEqual(honoured, {"promptsListChanged": True, "resourceSubscriptions": [good]})
        stream.connection.close()
        client = self.legacy()
        for uri, code in (("nobody://x", -32002), ("test://listonly/static", -32601)):
            with self.assertRaises(RpcError) as caught:
                client.request("resources/subscribe", {"uri": uri}).result
            self.assertEqual(caught.exception.code, code)
        with self.assertRaises(RpcError) as caught:
            self.modern().request("resources/subscribe", {"uri": good}).result
        self.assertEqual(caught.exception.code, -32601)

    def test_a_server_that_refuses_is_heard(self):
        client = self.legacy("/s/stdio/mcp")
        uri = "test://stdio/missing"
        for _ in range(2):
            with self.assertRaises(RpcError) as caught:
                client.request("resources/subscribe", {"uri": uri}).result
            self.assertEqual(caught.exception.code, -32002)
        self.assertEqual(self.downstream("stdio", uri), (2, 0))
        stream = self.modern("/s/stdio/mcp").listen({"resourceSubscriptions": [uri]})
        first = next(stream.messages(5))
        self.assertEqual(first["params"]["notifications"], {})
        stream.connection.close()

    def test_bursts_become_few_updates(self):
        uri = "test://json/static"
        listen, _ = self.listening([uri])
        self.touch("json", uri, times=50)
        told = self.heard(listen, 1)
        self.assertGreaterEqual(len(told), 1)
        self.assertLess(len(told), 10)
        listen.connection.close()

    def test_a_part_of_what_is_subscribed_to_is_told(self):
        client = self.legacy("/s/modern/mcp")
        stream = client.open_stream()
        self.subscribe(client, "test://modern/dir")
        self.touch("modern", "test://modern/dir")
        self.assertEqual(len(self.heard(stream)), 1)
        stream.connection.close()

    def test_subscriptions_survive_a_reconnect(self):
        for kind in ("stdio", "stdiomodern"):
            with self.subTest(server=kind):
                uri = f"test://{kind}/static"
                session = self.legacy()
                stream = session.open_stream()
                self.subscribe(session, uri)
                starts = len(self.events(kind, "start"))
                self.legacy().call(f"{kind}__exit")
                eventually(lambda: len(self.events(kind, "start")) > starts, 10, 0.05)
                messages = stream.messages(10)
                told = lambda: next(m for m in messages if m["method"] == UPDATED)
                # What happened meanwhile is unknown.
                self.assertEqual(told()["params"]["uri"], uri)
                self.touch(kind, uri)
                self.assertEqual(told()["params"]["uri"], uri)
                stream.connection.close()
                session.delete()


class OverStdio(GatewayCase):
    extra_config = {"exposure": "tools"}  # `nexus stdio` would show the meta-tools

    @classmethod
    def servers(cls):
        return {"one": stdio_server("--name", "one", "--offers", ALL)}

    def test_a_client_on_stdio_is_told(self):
        uri = "test://one/static"
        with stdio_gateway(self.gateway.config_path) as client:
            client.initialize()
            eventually(lambda: "one__touch" in str(client.tools()), 10, 0.1)
            client.request("resources/subscribe", {"uri": uri}).result
            listen = "subscriptions/listen"
            meta = {
                META + "protocolVersion": "2026-07-28",
                META + "clientCapabilities": {},
            }
            params = {"notifications": {"resourceSubscriptions": [uri]}, "_meta": meta}
            client.send({"jsonrpc": "2.0", "id": "L", "method": listen, "params": params})
            while client.receive()["method"] != ACKNOWLEDGED:
                pass
            touch = lambda: client.call("one__touch", {"uri": uri}).notifications
            updates = lambda told: [m["params"] for m in told if m["method"] == UPDATED]
            told = touch()
            while len(updates(told)) < 2:  # changes of lists may come between
                told.append(client.receive(5))
            tagged = {"uri": uri, "_meta": {META + "subscriptionId": "L"}}
            self.assertCountEqual(updates(told), [{"uri": uri}, tagged], str(told))
            client.notify("notifications/cancelled", {"requestId": "L"})
            told = touch()
            while not updates(told):
                told.append(client.receive(5))
            told += client.request("ping").notifications
            self.assertEqual(updates(told), [{"uri": uri}])


if __name__ == "__main__":
    unittest.main()
