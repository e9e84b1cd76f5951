"""The case that the four phases are for: two servers, 210 tools, a question that both could answer,
and a user who names one of them. Walked by the official TypeScript SDK, over HTTP and stdio; and
the inputs of the extension that had these tools first, given to both where it is installed."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from support.catalogues import tool, written
from support.fleet import FLEET_DIR, HERE, MODULES, NODE, require_fleet
from support.mcp_client import StdioClient
from support.nexus_process import Nexus, binary, stdio_gateway

QUESTION = "make a PDF report out of a Markdown document"
#: The program whose tools have the same names: its nexus-mcp.js, where somebody has installed it.
ORIGINAL = os.environ.get(
    "NEXUS_ORIGINAL", os.path.join(FLEET_DIR, "original", "mcp-server", "src", "nexus-mcp.js")
)
META = ["call-tool", "get-input-schema-for-tools", "get-server-information", "list-tools"]


def setUpModule():
    require_fleet()


def catalogue(prefix, topics, verbs):
    return [
        tool(f"{prefix}.{topic}.{verb}", f"{verb.capitalize()} {topic} of {prefix}.")
        for topic in topics
        for verb in verbs
    ]


def report_tool(name, description):
    return tool(name, description, {"title": {"type": "string"}}, ["title"])


DRIVE = catalogue(
    "workspace",
    ("documents", "sheets", "slides", "calendars", "messages", "contacts", "folders"),
    ("create", "read", "update", "delete", "share", "copy", "list"),
) + [report_tool("documents.exportPdf", "Makes a PDF report out of a Markdown document.")]
SCRIPTS = catalogue(
    "automation",
    ("triggers", "forms", "charts", "images", "videos", "maps", "mails", "tasks", "surveys",
     "classrooms", "properties", "caches", "locks"),
    ("create", "read", "update", "delete", "share", "copy", "list", "search", "move", "rename",
     "archive", "restore"),
) + [
    report_tool("generate_pdf_report", "Makes a PDF report out of Markdown text."),
    tool("explain", "Explains a script."),
    tool("run", "Runs a script."),
    tool("publish", "Publishes a script."),
]


class Phases(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = os.path.realpath(tempfile.mkdtemp(prefix="nexus-phases-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.servers = {
            "workspace": written(cls.folder, "workspace", DRIVE),
            "automation": written(cls.folder, "automation", SCRIPTS),
        }
        cls.config = os.path.join(cls.folder, "servers.json")
        with open(cls.config, "w", encoding="utf-8") as file:
            json.dump({"mcpServers": cls.servers, "schemaProof": "enforce"}, file)

    def walk(self, server, *address):
        shutil.copy(
            os.path.join(HERE, "npm", "phases.mjs"), os.path.join(FLEET_DIR, "npm", "phases.mjs")
        )
        done = subprocess.run(
            [NODE, "phases.mjs", QUESTION, server, *address],
            cwd=os.path.join(FLEET_DIR, "npm"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    def check(self, report, server, expected):
        self.assertEqual(sorted(report["tools"]), sorted([*META, "search-tools", "call-tools"]))
        self.assertIn("get-input-schema-for-tools", report["instructions"])
        self.assertGreaterEqual(report["total"], 206)
        self.assertEqual(dict(report["inventory"]), {"workspace": 50, "automation": 160})
        # Both could answer, and both are found before anything else.
        self.assertEqual(
            sorted(report["found"][:2]),
            [["automation", "generate_pdf_report"], ["workspace", "documents.exportPdf"]],
        )
        self.assertEqual(report["schema"]["tool_name"], expected)
        skipped, invented, elsewhere, unknown, unfit, stale = report["refused"]
        for refused in report["refused"]:
            self.assertTrue(refused[0], refused)
        self.assertIn("get-input-schema-for-tools", skipped[1])
        self.assertIn(f"Did you mean '{expected}'", invented[1])
        self.assertIn(f"Did you mean '{server}'", elsewhere[1])
        self.assertIn("has no tool 'none'", unknown[1])
        self.assertIn("/title: expected", unfit[1])
        self.assertIn("schema_version", stale[1])
        self.assertEqual(report["done"], {"tool": expected, "arguments": {"title": "report"}})
        self.assertEqual(report["several"], [False, True])
        self.assertEqual(
            set(report["checked"]), {"list-tools", "get-server-information", "search-tools",
                                     "get-input-schema-for-tools", "call-tools"}
        )

    def test_over_http(self):
        config = {"exposure": "meta", "schemaProof": "enforce"}
        with Nexus(self.servers, config=config) as gateway:
            gateway.wait_servers()
            gateway.wait_indexed()
            url = f"{gateway.url}/mcp"
            self.check(self.walk("workspace", url), "workspace", "documents.exportPdf")
            self.check(self.walk("automation", url), "automation", "generate_pdf_report")

    def test_over_stdio(self):
        report = self.walk("workspace", binary(), "stdio", "-c", self.config)
        self.check(report, "workspace", "documents.exportPdf")


class Original(unittest.TestCase):
    """What the extension takes and gives, beside ours: the same inputs, no less in the answers."""

    SERVER = re.compile(r"^Server name: (\S+) \(v([^)]*)\).*?Total tools: (\d+)", re.M)
    ENTRY = re.compile(r"^- \[TOOL_ID: (\S+)\] \| DESC: (.*)$", re.M)
    OWNER = re.compile(r"^\[SERVER_ID: (\S+)\] \(Version: v(.*)\)", re.M)
    SCHEMA = re.compile(
        r"^# Server name: (\S+), Tool name: (\S+?)(?: \(.*\))?\n````json\n(.*)\n````", re.M
    )

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(ORIGINAL):
            raise unittest.SkipTest(
                f"the extension with the same tools is not installed; {ORIGINAL} is not there "
                "(NEXUS_ORIGINAL may name its nexus-mcp.js)"
            )
        cls.folder = os.path.realpath(tempfile.mkdtemp(prefix="nexus-original-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        servers = {
            "workspace": written(cls.folder, "workspace", DRIVE),
            "automation": written(cls.folder, "automation", SCRIPTS),
        }
        cls.config = os.path.join(cls.folder, "servers.json")
        with open(cls.config, "w", encoding="utf-8") as file:
            json.dump({"mcpServers": servers}, file)
        theirs = StdioClient([NODE, ORIGINAL], env={**os.environ, "MCP_SERVER_LIST": cls.config})
        cls.addClassCleanup(theirs.kill)
        ours = stdio_gateway(None, env={"MCP_SERVER_LIST": cls.config})
        cls.addClassCleanup(ours.kill)
        cls.both = {"theirs": theirs, "ours": ours}
        for client in cls.both.values():
            client.initialize()

    def texts(self, name, arguments=None):
        return {who: c.call(name, arguments or {}).text for who, c in self.both.items()}

    def test_names_and_inputs(self):
        tools = {who: {t["name"]: t for t in c.tools()} for who, c in self.both.items()}
        self.assertEqual(sorted(tools["theirs"]), META)
        for name, their in tools["theirs"].items():
            our = tools["ours"][name]["inputSchema"]
            with self.subTest(name=name):
                their = their["inputSchema"]
                self.assertLessEqual(set(their.get("properties", {})), set(our["properties"]))
                self.assertLessEqual(set(our.get("required", ())), set(their.get("required", ())))

    def test_server_information(self):
        told = self.texts("get-server-information")
        found = {who: set(self.SERVER.findall(text)) for who, text in told.items()}
        self.assertEqual(len(found["theirs"]), 2)
        self.assertEqual(found["ours"], found["theirs"])

    def test_list(self):
        told = self.texts("list-tools")
        for pattern in (self.OWNER, self.ENTRY):
            found = {who: pattern.findall(text) for who, text in told.items()}
            self.assertEqual(found["ours"], found["theirs"])
        self.assertEqual(len(self.ENTRY.findall(told["ours"])), 210)

    def test_schemas(self):
        asked = {
            "servers": [
                {"server_name": "workspace", "tool_names": ["documents.exportPdf"]},
                {"server_name": "automation", "tool_names": ["run", "generate_pdf_report"]},
            ]
        }
        found = {
            who: [(s, t, json.loads(schema)) for s, t, schema in self.SCHEMA.findall(text)]
            for who, text in self.texts("get-input-schema-for-tools", asked).items()
        }
        self.assertEqual(len(found["theirs"]), 3)
        self.assertEqual(found["ours"], found["theirs"])
        # What the extension leaves out without a word, ours tells.
        asked = {"servers": [{"server_name": "workspace", "tool_names": ["none"]}]}
        told = self.texts("get-input-schema-for-tools", asked)
        self.assertEqual(told["theirs"], "")
        self.assertIn("has no tool 'none'", told["ours"])

    def test_call(self):
        asked = {"server_name": "automation", "tool_name": "run", "args": {"deep": [1, {"x": "y"}]}}
        results = {who: c.call("call-tool", asked).result for who, c in self.both.items()}
        self.assertEqual(results["ours"]["content"], results["theirs"]["content"])
        self.assertEqual(
            results["ours"]["structuredContent"], results["theirs"]["structuredContent"]
        )
        del asked["args"]
        without = {who: c.call("call-tool", asked) for who, c in self.both.items()}
        self.assertTrue(without["theirs"].error or without["theirs"].result.get("isError"))
        self.assertFalse(without["ours"].result.get("isError"))

    def test_mistakes(self):
        for asked in (
            {"server_name": "Workspace", "tool_name": "run", "args": {}},
            {"server_name": "", "tool_name": "run", "args": {}},
        ):
            results = {who: c.call("call-tool", asked).result for who, c in self.both.items()}
            self.assertEqual({who: r["isError"] for who, r in results.items()},
                             {"theirs": True, "ours": True})


if __name__ == "__main__":
    unittest.main()
