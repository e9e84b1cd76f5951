"""Event streams that break: taken up again by clients, with nothing lost or told twice; and by the
gateway where a server ends one before its answer."""

import json
import os
import tempfile
import time
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection, WireError
from support.nexus_process import (
    SANITIZED,
    HttpFixture,
    Nexus,
    eventually,
    json_lines,
    stdio_server,
    within,
)

PROGRESS = "notifications/progress"
LIST_CHANGED = "notifications/tools/list_changed"
#: Tools that come and go.
FRESH = ("fresh", "one", "two", "fresh0", "fresh1", "fresh2", "fresh3")


def call_message(request_id, tool, arguments):
    params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": f"p{request_id}"}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


class Resumption(GatewayCase):
    """Every connection may land on either of the two workers."""

    @classmethod
    def servers(cls):
        return {"fixture": stdio_server(), "other": stdio_server("--name", "other")}

    def start(self, client, tool="progress", request_id="call-1", **arguments):
        """Posts a call on a connection of its own; returns the response."""
        connection = Connection(self.address)
        self.addCleanup(connection.close)
        body = json.dumps(call_message(request_id, f"fixture__{tool}", arguments)).encode()
        return connection.request("POST", client.path, client.headers(), body)

    def read(self, response, count, timeout=5):
        """The first events of a stream; its connection stays open."""
        events = []
        for event in response.events(timeout):
            events.append(event)
            if len(events) == count:
                break
        return events

    def resume(self, client, last_id=None, timeout=10.0):
        connection = Connection(self.address, timeout)
        self.addCleanup(connection.close)
        fields = {"Content-Type": None, "Accept": "text/event-stream", "Last-Event-ID": last_id}
        return connection.request("GET", client.path, client.headers(fields))

    def told(self, response, timeout=5):
        """The messages of a stream up to its end, or to a pause of that length."""
        found = []
        try:
            for event in response.events(timeout):
                if event["data"]:
                    found.append((event.get("id"), json.loads(event["data"])))
        except WireError as failure:
            self.assertIn("no data", str(failure))
        return found


class OfAnswers(Resumption):
    def test_streams_are_primed_and_numbered(self):
        events = self.read(self.start(self.legacy(), steps=3, delay=0.05), 5)
        self.assertEqual(events[0]["data"], "")
        self.assertGreater(int(events[0]["retry"]), 0)
        ids = [event["id"] for event in events]
        self.assertEqual(len(set(ids)), 5, ids)
        self.assertEqual(len({name.rsplit("-", 1)[0] for name in ids}), 1, "one stream")
        other = self.read(self.start(self.legacy(), steps=1, delay=0.05), 3)
        self.assertFalse(set(ids) & {event["id"] for event in other})

    def test_older_clients_get_no_event_without_data(self):
        for version in ("2025-03-26", "2025-06-18"):
            with self.subTest(version=version):
                response = self.start(self.legacy(version=version), steps=2, delay=0.05)
                events = self.read(response, 3)
                self.assertTrue(all(event["data"] and event["id"] for event in events), events)

    def test_stateless_streams_have_no_ids(self):
        params = {"name": "fixture__progress", "arguments": {"steps": 2}}
        _, response = self.modern().send("tools/call", params, token="t")
        events = self.read(response, 3)
        self.assertEqual(len(events), 3)
        self.assertFalse([event for event in events if "id" in event or "retry" in event])

    def test_a_quick_answer_is_no_stream(self):
        answer = self.legacy().call("fixture__echo", {"text": "x"})
        self.assertFalse(answer.streamed)

    def test_a_silent_call_can_be_resumed(self):
        client = self.legacy()
        response = self.start(client, "sleep", seconds=1.0)
        primer = self.read(response, 1)[0]
        self.assertEqual(primer["data"], "")
        response.connection.close()
        messages = self.told(self.resume(client, primer["id"]))
        self.assertEqual([message["id"] for _, message in messages], ["call-1"])
        self.assertEqual(messages[0][1]["result"]["content"][0]["text"], "slept")

    def test_nothing_is_lost_or_told_twice(self):
        steps = 40
        for round_number in range(6):  # so that both workers come to resume for each other
            with self.subTest(round=round_number):
                client = self.legacy()
                stream = self.start(client, request_id=round_number, steps=steps, delay=0.02)
                seen, last = [], None
                while True:
                    ended = True
                    for event in stream.events(5):
                        last = event.get("id", last)
                        if event["data"]:
                            seen.append(json.loads(event["data"]))
                        if len(seen) % 7 == 3 and "result" not in seen[-1]:
                            ended = False
                            break
                    stream.connection.close()
                    if ended:
                        break
                    time.sleep(0.03)
                    stream = self.resume(client, last)
                    self.assertEqual(stream.status, 200)
                    if len(seen) % 7 == 3:
                        self.take_one(stream, seen)
                        last = self.last_id
                progress = [m["params"]["progress"] for m in seen if "params" in m]
                self.assertEqual(progress, list(range(1, steps + 1)))
                self.assertEqual([m["id"] for m in seen if "result" in m], [round_number])

    def take_one(self, stream, seen):
        event = self.read(stream, 1)[0]
        self.last_id = event["id"]
        seen.append(json.loads(event["data"]))

    def test_an_answer_is_told_again_from_any_place(self):
        client = self.legacy()
        response = self.start(client, steps=4, delay=0.05)
        events = self.read(response, 6)
        response.connection.close()
        for place in range(6):
            with self.subTest(after=place):
                resumed = self.resume(client, events[place]["id"])
                self.assertEqual(resumed.header("content-type"), "text/event-stream")
                again = self.told(resumed)
                rest = [(event["id"], json.loads(event["data"])) for event in events[place + 1 :]]
                self.assertEqual(again, rest)
                self.assertTrue(resumed.connection.at_end(), "the stream ends with the answer")

    def test_the_newest_connection_has_the_stream(self):
        client = self.legacy()
        first = self.start(client, steps=10, delay=0.1)
        events = first.events(5)
        last = [next(events)["id"], next(events)["id"]][-1]
        second = self.resume(client, last)
        told = self.told(second)
        self.assertEqual([m["params"]["progress"] for _, m in told[:-1]], list(range(2, 11)))
        left = []
        with self.assertRaises((WireError, StopIteration)):
            while True:
                left.append(next(events))
        self.assertLess(len(left), 9, "the first connection has lost the stream")

    def test_streams_are_told_apart(self):
        client = self.legacy()
        streams = [self.start(client, request_id=n, steps=3, delay=0.1) for n in (1, 2)]
        primers = [self.read(stream, 1)[0]["id"] for stream in streams]
        for stream in streams:
            stream.connection.close()
        time.sleep(0.6)
        for number, primer in zip((1, 2), primers):
            told = self.told(self.resume(client, primer))
            tokens = [m["params"]["progressToken"] for _, m in told[:-1]]
            self.assertEqual(tokens, [f"p{number}"] * 3)
            self.assertEqual(told[-1][1]["id"], number)

    def test_ids_of_others_are_refused(self):
        client, stranger = self.legacy(), self.legacy()
        last = self.read(self.start(client, steps=1, delay=0.05), 3)[-1]["id"]
        self.read(self.start(stranger, steps=1, delay=0.05), 3)
        for wrong in (last, "", "x", "1-2", "1-1-zz", "-1-1-1", last + "0", "9" * 2000):
            with self.subTest(id=wrong[:20]):
                refused = self.resume(stranger, wrong)
                self.assertEqual(refused.status, 400)
                self.assertIn(b"Last-Event-ID", refused.body)
        self.assertEqual(self.resume(client, last).status, 200)

    def test_a_session_that_ends_forgets(self):
        client = self.legacy()
        response = self.start(client, steps=2, delay=0.05)
        primer = self.read(response, 4)[0]["id"]
        following = self.resume(client)
        self.assertEqual(client.delete()[0], 200)
        self.assertEqual(self.resume(client, primer).status, 404)
        self.assertEqual(self.told(following), [])

    def test_cancelling_ends_a_call_whose_connection_broke(self):
        client = self.legacy()
        response = self.start(client, "sleep", seconds=20)
        primer = self.read(response, 1)[0]["id"]
        response.connection.close()
        resumed = self.resume(client, primer)
        client.notify("notifications/cancelled", {"requestId": "call-1"})
        told = self.told(resumed)
        self.assertEqual(len(told), 1)
        self.assertIn("cancelled", told[0][1]["error"]["message"])

    def test_a_question_waits_for_the_client(self):
        client = self.legacy(capabilities={"elicitation": {}})
        response = self.start(client, "ask", seconds=0.4)
        primer = self.read(response, 1)[0]["id"]
        response.connection.close()
        time.sleep(within(0.7))
        events = self.resume(client, primer).events(5)
        question = json.loads(next(events)["data"])
        self.assertEqual(question["method"], "elicitation/create")
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
        self.assertEqual(client.post(answer, client.headers()).status, 202)
        result = json.loads(next(events)["data"])
        self.assertEqual(result["id"], "call-1")
        self.assertIn("decline", result["result"]["content"][0]["text"])

    def test_batches_can_be_resumed(self):
        client = self.legacy(version="2025-03-26")
        connection = Connection(self.address)
        calls = [
            call_message(1, "fixture__progress", {"steps": 8, "delay": 0.1}),
            call_message(2, "fixture__echo", {"text": "x"}),
        ]
        response = connection.request(
            "POST", client.path, client.headers(), json.dumps(calls).encode()
        )
        last = self.read(response, 2)[-1]["id"]
        connection.close()
        told = [message for _, message in self.told(self.resume(client, last))]
        self.assertEqual([m["params"]["progress"] for m in told[:-1]], list(range(3, 9)))
        self.assertEqual(sorted(answer["id"] for answer in told[-1]), [1, 2])


class Bounds(Resumption):
    def test_progress_is_forgotten_before_the_answer(self):
        client = self.legacy()
        response = self.start(client, steps=3000, delay=0)
        primer = self.read(response, 1)[0]["id"]
        response.connection.close()
        time.sleep(within(1.5))
        resumed = self.resume(client, primer)
        body = resumed.body.decode()
        self.assertIn(": some events before this are not kept any more", body)
        data = [line[6:] for line in body.splitlines() if line.startswith("data: {")]
        messages = [json.loads(line) for line in data]
        self.assertLessEqual(len(messages), 1000)
        self.assertEqual(messages[-1]["id"], "call-1")
        places = [message["params"]["progress"] for message in messages[:-1]]
        self.assertEqual(places, sorted(places))
        self.assertEqual(places[-1], 3000)

    def test_an_answer_that_is_too_large_is_gone(self):
        client = self.legacy()
        response = self.start(client, "late", bytes=5 << 20, seconds=0.5)
        primer = self.read(response, 1)[0]["id"]
        response.connection.close()
        time.sleep(within(1.5))
        refused = self.resume(client, primer)
        self.assertEqual(refused.status, 410)
        self.assertIn(b"not kept", refused.body)

    def test_a_large_answer_reaches_a_client_that_came_back_in_time(self):
        client = self.legacy()
        response = self.start(client, "late", bytes=5 << 20, seconds=1.0)
        primer = self.read(response, 1)[0]["id"]
        response.connection.close()
        told = self.told(self.resume(client, primer))
        self.assertEqual(len(told[0][1]["result"]["content"][0]["text"]), 5 << 20)

    def test_sessions_hold_a_bounded_amount(self):
        before = self.gateway.rss_kib()
        client = self.legacy()
        for number in range(30):
            response = self.start(client, "late", request_id=number, bytes=1 << 20, seconds=0.5)
            primer = self.read(response, 1)[0]["id"]
            response.connection.close()
        time.sleep(within(1.0))
        self.assertEqual(self.resume(client, primer).status, 200)
        if not SANITIZED:
            self.assertLess(self.gateway.rss_kib() - before, 24 << 10)


class OfListening(Resumption):
    def change(self, *names):
        client = self.legacy()
        self.assertEqual(client.call("fixture__change", {"names": list(names)}).text, "changed")
        client.close()

    def setUp(self):
        """Every worker knows the list as it is without changes, so that one is told once."""
        self.change()
        clients = [self.legacy() for _ in range(8)]
        shown = lambda: {tool["name"] for client in clients for tool in client.tools()}
        eventually(lambda: not {f"fixture__{name}" for name in FRESH} & shown(), what="the end")

    def test_what_is_missed_is_told_later(self):
        for round_number in range(4):
            with self.subTest(round=round_number):
                self.setUp()
                client = self.legacy()
                stream = self.resume(client)
                primer = self.read(stream, 1)[0]["id"]
                stream.connection.close()
                time.sleep(0.05)
                self.change(f"fresh{round_number}")
                time.sleep(0.4)
                told = self.told(self.resume(client, primer), 0.5)
                self.assertEqual([message["method"] for _, message in told], [LIST_CHANGED])
                again = self.told(self.resume(client, told[0][0]), 0.3)
                self.assertEqual(again, [])
                repeated = self.told(self.resume(client, primer), 0.3)
                self.assertEqual(repeated, told)

    def test_a_stream_that_was_taken_up_goes_on(self):
        client = self.legacy()
        stream = self.resume(client)
        primer = self.read(stream, 1)[0]["id"]
        for name in ("one", "two"):
            stream.connection.close()
            stream = self.resume(client, primer)
            self.change(name)
            event = self.read(stream, 1)[0]
            self.assertEqual(json.loads(event["data"])["method"], LIST_CHANGED)
            primer = event["id"]

    def test_older_clients_hear_nothing_without_data(self):
        client = self.legacy(version="2025-06-18")
        stream = self.resume(client)
        self.change("fresh")
        event = self.read(stream, 1)[0]
        self.assertEqual(json.loads(event["data"])["method"], LIST_CHANGED)
        self.assertIn("id", event)


class OfServers(unittest.TestCase):
    """A server that ends the events of every call before its answer."""

    def gateway(self, *options, **config):
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        self.log = os.path.join(folder, "log")
        fixture = HttpFixture("--log", self.log, *options)
        self.addCleanup(fixture.stop)
        gateway = Nexus({"polled": fixture.config(**config)}).start()
        self.addCleanup(gateway.stop)
        return gateway.wait_servers()

    def asked(self, stream="call"):
        return [
            row["headers"]["Last-Event-ID"]
            for row in json_lines(self.log)
            if row.get("http") == "GET" and stream in row["headers"].get("Last-Event-ID", "")
        ]

    def received(self, method="tools/call"):
        with open(self.log, encoding="utf-8") as file:
            inbound = [json.loads(line).get("in", {}) for line in file]
        return [message for message in inbound if message.get("method") == method]

    def test_the_rest_of_an_answer_is_asked_for(self):
        gateway = self.gateway("--polling", "150")
        for client in (gateway.legacy(), gateway.modern()):
            answer = client.call("polled__progress", {"steps": 3, "delay": 0.05}, token="t")
            self.assertEqual(answer.text, "3 steps")
            told = [m["params"]["progress"] for m in answer.notifications]
            self.assertEqual(told, [1, 2, 3])
            self.assertGreater(answer.seconds, 4 * 0.15, "the server's retry is respected")
            client.close()
        self.assertEqual([name.rpartition("/")[2] for name in self.asked()][:4], list("0123"))
        self.assertEqual(len(self.received()), 2, "no call is made twice")

    def test_the_deadline_goes_on(self):
        gateway = self.gateway("--polling", "100", timeout=1)
        answer = gateway.legacy().call("polled__sleep", {"seconds": 30})
        self.assertIn("timed out", answer.error["message"])
        self.assertLess(answer.seconds, within(3))
        count = len(self.asked())
        self.assertGreater(count, 1)
        time.sleep(0.5)
        self.assertEqual(len(self.asked()), count, "nobody asks any more")

    def test_a_server_that_forgets_fails_the_call(self):
        gateway = self.gateway("--polling", "100", "--forgetful")
        answer = gateway.legacy().call("polled__echo", {"text": "x"})
        self.assertIsNotNone(answer.error)
        self.assertLess(answer.seconds, within(3))
        self.assertEqual(len(self.received()), 1)

    def test_notifications_are_taken_up(self):
        for options in ((), ("--forgetful",)):
            with self.subTest(options=options):
                gateway = self.gateway("--polling", "100", *options)
                eventually(lambda: len(self.asked("listen")) > 1, 5, what="the stream's return")
                before = len(self.received("tools/list"))
                time.sleep(0.5)
                if not options:  # whoever may have missed something lists again
                    self.assertEqual(len(self.received("tools/list")), before)
                    client = gateway.legacy()
                    client.call("polled__change", {"names": ["fresh"]})
                    names = lambda: [tool["name"] for tool in client.tools()]
                    eventually(lambda: "polled__fresh" in names(), 5, 0.05, "the new tool")
                else:
                    self.assertGreater(len(self.received("tools/list")), before)

    def test_a_retry_time_of_nothing_is_no_flood(self):
        gateway = self.gateway("--polling", "0")
        answer = gateway.legacy().call("polled__sleep", {"seconds": 1})
        self.assertEqual(answer.text, "slept")
        self.assertLess(len(self.asked()), 15)


if __name__ == "__main__":
    unittest.main()
