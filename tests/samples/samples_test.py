"""The sample servers answer as their protocol revisions ask for.

usage: samples_test.py BUILD_FOLDER
"""
import http.client
import json
import pathlib
import re
import subprocess
import sys
import unittest

BUILD = pathlib.Path(sys.argv.pop(1))
SECONDS = 20


def check(value, schema, path="$"):
    """The part of JSON Schema that the samples use."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool,
             "integer": int, "number": (int, float)}
    assert isinstance(value, kinds[schema["type"]]), f"{path}: {value!r} is no {schema['type']}"
    for name in schema.get("required", []):
        assert name in value, f"{path}: {name} is missing"
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            check(value[name], inner, f"{path}.{name}")
    for index, item in enumerate(value if schema["type"] == "array" else []):
        check(item, schema["items"], f"{path}[{index}]")


class Sample(unittest.TestCase):
    """A started server; subclasses say how one message is exchanged with it."""

    def exchange(self, method, params):
        raise NotImplementedError

    def result(self, method, params=None):
        reply = self.exchange(method, params)
        self.assertEqual(reply["jsonrpc"], "2.0")
        self.assertIn("result", reply, reply)
        return reply["result"]

    def error(self, method, params=None):
        return self.exchange(method, params)["error"]["code"]

    def tools(self):
        return {tool["name"]: tool for tool in self.result("tools/list")["tools"]}

    def call(self, tool, **arguments):
        result = self.result("tools/call", {"name": tool, "arguments": arguments})
        self.assertNotIn("isError", result, result)
        structured = result["structuredContent"]
        check(structured, self.tools()[tool]["outputSchema"])
        self.assertEqual(json.loads(result["content"][0]["text"]), structured)
        return structured

    def failure(self, tool, **arguments):
        result = self.result("tools/call", {"name": tool, "arguments": arguments})
        self.assertIs(result.get("isError"), True, result)
        return result["content"][0]["text"]

    def check_tools(self, *names):
        tools = self.tools()
        self.assertEqual(sorted(tools), sorted(names))
        for tool in tools.values():
            self.assertTrue(tool["title"] and tool["description"])
            self.assertEqual(tool["inputSchema"]["type"], "object")
            self.assertEqual(tool["outputSchema"]["type"], "object")
            self.assertIn("readOnlyHint", tool["annotations"])
        self.assertEqual(self.error("tools/call", {"name": "no_such_tool"}), -32602)
        self.assertEqual(self.error("tools/call", {}), -32602)
        self.assertEqual(self.error("tools/call", {"name": names[0], "arguments": 7}), -32602)


class Clock(Sample):
    def setUp(self):
        self.child = subprocess.Popen([BUILD / "nexus-sample-clock"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.stop)
        self.sent = 0
        result = self.result("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                            "clientInfo": {"name": "test", "version": "1"}})
        self.assertEqual(result["protocolVersion"], "2025-11-25")
        self.write('{"jsonrpc":"2.0","method":"notifications/initialized"}')

    def stop(self):
        self.child.stdin.close()
        self.assertEqual(self.child.wait(SECONDS), 0)
        self.child.stdout.close()

    def write(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def exchange(self, method, params):
        self.sent += 1
        message = {"jsonrpc": "2.0", "id": self.sent, "method": method}
        self.write(json.dumps(message if params is None else {**message, "params": params}))
        reply = json.loads(self.child.stdout.readline())
        self.assertEqual(reply["id"], self.sent)
        return reply

    def test_protocol(self):
        self.check_tools("current_time", "convert_time", "list_time_zones", "date_difference")
        self.assertEqual(self.result("ping"), {})
        self.assertEqual(self.error("server/discover"), -32601)
        for line, code in (("garbage", -32700), ("[]", -32600), ("7", -32600),
                           ('{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
                           ('{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
                           ('{"jsonrpc":"2.0","id":1,"method":7}', -32600),
                           ('{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32602)):
            self.write(line)
            self.assertEqual(json.loads(self.child.stdout.readline())["error"]["code"], code, line)

    def test_unknown_version_gets_the_newest(self):
        result = self.result("initialize", {"protocolVersion": "2026-07-28"})
        self.assertEqual(result["protocolVersion"], "2025-11-25")

    def test_tools(self):
        now = self.call("current_time", timezone="UTC")
        self.assertEqual(now["utc_offset"], "+00:00")
        moved = self.call("convert_time", time="2026-07-01T12:00", **{"from": "Europe/Paris"},
                          to="Asia/Kolkata")
        self.assertEqual(moved["from"]["time"], "2026-07-01T12:00:00+02:00")
        self.assertEqual(moved["to"]["time"], "2026-07-01T15:30:00+05:30")
        self.assertIs(moved["from"]["daylight_saving"], True)
        zones = self.call("list_time_zones", contains="Europe/P")
        self.assertIn("Europe/Paris", zones["zones"])
        self.assertGreater(self.call("list_time_zones")["count"], 200)
        between = self.call("date_difference", **{"from": "2026-02-27"}, to="2026-03-09")
        self.assertEqual(between, {"days": 10, "weeks": 1, "remaining_days": 3, "working_days": 6})

    def test_failures(self):
        for zone in ("", "Nowhere/City", "../../../etc/passwd", "/etc/localtime", "Europe"):
            self.assertIn("no time zone", self.failure("current_time", timezone=zone))
        for date in ("", "2026-02-30", "2026-2-x", "2026-01-01T", "20260101"):
            self.assertIn("no date", self.failure("date_difference", to=date,
                                                  **{"from": "2026-01-01"}))
        for time in ("", "2026-01-01", "2026-01-01T25:00", "2026-01-01T10:00Z", "2026-01-01T10:"):
            self.assertIn("no time", self.failure("convert_time", time=time, to="UTC",
                                                  **{"from": "UTC"}))
        self.assertIn("is missing", self.failure("current_time"))
        self.assertIn("must be of type", self.failure("current_time", timezone=1))
        self.assertIn("no argument", self.failure("current_time", timezone="UTC", zone="UTC"))


class HttpSample(Sample):
    PROGRAM = ""

    def setUp(self):
        self.child = subprocess.Popen([BUILD / self.PROGRAM, "--port", "0"],
                                      stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        line = self.child.stderr.readline()
        self.port = int(re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)/mcp\n", line)[1])
        self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        self.sent = 0

    def stop(self):
        self.http.close()
        self.child.terminate()
        self.child.wait(SECONDS)
        self.child.stderr.close()

    def request(self, body, headers=None, method="POST", path="/mcp"):
        headers = {"Content-Type": "application/json",
                   "Accept": "application/json, text/event-stream", **(headers or {})}
        self.http.request(method, path, body=body, headers=headers)
        answer = self.http.getresponse()
        text = answer.read()
        return answer, json.loads(text) if text else None

    def test_strangers_are_refused(self):
        body = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
        for headers, status in (({"Host": "evil.example.com"}, 403),
                                ({"Host": "localhost.evil.example.com"}, 403),
                                ({"Origin": "http://evil.example.com"}, 403),
                                ({"Origin": "null"}, 403),
                                ({"Content-Type": "text/plain"}, 415)):
            self.assertEqual(self.request(body, headers)[0].status, status, headers)
        self.assertEqual(self.request(body, path="/other")[0].status, 404)
        self.assertEqual(self.request(None, method="GET")[0].status, 405)
        for text, code in (("{", -32700), ("[]", -32600), ("{}", -32600)):
            answer, reply = self.request(text)
            self.assertEqual((answer.status, reply["error"]["code"]), (400, code), text)


class Units(HttpSample):
    PROGRAM = "nexus-sample-units"

    def setUp(self):
        super().setUp()
        self.headers = {}
        answer, reply = self.message("initialize", {"protocolVersion": "2025-11-25",
                                                    "capabilities": {}})
        self.assertEqual(reply["result"]["protocolVersion"], "2025-11-25")
        self.headers = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"],
                        "MCP-Protocol-Version": "2025-11-25"}
        answer, _ = self.request('{"jsonrpc":"2.0","method":"notifications/initialized"}',
                                 self.headers)
        self.assertEqual(answer.status, 202)

    def message(self, method, params, headers=None):
        self.sent += 1
        message = {"jsonrpc": "2.0", "id": self.sent, "method": method}
        return self.request(json.dumps({**message, **({"params": params} if params else {})}),
                            {**self.headers, **(headers or {})})

    def exchange(self, method, params):
        answer, reply = self.message(method, params)
        self.assertEqual((answer.status, reply["id"]), (200, self.sent))
        return reply

    def test_protocol(self):
        self.check_tools("convert_unit", "list_units", "text_statistics", "word_frequency")
        self.assertEqual(self.result("ping"), {})
        self.assertEqual(self.error("no/such"), -32601)
        for headers, status in (({"Mcp-Session-Id": ""}, 400), ({"Mcp-Session-Id": "x"}, 404),
                                ({"MCP-Protocol-Version": "1999-01-01"}, 400)):
            self.assertEqual(self.message("ping", None, headers)[0].status, status, headers)
        answer, _ = self.request(None, self.headers, method="DELETE")
        self.assertEqual(answer.status, 204)
        self.assertEqual(self.message("ping", None)[0].status, 404)

    def test_tools(self):
        def convert(value, unit, to):
            return self.call("convert_unit", value=value, to=to, **{"from": unit})["value"]
        self.assertEqual(convert(1, "mi", "km"), 1.609344)
        self.assertEqual(convert(32, "F", "C"), 0)
        self.assertEqual(convert(-40, "C", "F"), -40)
        self.assertEqual(convert(2.5, "GiB", "MiB"), 2560)
        self.assertEqual(len(self.call("list_units", dimension="mass")["units"]), 5)
        text = "One fish, two fish.\nRed fish! \u00dcber fish?\n"
        self.assertEqual(self.call("text_statistics", text=text),
                         {"characters": 41, "words": 8, "unique_words": 5, "sentences": 3,
                          "lines": 2, "reading_minutes": 0.0})
        words = self.call("word_frequency", text=text, limit=1)
        self.assertEqual(words, {"words": [{"word": "fish", "count": 4}], "total": 5})
        self.assertEqual(self.call("text_statistics", text="")["lines"], 0)

    def test_failures(self):
        self.assertIn("no unit", self.failure("convert_unit", value=1, to="m", **{"from": "x"}))
        self.assertIn("measures", self.failure("convert_unit", value=1, to="m", **{"from": "kg"}))
        self.assertIn("large", self.failure("convert_unit", value=1e308, to="mm",
                                            **{"from": "mi"}))
        self.assertIn("type number", self.failure("convert_unit", value="1", to="m",
                                                  **{"from": "m"}))
        self.assertIn("limit", self.failure("word_frequency", text="a", limit=0))


class Memory(HttpSample):
    PROGRAM = "nexus-sample-memory"
    VERSION = "2026-07-28"

    def message(self, method, params=None, headers=None, meta=None):
        """`headers` and `meta` replace what is right; None in them removes it."""
        self.sent += 1
        prefix = "io.modelcontextprotocol/"
        meta = {prefix + "protocolVersion": self.VERSION, prefix + "clientCapabilities": {},
                **(meta or {})}
        params = {**(params or {}),
                  "_meta": {name: value for name, value in meta.items() if value is not None}}
        right = {"MCP-Protocol-Version": self.VERSION, "Mcp-Method": method}
        if method == "tools/call" and isinstance(params.get("name"), str):
            right["Mcp-Name"] = params["name"]
        sent = {name: value for name, value in {**right, **(headers or {})}.items()
                if value is not None}
        body = json.dumps({"jsonrpc": "2.0", "id": self.sent, "method": method, "params": params})
        return self.request(body, sent)

    def exchange(self, method, params):
        answer, reply = self.message(method, params)
        self.assertIn(answer.status, (200, 400, 404))
        self.assertEqual(reply["id"], self.sent)
        if "result" in reply:
            self.assertEqual(reply["result"]["resultType"], "complete")
        return reply

    def test_protocol(self):
        found = self.result("server/discover")
        self.assertEqual(found["supportedVersions"], [self.VERSION])
        self.assertIn("ttlMs", found)
        self.assertEqual(found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
                         "nexus-sample-memory")
        self.check_tools("set_value", "get_value", "list_keys", "search", "delete_key")
        listed = self.result("tools/list")
        self.assertIn("ttlMs", listed)
        self.assertEqual(listed["cacheScope"], "public")
        answer, _ = self.request('{"jsonrpc":"2.0","method":"notifications/cancelled"}')
        self.assertEqual(answer.status, 202)

    def test_envelope_and_headers_must_agree(self):
        prefix = "io.modelcontextprotocol/"
        called = {"name": "list_keys", "arguments": {}}
        for method, params, headers, meta, status, code in (
                ("tools/list", None, None, {prefix + "protocolVersion": None}, 400, -32602),
                ("tools/list", None, None, {prefix + "protocolVersion": 7}, 400, -32602),
                ("tools/list", None, None, {prefix + "clientCapabilities": None}, 400, -32602),
                ("tools/list", None, {"MCP-Protocol-Version": None}, None, 400, -32020),
                ("tools/list", None, {"MCP-Protocol-Version": "2025-11-25"}, None, 400, -32020),
                ("tools/list", None, {"MCP-Protocol-Version": "2099-01-01"},
                 {prefix + "protocolVersion": "2099-01-01"}, 400, -32022),
                ("tools/list", None, {"Mcp-Method": None}, None, 400, -32020),
                ("tools/list", None, {"Mcp-Method": "tools/call"}, None, 400, -32020),
                ("tools/call", called, {"Mcp-Name": None}, None, 400, -32020),
                ("tools/call", called, {"Mcp-Name": "search"}, None, 400, -32020),
                ("tools/call", called, {"Mcp-Name": "=?base64?bGlzdF9rZXlz?="}, None, 200, None),
                ("tools/call", called, {"Mcp-Name": "=?base64?bGlzdF9rZXl?="}, None, 400, -32020),
                ("tools/call", called, {"Mcp-Name": "=?base64?====?="}, None, 400, -32020),
                ("ping", None, None, None, 404, -32601),
                ("tools/call", {"name": "nope"}, None, None, 200, -32602)):
            with self.subTest(method=method, headers=headers, meta=meta):
                answer, reply = self.message(method, params, headers, meta)
                self.assertEqual(answer.status, status)
                self.assertEqual(reply.get("error", {}).get("code"), code)
                self.assertEqual(reply["id"], self.sent)

    def test_initialize_learns_the_version(self):
        answer, reply = self.request('{"jsonrpc":"2.0","id":"i","method":"initialize",'
                                     '"params":{"protocolVersion":"2025-11-25"}}')
        self.assertEqual((answer.status, reply["error"]["code"]), (400, -32022))
        self.assertEqual(reply["error"]["data"]["supported"], [self.VERSION])
        self.assertEqual(reply["id"], "i")

    def test_tools(self):
        self.assertIs(self.call("set_value", key="colour", value="blue")["replaced"], False)
        self.assertIs(self.call("set_value", key="colour", value="gr\u00fcn")["replaced"], True)
        self.call("set_value", key="city", value="Paris")
        self.assertEqual(self.call("get_value", key="colour")["value"], "gr\u00fcn")
        self.assertEqual(self.call("list_keys", prefix="c", limit=1),
                         {"keys": [{"key": "city", "bytes": 5}], "total": 2})
        self.assertEqual(self.call("search", text="ari")["keys"], [{"key": "city", "bytes": 5}])
        self.assertIs(self.call("delete_key", key="city")["deleted"], True)
        self.assertIs(self.call("delete_key", key="city")["deleted"], False)
        self.assertIn("no key", self.failure("get_value", key="city"))

    def test_limits(self):
        self.assertIn("bytes", self.failure("set_value", key="", value=""))
        self.assertIn("bytes", self.failure("set_value", key="k" * 129, value=""))
        self.assertIn("bytes", self.failure("set_value", key="k", value="v" * 65537))
        self.assertIn("limit", self.failure("list_keys", limit=1001))
        for number in range(1000):
            self.exchange("tools/call", {"name": "set_value", "arguments": {"key": str(number),
                                                                            "value": ""}})
        self.assertIn("full", self.failure("set_value", key="one more", value=""))
        self.call("set_value", key="7", value="replaced")


def load_tests(loader, _tests, _pattern):
    """Only the servers: the bases are no tests of their own."""
    return unittest.TestSuite(map(loader.loadTestsFromTestCase, (Clock, Units, Memory)))


if __name__ == "__main__":
    unittest.main()
