"""The promises that the end-to-end run checks: P1, P2, P3, P5 (memory at rest) and P6."""

import dataclasses
import json
import statistics
import subprocess
import time

from candidates import Candidate, Setup, http_server, paired_ratio, series, table
from harness import HarnessError, free_port, http_status, listens, run_load, wait_until

READY_SERVERS_COUNT = 200
STDIO_SERVERS_COUNT = 14
SLOW_START_MS = 3000
REACTORS = ("io_uring", "epoll")


@dataclasses.dataclass
class Verdict:
    """One line of the result. `passed` is None when the check could not be made."""

    promise: str
    subject: str
    figure: str
    limit: str
    passed: bool | None

    def __str__(self):
        word = {True: "PASS", False: "FAIL", None: "SKIP"}[self.passed]
        return f"{word} {self.promise} {self.subject}: {self.figure} (limit {self.limit})"


@dataclasses.dataclass
class Outcome:
    """What one promise's run yields: tables for people, numbers for the file."""

    tables: list[str] = dataclasses.field(default_factory=list)
    verdicts: list[Verdict] = dataclasses.field(default_factory=list)
    reports: dict = dataclasses.field(default_factory=dict)

    def check(self, promise, subject, value, limit, unit="", at_least=False):
        """Adds a verdict on one number."""
        passed = value >= limit if at_least else value <= limit
        sign = ">=" if at_least else "<="
        self.verdicts.append(Verdict(promise, subject, f"{value:.2f}{unit}",
                                     f"{sign} {limit:g}{unit}", passed))

    def skip(self, promise, subject, limit, reason):
        """Adds a check that could not be made."""
        self.verdicts.append(Verdict(promise, subject, reason, limit, None))


def _stop(setup: Setup, candidates):
    for candidate in candidates:
        if candidate.process:
            setup.processes.stop(candidate.process)


def _field(setup: Setup, port: int) -> list[Candidate]:
    """Everything that P1 to P3 compare, in front of one echo server."""
    found = [Candidate("direct", f"http://127.0.0.1:{port}/mcp"),
             *(setup.start_relay(port, reactor) for reactor in REACTORS),
             setup.start_nginx(port)]
    found += [setup.start_nexus(f"nexus, {reactor}", {"b1": http_server(port)}, reactor)
              for reactor in REACTORS]
    return [candidate for candidate in found if candidate]


def _nexus_names(reports) -> list[str]:
    return [name for name in reports if name.startswith("nexus")]


def _missing(reports) -> str | None:
    """Why a comparison of nexus with nginx is impossible, or None."""
    if not _nexus_names(reports):
        return "nexus is not there"
    return None if "nginx" in reports else "NGINX IS MISSING"


def check_p1(setup: Setup) -> Outcome:
    """CPU per call against nginx on the same bytes, without security features."""
    out = Outcome()
    port = setup.start_echo()
    field = _field(setup, port)
    pipelined = setup.start_nexus(
        "nexus, io_uring, stdio server", {"b1": setup.stdio_server(core=setup.load_core)})
    for era in setup.eras:
        entries = field + ([pipelined] if pipelined else [])
        reports = setup.measure(entries, connections=64, era=era)
        out.reports[f"P1 {era}"] = reports
        out.tables.append(table(f"P1: 64 connections, {era}", reports))
        missing = _missing(reports)
        if missing:
            out.skip("P1", f"CPU per call, {era}", "<= 0.9 x nginx", missing)
            continue
        for name in _nexus_names(reports):
            ratio = paired_ratio(reports[name], reports["nginx"], "cpu_us_per_call")
            limit = 0.8 if "stdio" in name else 0.9
            out.check("P1", f"CPU per call, {name}, {era}", ratio, limit, " x nginx")
    _stop(setup, field + [pipelined] if pipelined else field)
    return out


def check_p2(setup: Setup) -> Outcome:
    """Calls per second do not fall with connections, servers, tools or idle sessions."""
    out = Outcome()
    port = setup.start_echo()
    field = [candidate for candidate in _field(setup, port) if candidate.name != "direct"]
    era = setup.eras[0]
    few, many = ({candidate.name: [] for candidate in field} for _ in range(2))
    for _ in range(setup.rounds):
        for connections, reports in ((16, few), (512, many)):
            got = setup.measure(field, rounds=1, connections=connections, era=era)
            for name, rounds in got.items():
                reports[name] += rounds
    _stop(setup, field)
    out.reports |= {"P2 16 connections": few, "P2 512 connections": many}
    out.tables += [table(f"P2: 16 connections, {era}", few),
                   table(f"P2: 512 connections, {era}", many)]
    for name in few:
        ratio = paired_ratio(many[name], few[name], "rps")
        if name.startswith("nexus"):
            out.check("P2", f"512 against 16 connections, {name}", ratio, 0.95, at_least=True)
        else:
            out.tables.append(f"512 against 16 connections, {name}: {ratio:.2f}\n")
    if not _nexus_names(few):
        out.skip("P2", "512 against 16 connections", ">= 0.95", "nexus is not there")
    else:
        _check_p2_scale(setup, port, era, out)
    return out


def _check_p2_scale(setup: Setup, port: int, era: str, out: Outcome):
    crowd = {f"b{i}": http_server(port) for i in range(1, 51)}
    long_list = setup.start_echo("--tools", 5000)
    short_list = setup.start_echo("--tools", 50)
    pairs = [
        ("50 servers against one", 0.90, {"b1": http_server(port)}, {}, crowd,
         {"tool": "b{}__echo", "spread_tools": 50}),
        ("5,000 tools against 50", 0.95,
         {"b1": http_server(short_list)}, {"tool": "b1__tool_{}", "spread_tools": 49},
         {"b1": http_server(long_list)}, {"tool": "b1__tool_{}", "spread_tools": 4999}),
    ]
    for subject, limit, servers_a, options_a, servers_b, options_b in pairs:
        base = setup.start_nexus("nexus, base", servers_a)
        grown = setup.start_nexus("nexus, grown", servers_b)
        _compare(setup, out, subject, limit, (base, options_a), (grown, options_b), era)
    base = setup.start_nexus("nexus, base", {"b1": http_server(port)})
    grown = setup.start_nexus("nexus, grown", {"b1": http_server(port)})
    run_load(setup.load, setup.load_core, grown.url, tool=grown.tool, era="legacy", seconds=0.2,
             warmup_seconds=0, idle_sessions=10000)
    _compare(setup, out, "10,000 idle sessions against none", 0.95, (base, {}), (grown, {}), era)


def _compare(setup: Setup, out: Outcome, subject, limit, base, grown, era):
    reports = {"base": [], "grown": []}
    for _ in range(setup.rounds):
        for name, (candidate, options) in (("base", base), ("grown", grown)):
            got = setup.measure([candidate], rounds=1, connections=64, era=era, **options)
            reports[name] += got[candidate.name]
    _stop(setup, [base[0], grown[0]])
    out.reports[f"P2 {subject}"] = reports
    out.check("P2", subject, paired_ratio(reports["grown"], reports["base"], "rps"), limit,
              at_least=True)


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
    missing = _missing(reports)
    if missing:
        out.skip("P3", subject, "<= 1 x nginx", missing)
        return
    nginx = statistics.median(_added(reports, "nginx", key))
    for name in _nexus_names(reports):
        added = statistics.median(_added(reports, name, key))
        out.verdicts.append(Verdict("P3", f"{subject}, {name}", f"{added:.1f} us added",
                                    f"<= {nginx:.1f} us, what nginx adds", added <= nginx))


def check_p3(setup: Setup) -> Outcome:
    """Latency added over the direct way, alone and at half of nginx's capacity."""
    out = Outcome()
    field = _field(setup, setup.start_echo())
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
        rate = round(statistics.median(series(capacity, "rps")) / 2)
        open_loop = setup.measure(field, connections=64, era=era, rate=rate)
        out.reports["P3 open loop"] = open_loop
        out.tables.append(table(f"P3: open loop of {rate} calls/s, {era}", open_loop))
        _check_added(out, "half of nginx's capacity, p99", open_loop, "p99_us")
    _stop(setup, field)
    return out


def check_p5(setup: Setup) -> Outcome:
    """Memory at rest with 210 tools from 2 servers."""
    out = Outcome()
    servers = {f"b{i}": http_server(setup.start_echo("--tools", 105)) for i in (1, 2)}
    nexus = setup.start_nexus("nexus", servers)
    if nexus is None:
        out.skip("P5", "RSS at rest, 210 tools", "<= 30 MiB", "nexus is not there")
        return out
    time.sleep(1.0)  # it may still read the lists of tools
    with open(f"/proc/{nexus.process.pid}/status", encoding="ascii") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    out.reports["P5 rss_kib"] = kib
    out.check("P5", "RSS at rest, 210 tools", kib / 1024, 30, " MiB")
    _stop(setup, [nexus])
    return out


def _slow_servers(setup: Setup, count: int) -> dict:
    """Servers that nobody may wait for: children that start slowly, and dead addresses."""
    dead = http_server(free_port())
    slow = setup.stdio_server("--start-delay-ms", SLOW_START_MS)
    return {f"s{i}": dead if i % 4 == 0 else slow for i in range(1, count + 1)}


def check_p6(setup: Setup) -> Outcome:
    """Ready at once whatever the fleet does, over HTTP and over stdio."""
    out = Outcome()
    if setup.nexus is None:
        out.skip("P6", f"ready with {READY_SERVERS_COUNT} servers", "<= 100 ms",
                 "nexus is not there")
        out.skip("P6", "initialize over stdio", "<= 50 ms", "nexus is not there")
        return out
    ready = [_time_to_ready(setup) for _ in range(setup.rounds)]
    answered = [_time_to_initialize(setup) for _ in range(setup.rounds)]
    out.reports |= {"P6 ready_ms": ready, "P6 initialize_ms": answered}
    out.check("P6", f"ready with {READY_SERVERS_COUNT} servers (median)",
              statistics.median(ready), 100, " ms")
    out.check("P6", f"initialize over stdio with {STDIO_SERVERS_COUNT} servers (median)",
              statistics.median(answered), 50, " ms")
    return out


def _time_to_ready(setup: Setup) -> float:
    config = setup.write_config("ready.json", _slow_servers(setup, READY_SERVERS_COUNT))
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


CHECKS = {"P1": check_p1, "P2": check_p2, "P3": check_p3, "P5": check_p5, "P6": check_p6}
