#!/usr/bin/env python3
"""Measures nexus end to end beside nginx, HAProxy and the floor, and checks promises P1 to P9.

    bench/e2e/run.py --build build/release [--nexus PROGRAM] [--quick] [--only P1,P3] [--out DIR]

The gateway under test has one core, the load and the servers the other. Candidates take turns
round by round, and a speed is a ratio to nginx in the same round, so that a noisy machine troubles
all of them alike. The exit status is 0 when no check failed (a skipped one says so), else 1, and
2 when a measurement was impossible.
"""

import argparse
import json
import os
import pathlib
import sys

from candidates import QUICK, SMOKE, Setup, Sizes
from checks import CHECKS
from checks_search import retrieval_folder
from harness import HarnessError, Processes, machine_record
from outcome import Outcome
from peers import run_peers
from proxies import find_proxy, version_of
from report import summary, verdict_table, write_report
from scale import run_scale

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True,
                        help="build folder with the nexus_e2e_* programs")
    parser.add_argument("--nexus", type=pathlib.Path, help="the product (build/nexus if there)")
    parser.add_argument("--nginx", help="nginx to compare with (found in the path)")
    parser.add_argument("--haproxy", help="HAProxy to compare with (found in the path)")
    parser.add_argument("--only", help="promises, as P1,P3; none with an empty text")
    parser.add_argument("--rounds", type=int, help="(5; quick 3; smoke 1)")
    parser.add_argument("--seconds", type=float, help="measured time of a run (4; quick 1)")
    parser.add_argument("--warmup", type=float, help="before it (0.5; quick 0.2)")
    parser.add_argument("--quick", action="store_true",
                        help="short runs, one era, smaller counts: says so in every verdict")
    parser.add_argument("--smoke", action="store_true", help="only shows that everything runs")
    parser.add_argument("--peers", action="store_true",
                        help="installs Envoy, ToolHive and FastMCP into build/peers and compares")
    parser.add_argument("--scale", action="store_true", help="sweeps, with plots")
    parser.add_argument("--retrieval", type=pathlib.Path,
                        help="folder of real tools and queries for P7 (../shared/retrieval)")
    parser.add_argument("--era", choices=("blind", "legacy", "modern", "both"), default="both")
    parser.add_argument("--gateway-core", type=int, default=1)
    parser.add_argument("--load-core", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path,
                        help="folder for result.json, report.md and the plots")
    return parser.parse_args()


def make_setup(options: argparse.Namespace, processes: Processes) -> Setup:
    """Checks the command line against the machine."""
    usable = os.sched_getaffinity(0)
    if not {options.gateway_core, options.load_core} <= usable:
        raise HarnessError(f"cores {options.gateway_core} and {options.load_core} are needed; "
                           f"this process may use {sorted(usable)}")
    nexus = options.nexus or options.build / "nexus"
    if not nexus.exists():
        if options.nexus:
            raise HarnessError(f"--nexus: {nexus} does not exist")
        print(f"NEXUS IS MISSING: no {nexus}; only the others are measured.", file=sys.stderr)
        nexus = None
    build = options.build.resolve()
    for name in ("nexus-bench", "nexus_e2e_echo", "nexus_e2e_relay"):
        if not (build / name).exists():
            raise HarnessError(f"{build / name} is not built")
    rounds, seconds, warmup, sizes = 5, 4.0, 0.5, Sizes()
    if options.quick:
        rounds, seconds, warmup, sizes = 3, 1.0, 0.2, QUICK
    if options.smoke:
        rounds, seconds, warmup, sizes = 1, 0.1, 0.02, SMOKE
    eras = ("legacy", "modern") if options.era == "both" else (options.era,)
    proxies = {name: find_proxy(name, getattr(options, name)) for name in ("nginx", "haproxy")}
    return Setup(processes, build, nexus.resolve() if nexus else None, proxies,
                 options.gateway_core, options.load_core, options.rounds or rounds,
                 options.seconds or seconds, options.warmup or warmup,
                 eras[:1] if options.quick or options.smoke else eras, sizes,
                 None if options.smoke else retrieval_folder(options.retrieval, ROOT))


def built_in(setup: Setup) -> pathlib.Path:
    """The build folder that the product is from, as far as one can see."""
    if setup.nexus and (setup.nexus.parent / "CMakeCache.txt").exists():
        return setup.nexus.parent
    return setup.build


def parts_of(options: argparse.Namespace) -> dict:
    """What to run, by name."""
    chosen = list(CHECKS) if options.only is None else [x for x in options.only.split(",") if x]
    unknown = [name for name in chosen if name not in CHECKS]
    if unknown:
        raise HarnessError(f"--only: unknown: {', '.join(unknown)}; known are {', '.join(CHECKS)}")
    parts = {name: CHECKS[name] for name in chosen}
    if options.scale:
        parts["scale"] = run_scale
    if options.peers:
        parts["peers"] = run_peers
    return parts


def run_part(name: str, part, setup: Setup, failures: list[str]) -> Outcome:
    """One part; what makes it impossible does not take the others' figures away."""
    try:
        outcome = part(setup)
    except HarnessError as error:
        failures.append(f"{name}: {error}")
        print(f"MEASUREMENT FAILED: {name}: {error}", file=sys.stderr)
        outcome = Outcome()
        outcome.skip(name, "everything", "-", f"MEASUREMENT FAILED: {str(error)[:300]}")
        setup.processes.stop_all()
        setup.echoes.clear()
    print("\n" + "\n".join(outcome.tables))
    print("\n".join(map(str, outcome.verdicts)), flush=True)
    return outcome


def main() -> int:
    """Runs the chosen checks."""
    options = parse()
    whole, failures = Outcome(), []
    try:
        parts = parts_of(options)
        with Processes() as processes:
            setup = make_setup(options, processes)
            record = machine_record(built_in(setup)) | {
                "command": sys.argv, "nexus": str(setup.nexus), "rounds": setup.rounds,
                "seconds": setup.seconds} | {
                    name: version_of(program) for name, program in setup.proxies.items()}
            print(json.dumps(record), flush=True)
            for name, part in parts.items():
                whole.add(run_part(name, part, setup, failures))
                if options.out:
                    write_report(options.out, record, whole)
    except HarnessError as error:
        print(f"MEASUREMENT FAILED: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(f"\n{verdict_table(whole)}\n{summary(whole)}")
    if any(verdict.passed is False for verdict in whole.verdicts):
        return 1
    return 2 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
