"""Cost of a call against what there is more of: sessions, servers, tools, vMCPs, bytes, workers."""

import statistics
import sys
import time

from candidates import Candidate, Setup, http_server, series, spread
from checks_memory import create_vmcps, port_of, start_vmcp_fleet
from field import stop_all
from harness import run_load
from mcp_client import Client
from outcome import Outcome
from plot import line_plot

BEND_LIMIT = 1.15
SWEEPS = {
    "sessions": (1, 10, 100, 1_000, 10_000),
    "servers": (1, 5, 20, 50, 200),
    "tools": (10, 100, 1_000, 3_000, 10_000),
    "vmcps": (1, 10, 100, 1_000, 10_000),
    "payload bytes": (100, 1_000, 10_000, 100_000, 1_048_576),
    "workers": (1, 2),
}


def _points(name: str, count: int) -> list[int]:
    """So many of a sweep's points; the first and the last are always there."""
    values = SWEEPS[name]
    count = max(2, min(count, len(values)))
    return [values[round(i * (len(values) - 1) / (count - 1))] for i in range(count)]


def _costs(setup: Setup, nexus: Candidate, **options) -> tuple[list[dict], Candidate]:
    """One candidate's rounds, and the candidate."""
    options = {"connections": 64, "era": "legacy"} | options
    return setup.measure([nexus], **options)[nexus.name], nexus


def _sessions(setup: Setup, count: int) -> tuple[list[dict], Candidate]:
    nexus = setup.start_nexus("nexus", {"b1": http_server(setup.start_echo())})
    # The load opens sessions of its own, one for each connection: all share one here.
    run_load(setup.load, setup.load_core, nexus.url, tool=nexus.tool, era="legacy", seconds=0.2,
             warmup_seconds=0, idle_sessions=count, session="shared")
    return _costs(setup, nexus, session="shared")


def _servers(setup: Setup, count: int) -> tuple[list[dict], Candidate]:
    entry = http_server(setup.start_echo())
    nexus = setup.start_nexus("nexus", {f"b{i}": entry for i in range(1, count + 1)})
    return _costs(setup, nexus, tool="b{}__echo", spread_tools=count)


def _tools(setup: Setup, count: int) -> tuple[list[dict], Candidate]:
    nexus = setup.start_nexus("nexus", {"b1": http_server(setup.start_echo("--tools", count))})
    time.sleep(setup.sizes.settle_seconds)
    return _costs(setup, nexus, tool="b1__tool_{}", spread_tools=count - 1)


def _vmcps(setup: Setup, count: int) -> tuple[list[dict], Candidate]:
    nexus = start_vmcp_fleet(setup)
    with Client(port_of(nexus)) as client:
        create_vmcps(client, 0, count)
    nexus.url = nexus.url.replace("/mcp", "/v/team-0/mcp")
    return _costs(setup, nexus, tool="tool_1")


def _payload(setup: Setup, count: int) -> tuple[list[dict], Candidate]:
    nexus = setup.start_nexus("nexus", {"b1": http_server(setup.start_echo())})
    # Long enough for the largest even in the shortest runs.
    return _costs(setup, nexus, padding_bytes=count, connections=8,
                  seconds=max(setup.seconds, 1.0))


def _workers(setup: Setup, count: int) -> tuple[list[dict], Candidate]:
    nexus = setup.start_nexus("nexus", {"b1": http_server(setup.start_echo())}, workers=count,
                              pinned=False)
    return _costs(setup, nexus, pinned=False)


_MEASURES = {"sessions": _sessions, "servers": _servers, "tools": _tools, "vmcps": _vmcps,
             "payload bytes": _payload, "workers": _workers}


def bend_of(name: str, costs: dict[int, float]) -> float:
    """How far a curve bends upwards; 1 is none.

    Bytes have to cost something each: there it is the cost of one more byte at the end against
    the cost of one more before that. Everything else must cost nothing, however much there is.
    """
    counts = sorted(costs)
    if name != "payload bytes":
        return costs[counts[-1]] / costs[counts[0]]
    slopes = [(costs[b] - costs[a]) / (b - a) for a, b in zip(counts, counts[1:])]
    return slopes[-1] / slopes[-2] if len(slopes) > 1 and slopes[-2] > 0 else 1.0


def run_scale(setup: Setup) -> Outcome:
    """All sweeps, a table and a plot of each, and a verdict on every bend."""
    out = Outcome()
    if setup.nexus is None:
        out.skip("scale", "cost per call", f"<= {BEND_LIMIT:g}", "nexus is not there")
        return out
    for name, measure in _MEASURES.items():
        reports = {}
        for count in _points(name, setup.sizes.scale_points):
            print(f"  scale: {name} {count:,}", file=sys.stderr)
            reports[count], nexus = measure(setup, count)
            stop_all(setup, [nexus])
            setup.stop_echoes()
        costs = {count: series(rounds, "cpu_us_per_call") for count, rounds in reports.items()}
        medians = {count: statistics.median(values) for count, values in costs.items()}
        lines = [f"### Scale: {name}", "", f"| {name} | CPU us/call | calls/s |",
                 "| ---: | ---: | ---: |"]
        lines += [f"| {count:,} | {spread(costs[count], 2)} | "
                  f"{spread(series(reports[count], 'rps'), 0)} |" for count in reports]
        out.tables.append("\n".join(lines) + "\n")
        out.reports[f"scale {name}"] = reports
        points = [(count, medians[count], min(values), max(values))
                  for count, values in costs.items()]
        out.plots[f"scale-{name.replace(' ', '-')}.svg"] = line_plot(
            f"CPU time of the gateway per call against {name}", name, "us per call",
            {"nexus": points})
        out.check("scale", f"bend of cost per call against {name}", bend_of(name, medians),
                  BEND_LIMIT)
    return out
