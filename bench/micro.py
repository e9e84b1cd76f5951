#!/usr/bin/env python3
"""Runs the micro benchmarks, prints a table of medians and checks the promises about them.

    bench/micro.py --build build/release [--filter REGEX] [--out FOLDER] [--repetitions N]
    cmake --build --preset release --target bench_micro

Programs are nexus_bench_FOLDER of bench/FOLDER/*_bench.cpp. With --out each one's JSON and a
record of the machine stay in that folder. The exit status is 1 when a promise is broken.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "e2e"))
from harness import machine_record  # noqa: E402

# Name, median of what, at least or at most, how much, why.
PROMISES = (
    ("BM_catalog_list/tools:5000", "bytes_per_second", "at least", 1e9, "P8, bytes/s"),
    ("BM_seal_seal/payload_bytes:200", "real_time_ns", "at most", 2000, "sealing, ns"),
    ("BM_seal_open/payload_bytes:200", "real_time_ns", "at most", 2000, "opening, ns"),
)
NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
SCALES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))


def programs(build: pathlib.Path) -> list[pathlib.Path]:
    """Those that are built; the others are named."""
    folders = sorted({source.parent.name for source in HERE.glob("*/*_bench.cpp")})
    found = [build / f"nexus_bench_{folder}" for folder in folders]
    for program in found:
        if not program.exists():
            print(f"NOT BUILT: {program.name}", file=sys.stderr)
    return [program for program in found if program.exists()]


def run(program: pathlib.Path, options: argparse.Namespace, out: pathlib.Path) -> list[dict]:
    """The results of one program; its JSON stays in `out`. None when no name matched."""
    target = out / f"{program.name}.json"
    command = [program, f"--benchmark_repetitions={options.repetitions}",
               "--benchmark_report_aggregates_only=true", f"--benchmark_filter={options.filter}",
               f"--benchmark_min_time={options.min_time}", f"--benchmark_out={target}",
               "--benchmark_out_format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{program.name} ended with status {done.returncode}: {done.stderr}")
    for line in done.stderr.splitlines():
        if line.startswith("GENERATED TOOLS"):
            print(line, file=sys.stderr)
    if not target.exists() or not target.stat().st_size:
        target.unlink(missing_ok=True)
        return []
    return json.loads(target.read_text())["benchmarks"]


def medians(results: list[dict]) -> dict[str, dict]:
    """Name -> its medians, times in nanoseconds, and the spread of the time as a share."""
    table: dict[str, dict] = {}
    for result in results:
        if result.get("error_occurred"):
            raise SystemExit(f"{result['name']}: {result['error_message']}")
        name = result["run_name"].removesuffix("/real_time")
        row = table.setdefault(name, {})
        if result["aggregate_name"] == "median":
            row["real_time_ns"] = result["real_time"] * NS[result["time_unit"]]
            for key in ("bytes_per_second", "items_per_second"):
                row[key] = result.get(key)
        elif result["aggregate_name"] == "cv":
            row["spread"] = result["real_time"]
    return table


def scaled(value: float | None, unit: str) -> str:
    """A number with three digits that mean something."""
    if value is None:
        return ""
    size, prefix = next((pair for pair in SCALES if value >= pair[0]), SCALES[-1])
    return f"{value / size:.3g} {prefix}{unit}"


def print_table(table: dict[str, dict]):
    """Markdown, a row for each benchmark."""
    print("| benchmark | median ns | spread | bytes/s | items/s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, row in table.items():
        print(f"| {name} | {row['real_time_ns']:.4g} | {100 * row['spread']:.1f} % "
              f"| {scaled(row['bytes_per_second'], 'B/s')} "
              f"| {scaled(row['items_per_second'], '/s')} |")


def broken(table: dict[str, dict]) -> int:
    """How many promises are broken; says so of each."""
    count = 0
    for name, key, direction, bound, what in PROMISES:
        if name not in table:
            print(f"promise not checked, {name} did not run: {what}")
            continue
        value = table[name][key]
        kept = value >= bound if direction == "at least" else value <= bound
        count += not kept
        print(f"{'kept' if kept else 'BROKEN'}: {what}: {value:.4g}, {direction} {bound:.4g}")
    return count


def main() -> int:
    """Runs all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a release build")
    parser.add_argument("--filter", default=".", help="names to run, a regular expression")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--min-time", default="0.05", help="seconds of one repetition, at least")
    parser.add_argument("--out", type=pathlib.Path, help="keep the results in this folder")
    parser.add_argument("--smoke", action="store_true", help="only see that each runs")
    options = parser.parse_args()
    if options.smoke:
        options.repetitions, options.min_time = 2, "0.0001"
    with tempfile.TemporaryDirectory() as scratch:
        out = options.out or pathlib.Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        record = machine_record(options.build) | {"command": sys.argv}
        (out / "machine.json").write_text(json.dumps(record, indent=1) + "\n")
        table: dict[str, dict] = {}
        for program in programs(options.build.resolve()):
            print(f"{program.name} ...", file=sys.stderr)
            table |= medians(run(program, options, out))
    print_table(table)
    return 1 if not options.smoke and broken(table) else 0


if __name__ == "__main__":
    sys.exit(main())
