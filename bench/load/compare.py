#!/usr/bin/env python3
"""Drives one server with nexus-bench, wrk and h2load in alternation: do they agree, at what cost?

    bench/load/compare.py --build build/release [--rounds 5] [--seconds 3]

All post the same tools/call to nexus_e2e_echo, which has the other core. wrk and h2load come from
Debian (wrk, nghttp2-client); which of them is missing is said.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

# pylint: disable=wrong-import-position
from harness import HarnessError, Processes, free_port, listens, wait_until  # noqa: E402

CONNECTIONS = (1, 64)
BODY = ('{"jsonrpc":"2.0","id":1000000000,"method":"tools/call","params":{"name":"echo",'
        '"arguments":{"text":"how much wood 1000000000"}}}')
WRK_SCRIPT = f"""wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.body = '{BODY}'
"""


def run(command: list, core: int) -> tuple[str, float]:
    """The output of a program, and the CPU time that it took in microseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=False, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise HarnessError(f"{command[0]}: status {done.returncode}: {done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, cpu * 1e6


def microseconds(before: str, text: str) -> float:
    """The time with a unit that follows a pattern."""
    number, unit = re.search(before + r"\s+([\d.]+)(us|ms|s)\b", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def with_nexus_bench(program, url, connections, options, _):
    """Calls per second, CPU per call of the whole program as for the others, and latency: the
    median, of h2load the mean; both in microseconds."""
    text, cpu = run([program, url, "--era", "blind", "-c", connections, "--seconds",
                     options.seconds, "--warmup-seconds", 0, "--format", "json", "--no-progress"],
                    options.core)
    report = json.loads(text)
    return report["rps"], cpu / report["calls"], report["p50_us"]


def with_wrk(program, url, connections, options, folder):
    """As with_nexus_bench()."""
    script = folder / "post.lua"
    script.write_text(WRK_SCRIPT)
    text, cpu = run([program, "-t1", f"-c{connections}", f"-d{options.seconds}s", "--latency",
                     "-s", script, url], options.core)
    if "Non-2xx" in text or "Socket errors" in text:
        raise HarnessError(text)
    calls = int(re.search(r"(\d+) requests in", text)[1])
    return (float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), cpu / calls,
            microseconds(r"50%", text))


def with_h2load(program, url, connections, options, folder):
    """As with_nexus_bench()."""
    body = folder / "body.json"
    body.write_text(BODY)
    text, cpu = run([program, "--h1", "-t1", f"-c{connections}", "-m1", f"-D{options.seconds}",
                     "-d", body, "-H", "Content-Type: application/json", url], options.core)
    calls = int(re.search(r"(\d+) succeeded", text)[1])
    return (float(re.search(r"([\d.]+) req/s", text)[1]), cpu / calls,
            microseconds(r"time for request:\s+\S+\s+\S+", text))


def middle(values: list[float]) -> str:
    """Median and range."""
    shown = "{:,.0f}" if min(values) > 1000 else "{:.1f}"
    return (shown + " (" + shown + " to " + shown + ")").format(
        statistics.median(values), min(values), max(values))


def main() -> int:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--core", type=int, default=1, help="of the generators")
    parser.add_argument("--server-core", type=int, default=0)
    options = parser.parse_args()
    field = {"nexus-bench": (options.build.resolve() / "nexus-bench", with_nexus_bench)}
    for name, drive in (("wrk", with_wrk), ("h2load", with_h2load)):
        if program := shutil.which(name):
            field[name] = (program, drive)
        else:
            print(f"{name} is not installed: left out", file=sys.stderr)
    seen: dict = {}
    try:
        with Processes() as processes:
            port = free_port()
            echo = processes.start([options.build / "nexus_e2e_echo", "--port", port],
                                   options.server_core)
            wait_until(lambda: listens(port), echo, "the echo server")
            url = f"http://127.0.0.1:{port}/mcp"
            for _ in range(options.rounds):
                for connections in CONNECTIONS:
                    for name, (program, drive) in field.items():
                        figures = drive(program, url, connections, options, processes.folder)
                        seen.setdefault((connections, name), []).append(figures)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    print("| connections | generator | calls/s | CPU us per call | latency us |\n"
          "| ---: | --- | ---: | ---: | ---: |")
    for (connections, name), figures in seen.items():
        cells = " | ".join(middle(column) for column in zip(*figures))
        print(f"| {connections} | {name} | {cells} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
