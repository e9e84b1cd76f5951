"""Extensions that only clients and servers know: declarations and types of results pass for those
that the configuration names, and for no others."""

import json
import os
import tempfile

from support.cases import GatewayCase
from support.mcp_client import META
from support.nexus_process import HttpFixture, Nexus, json_lines, stdio_server

KNOWN, OTHER, SECRET = "com.example/pictures", "com.example/sounds", "com.example/secret"
UI = "io.modelcontextprotocol/ui"
PICTURES = {"formats": ["png", "svg"], "deep": {"n": 1.50}}


def declared(**more):
    return {KNOWN: PICTURES, SECRET: {"x": 1}, **more}


class Extensions(GatewayCase):
    """A legacy and a modern server over either transport; all declare what is not to pass too."""

    KINDS = ("pipe", "pipemodern", "web", "webmodern")
    extra_config = {"extensions": [KNOWN, OTHER]}

    @classmethod
    def servers(cls):
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        cls.logs = {kind: os.path.join(folder, kind) for kind in cls.KINDS}

        def options(kind, extensions):
            era = "modern" if kind.endswith("modern") else "legacy"
            own = ("--era", era, "--name", kind, "--log", cls.logs[kind])
            return (*own, "--extensions", json.dumps(extensions))

        web = HttpFixture(*options("web", {SECRET: {}, UI: {}}))
        modern = HttpFixture(*options("webmodern", declared(**{OTHER: {"rate": 1}})))
        for fixture in (web, modern):
            cls.addClassCleanup(fixture.stop)
        return {
            "pipe": stdio_server(*options("pipe", declared())),
            "pipemodern": stdio_server(*options("pipemodern", {KNOWN: {"later": True}})),
            "web": web.config(),
            "webmodern": modern.config(),
        }

    def told(self, kind, method):
        """What the server heard of the client's extensions with the first request of a method."""
        for row in json_lines(self.logs[kind]):
            message = row.get("in")
            if isinstance(message, dict) and message.get("method") == method:
                params = message["params"]
                if method == "initialize":
                    return params["capabilities"].get("extensions")
                return params["_meta"][META + "clientCapabilities"].get("extensions")
        self.fail(f"{kind} never got {method}")

    def test_clients_see_what_servers_declare(self):
        union = {KNOWN: PICTURES, OTHER: {"rate": 1}, UI: {}}
        discovered = self.modern().request("server/discover").result["capabilities"]
        self.assertEqual(discovered["extensions"], union)
        self.assertEqual(self.legacy().server["capabilities"]["extensions"], union)

    def test_the_address_of_one_server_shows_its_own(self):
        cases = {
            "pipe": {KNOWN: PICTURES},
            "pipemodern": {KNOWN: {"later": True}},
            "web": {UI: {}},
            "webmodern": {KNOWN: PICTURES, OTHER: {"rate": 1}},
        }
        for kind, expected in cases.items():
            with self.subTest(server=kind):
                client = self.modern(f"/s/{kind}/mcp")
                self.addCleanup(client.close)
                found = client.request("server/discover").result["capabilities"]
                self.assertEqual(found["extensions"], expected)

    def test_a_declaration_that_is_too_large_is_left_out(self):
        told = {KNOWN: {"x": "y" * 9000}, OTHER: {}}
        entry = stdio_server("--extensions", json.dumps(told))
        with Nexus({"a": entry}, config=self.extra_config) as gateway:
            gateway.wait_servers()
            with gateway.modern() as client:
                found = client.request("server/discover").result["capabilities"]["extensions"]
            self.assertEqual(found, {OTHER: {}})
            gateway.wait_log(f"extension_left_out.*{KNOWN}")

    def test_servers_see_what_the_client_of_a_call_declares(self):
        mine = {KNOWN: {"mine": [1, 2]}, SECRET: {}}
        for make in (self.legacy, self.modern):
            if make is self.legacy:
                client, more = self.legacy(capabilities={"extensions": mine}), {}
            else:
                client, more = self.modern(), {"capabilities": {"extensions": mine}}
            self.addCleanup(client.close)
            for kind in ("pipemodern", "webmodern"):
                with self.subTest(server=kind, client=type(client).__name__):
                    answer = client.call(f"{kind}__received", {}, **more)
                    meta = json.loads(answer.text)["params"]["_meta"]
                    heard = meta[META + "clientCapabilities"]
                    self.assertEqual(heard, {"extensions": {KNOWN: {"mine": [1, 2]}}})

    def test_a_session_of_all_clients_declares_every_one(self):
        for kind in ("pipe", "web"):
            with self.subTest(server=kind):
                heard = self.told(kind, "initialize")
                self.assertEqual((heard[KNOWN], heard[OTHER]), ({}, {}))
                self.assertIn(UI, heard)
                self.assertNotIn(SECRET, heard)

    def test_results_of_unknown_types_reach_who_declared_an_extension(self):
        result = {"resultType": "picture", "pixels": [1, 2]}
        client = self.modern()
        self.addCleanup(client.close)
        for kind in ("pipemodern", "webmodern"):
            with self.subTest(server=kind):
                name, arguments = f"{kind}__typed", {"result": result}
                able = {"extensions": {KNOWN: {}}}
                found = client.call(name, arguments, capabilities=able).result
                self.assertEqual((found["resultType"], found["pixels"]), ("picture", [1, 2]))
                for unable in ({}, {"extensions": {UI: {}}}, {"extensions": {SECRET: {}}}):
                    failure = client.call(name, arguments, capabilities=unable).error
                    self.assertEqual(failure["code"], -32603)
                    self.assertIn("picture", json.dumps(failure))
