"""Virtual MCPs: chosen, renamed, limited, made and ended while the gateway runs."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

from support.cases import GatewayCase
from support.catalogues import real_files, server, tool, written
from support.http_wire import Connection
from support.nexus_process import Nexus, binary, eventually, stdio_server

READ = {"readOnlyHint": True}
MAIL = [
    tool("send", "Sends a message.", {"to": {"type": "string"}, "as": {"type": "string"}},
         ["to", "as"]),
    tool("list", "Lists messages.", annotations=READ),
]
FILES = [
    tool("read", "Reads a file.", {"path": {"type": "string"}}, ["path"], annotations=READ),
    tool("list", "Lists files.", annotations=READ),
    tool("delete", "Deletes a file.", {"path": {"type": "string"}}, ["path"]),
]
DEFINED = {
    "readers": {"select": [{"readOnly": True}], "instructions": "Only look."},
    "desk": {
        "tools": [
            {"server": "mail", "tool": "send", "name": "write_to_team",
             "description": "Writes to the team.", "fixed": {"to": "team"},
             "defaults": {"as": "desk"}},
        ],
        "select": [{"servers": ["files"]}],
        "exclude": [{"tools": ["delete"]}],
    },
    "finders": {"select": [{"query": "delete a file", "limit": 1}]},
    "hidden": {"select": [{"servers": ["*"]}], "exposure": "meta", "schemaProof": "enforce"},
    "slow": {"select": [{"servers": ["files"]}], "limits": {"callsPerMinute": 2}},
}


class VmcpCase(GatewayCase):
    extra_config = {"vmcps": DEFINED}

    @classmethod
    def servers(cls):
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        return {"mail": written(folder, "mail", MAIL), "files": written(folder, "files", FILES)}

    def api(self, verb, path="", body=None):
        with Connection(self.address) as connection:
            fields = {"Content-Type": "application/json"} if body is not None else {}
            data = json.dumps(body).encode() if body is not None else None
            answer = connection.request(verb, "/api/v1/vmcps" + path, fields, data)
            answer.body
            return answer.status, answer.json()

    def names(self, vmcp, client=None):
        return [t["name"] for t in (client or self.modern(f"/v/{vmcp}/mcp")).tools()]

    def wait_state(self, vmcp, state):
        def reached():
            status, told = self.api("GET", "/" + vmcp)
            return state == "gone" if status == 404 else told["state"] == state

        eventually(reached, what=f"{vmcp} {state}")

    def made(self, definition):
        status, told = self.api("POST", "", definition)
        self.assertEqual(status, 201, told)
        self.wait_state(definition["id"], "ready")
        return told


class Configured(VmcpCase):
    def test_tools_are_selected_by_annotation(self):
        for client in (self.legacy("/v/readers/mcp"), self.modern("/v/readers/mcp")):
            # Two servers have a "list", so neither is called by that alone.
            self.assertEqual(self.names("readers", client), ["mail__list", "read", "files__list"])
        self.assertEqual(self.legacy("/v/readers/mcp").server["instructions"], "Only look.")

    def test_what_is_not_selected_is_not_there(self):
        client = self.modern("/v/readers/mcp")
        for name in ("send", "mail__send", "delete", "files__delete"):
            self.assertEqual(client.call(name, {"path": "x"}).error["code"], -32602)

    def test_a_tool_in_another_form(self):
        self.assertEqual(self.names("desk"), ["write_to_team", "read", "list"])
        client = self.modern("/v/desk/mcp")
        shown = client.tools()[0]
        self.assertEqual(shown["description"], "Writes to the team.")
        self.assertEqual(shown["inputSchema"]["properties"], {})
        self.assertEqual(shown["inputSchema"].get("required", []), [])
        done = client.call("write_to_team", {"to": "the boss"}).result
        self.assertEqual(
            done["structuredContent"],
            {"tool": "send", "arguments": {"to": "team", "as": "desk"}},
        )
        done = client.call("write_to_team", {"as": "me", "text": "hi"}).result
        self.assertEqual(
            done["structuredContent"]["arguments"], {"to": "team", "as": "me", "text": "hi"}
        )

    def test_a_query_is_answered_once(self):
        self.wait_state("finders", "ready")
        self.assertEqual(self.names("finders"), ["delete"])

    def test_meta_tools_of_a_virtual_mcp(self):
        client = self.modern("/v/hidden/mcp")
        self.assertIn("call-tool", self.names("hidden", client))
        told = client.call("list-tools", {}).result["structuredContent"]
        self.assertEqual(told["total_tools"], 5)
        refused = client.call("call-tool", {"server_name": "files", "tool_name": "list"}).result
        self.assertTrue(refused["isError"])

    def test_calls_a_minute(self):
        client = self.modern("/v/slow/mcp")
        answers = [client.call("list", {}) for _ in range(3)]
        # The minute may change in between.
        refused = [a for a in answers if a.error]
        self.assertLessEqual(len(refused), 1)
        if not refused:
            answers = [client.call("list", {}) for _ in range(3)]
            refused = [a for a in answers if a.error]
        self.assertEqual(refused[0].status, 429)
        self.assertIn("2 calls a minute", refused[0].error["message"])

    def test_unknown_ones(self):
        with Connection(self.address) as connection:
            answer = connection.request("GET", "/v/nobody/mcp", {"Accept": "text/event-stream"})
            self.assertEqual(answer.status, 404)

    def test_the_configuration_s_own_are_not_changed_by_the_api(self):
        self.assertEqual(self.api("DELETE", "/readers")[0], 409)
        self.assertEqual(self.api("PUT", "/readers", {"select": []})[0], 409)


class Tags(VmcpCase):
    """Tools chosen by words: of the configuration, of the tools themselves."""

    extra_config = {"vmcps": {
        "work": {"select": [{"tags": ["work"]}]},
        "safe": {"select": [{"tags": ["sa*"]}], "exclude": [{"tags": ["secret"]}]},
        "own": {"select": [{"tags": ["old", "new", "plain"]}]},
        "both": {"select": [{"tags": ["work"], "readOnly": True}]},
    }}

    @classmethod
    def servers(cls):
        cls.folder = tempfile.mkdtemp(prefix="nexus-test-")
        cls.told = [
            tool("a", "Does a.", _meta={"_fastmcp": {"tags": ["old"]}}),
            tool("b", "Does b.", _meta={"fastmcp": {"tags": ["new", "secret"]}}),
            tool("c", "Does c.", _meta={"tags": ["plain"]}),
            tool("d", "Does d.", _meta={"tags": "none"}),
        ]
        return {
            "mail": written(cls.folder, "mail", MAIL, tags=["work"], toolTags={"li*": ["safe"]}),
            "more": written(cls.folder, "more", cls.told, toolTags={"b": ["safe"], "d": ["safe"]}),
        }

    def test_tools_are_selected_by_tags(self):
        self.assertEqual(self.names("work"), ["send", "list"])
        self.assertEqual(self.names("safe"), ["list", "d"])
        self.assertEqual(self.names("own"), ["a", "b", "c"])
        self.assertEqual(self.names("both"), ["list"])
        self.made({"id": "api", "select": [{"tags": ["secret"]}]})
        self.assertEqual(self.names("api"), ["b"])
        self.api("DELETE", "/api")

    def test_tags_are_shown(self):
        with Connection(self.address) as connection:
            path = "/api/v1/tools/search?q=list+messages"
            found = connection.request("GET", path).json()["results"][0]
            self.assertEqual((found["tool"], found["tags"]), ("list", ["work", "safe"]))
            path = "/api/v1/tools/search?q=does+b&server=more"
            tags = {row["tool"]: row.get("tags") for row in
                    connection.request("GET", path).json()["results"]}
            self.assertEqual(tags["b"], ["safe", "new", "secret"])
            servers = connection.request("GET", "/api/v1/servers").json()
        self.assertEqual([row.get("tags") for row in servers], [["work"], None])

    def test_a_reload_gives_other_tags_and_keeps_the_servers(self):
        gateway = Nexus(
            {"mail": written(self.folder, "again", MAIL, tags=["work"])},
            config={"vmcps": {"one": {"select": [{"tags": ["play"]}]}}},
        ).start()
        self.addCleanup(gateway.stop)
        gateway.wait_servers()
        with gateway.modern("/v/one/mcp") as client:
            self.assertEqual(client.tools(), [])
            before = gateway.children()
            gateway.write_config(
                {"mail": written(self.folder, "again", MAIL, tags=["play"])},
                config={"vmcps": {"one": {"select": [{"tags": ["play"]}]}}},
            )
            gateway.process.send_signal(signal.SIGHUP)
            eventually(lambda: len(client.tools()) == 2, what="the tools of the other tag")
            self.assertEqual(gateway.children(), before)


class PromptsAndResources(VmcpCase):
    """In other forms, as tools."""

    extra_config = {"vmcps": {"desk": {
        "prompts": [
            {"server": "near", "prompt": "greet", "name": "hello", "title": "Hello",
             "description": "Says hello.", "fixed": {"who": "the team"}},
            {"server": "near", "prompt": "summary", "defaults": {"who": "me"}},
        ],
        "resources": [
            {"uri": "test://near/static", "name": "plan", "title": "The plan"},
            {"uri": "test://near/items/{id}", "description": "One item."},
        ],
    }}}

    @classmethod
    def servers(cls):
        offers = "prompts,resources,completions"
        return {"near": stdio_server("--name", "near", "--offers", offers)}

    def test_prompts(self):
        for client in (self.modern("/v/desk/mcp"), self.legacy("/v/desk/mcp")):
            prompts = client.request("prompts/list").result["prompts"]
            self.assertEqual([p["name"] for p in prompts], ["hello", "near__summary"])
            self.assertEqual((prompts[0]["title"], prompts[0]["description"]),
                             ("Hello", "Says hello."))
            self.assertEqual([p["arguments"] for p in prompts], [[], []])

            def text(name, arguments):
                got = client.request("prompts/get", {"name": name, "arguments": arguments})
                return got.result["messages"][0]["content"]["text"]

            self.assertEqual(text("hello", {}), "greet of near for the team")
            self.assertEqual(text("hello", {"who": "x"}), "greet of near for the team")
            self.assertEqual(text("near__summary", {}), "summary of near for me")
            self.assertEqual(text("near__summary", {"who": "x"}), "summary of near for x")
            refused = client.request("prompts/get", {"name": "near__greet", "arguments": {}})
            self.assertEqual(refused.error["code"], -32602)

    def complete(self, client, ref, argument):
        return client.request("completion/complete", {
            "ref": ref, "argument": {"name": argument, "value": "v"}})

    def test_completions(self):
        client = self.modern("/v/desk/mcp")
        ref = {"type": "ref/prompt", "name": "hello"}
        done = self.complete(client, ref, "other").result["completion"]
        self.assertEqual(done["values"], ["near greet v"])
        # What the model does not see cannot be completed either.
        self.assertEqual(self.complete(client, ref, "who").error["code"], -32602)
        ref = {"type": "ref/resource", "uri": "test://near/items/{id}"}
        done = self.complete(client, ref, "id").result["completion"]
        self.assertEqual(done["values"], ["near test://near/items/{id} v"])

    def test_resources(self):
        for client in (self.modern("/v/desk/mcp"), self.legacy("/v/desk/mcp")):
            rows = client.request("resources/list").result["resources"]
            self.assertEqual([(r["uri"], r["name"], r["title"]) for r in rows],
                             [("test://near/static", "plan", "The plan")])
            rows = client.request("resources/templates/list").result["resourceTemplates"]
            self.assertEqual([(r["uriTemplate"], r["description"]) for r in rows],
                             [("test://near/items/{id}", "One item.")])
            for uri in ("test://near/static", "test://near/items/7"):
                got = client.request("resources/read", {"uri": uri}).result
                self.assertEqual(got["contents"][0]["text"], f"{uri} of near")
            for uri in ("test://near/hidden", "shared://text", "test://near/items/7/8"):
                self.assertIsNotNone(client.request("resources/read", {"uri": uri}).error, uri)


class Created(VmcpCase):
    """Its queries wait for a server that takes its time."""

    extra_config = {"vmcps": {"waits": {"select": [{"query": "send a message", "limit": 1}]}}}
    wait_ready = False

    @classmethod
    def servers(cls):
        return {**super().servers(), "slow": stdio_server("--slow-start", "2")}

    def test_one_that_is_being_made_asks_for_patience(self):
        status, told = self.api("POST", "", {"id": "also", "select": [{"query": "a file"}]})
        self.assertEqual((status, told["state"]), (201, "created"))
        for vmcp in ("waits", "also"):
            self.assertEqual(self.api("GET", "/" + vmcp)[1]["state"], "created")
            for path in ("mcp", "sse", "ws"):
                with Connection(self.address) as connection:
                    answer = connection.request("GET", f"/v/{vmcp}/{path}",
                                                {"Accept": "text/event-stream"})
                    self.assertEqual((answer.status, answer.header("retry-after")), (503, "1"))
            _, refused = self.modern(f"/v/{vmcp}/mcp").send("tools/list")
            self.assertEqual((refused.status, refused.header("retry-after")), (503, "1"))
        self.wait_state("waits", "ready")
        self.assertEqual(self.names("waits"), ["send"])
        events = [e["what"] for e in self.api("GET", "/events")[1]["events"] if e["id"] == "also"]
        self.assertEqual(events[:1], ["created"])


class ByApi(VmcpCase):
    extra_config = {}

    def test_made_read_changed_deleted(self):
        told = self.made({"id": "one", "select": [{"servers": ["mail"]}]})
        self.assertEqual((told["generation"], told["address"]), (1, "/v/one/mcp"))
        self.assertEqual(self.api("POST", "", {"id": "one"})[0], 409)
        self.assertEqual(self.names("one"), ["send", "list"])
        status, told = self.api("GET", "/one")
        self.assertEqual((status, told["tools"], told["source"]), (200, 2, "api"))
        self.assertEqual(told["definition"]["select"], [{"servers": ["mail"]}])
        status, told = self.api("PUT", "/one?generation=7", {"select": []})
        self.assertEqual(status, 409)
        status, told = self.api("PUT", "/one?generation=1", {"select": [{"servers": ["files"]}]})
        self.assertEqual((status, told["generation"]), (200, 2))
        eventually(lambda: self.names("one") == ["read", "list", "delete"], what="the new tools")
        self.assertIn("one", [row["id"] for row in self.api("GET")[1]["vmcps"]])
        self.assertEqual(self.api("DELETE", "/one")[0], 202)
        self.wait_state("one", "gone")
        what = [e["what"] for e in self.api("GET", "/events")[1]["events"] if e["id"] == "one"]
        self.assertEqual(what, ["created", "ready", "updated", "draining", "closed"])
        self.made({"id": "one", "select": []})
        self.assertEqual(self.names("one"), [])
        self.api("DELETE", "/one")

    def test_mistakes_are_told(self):
        for body, word in (
            ({"select": []}, "id"),
            ({"id": "Bad Id"}, "not usable"),
            ({"id": "x", "selekt": []}, "select"),
            ({"id": "x", "tools": [{"server": "a"}]}, "tool"),
            ({"id": "x", "exposure": "most"}, "exposure"),
        ):
            status, told = self.api("POST", "", body)
            self.assertEqual(status, 400, body)
            self.assertIn(word, told["error"])
        self.assertEqual(self.api("GET", "/none")[0], 404)
        self.assertEqual(self.api("PUT", "/none", {})[0], 404)

    def test_an_update_reaches_listeners_of_this_one_alone(self):
        self.made({"id": "heard", "select": [{"servers": ["mail"]}]})
        self.made({"id": "other", "select": [{"servers": ["mail"]}]})
        streams = {}
        for name in ("heard", "other"):
            client = self.legacy(f"/v/{name}/mcp")
            client.tools()
            streams[name] = client.open_stream()
        told = []

        def listen():
            for message in streams["heard"].messages(10):
                told.append((message["method"], time.monotonic()))
                return

        thread = threading.Thread(target=listen)
        thread.start()
        time.sleep(0.2)
        self.api("PUT", "/heard", {"select": [{"servers": ["files"]}]})
        thread.join(10)
        self.assertEqual([m for m, _ in told], ["notifications/tools/list_changed"])
        for name in ("heard", "other"):
            streams[name].connection.close() if hasattr(streams[name], "connection") else None
            self.api("DELETE", "/" + name)

    def test_life_ends_by_time_and_by_idleness(self):
        self.made({"id": "short", "select": [], "ttl": "1s"})
        self.made({"id": "bored", "select": [], "idle": "1s"})
        self.wait_state("short", "gone")
        self.wait_state("bored", "gone")

    def test_a_name_that_was_used_can_be_used_again(self):
        for _ in range(5):
            self.made({"id": "again", "select": [{"servers": ["mail"]}]})
            self.assertEqual(len(self.names("again")), 2)
            self.api("DELETE", "/again")
            self.wait_state("again", "gone")


class Restarts(unittest.TestCase):
    """What the API made is made again when the gateway comes back, however it went."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nexus-vmcps-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = os.path.join(self.folder, "state", "kept.sqlite")
        self.servers = {"mail": written(self.folder, "mail", MAIL)}

    def gateway(self, **config):
        gateway = Nexus(self.servers, config={"state": self.state, **config}).start()
        self.addCleanup(gateway.stop)
        return gateway

    def make(self, gateway, vmcp, **definition):
        status, told = gateway.vmcps("POST", "", {"id": vmcp, **definition})
        self.assertEqual(status, 201, told)
        return told

    def test_they_come_back_after_kill_9(self):
        before = self.gateway()
        before.wait_servers()
        mail = {"select": [{"servers": ["mail"]}]}
        made = self.make(before, "kept", **mail)
        self.make(before, "found", select=[{"query": "send a message", "limit": 1}])
        self.make(before, "deleted", **mail)
        self.make(before, "short", ttl="1s", **mail)
        self.make(before, "long", ttl="1h", **mail)
        chosen = {"tools": [{"server": "mail", "tool": "list"}]}
        status, _ = before.vmcps("PUT", "/kept", chosen)
        self.assertEqual(status, 200)
        self.assertEqual(before.vmcps("DELETE", "/deleted")[0], 202)
        expires = before.vmcps("GET", "/long")[1]["expires"]
        before.kill()
        time.sleep(1.1)

        after = self.gateway()
        status, told = after.vmcps("GET", "/kept")  # at once: ready means that they are there
        self.assertEqual((status, told["generation"], told["state"]), (200, 2, "ready"))
        self.assertEqual((told["created"], told["source"]), (made["created"], "api"))
        after.wait_servers()
        with after.modern("/v/kept/mcp") as client:
            self.assertEqual([t["name"] for t in client.tools()], ["list"])
        eventually(lambda: after.vmcps("GET", "/found")[1].get("tools") == 1,
                   what="the answer to the query")
        self.assertEqual(after.vmcps("GET", "/deleted")[0], 404)
        self.assertEqual(after.vmcps("GET", "/short")[0], 404)
        self.assertEqual(after.vmcps("GET", "/long")[1]["expires"], expires)
        events = after.vmcps("GET", "/events")[1]["events"]
        self.assertEqual([e["what"] for e in events if e["id"] == "kept"], ["restored", "ready"])
        # Its life goes on where it was.
        status, told = after.vmcps("PUT", "/kept?generation=2", mail)
        self.assertEqual((status, told["generation"]), (200, 3))
        self.assertEqual(after.vmcps("DELETE", "/kept")[0], 202)
        after.stop()
        self.assertEqual(self.gateway().vmcps("GET", "/kept")[0], 404)

    def test_one_that_has_ended_does_not_come_back(self):
        before = self.gateway()
        self.make(before, "bored", select=[], idle="1s")
        eventually(lambda: before.vmcps("GET", "/bored")[0] == 404, what="its end")
        before.stop()
        self.assertEqual(self.gateway().vmcps("GET", "/bored")[0], 404)

    def test_a_damaged_definition_harms_no_other(self):
        before = self.gateway()
        self.make(before, "whole", select=[])
        self.make(before, "broken", select=[])
        before.stop()
        with contextlib.closing(sqlite3.connect(self.state)) as store, store:
            store.execute("UPDATE vmcp SET definition = '{\"selekt\":' WHERE id = 'broken'")
        after = self.gateway()
        after.wait_log(r"not_restored.*broken")
        self.assertEqual(after.vmcps("GET", "/whole")[0], 200)
        self.assertEqual(after.vmcps("GET", "/broken")[0], 404)
        self.make(after, "broken", select=[])
        after.stop()
        self.assertEqual(self.gateway().vmcps("GET", "/broken")[0], 200)

    def test_the_configuration_wins(self):
        before = self.gateway()
        self.make(before, "both", title="of the API", select=[])
        before.stop()
        after = self.gateway(vmcps={"both": {"title": "of the file"}})
        told = after.vmcps("GET", "/both")[1]
        self.assertEqual((told["source"], told["definition"]["title"]),
                         ("configuration", "of the file"))
        after.wait_log(r"hidden_by_configuration")
        after.stop()
        self.assertEqual(self.gateway().vmcps("GET", "/both")[1]["definition"]["title"],
                         "of the API")

    def test_updates_at_the_same_time_all_count(self):
        gateway = self.gateway()
        self.make(gateway, "busy", select=[])
        told = []

        def update():
            told.append(gateway.vmcps("PUT", "/busy", {"select": []}))

        threads = [threading.Thread(target=update) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual([status for status, _ in told], [200] * 8)
        self.assertEqual(sorted(row["generation"] for _, row in told), list(range(2, 10)))

    def test_what_cannot_be_saved_is_not_made(self):
        gateway = self.gateway()
        self.make(gateway, "first", select=[])
        with contextlib.closing(sqlite3.connect(self.state)) as store, store:
            store.execute("CREATE TRIGGER full BEFORE INSERT ON vmcp "
                          "BEGIN SELECT RAISE(ABORT, 'no room'); END")
        status, told = gateway.vmcps("POST", "", {"id": "second", "select": []})
        self.assertEqual(status, 503)
        self.assertIn("could not be saved", told["error"])
        self.assertEqual(gateway.vmcps("GET", "/second")[0], 404)


class Commands(VmcpCase):
    """`nexus vmcp`, as people and scripts use it."""

    extra_config = {}

    def run_vmcp(self, *words, stdin="", code=0):
        address = "{}:{}".format(*self.address)
        done = subprocess.run(
            [binary(), "vmcp", *words, "--address", address],
            input=stdin, capture_output=True, text=True, timeout=20, check=False,
        )
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def test_a_life(self):
        definition = json.dumps({"id": "typed", "select": [{"servers": ["mail"]}]})
        self.run_vmcp("create", "-", stdin=definition)
        self.wait_state("typed", "ready")
        self.assertIn("typed", self.run_vmcp("list"))
        told = json.loads(self.run_vmcp("show", "typed", "--json"))
        self.assertEqual((told["state"], told["tools"]), ("ready", 2))
        changed = json.dumps({"select": [{"servers": ["files"]}]})
        self.run_vmcp("update", "typed", "-", "--generation", "9", stdin=changed, code=1)
        self.run_vmcp("update", "typed", "-", "--generation", "1", stdin=changed)
        self.run_vmcp("delete", "typed")
        self.wait_state("typed", "gone")
        self.assertIn("closed", self.run_vmcp("events"))
        self.assertIn("typed", self.run_vmcp("show", "typed", code=1))

    def test_a_wrong_definition_is_told(self):
        said = self.run_vmcp("create", "-", stdin='{"id": "x", "selekt": []}', code=1)
        self.assertIn("select", said)


class Many(VmcpCase):
    """P5: what a virtual MCP costs. Bounds are wide; the figures are printed."""

    extra_config = {}
    count = int(os.environ.get("NEXUS_VMCPS", "2000"))

    @classmethod
    def servers(cls):
        files = real_files()
        return {name: server(path) for name, path in files.items()} or super().servers()

    def rss(self):
        with open(f"/proc/{self.gateway.process.pid}/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def test_many(self):
        before = self.rss()
        started = time.monotonic()
        with Connection(self.address) as connection:
            for i in range(self.count):
                body = {"id": f"v{i}", "select": [{"tools": ["*file*", "list*"]}]}
                answer = connection.request("POST", "/api/v1/vmcps",
                                            {"Content-Type": "application/json"},
                                            json.dumps(body).encode())
                answer.body
                self.assertEqual(answer.status, 201)
        each = (time.monotonic() - started) / self.count
        for i in range(0, self.count, self.count // 50):
            self.wait_state(f"v{i}", "ready")
            self.assertTrue(self.names(f"v{i}"))
        grown = (self.rss() - before) / self.count
        print(f"{self.count} virtual MCPs: {grown:.2f} KiB and {each * 1000:.2f} ms each "
              f"(over HTTP), {self.rss() / 1024:.0f} MiB in all")
        if "NEXUS_SANITIZED" not in os.environ:
            self.assertLess(grown, 8 + 16 * 1024 * 2 / self.count)


if __name__ == "__main__":
    unittest.main()
