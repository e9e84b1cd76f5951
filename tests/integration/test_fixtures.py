"""The tests' own tools: the raw clients and the scripted servers agree with each other."""

import unittest

from support.mcp_client import LegacyClient, ModernClient, RpcError, StdioClient, envelope
from support.nexus_process import CHAOS, FIXTURE, PYTHON, HttpFixture


def address(fixture):
    return ("127.0.0.1", fixture.port)


class LegacyFixture(unittest.TestCase):
    def check(self, *options):
        with HttpFixture(*options) as fixture, LegacyClient(address(fixture)) as client:
            client.initialize()
            self.assertTrue(client.session)
            names = [tool["name"] for tool in client.tools()]
            self.assertIn("echo", names)
            self.assertEqual(client.call("echo", {"text": "hello"}).text, "hello")
            with self.assertRaises(RpcError):
                client.call("nobody").result
            return client.call("progress", {"steps": 3}, token="p")

    def test_json_answers(self):
        self.assertFalse(self.check("--page", "3").streamed)

    def test_sse_answers_carry_progress(self):
        answer = self.check("--answer", "sse")
        steps = [n["params"]["progress"] for n in answer.notifications]
        self.assertEqual(steps, [1, 2, 3])

    def test_get_stream_tells_of_changes(self):
        with HttpFixture() as fixture, LegacyClient(address(fixture)) as client:
            client.initialize()
            stream = client.open_stream()
            client.call("change", {"names": ["fresh"]})
            event = next(stream.messages(5))
            self.assertEqual(event["method"], "notifications/tools/list_changed")
            stream.connection.close()


class ModernFixture(unittest.TestCase):
    def test_discover_list_call_listen(self):
        with HttpFixture("--era", "modern") as fixture, ModernClient(address(fixture)) as client:
            found = client.request("server/discover").result
            self.assertEqual(found["supportedVersions"], ["2026-07-28"])
            self.assertIn("echo", [tool["name"] for tool in client.tools()])
            self.assertEqual(client.call("echo", {"text": "hi"}).result["resultType"], "complete")
            stream = client.listen({"toolsListChanged": True}, "L1")
            messages = stream.messages(5)
            self.assertIn("acknowledged", next(messages)["method"])
            client.call("change", {"names": ["fresh"]})
            changed = next(messages)
            self.assertIn("tools/list_changed", changed["method"])
            tag = changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"]
            self.assertEqual(tag, "L1")
            stream.connection.close()

    def test_headers_are_checked(self):
        with HttpFixture("--era", "modern") as fixture, ModernClient(address(fixture)) as client:
            answer = client.call("echo", headers={"Mcp-Name": "other"})
            self.assertEqual((answer.status, answer.error["code"]), (400, -32020))


class StdioFixture(unittest.TestCase):
    def client(self, *argv):
        return StdioClient([PYTHON, "-S", "-E", *argv])

    def test_legacy(self):
        with self.client(FIXTURE) as client:
            with self.assertRaises(RpcError):
                client.modern("server/discover").result
            client.initialize()
            self.assertEqual(client.call("echo", {"text": "x"}).text, "x")
            self.assertEqual(client.close(), 0)

    def test_modern(self):
        with self.client(FIXTURE, "--era", "modern") as client:
            self.assertIn("capabilities", client.modern("server/discover").result)
            with self.assertRaises(RpcError) as refused:
                client.initialize()
            self.assertEqual(refused.exception.code, -32022)
            raw = client.modern(
                "tools/call", {"name": "raw", "arguments": {"json": '{"content":[],"x": 1.0}'}}
            )
            self.assertEqual(raw.result["resultType"], "complete")

    def test_chaos_server_is_correct_until_its_fault(self):
        with self.client(CHAOS, "crash") as client:
            client.initialize()
            self.assertEqual(client.call("echo", {"text": "ok"}).text, "ok")
            client.send(
                {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "fault"}}
            )
            self.assertIsNone(client.receive())

    def test_envelope_has_the_required_keys(self):
        self.assertIn("io.modelcontextprotocol/protocolVersion", envelope())


if __name__ == "__main__":
    unittest.main()
