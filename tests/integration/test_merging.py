"""Tools that several servers have, as one: listed once, called where a server can take the call."""

import http.server
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import unittest

from support.nexus_process import HttpFixture, Nexus, eventually, json_lines, stdio_server

ANY = {"type": "object", "properties": {}, "additionalProperties": True}


def tool(name, description=None, **more):
    return {"name": name, "description": description or f"The {name}.", "inputSchema": ANY, **more}


def read_only(name):
    return tool(name, annotations={"readOnlyHint": True})


class MergingCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nexus-merging-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def written(self, name, tools):
        path = os.path.join(self.folder, name + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(tools, file)
        return path

    def log_of(self, name):
        return os.path.join(self.folder, name + ".log")

    def server(self, name, tools, **config):
        path = self.written(name, tools)
        return stdio_server("--bare", "--tools-file", path, "--log", self.log_of(name), **config)

    def http_server(self, name, tools, *options):
        path = self.written(name, tools)
        made = HttpFixture("--bare", "--tools-file", path, "--log", self.log_of(name), *options)
        self.addCleanup(made.stop)
        return made

    def gateway(self, servers, **config):
        gateway = Nexus(servers, config={"duplicates": "merge", **config}).start()
        self.addCleanup(gateway.stop)
        gateway.wait_servers(*[n for n, s in servers.items() if not s.get("lazy")])
        return gateway

    @staticmethod
    def names(gateway, path="/mcp"):
        with gateway.modern(path) as client:
            return sorted(one["name"] for one in client.tools())

    @staticmethod
    def pid_called(client, name="a__where"):
        return client.call(name).result["structuredContent"]["pid"]

    @staticmethod
    def groups(gateway):
        return gateway.get("/api/v1/duplicates").json()["groups"]

    def received(self, name, tool_name):
        """How often a server was asked for a tool."""
        if not os.path.exists(self.log_of(name)):
            return 0
        rows = [row.get("in", {}) for row in json_lines(self.log_of(name))]
        return sum(
            1
            for row in rows
            if row.get("method") == "tools/call" and row["params"]["name"] == tool_name
        )


class Calls(MergingCase):
    def two(self, *tools):
        return {"a": self.server("a", list(tools)), "b": self.server("b", list(tools))}

    def test_one_tool_stands_for_all_and_its_own_server_is_called(self):
        gateway = self.gateway(self.two(tool("where")))
        self.assertEqual(self.names(gateway), ["a__where"])
        self.assertEqual(self.names(gateway, "/s/b/mcp"), ["where"])
        for client in (gateway.modern(), gateway.legacy()):
            with client:
                self.assertEqual(self.pid_called(client), gateway.server_pid("a"))
                self.assertIsNotNone(client.call("b__where").error)
        with gateway.modern("/s/b/mcp") as client:
            self.assertEqual(self.pid_called(client, "where"), gateway.server_pid("b"))

    def test_a_killed_server_s_calls_go_to_the_other_until_it_is_back(self):
        gateway = self.gateway(self.two(tool("where")), prefer=["a"])
        with gateway.modern() as client:
            first, other = gateway.server_pid("a"), gateway.server_pid("b")
            os.kill(first, signal.SIGKILL)
            eventually(
                lambda: gateway.servers()["a"]["state"] != "ready", what="the end to be noticed"
            )
            answered = self.pid_called(client)
            self.assertIn(answered, (other, gateway.server_pid("a")))
            # Its name stays, so no client has to learn anything.
            self.assertEqual(self.names(gateway), ["a__where"])
            gateway.wait_servers("a")
            eventually(
                lambda: self.pid_called(client) == gateway.server_pid("a"), what="its return"
            )

    def test_no_read_only_call_is_lost_when_a_server_is_killed(self):
        gateway = self.gateway(self.two(read_only("sleep"), read_only("where")))
        answers = []

        def call():
            with gateway.modern() as client:
                answers.append(client.call("a__sleep", {"seconds": 1}).text)

        callers = [threading.Thread(target=call) for _ in range(6)]
        for caller in callers:
            caller.start()
        eventually(lambda: self.received("a", "sleep") == 6, what="the calls to arrive")
        os.kill(gateway.server_pid("a"), signal.SIGKILL)
        for caller in callers:
            caller.join()
        self.assertEqual(answers, ["slept"] * 6)
        self.assertEqual(self.received("b", "sleep"), 6)
        self.assertIn(b"nexus_gateway_failovers_total 6\n", gateway.get("/metrics").body)

    def test_a_call_that_may_have_done_something_is_not_made_twice(self):
        gateway = self.gateway(self.two(tool("sleep")))
        failed = []

        def call():
            with gateway.modern() as client:
                failed.append(client.call("a__sleep", {"seconds": 30}).error)

        caller = threading.Thread(target=call)
        caller.start()
        eventually(lambda: self.received("a", "sleep") == 1, what="the call to arrive")
        os.kill(gateway.server_pid("a"), signal.SIGKILL)
        caller.join()
        self.assertIn("server 'a'", failed[0]["message"])
        self.assertEqual(failed[0]["data"]["tool"], "sleep")
        self.assertEqual(self.received("b", "sleep"), 0)

    def test_with_all_servers_down_the_error_is_that_of_one(self):
        servers = {
            "a": self.server("a", [tool("where"), tool("exit")]),
            "b": self.server("b", [tool("where")]),
        }
        gateway = self.gateway(servers)
        broken = {n: {**s, "command": "/no/such/program"} for n, s in servers.items()}
        gateway.write_config(broken, config={"duplicates": "merge"})
        gateway.reload()
        gateway.wait_servers("a", "b", state="down")
        with gateway.modern() as client:
            told = client.call("a__where").error
        self.assertRegex(told["message"], "server '[ab]' is not available")

    def test_a_lazy_server_is_started_by_the_call(self):
        servers = self.two(tool("where"))
        servers["b"]["lazy"] = True
        gateway = self.gateway(servers)
        with gateway.modern("/s/b/mcp") as client:
            self.pid_called(client, "where") # its tools are known from now on
        eventually(lambda: self.names(gateway) == ["a__where"], what="the merged tool")
        with gateway.modern() as client:
            self.assertEqual(self.pid_called(client), gateway.server_pid("a"))

    def test_the_meta_tools_lead_there_too(self):
        gateway = self.gateway(self.two(tool("where")), exposure="meta")
        with gateway.modern() as client:
            listed = client.call("list-tools").result["structuredContent"]["servers"]
            self.assertEqual(
                {s["server_name"]: [t["tool_name"] for t in s["tools"]] for s in listed},
                {"a": ["where"], "b": []},
            )
            os.kill(gateway.server_pid("a"), signal.SIGKILL)
            eventually(
                lambda: gateway.servers()["a"]["state"] != "ready", what="the end to be noticed"
            )
            answered = client.call("call-tool", {"server_name": "a", "tool_name": "where"})
            self.assertIn(
                answered.result["structuredContent"]["pid"],
                (gateway.server_pid("b"), gateway.server_pid("a")),
            )


class Refusing(http.server.BaseHTTPRequestHandler):
    """Passes everything on to a server, but turns calls away."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = json.loads(body)
        self.server.methods.append(message["method"])
        if message["method"] == "tools/call":
            return self.answer(self.server.status, b"busy", "text/plain")
        result = {
            "server/discover": {
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "ttlMs": 60000,
                "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "r", "version": "1"}},
            },
            "tools/list": {
                "resultType": "complete",
                "tools": [tool("where")],
                "ttlMs": 60000,
                "cacheScope": "public",
            },
        }.get(message["method"], {"resultType": "complete"})
        told = {"jsonrpc": "2.0", "id": message.get("id"), "result": result}
        self.answer(200, json.dumps(told).encode(), "application/json")

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class OverHttp(MergingCase):
    def test_a_refused_connection_is_no_call(self):
        first = self.http_server("a", [tool("where")])
        other = self.http_server("b", [tool("where")])
        gateway = self.gateway({"a": first.config(), "b": other.config()})
        with gateway.modern() as client:
            self.assertEqual(self.pid_called(client), first.process.pid)
            first.stop()
            for _ in range(5):
                answered = client.call("a__where")
                if answered.error is None:
                    break # a kept connection that ended may have carried the call; no new one has
            self.assertEqual(
                answered.result["structuredContent"]["pid"], other.process.pid, answered.error
            )
            for _ in range(20):
                self.assertEqual(self.pid_called(client), other.process.pid)

    def test_a_server_that_turns_calls_away_has_not_made_them(self):
        for status in (429, 503):
            with self.subTest(status=status):
                refusing = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
                refusing.status, refusing.methods = status, []
                self.addCleanup(refusing.server_close)
                self.addCleanup(refusing.shutdown)
                threading.Thread(target=refusing.serve_forever, daemon=True).start()
                url = f"http://127.0.0.1:{refusing.server_port}/mcp"
                gateway = self.gateway(
                    {
                        "a": {"type": "http", "url": url},
                        "b": self.server("b", [tool("where")]),
                    }
                )
                self.assertEqual(self.names(gateway), ["a__where"])
                with gateway.modern() as client:
                    self.assertEqual(self.pid_called(client), gateway.server_pid("b"))
                self.assertEqual(refusing.methods.count("tools/call"), 1)

    def test_other_failures_are_told(self):
        refusing = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
        refusing.status, refusing.methods = 500, []
        self.addCleanup(refusing.server_close)
        self.addCleanup(refusing.shutdown)
        threading.Thread(target=refusing.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{refusing.server_port}/mcp"
        gateway = self.gateway(
            {"a": {"type": "http", "url": url}, "b": self.server("b", [tool("where")])}
        )
        with gateway.modern() as client:
            self.assertIn("HTTP 500", client.call("a__where").error["message"])
        self.assertEqual(self.received("b", "where"), 0)


class Questions(MergingCase):
    ABLE = {"elicitation": {}}

    def test_an_answer_goes_to_the_server_that_asked(self):
        first = self.http_server("a", [tool("ask")])
        servers = {"a": first.config(), "b": self.server("b", [tool("ask")])}
        gateway = self.gateway(servers, prefer=["a"])
        first.stop()
        call = {"name": "a__ask", "arguments": {}}
        with gateway.modern() as client:

            def asked():
                answer = client.request("tools/call", call, capabilities=self.ABLE)
                return answer.result if answer.error is None else None

            question = eventually(asked, what="a question of the other server")
            self.assertEqual(question["resultType"], "input_required")
            # The better server is back; it knows nothing of the question.
            place = ("--answer", "sse", "--port", str(first.port))
            back = self.http_server("a2", [tool("ask")], *place)
            gateway.wait_servers("a", timeout=60)
            ((key, _),) = question["inputRequests"].items()
            answered = {
                **call,
                "inputResponses": {key: {"action": "decline"}},
                "requestState": question["requestState"],
            }
            done = client.request("tools/call", answered, capabilities=self.ABLE)
            self.assertIn("decline", done.text)
            self.assertEqual(self.received("a2", "ask"), 0)
            self.assertEqual(self.received("b", "ask"), 1)
            self.assertEqual(asked()["resultType"], "input_required")
            self.assertEqual(self.received("a2", "ask"), 1)
            back.stop()


class Groups(MergingCase):
    def named(self, **more):
        return {
            "tools": [{"server": "a", "tool": "where"}, {"server": "b", "tool": "received"}],
            **more,
        }

    def servers(self):
        return {
            "a": self.server("a", [tool("where", "Says where it runs.")]),
            "b": self.server("b", [tool("received", "Gives what it got.")]),
        }

    def test_a_person_may_name_what_is_the_same(self):
        gateway = self.gateway(
            self.servers(), duplicates="leave", duplicateGroups=[self.named(canonical="b")]
        )
        self.assertEqual(self.names(gateway), ["b__received"])
        (group,) = self.groups(gateway)
        self.assertEqual((group["kind"], group["action"]), ("named", "merge"))
        self.assertEqual(group["shown"]["server"], "b")
        with gateway.modern() as client:
            # Each server gets its own name for it.
            asked = json.loads(client.call("b__received", {"x": 1}).text)
            self.assertEqual(asked["params"]["name"], "received")
            os.kill(gateway.server_pid("b"), signal.SIGKILL)
            eventually(
                lambda: gateway.servers()["b"]["state"] != "ready", what="the end to be noticed"
            )
            told = client.call("b__received").result
            self.assertTrue(
                told.get("structuredContent", {}).get("pid") == gateway.server_pid("a")
                or gateway.servers()["b"]["state"] == "ready",
                told,
            )

    def test_groups_come_before_what_is_found(self):
        same = [tool("where")]
        servers = {n: self.server(n, same) for n in ("a", "b", "c")}
        pair = [{"server": "a", "tool": "where"}, {"server": "b", "tool": "where"}]
        for action, shown in (
            ("leave", ["a__where", "b__where", "c__where"]),
            ("hide", ["a__where", "c__where"]),
            ("merge", ["a__where", "c__where"]),
        ):
            with self.subTest(action=action):
                gateway = self.gateway(servers, duplicateGroups=[{"tools": pair, "action": action}])
                self.assertEqual(self.names(gateway), shown)
                gateway.stop()

    def test_results_of_another_form_are_not_merged(self):
        output = {"type": "object", "properties": {"pid": {"type": "integer"}}}
        servers = {
            "a": self.server("a", [tool("where")]),
            "b": self.server("b", [tool("where", outputSchema=output)]),
        }
        gateway = self.gateway(servers)
        self.assertEqual(self.names(gateway), ["a__where", "b__where"])

    def test_preference_and_reload(self):
        same = [tool("where")]
        servers = {n: self.server(n, same) for n in ("a", "b")}
        gateway = self.gateway(servers, prefer=["b"])
        self.assertEqual(self.names(gateway), ["b__where"])
        gateway.write_config(servers, config={"duplicates": "merge"})
        gateway.reload()
        time.sleep(0.2)
        # Nobody prefers anything now, and what was shown stays.
        self.assertEqual(self.names(gateway), ["b__where"])
        gateway.write_config(servers)
        gateway.reload()
        eventually(lambda: len(self.names(gateway)) == 2, what="both")

    def test_the_fastest_of_the_others_comes_next(self):
        same = [read_only("sleep"), read_only("where")]
        servers = {n: self.server(n, same) for n in ("a", "b", "c")}
        gateway = self.gateway(servers, prefer=["a"])
        for name, seconds in (("b", 0.3), ("c", 0)):
            with gateway.modern(f"/s/{name}/mcp") as client:
                client.call("sleep", {"seconds": seconds})
        # What was measured counts from the next change on.
        os.kill(gateway.server_pid("a"), signal.SIGKILL)

        def order():
            (group,) = [g for g in self.groups(gateway) if g["tools"][0]["tool"] == "where"]
            return [member["server"] for member in group["tools"]]

        eventually(lambda: order() == ["a", "c", "b"], what="the order by latency")
        (group,) = [g for g in self.groups(gateway) if g["tools"][0]["tool"] == "where"]
        fast, slow = (member["latencyMs"] for member in group["tools"][1:])
        self.assertLess(fast, 250)
        self.assertGreater(slow, 250)


if __name__ == "__main__":
    unittest.main()
