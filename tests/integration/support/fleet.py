"""The real npm servers that tests start, and the tools that come with them.

npm/install.sh fills the folder NEXUS_FLEET_DIR; the versions are in npm/package.json."""

import os
import subprocess
import unittest

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLEET_DIR = os.environ.get("NEXUS_FLEET_DIR", "")
MODULES = os.path.join(FLEET_DIR, "npm", "node_modules")
GITLAB = os.path.join(FLEET_DIR, "npm-gitlab", "node_modules")
NODE = os.path.join(FLEET_DIR, "bin", "node")

#: Everything that a browser tool of the fleet can do without a browser.
PLAYWRIGHT_CAPS = "--caps=vision,pdf,devtools,network,storage,testing,config"


def require_fleet(installer=os.path.join("npm", "install.sh")):
    """Installs the fleet when a folder is given and it is missing; skips the module, with the
    reason, when there is none."""
    if not FLEET_DIR:
        raise unittest.SkipTest("NEXUS_FLEET_DIR is not set: the real servers are not installed")
    script = os.path.join(HERE, installer)
    done = subprocess.run(
        [script, FLEET_DIR], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise AssertionError(f"{installer} failed:\n{done.stdout}\n{done.stderr}")


def node_server(package, script, *args, env=None, modules=MODULES, **config):
    path = os.path.join(modules, *package.split("/"), script)
    entry = {"command": NODE, "args": [path, *args], **config}
    if env:
        entry["env"] = env
    return entry


def light_fleet(folder):
    """name -> (configuration, tools listed). gitlab's nine tools have invalid schemas."""
    own = "@modelcontextprotocol/server-"
    return {
        # Four of them only for clients that can answer questions, as the gateway says it can.
        "everything": (node_server(own + "everything", "dist/index.js", "stdio"), 17),
        "filesystem": (node_server(own + "filesystem", "dist/index.js", folder), 14),
        "memory": (
            node_server(
                own + "memory",
                "dist/index.js",
                env={"MEMORY_FILE_PATH": os.path.join(folder, "memory.jsonl")},
            ),
            9,
        ),
        "thinking": (node_server(own + "sequential-thinking", "dist/index.js"), 1),
        "github": (node_server(own + "github", "dist/index.js"), 26),
        "slack": (
            node_server(
                own + "slack", "dist/index.js", env={"SLACK_BOT_TOKEN": "x", "SLACK_TEAM_ID": "y"}
            ),
            8,
        ),
        "gitlab": (
            node_server(
                own + "gitlab",
                "dist/index.js",
                env={
                    "GITLAB_PERSONAL_ACCESS_TOKEN": "x",
                    "GITLAB_API_URL": "http://127.0.0.1:9/api",
                },
                modules=GITLAB,
            ),
            9,
        ),
        "playwright": (node_server("@playwright/mcp", "cli.js", PLAYWRIGHT_CAPS), 72),
        "devtools": (
            node_server(
                "chrome-devtools-mcp",
                "build/src/bin/chrome-devtools-mcp.js",
                "--no-usage-statistics",
            ),
            32,
        ),
        "notion": (node_server("@notionhq/notion-mcp-server", "bin/cli.mjs"), 24),
        "sentry": (node_server("@sentry/mcp-server", "dist/index.js", "--access-token=x"), 22),
        "tavily": (node_server("tavily-mcp", "build/index.js", env={"TAVILY_API_KEY": "x"}), 5),
        "exa": (node_server("exa-mcp-server", "dist/stdio.cjs", env={"EXA_API_KEY": "x"}), 2),
        "context7": (node_server("@upstash/context7-mcp", "dist/index.js"), 2),
    }
