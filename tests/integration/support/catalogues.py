"""Fleets of servers that do nothing but list tools: made up, or real ones from a folder."""

import glob
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
REAL = os.environ.get(
    "NEXUS_CATALOGUES_DIR", os.path.join(ROOT, "..", "shared", "fleet", "catalogues")
)


def server(path, **options):
    """The configuration of a server with the tools of a file."""
    return {
        "command": sys.executable,
        "args": [os.path.join(HERE, "catalogue_server.py"), path],
        **options,
    }


def written(folder, name, tools, **options):
    path = os.path.join(folder, name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(tools, file)
    return server(path, **options)


def tool(name, description, properties=None, required=(), **more):
    schema = {"type": "object", "properties": properties or {}}
    if required:
        schema["required"] = list(required)
    return {"name": name, "description": description, "inputSchema": schema, **more}


def real_files():
    """The real catalogues by server name; none when the folder is not there."""
    return {
        os.path.splitext(os.path.basename(path))[0]: path
        for path in sorted(glob.glob(os.path.join(REAL, "*.json")))
    }
