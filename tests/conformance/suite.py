"""Runs the official conformance suite, and says what its checks came to.

A check fails when it is a FAILURE or a WARNING, and when the same run against the fixture alone
has it and this one has not: a scenario that breaks off early must not pass with what is left."""

import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

FLEET_DIR = os.environ.get("NEXUS_FLEET_DIR", "")
INSTALLED = os.path.join(FLEET_DIR, "conformance")
NODE = os.path.join(INSTALLED, "node")
MODULES = os.path.join(INSTALLED, "node_modules")

#: Seconds for one run of the suite; a good one takes five.
RUN_SECONDS = 180


class Selection:
    """What of the suite is run: a version of the suite and its arguments."""

    def __init__(self, name, package, *arguments, requirements=None):
        self.name = name
        self.script = os.path.join(MODULES, package, "dist", "index.js")
        self.arguments = arguments
        self.requirements = requirements

    def scored(self, leg):
        """The scenarios that count, None for all of them."""
        if self.requirements is None:
            return None
        folder = os.path.join(os.path.dirname(os.path.dirname(self.script)), "requirements")
        with open(os.path.join(folder, self.requirements + ".yaml"), encoding="utf-8") as file:
            listed = re.search(rf"^{leg}:\n((?:(?:  .*|#.*)?\n)*)", file.read(), re.M).group(1)
        return set(re.findall(r"^  - (\S+)", listed, re.M))


def required(revision):
    arguments = ("--requirements", revision)
    return Selection(revision, "conformance-0.2", *arguments, requirements=revision)


SELECTIONS = {
    one.name: one
    for one in (
        required("2026-07-28"),
        required("2025-11-25"),
        Selection(
            "2025-06-18", "conformance-0.2", "--suite", "all", "--spec-version", "2025-06-18"
        ),
        Selection(
            "2025-03-26", "conformance-0.2", "--suite", "all", "--spec-version", "2025-03-26"
        ),
        Selection("0.1.16", "conformance-0.1", "--suite", "all"),
    )
}


def require_suite():
    """Installs the suite when a folder is given; skips the module, loudly, when there is none."""
    if not FLEET_DIR:
        reason = "NEXUS_FLEET_DIR is not set: the conformance suite is not installed"
    else:
        done = subprocess.run(
            [os.path.join(HERE, "install.sh"), FLEET_DIR],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
        reason = f"install.sh failed:\n{done.stdout}\n{done.stderr}"
    print(f"\n**** SKIPPED: conformance: {reason}", file=sys.stderr)
    raise unittest.SkipTest(reason)


class Sources:
    """A copy of our scripts beside the packages that they import."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="nexus-conformance-")
        shutil.copytree(os.path.join(HERE, "fixture"), os.path.join(self.folder, "fixture"))
        os.symlink(MODULES, os.path.join(self.folder, "node_modules"))

    def path(self, script):
        return os.path.join(self.folder, "fixture", script)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Fixture:
    """The "everything" server over HTTP in a process of its own."""

    def __init__(self, sources, era):
        self.process = subprocess.Popen(
            [NODE, sources.path("server.mjs"), "--http", "0", "--era", era],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self.url = self.process.stdout.readline().decode().strip()
        if not self.url.startswith("http://"):
            self.stop()
            raise RuntimeError(f"the fixture does not start: {self.url!r}")

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Check:
    """What all checks of one id in one scenario came to."""

    def __init__(self, status="SUCCESS", why=""):
        self.status, self.why = status, why

    @property
    def failed(self):
        return self.status not in ("SUCCESS", "INFO", "SKIPPED")


def outcome(rows):
    """check -> Check of one scenario's rows. A check is its id, with its name when the scenario
    uses the id under several; its worst row counts."""
    order = ("INFO", "SKIPPED", "SUCCESS", "WARNING", "FAILURE")
    rows = [row for row in rows if row["status"] != "INFO"]
    names = {}
    for row in rows:
        names.setdefault(row["id"], set()).add(row["name"])
    checks = {}
    for row in rows:
        key = row["id"] if len(names[row["id"]]) == 1 else f"{row['id']}/{row['name']}"
        known = checks.get(key)
        if known is None or order.index(row["status"]) > order.index(known.status):
            why = row.get("errorMessage") or row.get("description", "")
            checks[key] = Check(row["status"], " ".join(why.split()))
    return checks


def read_results(folder, prefix):
    """scenario -> check -> Check, from what the suite wrote."""
    found = {}
    for path in sorted(
        glob.glob(os.path.join(glob.escape(folder), "**", "checks.json"), recursive=True)
    ):
        name = os.path.relpath(os.path.dirname(path), folder)
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", name).removeprefix(prefix)
        with open(path, encoding="utf-8") as file:
            found[scenario] = outcome(json.load(file))
    return found


def run_suite(*arguments):
    """Runs the suite to its end; returns (output, exit code)."""
    done = subprocess.run(
        [NODE, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=RUN_SECONDS,
        check=False,
    )
    return done.stdout, done.returncode


def check_server(selection, url):
    """scenario -> check -> Check of a server at `url`."""
    with tempfile.TemporaryDirectory(prefix="nexus-conformance-") as folder:
        output, _ = run_suite(
            selection.script, "server", "--url", url, *selection.arguments, "-o", folder
        )
        found = read_results(folder, "server-")
    if not found:
        raise AssertionError(f"the suite tested nothing:\n{output}")
    return found


def check_client(script, revision, scenarios, command):
    """scenario -> check -> Check of the client that `command` starts, four at a time."""

    def one(scenario):
        with tempfile.TemporaryDirectory(prefix="nexus-conformance-") as folder:
            arguments = ("--scenario", scenario, "--spec-version", revision, "-o", folder)
            output, code = run_suite(script, "client", "--command", command, *arguments)
            found = read_results(folder, "").get(scenario, {})
            if code != 0 and not any(check.failed for check in found.values()):
                # The client failed, or no check was made.
                found["client-command"] = Check("FAILURE", " ".join(output.split())[-600:])
            return scenario, found

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(pool.map(one, scenarios))


class Expected:
    """A file of lines `scenario:check why`: what fails, and why it must. `scenario:*` leaves a
    scenario out; a name may end in `*`."""

    def __init__(self, *names):
        self.reasons, self.left_out = {}, []
        for name in names:
            path = os.path.join(HERE, "expected", name + ".txt")
            if not os.path.exists(path):
                continue
            with open(path, encoding="utf-8") as file:
                lines = [line.strip() for line in file]
            for line in lines:
                if line and not line.startswith("#"):
                    check, _, why = line.partition(" ")
                    if not why.strip() or ":" not in check:
                        raise AssertionError(f"{path}: {line!r} is not `scenario:check why`")
                    self.add(check, why.strip())

    def add(self, check, why):
        if check.endswith(":*"):
            self.left_out.append(check[:-2])
        else:
            self.reasons[check] = why

    def ignores(self, scenario):
        return any(
            scenario == name or (name.endswith("*") and scenario.startswith(name[:-1]))
            for name in self.left_out
        )


class Verdict:
    """Results beside the baseline and the expectations of a cell."""

    def __init__(self, found, baseline, expected, scored):
        kept = {name: checks for name, checks in found.items() if not expected.ignores(name)}
        self.failed = {
            f"{scenario}:{name}": check.why
            for scenario, checks in kept.items()
            for name, check in checks.items()
            if check.failed
        }
        counted = [name for name in kept if scored is None or name in scored]
        bad = {key.split(":", 1)[0] for key in self.failed}
        self.scenarios, self.passed = len(counted), len([n for n in counted if n not in bad])
        for scenario, checks in (baseline or {}).items():
            if not expected.ignores(scenario):
                self.failed.update(missing(scenario, checks, kept.get(scenario, {})))
        self.unexpected = {k: v for k, v in self.failed.items() if k not in expected.reasons}
        self.stale = sorted(set(expected.reasons) - set(self.failed))
        self.checks = len({f"{s}:{c}" for s in kept for c in kept[s]} | set(self.failed))

    def row(self, name):
        return (
            f"{name:<34} {self.passed:>3}/{self.scenarios:<3} scored scenarios,"
            f" {self.checks - len(self.failed):>3}/{self.checks:<3} checks,"
            f" {len(self.failed) - len(self.unexpected):>2} expected failures"
        )

    def complaint(self):
        lines = [f"  {key}: {why}" for key, why in sorted(self.unexpected.items())]
        lines += [f"  {key}: is listed as failing, but passes" for key in self.stale]
        return "\n".join(lines)


def missing(scenario, baseline, checks):
    """What the fixture alone was checked for and this run was not: key -> why."""
    found = {}
    for name, check in baseline.items():
        if check.status != "SUCCESS":
            continue
        if name not in checks:
            found[f"{scenario}:{name}"] = "never checked"
        elif checks[name].status == "SKIPPED":
            found[f"{scenario}:{name}"] = f"skipped: {checks[name].why}"
    return found
