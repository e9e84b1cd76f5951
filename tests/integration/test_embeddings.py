"""Searches that ask a model beside their own ranker: found by meaning, and never late for it."""

import json
import os
import shutil
import tempfile
import time
import unittest
import urllib.parse

from support.embedding_provider import Provider
from support.nexus_process import Nexus, eventually, run_cli, stdio_server, within

ANY = {"type": "object", "properties": {"where": {"type": "string"}}}


def tool(name, description):
    return {"name": name, "description": description, "inputSchema": ANY}


RENT = tool("rent_car", "Rents a car.")
SKY = tool("sky_report", "Says whether there will be rain.")
PAY = tool("pay_invoice", "Pays an invoice.")
SECRET = tool("secret_vehicle", "A vehicle that nobody may see.")


class EmbeddingsCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nexus-embeddings-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.provider = Provider()
        self.addCleanup(self.provider.stop)

    def written(self, name, tools):
        path = os.path.join(self.folder, name + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(tools, file)
        return path

    def server(self, name, tools, **config):
        return stdio_server("--bare", "--tools-file", self.written(name, tools), **config)

    def servers(self):
        return {
            "road": self.server("road", [RENT, SECRET], exclude=["secret_*"]),
            "office": self.server("office", [SKY, PAY]),
        }

    def gateway(self, servers=None, provider=None, workers=2, **config):
        asked = self.provider.config() if provider is None else provider
        gateway = Nexus(
            servers or self.servers(), config={"embeddings": asked, **config}, workers=workers
        ).start()
        self.addCleanup(gateway.stop)
        gateway.wait_servers()
        gateway.wait_indexed()
        return gateway

    def search(self, gateway, query, **more):
        asked = urllib.parse.urlencode({"q": query, **more})
        return gateway.get("/api/v1/tools/search?" + asked).json()

    def read(self, gateway):
        """Waits until the model has read the tools."""
        eventually(
            lambda: "degraded" not in self.search(gateway, f"q {time.monotonic()}"),
            what="the tools to be embedded",
        )
        return gateway

    def found(self, gateway, query, **more):
        return [row["tool"] for row in self.search(gateway, query, **more)["results"]]


class Meanings(EmbeddingsCase):
    def test_a_tool_is_found_by_what_it_means(self):
        gateway = self.read(self.gateway())
        # No word of these is in any tool.
        for query, best in (("automobile", "rent_car"), ("umbrella", "sky_report")):
            told = self.search(gateway, query)["results"]
            self.assertEqual(told[0]["tool"], best)
            self.assertEqual(told[0]["matched"], [])
            self.assertGreater(told[0]["likeness"], 0.8)
            self.assertGreaterEqual(told[0]["score"], told[-1]["score"])
        without = Nexus(self.servers()).start()
        self.addCleanup(without.stop)
        without.wait_servers()
        without.wait_indexed()
        told = self.search(without, "umbrella")
        self.assertNotIn("degraded", told)
        self.assertEqual([row for row in told["results"] if row["matched"]], [])

    def test_what_the_provider_is_asked(self):
        gateway = self.gateway(
            workers=1, # each keeps its own queries
            provider=self.provider.config(
                headers={"Authorization": "Bearer ${env:KEY_OF_TEST:-k3y}"},
                dimensions=16,
                queryPrefix="query: ",
                documentPrefix="passage: ",
            )
        )
        self.read(gateway)
        self.found(gateway, "automobile")
        self.found(gateway, "automobile")
        path, fields, asked = self.provider.requests[0]
        self.assertEqual((path, fields["Authorization"]), ("/v1/embeddings", "Bearer k3y"))
        self.assertEqual((asked["model"], asked["dimensions"]), ("meanings-1", 16))
        texts = self.provider.texts()
        self.assertEqual(texts.count("query: automobile"), 1, "it is kept")
        self.assertIn(
            "passage: server: road\ntool: rent_car\nRents a car.\nparams: where", texts
        )
        self.assertFalse([text for text in texts if "secret" in text])

    def test_only_what_changed_is_read_again(self):
        servers = self.servers()
        gateway = self.read(self.gateway(servers))
        self.assertEqual(len([t for t in self.provider.texts() if "tool: " in t]), 3)
        servers["office"] = self.server("office2", [SKY, {**PAY, "description": "Pays a bill."}])
        gateway.write_config(servers, config={"embeddings": self.provider.config()})
        gateway.reload()
        eventually(
            lambda: [t for t in self.provider.texts() if "Pays a bill." in t], what="a new text"
        )
        self.assertEqual(len([t for t in self.provider.texts() if "tool: " in t]), 4)
        eventually(lambda: self.found(gateway, "money")[0] == "pay_invoice", what="it by meaning")

    def test_the_meta_tools_ask_too(self):
        gateway = self.read(self.gateway(exposure="meta"))
        for client in (gateway.modern(), gateway.legacy()):
            with client:
                told = client.call("search-tools", {"query": "automobile please"}).result
                best = told["structuredContent"]["results"][0]
                self.assertEqual(best["tool_name"], "rent_car")
                self.assertGreater(best["likeness"], 0.5)
                listed = client.call("list-tools", {"query": "umbrella thing", "limit": 1}).text
                self.assertIn("sky_report", listed)

    def test_what_an_address_does_not_show_is_not_looked_at(self):
        gateway = self.read(
            self.gateway(
                exposure="meta",
                vmcps={"desk": {"select": [{"servers": ["office"]}], "exposure": "meta"}},
            )
        )
        self.assertEqual(
            sorted(self.found(gateway, "automobile", server="office")),
            ["pay_invoice", "sky_report"],
        )
        self.assertNotIn("secret_vehicle", self.found(gateway, "vehicle", limit=50))
        with gateway.modern("/v/desk/mcp") as client:
            told = client.call("search-tools", {"query": "vehicle", "limit": 50}).result
            rows = told["structuredContent"]["results"]
            self.assertEqual({row["server_name"] for row in rows}, {"office"})
            self.assertNotIn("degraded", told["structuredContent"])


class Failures(EmbeddingsCase):
    def test_a_late_provider_is_not_waited_for(self):
        asked = self.provider.config(deadline="100ms")
        gateway = self.read(self.gateway(provider=asked, workers=1))
        self.provider.delay = 5
        began = time.monotonic()
        told = self.search(gateway, "rent something")
        self.assertLess(time.monotonic() - began, within(2))
        self.assertEqual(told["results"][0]["tool"], "rent_car")
        self.assertIn("no answer within 100 ms", told["degraded"])
        # It is left alone for a while, so the next search does not wait at all.
        asked = len(self.provider.requests)
        self.assertIn("degraded", self.search(gateway, "pay something"))
        self.assertEqual(len(self.provider.requests), asked)
        self.assertIn(b"nexus_gateway_degraded_searches_total", gateway.get("/metrics").body)
        shown = run_cli("tools", "rent it", "-a", "{}:{}".format(*gateway.address))
        self.assertIn("by words alone", shown.stdout + shown.stderr)

    def test_a_provider_that_is_not_there_delays_nothing(self):
        port = self.provider.port
        self.provider.stop()
        gateway = self.gateway()
        told = self.search(gateway, "rent")
        self.assertEqual(told["results"][0]["tool"], "rent_car")
        self.assertIn("has not read the tools", told["degraded"])
        gateway.wait_log("embeddings_failed")
        self.provider = Provider(port)
        self.addCleanup(self.provider.stop)
        self.read(gateway)
        self.assertEqual(self.found(gateway, "automobile")[0], "rent_car")

    def test_wrong_answers_are_none(self):
        gateway = self.read(self.gateway())
        for number, (status, body) in enumerate(
            (
                (500, b'{"error":{"message":"down"}}'),
                (200, b"{}"),
                (200, b'{"data":[{"index":7,"embedding":[1,2]}]}'),
                (200, b'{"data":[{"index":0,"embedding":[]}]}'),
                (200, b'{"data":[{"index":0,"embedding":[0,0]}]}'),
                (200, b'{"data":[{"index":0,"embedding":["1"]}]}'),
                (200, b"not json"),
            )
        ):
            with self.subTest(body=body):
                self.provider.status, self.provider.body = status, body
                told = self.search(gateway, f"rent a thing {number}")
                self.assertIn("degraded", told)
                self.assertEqual(told["results"][0]["tool"], "rent_car")

    def test_another_length_is_not_compared(self):
        gateway = self.read(self.gateway())
        self.provider.body = b'{"data":[{"index":0,"embedding":[1,2]}]}'
        told = self.search(gateway, "rent a short one")
        self.assertEqual(told["results"][0]["tool"], "rent_car")
        self.assertNotIn("likeness", told["results"][0])

    def test_check_finds_mistakes(self):
        for given, said in (
            ({"model": "m"}, "url"),
            ({"url": "http://127.0.0.1:1/v1"}, '"model"'),
            ({"url": "ftp://x/", "model": "m"}, "http://"),
            ({"url": "http://127.0.0.1:1", "model": "m", "weight": 2}, "0 to 1"),
            ({"url": "http://127.0.0.1:1", "model": "m", "dimension": 2}, "dimensions"),
            ({"url": "http://127.0.0.1:1", "model": "m", "deadline": "1h"}, "deadline"),
        ):
            with self.subTest(given=given):
                path = os.path.join(self.folder, "nexus.json")
                with open(path, "w", encoding="utf-8") as file:
                    json.dump({"mcpServers": {}, "embeddings": given}, file)
                told = run_cli("check", "-c", path)
                self.assertIn(said, told.stdout + told.stderr)


if __name__ == "__main__":
    unittest.main()
