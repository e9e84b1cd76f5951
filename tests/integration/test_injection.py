"""What servers write stays inside its message: event streams and lines carry as many messages as
were sent, whatever stands in them, for every reader."""

import json
import os
import re
import subprocess
import tempfile
import unittest

from support.fleet import MODULES, NODE
from support.nexus_process import (
    HttpFixture,
    Nexus,
    eventually,
    reactor,
    stdio_gateway,
    stdio_server,
)
from support.transports import Transports

#: Texts that look like framing. Those of one line are also sent without JSON's escapes.
HOSTILE = [
    "a\n",
    "a\r",
    "a\r\n",
    '\n\ndata: {"forged":1}\n\n',
    '\r\rdata: {"forged":1}\r\r',
    '\r\n\r\ndata: {"forged":1}\r\n\r\n',
    "a\nid: 99",
    "a\nevent: endpoint\ndata: http://evil.example/",
    "a\nretry: 1",
    "a\n: comment",
    "event: endpoint",
    "data: {}",
    "id:",
    ":",
    "\u2028data: {}\u2029",
    "\u0085data: {}",
    "\ufeffdata: {}",
    "a\0b",
    "\x0b\x0cdata: {}",
    "\x1b[2J",
    "0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "</script><script>",
    "\U0001f4a9 ümlaut",
    "last",
]


def standard_events(body):
    """The data of each event, read as the standard says (WHATWG HTML, 9.2.6), one character after
    another, with all three kinds of line ends."""
    text = body.decode("utf-8", "strict")
    if text.startswith("\ufeff"):
        text = text[1:]
    events, data, line, i = [], [], "", 0
    while i < len(text):
        if text[i] not in "\r\n":
            line, i = line + text[i], i + 1
            continue
        i += 2 if text[i : i + 2] == "\r\n" else 1
        if line == "":
            if data and "\n".join(data):
                events.append("\n".join(data))
            data = []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            if field == "data":
                data.append(value[1:] if value.startswith(" ") else value)
        line = ""
    return events


def usual_events(body):
    """As most hand-written readers do it: split at empty lines, then at line feeds."""
    for block in re.split(rb"\r\n\r\n|\n\n", body):
        lines = [line for line in block.split(b"\n") if line.startswith(b"data:")]
        data = b"\n".join(line[5:].removeprefix(b" ") for line in lines).decode()
        if data:
            yield data


class Injection(Transports):
    KINDS = ("stdio", "stdiomodern", "json", "sse", "modern", "oldsse")
    #: What may stand between tokens of a message: a line of stdio may hold no line feed.
    SPACES = {"stdio": ("", " \r\t"), "stdiomodern": ("", " \r\t")}

    def arguments(self, space=""):
        return {"texts": HOSTILE, "space": space}

    def check(self, texts, events, what):
        """One message for each that was sent, with the text that it had."""
        messages = [json.loads(event) for event in events]
        for message in messages:
            self.assertEqual(message["jsonrpc"], "2.0", what)
        told = [m["params"]["message"] for m in messages if "method" in m]
        answers = [m["result"]["content"][0]["text"] for m in messages if "method" not in m]
        self.assertEqual((told, answers), (texts, ["last"]), what)
        return len(messages)

    def test_streams_hold_what_was_sent(self):
        for case in self.each(self.KINDS):
            with case as (kind, client):
                for space in self.SPACES.get(kind, ("", "\n", "\r\n", "\r", "\n\n \t")):
                    params = {"name": f"{kind}__utter", "arguments": self.arguments(space)}
                    if hasattr(client, "session"):
                        params["_meta"] = {"progressToken": "t"}
                        _, response = client.send("tools/call", params)
                    else:
                        _, response = client.send("tools/call", params, token="t")
                    # An answer in one piece of JSON has no room for progress.
                    texts = [] if kind == "json" else HOSTILE
                    body = response.body
                    if response.is_stream:
                        self.assertNotIn(b"\r", body)
                        for parser in (standard_events, usual_events):
                            self.check(texts, list(parser(body)), (parser.__name__, space))
                    else:
                        self.check([], [body], space)

    def test_a_gateway_behind_a_gateway_reads_the_same(self):
        """The third reader: our own."""
        with Nexus({"inner": {"type": "http", "url": self.gateway.url + "/mcp"}}) as outer:
            outer.wait_servers()
            for client in (outer.legacy(), outer.modern()):
                for kind in ("stdio", "sse", "modern"):
                    with self.subTest(client=type(client).__name__, kind=kind):
                        tool = f"inner__{kind}__utter"
                        answer = client.call(tool, self.arguments(), token="t")
                        told = [
                            n["params"]["message"]
                            for n in answer.notifications
                            if n["method"] == "notifications/progress"
                        ]
                        self.assertEqual((told, answer.text), (HOSTILE, "last"))
                client.close()

    def test_the_reader_of_the_official_sdk_reads_the_same(self):
        """eventsource-parser, which the TypeScript SDK uses."""
        if not os.path.isdir(os.path.join(MODULES, "eventsource-parser")):
            self.skipTest("the npm fleet is not installed (tests/integration/npm/install.sh)")
        params = {"name": "stdio__utter", "arguments": self.arguments()}
        client = self.legacy()
        _, response = client.send("tools/call", {**params, "_meta": {"progressToken": "t"}})
        script = (
            "import {createParser} from 'eventsource-parser'; const out = [];"
            "const parser = createParser({onEvent: e => { if (e.data) out.push(e.data) }});"
            "for await (const c of process.stdin.setEncoding('utf8')) parser.feed(c);"
            "console.log(JSON.stringify(out))"
        )
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(MODULES, os.path.join(folder, "node_modules"))
            path = os.path.join(folder, "read.mjs")
            with open(path, "w", encoding="utf-8") as file:
                file.write(script)
            done = subprocess.run(
                [NODE, path], input=response.body, capture_output=True, timeout=30, check=True
            )
        self.check(HOSTILE, json.loads(done.stdout), "eventsource-parser")

    def test_log_messages_stay_inside_too(self):
        hostile = "\n\ndata: {}\n\n\r\rid: 1\u2028"
        for kind in ("stdio", "sse"):
            client = self.legacy()
            client.request("logging/setLevel", {"level": "debug"}).result

            def heard(client=client, kind=kind):
                answer = client.call(f"{kind}__log", {"text": hostile})
                self.assertEqual(answer.text, "logged")
                return {n["params"]["data"] for n in answer.notifications if "params" in n}

            # The level reaches the server on its own way, after the answer to setLevel.
            self.assertEqual(eventually(heard, 5, what="a message of that level"), {hostile}, kind)

    def test_messages_that_servers_fail_with_stay_inside_too(self):
        for case in self.each(self.KINDS):
            with case as (kind, client):
                for hostile in HOSTILE[:6]:
                    answer = client.call(
                        f"{kind}__refuse", {"code": -32000, "message": hostile, "data": [hostile]}
                    )
                    self.assertEqual(answer.error["message"], hostile)
                    self.assertEqual(answer.error["data"], [hostile])


class Lines(unittest.TestCase):
    """Messages between lines: what has line breaks between its tokens must not keep them."""

    SPACE = "\r\n\n \t"

    def test_a_client_on_stdio_gets_one_line_for_each(self):
        with HttpFixture("--answer", "sse") as fixture, HttpFixture() as plain:
            servers = {"sse": fixture.config(), "json": plain.config()}
            handle, path = tempfile.mkstemp(suffix=".json")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                config = {"reactor": reactor(), "exposure": "tools", "mcpServers": servers}
                json.dump(config, file)
            self.addCleanup(os.unlink, path)
            with stdio_gateway(path) as client:
                client.initialize()
                for kind, texts in (("sse", HOSTILE), ("json", [])):
                    params = {
                        "name": f"{kind}__utter",
                        "arguments": {"texts": HOSTILE, "space": self.SPACE},
                        "_meta": {"progressToken": "t"},
                    }
                    answer = client.request("tools/call", params)
                    told = [
                        n["params"]["message"]
                        for n in answer.notifications
                        if n.get("method") == "notifications/progress"
                    ]
                    self.assertEqual((told, answer.text), (texts, "last"), kind)
                    broken = [n for n in answer.notifications if "not json" in n]
                    self.assertEqual(broken, [], kind)
                self.assertEqual(client.close(), 0)

    def test_a_server_on_stdio_gets_one_line_for_each(self):
        servers = {"old": stdio_server(), "new": stdio_server("--era", "modern")}
        with Nexus(servers) as gateway:
            gateway.wait_servers()
            with gateway.legacy() as client:
                for server in servers:
                    for space in ("\n", "\r\n", "\r", "\n\n\t"):
                        body = json.dumps(
                            {
                                "jsonrpc": "2.0",
                                "id": 7,
                                "method": "tools/call",
                                "params": {
                                    "name": f"{server}__echo",
                                    "arguments": {"text": "a\nb", "list": [1, 2]},
                                    "_meta": {"x/y": {"z": [1]}},
                                },
                            },
                            separators=("," + space, ":" + space),
                        )
                        response = client.post(body.encode(), client.headers())
                        message = next(response.messages())
                        self.assertEqual(message["result"]["content"][0]["text"], "a\nb")
                    self.assertEqual(client.call(f"{server}__echo", {"text": "x"}).text, "x")


if __name__ == "__main__":
    unittest.main()
