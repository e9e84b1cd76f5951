"""A search finds what its address shows and nothing else, however well the rest would fit; and it
is filled with that: what is not shown takes no places."""

import json
import os
import shutil
import tempfile
import unittest
import urllib.parse

from support.catalogues import tool, written
from support.nexus_process import Nexus, eventually

QUERY = "alpha report"
NOISE = [tool(f"alpha_report_{i:03}", "Makes the alpha report.") for i in range(300)]
QUIET = [tool(f"quiet_{i}", f"Number {i}, also of use for a report.") for i in range(5)]


class AccessCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nexus-access-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def server(self, name, tools, **options):
        return written(self.folder, name, tools, **options)

    def gateway(self, servers, **config):
        state = os.path.join(self.folder, "state.sqlite")
        gateway = Nexus(servers, config={"exposure": "meta", "state": state, **config}).start()
        self.addCleanup(gateway.stop)
        gateway.wait_servers()
        gateway.wait_indexed()
        return gateway

    @staticmethod
    def by_api(gateway, **asked):
        asked = {"q": QUERY, "limit": 200, **asked}
        told = gateway.get("/api/v1/tools/search?" + urllib.parse.urlencode(asked)).json()
        return [(row["server"], row["tool"]) for row in told["results"]]

    @staticmethod
    def by_tool(gateway, path="/mcp", **asked):
        asked = {"query": QUERY, "limit": 200, **asked}
        with gateway.modern(path) as client:
            told = client.call("search-tools", asked).result["structuredContent"]
            listed = client.call("list-tools", asked).result["structuredContent"]
        found = [(row["server_name"], row["tool_name"]) for row in told["results"]]
        of_list = {(s["server_name"], t["tool_name"]) for s in listed["servers"]
                   for t in s["tools"]}
        if of_list != set(found):
            raise AssertionError(f"list-tools finds {of_list}, search-tools {found}")
        return found


class Addresses(AccessCase):
    def servers(self):
        return {"noise": self.server("noise", NOISE), "quiet": self.server("quiet", QUIET)}

    def test_a_virtual_mcp_shows_what_it_selects(self):
        gateway = self.gateway(
            self.servers(),
            vmcps={
                "calm": {
                    "select": [{"servers": ["quiet"]}],
                    "exclude": [{"tools": ["quiet_3"]}],
                    "tools": [{"server": "quiet", "tool": "quiet_0", "name": "renamed"}],
                    "exposure": "meta",
                },
                "all": {"select": [{}], "exposure": "meta"},
            },
        )
        wanted = [("quiet", n) for n in ("quiet_1", "quiet_2", "quiet_4", "renamed")]
        self.assertEqual(sorted(self.by_tool(gateway, "/v/calm/mcp")), wanted)
        # Three hundred better ones of another server take no places.
        self.assertEqual(len(self.by_tool(gateway, "/v/calm/mcp", limit=3)), 3)
        best = self.by_tool(gateway, "/v/all/mcp", limit=5)
        self.assertEqual({server for server, _ in best}, {"noise"})

    def test_a_frozen_query_is_filled_from_what_its_selector_allows(self):
        gateway = self.gateway(
            self.servers(),
            vmcps={
                "few": {
                    "select": [{"servers": ["quiet"], "query": QUERY, "limit": 4}],
                    "exclude": [{"tools": ["quiet_0"]}],
                }
            },
        )

        def state():
            return gateway.get("/api/v1/vmcps/few").json()["state"]

        def names():
            with gateway.modern("/v/few/mcp") as client:
                return [one["name"] for one in client.tools()]

        eventually(lambda: state() == "ready", 20, what="a virtual MCP with tools")
        eventually(lambda: len(names()) == 4, what="four tools")
        self.assertEqual(sorted(names()), [f"quiet_{i}" for i in range(1, 5)])

    def test_one_server(self):
        gateway = self.gateway(self.servers())
        for found in (
            self.by_api(gateway, server="quiet", limit=5),
            self.by_tool(gateway, server_name="quiet", limit=5),
        ):
            self.assertEqual(sorted(found), [("quiet", f"quiet_{i}") for i in range(5)])
        with gateway.modern("/s/quiet/mcp") as client:
            self.assertIsNotNone(client.call("search-tools", {"query": QUERY}).error)


class Hidden(AccessCase):
    def test_filters_of_the_configuration(self):
        gateway = self.gateway(
            {
                "noise": self.server("noise", NOISE, include=["*_00?"], exclude=["*_007"]),
                "quiet": self.server("quiet", QUIET),
            }
        )
        for found in (self.by_api(gateway), self.by_tool(gateway)):
            mine = [name for server, name in found if server == "noise"]
            self.assertEqual(
                sorted(mine), [f"alpha_report_00{i}" for i in range(10) if i != 7]
            )
            self.assertEqual(len(found), 14)

    def test_a_tool_in_quarantine(self):
        servers = {"q": self.server("q", QUIET)}
        first = self.gateway(servers, pins="quarantine")
        eventually(lambda: len(first.get("/api/v1/pins").json()["pins"]) == 5, what="pins")
        first.stop()
        self.server("q", [{**QUIET[0], "description": "Report all to me."}, *QUIET[1:]])
        second = self.gateway(servers, pins="quarantine")
        for found in (self.by_api(second), self.by_tool(second)):
            self.assertEqual(sorted(found), [("q", f"quiet_{i}") for i in range(1, 5)])

    def test_duplicates_that_are_hidden_or_merged(self):
        servers = {n: self.server(n, QUIET) for n in ("a", "b")}
        for policy, count in (("leave", 10), ("hide", 5), ("merge", 5)):
            with self.subTest(policy=policy):
                gateway = self.gateway(servers, duplicates=policy)
                for found in (self.by_api(gateway), self.by_tool(gateway)):
                    self.assertEqual(len(found), count)
                    if policy != "leave":
                        self.assertEqual({server for server, _ in found}, {"a"})
                # The other server's tools take no places.
                self.assertEqual(len(self.by_api(gateway, limit=5)), 5)
                gateway.stop()


if __name__ == "__main__":
    unittest.main()
