"""P7: tool search over a large catalogue. P8: a long list is served from a snapshot."""

import json
import os
import pathlib
import random
import statistics
import subprocess
import time
import urllib.parse

from candidates import Candidate, Setup, http_server
from checks_memory import port_of
from field import stop_all
from harness import HarnessError, cpu_ns, on_cores
from mcp_client import Client
from outcome import Outcome

SEARCH_BENCH = "nexus_bench_search"
SERVERS_COUNT = 10
_TRANSFER_BYTES = 1 << 20


def check_p7(setup: Setup) -> Outcome:
    """The ranker alone on real tools, and the whole way on generated ones."""
    out = Outcome()
    _ranker_alone(setup, out)
    if setup.nexus is not None:
        _whole_way(setup, out)
    return out


def _ranker_alone(setup: Setup, out: Outcome):
    """Google Benchmark's figures of 10,000 tools, of each round; the promise is about these."""
    tools = "10,000 tools" if setup.retrieval else "10,000 GENERATED tools"
    limits = (("query p99", "<= 300 us"), ("index built", "<= 1000 ms"),
              ("one server changed", "<= 20 ms"))
    program = setup.build / SEARCH_BENCH
    if not program.exists():
        for subject, limit in limits:
            out.skip("P7", f"{subject}, {tools}", limit,
                     f"{SEARCH_BENCH} is not built: install libbenchmark-dev")
        return
    environment = dict(os.environ)
    environment.pop("NEXUS_RETRIEVAL_DATA", None)
    if setup.retrieval:
        environment["NEXUS_RETRIEVAL_DATA"] = str(setup.retrieval)
    with on_cores({setup.gateway_core}):
        done = subprocess.run(
            [program, "--benchmark_filter=(query|build|change_server)/tools/10000(/|$)",
             "--benchmark_format=json", f"--benchmark_repetitions={setup.rounds}"],
            capture_output=True, text=True, check=False,
            env=environment)
    try:
        rows = json.loads(done.stdout)["benchmarks"]
    except (ValueError, KeyError) as error:
        raise HarnessError(f"{SEARCH_BENCH}: {done.stderr.strip()[-500:]}") from error
    out.reports["P7 ranker"] = rows
    limits_of = (("query", "p99_us", f"query p99, {tools}, ranker alone", 300, " us"),
                 ("build", "real_time", f"index built, {tools}", 1000, " ms"),
                 ("change_server", "real_time", f"one server changed, {tools}", 20, " ms"))
    for name, figure, subject, limit, unit in limits_of:
        values = [row[figure] for row in rows
                  if row["run_type"] == "iteration"
                  and row["name"].startswith(f"BM_search_{name}/")]
        out.check("P7", subject, statistics.median(values), limit, unit, values=values)


def _whole_way(setup: Setup, out: Outcome):
    """GET /api/v1/tools/search: HTTP, JSON and a Python client are in these times too."""
    count = setup.sizes.searched_tools
    nexus = start_catalogue(setup, count, SERVERS_COUNT)
    chance = random.Random(7)
    times = []
    with on_cores({setup.load_core}), Client(port_of(nexus)) as client:
        _wait_for_index(client, count)
        before = cpu_ns(nexus.process.pid)
        for _ in range(setup.sizes.searches):
            words = f"echo tool {chance.randrange(count // SERVERS_COUNT)} text of a mock server"
            query = urllib.parse.quote(words)
            begin = time.perf_counter()
            client.api("GET", f"/api/v1/tools/search?q={query}&limit=10")
            times.append((time.perf_counter() - begin) * 1e6)
        spent = (cpu_ns(nexus.process.pid) - before) / 1000 / len(times)
    stop_all(setup, [nexus])
    setup.stop_echoes()
    times.sort()
    p50, p99 = statistics.median(times), times[len(times) * 99 // 100]
    out.reports["P7 whole way"] = {"tools": count, "p50_us": p50, "p99_us": p99,
                                   "cpu_us_per_search": spent}
    out.tables.append(
        f"P7: GET /api/v1/tools/search over {count:,} generated tools, all alike (the worst case: "
        f"every word is in every tool): median {p50:.0f} us, p99 {p99:.0f} us with HTTP, JSON and "
        f"a client in Python; {spent:.0f} us of the gateway's CPU each. Not what the promise is "
        "about, and no verdict.\n")


def _wait_for_index(client: Client, count: int):
    end = time.monotonic() + 60
    while client.api("GET", "/api/v1/tools/search?q=echo&limit=1")["indexedTools"] < count:
        if time.monotonic() > end:
            raise HarnessError(f"the index has not all {count} tools after 60 s")
        time.sleep(0.05)


def start_catalogue(setup: Setup, tools: int, servers: int) -> Candidate:
    """A gateway in front of so many tools."""
    crowd = {f"b{i}": http_server(setup.start_echo("--tools", tools // servers))
             for i in range(1, servers + 1)}
    return setup.start_nexus("nexus", crowd)


def check_p8(setup: Setup) -> Outcome:
    """Bytes per second of tools/list at one connection, page after page."""
    out = Outcome()
    limit = 1.0
    if setup.nexus is None:
        out.skip("P8", "tools/list", f">= {limit:g} GB/s", "nexus is not there")
        return out
    count = setup.sizes.many_tools
    nexus = start_catalogue(setup, count, 5)
    with on_cores({setup.load_core}), Client(port_of(nexus)) as client:
        client.initialize()
        pages = _wait_for_pages(client, count)
        wall, cpu, reports = [], [], []
        for _ in range(setup.rounds):
            got = _read_lists(client, pages, nexus.process.pid, setup.seconds)
            reports.append(got)
            wall.append(got["bytes"] / got["seconds"] / 1e9)
            cpu.append(got["bytes"] / max(got["cpu_seconds"], 1e-9) / 1e9)
    stop_all(setup, [nexus])
    setup.stop_echoes()
    out.reports["P8"] = reports
    total = sum(size for _, size in pages)
    out.tables.append(
        f"P8: {count:,} tools in {len(pages)} pages, {total / 1e6:.2f} MB; one connection, a page "
        f"asked for when the last one is there: {statistics.median(wall):.2f} GB/s of wall time, "
        f"{statistics.median(cpu):.2f} GB/s of the gateway's CPU time (the kernel's copying into "
        "the socket is in both)\n")
    shortfall = setup.sizes.shortfall("many_tools")
    out.check("P8", f"tools/list, end to end{shortfall}", statistics.median(wall), limit, " GB/s",
              at_least=True, values=wall)
    return out


def _wait_for_pages(client: Client, count: int) -> list[tuple[bytes, int]]:
    """The request of every page and the bytes of its answer, once all tools are there."""
    end = time.monotonic() + 30
    while True:
        pages, listed, cursor = [], 0, None
        while True:
            params = {"cursor": cursor} if cursor else {}
            body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/list",
                               "params": params}).encode()
            request = client.frame("POST", client.path, body)
            status, _, answer = client.ask("POST", client.path, body)
            if status != 200:
                raise HarnessError(f"tools/list: {status} {answer[:300].decode()}")
            result = json.loads(answer).get("result")
            if result is None:  # a cursor of the list as it was before another server came
                break
            pages.append((request, len(answer)))
            listed += len(result["tools"])
            cursor = result.get("nextCursor")
            if not cursor:
                break
        if listed == count:
            return pages
        if time.monotonic() > end:
            raise HarnessError(f"tools/list has {listed} of {count} tools after 30 s")
        time.sleep(0.05)


def _read_lists(client: Client, pages, pid: int, seconds: float) -> dict[str, float]:
    """Asks for all pages again and again. The client throws the bytes away as they come."""
    memory = memoryview(bytearray(_TRANSFER_BYTES))
    cpu, begin = cpu_ns(pid), time.perf_counter()
    received = 0
    while (elapsed := time.perf_counter() - begin) < seconds:
        for request, size in pages:
            client.socket.sendall(request)
            left = None
            while left is None or left > 0:
                got = client.socket.recv_into(memory)
                if got == 0:
                    raise HarnessError("the gateway ended the connection amid a list")
                if left is None:
                    head = bytes(memory[:min(got, 4096)]).partition(b"\r\n\r\n")[0]
                    if not head.startswith(b"HTTP/1.1 200"):
                        raise HarnessError(f"tools/list: {head.decode()}")
                    left = len(head) + 4 + _length_of(head)
                left -= got
                received += got
    return {"bytes": received, "seconds": elapsed, "cpu_seconds": (cpu_ns(pid) - cpu) / 1e9,
            "page_bytes": pages[0][1]}


def _length_of(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise HarnessError(f"an answer has no length: {head.decode()}")


def retrieval_folder(given: pathlib.Path | None, root: pathlib.Path) -> pathlib.Path | None:
    """Real tools and queries: the folder that was given, or the one beside the repository."""
    folder = given or root.parent / "shared" / "retrieval"
    if (folder / "toucan_corpus" / "tools.jsonl").exists():
        return folder.resolve()
    if given:
        raise HarnessError(f"--retrieval: {given} has no toucan_corpus/tools.jsonl")
    return None
