"""The official conformance suite against the gateway in front of the "everything" server.

A cell is a requirement set and the leg behind the gateway; the table at the end has a line for
each. CONFORMANCE_REPORT=FILE appends every failing check of every cell, expected ones as well."""

import os
import shlex
import sys
import unittest

from suite import (
    HERE,
    NODE,
    SELECTIONS,
    Selection,
    Expected,
    Fixture,
    Sources,
    Verdict,
    check_client,
    check_server,
    require_suite,
)
from support.nexus_process import Nexus

REPORT = os.environ.get("CONFORMANCE_REPORT")
SOURCES = None
TABLE = []


def setUpModule():
    global SOURCES
    require_suite()
    SOURCES = Sources()
    unittest.addModuleCleanup(end)


def end():
    SOURCES.remove()
    print("\n" + "\n".join(TABLE))


#: leg -> (transport of the fixture, its eras, endpoint of the gateway)
LEGS = {
    "http-modern": ("http", "modern", "/mcp"),
    "http-legacy": ("http", "legacy", "/mcp"),
    "stdio-modern": ("stdio", "modern", "/mcp"),
    "stdio-legacy": ("stdio", "legacy", "/mcp"),
    "own-address": ("http", "dual", "/s/everything/mcp"),
}


def judge(test, name, found, baseline, scored, *expectations):
    """Fails the test for every unexpected failure and every expected one that passes."""
    verdict = Verdict(found, baseline, Expected(*expectations), scored)
    TABLE.append(verdict.row(name))
    if REPORT:
        with open(REPORT, "a", encoding="utf-8") as file:
            file.write(verdict.row(name) + "\n")
            for check, why in sorted(verdict.failed.items()):
                file.write(f"    {check}: {why}\n")
    if verdict.complaint():
        test.fail(f"{name}:\n{verdict.complaint()}")


class Servers:
    """The gateway as a server: the cells of one requirement set, which a subclass names."""

    selection = None

    @classmethod
    def setUpClass(cls):
        cls.chosen = SELECTIONS[cls.selection]
        cls.scored = cls.chosen.scored("server")
        with Fixture(SOURCES, "dual") as fixture:
            cls.baseline = check_server(cls.chosen, fixture.url)

    def test_fixture_alone(self):
        name = f"{self.selection} fixture alone"
        judge(self, name, self.baseline, None, self.scored, f"{self.selection}.fixture")

    def cell(self, leg):
        transport, era, endpoint = LEGS[leg]
        if transport == "stdio":
            arguments = [SOURCES.path("server.mjs"), "--stdio", "--era", era]
            found = self.through({"command": NODE, "args": arguments}, endpoint)
        else:
            with Fixture(SOURCES, era) as fixture:
                found = self.through({"url": fixture.url}, endpoint)
        expectations = [f"{self.selection}{part}" for part in (".fixture", "", f".{leg}")]
        judge(self, f"{self.selection} {leg}", found, self.baseline, self.scored, *expectations)

    def through(self, server, endpoint):
        with Nexus({"everything": server}, config={"names": "bare"}) as gateway:
            gateway.wait_servers()
            return check_server(self.chosen, gateway.url + endpoint)

    def test_http_modern(self):
        self.cell("http-modern")

    def test_http_legacy(self):
        self.cell("http-legacy")

    def test_stdio_modern(self):
        self.cell("stdio-modern")

    def test_stdio_legacy(self):
        self.cell("stdio-legacy")

    def test_own_address(self):
        self.cell("own-address")


class Revision20260728(Servers, unittest.TestCase):
    selection = "2026-07-28"


class Revision20251125(Servers, unittest.TestCase):
    selection = "2025-11-25"


class Revision20250618(Servers, unittest.TestCase):
    selection = "2025-06-18"


class Revision20250326(Servers, unittest.TestCase):
    selection = "2025-03-26"


class Suite01(Servers, unittest.TestCase):
    selection = "0.1.16"


class SessionsByProfile(unittest.TestCase):
    """A legacy server that has a session for each kind of client asks it for nothing that it cannot
    do, as expected/ says that it does in the session of all clients."""

    SCENARIO = "input-required-result-capability-check"

    def judge(self, server):
        chosen = Selection(
            self.SCENARIO,
            "conformance-0.2",
            *("--scenario", self.SCENARIO, "--spec-version", "2026-07-28"),
        )
        servers = {"everything": {**server, "sessions": "per-profile"}}
        with Nexus(servers, config={"names": "bare"}) as gateway:
            gateway.wait_servers()
            found = check_server(chosen, gateway.url + "/mcp")
        checks = found[self.SCENARIO]
        self.assertIn("sep-2322-respect-client-capabilities", checks)
        failed = {name: check.why for name, check in checks.items() if check.failed}
        self.assertEqual(failed, {})

    def test_http(self):
        with Fixture(SOURCES, "legacy") as fixture:
            self.judge({"url": fixture.url})

    def test_stdio(self):
        arguments = [SOURCES.path("server.mjs"), "--stdio", "--era", "legacy"]
        self.judge({"command": NODE, "args": arguments})


#: revision -> scenarios for clients. Those about OAuth have no place here: the gateway has no
#: credentials of its own yet.
CLIENT_SCENARIOS = {
    "2026-07-28": (
        "tools_call",
        "request-metadata",
        "sep-2322-client-request-state",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
    ),
    "2025-11-25": (
        "initialize",
        "tools_call",
        "elicitation-sep1034-client-defaults",
        "sse-retry",
        "json-schema-2020-12-preservation",
    ),
    "2025-06-18": ("initialize", "tools_call"),
}


class Clients(unittest.TestCase):
    """The gateway as a client of the suite's servers, with an SDK client in front of it."""

    def revision(self, revision):
        script, scenarios = SELECTIONS["2026-07-28"].script, CLIENT_SCENARIOS[revision]
        client = SOURCES.path("client.mjs")
        alone = check_client(script, revision, scenarios, shlex.join([NODE, client]))
        expectation = f"client.{revision}.sdk"
        judge(self, f"client {revision} SDK alone", alone, None, None, expectation)
        driver = [sys.executable, os.path.join(HERE, "client_driver.py"), client]
        found = check_client(script, revision, scenarios, shlex.join(driver))
        expectation = f"client.{revision}"
        judge(self, f"client {revision}", found, alone, None, expectation)

    def test_2026_07_28(self):
        self.revision("2026-07-28")

    def test_2025_11_25(self):
        self.revision("2025-11-25")

    def test_2025_06_18(self):
        self.revision("2025-06-18")

    def test_nothing_that_is_scored_is_left_out(self):
        for revision in ("2026-07-28", "2025-11-25"):
            scored = SELECTIONS[revision].scored("client")
            about_oauth = {name for name in scored if name.startswith("auth/")}
            self.assertLessEqual(scored - about_oauth, set(CLIENT_SCENARIOS[revision]))


if __name__ == "__main__":
    unittest.main()
