"""The meta-tools: find, map, verify, execute; what is refused on the way; real catalogues too."""

import json
import tempfile
import unittest
import urllib.parse

from support.cases import GatewayCase
from support.catalogues import REAL, real_files, server, tool, written
from support.nexus_process import eventually

META = ["list-tools", "get-server-information", "get-input-schema-for-tools", "call-tool"]
MAIL = [
    tool(
        "send_email",
        "Sends an e-mail message. Attachments are not possible.",
        {"to": {"type": "string"}, "body": {"type": "string", "maxLength": 10}},
        ["to"],
    ),
    tool("list.folders", "Lists the folders of the mailbox."),
]
FILES = [
    tool("read_file", "Reads a file and gives its text.", {"path": {"type": "string"}}, ["path"]),
    tool("write_file", "Writes a text to a file.", {"path": {"type": "string"}}, ["path"]),
]


class MetaCase(GatewayCase):
    extra_config = {"exposure": "meta"}

    @classmethod
    def servers(cls):
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        return {"mail": written(folder, "mail", MAIL), "files": written(folder, "files", FILES)}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gateway.wait_indexed()

    def each_client(self):
        return (self.legacy(), self.modern(), self.legacy(version="2025-03-26"))

    def meta(self, name, arguments, client=None):
        answer = (client or self.modern()).call(name, arguments)
        return answer.result

    def version_of(self, server_name, tool_name):
        asked = {"servers": [{"server_name": server_name, "tool_names": [tool_name]}]}
        found = self.meta("get-input-schema-for-tools", asked)
        return found["structuredContent"]["tools"][0]["schema_version"]


class FourPhases(MetaCase):
    def test_only_the_meta_tools_are_listed(self):
        for client in self.each_client():
            names = [t["name"] for t in client.tools()]
            self.assertEqual(names[:4], META)
            self.assertEqual(set(names[4:]), {"search-tools", "call-tools"})

    def test_instructions_carry_the_workflow(self):
        client = self.legacy()
        told = client.server["instructions"]
        for name in META:
            self.assertIn(name, told)

    def test_four_phases(self):
        for client in self.each_client():
            listed = client.call("list-tools", {}).text
            self.assertIn("[SERVER_ID: mail] (Version: v7.8.9)", listed)
            self.assertIn("- [TOOL_ID: send_email] | DESC: Sends an e-mail message.\n", listed)
            wanted = {"servers": [{"server_name": "mail", "tool_names": ["send_email"]}]}
            schema = client.call("get-input-schema-for-tools", wanted).text
            self.assertIn("# Server name: mail, Tool name: send_email", schema)
            self.assertIn('"required": ["to"]', schema)
            done = client.call(
                "call-tool",
                {"server_name": "mail", "tool_name": "send_email", "args": {"to": "a@b"}},
            ).result
            self.assertEqual(
                json.loads(done["content"][0]["text"]),
                {"tool": "send_email", "arguments": {"to": "a@b"}},
            )

    def test_structured_output_says_the_same(self):
        told = self.meta("list-tools", {})["structuredContent"]
        self.assertEqual(told["total_tools"], 4)
        self.assertEqual([s["server_name"] for s in told["servers"]], ["mail", "files"])
        self.assertEqual(
            [t["tool_name"] for t in told["servers"][0]["tools"]], ["send_email", "list.folders"]
        )

    def test_arguments_may_be_left_out(self):
        done = self.meta("call-tool", {"server_name": "mail", "tool_name": "list.folders"})
        self.assertEqual(done["structuredContent"], {"tool": "list.folders", "arguments": {}})

    def test_server_information(self):
        told = self.meta("get-server-information", {})
        self.assertIn("Server name: mail (v7.8.9)", told["content"][0]["text"])
        self.assertIn("Total tools: 2", told["content"][0]["text"])
        rows = told["structuredContent"]["servers"]
        self.assertEqual([r["state"] for r in rows], ["ready", "ready"])
        only = self.meta("get-server-information", {"server_name": "files"})
        self.assertEqual(len(only["structuredContent"]["servers"]), 1)

    def test_a_server_s_own_address_shows_its_tools(self):
        self.assertEqual(
            [t["name"] for t in self.modern("/s/files/mcp").tools()],
            ["read_file", "write_file"],
        )

    def test_the_tools_themselves_are_not_called_directly(self):
        error = self.modern().call("mail__send_email", {"to": "a"}).error
        self.assertEqual(error["code"], -32602)


class Mistakes(MetaCase):
    def mistake(self, name, arguments):
        result = self.meta(name, arguments)
        self.assertTrue(result["isError"], result)
        return result["content"][0]["text"]

    def test_names_are_literal(self):
        said = self.mistake("call-tool", {"server_name": "Mail", "tool_name": "send_email"})
        self.assertIn("There is no server 'Mail'. Did you mean 'mail'", said)
        said = self.mistake("call-tool", {"server_name": "mail", "tool_name": "send_mail"})
        self.assertIn("Server 'mail' has no tool 'send_mail'. Did you mean 'send_email'", said)
        said = self.mistake("call-tool", {"server_name": "files", "tool_name": "send_email"})
        self.assertIn("has no tool", said)
        said = self.mistake("call-tool", {"server_name": "nexus", "tool_name": "list-tools"})
        self.assertIn("There is no server", said)

    def test_unknown_names_among_schemas(self):
        asked = {
            "servers": [
                {"server_name": "mail", "tool_names": ["send_email", "send_mails"]},
                {"server_name": "disk", "tool_names": ["x"]},
            ]
        }
        result = self.meta("get-input-schema-for-tools", asked)
        self.assertFalse(result.get("isError", False))
        structured = result["structuredContent"]
        self.assertEqual([t["tool_name"] for t in structured["tools"]], ["send_email"])
        self.assertEqual(structured["unknown"][0]["nearest"], ["send_email"])
        self.assertEqual(structured["unknown"][1]["server_name"], "disk")
        asked["servers"] = asked["servers"][1:]
        self.assertIn("no server 'disk'", self.mistake("get-input-schema-for-tools", asked))

    def test_missing_and_wrong_inputs(self):
        self.mistake("call-tool", {})
        self.mistake("call-tool", {"server_name": "mail"})
        self.mistake("call-tool", {"server_name": "mail", "tool_name": "send_email", "args": [1]})
        self.mistake("get-input-schema-for-tools", {})
        self.mistake("get-input-schema-for-tools", {"servers": []})
        self.mistake("search-tools", {})
        self.mistake("call-tools", {"calls": []})
        self.mistake("list-tools", {"server_name": "male"})
        self.mistake("list-tools", {"cursor": "made-up"})

    def test_arguments_are_checked_before_the_server_hears_of_them(self):
        wrong = {"to": 7, "body": "longer than ten"}
        result = self.meta(
            "call-tool", {"server_name": "mail", "tool_name": "send_email", "args": wrong}
        )
        self.assertTrue(result["isError"])
        said = result["content"][0]["text"]
        self.assertIn("Nothing was called", said)
        self.assertIn("/to: expected", said)
        self.assertIn("/body: expected", said)
        found = result["structuredContent"]
        self.assertEqual({v["path"] for v in found["violations"]}, {"/to", "/body"})
        again = self.meta(
            "call-tool",
            {"server_name": "mail", "tool_name": "send_email", "args": found["example"]},
        )
        self.assertFalse(again.get("isError", False))


class Proof(MetaCase):
    extra_config = {"exposure": "meta", "schemaProof": "enforce"}

    def test_a_skipped_phase_is_refused(self):
        call = {"server_name": "files", "tool_name": "read_file", "args": {"path": "x"}}
        refused = self.meta("call-tool", call)
        self.assertTrue(refused["isError"])
        self.assertIn("get-input-schema-for-tools", refused["content"][0]["text"])
        call["schema_version"] = self.version_of("files", "read_file")
        self.assertFalse(self.meta("call-tool", call).get("isError", False))

    def test_the_version_of_another_schema_is_refused(self):
        call = {"server_name": "mail", "tool_name": "send_email", "args": {"to": "x"}}
        call["schema_version"] = self.version_of("files", "read_file")
        refused = self.meta("call-tool", call)
        self.assertTrue(refused["isError"])
        self.assertIn("another one", refused["content"][0]["text"])

    def test_search_may_give_the_schemas_at_once(self):
        found = self.meta("search-tools", {"query": "read a file", "include_schemas": True})
        best = found["structuredContent"]["results"][0]
        self.assertEqual(best["tool_name"], "read_file")
        call = {key: best[key] for key in ("server_name", "tool_name", "schema_version")}
        self.assertFalse(
            self.meta("call-tool", {**call, "args": {"path": "p"}}).get("isError", False)
        )


class Several(MetaCase):
    def test_calls_run_together(self):
        calls = [
            {"server_name": "files", "tool_name": "read_file", "args": {"path": str(i)}}
            for i in range(8)
        ]
        calls[3]["args"] = {}
        calls[5]["tool_name"] = "reed_file"
        for client in self.each_client():
            result = client.call("call-tools", {"calls": calls}).result
            if "structuredContent" not in result:
                continue  # a revision that has none
            rows = result["structuredContent"]["results"]
            self.assertEqual(len(rows), 8)
            for i, row in enumerate(rows):
                failed = row["result"].get("isError", False)
                self.assertEqual(failed, i in (3, 5), row)
                if not failed:
                    self.assertEqual(
                        row["result"]["structuredContent"]["arguments"], {"path": str(i)}
                    )

    def test_search_finds_and_says_why(self):
        found = self.meta("search-tools", {"query": "send a message"})
        rows = found["structuredContent"]["results"]
        self.assertEqual((rows[0]["server_name"], rows[0]["tool_name"]), ("mail", "send_email"))
        self.assertTrue(rows[0]["matched"])
        only = self.meta("search-tools", {"query": "send text", "server_name": "files"})
        self.assertTrue(
            all(r["server_name"] == "files" for r in only["structuredContent"]["results"])
        )

    def test_list_by_query(self):
        told = self.meta("list-tools", {"query": "write text to a file", "limit": 1})
        servers = told["structuredContent"]["servers"]
        self.assertEqual([t["tool_name"] for s in servers for t in s["tools"]], ["write_file"])

    def test_pages(self):
        seen, cursor = [], None
        for _ in range(4):
            told = self.meta("list-tools", {"limit": 1, **({"cursor": cursor} if cursor else {})})
            structured = told["structuredContent"]
            seen += [t["tool_name"] for s in structured["servers"] for t in s["tools"]]
            cursor = structured.get("next_cursor")
        self.assertEqual(seen, ["send_email", "list.folders", "read_file", "write_file"])
        self.assertIsNone(cursor)


class Hybrid(MetaCase):
    extra_config = {"exposure": "hybrid", "pinnedTools": ["files__read*"], "hints": ["Be kind."]}

    def test_pinned_tools_stand_beside_the_meta_tools(self):
        names = [t["name"] for t in self.modern().tools()]
        self.assertEqual(names[:4], META)
        self.assertEqual(names[6:], ["files__read_file"])
        done = self.modern().call("files__read_file", {"path": "x"}).result
        self.assertEqual(done["structuredContent"]["tool"], "read_file")
        done = self.meta("call-tool", {"server_name": "files", "tool_name": "write_file",
                                       "args": {"path": "y"}})
        self.assertEqual(done["structuredContent"]["tool"], "write_file")

    def test_configured_hints(self):
        self.assertIn("Be kind.", self.meta("list-tools", {})["content"][0]["text"])


class Automatic(MetaCase):
    extra_config = {"exposure": "auto", "exposureThreshold": 4}

    def test_few_tools_are_shown_as_they_are(self):
        self.assertEqual(len(self.modern().tools()), 4)

    def test_more_are_not(self):
        self.gateway.write_config(self.servers(), config={**self.extra_config,
                                                          "exposureThreshold": 3})
        self.gateway.reload()
        eventually(
            lambda: [t["name"] for t in self.modern().tools()][:4] == META,
            what="the meta-tools after a reload",
        )


class Checked(MetaCase):
    extra_config = {"checkArguments": "all"}

    def test_direct_calls_are_checked_where_that_is_wanted(self):
        for path, name in (("/mcp", "mail__send_email"), ("/s/mail/mcp", "send_email")):
            wrong = self.modern(path).call(name, {"body": "x"}).result
            self.assertTrue(wrong["isError"])
            self.assertIn("Nothing was called", wrong["content"][0]["text"])
            right = self.modern(path).call(name, {"to": "x"}).result
            self.assertFalse(right.get("isError", False))


class Api(MetaCase):
    def found(self, query, **more):
        asked = urllib.parse.urlencode({"q": query, **more})
        answer = self.gateway.get("/api/v1/tools/search?" + asked)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()["results"]

    def test_search(self):
        rows = self.found("e-mail to somebody")
        self.assertEqual((rows[0]["server"], rows[0]["tool"]), ("mail", "send_email"))
        self.assertNotIn("inputSchema", rows[0])
        self.assertEqual(len(self.found("file", limit=1)), 1)
        self.assertTrue(all(r["server"] == "files" for r in self.found("text", server="files")))
        best = self.found("send", schema="true")[0]
        self.assertEqual(best["inputSchema"], MAIL[0]["inputSchema"])

    def test_wrong_queries(self):
        for target, status in (
            ("/api/v1/tools/search", 400),
            ("/api/v1/tools/search?q=", 400),
            ("/api/v1/tools/search?q=x&limit=0", 400),
            ("/api/v1/tools/search?q=x&limit=many", 400),
            ("/api/v1/tools/search?q=x&server=none", 404),
            ("/api/v1/nothing", 404),
        ):
            answer = self.gateway.get(target)
            self.assertEqual(answer.status, status, target)
            self.assertIn("error", answer.json())


@unittest.skipUnless(real_files(), f"SKIPPED: no real catalogues in {REAL} (NEXUS_CATALOGUES_DIR)")
class RealCatalogues(MetaCase):
    """The article's case: two servers, 210 tools; and the whole fleet of 550."""

    @classmethod
    def servers(cls):
        files = real_files()
        wanted = ("google-workspace", "tools-for-mcp-server")
        return {name: server(files[name]) for name in wanted}

    def test_one_server_is_asked_by_its_name(self):
        question = {"query": "list the events of my calendar"}
        for name in ("google-workspace", "tools-for-mcp-server"):
            asked = {**question, "server_name": name, "include_schemas": True}
            best = self.meta("search-tools", asked)["structuredContent"]["results"][0]
            self.assertEqual(best["server_name"], name)
            self.assertIn("schema_version", best)

    def test_every_tool_can_be_called_through_call_tool(self):
        listed, cursor = [], None
        while True:
            page = self.meta("list-tools", {"cursor": cursor} if cursor else {})
            told = page["structuredContent"]
            listed += [(s["server_name"], t["tool_name"]) for s in told["servers"]
                       for t in s["tools"]]
            cursor = told.get("next_cursor")
            if cursor is None:
                break
        self.assertEqual(len(listed), 210)
        client = self.modern()
        refused = 0
        for server_name, tool_name in listed:
            result = client.call("call-tool", {"server_name": server_name, "tool_name": tool_name})
            if result.result.get("isError"):
                example = result.result["structuredContent"].get("example")
                self.assertIsNotNone(example, result.text)
                again = client.call("call-tool", {"server_name": server_name,
                                                  "tool_name": tool_name, "args": example})
                self.assertFalse(again.result.get("isError", False), again.text)
                refused += 1
            else:
                self.assertEqual(result.result["structuredContent"]["tool"], tool_name)
        self.assertGreater(refused, 50)


if __name__ == "__main__":
    unittest.main()
