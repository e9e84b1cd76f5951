#!/usr/bin/env python3
"""Shows that the measurements notice a slower gateway: builds worse ones and demands a red result.

    bench/e2e/sabotage.py [--only NAME] [--keep]

Takes the committed sources, adds one fault at a time where a call is sent to its server, builds
in build/sabotage and judges the program as any other. The exit status is 0 when every fault is
noticed. It takes a build and a few minutes; the machine should be idle.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "sabotage"
FAULTY_FILE = "src/engine/upstream.cpp"
ANCHOR = "void upstream::send(exchange& x) {\n"
USED = '  asm volatile("" ::"r"(copy.data()) : "memory");\n'
PROGRAMS = ("nexus", "nexus-bench", "nexus_e2e_echo", "nexus_e2e_relay")

#: What is added, and which measurement has to notice it. P1 compares with nginx and lets pass what
#: stays below its limit; the gate compares with what a call cost before.
FAULTS = {
    "a copy of the request": (
        "  const std::string copy(x.request.params.whole.raw);\n" + USED, "gate"),
    "a copy of 128 KiB": (
        "  static const std::string large(128 * 1024, 'x');\n"
        "  const std::string copy(large);\n" + USED, "P1"),
    "a sleep of 200 us": (
        "  const timespec nap{0, 200'000};\n  ::nanosleep(&nap, nullptr);\n", "P3"),
}


def run(*command, **options) -> subprocess.CompletedProcess:
    """A command whose output is kept."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=False, **options)


def demand(done: subprocess.CompletedProcess, what: str):
    """Ends everything when a step that must work did not."""
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def take_sources() -> str:
    """The committed tree, in a folder of its own; the result is the file that gets the fault."""
    shutil.rmtree(FOLDER / "tree", ignore_errors=True)
    (FOLDER / "tree").mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "x"], cwd=FOLDER / "tree", input=archive.stdout, check=True)
    text = (FOLDER / "tree" / FAULTY_FILE).read_text()
    if text.count(ANCHOR) != 1:
        raise SystemExit(f"{FAULTY_FILE}: {ANCHOR.strip()!r} is not there once: change ANCHOR")
    demand(run("cmake", "--preset", "release", cwd=FOLDER / "tree"), "configuring")
    return text


def build_with(original: str, fault: str) -> pathlib.Path:
    """The build folder, with the fault in the program."""
    text = "#include <time.h>\n" + original.replace(ANCHOR, ANCHOR + fault)
    (FOLDER / "tree" / FAULTY_FILE).write_text(text)
    demand(run("cmake", "--build", "--preset", "release", "--target", *PROGRAMS,
               cwd=FOLDER / "tree"), "building")
    return FOLDER / "tree" / "build" / "release"


def noticed(build: pathlib.Path, by: str) -> tuple[bool, str]:
    """Whether that measurement is red, and what it says."""
    if by == "gate":
        done = run(sys.executable, "-B", ROOT / "bench" / "gate" / "gate.py", "--build", build)
        said = done.stdout.partition("DEARER THAN BEFORE:\n")[2].partition("\n\n")[0]
        return done.returncode == 1 and bool(said), said
    out = FOLDER / by
    done = run(sys.executable, "-B", ROOT / "bench" / "e2e" / "run.py", "--build", build, "--quick",
               "--only", by, "--out", out)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the measurement failed:\n{done.stderr[-3000:]}")
    red = [verdict for verdict in json.loads((out / "result.json").read_text())["verdicts"]
           if verdict["passed"] is False and verdict["promise"] == by]
    return done.returncode == 1 and bool(red), "\n".join(
        f"FAIL {v['promise']} {v['subject']}: {v['figure']} (limit {v['limit']})" for v in red)


def main() -> int:
    """Every fault in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", choices=FAULTS, help="this fault alone")
    parser.add_argument("--keep", action="store_true", help="leave build/sabotage")
    options = parser.parse_args()
    original, missed = take_sources(), 0
    for name, (fault, by) in FAULTS.items():
        if options.only not in (None, name):
            continue
        red, said = noticed(build_with(original, fault), by)
        print(f"{name}: {'noticed by' if red else 'NOT NOTICED BY'} {by}\n{said}", flush=True)
        missed += not red
    if not options.keep:
        shutil.rmtree(FOLDER)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
