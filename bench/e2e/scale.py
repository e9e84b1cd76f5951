"""Cost of a call against what there is more of: sessions, servers, tools, vMCPs, bytes, workers."""

import dataclasses
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


@dataclasses.dataclass
class Point:
    """One size of a sweep: a gateway that runs, and how it is called."""

    nexus: Candidate
    options: dict


def _point(nexus: Candidate, **options) -> Point:
    return Point(nexus, {"connections": 64, "era": "legacy"} | options)


def _sessions(setup: Setup, count: int) -> Point:
    nexus = setup.start_nexus("nexus", {"b1": http_server(setup.start_echo())})
    # The load opens sessions of its own, one for each connection: all share one here.
    run_load(setup.load, setup.load_core, nexus.url, tool=nexus.tool, era="legacy", seconds=0.2,
             warmup_seconds=0, idle_sessions=count, session="shared")
    return _point(nexus, session="shared")


def _servers(setup: Setup, count: int) -> Point:
    entry = http_server(setup.start_echo())
    nexus = setup.start_nexus("nexus", {f"b{i}": entry for i in range(1, count + 1)})
    return _point(nexus, tool="b{}__echo", spread_tools=count)


def _tools(setup: Setup, count: int) -> Point:
    nexus = setup.start_nexus("nexus", {"b1": http_server(setup.start_echo("--tools", count))})
    time.sleep(setup.sizes.settle_seconds)
    return _point(nexus, tool="b1__tool_{}", spread_tools=count - 1)


def _vmcps(setup: Setup, count: int) -> Point:
    nexus = start_vmcp_fleet(setup)
    with Client(port_of(nexus)) as client:
        create_vmcps(client, 0, count)
    nexus.url = nexus.url.replace("/mcp", "/v/team-0/mcp")
    return _point(nexus, tool="tool_1")


def _payload(setup: Setup, count: int) -> Point:
    nexus = setup.start_nexus("nexus", {"b1": http_server(setup.start_echo())})
    # Long enough for the largest even in the shortest runs.
    return _point(nexus, padding_bytes=count, connections=8, seconds=max(setup.seconds, 1.0))


def _workers(setup: Setup, count: int) -> Point:
    nexus = setup.start_nexus("nexus", {"b1": http_server(setup.start_echo())}, workers=count,
                              pinned=False)
    return _point(nexus, pinned=False)


_STARTS = {"sessions": _sessions, "servers": _servers, "tools": _tools, "vmcps": _vmcps,
           "payload bytes": _payload, "workers": _workers}


def bend_of(costs: dict[int, float]) -> float:
    """How far a cost grows that must not, however much there is; 1 is not at all."""
    return max(costs.values()) / costs[min(costs)]


def slope_bend(costs: dict[int, float]) -> float:
    """How far the cost of one more byte grows: at the end against before that; 1 is not at all."""
    counts = sorted(costs)
    slopes = [(costs[b] - costs[a]) / (b - a) for a, b in zip(counts, counts[1:])]
    return slopes[-1] / slopes[-2] if len(slopes) > 1 and slopes[-2] > 0 else 1.0


def byte_bend(costs: dict[int, float], floor: dict[int, float]) -> float:
    """slope_bend() as a multiple of that of the mock server.

    Messages that are larger than a core's cache cost more for each byte in any process that holds
    them whole, and in the kernel: what the mock server's bytes do is not the gateway's doing.
    """
    return slope_bend(costs) / max(slope_bend(floor), 1.0)


def _take_turns(setup: Setup, points: dict[int, Point]) -> dict[int, list[dict]]:
    """Every point once a round, in a rotating order: a machine that gets slower bends nothing."""
    reports = {count: [] for count in points}
    order = list(points)
    for turn in range(setup.rounds):
        shift = turn % len(order)
        for count in order[shift:] + order[:shift]:
            point = points[count]
            print(f"  scale: {count:,}", file=sys.stderr)
            reports[count] += setup.measure([point.nexus], rounds=1,
                                            **point.options)[point.nexus.name]
    return reports


def _sweep(setup: Setup, out: Outcome, name: str):
    """A table, a plot and a verdict on the bend of one sweep."""
    print(f"  scale: {name}", file=sys.stderr)
    points = {count: _STARTS[name](setup, count)
              for count in _points(name, setup.sizes.scale_points)}
    reports = _take_turns(setup, points)
    stop_all(setup, [point.nexus for point in points.values()])
    setup.stop_echoes()
    costs, floor = ({count: series(rounds, key) for count, rounds in reports.items()}
                    for key in ("cpu_us_per_call", "servers_us_per_call"))
    lines = [f"### Scale: {name}", "", f"| {name} | CPU us/call | servers us/call | calls/s |",
             "| ---: | ---: | ---: | ---: |"]
    lines += [f"| {count:,} | {spread(costs[count], 2)} | {spread(floor[count], 2)} | "
              f"{spread(series(reports[count], 'rps'), 0)} |" for count in reports]
    out.tables.append("\n".join(lines) + "\n")
    out.reports[f"scale {name}"] = reports
    out.plots[f"scale-{name.replace(' ', '-')}.svg"] = line_plot(
        f"CPU time per call against {name}", name, "us per call",
        {"nexus": _line(costs), "mock server": _line(floor)},
        y_logarithmic=name == "payload bytes")
    per_round = [tuple({count: values[turn] for count, values in rows.items()}
                       for rows in (costs, floor)) for turn in range(setup.rounds)]
    if name == "payload bytes":
        subject = "bend of the cost per byte, as a multiple of the mock server's"
        bends = [byte_bend(mine, servers) for mine, servers in per_round]
    else:
        subject = f"bend of cost per call against {name}"
        bends = [bend_of(mine) for mine, _ in per_round]
    out.check("scale", subject, statistics.median(bends), BEND_LIMIT, values=bends)


def _line(rows: dict[int, list[float]]) -> list[tuple[float, float, float, float]]:
    """The points of a plot."""
    return [(count, statistics.median(values), min(values), max(values))
            for count, values in rows.items()]


def run_scale(setup: Setup) -> Outcome:
    """All sweeps."""
    out = Outcome()
    if setup.nexus is None:
        out.skip("scale", "cost per call", f"<= {BEND_LIMIT:g}", "nexus is not there")
        return out
    for name in _STARTS:
        _sweep(setup, out, name)
    return out
