"""What is measured: the direct way, the relay, nginx and nexus, each started and ready."""

import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from harness import (HarnessError, Processes, free_port, http_status, listens, nginx_config,
                     run_load, wait_until)


@dataclasses.dataclass
class Candidate:
    """One way to the echo server."""

    name: str
    url: str
    tool: str = "echo"
    watched: tuple[int, ...] = ()
    process: subprocess.Popen | None = None


@dataclasses.dataclass
class Setup:
    """The command line and what runs because of it."""

    processes: Processes
    build: pathlib.Path
    nexus: pathlib.Path | None
    nginx: str | None
    gateway_core: int
    load_core: int
    rounds: int
    seconds: float
    warmup: float
    eras: tuple[str, ...]

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
        return port

    def start_nginx(self, server_port: int) -> Candidate | None:
        """None, said loudly, when there is no nginx."""
        if self.nginx is None:
            print("NGINX IS MISSING: its rows and every check against it are skipped. "
                  "Install nginx-light or give --nginx.", file=sys.stderr)
            return None
        port = free_port()
        text = nginx_config(self.processes.folder, port, server_port)
        config = self.processes.write("nginx.conf", text)
        process = self.processes.start([self.nginx, "-c", config], self.gateway_core)
        wait_until(lambda: listens(port), process, "nginx")
        return Candidate("nginx", f"http://127.0.0.1:{port}/mcp", watched=(process.pid,),
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
                    tool: str = "b1__echo") -> Candidate | None:
        """The product in front of `servers` (the mcpServers object); None when it is not built."""
        if self.nexus is None:
            return None
        port = free_port()
        config = self.write_config(f"nexus-{port}.json", servers)
        process = self.processes.start(
            [self.nexus, "serve", "-c", config, "--listen", f"127.0.0.1:{port}", "--workers", "1",
             "--reactor", reactor], self.gateway_core)
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

    def measure(self, candidates, rounds: int | None = None, **options) -> dict[str, list[dict]]:
        """Every candidate once a round, in a rotating order; one list of reports for each."""
        reports = {candidate.name: [] for candidate in candidates}
        options = {"seconds": self.seconds, "warmup_seconds": self.warmup} | options
        for turn in range(rounds or self.rounds):
            shift = turn % len(candidates)
            for candidate in candidates[shift:] + candidates[:shift]:
                report = run_load(self.load, self.load_core, candidate.url, candidate.watched,
                                  **{"tool": candidate.tool} | options)
                reports[candidate.name].append(report)
                print(f"  round {turn + 1}: {candidate.name}: {report['rps']:.0f} calls/s",
                      file=sys.stderr)
        return reports


def http_server(port: int) -> dict:
    """A configuration entry for a mock server over HTTP."""
    return {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}


def find_nginx(given: str | None) -> str | None:
    """The nginx to run; Debian keeps it outside the usual path."""
    if given:
        if not os.access(given, os.X_OK):
            raise HarnessError(f"--nginx: cannot run {given}")
        return given
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def series(reports: list[dict], key: str) -> list[float]:
    """One figure over the rounds."""
    return [report[key] for report in reports]


def paired_ratio(one: list[dict], other: list[dict], key: str) -> float:
    """The median over the rounds of one / other: what drifts with the machine cancels out."""
    return statistics.median(a / b for a, b in zip(series(one, key), series(other, key)))


def spread(values: list[float], digits: int = 1) -> str:
    """Median and range, as `15.6 (15.1-16.2)`."""
    if not values:
        return "-"
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f}-{max(values):.{digits}f})")


def table(title: str, reports: dict[str, list[dict]], base: str = "nginx") -> str:
    """A Markdown table of all candidates, with each one's CPU time as a ratio to `base`."""
    lines = [f"### {title}", "",
             "| candidate | CPU us/call | x " + base + " | calls/s | p50 us | p99 us | RSS MiB |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for name, rounds in reports.items():
        watched = "cpu_us_per_call" in rounds[0]
        ratio = "-"
        if watched and reports.get(base):
            ratio = f"{paired_ratio(rounds, reports[base], 'cpu_us_per_call'):.2f}"
        cpu = spread(series(rounds, "cpu_us_per_call")) if watched else "-"
        rss = f"{statistics.median(series(rounds, 'rss_mib')):.1f}" if watched else "-"
        lines.append(f"| {name} | {cpu} | {ratio} | {spread(series(rounds, 'rps'), 0)} | "
                     f"{spread(series(rounds, 'p50_us'))} | {spread(series(rounds, 'p99_us'))} | "
                     f"{rss} |")
    return "\n".join(lines) + "\n"
