"""The merged list of tools: names, order, pages, filters, and servers that are not there."""

import json
import os
import re
import signal
import tempfile
import threading
import time
import unittest

from support.cases import AT_ONCE, GatewayCase, clean_error
from support.nexus_process import HttpFixture, Nexus, eventually, stdio_server, within

SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
OBJECT = {"type": "object"}


def tools_file(test, tools):
    handle, path = tempfile.mkstemp(suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(tools, file)
    (
        test.addCleanup(os.unlink, path)
        if isinstance(test, unittest.TestCase)
        else (test.addClassCleanup(os.unlink, path))
    )
    return path


def names(client):
    return [tool["name"] for tool in client.tools()]


class Lists(GatewayCase):
    @classmethod
    def servers(cls):
        return {
            "zeta": stdio_server("--page", "4"),
            "alpha": stdio_server(),
            "many": stdio_server("--bare", "--tools", "2500", "--page", "700"),
            "some": stdio_server(include=["e*", "add", "s*"], exclude=["sleep", "stderr"]),
        }

    def test_names_and_order(self):
        found = names(self.legacy())
        servers = [name.split("__")[0] for name in found]
        order = [server for i, server in enumerate(servers) if server not in servers[:i]]
        self.assertEqual(order, ["zeta", "alpha", "many", "some"])
        self.assertEqual(len(found), len(set(found)))
        own = [name.split("__")[1] for name in found if name.startswith("alpha__")]
        self.assertEqual(own, names(self.legacy("/s/alpha/mcp")))
        self.assertEqual(found, names(self.modern()))

    def test_pages_of_servers_are_followed(self):
        self.assertEqual(
            len(names(self.legacy("/s/zeta/mcp"))), len(names(self.legacy("/s/alpha/mcp")))
        )
        self.assertEqual(self.gateway.servers()["many"]["tools"], 2500)

    def test_own_pages(self):
        for client in (self.legacy(), self.modern(), self.legacy("/s/many/mcp")):
            first = client.request("tools/list", {}).result
            self.assertIn("nextCursor", first)
            self.assertEqual(len(first["tools"]), 1000)
            second = client.request("tools/list", {"cursor": first["nextCursor"]}).result
            again = client.request("tools/list", {"cursor": first["nextCursor"]}).result
            self.assertEqual(second["tools"], again["tools"])
            both = {tool["name"] for tool in first["tools"] + second["tools"]}
            self.assertEqual(len(both), len(first["tools"]) + len(second["tools"]))

    def test_bad_cursors(self):
        client = self.legacy()
        cursor = client.request("tools/list").result["nextCursor"]
        changed = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
        for odd in ("nonsense", changed, cursor + "x", 5, {}):
            with self.subTest(cursor=odd):
                answer = client.request("tools/list", {"cursor": odd})
                self.assertEqual((answer.status, answer.error["code"]), (200, -32602))

    def test_filters(self):
        self.assertEqual(names(self.legacy("/s/some/mcp")), ["echo", "add", "exit"])
        for client in (self.legacy(), self.modern()):
            self.assertEqual(client.call("some__sleep").error["code"], -32602)
        self.assertEqual(self.legacy("/s/some/mcp").call("sleep").error["code"], -32602)

    def test_definitions_are_whole(self):
        direct = next(t for t in self.legacy("/s/alpha/mcp").tools() if t["name"] == "echo")
        merged = next(t for t in self.legacy().tools() if t["name"] == "alpha__echo")
        self.assertEqual({**merged, "name": "echo"}, direct)
        self.assertEqual(direct["title"], "Echo")


class OddTools(unittest.TestCase):
    def test_names_that_model_providers_refuse(self):
        odd = [
            "with.dot",
            "with/slash",
            "mit-ümlaut",
            "with space",
            "x" * 64,
            "y" * 200,
            "emoji😀",
            "a__b",
            "with.dot2",
            "-",
            "_",
            "with_dot",
        ]
        path = tools_file(self, [{"name": name, "inputSchema": OBJECT} for name in odd])
        servers = {"s": stdio_server("--bare", "--tools-file", path)}
        seen = []
        for _ in range(2):
            with Nexus(servers) as gateway:
                gateway.wait_servers()
                with gateway.legacy() as client:
                    listed = names(client)
                    seen.append(listed)
                    self.assertEqual(len(set(listed)), len(odd))
                    for public, original in zip(listed, odd):
                        self.assertTrue(SAFE_NAME.fullmatch(public), public)
                        self.assertEqual(client.call(public).text, f"called {original}")
                with gateway.modern("/s/s/mcp") as client:
                    self.assertEqual(names(client), odd)
                    for original in odd:
                        self.assertEqual(client.call(original).text, f"called {original}")
        self.assertEqual(seen[0], seen[1], "aliases are stable")

    def test_names_of_servers_that_model_providers_refuse(self):
        servers = {"my server": stdio_server(), "x" * 64: stdio_server(), "a.b": stdio_server()}
        with Nexus(servers) as gateway:
            gateway.wait_servers()
            with gateway.legacy() as client:
                listed = names(client)
                self.assertEqual(len(listed), len(set(listed)))
                for public in listed:
                    self.assertTrue(SAFE_NAME.fullmatch(public), public)
                echoes = [tool["name"] for tool in client.tools() if tool.get("title") == "Echo"]
                self.assertEqual(len(echoes), 3)
                for public in echoes:
                    self.assertEqual(client.call(public, {"text": "x"}).text, "x")

    def test_a_name_never_comes_to_mean_another_tool(self):
        """"a" with "b__c" and "a__b" with "c" would be called alike; whichever connects first."""
        one = tools_file(self, [{"name": "b__c", "inputSchema": OBJECT}])
        two = tools_file(self, [{"name": "c", "inputSchema": OBJECT}])
        bare = ("--bare", "--tools-file")
        listed = []
        for late in ("a", "a__b"):
            servers = {"a": stdio_server(*bare, one), "a__b": stdio_server(*bare, two)}
            servers[late]["args"] += ["--slow-start", "1.5"]
            early = next(name for name in servers if name != late)
            with Nexus(servers) as gateway:
                gateway.wait_servers(early)
                with gateway.legacy() as client:
                    before = {name: client.call(name).text for name in names(client)}
                    self.assertEqual(len(before), 1)
                    gateway.wait_servers(late)
                    after = {name: client.call(name).text for name in names(client)}
                    self.assertEqual({**after, **before}, after)
                    self.assertEqual(after["a__b__c"], "called c")
                    listed.append(after)
                    alias = next(t for t in client.tools() if t["name"] != "a__b__c")
                    self.assertEqual(alias["_meta"]["dev.nexus/name"], "b__c")
        self.assertEqual(listed[0], listed[1])

    def test_aliases_survive_a_reconnect_and_other_servers(self):
        path = tools_file(self, [{"name": "with.dot", "inputSchema": OBJECT}])
        odd = stdio_server("--bare", "--tools-file", path)
        with Nexus({"s": odd}) as gateway:
            gateway.wait_servers()
            with gateway.legacy() as client:
                (alias,) = names(client)
                os.kill(gateway.server_pid("s"), signal.SIGKILL)
                eventually(lambda: gateway.servers()["s"]["restarts"] == 1)
                gateway.wait_servers()
                self.assertEqual(names(client), [alias])
                gateway.write_config({"first": stdio_server(), "s": odd, "s_": odd})
                gateway.reload()
                eventually(lambda: "s_" in gateway.servers(), what="the reload")
                gateway.wait_servers()
                self.assertIn(alias, names(client))
                self.assertEqual(client.call(alias).text, "called with.dot")

    def test_invalid_tools_do_not_cost_the_server(self):
        tools = [
            {"name": "no_type", "inputSchema": {"properties": {"a": {"type": "string"}}}},
            {"name": "no_schema"},
            {"name": "null_schema", "inputSchema": None},
            {"name": "bad_type", "inputSchema": {"type": "strange"}},
            {"name": "array_schema", "inputSchema": []},
            {
                "name": "draft4",
                "inputSchema": {
                    "$schema": "http://json-schema.org/draft-04/schema#",
                    "type": "object",
                    "$ref": "#/definitions/none",
                },
            },
            {"name": "good", "inputSchema": OBJECT},
            {"inputSchema": OBJECT},
            {"name": 5, "inputSchema": OBJECT},
            {"name": "", "inputSchema": OBJECT},
            "no object",
            None,
            17,
            [],
            {"name": "good", "description": "the second of that name", "inputSchema": OBJECT},
        ]
        servers = {"odd": stdio_server("--tools-file", tools_file(self, tools))}
        with Nexus(servers) as gateway:
            gateway.wait_servers()
            with gateway.legacy() as client:
                listed = names(client)
                self.assertEqual(listed.count("odd__good"), 1)
                self.assertIn("odd__echo", listed)
                for name in ("no_type", "good"):
                    self.assertEqual(client.call(f"odd__{name}").text, f"called {name}")
                for tool in client.tools():
                    self.assertIsInstance(tool["name"], str)
                    self.assertIsInstance(tool["inputSchema"], dict)
                    self.assertEqual(tool["inputSchema"].get("type"), "object", tool["name"])

    def test_schemas_keep_their_bytes(self):
        schema = (
            '{"type": "object","properties": {"n":{"type":"number","maximum":1.0e2,'
            '"default":1.50}},"$defs":{"a":{"$anchor":"x"}},"allOf":[ {} ]}'
        )
        handle, path = tempfile.mkstemp()
        os.write(handle, b'[{"name":"exact","inputSchema":%s}]' % schema.encode())
        os.close(handle)
        self.addCleanup(os.unlink, path)
        script = (
            "import sys,json\n"
            f"raw=open({path!r}).read()\n"
            "for line in sys.stdin:\n"
            "    m=json.loads(line)\n"
            '    r={\'initialize\':\'{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},'
            '"serverInfo":{"name":"x","version":"1"}}\',\'tools/list\':\'{"tools":\'+raw+\'}\'}'
            ".get(m.get('method'))\n"
            '    if \'id\' in m and r: print(\'{"jsonrpc":"2.0","id":%s,"result":%s}\''
            "%(json.dumps(m['id']),r),flush=True)\n"
            '    elif \'id\' in m: print(\'{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,'
            '"message":"no"}}\'%json.dumps(m[\'id\']),flush=True)\n'
        )
        with Nexus({"s": {"command": "python3", "args": ["-c", script]}}) as gateway:
            gateway.wait_servers()
            with gateway.legacy() as client:
                _, response = client.send("tools/list")
                self.assertIn('"inputSchema":' + schema, response.body.decode())


class Absent(unittest.TestCase):
    """Servers that die, connect slowly, or start on first use."""

    def test_a_dead_servers_tools_stay_listed_and_calls_fail_at_once(self):
        with HttpFixture() as fixture:
            servers = {"mortal": fixture.config(timeout=3000), "other": stdio_server()}
            with Nexus(servers) as gateway:
                gateway.wait_servers()
                with gateway.legacy() as client, gateway.modern() as modern:
                    before = names(client)
                    fixture.stop()
                    client.call("mortal__echo")
                    eventually(lambda: gateway.servers()["mortal"]["state"] != "ready", 10)
                    self.assertEqual(names(client), before)
                    for caller in (client, modern, gateway.modern("/s/mortal/mcp")):
                        marked = [
                            tool["name"]
                            for tool in caller.tools()
                            if tool.get("_meta", {}).get("dev.nexus/unavailable")
                        ]
                        self.assertEqual(len(marked), len(before) // 2, "the dead server's alone")
                        self.assertFalse([n for n in marked if n.startswith("other__")])
                    for caller in (client, modern):
                        message = clean_error(caller.call("mortal__echo"), "mortal", AT_ONCE)
                        self.assertIn("refused", message.lower())
                    self.assertEqual(client.call("other__echo", {"text": "x"}).text, "x")
                    self.assertTrue(gateway.servers()["mortal"]["error"])
                    self.assertEqual(gateway.get("/readyz").status, 200)

    def test_failing_calls_do_not_fill_the_log(self):
        with Nexus({"gone": {"command": "/no/such/program"}}) as gateway:
            with gateway.legacy() as client:
                eventually(lambda: gateway.servers()["gone"]["state"] == "down")
                begun = time.monotonic()
                for _ in range(500):
                    client.call("gone__x")
                seconds = time.monotonic() - begun
                time.sleep(1.1)
                client.call("gone__x")
            gateway.wait_log("lines_dropped")
            lines = [line for line in gateway.log() if "call: failed" in line]
            self.assertLess(len(lines), 2 * (20 * seconds + 21), "two workers, 20 a second each")

    def test_a_call_waits_for_a_server_that_connects(self):
        with Nexus(
            {"slow": stdio_server("--slow-start", "1.5"), "fast": stdio_server()}
        ) as gateway:
            gateway.wait_servers("fast")
            self.assertEqual(gateway.servers()["slow"]["state"], "connecting")
            self.assertEqual(gateway.get("/readyz").status, 200)
            with gateway.legacy() as client:
                started = time.monotonic()
                listed = names(client)
                self.assertLess(time.monotonic() - started, within(0.5), "lists wait for no server")
                self.assertIn("fast__echo", listed)
                answer = client.call("slow__echo", {"text": "waited"})
                self.assertEqual(answer.text, "waited")
            with gateway.modern("/s/slow/mcp") as client:
                self.assertEqual(client.call("echo", {"text": "x"}).text, "x")

    def test_a_call_to_a_connecting_server_ends_at_its_deadline(self):
        servers = {"slow": stdio_server("--slow-start", "60", timeoutMs=800)}
        with Nexus(servers) as gateway, gateway.legacy() as client:
            clean_error(client.call("slow__echo"), "slow", 0.8 + AT_ONCE)

    def test_many_calls_while_connecting(self):
        with Nexus({"slow": stdio_server("--slow-start", "1")}) as gateway:
            texts = []

            def call(number):
                with gateway.legacy() as client:
                    texts.append(client.call("slow__echo", {"text": str(number)}).text)

            threads = [threading.Thread(target=call, args=(n,)) for n in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
            self.assertEqual(sorted(texts, key=int), [str(n) for n in range(20)])

    def test_a_lazy_server_starts_with_its_first_use(self):
        with Nexus({"lazy": stdio_server(lazy=True), "eager": stdio_server()}) as gateway:
            gateway.wait_servers("eager")
            self.assertEqual(gateway.servers()["lazy"]["state"], "idle")
            self.assertEqual(len(gateway.children()), 1)
            with gateway.legacy() as client:
                self.assertEqual(client.call("lazy__echo", {"text": "woken"}).text, "woken")
                gateway.wait_servers("lazy")
                self.assertIn("lazy__echo", names(client))

    def test_an_http_server_that_appears_later(self):
        with HttpFixture() as fixture:
            port = fixture.port
            config = fixture.config()
            fixture.stop()
            with Nexus({"late": config}) as gateway:
                eventually(lambda: gateway.servers()["late"]["state"] == "down", 15)
                with HttpFixture.__new__(HttpFixture) as again:
                    again.__init__("--port", str(port))
                    gateway.wait_servers("late", timeout=40)
                    with gateway.legacy() as client:
                        self.assertEqual(client.call("late__echo", {"text": "x"}).text, "x")

    def test_probe_answers_of_old_servers(self):
        """A child that exits or hangs at an unknown request before initialize is a legacy one."""
        for answer in ("exit", "hang", "refuse"):
            with self.subTest(answer=answer):
                # One that hangs is started again, without the probe, when its handshake is late.
                old = stdio_server("--on-probe", answer, handshakeTimeout=5000)
                with Nexus({"old": old}) as gateway:
                    gateway.wait_servers("old", timeout=30)
                    with gateway.legacy() as client:
                        self.assertEqual(client.call("old__echo", {"text": "x"}).text, "x")

    def test_a_modern_server_that_is_slow_to_start(self):
        """Its answer to the probe counts, however late it comes."""
        with Nexus({"late": stdio_server("--era", "modern", "--boot", "4")}) as gateway:
            gateway.wait_servers("late", timeout=15)
            self.assertEqual(gateway.servers()["late"]["era"], "modern")
            self.assertEqual(gateway.servers()["late"]["restarts"], 0)
            with gateway.modern() as client:
                self.assertEqual(client.call("late__echo", {"text": "x"}).text, "x")

    def test_era_pins(self):
        servers = {
            "old": stdio_server("--era", "dual", era="legacy"),
            "new": stdio_server("--era", "dual", era="2026-07-28"),
            "wrong": stdio_server("--era", "legacy", era="2026-07-28"),
        }
        with Nexus(servers) as gateway:
            gateway.wait_servers("old", "new")
            rows = gateway.servers()
            self.assertNotIn(rows["old"]["era"], ("modern", "2026-07-28"))
            self.assertIn(rows["new"]["era"], ("modern", "2026-07-28"))
            with gateway.legacy() as client:
                clean_error(client.call("wrong__echo"), "wrong", 15)

    def test_a_child_inherits_what_it_should(self):
        with tempfile.TemporaryDirectory() as folder:
            server = stdio_server(env={"GIVEN": "yes", "EMPTY": ""}, cwd=folder)
            environment = {"INHERITED": "1", "REFERRED": "value"}
            server["env"]["EXPANDED"] = "<${REFERRED}>"
            with Nexus({"s": server}, env=environment) as gateway:
                gateway.wait_servers()
                with gateway.legacy() as client:
                    wanted = ["GIVEN", "EMPTY", "INHERITED", "EXPANDED"]
                    facts = client.call("s__where", {"names": wanted}).result["structuredContent"]
                self.assertEqual(
                    facts["env"],
                    {"GIVEN": "yes", "EMPTY": "", "INHERITED": "1", "EXPANDED": "<value>"},
                )
                self.assertEqual(os.path.realpath(facts["cwd"]), os.path.realpath(folder))
                self.assertEqual(facts["pgid"], facts["pid"], "a process group of its own")
                self.assertEqual(facts["ppid"], gateway.pid)
                self.assertLessEqual([fd for fd in facts["fds"] if fd > 3], [])
                os.kill(facts["pid"], signal.SIGTERM)


class Bare(unittest.TestCase):
    def test_bare_names_when_unambiguous(self):
        path = tools_file(
            self,
            [
                {"name": "only_here", "inputSchema": OBJECT},
                {"name": "t00000", "inputSchema": OBJECT},
            ],
        )
        servers = {
            "a": stdio_server("--bare", "--tools-file", path),
            "b": stdio_server("--bare", "--tools", "2"),
        }
        with Nexus(servers, config={"names": "bare"}) as gateway:
            gateway.wait_servers()
            with gateway.legacy() as client:
                found = names(client)
                self.assertEqual(found, ["only_here", "a__t00000", "b__t00000", "t00001"])
                for name in found:
                    self.assertIn("called", client.call(name).text)


if __name__ == "__main__":
    unittest.main()
