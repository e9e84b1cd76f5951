#!/usr/bin/env python3
"""Measures nexus end to end beside nginx and the floor, and checks promises P1, P2, P3, P5, P6.

    bench/e2e/run.py --build build/release [--nexus build/release/nexus] [--quick] [--only P1,P3]

The gateway under test has one core, the load and the servers the other. Candidates take turns
round by round, and a speed is a ratio to nginx in the same round, so that a noisy machine troubles
all of them alike. The exit status is 0 when no check failed (a skipped one says so), else 1, and
2 when a measurement was impossible.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

from candidates import Setup, find_nginx
from checks import CHECKS
from harness import HarnessError, Processes, machine_record


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True,
                        help="build folder with the nexus_e2e_* programs")
    parser.add_argument("--nexus", type=pathlib.Path, help="the product (build/nexus if there)")
    parser.add_argument("--nginx", help="nginx to compare with (found in the path)")
    parser.add_argument("--only", default=",".join(CHECKS), help="promises, as P1,P3")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="measured time of one run")
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s, one era")
    parser.add_argument("--era", choices=("blind", "legacy", "modern", "both"), default="both")
    parser.add_argument("--gateway-core", type=int, default=1)
    parser.add_argument("--load-core", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, help="write everything to this JSON file")
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
    eras = ("legacy", "modern") if options.era == "both" else (options.era,)
    if options.quick:
        options.rounds, options.seconds, options.warmup, eras = 3, 1.0, 0.2, eras[:1]
    return Setup(processes, build, nexus.resolve() if nexus else None, find_nginx(options.nginx),
                 options.gateway_core, options.load_core, options.rounds, options.seconds,
                 options.warmup, eras)


def nginx_version(setup: Setup) -> str:
    """What nginx says it is; it says so on stderr."""
    if not setup.nginx:
        return "missing"
    done = subprocess.run([setup.nginx, "-v"], capture_output=True, text=True, check=False)
    return done.stderr.strip()


def main() -> int:
    """Runs the chosen checks."""
    options = parse()
    chosen = options.only.split(",")
    unknown = [name for name in chosen if name not in CHECKS]
    if unknown:
        print(f"--only: unknown: {', '.join(unknown)}", file=sys.stderr)
        return 2
    record, tables, verdicts, reports = {}, [], [], {}
    try:
        with Processes() as processes:
            setup = make_setup(options, processes)
            record = machine_record(setup.build) | {
                "command": sys.argv, "nginx": nginx_version(setup), "rounds": setup.rounds,
                "seconds": setup.seconds}
            print(json.dumps(record), flush=True)
            for name in chosen:
                outcome = CHECKS[name](setup)
                tables += outcome.tables
                verdicts += outcome.verdicts
                reports |= outcome.reports
                print("\n" + "\n".join(outcome.tables))
                print("\n".join(map(str, outcome.verdicts)), flush=True)
    except HarnessError as error:
        print(f"MEASUREMENT FAILED: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if options.out:
        result = {"machine": record, "reports": reports, "tables": tables,
                  "verdicts": [vars(verdict) for verdict in verdicts]}
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if any(verdict.passed is False for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
