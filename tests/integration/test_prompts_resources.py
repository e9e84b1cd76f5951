"""Prompts, resources, templates and completions of several servers through one gateway."""

import os
import tempfile
import unittest

from support.cases import GatewayCase
from support.mcp_client import META, RpcError
from support.nexus_process import HttpFixture, Nexus, eventually, stdio_server

ALL = "prompts,resources,subscribe,completions"


class PromptsResources(GatewayCase):
    """alpha and beta offer everything, in both eras; plain has tools alone; broken lists none."""

    @classmethod
    def servers(cls):
        modern = HttpFixture("--name", "beta", "--era", "modern", "--offers", ALL)
        cls.addClassCleanup(modern.stop)
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        cls.log = os.path.join(folder, "alpha")
        broken = "prompts/list,resources/list,resources/templates/list"
        return {
            "alpha": stdio_server("--name", "alpha", "--log", cls.log, "--offers", ALL),
            "beta": modern.config("http"),
            "plain": stdio_server("--name", "plain"),
            "broken": stdio_server(
                "--name", "broken", "--offers", "prompts,resources", "--broken", broken
            ),
        }

    def clients(self, path="/mcp"):
        for make in (self.legacy, self.modern):
            client = make(path)
            with self.subTest(client=type(client).__name__):
                yield client
            client.close()

    def assert_modern(self, client, result, cached):
        modern = type(client).__name__ == "ModernClient"
        self.assertEqual("resultType" in result, modern)
        self.assertEqual("ttlMs" in result, modern and cached)
        self.assertEqual("cacheScope" in result, modern and cached)
        self.assertEqual(META + "serverInfo" in result.get("_meta", {}), modern)

    def test_prompts_are_listed_in_order_and_routed_by_name(self):
        for client in self.clients():
            result = client.request("prompts/list").result
            names = [prompt["name"] for prompt in result["prompts"]]
            wanted = ["alpha__greet", "alpha__summary", "beta__greet", "beta__summary"]
            self.assertEqual(names, wanted)
            self.assert_modern(client, result, True)
            for server in ("alpha", "beta"):
                params = {"name": f"{server}__greet", "arguments": {"who": "Ann"}}
                got = client.request("prompts/get", params).result
                text = got["messages"][0]["content"]["text"]
                self.assertEqual(text, f"greet of {server} for Ann")
                self.assert_modern(client, got, False)

    def test_a_server_of_its_own_keeps_its_names(self):
        for client in self.clients("/s/beta/mcp"):
            names = [p["name"] for p in client.request("prompts/list").result["prompts"]]
            self.assertEqual(names, ["greet", "summary"])
            params = {"name": "greet", "arguments": {"who": "Bo"}}
            got = client.request("prompts/get", params).result
            self.assertEqual(got["messages"][0]["content"]["text"], "greet of beta for Bo")
            uris = [r["uri"] for r in client.request("resources/list").result["resources"]]
            self.assertEqual(uris, ["test://beta/static", "shared://text"])
            read = client.request("resources/read", {"uri": "shared://text"}).result
            self.assertEqual(read["contents"][0]["text"], "shared://text of beta")

    def test_an_unknown_prompt_is_refused_with_the_nearest(self):
        for client in self.clients():
            with self.assertRaises(RpcError) as caught:
                client.request("prompts/get", {"name": "alpha__gret"}).result
            self.assertEqual(caught.exception.code, -32602)
            self.assertEqual(caught.exception.data["nearest"][0], "alpha__greet")

    def test_resources_are_routed_by_uri(self):
        for client in self.clients():
            result = client.request("resources/list").result
            uris = [resource["uri"] for resource in result["resources"]]
            # The one that both have belongs to the first.
            wanted = ["test://alpha/static", "shared://text", "test://beta/static"]
            self.assertEqual(uris, wanted)
            self.assert_modern(client, result, True)
            owners = {"test://alpha/static": "alpha", "shared://text": "alpha"}
            owners["test://beta/static"] = "beta"
            for uri, owner in owners.items():
                read = client.request("resources/read", {"uri": uri}).result
                self.assertEqual(read["contents"][0]["uri"], uri)
                self.assertEqual(read["contents"][0]["text"], f"{uri} of {owner}")
                self.assert_modern(client, read, True)

    def test_templates_are_listed(self):
        for client in self.clients():
            result = client.request("resources/templates/list").result
            found = [t["uriTemplate"] for t in result["resourceTemplates"]]
            own = "test://{}/items/{{id}}".format
            self.assertEqual(found, [own("alpha"), "shared://{+path}/any", own("beta")])
            owners = {"test://alpha/items/a%20b": "alpha", "shared://deep/er/any": "alpha"}
            owners["test://beta/items/7"] = "beta"
            for uri, owner in owners.items():
                read = client.request("resources/read", {"uri": uri}).result
                self.assertEqual(read["contents"][0]["text"], f"{uri} of {owner}")

    def test_what_a_result_links_to_can_be_read(self):
        for number, client in enumerate(self.clients()):
            path = f"hidden/{number}"
            uri = f"test://beta/{path}"
            with self.assertRaises(RpcError):
                client.request("resources/read", {"uri": uri}).result
            linked = client.call("beta__link", {"path": path}).result
            self.assertEqual(linked["content"][0]["uri"], uri)
            for _ in range(8):  # on whichever worker
                other = type(client)(self.address)
                if hasattr(other, "initialize"):
                    other.initialize()
                read = other.request("resources/read", {"uri": uri}).result
                self.assertEqual(read["contents"][0]["text"], f"{uri} of beta")
                other.close()

    def test_not_found_has_the_code_of_the_era(self):
        codes = {"LegacyClient": -32002, "ModernClient": -32602}
        for client in self.clients():
            for uri in ("nobody://has/this", "test://alpha/static/missing"):
                with self.assertRaises(RpcError) as caught:
                    client.request("resources/read", {"uri": uri}).result
                self.assertEqual(caught.exception.code, codes[type(client).__name__])
                self.assertEqual(caught.exception.data["uri"], uri)
        for server in ("alpha", "beta"):  # the servers' own answers are translated
            for client in self.clients(f"/s/{server}/mcp"):
                with self.assertRaises(RpcError) as caught:
                    client.request("resources/read", {"uri": "test://missing"}).result
                self.assertEqual(caught.exception.code, codes[type(client).__name__])
                self.assertEqual(caught.exception.data["uri"], "test://missing")

    def test_completions_name_what_the_server_knows(self):
        argument = {"name": "who", "value": "An"}
        for client in self.clients():
            for server in ("alpha", "beta"):
                ref = {"type": "ref/prompt", "name": f"{server}__greet"}
                result = client.request(
                    "completion/complete", {"ref": ref, "argument": argument}
                ).result
                self.assertEqual(result["completion"]["values"], [f"{server} greet An"])
                uri = f"test://{server}/items/{{id}}"
                ref = {"type": "ref/resource", "uri": uri}
                result = client.request(
                    "completion/complete", {"ref": ref, "argument": argument}
                ).result
                self.assertEqual(result["completion"]["values"], [f"{server} {uri} An"])
                self.assert_modern(client, result, False)
            for ref in ({"type": "ref/prompt", "name": "nope"}, {"type": "other"}, {}, 7):
                with self.assertRaises(RpcError) as caught:
                    client.request(
                        "completion/complete", {"ref": ref, "argument": argument}
                    ).result
                self.assertEqual(caught.exception.code, -32602)

    def test_capabilities_are_those_of_the_servers(self):
        everything = self.legacy().server["capabilities"]
        self.assertEqual(everything["prompts"], {"listChanged": True})
        self.assertEqual(everything["resources"], {"subscribe": True, "listChanged": True})
        self.assertEqual(everything["completions"], {})
        self.assertEqual(everything["logging"], {})
        plain = self.legacy("/s/plain/mcp")
        self.assertEqual(plain.server["capabilities"].keys(), {"tools", "logging"})
        self.assertEqual(plain.request("prompts/list").result, {"prompts": []})
        found = self.modern("/s/plain/mcp").request("server/discover").result
        self.assertEqual(found["capabilities"].keys(), {"tools", "logging"})
        found = self.modern().request("server/discover").result
        self.assertEqual(found["capabilities"], everything)

    def test_instructions_are_joined_under_the_names(self):
        text = self.legacy().server["instructions"]
        wanted = [f"# {name}\nI am {name}." for name in ("alpha", "beta", "plain", "broken")]
        self.assertEqual(text, "\n\n".join(wanted))
        self.assertEqual(self.legacy("/s/beta/mcp").server["instructions"], "I am beta.")

    def test_a_server_whose_lists_fail_keeps_its_tools(self):
        client = self.legacy("/s/broken/mcp")
        self.assertEqual(client.call("echo", {"text": "x"}).text, "x")
        self.assertEqual(client.request("resources/list").result, {"resources": []})
        with self.assertRaises(RpcError) as caught:
            client.request("resources/read", {"uri": "nobody://x"}).result
        self.assertEqual(caught.exception.code, -32002)

    def test_cursors(self):
        for client in self.clients():
            methods = {"tools/list": "tools", "prompts/list": "prompts"}
            methods["resources/list"] = "resources"
            methods["resources/templates/list"] = "resourceTemplates"
            for method, key in methods.items():
                whole = client.request(method).result[key]
                self.assertEqual(client.request(method, {"cursor": ""}).result[key], whole)
                for bad in ("x", "1-0", 7):
                    with self.assertRaises(RpcError) as caught:
                        client.request(method, {"cursor": bad}).result
                    self.assertEqual(caught.exception.code, -32602)


class LongLists(unittest.TestCase):
    def test_every_page_is_followed_and_given(self):
        options = ["--name", "many", "--offers", ALL, "--page", "7", "--prompts", "40"]
        entry = stdio_server(*options, "--resources", "2100")
        with Nexus({"many": entry}) as nexus:
            client = nexus.legacy()
            eventually(lambda: client.request("prompts/list").result["prompts"], 20)
            self.assertEqual(len(client.request("prompts/list").result["prompts"]), 42)
            seen, params = [], {}
            eventually(lambda: client.request("resources/list").result["resources"], 20)
            while True:
                result = client.request("resources/list", params).result
                seen += [row["uri"] for row in result["resources"]]
                if "nextCursor" not in result:
                    break
                self.assertEqual(len(result["resources"]), 1000)
                params = {"cursor": result["nextCursor"]}
            self.assertEqual(len(seen), 2102)
            self.assertEqual(len(set(seen)), 2102)

    def test_capabilities_are_declared_before_servers_are_known(self):
        slow = stdio_server("--name", "slow", "--boot", "2")
        with Nexus({"slow": slow}) as nexus:
            client = nexus.legacy()
            self.assertIn("prompts", client.server["capabilities"])
            self.assertEqual(client.request("prompts/list").result, {"prompts": []})
            known = lambda: "prompts" not in nexus.legacy().server["capabilities"]
            eventually(known, 20, 0.2, "the server's own capabilities")


if __name__ == "__main__":
    unittest.main()
