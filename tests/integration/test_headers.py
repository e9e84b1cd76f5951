"""Arguments and trace context in headers, cursors, and what older clients get instead."""

import http.server
import json
import threading
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection
from support.mcp_client import META, MODERN_VERSION, RpcError
from support.nexus_process import stdio_server

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LINK = {"type": "resource_link", "name": "notes", "uri": "file:///notes"}
AUDIO = {"type": "audio", "mimeType": "audio/wav", "data": "AAAA"}


def tool(name, properties=None, **more):
    return {"name": name, "inputSchema": {"type": "object", "properties": properties or {}}, **more}


def region(header):
    return {"region": {"type": "string", "x-mcp-header": header}}


class Scripted(http.server.BaseHTTPRequestHandler):
    """A modern server: lists `tools`, wants the headers of `wanted`, answers with `result`."""

    protocol_version = "HTTP/1.1"
    tools, wanted, seen, lists, result = [], None, [], 0, {}

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind, reply = type(self), {"jsonrpc": "2.0", "id": message.get("id")}
        hints = {"resultType": "complete", "ttlMs": 1000, "cacheScope": "public"}
        if message["method"] == "server/discover":
            body = {"supportedVersions": [MODERN_VERSION], "capabilities": {"tools": {}}, **hints}
        elif message["method"] == "tools/list":
            kind.lists += 1
            body = {"tools": kind.tools, **hints}
        else:
            kind.seen.append((message, dict(self.headers)))
            if kind.wanted and kind.wanted not in self.headers:
                error = {"code": -32020, "message": f"{kind.wanted} is missing"}
                return self.answer(400, {**reply, "error": error})
            body = {"resultType": "complete", **kind.result}
        return self.answer(200, {**reply, "result": body})


class Headers(GatewayCase):
    @classmethod
    def servers(cls):
        Scripted.tools = [
            tool("plain", title="Plain", annotations={"readOnlyHint": True}),
            tool("mapped", region("Region")),
            tool("wrong", region("No Token")),
            tool("rows", outputSchema={"type": "array", "items": {"$ref": "#/$defs/a"}}),
        ]
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_address[1]}/mcp"
        many = ("--bare", "--tools", "1001")
        return {
            "s": {"type": "http", "url": url},
            "many": stdio_server(*many, "--name", "many"),
            "twin": stdio_server(*many, "--name", "twin"),
        }

    def setUp(self):
        Scripted.seen.clear()
        Scripted.wanted, Scripted.result = None, {"content": []}

    def test_tools_with_wrong_headers_are_left_out_and_logged(self):
        names = [t["name"] for t in self.modern("/s/s/mcp").tools()]
        self.assertEqual(names, ["plain", "mapped", "rows"])
        self.gateway.wait_log("'wrong' is left out")

    def test_headers_are_checked_and_made_anew(self):
        client = self.modern()
        rows = ((None, "eu"), ("us", "eu"), ("=?base64?ZX?=", "eu"), ("eu", None))
        for header, value in rows:
            params = {"name": "s__mapped", "arguments": {"region": value}}
            with self.subTest(header=header, value=value):
                fields = {"Mcp-Param-Region": header}
                answer = client.request("tools/call", params, headers=fields, request_id="mine")
                self.assertEqual((answer.status, answer.error["code"]), (400, -32020))
                self.assertEqual(answer.message["id"], "mine")
        self.assertEqual(Scripted.seen, [])
        params = {"name": "s__mapped", "arguments": {"region": "\u00e9"}}
        client.request("tools/call", params, headers={"Mcp-Param-Region": "=?base64?w6k=?="}).result
        client.call("s__mapped", {"region": None}).result
        self.legacy().call("s__mapped", {"region": "eu"}).result
        sent = [fields.get("Mcp-Param-Region") for _, fields in Scripted.seen]
        self.assertEqual(sent, ["=?base64?w6k=?=", None, "eu"])

    def test_browsers_may_send_them(self):
        asked = "content-type, mcp-param-region,Mcp-Param-Zone, x-other"
        with Connection(self.address, 10.0) as connection:
            fields = {"Access-Control-Request-Headers": asked, "Origin": "http://localhost"}
            allowed = connection.request("OPTIONS", "/mcp", fields).fields
        allowed = next(v for n, v in allowed if n.lower() == "access-control-allow-headers")
        self.assertIn(", mcp-param-region, Mcp-Param-Zone", allowed)
        self.assertNotIn("x-other", allowed)

    def test_refused_headers_are_learnt_once(self):
        lists, Scripted.wanted = Scripted.lists, "Mcp-Param-Zone"
        with self.assertRaises(RpcError) as caught:
            self.legacy().call("s__plain", {"zone": "a"}).result
        self.assertEqual(caught.exception.code, -32603)
        self.assertEqual((Scripted.lists, len(Scripted.seen)), (lists + 1, 2))
        before = Scripted.tools
        self.addCleanup(setattr, Scripted, "tools", before)
        zone = {"zone": {"type": "string", "x-mcp-header": "Zone"}}
        Scripted.tools = [tool("plain", zone), *before[1:]]
        self.legacy().call("s__plain", {"zone": "a"}).result
        self.assertEqual((Scripted.lists, len(Scripted.seen)), (lists + 2, 4))
        self.assertEqual(Scripted.seen[-1][1]["Mcp-Param-Zone"], "a")

    def test_trace_context_travels(self):
        fields = {"traceparent": PARENT, "tracestate": "a=1", "baggage": "k=v"}
        for client in (self.modern(), self.legacy()):
            client.request("tools/call", {"name": "s__rows"}, headers=fields).result
            message, sent = Scripted.seen[-1]
            for name, value in fields.items():
                self.assertEqual(message["params"]["_meta"][name], value)
                self.assertEqual(sent[name], value)
        client.call("s__rows").result
        self.assertNotIn("traceparent", Scripted.seen[-1][0]["params"]["_meta"])

    def test_cursors_are_sealed_and_bound(self):
        client = self.modern("/s/many/mcp")
        first = client.request("tools/list", {"cursor": ""}).result
        cursor = first["nextCursor"]
        rest = client.request("tools/list", {"cursor": cursor}).result
        self.assertEqual((len(first["tools"]), len(rest["tools"])), (1000, 1))
        flipped = cursor[:-4] + ("A" if cursor[-4] != "A" else "B") + cursor[-3:]
        elsewhere = ((client, flipped), (client, "3e8-1"), (client, "x"), (client, 7))
        elsewhere += ((self.modern("/s/twin/mcp"), cursor), (self.modern(), cursor))
        for other, text in elsewhere:
            with self.subTest(path=other.path, cursor=text):
                with self.assertRaises(RpcError) as caught:
                    other.request("tools/list", {"cursor": text}).result
                self.assertEqual(caught.exception.code, -32602)

    def test_old_clients_get_what_they_know(self):
        Scripted.result = {"content": [LINK, AUDIO], "structuredContent": [1]}
        shown = {}
        for version in ("2025-03-26", "2025-06-18", "2025-11-25"):
            client = self.legacy("/s/s/mcp", version)
            tools = {t["name"]: t for t in client.tools()}
            shown[version] = (tools, client.call("rows").result)
        tools, result = shown["2025-03-26"]
        self.assertNotIn("title", tools["plain"])
        self.assertNotIn("outputSchema", tools["rows"])
        text = {"type": "text", "text": "notes: file:///notes"}
        self.assertEqual(result, {"content": [text, AUDIO]})
        for version in ("2025-06-18", "2025-11-25"):
            tools, result = shown[version]
            self.assertEqual(tools["plain"]["title"], "Plain")
            schema = tools["rows"]["outputSchema"]
            self.assertEqual((schema["type"], schema["required"]), ("object", ["result"]))
            items = schema["properties"]["result"]["items"]
            self.assertEqual(items, {"$ref": "#/properties/result/$defs/a"})
            self.assertEqual(result["structuredContent"], {"result": [1]})
            self.assertEqual(result["content"], [LINK, AUDIO])
        modern = self.modern("/s/s/mcp").call("rows").result
        self.assertEqual(modern["structuredContent"], [1])
        self.assertIn(META + "serverInfo", modern["_meta"])


if __name__ == "__main__":
    unittest.main()
