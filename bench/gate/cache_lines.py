#!/usr/bin/env python3
"""Counts the lines of memory that a call finds outside of the cache, with many connections.

    bench/gate/cache_lines.py --build build/release [--connections 512] [--cache-kib 1024]

callgrind's model of a cache, so that it needs no counters of the processor; the kernel's memory is
not in it. Under valgrind the gateway is slow and all connections wait for it: each turn serves all
of them, which is the most that can happen.
"""

import argparse
import http.client
import pathlib
import subprocess
import sys
import time

from callgrind import read_part

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from candidates import Setup, http_server  # noqa: E402
from harness import HarnessError, Processes, free_port, http_status, wait_until  # noqa: E402

POSTS = 'nexus_http_requests_total{method="post"}'


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--nexus", type=pathlib.Path, help="another program than that of --build")
    parser.add_argument("--connections", type=int, default=512)
    parser.add_argument("--cache-kib", type=int, default=1024, help="of a core, last level (1024)")
    parser.add_argument("--seconds", type=float, default=8, help="under valgrind (8)")
    parser.add_argument("--top", type=int, default=20, help="functions that are listed (20)")
    return parser.parse_args()


def posts_served(port: int) -> float:
    """How many POSTs the gateway has counted; a part of callgrind's counts ends with that."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    return next(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
                if line.startswith(POSTS))


def main() -> int:
    """Runs it."""
    options = parse()
    build = options.build.resolve()
    nexus = (options.nexus or build / "nexus").resolve()
    with Processes() as processes:
        setup = Setup(processes, build, nexus, {}, 1, 0, 1, 1, 0, ("legacy",))
        port = free_port()
        config = setup.write_config("lines.json", {"b1": http_server(setup.start_echo())})
        counts = processes.folder / "counts"
        gateway = processes.start(
            ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--cache-sim=yes",
             "--D1=32768,8,64", f"--LL={options.cache_kib * 1024},16,64",
             f"--callgrind-out-file={counts}",
             "--dump-before=nexus::metrics::registry::exposition*", nexus, "serve", "-c", config,
             "--listen", f"127.0.0.1:{port}", "--workers", "1", "--reactor", "epoll"], 1)
        wait_until(lambda: http_status(port, "/readyz") == 200, gateway, "the gateway", 60)
        with subprocess.Popen(
                [setup.load, f"http://127.0.0.1:{port}/mcp", "--tool", "b1__echo", "--connections",
                 str(options.connections), "--seconds", str(options.seconds + 60),
                 "--timeout-seconds", "60", "--no-progress"], stdout=subprocess.DEVNULL) as load:
            time.sleep(options.seconds)  # sessions are opened, buffers are made
            before = posts_served(port)
            time.sleep(options.seconds)
            calls = posts_served(port) - before
            load.kill()
        found = list(processes.folder.glob("counts.2-*"))
        if len(found) != 1 or calls < options.connections:
            raise HarnessError(f"{calls:.0f} calls and {len(found)} parts: is --seconds too short?")
        lines = read_part(found[0], ("DLmr", "DLmw"))
        print(f"{options.connections} connections, a cache of {options.cache_kib} KiB, "
              f"{calls:.0f} calls: {lines.instructions / calls:.1f} lines a call from beyond it, "
              f"{read_part(found[0]).instructions / calls:,.0f} instructions")
        for function, misses in lines.by_function.most_common(options.top):
            print(f"{misses / calls:8.2f} {function[:110]}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HarnessError as problem:
        print(f"MEASUREMENT FAILED: {problem}", file=sys.stderr)
        sys.exit(2)
