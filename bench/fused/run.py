#!/usr/bin/env python3
"""What actors between two sockets cost, by who polls the sockets; prints the ADR's table.

    bench/fused/run.py --build build/release [--rounds 5] [--seconds 3] [--quick]

The same HTTP/1.1 proxy runs with 0, 2 or 4 CAF messages per call, as `fused` (the scheduler's
worker polls the sockets itself, through epoll or io_uring) and as `stock` (CAF's scheduler, work
stealing or work sharing, beside an epoll thread). All take turns with nginx and the blind relay,
on one core, with load and server on the other.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

# pylint: disable=wrong-import-position
from candidates import Candidate, Setup, find_nginx, paired_ratio, series, spread  # noqa: E402
from harness import HarnessError, Processes, cpu_ns, free_port, listens  # noqa: E402
from harness import machine_record, wait_until  # noqa: E402

HOPS = (0, 2, 4)
VARIANTS = {
    "fused, io_uring": ("--mode", "fused", "--reactor", "io_uring"),
    "fused, epoll": ("--mode", "fused", "--reactor", "epoll"),
    "stock, work stealing": ("--mode", "stock", "--policy", "stealing"),
    "stock, work sharing": ("--mode", "stock", "--policy", "sharing"),
}
CONNECTIONS = (1, 64)


def start_variant(setup: Setup, name: str, hops: int, server_port: int) -> Candidate:
    """One proxy of the measurement, ready."""
    port = free_port()
    process = setup.processes.start(
        [setup.build / "nexus_bench_fused", *VARIANTS[name], "--hops", hops, "--listen-port", port,
         "--to-port", server_port], setup.gateway_core)
    wait_until(lambda: listens(port), process, name)
    return Candidate(f"{name}, {hops} messages", f"http://127.0.0.1:{port}/mcp",
                     watched=(process.pid,), process=process)


def row(name: str, by_connections: dict[int, dict], idle: dict, base: str | None) -> str:
    """CPU, ratio, and latency of one candidate at each number of connections."""
    cells = [name]
    for reports in by_connections.values():
        rounds = reports[name]
        ratio = "-"
        if base:
            ratio = f"{paired_ratio(rounds, reports[base], 'cpu_us_per_call'):.2f}"
        cells += [spread(series(rounds, "cpu_us_per_call")), ratio,
                  f"{statistics.median(series(rounds, 'p50_us')):.0f}",
                  f"{statistics.median(series(rounds, 'p99_us')):.0f}"]
    cells.append(f"{statistics.median(idle[name]):.1f}" if name in idle else "-")
    return "| " + " | ".join(cells) + " |"


def markdown(by_connections: dict[int, dict], idle: dict, base: str | None) -> str:
    """The table for the ADR: median (range) over the rounds."""
    head, rule = "| proxy |", "| --- |"
    for count in by_connections:
        plural = "connection" if count == 1 else "connections"
        head += f" CPU us/call, {count} {plural} | x nginx | p50 us | p99 us |"
        rule += " ---: | ---: | ---: | ---: |"
    head += " idle, CPU ms/s |"
    rule += " ---: |"
    names = next(iter(by_connections.values()))
    return "\n".join([head, rule, *(row(name, by_connections, idle, base) for name in names)])


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--nginx")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--warmup", type=float, default=0.3)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 0.5 s")
    parser.add_argument("--gateway-core", type=int, default=1)
    parser.add_argument("--load-core", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 0.5
    return options


def measure(options: argparse.Namespace, processes: Processes) -> tuple[dict, dict, str | None]:
    """Starts everything and lets all take turns: reports by connections and candidate, CPU when
    idle by candidate, and the base of the ratios."""
    setup = Setup(processes, options.build.resolve(), None, find_nginx(options.nginx),
                  options.gateway_core, options.load_core, options.rounds, options.seconds,
                  options.warmup, ("blind",))
    port = setup.start_echo()
    nginx = setup.start_nginx(port)
    field = [setup.start_relay(port, "epoll")] + ([nginx] if nginx else [])
    # The work stealing scheduler polls also when idle, which would trouble its neighbours on the
    # core: each variant is started for its turn and stopped after it.
    reports, idle = {count: {} for count in CONNECTIONS}, {}
    for _ in range(setup.rounds):
        turns = [(name, hops) for hops in HOPS for name in VARIANTS]
        for count in CONNECTIONS:
            collect(reports[count], setup.measure(field, rounds=1, connections=count))
        for name, hops in turns:
            candidate = start_variant(setup, name, hops, port)
            idle.setdefault(candidate.name, []).append(idle_cpu(candidate.process.pid))
            for count in CONNECTIONS:
                collect(reports[count],
                        setup.measure([candidate], rounds=1, connections=count))
            processes.stop(candidate.process)
    return reports, idle, "nginx" if nginx else None


def idle_cpu(pid: int) -> float:
    """Milliseconds of CPU that a process without connections takes in a second."""
    time.sleep(0.1)
    begin, before = time.monotonic(), cpu_ns(pid)
    time.sleep(0.5)
    return (cpu_ns(pid) - before) / 1e6 / (time.monotonic() - begin)


def collect(into: dict, one_round: dict):
    """Appends one round's reports."""
    for name, reports in one_round.items():
        into.setdefault(name, []).extend(reports)


def main() -> int:
    """Measures and prints."""
    options = parse()
    try:
        with Processes() as processes:
            record = machine_record(options.build) | {"command": sys.argv}
            reports, idle, base = measure(options, processes)
    except HarnessError as error:
        print(f"MEASUREMENT FAILED: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(f"{record['cpu']}, kernel {record['kernel']}, commit {record['commit'][:12]}, "
          f"{record['build_type']}, {options.rounds} rounds of {options.seconds} s\n")
    print(markdown(reports, idle, base))
    if options.out:
        options.out.write_text(json.dumps({"machine": record, "reports": reports,
                                           "idle_ms_per_s": idle}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
