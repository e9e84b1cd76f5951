#!/usr/bin/env python3
"""Shows that the mock fleet does through a gateway what it is told; a few seconds, loopback only.

    bench/mock/smoke.py --build build/release
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "gate")]
from client import LEGACY, MODERN, Client, WrongAnswer  # noqa: E402
from harness import (HarnessError, Processes, free_port, http_status, listens,  # noqa: E402
                     wait_until)

CALLS = 60
LATENCY_S = 0.01


class Fleet:
    """A mock fleet behind a gateway that was started with the configuration it printed."""

    def __init__(self, processes: Processes, build: pathlib.Path, *told: str):
        port, self.port = free_port(), free_port()
        command = [str(build / "nexus-mock"), "--listen", f"127.0.0.1:{port}", *told]
        printed = subprocess.run([*command, "--print-config"], capture_output=True, text=True,
                                 check=True, timeout=10).stdout
        config = processes.write(f"{port}.json", json.dumps(json.loads(printed) | {"state": "off"}))
        if "stdio" not in told:
            mock = processes.start(command)
            wait_until(lambda: listens(port), mock, "the mock fleet")
        self.gateway = processes.start([build / "nexus", "serve", "-c", config, "--workers", "1",
                                        "--listen", f"127.0.0.1:{self.port}"])
        wait_until(lambda: http_status(self.port, "/readyz") == 200, self.gateway, "the gateway")

    def client(self, revision: str = MODERN) -> Client:
        """A client of the gateway."""
        return Client(self.port, "/mcp", revision)

    def fates(self, tool: str) -> list[str]:
        """How a number of calls ended: result, tool error, or another error."""
        client, seen = self.client(), []
        for number in range(CALLS):
            arguments = {"n": number}
            try:
                result = client.request("tools/call", {"name": tool, "arguments": arguments}, tool)
            except WrongAnswer:
                seen.append("error")
                continue
            if result["structuredContent"] != arguments:
                raise HarnessError(f"{tool} did not return its arguments: {result}")
            seen.append("tool error" if result.get("isError") else "result")
        client.close()
        return seen


def check_fleet(build: pathlib.Path):
    """Servers, tools, eras, latency and size."""
    for transport in ("http", "stdio"):
        for era in ("legacy", "modern"):
            with Processes() as processes:
                fleet = Fleet(processes, build, "--servers", "3", "--tools", "5", "--era", era,
                              "--latency", "fixed:10ms", "--result-bytes", "500",
                              "--transport", transport)
                for revision in (LEGACY, MODERN):
                    client = fleet.client(revision)
                    wait_until(lambda client=client: tools_of(client) == 15, fleet.gateway,
                               "the list of all tools")
                    times = []
                    for server in (1, 2, 3):
                        begin = time.monotonic()
                        client.call(f"mock_{server}__tool_5", "text")
                        times.append(time.monotonic() - begin)
                    assert min(times) >= LATENCY_S, times
                    result = client.request("tools/call", {"name": "mock_1__echo"}, "mock_1__echo")
                    assert result["content"][1]["text"] == "x" * 500, result
                    client.close()


def tools_of(client: Client) -> int:
    """How many tools the gateway lists."""
    return len(client.request("tools/list", {})["tools"])


def check_failures(build: pathlib.Path):
    """As many fail as told, and the same ones when all is started anew."""
    told = ("--servers", "2", "--error-rate", "tool:20%,protocol:10%,drop:10%", "--seed", "5")
    seen = []
    for _ in range(2):
        with Processes() as processes:
            fleet = Fleet(processes, build, *told)
            seen.append(fleet.fates("mock_2__echo"))
    assert seen[0] == seen[1], seen
    assert set(seen[0]) == {"result", "tool error", "error"}, seen[0]
    assert 0.4 < seen[0].count("result") / CALLS < 0.8, seen[0]


def check_spread(build: pathlib.Path):
    """A distribution is one by the clock as well, without a gateway in between."""
    with Processes() as processes:
        port = free_port()
        mock = processes.start([build / "nexus-mock", "--listen", f"127.0.0.1:{port}",
                                "--latency", "90%:fixed:1ms+10%:fixed:40ms"])
        wait_until(lambda: listens(port), mock, "the mock fleet")
        client, times = Client(port, "/1/mcp", LEGACY), []
        for _ in range(CALLS):
            begin = time.monotonic()
            client.call("echo", "text")
            times.append(time.monotonic() - begin)
        client.close()
        assert statistics.median(times) < 0.03 < 0.04 <= max(times), times


def main() -> int:
    """Runs all checks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    build = parser.parse_args().build.resolve()
    try:
        check_fleet(build)
        check_failures(build)
        check_spread(build)
    except (HarnessError, WrongAnswer) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
