"""An HTTP server that goes through the handshake properly and then answers calls as badly as it is
asked: the name of the tool that is called says how."""

import json
import socket
import struct
import threading
import time

from support.nexus_process import within

MODES = {}


def mode(function):
    MODES[function.__name__] = function
    return function


def head(*fields, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def answer(request_id, text="good"):
    result = {"content": [{"type": "text", "text": text}]}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result}).encode()


JSON = "Content-Type: application/json"
EVENTS = "Content-Type: text/event-stream"
CHUNKED = "Transfer-Encoding: chunked"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Peer:
    """One connection with what a mode needs."""

    def __init__(self, connection, server):
        self.socket, self.server, self.id = connection, server, None

    def send(self, data):
        self.socket.sendall(data)

    def forever(self, data, pause=0.0):
        while not self.server.ending.is_set():
            self.send(data)
            if pause:
                time.sleep(pause)

    def wait(self):
        self.server.ending.wait(60)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@mode
def good(peer):
    body = answer(peer.id)
    peer.send(head(JSON, f"Content-Length: {len(body)}") + body)


@mode
def closes_at_once(_):
    return "close"


@mode
def resets(peer):
    peer.reset()
    return "close"


@mode
def says_nothing(peer):
    peer.wait()


@mode
def half_a_head(peer):
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    peer.wait()


@mode
def dribbles_its_head(peer):
    peer.send(b"HTTP/1.1 200 OK\r\n")
    peer.forever(b"X-A: b\r\n", within(0.05))


@mode
def endless_head(peer):
    peer.send(b"HTTP/1.1 200 OK\r\n")
    peer.forever(b"X-A: " + b"b" * 4000 + b"\r\n")


@mode
def half_a_body(peer):
    peer.send(head(JSON, "Content-Length: 1000") + b'{"jsonrpc":')
    peer.wait()


@mode
def body_shorter_than_its_length(peer):
    body = answer(peer.id)
    peer.send(head(JSON, f"Content-Length: {len(body) + 10}") + body)
    return "close"


@mode
def endless_body(peer):
    peer.send(head(JSON, CHUNKED) + chunk(b'{"jsonrpc":"2.0","result":{"pad":"'))
    peer.forever(chunk(b"x" * 262144))


@mode
def huge_length(peer):
    peer.send(head(JSON, f"Content-Length: {2**62}"))
    peer.wait()


@mode
def two_lengths(peer):
    body = answer(peer.id)
    peer.send(head(JSON, f"Content-Length: {len(body)}", "Content-Length: 1") + body)


@mode
def length_and_chunks(peer):
    body = answer(peer.id)
    peer.send(head(JSON, f"Content-Length: {len(body)}", CHUNKED) + chunk(body) + b"0\r\n\r\n")


@mode
def bad_chunk(peer):
    peer.send(head(JSON, CHUNKED) + b"zz\r\n")
    peer.wait()


@mode
def no_http(peer):
    peer.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    peer.wait()


@mode
def interim_flood(peer):
    peer.forever(head(status="100 Continue"))


@mode
def redirects(peer):
    where = f"Location: http://127.0.0.1:{peer.server.port}/elsewhere"
    peer.send(head(where, "Content-Length: 0", status="302 Found"))


@mode
def accepted_only(peer):
    peer.send(head("Content-Length: 0", status="202 Accepted"))


@mode
def no_content(peer):
    peer.send(head(status="204 No Content"))


@mode
def html(peer):
    page = b"<html>it works</html>"
    peer.send(head("Content-Type: text/html", f"Content-Length: {len(page)}") + page)


@mode
def server_error(peer):
    peer.send(head("Content-Type: text/plain", "Content-Length: 4", status="500 Oh No") + b"oops")


@mode
def compressed(peer):
    body = b"\x1f\x8b\x08" + b"\0" * 20
    peer.send(head(JSON, "Content-Encoding: gzip", f"Content-Length: {len(body)}") + body)


@mode
def no_json(peer):
    peer.send(head(JSON, "Content-Length: 8") + b"not json")


@mode
def two_documents(peer):
    body = answer(peer.id) + answer(peer.id, "second")
    peer.send(head(JSON, f"Content-Length: {len(body)}") + body)


@mode
def another_id(peer):
    body = answer(4711)
    peer.send(head(JSON, f"Content-Length: {len(body)}") + body)


@mode
def deep_json(peer):
    body = b'{"jsonrpc":"2.0","id":%d,"result":{"a":%s}}' % (peer.id, b"[" * 9999 + b"]" * 9999)
    peer.send(head(JSON, f"Content-Length: {len(body)}") + body)


@mode
def stream_without_answer(peer):
    peer.send(head(EVENTS, CHUNKED) + chunk(b": nothing\n\n") + b"0\r\n\r\n")


@mode
def stream_that_breaks(peer):
    peer.send(head(EVENTS, CHUNKED) + chunk(b"data: {\n"))
    return "close"


@mode
def stream_of_comments(peer):
    peer.send(head(EVENTS, CHUNKED))
    peer.forever(chunk(b":\n\n"), 0.05)


@mode
def stream_without_end_of_event(peer):
    peer.send(head(EVENTS, CHUNKED))
    peer.forever(chunk(b"data: " + b"x" * 262144 + b"\n"))


@mode
def stream_of_foreign_answers(peer):
    peer.send(head(EVENTS, CHUNKED))
    peer.forever(chunk((b"data: " + answer(4711) + b"\n\n") * 50), 0.01)


@mode
def stream_of_notifications(peer):
    note = b'data: {"jsonrpc":"2.0","method":"notifications/odd"}\n\n'
    peer.send(head(EVENTS, CHUNKED))
    peer.forever(chunk(note * 100))


@mode
def stream_of_garbage(peer):
    peer.send(head(EVENTS, CHUNKED))
    peer.forever(chunk(b"data: garbage\n\n" * 100), 0.01)


@mode
def answers_twice(peer):
    event = b"data: " + answer(peer.id) + b"\n\n"
    peer.send(head(EVENTS, CHUNKED) + chunk(event) + chunk(event) + b"0\r\n\r\n")


@mode
def answers_and_more(peer):
    """A second response that nobody has asked for, to poison the connection's next call."""
    good(peer)
    body = answer(peer.id + 1, "poison")
    peer.send(head(JSON, f"Content-Length: {len(body)}") + body)


class HostileHttp:
    def __init__(self):
        self.ending = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.seen, self.open = [], set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.ending.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        peer = Peer(connection, self)
        try:
            with connection, connection.makefile("rb") as lines:
                while self.one(peer, lines) != "close":
                    pass
        except (OSError, ValueError):
            pass
        self.open.discard(connection)

    def one(self, peer, lines):
        start = lines.readline()
        if not start:
            return "close"
        size = 0
        while (line := lines.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        self.seen.append(start.decode().split(" ")[:2])
        if not start.startswith(b"POST"):
            return peer.send(head("Content-Length: 0", status="405 Method Not Allowed"))
        return self.message(peer, json.loads(lines.read(size)))

    def message(self, peer, message):
        method = message.get("method")
        if "id" not in message:
            return peer.send(head("Content-Length: 0", status="202 Accepted"))
        peer.id = message["id"]
        if method == "tools/call":
            return MODES[message["params"]["name"]](peer)
        reply = {"jsonrpc": "2.0", "id": peer.id}
        if method == "initialize":
            reply["result"] = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "hostile", "version": "1"},
            }
        elif method == "tools/list":
            schema = {"type": "object"}
            reply["result"] = {"tools": [{"name": n, "inputSchema": schema} for n in MODES]}
        else:
            reply["error"] = {"code": -32601, "message": "Method not found"}
        body = json.dumps(reply).encode()
        return peer.send(head(JSON, f"Content-Length: {len(body)}") + body)

    def stop(self):
        self.ending.set()
        self.listener.close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
