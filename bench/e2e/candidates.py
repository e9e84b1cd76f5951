"""What is measured: the direct way, the relay, the proxies and nexus, each started and ready."""

import dataclasses
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

from harness import (Processes, descendants, free_port, http_status, listens, run_load,
                     wait_until)
from proxies import haproxy_config, missing_text, nginx_config


@dataclasses.dataclass
class Candidate:
    """One way to the echo server."""

    name: str
    url: str
    tool: str = "echo"
    watched: tuple[int, ...] = ()
    process: subprocess.Popen | None = None


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much the checks do that count things instead of seconds; the defaults are promised."""

    idle_sessions: int = 10_000
    crowd: int = 50
    many_tools: int = 5_000
    vmcps: int = 10_000
    streams: int = 5_000
    warmup_calls: int = 400_000
    calls: int = 1_000_000
    warmup_cycles: int = 5_000
    cycles: int = 10_000
    ready_servers: int = 200
    searched_tools: int = 10_000
    searches: int = 2_000
    scale_points: int = 5
    settle_seconds: float = 1.5  # lists of tools arrive, freed memory goes back to the kernel

    def shortfall(self, name: str) -> str:
        """How a size differs from the promised one, for a verdict's text; empty when equal."""
        mine, promised = getattr(self, name), getattr(Sizes(), name)
        return "" if mine == promised else f", {mine:,} instead of {promised:,} {name}"


QUICK = Sizes(idle_sessions=2_000, vmcps=2_000, streams=1_000, warmup_calls=50_000, calls=100_000,
              warmup_cycles=500, cycles=2_000, searches=500, scale_points=3)
SMOKE = Sizes(idle_sessions=20, crowd=4, many_tools=100, vmcps=20, streams=20, warmup_calls=1_000,
              calls=2_000, warmup_cycles=20, cycles=50, ready_servers=20, searched_tools=200,
              searches=20, scale_points=2, settle_seconds=0.3)


@dataclasses.dataclass
class Setup:
    """The command line and what runs because of it."""

    processes: Processes
    build: pathlib.Path
    nexus: pathlib.Path | None
    proxies: dict[str, str | None]
    gateway_core: int
    load_core: int
    rounds: int
    seconds: float
    warmup: float
    eras: tuple[str, ...]
    sizes: Sizes = Sizes()
    retrieval: pathlib.Path | None = None
    echoes: list[subprocess.Popen] = dataclasses.field(default_factory=list)

    @property
    def load(self) -> pathlib.Path:
        return self.build / "nexus-bench"

    @property
    def echo(self) -> pathlib.Path:
        return self.build / "nexus_e2e_echo"

    @property
    def relay(self) -> pathlib.Path:
        return self.build / "nexus_e2e_relay"

    def start_echo(self, *options) -> int:
        """A mock server on the load's core; the result is its port."""
        port = free_port()
        process = self.processes.start([self.echo, "--port", port, *options], self.load_core)
        wait_until(lambda: listens(port), process, "the echo server")
        self.echoes.append(process)
        return port

    def stop_echoes(self):
        """Stops every mock server that listens."""
        for process in self.echoes:
            self.processes.stop(process)
        self.echoes.clear()

    def start_proxy(self, name: str, server_port: int) -> Candidate | None:
        """nginx or haproxy; None, said loudly, when it is not there."""
        program = self.proxies.get(name)
        if program is None:
            print(missing_text(name), file=sys.stderr)
            return None
        port = free_port()
        if name == "nginx":
            text = nginx_config(self.processes.folder, port, server_port)
            command = [program, "-c", self.processes.write(f"{name}-{port}.conf", text)]
        else:
            text = haproxy_config(port, server_port)
            command = [program, "-db", "-f", self.processes.write(f"{name}-{port}.conf", text)]
        process = self.processes.start(command, self.gateway_core)
        wait_until(lambda: listens(port), process, name)
        return Candidate(name, f"http://127.0.0.1:{port}/mcp", watched=(process.pid,),
                         process=process)

    def start_relay(self, server_port: int, reactor: str) -> Candidate:
        """The floor."""
        port = free_port()
        process = self.processes.start(
            [self.relay, "--listen-port", port, "--to-port", server_port, "--reactor", reactor],
            self.gateway_core)
        wait_until(lambda: listens(port), process, f"the {reactor} relay")
        return Candidate(f"relay, {reactor}", f"http://127.0.0.1:{port}/mcp",
                         watched=(process.pid,), process=process)

    def start_nexus(self, name: str, servers: dict, reactor: str = "io_uring",
                    tool: str = "b1__echo", workers: int = 1,
                    pinned: bool = True) -> Candidate | None:
        """The product in front of `servers` (the mcpServers object); None when it is not built.

        Without `pinned` it may use every core.
        """
        if self.nexus is None:
            return None
        port = free_port()
        config = self.write_config(f"nexus-{port}.json", servers)
        process = self.processes.start(
            [self.nexus, "serve", "-c", config, "--listen", f"127.0.0.1:{port}", "--workers",
             workers, "--reactor", reactor], self.gateway_core if pinned else None)
        wait_until(lambda: http_status(port, "/readyz") == 200, process, name)
        return Candidate(name, f"http://127.0.0.1:{port}/mcp", tool, (process.pid,), process)

    def write_config(self, name: str, servers: dict) -> pathlib.Path:
        """A configuration file with these servers."""
        config = {"state": "off", "mcpServers": servers}
        return self.processes.write(name, json.dumps(config, indent=1))

    def stdio_server(self, *options, core: int | None = None) -> dict:
        """A configuration entry for the mock server as a child, on a core of its own."""
        command = [str(self.echo), "--stdio", *map(str, options)]
        if core is not None:
            command = [shutil.which("taskset") or "taskset", "-c", str(core), *command]
        return {"type": "stdio", "command": command[0], "args": command[1:]}

    def servers_of(self, candidate: Candidate) -> list[int]:
        """Every mock server that could answer: those that listen, and the candidate's children."""
        children = descendants(candidate.process.pid) if candidate.process else []
        return [process.pid for process in self.echoes] + [
            pid for pid in children if pid not in candidate.watched]

    def measure(self, candidates, rounds: int | None = None, pinned: bool = True,
                **options) -> dict[str, list[dict]]:
        """Every candidate once a round, in a rotating order; one list of reports for each."""
        core = self.load_core if pinned else None
        reports = {candidate.name: [] for candidate in candidates}
        options = {"seconds": self.seconds, "warmup_seconds": self.warmup} | options
        for turn in range(rounds or self.rounds):
            shift = turn % len(candidates)
            for candidate in candidates[shift:] + candidates[:shift]:
                report = run_load(self.load, core, candidate.url, candidate.watched,
                                  self.servers_of(candidate),
                                  **{"tool": candidate.tool} | options)
                reports[candidate.name].append(report)
                print(f"  round {turn + 1}: {candidate.name}: {report['rps']:.0f} calls/s",
                      file=sys.stderr)
        return reports


def http_server(port: int) -> dict:
    """A configuration entry for a mock server over HTTP."""
    return {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}


def series(reports: list[dict], key: str) -> list[float]:
    """One figure over the rounds."""
    return [report[key] for report in reports]


def ratios(one: list[dict], other: list[dict], key: str) -> list[float]:
    """one / other in each round: what drifts with the machine cancels out."""
    return [a / b if b else float("inf") for a, b in zip(series(one, key), series(other, key))]


def paired_ratio(one: list[dict], other: list[dict], key: str) -> float:
    """The median over the rounds of one / other."""
    return statistics.median(ratios(one, other, key))


def spread(values: list[float], digits: int = 1) -> str:
    """Median and range, as `15.6 (15.1-16.2)`."""
    if not values:
        return "-"
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f}-{max(values):.{digits}f})")


def cores_text(rounds: list[dict]) -> str:
    """The busy share of each core, as `98 / 76`, from core 0 on."""
    cores = sorted(rounds[0]["core_busy"], key=int)
    return " / ".join(f"{statistics.median(one['core_busy'][core] for one in rounds) * 100:.0f}"
                      for core in cores)


def optional_spread(rounds: list[dict], key: str) -> str:
    """The spread of a figure that not every candidate has."""
    return spread(series(rounds, key)) if key in rounds[0] else "-"


def table(title: str, reports: dict[str, list[dict]], base: str = "nginx") -> str:
    """A Markdown table of all candidates, with each one's CPU time as a ratio to `base`."""
    lines = [f"### {title}", "",
             f"| candidate | CPU us/call | x {base} | load us/call | servers us/call | calls/s | "
             "p50 us | p99 us | RSS MiB | cores busy % |",
             "| --- |" + " ---: |" * 9]
    for name, rounds in reports.items():
        watched = "cpu_us_per_call" in rounds[0]
        ratio = "-"
        if watched and reports.get(base):
            ratio = f"{paired_ratio(rounds, reports[base], 'cpu_us_per_call'):.2f}"
        rss = f"{statistics.median(series(rounds, 'rss_mib')):.1f}" if watched else "-"
        cells = [name, optional_spread(rounds, "cpu_us_per_call"), ratio,
                 optional_spread(rounds, "load_us_per_call"),
                 optional_spread(rounds, "servers_us_per_call"), spread(series(rounds, "rps"), 0),
                 spread(series(rounds, "p50_us")), spread(series(rounds, "p99_us")), rss,
                 cores_text(rounds)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
