"""Tools of the gateway that manage virtual MCPs, where the configuration allows them."""

import unittest

from support.nexus_process import eventually
from test_vmcps import VmcpCase

TOOLS = ["list-virtual-mcps", "create-virtual-mcp", "update-virtual-mcp", "delete-virtual-mcp"]


class Off(VmcpCase):
    """The default."""

    extra_config = {}

    def test_there_are_no_such_tools(self):
        for client in (self.modern(), self.legacy(), self.modern("/s/mail/mcp")):
            names = [tool["name"] for tool in client.tools()]
            self.assertFalse(set(TOOLS) & set(names))
            for name in TOOLS:
                answer = client.call(name, {"id": "x", "definition": {}})
                self.assertEqual(answer.error["code"], -32602)
                self.assertIn("Unknown tool", answer.error["message"])
        self.assertEqual(self.api("GET")[1]["vmcps"], [])


class On(VmcpCase):
    extra_config = {
        "management": {"mcp": True},
        "vmcps": {"ours": {"select": [{"readOnly": True}], "exposure": "meta"}},
    }

    def ask(self, client, tool, **arguments):
        result = client.call(tool, arguments).result
        self.assertNotIn("isError", result, result)
        return result["structuredContent"]

    def refused(self, client, tool, **arguments):
        result = client.call(tool, arguments).result
        self.assertTrue(result.get("isError"), result)
        return result["structuredContent"]["status"], result["content"][0]["text"]

    def test_the_tools_stand_at_the_address_of_all_servers_alone(self):
        tools = {tool["name"]: tool for tool in self.modern().tools()}
        self.assertEqual(list(tools)[:4], TOOLS)
        self.assertIn("mail__send", tools)
        for name in TOOLS:
            self.assertIn("outputSchema", tools[name])
            self.assertEqual(tools[name]["inputSchema"]["type"], "object")
            self.assertFalse(tools[name]["annotations"]["openWorldHint"])
        self.assertTrue(tools["list-virtual-mcps"]["annotations"]["readOnlyHint"])
        self.assertFalse(tools["create-virtual-mcp"]["annotations"]["destructiveHint"])
        self.assertTrue(tools["delete-virtual-mcp"]["annotations"]["destructiveHint"])
        for path in ("/s/mail/mcp", "/v/ours/mcp"):
            client = self.modern(path)
            self.assertFalse(set(TOOLS) & {tool["name"] for tool in client.tools()})
            self.assertEqual(client.call("list-virtual-mcps").error["code"], -32602)

    def test_a_life(self):
        for number, client in enumerate((self.modern(), self.legacy())):
            name = f"made-{number}"
            definition = {"select": [{"servers": ["mail"]}], "title": "Mail"}
            made = self.ask(client, "create-virtual-mcp", id=name, definition=definition)
            self.assertEqual((made["id"], made["address"]), (name, f"/v/{name}/mcp"))
            host, port = self.address
            self.assertEqual(made["url"], f"http://{host}:{port}/v/{name}/mcp")
            self.wait_state(name, "ready")
            eventually(lambda: self.names(name) == ["send", "list"], what="its tools")
            one = self.ask(client, "list-virtual-mcps", id=name)["vmcps"][0]
            self.assertEqual((one["state"], one["tools"], one["source"]), ("ready", 2, "api"))
            changed = self.ask(client, "update-virtual-mcp", id=name, generation=1,
                               definition={"select": [{"servers": ["files"]}]})
            self.assertEqual(changed["generation"], 2)
            eventually(lambda: self.names(name) == ["read", "list", "delete"], what="an update")
            ids = [row["id"] for row in self.ask(client, "list-virtual-mcps")["vmcps"]]
            self.assertEqual(ids, [name, "ours"])
            self.assertEqual(self.api("GET", "/" + name)[1]["definition"],
                             {"select": [{"servers": ["files"]}]})
            self.ask(client, "delete-virtual-mcp", id=name)
            self.wait_state(name, "gone")

    def test_a_port_of_its_own_is_told(self):
        client = self.modern()
        made = self.ask(client, "create-virtual-mcp", id="ported",
                        definition={"select": [{"servers": ["mail"]}], "port": "auto"})
        self.assertEqual(made["url"], f"http://127.0.0.1:{made['port']}/mcp")
        result = client.call("list-virtual-mcps", {}).result
        self.assertIn(f"port {made['port']}", result["content"][0]["text"])
        self.ask(client, "delete-virtual-mcp", id="ported")
        self.wait_state("ported", "gone")

    def test_mistakes_are_told_so_that_a_model_can_mend_them(self):
        client = self.modern()
        create, update, delete = TOOLS[1:]
        good = {"select": []}
        for tool, arguments, status, word in (
            (create, {"definition": good}, 400, "id must be"),
            (create, {"id": "Bad Id", "definition": good}, 400, "a-z, 0-9 and -"),
            (create, {"id": "x"}, 400, "definition must be an object"),
            (create, {"id": "x", "definition": {"selekt": []}}, 400, 'did you mean "select"'),
            (create, {"id": "x", "definition": {"id": "y"}}, 400, "has the id 'y'"),
            (create, {"id": "x", "definition": {"port": "any"}}, 400, "port"),
            (create, {"id": "ours", "definition": good}, 409, "already"),
            (update, {"id": "none", "definition": good}, 404, "list-virtual-mcps"),
            (update, {"id": "ours", "definition": good}, 409, "configuration"),
            (update, {"id": "ours", "definition": good, "generation": "1"}, 400, "a number"),
            (delete, {"id": "none"}, 404, "no virtual MCP 'none'"),
            (delete, {}, 400, "id must be"),
            (delete, {"id": "ours"}, 409, "configuration"),
            ("list-virtual-mcps", {"id": "none"}, 404, "list-virtual-mcps"),
        ):
            with self.subTest(tool=tool, arguments=arguments):
                told, text = self.refused(client, tool, **arguments)
                self.assertEqual(told, status)
                self.assertIn(word, text)
        self.assertEqual([row["id"] for row in self.api("GET")[1]["vmcps"]], ["ours"])
        self.ask(client, create, id="x", definition=good)
        told, text = self.refused(client, update, id="x", definition=good, generation=7)
        self.assertEqual(told, 409)
        self.assertIn("generation 1", text)
        self.ask(client, delete, id="x")

    def test_a_client_that_leaves_takes_nothing_with_it(self):
        for number in range(20):
            client = self.modern()
            client.send("tools/call", {"name": "create-virtual-mcp",
                                       "arguments": {"id": f"left-{number}", "definition": {}}})
            client.close()
        eventually(lambda: len(self.api("GET")[1]["vmcps"]) == 21, what="all of them")
        for number in range(20):
            self.api("DELETE", f"/left-{number}")


class WithMetaTools(VmcpCase):
    extra_config = {"management": {"mcp": True}, "exposure": "meta"}

    def test_both_kinds_stand_side_by_side(self):
        names = [tool["name"] for tool in self.modern().tools()]
        self.assertEqual(len(names), 10)
        self.assertEqual(names[6:], TOOLS)
        client = self.modern()
        refused = client.call("call-tool", {"server_name": "nexus", "tool_name": TOOLS[0]}).result
        self.assertTrue(refused["isError"])


if __name__ == "__main__":
    unittest.main()
