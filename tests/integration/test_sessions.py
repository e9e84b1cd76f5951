"""Sessions with legacy servers: who shares one, what the server is told that its client can do, and
when a session ends. Seen from the server, by what it received."""

import concurrent.futures
import json
import os
import tempfile
import unittest

from support.cases import GatewayCase
from support.nexus_process import HttpFixture, eventually, json_lines, stdio_server

SAMPLING = {"sampling": {}}
FORMS = {"elicitation": {"form": {}}}


class Seen:
    """What a fixture server received over HTTP: one row per POST, with its session."""

    def __init__(self, path):
        self.path = path

    def posts(self):
        found, session = [], None
        for row in json_lines(self.path):
            if row.get("http") == "POST":
                fields = {name.lower(): value for name, value in row["headers"].items()}
                session = fields.get("mcp-session-id")
            elif "in" in row:
                found.append((session, row["in"]))
        return found

    def of(self, method):
        return [(s, message) for s, message in self.posts() if message.get("method") == method]

    def capabilities(self):
        """What each initialize declared, in order."""
        return [message["params"]["capabilities"] for _, message in self.of("initialize")]

    def session_of(self, mark):
        """The session that the echo call with this text came over."""
        return next(
            session
            for session, message in self.of("tools/call")
            if message["params"]["arguments"].get("text") == mark
        )

    def ended(self):
        return sum(row.get("http") == "DELETE" for row in json_lines(self.path))


class OverHttp(GatewayCase):
    mode = None

    @classmethod
    def setUpClass(cls):
        if cls.mode is None:
            raise unittest.SkipTest("for subclasses")
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        log = os.path.join(folder, "seen.log")
        cls.fixture = HttpFixture("--log", log)
        cls.addClassCleanup(cls.fixture.stop)
        cls.seen = Seen(log)
        super().setUpClass()

    @classmethod
    def servers(cls):
        return {"one": cls.fixture.config(sessions=cls.mode)}

    def session_for(self, client, mark):
        self.assertEqual(client.call("one__echo", {"text": mark}).text, mark)
        return self.seen.session_of(mark)

    def client(self, capabilities=None):
        return self.legacy(capabilities=capabilities)


class Shared(OverHttp):
    mode = "shared"

    def test_everybody_shares_one_that_can_do_everything(self):
        sessions = {
            self.session_for(self.client(), "a"),
            self.session_for(self.client(SAMPLING), "b"),
            self.session_for(self.modern(), "c"),
        }
        self.assertEqual(len(sessions), 1)
        (declared,) = self.seen.capabilities()
        self.assertEqual({"sampling", "elicitation", "roots"} - set(declared), set())


class PerProfile(OverHttp):
    mode = "per-profile"

    def test_clients_that_can_do_the_same_share_one(self):
        before = len(self.seen.capabilities())
        plain = self.session_for(self.client(), "plain")
        able = self.session_for(self.client(SAMPLING), "able")
        self.assertNotEqual(plain, able)
        self.assertEqual(self.session_for(self.client(), "plain 2"), plain)
        self.assertEqual(self.session_for(self.client(SAMPLING), "able 2"), able)
        # A modern client says with each request what it can do.
        self.assertEqual(self.session_for(self.modern(), "modern"), plain)
        answer = self.modern().call("one__echo", {"text": "asked"}, capabilities=SAMPLING)
        self.assertEqual(answer.text, "asked")
        self.assertEqual(self.seen.session_of("asked"), able)
        self.assertEqual(self.seen.capabilities()[before:], [{}, SAMPLING])
        # The gateway lists over one of its own.
        self.assertEqual({s for s, _ in self.seen.of("tools/list")} & {plain, able}, set())

    def test_many_at_once_open_one_session(self):
        before = len(self.seen.capabilities())
        clients = [self.client(FORMS) for _ in range(12)]
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            sent = list(
                pool.map(
                    lambda pair: pair[1].call("one__echo", {"text": f"m{pair[0]}"}).text,
                    enumerate(clients),
                )
            )
        self.assertEqual(sent, [f"m{i}" for i in range(12)])
        self.assertEqual(len({self.seen.session_of(f"m{i}") for i in range(12)}), 1)
        self.assertEqual(self.seen.capabilities()[before:], [FORMS])

    def test_a_forgotten_session_is_opened_anew(self):
        client = self.client({"roots": {}})
        first = self.session_for(client, "first")
        client.call("one__forget")
        second = self.session_for(client, "second")
        self.assertNotEqual(first, second)


class PerClientSession(OverHttp):
    mode = "per-client-session"

    def test_each_client_session_has_one_and_takes_it_along(self):
        first, second = self.client(SAMPLING), self.client(SAMPLING)
        mine = self.session_for(first, "mine")
        self.assertEqual(self.session_for(first, "mine again"), mine)
        self.assertNotEqual(self.session_for(second, "other"), mine)
        self.assertEqual(self.seen.ended(), 0)
        self.assertEqual(first.delete()[0], 200)
        eventually(lambda: self.seen.ended() == 1, what="the end of the session")
        self.assertEqual(self.session_for(second, "still"), self.seen.session_of("other"))


class PerCall(OverHttp):
    mode = "per-call"

    def test_each_call_has_one(self):
        client, opened = self.client(), len(self.seen.capabilities())
        found = {self.session_for(client, f"call {i}") for i in range(5)}
        self.assertEqual(len(found), 5)
        self.assertEqual(len(self.seen.capabilities()), opened + 5)
        # The gateway keeps its own.
        eventually(lambda: self.seen.ended() == opened + 4, what="the end of these sessions")

    def test_a_call_that_is_given_up_leaves_no_session(self):
        ended = self.seen.ended()
        client = self.client()
        call = {"name": "one__sleep", "arguments": {"seconds": 30}}
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.request, "tools/call", call, request_id=4711)
            eventually(self.sleeps, what="the call")
            other = self.legacy()
            other.session, other.server = client.session, client.server
            other.notify("notifications/cancelled", {"requestId": 4711})
            self.assertIn("cancelled", answer.result().error["message"])
        eventually(lambda: self.seen.ended() == ended + 1, what="the end of its session")

    def sleeps(self):
        calls = self.seen.of("tools/call")
        return any(message["params"]["name"] == "sleep" for _, message in calls)


class OverStdio(GatewayCase):
    @classmethod
    def servers(cls):
        cls.log = os.path.join(tempfile.mkdtemp(prefix="nexus-test-"), "seen.log")
        return {
            "all": stdio_server(),
            "own": stdio_server("--log", cls.log, sessions="per-client-session"),
            "pool": stdio_server(sessions="per-profile"),
        }

    def pid(self, client, server):
        return client.call(f"{server}__where").result["structuredContent"]["pid"]

    def test_processes(self):
        first = self.legacy(capabilities=SAMPLING)
        second = self.legacy()
        third = self.legacy(capabilities=SAMPLING)
        shared = {self.pid(client, "all") for client in (first, second, third)}
        self.assertEqual(len(shared), 1)
        own = [self.pid(client, "own") for client in (first, second, third)]
        self.assertEqual(len(set(own)), 3)
        self.assertEqual(self.pid(first, "own"), own[0])
        pool = [self.pid(client, "pool") for client in (first, second, third)]
        self.assertEqual(pool[0], pool[2])
        self.assertNotEqual(pool[0], pool[1])
        first.delete()
        eventually(lambda: own[0] not in self.gateway.children(), what="the end of its process")
        self.assertIn(own[1], self.gateway.children())

    def test_its_server_may_ask_a_client_outside_of_any_call(self):
        client = self.legacy(capabilities={"roots": {"listChanged": True}})
        stream = client.open_stream()
        self.pid(client, "own")
        client.notify("notifications/roots/list_changed")
        question = next(stream.messages(10))
        self.assertEqual(question["method"], "roots/list")
        roots = {"roots": [{"uri": "file:///here", "name": "here"}]}
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": roots}
        self.assertEqual(client.post(answer, client.headers()).status, 202)
        seen = lambda: [
            row["in"]["result"]
            for row in json_lines(self.log)
            if "in" in row and row["in"].get("id") == "roots-1"
        ]
        eventually(lambda: seen() == [roots], what="the roots")
        stream.connection.close()

    def test_a_process_that_dies_takes_its_client_alone_along(self):
        first = self.legacy()
        second = self.legacy()
        other = self.pid(second, "own")
        before = self.pid(first, "own")
        answer = first.call("own__exit")
        self.assertIn("own", json.dumps(answer.message))
        self.assertEqual(self.pid(second, "own"), other)

        def again():
            answer = first.call("own__where")
            return answer.error is None and answer.result["structuredContent"]["pid"]

        self.assertNotEqual(eventually(again, what="another process"), before)


if __name__ == "__main__":
    unittest.main()
