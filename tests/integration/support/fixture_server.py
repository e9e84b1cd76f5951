"""A scriptable MCP server of both eras: stdio, Streamable HTTP and 2024-11-05 HTTP+SSE."""

import argparse
import json
import sys
import threading
import time

import fixture_tools


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="fixture")
    parser.add_argument("--era", choices=("legacy", "modern", "dual"), default="legacy")
    parser.add_argument("--legacy-version", default="2025-11-25", help="the newest it knows")
    parser.add_argument("--port", type=int, help="serve HTTP on this loopback port, 0: any")
    parser.add_argument("--sse", action="store_true", help="2024-11-05 HTTP+SSE at /sse")
    parser.add_argument("--answer", choices=("json", "sse"), default="json", help="legacy HTTP")
    parser.add_argument(
        "--polling",
        type=int,
        metavar="MS",
        help="legacy HTTP: end event streams after one with an id, ask for MS of retry",
    )
    parser.add_argument("--forgetful", action="store_true", help="refuse to resume them")
    parser.add_argument("--page", type=int, default=0, help="tools on a page")
    parser.add_argument("--tools", type=int, default=0, help="this many tools t00000... more")
    parser.add_argument("--tools-file", help="a JSON array of tool definitions, added as they are")
    parser.add_argument("--offers", default="", help="prompts,resources,subscribe,tasks, ...")
    parser.add_argument("--extensions", type=json.loads, default={}, help="it declares: an object")
    parser.add_argument("--broken", default="", help="list methods that are not served after all")
    parser.add_argument("--prompts", type=int, default=0, help="this many prompts more")
    parser.add_argument("--resources", type=int, default=0, help="this many resources more")
    parser.add_argument("--ttl", type=int, default=60000, help="ms that modern lists may be kept")
    parser.add_argument("--silent", action="store_true", help="tells no changes of its tools")
    parser.add_argument("--bare", action="store_true", help="without the built-in tools")
    parser.add_argument("--log", help="append every inbound message and event here, as JSON lines")
    parser.add_argument("--slow-start", type=float, default=0.0, help="seconds before initialize")
    parser.add_argument("--boot", type=float, default=0.0, help="seconds before it reads at all")
    parser.add_argument("--on-probe", choices=("refuse", "exit", "hang"), default="refuse")
    parser.add_argument("--tag", help="has no effect: tells two command lines apart")
    options = parser.parse_args()
    options.transport = "stdio" if options.port is None else "http"
    return options


def serve_stdio(core):
    lock = threading.Lock()
    listens = {}
    out = sys.stdout.buffer

    def send(message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        with lock:
            out.write(data + b"\n")
            out.flush()

    def legacy_change(method, about):
        if not about:
            send({"jsonrpc": "2.0", "method": method})
        elif about.get("uri") in core.offers.subscribed:
            send({"jsonrpc": "2.0", "method": method, "params": about})

    def listen(message):
        request_id = message["id"]
        wanted = core.tasks.known(message["params"].get("notifications", {}))
        meta = {fixture_tools.META + "subscriptionId": request_id}
        method = "notifications/subscriptions/acknowledged"
        params = {"notifications": wanted, "_meta": meta}
        send({"jsonrpc": "2.0", "method": method, "params": params})

        def change(method, about):
            if fixture_tools.heard(wanted, method, about):
                params = {**about, "_meta": meta}
                send({"jsonrpc": "2.0", "method": method, "params": params})

        listens[request_id] = change
        core.listeners.append(change)

    for raw in sys.stdin.buffer:
        message = json.loads(raw)
        method = message.get("method") if isinstance(message, dict) else None
        if method == "subscriptions/listen" and core.options.era != "legacy":
            core.record({"in": message})
            listen(message)
            continue
        if method == "notifications/initialized":
            core.listeners.append(legacy_change)
        if method == "notifications/cancelled":
            change = listens.pop((message.get("params") or {}).get("requestId"), None)
            if change:
                core.listeners.remove(change)
        core.dispatch(message, raw.rstrip(b"\r\n"), send)
    core.record({"event": "stdin closed"})


def main():
    options = parse_options()
    core = fixture_tools.Core(options)
    core.record({"event": "start", "at": time.time()})
    time.sleep(options.boot)
    if options.transport == "stdio":
        serve_stdio(core)
    else:
        import fixture_http

        fixture_http.serve(core)


if __name__ == "__main__":
    main()
