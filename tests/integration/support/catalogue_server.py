"""A stdio MCP server that lists the tools of a file (a JSON array of definitions) and answers every
call with what it was called with."""

import json
import sys


def answer(message, tools):
    method, params = message.get("method"), message.get("params") or {}
    if method == "initialize":
        return {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "catalogue", "version": "7.8.9"},
        }
    if method == "tools/list":
        return {"tools": tools}
    if method == "tools/call":
        called = {"tool": params.get("name"), "arguments": params.get("arguments", {})}
        content = [{"type": "text", "text": json.dumps(called)}]
        return {"content": content, "structuredContent": called}
    return {} if method == "ping" else None


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        tools = json.load(file)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        result = answer(message, tools)
        reply = {"jsonrpc": "2.0", "id": message["id"]}
        if result is None:
            reply["error"] = {"code": -32601, "message": "Method not found"}
        else:
            reply["result"] = result
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


main()
