"""A server on the official Python SDK: over stdio, or with --http over Streamable HTTP on a free
loopback port, whose address is the first line on stdout."""

import socket
import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("python")


@server.tool()
def greet(name: str) -> str:
    """Says hello."""
    return f"Hello {name} from Python"


@server.tool()
def total(numbers: list[float]) -> float:
    """Sum of numbers, as structured content."""
    return sum(numbers)


@server.tool()
async def steps(count: int, context: Context) -> str:
    """Reports progress for each step."""
    for step in range(1, count + 1):
        await context.report_progress(step, count)
    return f"{count} steps"


def main() -> None:
    if "--http" not in sys.argv:
        server.run("stdio")
        return
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    print(f"http://127.0.0.1:{port}/mcp", flush=True)
    server.run("streamable-http", host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
