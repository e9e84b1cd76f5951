"""What a client tells of its progress with a server's question, for that server alone."""

import json

from support.http_wire import Connection
from support.mcp_client import LegacyClient
from support.nexus_process import eventually
from support.transports import Transports

PROGRESS = "notifications/progress"
ABLE = {"elicitation": {}}


class Progress(Transports):
    """Every server uses the same token."""

    KINDS = ("stdio", "stdiomodern", "sse", "oldsse")
    ASKING = ("stdio", "sse", "oldsse")

    def ask(self, client, kind, **arguments):
        """Begins a call of a tool that asks. @returns the stream of the answer, and the question"""
        params = {"name": f"{kind}__ask", "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": kind, "method": "tools/call", "params": params}
        connection = Connection(self.address)
        self.addCleanup(connection.close)
        data = json.dumps(body).encode()
        messages = connection.request("POST", client.path, client.headers(), data).messages(10)
        question = next(messages)
        self.assertEqual(question["method"], "elicitation/create")
        return messages, question

    def report(self, client, token, progress):
        """From a connection of its own, which any worker may have accepted."""
        other = LegacyClient(client.address, client.path)
        other.server, other.session, other.version = client.server, client.session, client.version
        with other:
            other.notify(PROGRESS, {"progressToken": token, "progress": progress, "message": "m"})

    def answer(self, client, messages, question):
        reply = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
        self.assertEqual(client.post(reply, client.headers()).status, 202)
        self.assertIn("decline", next(messages)["result"]["content"][0]["text"])

    def test_the_server_that_asked_hears_it_under_its_own_token(self):
        for token in ("same", 1):
            client, stranger = self.legacy(capabilities=ABLE), self.legacy(capabilities=ABLE)
            before = {kind: len(self.received(kind, PROGRESS)) for kind in self.ASKING}
            asked = {kind: self.ask(client, kind, token=token) for kind in self.ASKING}
            ours = {kind: q["params"]["_meta"]["progressToken"] for kind, (_, q) in asked.items()}
            self.assertEqual(len(set(ours.values())), len(self.ASKING))
            for number, kind in enumerate(self.ASKING, 1):
                self.assertEqual(asked[kind][1]["params"]["_meta"]["own/key"], 1)
                self.report(stranger, ours[kind], 99)  # not what it was asked
                self.report(client, token, 98)  # not our token
                self.report(client, ours[kind], number)
            for number, kind in enumerate(self.ASKING, 1):
                with self.subTest(server=kind, token=token):
                    told = lambda: self.received(kind, PROGRESS)[before[kind] :]
                    eventually(told, 5, 0.02, "the progress")
                    said = {"progressToken": token, "progress": number, "message": "m"}
                    self.assertEqual([message["params"] for message in told()], [said])
            for kind, (messages, question) in asked.items():
                self.answer(client, messages, question)
                self.report(client, ours[kind], 97)  # it is answered
            self.assertEqual(client.call("stdio__echo", {"text": "x"}).text, "x")
            for kind in self.ASKING:
                self.assertEqual(len(self.received(kind, PROGRESS)), before[kind] + 1)

    def test_nothing_is_passed_on_that_was_not_asked_for(self):
        client = self.legacy(capabilities=ABLE)
        messages, question = self.ask(client, "stdio")
        self.assertNotIn("_meta", question["params"])
        before = len(self.received("stdio", PROGRESS))
        self.report(client, question["id"], 1)
        self.answer(client, messages, question)
        self.assertEqual(len(self.received("stdio", PROGRESS)), before)

    def test_modern_clients_get_no_token(self):
        call = {"name": "stdio__ask", "arguments": {"token": 1}}
        first = self.modern().request("tools/call", call, capabilities=ABLE).result
        self.assertEqual(first["resultType"], "input_required")
        ((key, question),) = first["inputRequests"].items()
        self.assertEqual(question["params"]["_meta"], {"own/key": 1})
        call["inputResponses"] = {key: {"action": "decline"}}
        call["requestState"] = first["requestState"]
        done = self.modern().request("tools/call", call, capabilities=ABLE)
        self.assertIn("decline", done.text)
