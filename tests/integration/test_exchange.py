"""Calls from end to end, through every kind of server and for both eras of clients: results byte
for byte, ids, errors, progress, logging."""

import json
import threading
import time
import unittest

from support.http_wire import WireError
from support.mcp_client import META, envelope
from support.nexus_process import eventually
from support.transports import Transports

#: JSON that a decode and encode round would change: spaces, number forms, escapes, key order.
ODD_JSON = (
    '{"z": 1.0,"a":1e3 , "big":123456789012345678901234567890, "neg":-0.0,\t"u":"\\u00e9é\\/",'
    '"dup":{"k":1,"k":2},"empty":{},"list":[ ],"e":"\\ud83d\\ude00","tiny":1E-400}'
)


class Results(Transports):
    def test_eras_and_transports_are_found(self):
        rows = self.gateway.servers()
        for kind in ("stdio", "json", "sse", "oldsse", "fallback"):
            self.assertNotIn(rows[kind]["era"], ("modern", "2026-07-28"), kind)
        for kind in ("stdiomodern", "modern", "dual"):
            self.assertIn(rows[kind]["era"], ("modern", "2026-07-28"), kind)

    def test_calls(self):
        for case in self.each():
            with case as (kind, client):
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
        for case in self.each():
            with case as (kind, client):
                params = {"name": f"{kind}__raw", "arguments": {"json": result}}
                _, response = client.send("tools/call", params)
                body = response.body.decode()
                if response.is_stream:
                    body = "".join(line for line in body.split("\n") if line.startswith("data:"))
                self.assertIn('"structuredContent":' + ODD_JSON, body)
                self.assertIn('"odd": [1.50]', body)

    def test_arguments_keep_their_bytes(self):
        for case in self.each():
            with case as (kind, client):
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
                self.assertIn(
                    '"arguments":' + ODD_JSON, inbound.replace('"arguments": ', '"arguments":')
                )
                self.assertNotIn(odd, inbound)

    def test_ids_and_tokens_of_the_client_do_not_reach_the_server(self):
        for case in self.each():
            with case as (kind, client):
                params = {"name": f"{kind}__received", "arguments": {}}
                answer = client.request("tools/call", params, request_id="client-id-77")
                inbound = json.loads(answer.text)
                self.assertNotIn("client-id-77", answer.text)
                self.assertEqual(inbound["params"]["name"], "received")

    def test_what_a_server_is_told_of_the_protocol(self):
        for case in self.each(("stdiomodern", "modern", "dual")):
            with case as (kind, client):
                inbound = json.loads(client.call(f"{kind}__received").text)
                meta = inbound["params"]["_meta"]
                self.assertEqual(meta[META + "protocolVersion"], "2026-07-28")
                self.assertIn(META + "clientCapabilities", meta)
        for case in self.each(("stdio", "json", "sse", "oldsse")):
            with case as (kind, client):
                inbound = json.loads(client.call(f"{kind}__received").text)
                reserved = [k for k in inbound["params"].get("_meta", {}) if k.startswith(META)]
                self.assertEqual(reserved, [])

    def test_errors_of_servers(self):
        for case in self.each():
            with case as (kind, client):
                answer = client.call(f"{kind}__fail", {"text": "no luck"})
                self.assertTrue(answer.result["isError"])
                self.assertEqual(answer.text, "no luck")
                refused = {"code": -32050, "message": "own error", "data": {"k": [1]}}
                answer = client.call(f"{kind}__refuse", refused)
                self.assertEqual(answer.status, 200)
                self.assertIn("own error", answer.error["message"])

    def test_large_answers(self):
        for case in self.each():
            with case as (kind, client):
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
                        answer = client.call(
                            f"{kind}__echo", {"text": value}, request_id=request_id
                        )
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
        for case in self.each(self.STREAMING):
            with case as (kind, client):
                for token in ("tok", 7, "7"):
                    answer = client.call(f"{kind}__progress", {"steps": 3}, token=token)
                    self.assertTrue(answer.streamed)
                    self.assertEqual(answer.text, "3 steps")
                    notes = [
                        n["params"]
                        for n in answer.notifications
                        if n["method"] == "notifications/progress"
                    ]
                    self.assertEqual([n["progress"] for n in notes], [1, 2, 3])
                    self.assertEqual([repr(n["progressToken"]) for n in notes], [repr(token)] * 3)
                    self.assertEqual(notes[0]["message"], "step 1")

    def test_no_token_no_progress(self):
        for case in self.each(self.STREAMING):
            with case as (kind, client):
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
        params = {
            "name": "stdio__progress",
            "arguments": {"steps": 3, "delay": 0.5},
            "_meta": {"progressToken": "live"},
        }
        started = time.monotonic()
        _, response = client.send("tools/call", params)
        messages = response.messages(5)
        self.assertEqual(next(messages)["method"], "notifications/progress")
        self.assertLess(time.monotonic() - started, 1.0)
        self.assertIn("result", list(messages)[-1])


class Logging(Transports):
    KINDS = ("stdio", "stdiomodern", "sse", "modern")

    def levels(self, answer):
        return [
            n["params"]["level"]
            for n in answer.notifications
            if n["method"] == "notifications/message"
        ]

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

                def heard(client=client, stream=stream, kind=kind):
                    levels = self.levels(client.call(f"{kind}__log", {"text": "heard"}))
                    if levels:
                        return levels
                    try:  # a server's message may also go to the stream of the session
                        messages = stream.messages(1)
                        return [next(messages)["params"]["level"] for _ in range(5)]
                    except WireError:
                        return None

                # The level reaches the server on its own way, after the answer to setLevel.
                levels = eventually(heard, 5, what="messages of the level asked for")
                self.assertEqual(levels, ["warning", "error", "critical", "alert", "emergency"])
                answer = quiet.call(f"{kind}__log", {"text": "quiet"})
                self.assertLessEqual(set(self.levels(answer)), {"emergency"})
                for open_stream in (stream, other):
                    open_stream.connection.close()


if __name__ == "__main__":
    unittest.main()
