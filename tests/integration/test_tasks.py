"""The tasks extension: ids that name their server, and who is told how a task stands."""

import os
import tempfile

from support.mcp_client import META
from support.nexus_process import HttpFixture, eventually, stdio_gateway, stdio_server
from support.transports import Transports

EXTENSION = "io.modelcontextprotocol/tasks"
ABLE = {"extensions": {EXTENSION: {}}}
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
TOLD = "notifications/tasks"
TAG = META + "subscriptionId"
KINDS = ("pipe", "web")
KEY = "0c63b8fd1e49a72558d0c94fe61a3b7d92f4075e8bc1d63aa75f20e94c8b1d36"


class Tasks(Transports):
    """A modern server with tasks over stdio, one over HTTP, and one that has none."""

    KINDS = KINDS
    extra_config = {"sealingKeys": [KEY]}

    @classmethod
    def servers(cls):
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        cls.logs = {kind: os.path.join(folder, kind) for kind in cls.KINDS}
        options = lambda kind: ("--era", "modern", "--name", kind, "--log", cls.logs[kind])
        fixture = HttpFixture(*options("web"), "--offers", "tasks")
        cls.addClassCleanup(fixture.stop)
        return {
            "pipe": stdio_server(*options("pipe"), "--offers", "tasks"),
            "web": fixture.config(),
            "none": stdio_server("--era", "modern", "--name", "none"),
        }

    def setUp(self):
        self.client = self.modern()
        self.addCleanup(self.client.close)

    def begin(self, kind, name):
        begun = self.client.call(f"{kind}__begin", {"id": name}, capabilities=ABLE).result
        self.assertEqual((begun["resultType"], begun["status"]), ("task", "working"))
        self.assertNotIn(name, begun["taskId"])
        return begun["taskId"]

    def advance(self, kind, name, change, **more):
        done = self.client.call(f"{kind}__advance", {"id": name, "with": change, **more})
        self.assertEqual(done.text, "advanced")

    def listen(self, *ids, request_id="L1", **more):
        """The messages of a listen, and what was acknowledged."""
        stream = self.client.listen({"taskIds": list(ids), **more}, request_id, capabilities=ABLE)
        self.addCleanup(stream.connection.close)
        messages = stream.messages(5)
        first = next(messages)
        self.assertEqual(first["method"], ACKNOWLEDGED)
        self.assertEqual(first["params"]["_meta"][TAG], request_id)
        return messages, first["params"]["notifications"]

    def test_the_status_is_told_to_who_listens(self):
        for kind in KINDS:
            with self.subTest(server=kind):
                task, other = self.begin(kind, "one"), self.begin(kind, "other")
                told, honoured = self.listen(task, request_id=7)
                again, _ = self.listen(task, other, request_id="again")
                self.assertEqual(honoured, {"taskIds": [task]})
                self.advance(kind, "other", {"status": "cancelled"})
                result = {"content": [{"type": "text", "text": "done"}]}
                self.advance(kind, "one", {"status": "completed", "result": result})
                said = next(told)
                self.assertEqual(said["method"], TOLD)
                self.assertEqual(said["params"].pop("_meta"), {TAG: 7})
                stands = self.client.request("tasks/get", {"taskId": task}, capabilities=ABLE)
                for key in ("_meta", "resultType"):
                    stands.result.pop(key)
                self.assertEqual(said["params"], stands.result)
                self.assertEqual(said["params"]["taskId"], task)
                ids = [next(again)["params"]["taskId"] for _ in range(2)]
                self.assertEqual(ids, [other, task])

    def test_tasks_of_several_servers_in_one_listen(self):
        ids = {kind: self.begin(kind, f"shared-{kind}") for kind in KINDS}
        told, honoured = self.listen(*ids.values(), toolsListChanged=True)
        self.assertEqual(sorted(honoured["taskIds"]), sorted(ids.values()))
        self.assertTrue(honoured["toolsListChanged"])
        for kind in KINDS:
            self.advance(kind, f"shared-{kind}", {"status": "input_required"})
            self.assertEqual(next(told)["params"]["taskId"], ids[kind])

    def test_what_is_not_honoured_is_left_out(self):
        for kind in KINDS:
            with self.subTest(server=kind):
                good, gone = self.begin(kind, "good"), self.begin(kind, "gone")
                self.client.call(f"{kind}__forget_task", {"id": "gone"})
                altered = good[:-6] + ("A" if good[-6] != "A" else "B") + good[-5:]
                _, honoured = self.listen(good, altered, gone, "good", 7, good)
                self.assertEqual(honoured, {"taskIds": [good]})
                _, honoured = self.listen(altered, gone)
                self.assertEqual(honoured, {})

    def test_addresses_of_one_server_know_its_tasks_only(self):
        task = self.begin("web", "addressed")
        for path, expected in (("/s/web/mcp", {"taskIds": [task]}), ("/s/pipe/mcp", {})):
            with self.modern(path) as self.client:
                self.assertEqual(self.listen(task)[1], expected)

    def test_the_client_must_declare_the_extension(self):
        answer = self.client.request("subscriptions/listen", {"notifications": {"taskIds": []}})
        self.assertEqual((answer.status, answer.error["code"]), (400, -32021))
        self.assertEqual(answer.error["data"], {"requiredCapabilities": ABLE})

    def test_the_server_hears_when_nobody_listens_any_more(self):
        for kind in KINDS:
            with self.subTest(server=kind):
                task = self.begin(kind, "left")
                stream = self.client.listen({"taskIds": [task]}, capabilities=ABLE)
                next(stream.messages(5))
                stream.connection.close()
                if kind == "web":
                    ended = lambda: [
                        row
                        for row in self.events(kind, "listen ended")
                        if row["filter"] == {"taskIds": ["left"]}
                    ]
                else:
                    ended = lambda: self.received(kind, "notifications/cancelled")
                eventually(ended, 5, 0.05, "the end of the listen")

    def test_what_changes_while_the_stream_is_broken_is_told(self):
        task = self.begin("web", "missed")
        told, _ = self.listen(task)
        self.advance("web", "missed", {"status": "failed"}, silently=True)
        self.client.call("web__hang_up")
        said = next(told)
        self.assertEqual(said["method"], TOLD)
        self.assertEqual((said["params"]["taskId"], said["params"]["status"]), (task, "failed"))
        self.assertNotIn("resultType", said["params"])

    def test_over_stdio(self):
        task = self.begin("web", "by stdio")
        shown = ("--exposure", "tools")  # it would show the meta-tools
        with stdio_gateway(self.gateway.config_path, args=shown) as client:
            eventually(lambda: len(client.modern("tools/list").result["tools"]) > 30, 10, 0.1)
            filters = {"notifications": {"taskIds": [task]}}
            meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": ABLE}
            meta[META + "clientInfo"] = {"name": "test", "version": "1"}
            params = {**filters, "_meta": meta}
            method = "subscriptions/listen"
            client.send({"jsonrpc": "2.0", "id": "S", "method": method, "params": params})
            self.assertEqual(client.receive()["params"]["notifications"], {"taskIds": [task]})
            self.advance("web", "by stdio", {"status": "completed"})
            said = client.receive()["params"]
            self.assertEqual((said["taskId"], said["status"]), (task, "completed"))
            self.assertEqual(said["_meta"], {TAG: "S"})
