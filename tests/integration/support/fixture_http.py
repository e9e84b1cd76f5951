"""The fixture server's HTTP side: Streamable HTTP of both eras and 2024-11-05 HTTP+SSE."""

import base64
import http.server
import json
import queue
import select
import socket
import threading
import urllib.parse
import uuid

from fixture_tools import LEGACY, META, MODERN, heard

NAME_KEYS = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
NAME_KEYS.update({f"tasks/{what}": "taskId" for what in ("get", "update", "cancel")})


class Stream:
    """An open event stream that other threads write to."""

    def __init__(self):
        self.messages = queue.Queue()

    def push(self, message):
        self.messages.put(message)


class Replayed:
    """The messages of a call whose stream has ended, in order."""

    def __init__(self):
        self.messages, self.changed = [], threading.Condition()

    def push(self, message):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def wait_for(self, place, seconds):
        with self.changed:
            self.changed.wait_for(lambda: len(self.messages) > place, seconds)
            return self.messages[place] if len(self.messages) > place else None


def decoded(value):
    if value.startswith("=?base64?") and value.endswith("?="):
        return base64.b64decode(value[9:-2], validate=True).decode()
    return value


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    core = None
    sessions = {}
    replays = {}

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", kind="application/json", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def refuse(self, status, code, message, request_id=None, data=None):
        error = {"code": code, "message": message}
        if data is not None:
            error["data"] = data
        self.reply(
            status, json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode()
        )

    def start_events(self, headers=()):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def event(self, message, name="message"):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        lines = b"".join(b"data: " + line + b"\n" for line in data.splitlines())
        block = b"event: " + name.encode() + b"\n" + lines + b"\n"
        self.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        self.wfile.flush()

    def end_events(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def peer_gone(self):
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def pump(self, stream):
        """Writes a stream's messages until the peer leaves or None ends it."""
        try:
            while True:
                try:
                    message = stream.messages.get(timeout=0.1)
                except queue.Empty:
                    if self.peer_gone():
                        return
                    continue
                if message is None:
                    return self.end_events()
                self.event(message)
        except OSError:
            return
        finally:
            self.close_connection = True

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    # ---- requests --------------------------------------------------------------------------

    def do_GET(self):
        options = self.core.options
        self.core.record({"http": "GET", "path": self.path, "headers": dict(self.headers)})
        if options.sse:
            return self.old_stream() if self.path == "/sse" else self.reply(404)
        session = self.sessions.get(self.headers.get("Mcp-Session-Id"))
        if options.era == "modern" or session is None:
            return self.reply(405 if options.era == "modern" else 404)
        if self.headers.get("Last-Event-ID") and self.replays:
            return self.resumed(self.headers["Last-Event-ID"])
        if options.polling is not None:
            name, session[:] = "listen-" + self.headers["Mcp-Session-Id"], [Replayed()]
            self.replays[name] = session[0]
            self.start_events()
            self.numbered(f"{name}/0")
            return self.end_events()
        stream = Stream()
        session.append(stream)
        self.start_events()
        self.pump(stream)
        session.remove(stream)

    def do_DELETE(self):
        self.core.record({"http": "DELETE", "path": self.path})
        streams = self.sessions.pop(self.headers.get("Mcp-Session-Id"), None)
        for stream in streams or ():
            stream.push(None)
        self.reply(204 if streams is not None else 405)

    def do_POST(self):
        raw = self.body()
        self.core.record({"http": "POST", "path": self.path, "headers": dict(self.headers)})
        if self.core.options.sse:
            return self.old_message(raw)
        message = json.loads(raw)
        params = message.get("params") if isinstance(message.get("params"), dict) else {}
        meta = params.get("_meta") or {}
        if META + "protocolVersion" in meta and self.core.options.era != "legacy":
            self.modern(message, raw, meta)
        elif self.core.options.era == "modern" and message.get("method") != "initialize":
            self.refuse(400, -32602, "missing _meta", message.get("id"))
        else:
            self.legacy(message, raw)

    def legacy(self, message, raw):
        session_id, headers = self.headers.get("Mcp-Session-Id"), []
        method = message.get("method")
        if method == "initialize" and self.core.options.era != "modern":
            session_id = uuid.uuid4().hex
            self.sessions[session_id] = []
            headers = [("Mcp-Session-Id", session_id)]
        elif self.core.options.era == "modern" or method == "server/discover":
            return self.collected(message, raw, headers, 400)
        elif session_id is None:
            return self.refuse(400, -32000, "Bad Request: no session", message.get("id"))
        elif session_id not in self.sessions:
            return self.refuse(404, -32001, "Session not found", message.get("id"))
        if "id" not in message or "method" not in message:
            self.core.dispatch(message, raw, lambda _: None)
            return self.reply(202)
        if self.core.options.polling is not None and method == "tools/call":
            return self.polled(message, raw)
        if self.core.options.answer == "sse" and method == "tools/call":
            return self.streamed(message, raw)
        return self.collected(message, raw, headers, 200)

    def collected(self, message, raw, headers, error_status):
        """One JSON answer; notifications of the request are lost, as this form must."""
        final = []

        def send(reply):
            if b'"method"' not in reply if isinstance(reply, bytes) else "method" not in reply:
                final.append(reply)

        self.core.dispatch(message, raw, send, self.peer_gone)
        if not final:
            self.close_connection = True
            return
        reply = final[0]
        failed = not isinstance(reply, bytes) and "error" in reply
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.reply(error_status if failed else 200, data, headers=headers)

    def streamed(self, message, raw):
        self.start_events()
        try:
            self.core.dispatch(message, raw, self.event, self.peer_gone)
            self.end_events()
        except OSError:
            self.close_connection = True

    # ---- event streams that end before the answer, and are asked for again ------------------

    def numbered(self, event_id, message=None):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        data = b"" if message is None else data
        block = f"id: {event_id}\nretry: {self.core.options.polling}\ndata: ".encode()
        block += data + b"\n\n"
        self.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        self.wfile.flush()

    def polled(self, message, raw):
        """Primes the stream and ends it; the call goes on."""
        events, name = Replayed(), f"call{message['id']}"
        self.replays[name] = events
        work = lambda: self.core.dispatch(message, raw, events.push)
        threading.Thread(target=work, daemon=True).start()
        self.start_events()
        self.numbered(f"{name}/0")
        self.end_events()

    def resumed(self, last_id):
        """Sends what follows the id: one message, unless that is the answer; ends the stream."""
        name, _, place = last_id.rpartition("/")
        events = self.replays.get(name)
        if self.core.options.forgetful or events is None:
            return self.refuse(400, -32000, "no such event", None)
        self.start_events()
        message = events.wait_for(int(place), 0.2)
        if message is not None:
            self.numbered(f"{name}/{int(place) + 1}", message)
        self.end_events()

    def modern(self, message, raw, meta):
        method, params = message["method"], message["params"]
        version = meta[META + "protocolVersion"]
        request_id = message.get("id")
        if self.headers.get("MCP-Protocol-Version") != version:
            return self.refuse(400, -32020, "MCP-Protocol-Version differs", request_id)
        if version != MODERN:
            data = {"supported": [MODERN], "requested": version}
            return self.refuse(400, -32022, "unsupported version", request_id, data)
        if request_id is None:
            self.core.dispatch(message, raw, lambda _: None)
            return self.reply(202)
        if self.headers.get("Mcp-Method") != method:
            return self.refuse(400, -32020, "Mcp-Method differs", request_id)
        key = NAME_KEYS.get(method)
        if key and decoded(self.headers.get("Mcp-Name", "")) != params.get(key):
            return self.refuse(400, -32020, "Mcp-Name differs", request_id)
        if META + "clientCapabilities" not in meta:
            return self.refuse(400, -32602, "clientCapabilities missing", request_id)
        if method == "subscriptions/listen":
            return self.listen(message)
        if method == "tools/call":
            return self.streamed(message, raw)
        return self.collected(message, raw, (), 404 if method == "ping" else 200)

    def listen(self, message):
        self.core.record({"in": message})
        wanted = self.core.tasks.known(message["params"].get("notifications", {}))
        tag = {META + "subscriptionId": message["id"]}
        stream = Stream()

        def change(method, about):
            if heard(wanted, method, about):
                params = {**about, "_meta": tag}
                stream.push({"jsonrpc": "2.0", "method": method, "params": params})

        self.start_events()
        method = "notifications/subscriptions/acknowledged"
        stream.push(
            {"jsonrpc": "2.0", "method": method, "params": {"notifications": wanted, "_meta": tag}}
        )
        self.core.listeners.append(change)
        self.core.streams.append(stream)
        self.pump(stream)
        self.core.streams.remove(stream)
        self.core.listeners.remove(change)
        self.core.record({"event": "listen ended", "filter": wanted})

    # ---- 2024-11-05 ------------------------------------------------------------------------

    def old_stream(self):
        session_id, stream = uuid.uuid4().hex, Stream()
        self.sessions[session_id] = [stream]
        self.start_events()
        self.event(f"/message?sessionId={session_id}".encode(), "endpoint")
        self.pump(stream)
        self.sessions.pop(session_id, None)

    def old_message(self, raw):
        url = urllib.parse.urlsplit(self.path)
        session_id = urllib.parse.parse_qs(url.query).get("sessionId", [""])[0]
        streams = self.sessions.get(session_id)
        if url.path != "/message":
            return self.reply(404 if url.path != "/sse" else 405)
        if not streams:
            return self.reply(404)
        self.reply(202)
        work = lambda: self.core.dispatch(json.loads(raw), raw, streams[0].push)
        threading.Thread(target=work, daemon=True).start()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve(core):
    Handler.core = core
    Handler.sessions = {}

    def changed(method, about):
        message = {"jsonrpc": "2.0", "method": method}
        if about:
            message["params"] = about
            if about.get("uri") not in core.offers.subscribed:
                return
        for streams in list(Handler.sessions.values()):
            for stream in streams[:1]:
                stream.push(message)

    core.listeners.append(changed)
    core.forget_sessions = Handler.sessions.clear
    if core.options.sse:
        core.options.legacy_version = LEGACY[0]
    server = Server(("127.0.0.1", core.options.port), Handler)
    path = "/sse" if core.options.sse else "/mcp"
    print(f"http://127.0.0.1:{server.server_address[1]}{path}", flush=True)
    server.serve_forever()
