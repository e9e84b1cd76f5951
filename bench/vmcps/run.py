#!/usr/bin/env python3
"""What many virtual MCPs cost over real tools; see README.md.

Exits with 0 when every bound holds, with 1 when one does not, with 2 when something is missing."""
import argparse
import glob
import json
import os
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from support.cases import percentile  # noqa: E402
from support.catalogues import server  # noqa: E402
from support.http_wire import Connection, WireError  # noqa: E402
from support.nexus_process import Nexus  # noqa: E402

API = "/api/v1/vmcps"
JSON = {"Content-Type": "application/json"}
#: The promise: memory of the whole gateway, time to make one, time until an update is heard of.
MIB_MAX, COUNT = 110, 10_000
CREATION_MS_MAX = 1.0
UPDATE_MS_MAX = 10.0
#: How long the others are listened to for what they must not hear.
SILENCE_S = 0.5


def give_up(why):
    print(f"run.py: {why}", file=sys.stderr)
    sys.exit(2)


def ask(connection, verb, path, body=None, status=200):
    data = None if body is None else json.dumps(body).encode()
    answer = connection.request(verb, path, JSON if data else {}, data)
    text = answer.body
    if answer.status != status:
        raise SystemExit(f"run.py: {verb} {path} gave {answer.status}: {text[:300]!r}")
    return json.loads(text)


def definition(number, names):
    """Each chooses in another way among the real tools: by names, servers, annotations."""
    count = len(names)
    server_name, tool_name = names[number * 7 % count]
    kinds = (
        {"select": [{"tools": ["*file*", "list*"]}]},
        {"select": [{"servers": [server_name]}], "exclude": [{"destructive": True}]},
        {"select": [{"readOnly": True, "tools": ["get*", "*search*"]}]},
        {"tools": [{"server": server_name, "tool": tool_name, "name": f"chosen-{number}",
                    "description": f"Does what team {number} needs."}]},
    )
    return {"id": f"team-{number}", "instructions": f"For team {number}.",
            **kinds[number % len(kinds)]}


def make_all(gateway, count, names):
    """Seconds of each creation, from the request to its answer."""
    seconds = []
    with Connection(gateway.address) as connection:
        for number in range(count):
            body = definition(number, names)
            started = time.perf_counter()
            ask(connection, "POST", API, body, status=201)
            seconds.append(time.perf_counter() - started)
        until = time.monotonic() + 30
        while True:
            states = [row["state"] for row in ask(connection, "GET", API)["vmcps"]]
            if len(states) == count and set(states) == {"ready"}:
                return seconds
            if time.monotonic() > until:
                raise SystemExit("run.py: not every virtual MCP became ready")
            time.sleep(0.1)


def use(gateway, count, every):
    """Lists the tools of one in `every`; returns how many tools those have on average."""
    sizes = []
    for number in range(0, count, every):
        client = gateway.modern(f"/v/team-{number}/mcp")
        sizes.append(len(client.tools()))
        client.close()
    return statistics.mean(sizes)


def listen(gateway, number):
    """Messages of a stream that hears of changes of one; the acknowledgement has been read."""
    client = gateway.modern(f"/v/team-{number}/mcp")
    response = client.listen({"toolsListChanged": True})
    client.close()
    messages = response.messages(5)
    next(messages)
    return response, messages


def update_some(gateway, count, listeners):
    """Listens to `listeners`, updates every other one of them: seconds from each request until its
    listener has heard, and how many messages anybody heard beside."""
    chosen = range(0, count, count // listeners)
    streams = {number: listen(gateway, number) for number in chosen}
    seconds = []
    with Connection(gateway.address) as connection:
        for number in chosen[::2]:
            started = time.perf_counter()
            ask(connection, "PUT", f"{API}/team-{number}", {"select": [{"tools": ["*create*"]}]})
            told = next(streams[number][1])
            seconds.append(time.perf_counter() - started)
            if told["method"] != "notifications/tools/list_changed":
                raise SystemExit(f"run.py: an update was told as {told}")
    time.sleep(SILENCE_S)
    return seconds, sum(has_more(response.connection) for response, _ in streams.values())


def has_more(connection):
    """Whether a message waits on a stream of which all that was due has been read. Comments keep
    streams alive and are none."""
    try:
        while connection.fill(time.monotonic() + 0.001):
            pass
    except WireError:
        pass
    connection.close()
    return b"data:" in connection.buffer


def in_ms(seconds):
    return {"mean": statistics.mean(seconds) * 1000, "p50": percentile(seconds, 0.5) * 1000,
            "p99": percentile(seconds, 0.99) * 1000, "max": max(seconds) * 1000}


def measure(options, files, kept):
    """One gateway; `kept`: what it makes is on the disk before it answers."""
    servers = {name: server(path) for name, path in files.items()}
    config = {} if kept else {"state": "off"}
    names = []
    for name, path in files.items():
        with open(path, encoding="utf-8") as file:
            names += [(name, tool["name"]) for tool in json.load(file)]
    with Nexus(servers, config=config, workers=options.workers) as gateway:
        gateway.wait_servers(timeout=120)
        gateway.wait_indexed(timeout=60)
        found = {"kept": kept, "count": options.count, "tools": len(names),
                 "rss_before_mib": gateway.rss_kib() / 1024}
        found["creation_ms"] = in_ms(make_all(gateway, options.count, names))
        found["rss_mib"] = gateway.rss_kib() / 1024
        found["kib_each"] = ((found["rss_mib"] - found["rss_before_mib"]) * 1024 / options.count)
        found["tools_each"] = use(gateway, options.count, max(1, options.count // 500))
        found["rss_used_mib"] = gateway.rss_kib() / 1024
        updates, found["heard_beside"] = update_some(
            gateway, options.count, min(options.count, options.listeners))
        found["update_ms"] = in_ms(updates)
    return found


def judge(found):
    """(what, measured, bound, whether it holds)"""
    rows = [
        ("memory of the gateway, MiB", found["rss_used_mib"], MIB_MAX),
        ("creation, median ms", found["creation_ms"]["p50"], CREATION_MS_MAX),
        ("update until heard, p99 ms", found["update_ms"]["p99"], UPDATE_MS_MAX),
        ("messages that others heard", found["heard_beside"], 0),
    ]
    return [(what, value, bound, value <= bound) for what, value, bound in rows]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--build", default=os.path.join(ROOT, "build", "release"),
                         help="folder with the program (default: build/release)")
    options.add_argument("--catalogues", metavar="FOLDER",
                         default=os.path.join(ROOT, "..", "shared", "fleet", "catalogues"),
                         help="lists of tools, SERVER.json each")
    options.add_argument("--count", type=int, default=COUNT, help="virtual MCPs")
    options.add_argument("--listeners", type=int, default=100, help="streams that are open")
    options.add_argument("--workers", type=int, default=2, help="of the gateway")
    options.add_argument("--json", metavar="FILE", help="write the figures there, too")
    options = options.parse_args()
    program = os.path.join(options.build, "nexus")
    if not os.access(program, os.X_OK):
        give_up(f"{program} is no program; build the target nexus, or give --build")
    os.environ["NEXUS_BIN"] = os.path.abspath(program)
    files = {os.path.splitext(os.path.basename(path))[0]: path
             for path in sorted(glob.glob(os.path.join(options.catalogues, "*.json")))}
    if not files:
        give_up(f"no lists of tools in {options.catalogues}; give --catalogues FOLDER")
    runs = []
    for kept in (False, True):
        found = measure(options, files, kept)
        runs.append({**found, "passed": all(row[3] for row in judge(found))})
        where = "kept on the disk" if kept else "in memory alone"
        print(f"{found['count']} virtual MCPs over {found['tools']} tools, {where}: "
              f"{found['kib_each']:.2f} KiB and {found['tools_each']:.1f} tools each")
        for what, value, bound, holds in judge(found):
            print(f"  {what:<28} {value:9.3f}  at most {bound:7.2f}  "
                  f"{'holds' if holds else 'MISSED'}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"runs": runs}, file, indent=2)
    sys.exit(0 if all(run["passed"] for run in runs) else 1)


if __name__ == "__main__":
    main()
