"""Promises C2 and C3: nobody gets a stranger's answer, and an answer keeps its bytes.

NEXUS_STRANGERS_CALLS is the number of calls, 20,000 by default; the promise is for 1,000,000."""

import base64
import json
import os
import random
import re
import threading
import time
import unittest

from support.http_wire import Connection, WireError
from support.mcp_client import envelope
from support.transports import Transports

CLIENTS = 200
CALLS = int(os.environ.get("NEXUS_STRANGERS_CALLS", "20000"))
#: What may go wrong with a call, per thousand.
CANCELLED, LEFT = 20, 10


class Caller:
    """One client that counts its requests as all others do, and knows its own answers."""

    def __init__(self, test, number):
        self.test, self.number = test, number
        self.dice = random.Random(number)
        self.kinds = test.KINDS
        self.wrong, self.right, self.given_up = [], 0, 0
        make = (test.legacy, test.modern)[number % 2]
        self.client = make(*(("/mcp",) if number % 4 < 2 else ("/s/json/mcp",)))
        self.own = number % 4 >= 2

    def tool(self, name):
        return name if self.own else f"{self.dice.choice(self.kinds)}__{name}"

    def run(self, calls):
        for request_id in range(calls):
            chance = self.dice.randrange(1000)
            try:
                if chance < CANCELLED:
                    self.cancel(request_id)
                elif chance < CANCELLED + LEFT:
                    self.leave(request_id)
                else:
                    self.call(request_id)
            except (WireError, OSError) as failure:
                self.wrong.append((self.number, request_id, repr(failure)))
                self.client.close()

    def call(self, request_id):
        value = f"{self.number}/{request_id}/{self.dice.random()}"
        answer = self.client.call(self.tool("echo"), {"text": value}, request_id=request_id)
        if answer.error is not None or answer.text != value or answer.message["id"] != request_id:
            self.wrong.append((self.number, request_id, answer.message))
        else:
            self.right += 1

    def begin(self, connection, request_id, value):
        """Sends a call that takes a while, and does not read its answer."""
        arguments = {"seconds": 0.05, "text": value}
        params = {"name": self.tool("sleep"), "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}
        if self.number % 2:
            params["_meta"] = envelope()
            fields = self.client.headers("tools/call", params)
        else:
            fields = self.client.headers()
        data = json.dumps(body).encode()
        lines = [f"POST {self.client.path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        lines += [f"Content-Length: {len(data)}", "", ""]
        connection.send("\r\n".join(lines).encode() + data)

    def cancel(self, request_id):
        """A legacy client says so; a modern one closes the connection."""
        with Connection(self.client.address) as connection:
            self.begin(connection, request_id, "cancelled")
            time.sleep(self.dice.random() * 0.02)
            if self.number % 2 == 0:
                self.client.notify("notifications/cancelled", {"requestId": request_id})
        self.given_up += 1

    def leave(self, request_id):
        with Connection(self.client.address) as connection:
            self.begin(connection, request_id, "left")
        self.given_up += 1


class Strangers(Transports):
    def test_equal_ids_cancels_and_disconnects(self):
        callers = [Caller(self, number) for number in range(CLIENTS)]
        threads = [
            threading.Thread(target=caller.run, args=(CALLS // CLIENTS,)) for caller in callers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wrong = [row for caller in callers for row in caller.wrong]
        right = sum(caller.right for caller in callers)
        given_up = sum(caller.given_up for caller in callers)
        print(f"\n{right} right answers, {given_up} calls given up, {len(wrong)} wrong")
        self.assertEqual(wrong[:5], [])
        self.assertEqual(right + given_up, CALLS // CLIENTS * CLIENTS)
        # A gateway that mixes nothing up because it is at its end would pass what is above.
        self.assertEqual(self.modern().call("json__echo", {"text": "after"}).text, "after")


#: Results as servers write them: order, spaces, escapes, numbers, members that nobody knows.
RESULTS = (
    '{"content":[{"type":"text","text":"plain"}]}',
    '{ "content" : [ ] , "isError" : true }',
    r'{"content":[{"type":"text","text":"\u00e9\/\ud83d\ude00 é 😀 \t"}],"x":[1.50,1E+2,-0.0]}',
    '{"content":[{"type":"image","data":"aGVsbG8=","mimeType":"image/png"}]}',
    '{"structuredContent":{"deep":[[[[{"a":null}]]]],"big":12345678901234567890},"content":[]}',
    '{"content":[{"type":"resource_link","uri":"x://y","name":"n"}],"_meta":{"own/key":{"b":[ ]}}}',
    '{"b":1,"content":[],"a":2}',
)
PROMPTS = (
    '{"messages":[{"role":"user","content":{"type":"text","text":"plain"}}]}',
    r'{ "description":"\u00e9\/é" ,"messages":[{"content":{"text":"\ud83d\ude00","type":"text"},'
    r'"role":"user","own":{"k":[1.50,12345678901234567890]}}],"x": null}',
    '{"messages":[ ],"_meta":{"own/key":{"b":[ ],"deep":[[{"a":-0.0}]]}}}',
)
RESOURCES = (
    '{"contents":[{"uri":"test://own","mimeType":"text/plain","text":"plain"}]}',
    r'{"contents":[ {"text":"\u00e9\/\ud83d\ude00 é","uri":"test://x","own":{"n":1E+2}}],"x":[]}',
    '{"contents":[{"uri":"ui://v","mimeType":"text/html;profile=mcp-app","blob":"aGk=",'
    '"_meta":{"ui":{"csp":{"big":12345678901234567890}}}}],"_meta":{"own/key":{ }}}',
)
#: What a server's own error says: written by json.dumps, whose form no other encoder has.
ERROR_DATA = {"z": "é\U0001f600", "a": [12345678901234567890, None, {"deep": [[{}]]}], "f": 1.5}
#: What each modern hop writes itself.
HOP_LOCAL = (
    re.compile(r'"resultType":"complete",?'),
    re.compile(r'"ttlMs":\d+,?'),
    re.compile(r'"cacheScope":"(?:public|private)",?'),
    re.compile(r'"io\.modelcontextprotocol/serverInfo":\{[^{}]*\},?'),
)


def without_hop_local(result):
    for member in HOP_LOCAL:
        result = member.sub("", result, count=1)
    return result.replace('"_meta":{},', "").replace(',"_meta":{}', "")


class ByteIdentity(Transports):
    KINDS = ("json", "sse", "modern", "stdio", "stdiomodern")
    OFFERS = "prompts,resources,raw"

    def lines(self, response):
        body = response.body.decode()
        return [line.removeprefix("data: ") for line in body.split("\n")]

    def check(self, client, method, params, result):
        request_id, response = client.send(method, params)
        (line,) = [line for line in self.lines(response) if '"id":' in line]
        head = '{"jsonrpc":"2.0","id":%d,"result":' % request_id
        self.assertTrue(line.startswith(head) and line.endswith("}"), line)
        self.assertEqual(without_hop_local(line[len(head) : -1]), result)

    def test_results_in_all_pairings_of_eras(self):
        for case in self.each(self.KINDS):
            with case as (kind, client):
                for result in RESULTS:
                    params = {"name": f"{kind}__raw", "arguments": {"json": result}}
                    self.check(client, "tools/call", params, result)

    def test_prompts_in_all_pairings_of_eras(self):
        for case in self.each(self.KINDS):
            with case as (kind, client):
                for result in PROMPTS:
                    params = {"name": f"{kind}__raw", "arguments": {"json": result}}
                    self.check(client, "prompts/get", params, result)

    def test_resources_in_all_pairings_of_eras(self):
        for case in self.each(self.KINDS):
            with case as (kind, client):
                for result in RESOURCES:
                    encoded = base64.urlsafe_b64encode(result.encode()).decode().rstrip("=")
                    uri = f"test://{kind}/items/raw.{encoded}"
                    self.check(client, "resources/read", {"uri": uri}, result)

    def test_errors_in_all_pairings_of_eras(self):
        for case in self.each(self.KINDS):
            with case as (kind, client):
                refused = {"code": 1234, "message": "own error", "data": ERROR_DATA}
                params = {"name": f"{kind}__refuse", "arguments": refused}
                _, response = client.send("tools/call", params)
                (line,) = [line for line in self.lines(response) if '"error":' in line]
                self.assertTrue(line.endswith('"error":' + json.dumps(refused) + "}"), line)


if __name__ == "__main__":
    unittest.main()
