#!/usr/bin/env python3
"""Ranks the retrieval data sets with `nexus search` and scores the runs; see README.md.

Exits with 0 when every figure reaches the reference's, with 1 when one is below, with 2 when
something is missing."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Of the reference implementation: Recall@5, NDCG@10.
REFERENCE = {
    "metatool": (0.716, 0.650),
    "metatool_multi": (0.700, 0.643),
    "bfcl": (0.860, 0.779),
}
TOLERANCE = 0.003
SCORED = 10  # tools of each query that the scorer looks at


def give_up(why):
    print(f"run.py: {why}", file=sys.stderr)
    sys.exit(2)


def rank(program, folder, run):
    """Writes the run of one data set; returns the seconds that it took."""
    start = time.monotonic()
    with open(run, "wb") as out:
        done = subprocess.run(
            [program, "search", "--catalogue", os.path.join(folder, "tools.jsonl"),
             "--queries", os.path.join(folder, "queries.jsonl"), "--top", str(SCORED)],
            stdout=out, check=False)
    if done.returncode != 0:
        give_up(f"nexus search failed with exit code {done.returncode}")
    return time.monotonic() - start


def score(data, folder, run):
    """(queries, Recall@1, Recall@5, NDCG@10) by the data's own scorer."""
    done = subprocess.run(
        [sys.executable, "-B", os.path.join(data, "evaluate.py"), folder, run, "--json"],
        stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        give_up(f"the scorer failed with exit code {done.returncode}")
    found = json.loads(done.stdout)
    if found["missing"]:
        give_up(f"{found['missing']} queries of {folder} have no answer")
    return (found["n"],) + tuple(found[key]["mean"] / 100 for key in ("R@1", "R@5", "N@10"))


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--build", default=os.path.join(ROOT, "build", "release"),
                         help="folder with the program (default: build/release)")
    options.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "retrieval"),
                         help="folder with the data sets and evaluate.py")
    given = options.parse_args()
    program = os.path.join(given.build, "nexus")
    for needed in (program, os.path.join(given.data, "evaluate.py")):
        if not os.path.exists(needed):
            give_up(f"{needed} is not there; see --build and --data")

    print(f"{'set':16}{'queries':>8}{'R@1':>8}{'R@5':>8}{'N@10':>8}   reference     seconds")
    below = False
    with tempfile.TemporaryDirectory() as runs:
        for name, (recall, gain) in REFERENCE.items():
            folder = os.path.join(given.data, name)
            run = os.path.join(runs, name + ".jsonl")
            seconds = rank(program, folder, run)
            queries, first, found_recall, found_gain = score(given.data, folder, run)
            short = found_recall < recall - TOLERANCE or found_gain < gain - TOLERANCE
            below = below or short
            print(f"{name:16}{queries:8}{first:8.3f}{found_recall:8.3f}{found_gain:8.3f}"
                  f"   {recall:.3f} / {gain:.3f} {seconds:7.2f}{'  BELOW' if short else ''}")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
