"""P5: what the gateway, a virtual MCP and an idle stream weigh. P9: nothing grows with time."""

import os
import pathlib
import resource
import statistics
import time

from candidates import Candidate, Setup, http_server
from field import stop_all
from harness import HarnessError, descendants, rss_kib, run_load
from mcp_client import Client
from outcome import Outcome

VMCP_SERVERS_COUNT = 11
VMCP_TOOLS_PER_SERVER = 50
LISTENERS_COUNT = 20


def port_of(candidate: Candidate) -> int:
    """The port that a candidate listens on."""
    return int(candidate.url.split(":")[2].split("/")[0])


def raise_file_limit():
    """As many descriptors as this process may have; children inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def check_p5(setup: Setup) -> Outcome:
    """Memory at rest, of virtual MCPs and of idle streams."""
    out = Outcome()
    if setup.nexus is None:
        for subject, limit in (("RSS at rest, 210 tools", "<= 30 MiB"),
                               ("a virtual MCP", "<= 8 KiB"), ("an idle stream", "<= 8 KiB")):
            out.skip("P5", subject, limit, "nexus is not there")
        return out
    raise_file_limit()
    servers = {f"b{i}": http_server(setup.start_echo("--tools", 105)) for i in (1, 2)}
    nexus = setup.start_nexus("nexus", servers)
    time.sleep(setup.sizes.settle_seconds)
    kib = rss_kib(nexus.process.pid)
    out.reports["P5 rss_kib"] = kib
    out.check("P5", "RSS at rest, 210 tools", kib / 1024, 30, " MiB")
    _streams(setup, nexus, out)
    stop_all(setup, [nexus])
    setup.stop_echoes()
    _vmcps(setup, out)
    setup.stop_echoes()
    return out


def _streams(setup: Setup, nexus: Candidate, out: Outcome):
    """Sessions first, then a stream for each: the difference is stream and connection alone."""
    count, port, pid = setup.sizes.streams, port_of(nexus), nexus.process.pid
    rest = rss_kib(pid)
    sessions, streams = [], []
    with Client(port) as client:
        for _ in range(count):
            sessions.append(client.initialize().session)
    time.sleep(setup.sizes.settle_seconds)
    before = rss_kib(pid)
    try:
        for session in sessions:
            client = Client(port)
            streams.append(client)
            client.session = session
            client.open_stream()
        time.sleep(setup.sizes.settle_seconds)
        after = rss_kib(pid)
    finally:
        for client in streams:
            client.close()
    each, session_kib = (after - before) / count, (before - rest) / count
    out.reports |= {"P5 stream_kib": each, "P5 session_kib": session_kib, "P5 streams": count}
    out.tables.append(f"P5: {count:,} sessions of {session_kib:.2f} KiB, then a stream for each of "
                      f"{each:.2f} KiB with its connection (the kernel's sockets are not in it)\n")
    out.check("P5", f"an idle stream{setup.sizes.shortfall('streams')}", each, 8, " KiB")


def vmcp_definition(number: int) -> dict:
    """A small collection, another one for every number."""
    server = number % VMCP_SERVERS_COUNT + 1
    return {"id": f"team-{number}", "select": [{"servers": [f"b{server}"], "tools": ["tool_1*"]}],
            "exclude": [{"tools": [f"tool_1{number % 10}"]}],
            "tools": [{"server": f"b{server}", "tool": "echo", "name": "say",
                       "fixed": {"count": number}}]}


def start_vmcp_fleet(setup: Setup, tools_per_server: int = VMCP_TOOLS_PER_SERVER) -> Candidate:
    """A gateway in front of servers with 550 tools in all."""
    servers = {f"b{i}": http_server(setup.start_echo("--tools", tools_per_server))
               for i in range(1, VMCP_SERVERS_COUNT + 1)}
    nexus = setup.start_nexus("nexus", servers)
    time.sleep(setup.sizes.settle_seconds)
    return nexus


def create_vmcps(client: Client, first: int, last: int) -> list[float]:
    """Makes them one after another; the result is how long each took, in milliseconds."""
    times = []
    for number in range(first, last):
        begin = time.monotonic()
        client.api("POST", "/api/v1/vmcps", vmcp_definition(number), (201,))
        times.append((time.monotonic() - begin) * 1000)
    wait_for_ready(client, last - 1)
    return times


def wait_for_ready(client: Client, number: int):
    """Until the virtual MCP serves."""
    end = time.monotonic() + 30
    while client.api("GET", f"/api/v1/vmcps/team-{number}")["state"] != "ready":
        if time.monotonic() > end:
            raise HarnessError(f"virtual MCP team-{number} is not ready after 30 s")
        time.sleep(0.01)


def _vmcps(setup: Setup, out: Outcome):
    nexus = start_vmcp_fleet(setup)
    pid, count = nexus.process.pid, setup.sizes.vmcps
    with Client(port_of(nexus)) as client:
        before = rss_kib(pid)
        times = create_vmcps(client, 0, count)
        time.sleep(setup.sizes.settle_seconds)
        after = rss_kib(pid)
        latencies = _update_latencies(nexus, client, setup.rounds)
    stop_all(setup, [nexus])
    each = (after - before) / count
    out.reports |= {"P5 vmcps": count, "P5 vmcp_kib": each, "P5 vmcps_rss_kib": after,
                    "P5 vmcp_create_ms": statistics.median(times),
                    "P5 vmcp_update_ms": latencies}
    times.sort()
    out.tables.append(
        f"P5: {count:,} virtual MCPs over {VMCP_SERVERS_COUNT * VMCP_TOOLS_PER_SERVER} tools: made "
        f"in {sum(times) / 1000:.1f} s one after another (median {statistics.median(times):.2f} ms,"
        f" p99 {times[len(times) * 99 // 100]:.2f} ms, HTTP and client included); a change reached "
        f"{LISTENERS_COUNT} listeners in {statistics.median(latencies):.1f} ms (median)\n")
    shortfall = setup.sizes.shortfall("vmcps")
    out.check("P5", f"a virtual MCP{shortfall}", each, 8, " KiB")
    out.check("P5", f"all virtual MCPs, RSS{shortfall}", after / 1024, 110, " MiB")


def _update_latencies(nexus: Candidate, client: Client, rounds: int) -> list[float]:
    """From the PUT of a definition to the last listener's notification, in milliseconds."""
    listeners, out = [], []
    try:
        for _ in range(LISTENERS_COUNT):
            listeners.append(Client(port_of(nexus), "/v/team-1/mcp").initialize())
            listeners[-1].open_stream()
        for turn in range(rounds):
            definition = vmcp_definition(1)
            definition["exclude"] = [{"tools": [f"tool_1{turn % 9}*"]}]
            begin = time.monotonic()
            client.api("PUT", "/api/v1/vmcps/team-1", definition)
            for listener in listeners:
                listener.wait_for(b"notifications/tools/list_changed")
            out.append((time.monotonic() - begin) * 1000)
    finally:
        for listener in listeners:
            listener.close()
    return out


def _vital_signs(pid: int) -> dict[str, int]:
    """What must not grow."""
    process = pathlib.Path(f"/proc/{pid}")
    return {"rss_kib": rss_kib(pid), "fds": len(os.listdir(process / "fd")),
            "threads": len(os.listdir(process / "task")), "children": len(descendants(pid))}


def check_p9(setup: Setup) -> Outcome:
    """RSS, descriptors, threads and children after many calls and connections."""
    out = Outcome()
    sizes = setup.sizes
    if setup.nexus is None:
        out.skip("P9", "growth after 1 M calls and 10,000 connections", "<= 2 %",
                 "nexus is not there")
        return out
    servers = {"b1": http_server(setup.start_echo()),
               "b2": setup.stdio_server(core=setup.load_core)}
    nexus = setup.start_nexus("nexus", servers)
    pid = nexus.process.pid
    _call(setup, nexus, sizes.warmup_calls)
    _connect_cycles(port_of(nexus), sizes.warmup_cycles)
    time.sleep(setup.sizes.settle_seconds)
    before = _vital_signs(pid)
    calls = _call(setup, nexus, sizes.calls)
    _connect_cycles(port_of(nexus), sizes.cycles)
    time.sleep(setup.sizes.settle_seconds)
    after = _vital_signs(pid)
    stop_all(setup, [nexus])
    setup.stop_echoes()
    out.reports["P9"] = {"calls": calls, "cycles": sizes.cycles, "before": before, "after": after}
    shortfall = sizes.shortfall("calls") + sizes.shortfall("cycles")
    for name, old in before.items():
        growth = (after[name] - old) / max(old, 1) * 100
        out.check("P9", f"growth of {name} ({old:,} to {after[name]:,}){shortfall}", growth, 2,
                  " %")
    return out


def _call(setup: Setup, nexus: Candidate, count: int) -> int:
    """At least so many calls, over HTTP and stdio servers in turn; the result is how many."""
    # The modern era has no sessions: what is left behind then is a leak.
    done, turn = 0, 0
    while done < count:
        seconds = 0.2 if count < 10_000 else 2.0
        report = run_load(setup.load, setup.load_core, nexus.url, era="modern", seconds=seconds,
                          tool=f"b{turn % 2 + 1}__echo", warmup_seconds=0, connections=64)
        done += report["calls"]
        turn += 1
    return done


def _connect_cycles(port: int, count: int):
    """Connects, opens a session, ends it and disconnects; every tenth leaves amid a request."""
    for number in range(count):
        with Client(port) as client:
            if number % 10 == 9:
                client.socket.sendall(client.frame("POST", client.path, b"{}" * 50)[:-20])
                continue
            client.initialize()
            status, _, body = client.ask("DELETE", client.path)
            if status not in (200, 202, 204):
                raise HarnessError(f"DELETE of a session: {status} {body[:200].decode()}")
