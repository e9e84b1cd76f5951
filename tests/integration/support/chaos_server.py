"""A stdio MCP server that misbehaves in one way, named by its first argument.

Until the fault it is a correct legacy server with the tools `echo`, `fault` and `change`. Modes
that start with `start-` misbehave before the handshake; all others when `fault` is called."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

MODE = sys.argv[1]
STATE = sys.argv[2] if len(sys.argv) > 2 else ""
OBJECT = {"type": "object"}
tools = [{"name": n, "description": n, "inputSchema": OBJECT} for n in ("echo", "fault", "change")]
pending = []
lock = threading.Lock()


def write(data):
    with lock:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]


def reply(request_id, result):
    write(json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result}).encode() + b"\n")


def text(value):
    return {"content": [{"type": "text", "text": value}]}


def good(request_id, value="recovered"):
    reply(request_id, text(value))


def encoded(request_id, value="odd"):
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "result": text(value)}).encode()


def remember_grandchild(pid):
    if STATE:
        with open(STATE, "a", encoding="ascii") as file:
            file.write(f"{pid}\n")


def forever():
    while True:
        time.sleep(3600)


# ---- faults: each gets the id of the call of `fault` ------------------------------------------


def exit_mid_json(request_id):
    write(encoded(request_id)[:20])
    os._exit(0)


def close_stdout(_):
    os.close(1)
    forever()


def close_stdin(_):
    os.close(0)
    forever()


def close_stderr(request_id):
    os.close(2)
    good(request_id)


def one_byte_per_second(request_id):
    for byte in encoded(request_id) + b"\n":
        write(bytes([byte]))
        time.sleep(1)


def no_newline(_):
    piece = b"x" * (1 << 20)
    for _i in range(100):
        write(piece)
    forever()


def embedded_newline(request_id):
    write(encoded(request_id).replace(b'"result"', b'\n"result"') + b"\n")


def crlf(request_id):
    write(encoded(request_id) + b"\r\n")


def bom(request_id):
    write(b"\xef\xbb\xbf" + encoded(request_id) + b"\n")


def invalid_utf8(request_id):
    write(encoded(request_id).replace(b"odd", b"\xff\xfe\xc0\x80") + b"\n")


def nul(request_id):
    write(encoded(request_id).replace(b"odd", b"o\x00d") + b"\n")


def banner(request_id):
    write(b"Server ready!\n[info] {not json}\n\n   \n123\ntrue\n" + encoded(request_id) + b"\n")


def garbage_flood(request_id):
    """A hundred thousand lines that are no messages, and as many answers that nobody waits for."""
    for _ in range(100):
        write(b"not a message\n" * 1000)
        write(b'{"jsonrpc":"2.0","id":"nobody","result":{}}\n' * 1000)
    good(request_id, "recovered")


def stderr_flood(request_id):
    def flood():
        piece = (b"E" * 200 + b"\n") * 5000
        end = time.monotonic() + 4
        while time.monotonic() < end:
            os.write(2, piece)

    threading.Thread(target=flood, daemon=True).start()
    time.sleep(0.5)
    good(request_id)


def stderr_long_line(request_id):
    os.write(2, b"L" * (8 << 20))
    good(request_id)


def answer_twice(request_id):
    write(encoded(request_id, "first") + b"\n" + encoded(request_id, "second") + b"\n")


def unknown_id(request_id):
    for odd in (987654321, "nobody", None, 1.5, [], {}):
        reply(odd, text("for nobody"))
    good(request_id)


def swapped_ids(request_id):
    """Holds the first call. At the second, answers the ids that clients use on their own side."""
    pending.append(request_id)
    if len(pending) < 2:
        return
    for other in ("client-a", "client-b", 4711, "4711"):
        reply(other, text("stolen"))
    good(pending[1], "second")
    good(pending[0], "first")
    pending.clear()


def never(_):
    return


def after_cancel(request_id):
    pending.append(request_id)


def notification_storm(request_id):
    kinds = (
        {"method": "notifications/message", "params": {"level": "info", "data": "n"}},
        {"method": "notifications/progress", "params": {"progressToken": "none", "progress": 1}},
        {"method": "notifications/tools/list_changed"},
        {"method": "notifications/unheard/of"},
    )
    block = b"".join(json.dumps({"jsonrpc": "2.0", **k}).encode() + b"\n" for k in kinds)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        write(block * 250)
        time.sleep(0.1)
    good(request_id)


def requests_to_the_client(request_id):
    """Server-to-client requests that nobody can answer must be answered all the same."""
    for number, method in enumerate(("ping", "roots/list", "sampling/createMessage", "odd/one")):
        message = {"jsonrpc": "2.0", "id": f"s{number}", "method": method, "params": {}}
        write(json.dumps(message).encode() + b"\n")
    pending.append(request_id)


def grandchild_keeps_pipe(_):
    child = subprocess.Popen(["sleep", "600"])
    remember_grandchild(child.pid)
    os._exit(1)


def daemonise(_):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            remember_grandchild(os.getpid())
            os.execvp("sleep", ["sleep", "600"])
        os._exit(0)
    os.wait()
    os._exit(1)


def zombie_storm(_):
    for _i in range(200):
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(0.2)
            os._exit(0)
    time.sleep(0.1)
    os._exit(1)


def fill_both_ways(request_id):
    """Stops reading and writes without end: both pipes fill up."""
    good(request_id, "now I stop reading")
    line = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"'
    line += b"y" * 100_000 + b'"}}\n'
    end = time.monotonic() + 3
    while time.monotonic() < end:
        write(line)
    forever()


def stop_reading(request_id):
    good(request_id, "now I stop reading")
    forever()


def deep_json(request_id):
    depth = 10_000
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    head = f'{{"jsonrpc":"2.0","id":{json.dumps(request_id)},"result":'.encode()
    write(head + b'{"content":[],"structuredContent":' + nested + b"}}\n")


def change_tools(request_id):
    for round_number in range(20):
        tools[3:] = [{"name": f"round{round_number}", "inputSchema": OBJECT}]
        write(b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n')
        time.sleep(0.02)
    good(request_id)


def not_a_response(request_id):
    write(
        b'{"jsonrpc":"2.0","id":%s,"result":{},"error":{"code":1,"message":"both"}}\n'
        % json.dumps(request_id).encode()
    )


def crash(_):
    os.kill(os.getpid(), signal.SIGSEGV)
    forever()


FAULTS = {
    "exit-mid-json": exit_mid_json,
    "close-stdout": close_stdout,
    "close-stdin": close_stdin,
    "close-stderr": close_stderr,
    "one-byte-per-second": one_byte_per_second,
    "no-newline": no_newline,
    "embedded-newline": embedded_newline,
    "crlf": crlf,
    "bom": bom,
    "invalid-utf8": invalid_utf8,
    "nul": nul,
    "banner": banner,
    "garbage-flood": garbage_flood,
    "stderr-flood": stderr_flood,
    "stderr-long-line": stderr_long_line,
    "answer-twice": answer_twice,
    "unknown-id": unknown_id,
    "swapped-ids": swapped_ids,
    "never": never,
    "after-cancel": after_cancel,
    "notification-storm": notification_storm,
    "requests-to-the-client": requests_to_the_client,
    "grandchild-keeps-pipe": grandchild_keeps_pipe,
    "daemonise": daemonise,
    "zombie-storm": zombie_storm,
    "fill-both-ways": fill_both_ways,
    "stop-reading": stop_reading,
    "deep-json": deep_json,
    "change-tools": change_tools,
    "not-a-response": not_a_response,
    "crash": crash,
}


def handle(message):
    method, request_id = message.get("method"), message.get("id")
    if method == "notifications/cancelled" and MODE == "after-cancel":
        for late in pending:
            good(late, "too late")
        pending.clear()
    if method is None and MODE == "requests-to-the-client" and str(request_id).startswith("s"):
        pending.append("answered")
        if pending.count("answered") == 4:
            good(pending[0], "all four are answered")
    if request_id is None or method is None:
        return
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        reply(
            request_id,
            {
                "protocolVersion": version,
                "serverInfo": {"name": MODE, "version": "1"},
                "capabilities": {"tools": {"listChanged": True}, "logging": {}},
            },
        )
    elif method == "tools/list":
        reply(request_id, {"tools": tools})
    elif method == "tools/call":
        name = message["params"]["name"]
        if name == "fault" and MODE in FAULTS:
            FAULTS[MODE](request_id)
        else:
            good(request_id, str(message["params"].get("arguments", {}).get("text", name)))
    elif method == "ping":
        reply(request_id, {})
    else:
        error = {"code": -32601, "message": f"Method not found: {method}"}
        answer = {"jsonrpc": "2.0", "id": request_id, "error": error}
        write(json.dumps(answer).encode() + b"\n")


def before_start():
    if MODE == "start-exit-0":
        sys.exit(0)
    if MODE == "start-exit-1":
        print("cannot read my settings: token missing", file=sys.stderr)
        sys.exit(1)
    if MODE == "start-banner":
        write(b"Welcome to Chaos 1.0\nlistening on stdio\n")
    if MODE == "start-bom":
        write(b"\xef\xbb\xbf\n")
    if MODE == "start-silent":
        forever()
    if MODE == "start-garbage":
        write(os.urandom(1 << 20) + b"\n")
    if MODE == "huge-list":
        tools.extend({"name": f"tool_{i:06}", "inputSchema": OBJECT} for i in range(100_000))
    if MODE == "cyclic-ref":
        schema = {
            "type": "object",
            "properties": {"next": {"$ref": "#"}, "n": {"$ref": "#/$defs/a"}},
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        }
        tools.append({"name": "cyclic", "inputSchema": schema})
    if MODE == "ignore-sigterm":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


def main():
    before_start()
    pending_bytes = b""
    while True:
        data = os.read(0, 65536)
        if not data:
            if MODE == "ignore-sigterm":
                forever()
            return
        *lines, pending_bytes = (pending_bytes + data).split(b"\n")
        for line in lines:
            handle(json.loads(line))


if __name__ == "__main__":
    main()
