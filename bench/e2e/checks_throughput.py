"""P1: CPU time of a call. P2: calls per second do not fall with what there is more of."""

import statistics

from candidates import Setup, http_server, ratios, table
from field import missing_peer, nexus_names, start_field, stop_all
from harness import run_load
from outcome import Outcome


def check_p1(setup: Setup) -> Outcome:
    """CPU per call against nginx on the same bytes, without security features."""
    out = Outcome()
    port = setup.start_echo()
    field = start_field(setup, port)
    pipelined = setup.start_nexus(
        "nexus, io_uring, stdio server", {"b1": setup.stdio_server(core=setup.load_core)})
    for era in setup.eras:
        entries = field + ([pipelined] if pipelined else [])
        reports = setup.measure(entries, connections=64, era=era)
        out.reports[f"P1 {era}"] = reports
        out.tables.append(table(f"P1: 64 connections, {era}", reports))
        missing = missing_peer(reports)
        if missing:
            out.skip("P1", f"CPU per call, {era}", "<= 0.9 x nginx", missing)
            continue
        for name in nexus_names(reports):
            each = ratios(reports[name], reports["nginx"], "cpu_us_per_call")
            limit = 0.8 if "stdio" in name else 0.9
            out.check("P1", f"CPU per call, {name}, {era}", statistics.median(each), limit,
                      " x nginx", values=each)
    out.skip("P1", "CPU per call with JWT, RBAC and audit on", "<= 1.1 x nginx",
             "the gateway has none of the three yet; its metrics are always on, above too")
    out.skip("P1", "CPU per call, HTTP/2 to the server", "<= 0.8 x nginx",
             "there is no HTTP/2 yet; the stdio row is the shared connection")
    stop_all(setup, field + [pipelined] if pipelined else field)
    setup.stop_echoes()
    return out


def check_p2(setup: Setup) -> Outcome:
    """Calls per second do not fall with connections, servers, tools or idle sessions."""
    out = Outcome()
    port = setup.start_echo()
    field = [candidate for candidate in start_field(setup, port) if candidate.name != "direct"]
    era = setup.eras[0]
    few, many = ({candidate.name: [] for candidate in field} for _ in range(2))
    for _ in range(setup.rounds):
        for candidate in field:
            # One right after the other: a machine changes its pace in between otherwise.
            for connections, reports in ((16, few), (512, many)):
                got = setup.measure([candidate], rounds=1, connections=connections, era=era)
                reports[candidate.name] += got[candidate.name]
    stop_all(setup, field)
    out.reports |= {"P2 16 connections": few, "P2 512 connections": many}
    out.tables += [table(f"P2: 16 connections, {era}", few),
                   table(f"P2: 512 connections, {era}", many)]
    for name in few:
        each = ratios(many[name], few[name], "rps")
        ratio = statistics.median(each)
        if name.startswith("nexus"):
            out.check("P2", f"512 against 16 connections, {name}", ratio, 0.95, at_least=True,
                      values=each)
        else:
            out.tables.append(f"512 against 16 connections, {name}: {ratio:.2f}\n")
    if not nexus_names(few):
        out.skip("P2", "512 against 16 connections", ">= 0.95", "nexus is not there")
    else:
        _check_p2_scale(setup, port, era, out)
    setup.stop_echoes()
    return out


def _check_p2_scale(setup: Setup, port: int, era: str, out: Outcome):
    sizes = setup.sizes
    crowd = {f"b{i}": http_server(port) for i in range(1, sizes.crowd + 1)}
    long_list = setup.start_echo("--tools", sizes.many_tools)
    short_list = setup.start_echo("--tools", 50)
    pairs = [
        (f"{sizes.crowd} servers against one", 0.90, {"b1": http_server(port)}, {}, crowd,
         {"tool": "b{}__echo", "spread_tools": sizes.crowd}),
        (f"{sizes.many_tools:,} tools against 50", 0.95,
         {"b1": http_server(short_list)}, {"tool": "b1__tool_{}", "spread_tools": 49},
         {"b1": http_server(long_list)},
         {"tool": "b1__tool_{}", "spread_tools": sizes.many_tools - 1}),
    ]
    for subject, limit, servers_a, options_a, servers_b, options_b in pairs:
        base = setup.start_nexus("nexus, base", servers_a)
        grown = setup.start_nexus("nexus, grown", servers_b)
        _compare(setup, out, subject, limit, (base, options_a), (grown, options_b), era)
    base = setup.start_nexus("nexus, base", {"b1": http_server(port)})
    grown = setup.start_nexus("nexus, grown", {"b1": http_server(port)})
    run_load(setup.load, setup.load_core, grown.url, tool=grown.tool, era="legacy", seconds=0.2,
             warmup_seconds=0, idle_sessions=sizes.idle_sessions)
    _compare(setup, out, f"{sizes.idle_sessions:,} idle sessions against none", 0.95, (base, {}),
             (grown, {}), era)


def _compare(setup: Setup, out: Outcome, subject, limit, base, grown, era):
    reports = {"base": [], "grown": []}
    for _ in range(setup.rounds):
        for name, (candidate, options) in (("base", base), ("grown", grown)):
            got = setup.measure([candidate], rounds=1, connections=64, era=era, **options)
            reports[name] += got[candidate.name]
    stop_all(setup, [base[0], grown[0]])
    out.reports[f"P2 {subject}"] = reports
    out.tables.append(table(f"P2: {subject}, {era}", reports, base="base"))
    each = ratios(reports["grown"], reports["base"], "rps")
    out.check("P2", subject, statistics.median(each), limit, at_least=True, values=each)
