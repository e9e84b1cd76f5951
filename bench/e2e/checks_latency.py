"""P3: latency that the gateway adds. P6: it is ready at once."""

import json
import math
import statistics
import subprocess
import time

from candidates import Setup, http_server, series, spread, table
from field import missing_peer, nexus_names, start_field, stop_all
from harness import HarnessError, free_port, http_status, listens, wait_until
from outcome import Outcome, Verdict

STDIO_SERVERS_COUNT = 14
SLOW_START_MS = 3000
#: An open loop is measured in slices as short as this, by turns: a machine that stands still for
#: milliseconds now and then spoils the 99th percentile of some slices, not of most.
SLICE_SECONDS = 0.25
#: Beyond this the generator's own queue is what an open loop measures.
LOAD_BUSY_MAX = 0.9


def _added(reports, name, key) -> list[float]:
    """What a candidate adds over the direct way, round by round."""
    return [one - direct for one, direct in zip(series(reports[name], key),
                                                series(reports["direct"], key))]


def _check_added(out: Outcome, subject: str, reports: dict, key: str):
    lines = [f"{subject}, added over direct (median of rounds):"]
    for name in reports:
        if name != "direct":
            lines.append(f"- {name}: {statistics.median(_added(reports, name, key)):.1f} us")
    out.tables.append("\n".join(lines) + "\n")
    missing = missing_peer(reports)
    if missing:
        out.skip("P3", subject, "<= 1 x nginx", missing)
        return
    nginx = statistics.median(_added(reports, "nginx", key))
    for name in nexus_names(reports):
        added = statistics.median(_added(reports, name, key))
        figure = f"{spread(_added(reports, name, key))} us added"
        out.verdicts.append(Verdict("P3", f"{subject}, {name}", figure,
                                    f"<= {nginx:.1f} us, what nginx adds", added <= nginx))


def _median_bounds(values: list[float]) -> tuple[float, float]:
    """Between which values the median is with 95 % (order statistics; few values: all)."""
    ordered, half = sorted(values), len(values) / 2
    below = max(0, math.floor(half - 0.98 * math.sqrt(len(values))))
    return ordered[below], ordered[len(values) - 1 - below]


def _check_tail(out: Outcome, subject: str, reports: dict):
    """The 99th percentile against nginx, slice by slice. What cannot be told apart from it is
    no verdict: the limit is nginx itself."""
    missing = missing_peer(reports)
    if missing:
        out.skip("P3", subject, "<= 1 x nginx", missing)
        return
    nginx = series(reports["nginx"], "p99_us")
    lines = [f"{subject}, minus nginx's, in {len(nginx)} slices "
             "(median, and where it is with 95 %):"]
    for name in reports:
        more = [one - peer for one, peer in zip(series(reports[name], "p99_us"), nginx)]
        low, high = _median_bounds(more)
        median = statistics.median(more)
        figure = f"{median:+.0f} us to nginx ({low:+.0f} to {high:+.0f})"
        if name != "nginx":
            lines.append(f"- {name}: {median:+.0f} ({low:+.0f} to {high:+.0f}) us")
        if not name.startswith("nexus"):
            continue
        if median > 0 and low <= 0:
            out.skip("P3", f"{subject}, {name}", "<= nginx",
                     f"CANNOT BE TOLD APART from nginx: {figure}")
        else:
            out.verdicts.append(Verdict("P3", f"{subject}, {name}", figure, "<= nginx",
                                        median <= 0))
    out.tables.append("\n".join(lines) + "\n")


def check_p3(setup: Setup) -> Outcome:
    """Latency added over the direct way, alone and at half of nginx's capacity."""
    out = Outcome()
    field = start_field(setup, setup.start_echo())
    era = setup.eras[0]
    alone = setup.measure(field, connections=1, era=era)
    out.reports["P3 1 connection"] = alone
    out.tables.append(table(f"P3: 1 connection, {era}", alone))
    _check_added(out, "1 connection, median", alone, "p50_us")
    nginx = [candidate for candidate in field if candidate.name == "nginx"]
    if not nginx:
        out.skip("P3", "half of nginx's capacity, p99", "<= 1 x nginx", "NGINX IS MISSING")
    else:
        capacity = setup.measure(nginx, rounds=3, connections=64, era=era)["nginx"]
        _check_open_loop(setup, out, field, round(statistics.median(series(capacity, "rps"))))
    stop_all(setup, field)
    setup.stop_echoes()
    return out


def _check_open_loop(setup: Setup, out: Outcome, field, capacity: int):
    """At half of nginx's capacity; at a quarter of it too when load and servers, which share a
    core here, have none to spare at half: their latencies are those of their own queue then."""
    for share, words in ((2, "half"), (4, "a quarter")):
        rate, era = capacity // share, setup.eras[0]
        slices = math.ceil(setup.rounds * max(1.0, setup.seconds / SLICE_SECONDS))
        reports = setup.measure(field, rounds=slices, connections=64, era=era, rate=rate,
                                seconds=min(setup.seconds, SLICE_SECONDS),
                                warmup_seconds=min(setup.warmup, SLICE_SECONDS))
        subject = f"{words} of nginx's capacity, p99"
        out.reports[f"P3 open loop, {words}"] = reports
        out.tables.append(table(f"P3: open loop of {rate:,} calls/s, {words} of nginx's, {era}",
                                reports))
        busy = statistics.median(row["core_busy"][str(setup.load_core)]
                                 for rows in reports.values() for row in rows)
        if busy <= LOAD_BUSY_MAX:
            return _check_tail(out, subject, reports)
        out.skip("P3", subject, "<= 1 x nginx", f"LIMITED: load and servers keep their core "
                 f"{busy:.0%} busy, and wait for each other")
    return None


def _slow_servers(setup: Setup, count: int) -> dict:
    """Servers that nobody may wait for: children that start slowly, and dead addresses."""
    dead = http_server(free_port())
    slow = setup.stdio_server("--start-delay-ms", SLOW_START_MS)
    return {f"s{i}": dead if i % 4 == 0 else slow for i in range(1, count + 1)}


def check_p6(setup: Setup) -> Outcome:
    """Ready at once whatever the fleet does, over HTTP and over stdio."""
    out = Outcome()
    if setup.nexus is None:
        out.skip("P6", f"ready with {setup.sizes.ready_servers} servers", "<= 100 ms",
                 "nexus is not there")
        out.skip("P6", "initialize over stdio", "<= 50 ms", "nexus is not there")
        return out
    ready = [_time_to_ready(setup) for _ in range(setup.rounds)]
    answered = [_time_to_initialize(setup) for _ in range(setup.rounds)]
    out.reports |= {"P6 ready_ms": ready, "P6 initialize_ms": answered}
    out.check("P6", f"ready with {setup.sizes.ready_servers} servers (median)",
              statistics.median(ready), 100, " ms", values=ready)
    out.check("P6", f"initialize over stdio with {STDIO_SERVERS_COUNT} servers (median)",
              statistics.median(answered), 50, " ms", values=answered)
    return out


def _time_to_ready(setup: Setup) -> float:
    config = setup.write_config("ready.json", _slow_servers(setup, setup.sizes.ready_servers))
    port = free_port()
    begin = time.monotonic()
    process = setup.processes.start(
        [setup.nexus, "serve", "-c", config, "--listen", f"127.0.0.1:{port}", "--workers", "1"])
    wait_until(lambda: listens(port) and http_status(port, "/readyz") == 200, process, "nexus")
    elapsed = (time.monotonic() - begin) * 1000
    left = setup.processes.stop(process)
    if left:
        raise HarnessError(f"nexus left {len(left)} child processes behind when it was stopped")
    return elapsed


def _time_to_initialize(setup: Setup) -> float:
    config = setup.write_config("stdio.json", _slow_servers(setup, STDIO_SERVERS_COUNT))
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize",
               "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                          "clientInfo": {"name": "e2e", "version": "1"}}}
    begin = time.monotonic()
    process = setup.processes.start([setup.nexus, "stdio", "-c", config], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE)
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    line = process.stdout.readline()
    elapsed = (time.monotonic() - begin) * 1000
    setup.processes.stop(process)
    if not line or "result" not in json.loads(line):
        reason = process.log.read_text(errors="replace")[-500:]
        raise HarnessError(f"nexus stdio answered initialize with {line!r}: {reason}")
    return elapsed
