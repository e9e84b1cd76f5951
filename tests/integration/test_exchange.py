"""Calls from end to end, through every kind of server and for both eras of clients: results byte
for byte, progress, logging, cancellation, deadlines, list changes."""

import json
import os
import tempfile
import threading
import time
import unittest

from support.cases import AT_ONCE, GatewayCase, clean_error
from support.http_wire import Connection, WireError
from support.mcp_client import META, envelope
from support.nexus_process import HttpFixture, Nexus, eventually, stdio_server

#: JSON that a decode and encode round would change: spaces, number forms, escapes, key order.
ODD_JSON = (
    '{"z": 1.0,"a":1e3 , "big":123456789012345678901234567890, "neg":-0.0,\t"u":"\\u00e9é\\/",'
    '"dup":{"k":1,"k":2},"empty":{},"list":[ ],"e":"\\ud83d\\ude00","tiny":1E-400}'
)


class Transports(GatewayCase):
    """One server of each kind; `server_log` reads what it received."""

    KINDS = ("stdio", "stdiomodern", "json", "sse", "modern", "dual", "oldsse", "fallback")

    @classmethod
    def servers(cls):
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        cls.logs = {kind: os.path.join(folder, kind) for kind in cls.KINDS}
        http = {}
        options = {"json": [], "sse": ["--answer", "sse"], "modern": ["--era", "modern"],
                   "dual": ["--era", "dual"], "oldsse": ["--sse"], "fallback": ["--sse"]}
        for kind, more in options.items():
            fixture = HttpFixture("--name", kind, "--log", cls.logs[kind], *more)
            cls.addClassCleanup(fixture.stop)
            http[kind] = fixture.config("sse" if kind == "oldsse" else "http")
        log = lambda kind: ("--name", kind, "--log", cls.logs[kind])
        return {
            "stdio": stdio_server(*log("stdio")),
            "stdiomodern": stdio_server(*log("stdiomodern"), "--era", "modern"),
            **http,
        }

    def server_log(self, kind):
        with open(self.logs[kind], encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def received(self, kind, method):
        rows = [row["in"] for row in self.server_log(kind) if "in" in row]
        return [m for m in rows if isinstance(m, dict) and m.get("method") == method]

    def events(self, kind, name):
        return [row for row in self.server_log(kind) if row.get("event") == name]

    def each(self, kinds=KINDS):
        """Every kind of server with a client of each era."""
        for kind in kinds:
            for make in (self.legacy, self.modern):
                client = make()
                with self.subTest(server=kind, client=type(client).__name__):
                    yield kind, client
                client.close()


class Results(Transports):
    def test_eras_and_transports_are_found(self):
        rows = self.gateway.servers()
        for kind in ("stdio", "json", "sse", "oldsse", "fallback"):
            self.assertNotIn(rows[kind]["era"], ("modern", "2026-07-28"), kind)
        for kind in ("stdiomodern", "modern", "dual"):
            self.assertIn(rows[kind]["era"], ("modern", "2026-07-28"), kind)

    def test_calls(self):
        for kind, client in self.each():
            self.assertEqual(client.call(f"{kind}__echo", {"text": "hé\n"}).text, "hé\n")

    def test_calls_on_the_servers_own_address(self):
        for kind in self.KINDS:
            for make in (self.legacy, self.modern):
                client = make(f"/s/{kind}/mcp")
                with self.subTest(server=kind, client=type(client).__name__):
                    self.assertIn("echo", [tool["name"] for tool in client.tools()])
                    self.assertEqual(client.call("echo", {"text": "x"}).text, "x")

    def test_structured_content_keeps_its_bytes(self):
        result = '{"content":[],"structuredContent":%s,"odd": [1.50]}' % ODD_JSON
        for kind, client in self.each():
            params = {"name": f"{kind}__raw", "arguments": {"json": result}}
            _, response = client.send("tools/call", params)
            body = response.body.decode()
            if response.is_stream:
                body = "".join(line for line in body.split("\n") if line.startswith("data:"))
            self.assertIn('"structuredContent":' + ODD_JSON, body)
            self.assertIn('"odd": [1.50]', body)

    def test_arguments_keep_their_bytes(self):
        for kind, client in self.each():
            odd = json.dumps("placeholder")
            params = {"name": f"{kind}__received", "arguments": "@"}
            body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}
            if client.__class__.__name__ == "ModernClient":
                params["_meta"] = envelope()
                headers = client.headers("tools/call", params)
            else:
                headers = client.headers()
            data = json.dumps(body, ensure_ascii=False).replace('"@"', ODD_JSON)
            response = client.post(data.encode(), headers)
            message = list(response.messages())[-1]
            inbound = message["result"]["content"][0]["text"]
            self.assertIn('"arguments":' + ODD_JSON, inbound.replace('"arguments": ', '"arguments":'))
            self.assertNotIn(odd, inbound)

    def test_ids_and_tokens_of_the_client_do_not_reach_the_server(self):
        for kind, client in self.each():
            params = {"name": f"{kind}__received", "arguments": {}}
            answer = client.request("tools/call", params, request_id="client-id-77")
            inbound = json.loads(answer.text)
            self.assertNotIn("client-id-77", answer.text)
            self.assertEqual(inbound["params"]["name"], "received")

    def test_what_a_server_is_told_of_the_protocol(self):
        for kind, client in self.each(("stdiomodern", "modern", "dual")):
            inbound = json.loads(client.call(f"{kind}__received").text)
            meta = inbound["params"]["_meta"]
            self.assertEqual(meta[META + "protocolVersion"], "2026-07-28")
            self.assertIn(META + "clientCapabilities", meta)
        for kind, client in self.each(("stdio", "json", "sse", "oldsse")):
            inbound = json.loads(client.call(f"{kind}__received").text)
            reserved = [k for k in inbound["params"].get("_meta", {}) if k.startswith(META)]
            self.assertEqual(reserved, [])

    def test_errors_of_servers(self):
        for kind, client in self.each():
            answer = client.call(f"{kind}__fail", {"text": "no luck"})
            self.assertTrue(answer.result["isError"])
            self.assertEqual(answer.text, "no luck")
            refused = {"code": -32050, "message": "own error", "data": {"k": [1]}}
            answer = client.call(f"{kind}__refuse", refused)
            self.assertEqual(answer.status, 200)
            self.assertIn("own error", answer.error["message"])

    def test_large_answers(self):
        for kind, client in self.each():
            answer = client.call(f"{kind}__big", {"bytes": 3_000_000})
            self.assertEqual(len(answer.text), 3_000_000)

    def test_equal_ids_of_many_clients(self):
        failures = []

        def one(number):
            try:
                with self.gateway.legacy() as client:
                    for request_id in range(20):
                        kind = self.KINDS[(number + request_id) % len(self.KINDS)]
                        value = f"{number}/{request_id}"
                        answer = client.call(f"{kind}__echo", {"text": value}, request_id=request_id)
                        if answer.text != value or answer.message["id"] != request_id:
                            failures.append((number, request_id, answer.message))
            except Exception as failure:
                failures.append((number, repr(failure)))

        threads = [threading.Thread(target=one, args=(n,)) for n in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])

    def test_lost_session_of_a_server_is_renewed(self):
        client = self.legacy()
        client.call("json__forget")
        for _ in range(3):
            self.assertEqual(client.call("json__echo", {"text": "again"}).text, "again")


class Progress(Transports):
    STREAMING = ("stdio", "stdiomodern", "sse", "modern", "dual", "oldsse")

    def test_progress_arrives_in_order_with_the_clients_token(self):
        for kind, client in self.each(self.STREAMING):
            for token in ("tok", 7, "7"):
                answer = client.call(f"{kind}__progress", {"steps": 3}, token=token)
                self.assertTrue(answer.streamed)
                self.assertEqual(answer.text, "3 steps")
                notes = [n["params"] for n in answer.notifications
                         if n["method"] == "notifications/progress"]
                self.assertEqual([n["progress"] for n in notes], [1, 2, 3])
                self.assertEqual([repr(n["progressToken"]) for n in notes], [repr(token)] * 3)
                self.assertEqual(notes[0]["message"], "step 1")

    def test_no_token_no_progress(self):
        for kind, client in self.each(self.STREAMING):
            answer = client.call(f"{kind}__progress", {"steps": 2})
            self.assertEqual(answer.text, "2 steps")
            self.assertEqual(answer.notifications, [])

    def test_equal_tokens_of_two_clients(self):
        answers = {}

        def one(name, steps):
            with self.gateway.legacy() as client:
                arguments = {"steps": steps, "delay": 0.05}
                answers[name] = client.call("stdio__progress", arguments, token=1)

        threads = [threading.Thread(target=one, args=(n, 3 + n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        for number in range(4):
            totals = {n["params"]["total"] for n in answers[number].notifications}
            self.assertEqual(totals, {3 + number})
            self.assertEqual(len(answers[number].notifications), 3 + number)

    def test_progress_arrives_while_the_call_runs(self):
        client = self.legacy()
        params = {"name": "stdio__progress", "arguments": {"steps": 3, "delay": 0.5},
                  "_meta": {"progressToken": "live"}}
        started = time.monotonic()
        _, response = client.send("tools/call", params)
        messages = response.messages(5)
        self.assertEqual(next(messages)["method"], "notifications/progress")
        self.assertLess(time.monotonic() - started, 1.0)
        self.assertIn("result", list(messages)[-1])


class Logging(Transports):
    KINDS = ("stdio", "stdiomodern", "sse", "modern")

    def levels(self, answer):
        return [n["params"]["level"] for n in answer.notifications
                if n["method"] == "notifications/message"]

    def test_modern_log_level_is_of_the_request(self):
        client = self.modern()
        for kind in ("stdiomodern", "modern"):
            with self.subTest(server=kind):
                answer = client.call(f"{kind}__log", {"text": "t"}, log_level="error")
                self.assertEqual(self.levels(answer), ["error", "critical", "alert", "emergency"])
                self.assertEqual(self.levels(client.call(f"{kind}__log")), [])

    def test_legacy_level_is_of_the_session(self):
        for kind in self.KINDS:
            with self.subTest(server=kind):
                client, quiet = self.legacy(), self.legacy()
                stream, other = client.open_stream(), quiet.open_stream()
                client.request("logging/setLevel", {"level": "warning"})
                quiet.request("logging/setLevel", {"level": "emergency"})
                answer = client.call(f"{kind}__log", {"text": "heard"})
                levels = self.levels(answer)
                if not levels:  # a server's message may also go to the stream of the session
                    messages = stream.messages(5)
                    levels = [next(messages)["params"]["level"] for _ in range(5)]
                self.assertEqual(
                    levels, ["warning", "error", "critical", "alert", "emergency"]
                )
                answer = quiet.call(f"{kind}__log", {"text": "quiet"})
                self.assertLessEqual(set(self.levels(answer)), {"emergency"})
                for open_stream in (stream, other):
                    open_stream.connection.close()


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
        head = [f"POST {client.path} HTTP/1.1", f"Host: {self.address[0]}:{self.address[1]}",
                f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
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
                eventually(lambda: len(self.events(kind, "cancelled")) > before, 4,
                           what="the end of the call on the server")

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
                eventually(lambda: len(self.events(kind, "cancelled")) > before, 4,
                           what="the end of the call on the server")
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
                eventually(lambda: len(self.events(kind, "slept")) > before, 5,
                           what="the call, run to its end")

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
        stream = self.modern().listen({"promptsListChanged": True})
        messages = stream.messages(1)
        self.assertIn("acknowledged", next(messages)["method"])
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


if __name__ == "__main__":
    unittest.main()
