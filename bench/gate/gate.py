#!/usr/bin/env python3
"""Counts what a call costs the gateway and compares it with what it cost before.

    bench/gate/gate.py --build build/release            # 0: as before, 1: dearer, 77: no valgrind
    bench/gate/gate.py --build build/release --update   # writes bench/gate/baseline.json anew

Counts do not depend on how busy the machine is: instructions, those of them that copy, and
allocations of the worker's thread as callgrind sees them, and its system calls. N calls and then
2 N are made on one connection; the difference is what N calls cost, without start and scrapes.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from callgrind import Part, read_part
from client import LEGACY, MODERN, PAUSE_S, Client, WrongAnswer
from compare import Figure, compare

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import (HarnessError, Processes, free_port, http_status,  # noqa: E402
                     listens, wait_until)

SKIPPED = 77
LISTED_TOOLS = 1000
# Outside valgrind the kernel answers these without being entered (vdso(7)).
NO_SYSTEM_CALLS = ("clock_gettime", "gettimeofday", "time", "getcpu")
Scenario = collections.namedtuple("Scenario", "name revision path tool text_bytes calls one_piece")

# Text of 60 bytes makes the reference load of about 130 bytes in and 170 out. The list is one
# whole page. The large call shows what is done to every byte. What travels in several pieces needs
# as many system calls as the kernel makes pieces, which is chance: those are not counted.
SCENARIOS = (
    Scenario("call, legacy, HTTP server", LEGACY, "/mcp", "legacy__echo", 60, 150, True),
    Scenario("call, modern, HTTP server", MODERN, "/mcp", "modern__echo", 60, 150, True),
    Scenario("call, legacy, stdio server", LEGACY, "/mcp", "child__echo", 60, 150, True),
    Scenario("call of 64 KiB, modern, HTTP server", MODERN, "/mcp", "modern__echo", 65536, 30,
             False),
    Scenario("list of 1,000 tools, modern", MODERN, "/s/large/mcp", None, 0, 30, False),
)


class Gateway:
    """A gateway with one worker in front of four mock servers, and the parts of its work."""

    def __init__(self, processes: Processes, options: argparse.Namespace, reactor: str,
                 counted: bool):
        self._folder = processes.folder / reactor
        self._folder.mkdir()
        self._parts = 0
        self._system_calls = 0
        self.port = free_port()
        config = self._folder / "nexus.json"
        config.write_text(json.dumps({"state": "off", "mcpServers": self._servers(processes,
                                                                                  options)}))
        command = [options.nexus, "serve", "-c", config, "--listen", f"127.0.0.1:{self.port}",
                   "--workers", "1", "--reactor", reactor]
        environment = dict(os.environ)
        if counted:
            command = self._valgrind() + command
            # Which copying instructions the C library picks must not depend on the processor.
            environment["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-ERMS,-FSRM"
        self.process = processes.start(command, env=environment)
        wait_until(lambda: http_status(self.port, "/readyz") == 200, self.process,
                   f"the gateway on {reactor}", 60)

    def _servers(self, processes, options) -> dict:
        """Their entries in the configuration; those over HTTP are started."""
        echo = str(options.build / "nexus_e2e_echo")
        pause = ("--delay-ms", str(round(PAUSE_S * 1000)))
        entries = {"child": {"type": "stdio", "command": echo, "args": ["--stdio", *pause]}}
        for name, more in (("legacy", ("--era", "legacy", "--session", "s")),
                           ("modern", ("--era", "modern")),
                           ("large", ("--tools", LISTED_TOOLS))):
            port = free_port()
            server = processes.start([echo, "--port", port, *pause, *more])
            wait_until(lambda port=port: listens(port), server, f"the mock server {name}")
            entries[name] = {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}
        return entries

    def _valgrind(self) -> list:
        # Each scrape of the metrics ends a part of the worker's counts, on the worker itself:
        # nothing from outside has to stop the process for that.
        return ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--trace-syscalls=yes",
                f"--log-file={self._folder}/system_calls",
                f"--callgrind-out-file={self._folder}/counts",
                "--dump-before=nexus::metrics::registry::exposition*"]

    def scrape(self) -> dict[str, float]:
        """The metrics of this moment; ends a part."""
        self._parts += 1
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
        connection.close()
        return {name: float(value) for name, value in
                (line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))}

    def last_part(self) -> tuple[Part, int]:
        """What the worker did before the last scrape, and its thread's number in valgrind."""
        found = list(self._folder.glob(f"counts.{self._parts}-*"))
        if len(found) != 1:
            raise HarnessError(f"callgrind wrote {len(found)} parts for one scrape: "
                               "is registry::exposition still what makes the page of /metrics?")
        return read_part(found[0]), int(found[0].name.rpartition("-")[2])

    def new_system_calls(self, thread: int) -> int:
        """Those of a thread since this was asked last, whichever library made them."""
        pattern = re.compile(rf"^SYSCALL\[\d+,{thread}\]\(\d+\) (?:sys_)?(\w+)", re.MULTILINE)
        trace = (self._folder / "system_calls").read_text(errors="replace")
        total = sum(name not in NO_SYSTEM_CALLS for name in pattern.findall(trace))
        before, self._system_calls = self._system_calls, total
        return total - before


def parts_of(gateway: Gateway, scenario: Scenario):
    """Makes some calls, N and 2 N of them, and yields after each lot, just after a scrape."""
    client = Client(gateway.port, scenario.path, scenario.revision)
    text = "x" * scenario.text_bytes
    for calls in (scenario.calls // 4, scenario.calls, 2 * scenario.calls):
        for _ in range(calls):
            if scenario.tool:
                client.call(scenario.tool, text)
            else:
                client.list_tools(LISTED_TOOLS)
        yield gateway.scrape()
    client.close()


def count_with_callgrind(gateway: Gateway, scenario: Scenario) -> tuple[dict, list[str]]:
    """Figures of one call on epoll, which valgrind knows, and where its instructions go."""
    parts = []
    for _ in parts_of(gateway, scenario):
        part, thread = gateway.last_part()
        parts.append((part, gateway.new_system_calls(thread)))
    (once, system_calls_once), (twice, system_calls_twice) = parts[1:]
    figures = {"instructions": twice.instructions - once.instructions,
               "copying": twice.copying - once.copying,
               "allocations": twice.allocations - once.allocations}
    if scenario.one_piece:
        figures["system calls, epoll"] = system_calls_twice - system_calls_once
    heaviest = [f"{cost / scenario.calls:9.1f} {function[:100]}"
                for function, cost in twice.minus(once).most_common(25)]
    return {name: count / scenario.calls for name, count in figures.items()}, heaviest


def count_on_uring(gateway: Gateway, scenario: Scenario) -> dict:
    """System calls of one call by the reactor's own counter."""
    name = 'nexus_worker_system_calls_total{worker="0"}'
    warm, once, twice = (page[name] for page in parts_of(gateway, scenario))
    return {"system calls, io_uring": ((twice - once) - (once - warm)) / scenario.calls}


def measure(options: argparse.Namespace) -> tuple[list[Figure], dict]:
    """Every figure, and the functions that most instructions of each scenario go to."""
    with Processes() as processes:
        found = measure_with(processes, options)
        if options.keep:
            shutil.copytree(processes.folder / "epoll", options.keep, dirs_exist_ok=True)
    return found


def measure_with(processes: Processes, options: argparse.Namespace) -> tuple[list[Figure], dict]:
    """The same, with the processes that it may start."""
    figures, heaviest = [], {}
    gateway = Gateway(processes, options, "epoll", counted=True)
    for scenario in SCENARIOS:
        found, heaviest[scenario.name] = count_with_callgrind(gateway, scenario)
        figures += [Figure(scenario.name, *pair) for pair in found.items()]
    processes.stop(gateway.process)
    gateway = Gateway(processes, options, "io_uring", counted=False)
    if gateway.scrape()['nexus_worker_io_uring{worker="0"}'] == 0:
        print("NO IO_URING HERE: its system calls are not counted.", file=sys.stderr)
        return figures, heaviest
    for scenario in SCENARIOS:
        if scenario.one_piece:
            figures += [Figure(scenario.name, *pair)
                        for pair in count_on_uring(gateway, scenario).items()]
    return figures, heaviest


def versions(options: argparse.Namespace) -> dict[str, str]:
    """What the counts depend on beside the sources."""
    cache = (options.build / "CMakeCache.txt").read_text()
    compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.MULTILINE)[1]
    build_type = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache, re.MULTILINE)[1]

    def first_line(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True,
                              timeout=60).stdout.splitlines()[0]

    return {"compiler": first_line(compiler, "--version"), "build type": build_type,
            "valgrind": first_line("valgrind", "--version"),
            "C library": first_line("ldd", "--version")}


def report(figures: list[Figure], heaviest: dict, options: argparse.Namespace) -> int:
    """Prints the figures and what became of them; the exit status."""
    for figure in figures:
        print(f"{figure.scenario + ':':37} {figure.value:12.2f} {figure.name} a call")
    dearer, notes = compare(figures, known_figures(options))
    for line in notes:
        print(line)
    if not dearer:
        return 0
    print("\nDEARER THAN BEFORE:", *dearer, sep="\n  ")
    before = json.loads(options.baseline.read_text())["versions"]
    for name, value in versions(options).items():
        if before.get(name) != value:
            print(f"{name}: this is {value}, the baseline is of {before.get(name)}: "
                  "they need not have the same counts")
    for scenario in sorted({line.partition(": ")[0] for line in dearer} & heaviest.keys()):
        print(f"\n{scenario}: instructions a call, by function", *heaviest[scenario], sep="\n")
    print("\nTo look closer: --keep FOLDER, then callgrind_annotate FOLDER/counts.K-TT. When the "
          "cost is worth what it buys: --update, and say in the commit what that is.")
    return 1


def known_figures(options: argparse.Namespace) -> dict:
    """The baseline: scenario -> figure -> value."""
    return json.loads(options.baseline.read_text())["figures"]


def write_baseline(figures: list[Figure], options: argparse.Namespace):
    """What later runs are compared with."""
    values = collections.defaultdict(dict)
    for figure in figures:
        values[figure.scenario][figure.name] = round(figure.value, 2)
    options.baseline.write_text(
        json.dumps({"versions": versions(options), "figures": values}, indent=2) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a release build")
    parser.add_argument("--baseline", type=pathlib.Path, default=HERE / "baseline.json")
    parser.add_argument("--update", action="store_true", help="make these figures the baseline")
    parser.add_argument("--keep", type=pathlib.Path, help="leave callgrind's files in this folder")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.nexus = options.build / "nexus"
    return options


def main() -> int:
    """Measures, then compares or updates."""
    options = parse()
    if not shutil.which("valgrind"):
        print("VALGRIND IS MISSING, so nothing is counted: deploy/install_dependencies.sh --tests",
              file=sys.stderr)
        return SKIPPED
    try:
        figures, heaviest = measure(options)
        if not options.update and compare(figures, known_figures(options))[0]:
            # What disturbs a count adds to it, and does so once: the smaller of two is the truth.
            again, heaviest = measure(options)
            figures = [min(pair, key=lambda figure: figure.value) for pair in zip(figures, again)]
    except (HarnessError, WrongAnswer) as error:
        print(error, file=sys.stderr)
        return 2
    if options.update:
        write_baseline(figures, options)
    return report(figures, heaviest, options)


if __name__ == "__main__":
    sys.exit(main())
