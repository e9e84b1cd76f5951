"""Classification of requests by era, status and code tables, sessions (spec: MCP 2025-03-26 to
2025-11-25 and 2026-07-28, transports and versioning)."""

import json
import threading
import time
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection, WireError, request_bytes
from support.mcp_client import (
    BOTH_FORMS,
    CLIENT_INFO,
    LEGACY_VERSIONS,
    META,
    MODERN_VERSION,
    ModernClient,
    envelope,
    mirrored,
)
from support.nexus_process import eventually, stdio_gateway, stdio_server

JSON = {"Content-Type": "application/json", "Accept": BOTH_FORMS}
ANY = object()
SERVED = {"MCP-Protocol-Version": MODERN_VERSION}


def request(method, params=None, request_id=1):
    message = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return message if params is None else {**message, "params": params}


def initialize(version="2025-11-25", **more):
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT_INFO, **more}
    return request("initialize", params)


def modern(method, params=None, meta=None, request_id=1):
    return request(method, {**(params or {}), "_meta": meta or envelope()}, request_id)


class WireCase(GatewayCase):
    @classmethod
    def servers(cls):
        return {"alpha": stdio_server("--name", "alpha"), "beta": stdio_server("--era", "modern")}

    def post(self, body, headers=None, path="/mcp"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {k: v for k, v in {**JSON, **(headers or {})}.items() if v is not None}
        with Connection(self.address) as connection:
            response = connection.request("POST", path, fields, data)
            response.message = next(response.messages(), None)
            return response

    def check(self, body, headers, status, code, path="/mcp"):
        """Posts and compares status and error code; ANY admits every code."""
        response = self.post(body, headers, path)
        found = ((response.message or {}).get("error") or {}).get("code")
        expected = found if code is ANY and found is not None else code
        self.assertEqual((response.status, found), (status, expected), response.message)
        if isinstance(body, dict) and type(body.get("id")) in (int, str) and code is not None:
            self.assertEqual(response.message.get("id"), body["id"], "errors echo the id")
        return response


class Classification(WireCase):
    """One row of the table each; the body decides, headers only cross-check."""

    def test_arrays(self):
        self.check([], {}, 400, -32600)
        self.check([1, 2], {}, 400, -32600)
        self.check([modern("tools/list")], {}, 400, -32600)
        self.check([request("ping"), modern("tools/list")], {}, 400, -32600)

    def test_initialize_is_legacy(self):
        response = self.check(initialize(), {}, 200, None)
        self.assertTrue(response.header("Mcp-Session-Id"))

    def test_initialize_with_modern_header(self):
        self.check(initialize(), SERVED, 400, -32020)

    def test_initialize_with_modern_envelope(self):
        body = modern("initialize", initialize()["params"])
        self.check(body, {**SERVED, "Mcp-Method": "initialize"}, 404, -32601)

    def test_malformed_envelopes(self):
        rows = {
            "version is no string": {META + "protocolVersion": 5, META + "clientCapabilities": {}},
            "version is null": {META + "protocolVersion": None, META + "clientCapabilities": {}},
            "no capabilities": {META + "protocolVersion": MODERN_VERSION},
            "capabilities no object": {**envelope(), META + "clientCapabilities": []},
            "capabilities null": {**envelope(), META + "clientCapabilities": None},
            "clientInfo no object": {**envelope(), META + "clientInfo": "me"},
            "clientInfo without version": {**envelope(), META + "clientInfo": {"name": "me"}},
        }
        for name, meta in rows.items():
            with self.subTest(name=name):
                headers = {**SERVED, "Mcp-Method": "tools/list"}
                self.check(modern("tools/list", meta=meta), headers, 400, -32602)

    def test_client_info_may_be_absent(self):
        meta = envelope()
        del meta[META + "clientInfo"]
        headers = {**SERVED, "Mcp-Method": "tools/list"}
        self.check(modern("tools/list", meta=meta), headers, 200, None)

    def test_headers_that_differ_from_the_body(self):
        call = modern("tools/call", {"name": "alpha__echo", "arguments": {}})
        good = {**SERVED, "Mcp-Method": "tools/call", "Mcp-Name": "alpha__echo"}
        rows = {
            "version differs": {**good, "MCP-Protocol-Version": "2025-11-25"},
            "version absent": {**good, "MCP-Protocol-Version": None},
            "method differs": {**good, "Mcp-Method": "tools/list"},
            "method case": {**good, "Mcp-Method": "Tools/Call"},
            "method absent": {**good, "Mcp-Method": None},
            "name differs": {**good, "Mcp-Name": "alpha__exit"},
            "name absent": {**good, "Mcp-Name": None},
            "name badly encoded": {**good, "Mcp-Name": "=?base64?!!!!?="},
            "name without padding": {**good, "Mcp-Name": "=?base64?YWxwaGFfX2VjaG8?="},
            "name encodes another": {**good, "Mcp-Name": "=?base64?YWxwaGFfX2V4aXQ=?="},
        }
        for name, headers in rows.items():
            with self.subTest(name=name):
                self.check(call, headers, 400, -32020)

    def test_headers_that_agree(self):
        call = modern("tools/call", {"name": "alpha__echo", "arguments": {"text": "x"}})
        good = {**SERVED, "Mcp-Method": "tools/call"}
        for name in ("alpha__echo", "  alpha__echo  ", "=?base64?YWxwaGFfX2VjaG8=?="):
            with self.subTest(name=name):
                self.check(call, {**good, "Mcp-Name": name}, 200, None)
        lower = {name.lower(): value for name, value in good.items()}
        self.check(call, {**lower, "mcp-name": "alpha__echo"}, 200, None)

    def test_versions_that_are_not_served(self):
        for version in ("2025-11-25", "2025-03-26", "2099-01-01", "", "draft"):
            with self.subTest(version=version):
                body = modern("tools/list", meta=envelope(version))
                headers = {"MCP-Protocol-Version": version, "Mcp-Method": "tools/list"}
                response = self.check(body, headers, 400, -32022)
                data = response.message["error"]["data"]
                self.assertEqual(data["requested"], version)
                self.assertIn(MODERN_VERSION, data["supported"])
                found = self.modern().request("server/discover").result["supportedVersions"]
                self.assertLessEqual(set(data["supported"]), set(found))

    def test_modern_header_without_envelope(self):
        headers = {**SERVED, "Mcp-Method": "tools/list"}
        self.check(request("tools/list"), headers, 400, -32602)
        self.check(request("tools/list", {}), headers, 400, -32602)
        self.check(request("tools/list", {"_meta": {"progressToken": 1}}), headers, 400, -32602)

    def test_no_envelope_is_legacy(self):
        response = self.check(request("tools/list"), {}, 400, ANY)
        self.assertIn("session", response.message["error"]["message"].lower())

    def test_notifications(self):
        modern_note = {"jsonrpc": "2.0", "method": "notifications/odd", "params": {}}
        response = self.post(modern_note, SERVED)
        self.assertEqual((response.status, response.body), (202, b""))
        meta = {**modern_note, "params": {"_meta": envelope()}}
        self.assertEqual(self.post(meta, SERVED).status, 202)
        self.assertEqual(self.post(modern_note).status, 400)  # legacy, without a session

    def test_response_objects_need_a_session(self):
        body = {"jsonrpc": "2.0", "id": 1, "result": {}}
        self.assertEqual(self.post(body).status, 400)
        self.assertEqual(self.post(body, {"Mcp-Session-Id": "nobody"}).status, 404)
        client = self.legacy()
        response = client.post(body, client.headers())
        self.assertIn(response.status, (202, 400))

    def test_methods_that_modern_does_not_have(self):
        removed = (
            "ping",
            "logging/setLevel",
            "resources/subscribe",
            "resources/unsubscribe",
            "tasks/list",
            "nothing/at/all",
            "rpc.discover",
            "sampling/createMessage",
        )
        for method in removed:
            with self.subTest(method=method):
                self.check(modern(method), {**SERVED, "Mcp-Method": method}, 404, -32601)

    def test_methods_that_legacy_does_not_have(self):
        client = self.legacy()
        for method in ("nothing/at/all", "server/discover", "sampling/createMessage"):
            with self.subTest(method=method):
                answer = client.request(method, {})
                self.assertEqual(answer.error["code"], -32601)
                self.assertEqual(answer.status, 200)

    def test_both_eras_on_one_connection(self):
        client = self.legacy()
        other = self.modern()
        other.connection = client.connection
        self.assertEqual(client.call("alpha__echo", {"text": "1"}).text, "1")
        self.assertEqual(other.call("alpha__echo", {"text": "2"}).text, "2")
        self.assertEqual(client.call("alpha__echo", {"text": "3"}).text, "3")
        other.connection = None

    def test_the_same_rules_on_one_servers_address(self):
        path = "/s/alpha/mcp"
        call = modern("tools/call", {"name": "echo", "arguments": {}})
        headers = {**SERVED, "Mcp-Method": "tools/call", "Mcp-Name": "other"}
        self.check(call, headers, 400, -32020, path)
        self.check(request("tools/list"), {}, 400, ANY, path)
        self.check(call, {**headers, "Mcp-Name": "echo"}, 200, None, path)


class Modern(WireCase):
    def test_discover(self):
        result = self.modern().request("server/discover").result
        self.assertEqual(result["resultType"], "complete")
        self.assertEqual(result["supportedVersions"], [MODERN_VERSION])
        self.assertTrue(result["capabilities"]["tools"]["listChanged"])
        self.assertIsInstance(result["ttlMs"], int)
        self.assertIn(result["cacheScope"], ("public", "private"))
        self.assertIn("name", result["_meta"][META + "serverInfo"])

    def test_list_carries_cache_hints(self):
        result = self.modern().request("tools/list").result
        self.assertEqual(result["resultType"], "complete")
        self.assertGreaterEqual(result["ttlMs"], 0)
        self.assertIn(result["cacheScope"], ("public", "private"))

    def test_no_session_is_minted(self):
        answer = self.modern().call("alpha__echo", {"text": "x"})
        self.assertIsNone(answer.header("Mcp-Session-Id"))

    def test_results_of_both_kinds_of_servers(self):
        for server in ("alpha", "beta"):
            with self.subTest(server=server):
                result = self.modern().call(f"{server}__add", {"a": 1, "b": 2}).result
                self.assertEqual(result["resultType"], "complete")
                self.assertEqual(result["structuredContent"], {"sum": 3})

    def test_json_only_clients_get_json(self):
        answer = self.modern().call(
            "alpha__echo", {"text": "x"}, headers={"Accept": "application/json"}
        )
        self.assertFalse(answer.streamed)
        self.assertEqual(answer.text, "x")

    def test_unknown_log_level(self):
        answer = self.modern().call("alpha__echo", log_level="loud")
        self.assertEqual((answer.status, answer.error["code"]), (400, -32602))

    def test_listen_needs_a_filter(self):
        answer = self.modern().request("subscriptions/listen", {})
        self.assertEqual(answer.error["code"], -32602)


class Sessions(WireCase):
    def test_versions(self):
        for version in LEGACY_VERSIONS:
            with self.subTest(version=version):
                client = self.legacy(version=version)
                self.assertEqual(client.version, version)
                self.assertEqual(client.call("alpha__echo", {"text": version}).text, version)
                self.assertEqual(client.request("ping").result, {})

    def test_versions_that_do_not_exist_get_the_newest_legacy_one(self):
        for version in ("2026-07-28", "2024-10-07", "1.0", "2099-12-31"):
            with self.subTest(version=version):
                result = self.post(initialize(version)).message["result"]
                self.assertEqual(result["protocolVersion"], "2025-11-25")

    def test_initialize_result(self):
        result = self.post(initialize()).message["result"]
        self.assertTrue(result["capabilities"]["tools"]["listChanged"])
        self.assertIn("logging", result["capabilities"])
        self.assertTrue(result["serverInfo"]["name"])
        self.assertNotIn("resultType", result)

    def test_session_ids(self):
        ids = [self.post(initialize()).header("Mcp-Session-Id") for _ in range(200)]
        self.assertEqual(len(set(ids)), 200)
        for value in ids:
            self.assertTrue(all(0x21 <= ord(c) <= 0x7E for c in value), value)
            self.assertGreaterEqual(len(value), 22, "128 bits need 22 characters")
        shared = [i for i in range(min(map(len, ids))) if len({value[i] for value in ids}) == 1]
        self.assertLess(len(shared), 16, "session ids differ in few places only")

    def test_missing_and_unknown_session(self):
        self.check(request("tools/list"), {}, 400, ANY)
        for path in ("/mcp", "/s/alpha/mcp"):
            headers = {"Mcp-Session-Id": "nobody"}
            self.assertEqual(self.post(request("tools/list"), headers, path).status, 404)
        with Connection(self.address) as connection:
            headers = {"Accept": "text/event-stream", "Mcp-Session-Id": "nobody"}
            self.assertEqual(connection.request("GET", "/mcp", headers).status, 404)
        with Connection(self.address) as connection:
            headers = {"Accept": "text/event-stream"}
            self.assertIn(connection.request("GET", "/mcp", headers).status, (400, 405))

    def test_session_of_one_address_is_unknown_on_another(self):
        client = self.legacy("/s/alpha/mcp")
        headers = {"Mcp-Session-Id": client.session}
        self.assertEqual(self.post(request("tools/list"), headers, "/s/beta/mcp").status, 404)

    def test_delete(self):
        client = self.legacy()
        self.assertIn(client.delete()[0], (200, 204))
        self.assertEqual(client.request("tools/list").status, 404)
        self.assertEqual(client.delete()[0], 404)

    def test_delete_ends_the_get_stream(self):
        client = self.legacy()
        stream = client.open_stream()
        self.assertEqual(stream.status, 200)
        client.delete()
        self.assertEqual([e for e in stream.events(5) if e.get("data")], [])
        stream.connection.close()

    def test_newest_get_stream_ends_the_ones_before(self):
        client = self.legacy()
        streams = [client.open_stream() for _ in range(8)]  # each may be another worker's
        self.assertEqual([stream.status for stream in streams], [200] * 8)
        for before in streams[:-1]:
            self.assertEqual([e for e in before.events(5) if e.get("data")], [])
        with self.assertRaises(WireError):  # the newest stays open
            next(streams[-1].messages(0.5))
        client.delete()
        self.assertEqual([e for e in streams[-1].events(5) if e.get("data")], [])
        for stream in streams:
            stream.connection.close()

    def test_protocol_version_header(self):
        client = self.legacy()
        for version in ("1999-01-01", "nonsense", ""):
            with self.subTest(version=version):
                headers = {"MCP-Protocol-Version": version}
                self.assertEqual(client.request("tools/list", headers=headers).status, 400)
        answer = client.request("tools/list", headers={"MCP-Protocol-Version": None})
        self.assertEqual(answer.status, 200)  # absent: 2025-03-26 is assumed

    def test_batches_are_of_2025_03_26_only(self):
        batch = [
            request("ping", request_id="a"),
            request("ping", request_id="b"),
            {"jsonrpc": "2.0", "method": "notifications/odd"},
        ]
        old = self.legacy(version="2025-03-26")
        response = old.post(batch, old.headers())
        self.assertEqual(response.status, 200)
        self.assertEqual({m["id"] for m in response.messages()}, {"a", "b"})
        new = self.legacy(version="2025-06-18")
        response = new.post(batch, new.headers())
        self.assertEqual((response.status, response.json()["error"]["code"]), (400, -32600))

    def test_batch_of_notifications_only(self):
        old = self.legacy(version="2025-03-26")
        batch = [{"jsonrpc": "2.0", "method": "notifications/odd"}] * 2
        self.assertEqual(old.post(batch, old.headers()).status, 202)

    def test_set_level(self):
        client = self.legacy()
        self.assertEqual(client.request("logging/setLevel", {"level": "debug"}).result, {})
        error = client.request("logging/setLevel", {"level": "loud"}).error
        self.assertEqual(error["code"], -32602)

    def test_get_stream(self):
        client = self.legacy()
        stream = client.open_stream()
        self.assertEqual(stream.status, 200)
        self.assertTrue(stream.is_stream)
        self.assertEqual(client.call("alpha__echo", {"text": "x"}).text, "x")
        stream.connection.close()

    def test_get_needs_event_stream(self):
        client = self.legacy()
        with Connection(self.address) as connection:
            headers = client.headers({"Content-Type": None, "Accept": "application/json"})
            self.assertEqual(connection.request("GET", "/mcp", headers).status, 406)

    def test_disconnect_does_not_end_the_session(self):
        client = self.legacy()
        client.close()
        self.assertEqual(client.call("alpha__echo", {"text": "x"}).text, "x")

    def test_legacy_results_have_no_modern_members(self):
        client = self.legacy()
        for server in ("alpha", "beta"):
            with self.subTest(server=server):
                result = client.call(f"{server}__add", {"a": 1, "b": 2}).result
                self.assertNotIn("resultType", result)
                self.assertNotIn(META + "serverInfo", result.get("_meta", {}))
        listed = client.request("tools/list").result
        self.assertFalse({"ttlMs", "cacheScope", "resultType"} & set(listed))

    def test_many_sessions_leave_nothing_behind(self):
        before = self.gateway.fds()
        for _ in range(100):
            client = self.legacy()
            client.delete()
            client.close()
        eventually(lambda: self.gateway.fds() <= before + 4, 10, what="closed descriptors")


class Batches(WireCase):
    """Arrays of messages, in sessions of 2025-03-26."""

    NAMES = ("alpha", "beta")

    def call(self, request_id, tool="alpha__echo", **arguments):
        return request("tools/call", {"name": tool, "arguments": arguments}, request_id)

    def test_calls_run_at_the_same_time_and_are_answered_together(self):
        client = self.legacy(version="2025-03-26")
        batch = [self.call(n, f"{name}__sleep", seconds=0.5) for n, name in enumerate(self.NAMES)]
        batch.append(self.call("e", text="é"))
        batch.append({"jsonrpc": "2.0", "id": 9, "result": {}})
        started = time.monotonic()
        response = client.post(batch, client.headers({"Accept": "application/json"}))
        answers = {m["id"]: m for m in response.json()}
        self.assertLess(time.monotonic() - started, 0.95)
        self.assertEqual(set(answers), {0, 1, "e"})
        self.assertEqual(answers["e"]["result"]["content"][0]["text"], "é")

    def test_one_that_is_no_message_refuses_all(self):
        client = self.legacy(version="2025-03-26")
        null_id = {"jsonrpc": "2.0", "id": None, "method": "ping"}
        for odd in (1, [], {}, null_id, initialize("2025-03-26"), modern("tools/list")):
            with self.subTest(odd=odd):
                response = client.post([self.call(1, text="x"), odd], client.headers())
                self.assertEqual(response.status, 400)
                self.assertEqual(response.json()["error"]["code"], -32600)
        response = client.post([request("ping")] * 257, client.headers())
        self.assertEqual(response.status, 400)

    def test_progress_precedes_the_answers(self):
        client = self.legacy(version="2025-03-26")
        params = {"name": "alpha__progress", "arguments": {"steps": 2}}
        params["_meta"] = {"progressToken": "p"}
        batch = [request("tools/call", params), self.call(2, text="x")]
        response = client.post(batch, client.headers())
        self.assertTrue(response.is_stream)
        *notes, answers = [json.loads(event["data"]) for event in response.events(5)]
        self.assertEqual([n["params"]["progressToken"] for n in notes], ["p", "p"])
        self.assertEqual({m["id"] for m in answers}, {1, 2})

    def test_one_of_a_batch_is_cancelled(self):
        client = self.legacy(version="2025-03-26")
        batch = [self.call("slow", "alpha__sleep", seconds=8), self.call("quick", text="x")]
        waiting = threading.Thread(
            target=lambda: answers.extend(client.post(batch, client.headers()).json())
        )
        answers = []
        waiting.start()
        time.sleep(0.3)
        other = ModernClient(self.address)
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        cancel["params"] = {"requestId": "slow"}
        self.assertEqual(other.post(cancel, client.headers()).status, 202)
        waiting.join(4)
        self.assertEqual([m["id"] for m in answers], ["quick"])
        other.close()

    def test_a_client_that_leaves_its_batch_costs_nothing(self):
        before = self.gateway.fds()
        for _ in range(10):
            client = self.legacy(version="2025-03-26")
            body = json.dumps([self.call(n, "alpha__sleep", seconds=0.3) for n in range(5)])
            headers = {**client.headers(), "Content-Length": len(body)}
            client.connection.send(
                request_bytes("POST", "/mcp", [("Host", "localhost"), *headers.items()])
                + body.encode()
            )
            time.sleep(0.02)
            client.close()
        eventually(lambda: self.gateway.fds() <= before + 4, 10, what="closed descriptors")
        self.assertEqual(self.legacy().call("alpha__echo", {"text": "x"}).text, "x")

    def test_over_stdio(self):
        with stdio_gateway(self.gateway.config_path) as client:
            client.version = "2025-03-26"
            client.initialize()
            client.send([request("ping", request_id="a"), request("ping", request_id="b")])
            answers = next(m for m in iter(client.receive, None) if isinstance(m, list))
            self.assertEqual({m["id"] for m in answers}, {"a", "b"})


class Names(WireCase):
    def test_mirrored_names(self):
        self.assertEqual(mirrored("plain"), "plain")
        self.assertTrue(mirrored("é").startswith("=?base64?"))
        client = ModernClient(self.address)
        self.addCleanup(client.close)
        answer = client.call("naïve__tool")
        self.assertEqual((answer.status, answer.error["code"]), (200, -32602))

    def test_unknown_tools_name_the_nearest(self):
        for client in (self.legacy(), self.modern()):
            answer = client.call("alpha__ecoh")
            self.assertEqual((answer.status, answer.error["code"]), (200, -32602))
            self.assertIn("alpha__echo", answer.error["message"])

    def test_calls_without_a_name(self):
        client = self.legacy()
        for params in ({}, {"name": 5}, {"name": None}, {"name": ""}, {"arguments": {}}):
            with self.subTest(params=params):
                answer = client.request("tools/call", params)
                self.assertEqual(answer.error["code"], -32602)

    def test_arguments_of_wrong_type(self):
        client = self.legacy()
        for arguments in ([], "x", 5):
            with self.subTest(arguments=arguments):
                params = {"name": "alpha__echo", "arguments": arguments}
                self.assertEqual(client.request("tools/call", params).error["code"], -32602)


if __name__ == "__main__":
    unittest.main()
