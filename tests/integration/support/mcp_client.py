"""Small MCP clients that show the wire: legacy and modern over HTTP, and stdio."""

import base64
import itertools
import json
import queue
import subprocess
import threading
import time

from support.http_wire import Connection, WireError

LEGACY_VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"
BOTH_FORMS = "application/json, text/event-stream"
CLIENT_INFO = {"name": "integration-test", "version": "1"}
NAME_KEYS = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
NAME_KEYS.update({f"tasks/{what}": "taskId" for what in ("get", "update", "cancel")})


class RpcError(Exception):
    """A JSON-RPC error in an answer."""

    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = error.get("code")
        self.message = error.get("message", "")
        self.data = error.get("data")


class Answer:
    """One exchange: the final message and what came before it."""

    def __init__(self, status, fields, message, notifications, streamed, seconds):
        self.status = status
        self.fields = fields
        self.message = message
        self.notifications = notifications
        self.streamed = streamed
        self.seconds = seconds

    @property
    def result(self):
        if self.message is None:
            raise WireError(f"no answer in a response with status {self.status}")
        if "error" in self.message:
            raise RpcError(self.message["error"])
        return self.message["result"]

    @property
    def error(self):
        return (self.message or {}).get("error")

    @property
    def text(self):
        return self.result["content"][0]["text"]

    def header(self, name):
        return next((v for n, v in self.fields if n.lower() == name.lower()), None)


def collect(response, request_id, started, timeout=None):
    """Reads a response to its end; the message that answers `request_id` is the final one."""
    final, notifications = None, []
    for message in response.messages(timeout):
        if "method" not in message and ("result" in message or "error" in message):
            final = message
        else:
            notifications.append(message)
    return Answer(
        response.status,
        response.fields,
        final,
        notifications,
        response.is_stream,
        time.monotonic() - started,
    )


class HttpPeer:
    """Posts to one path of a gateway over one kept connection per thread of use."""

    def __init__(self, address, path="/mcp", timeout=30.0):
        self.address = address
        self.path = path
        self.timeout = timeout
        self.ids = itertools.count(1)
        self.connection = None

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def post(self, body, headers, timeout=None):
        """One POST; a kept connection that the peer has closed is replaced once."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        for fresh in (False, True):
            if self.connection is None or fresh:
                self.close()
                self.connection = Connection(self.address, self.timeout)
                fresh = True
            try:
                return self.connection.request(
                    "POST", self.path, headers, data, timeout or self.timeout
                )
            except (ConnectionError, WireError):
                if fresh or not self.connection.ended:
                    self.close()
                    raise
        raise WireError("unreachable")


class LegacyClient(HttpPeer):
    """A client of a revision with sessions."""

    def __init__(self, address, path="/mcp", version="2025-11-25", timeout=30.0, capabilities=None):
        super().__init__(address, path, timeout)
        self.version = version
        self.capabilities = capabilities or {}
        self.session = None
        self.server = None

    def headers(self, extra=None):
        fields = {"Content-Type": "application/json", "Accept": BOTH_FORMS}
        if self.session:
            fields["Mcp-Session-Id"] = self.session
        if self.server is not None and self.version != "2025-03-26":
            fields["MCP-Protocol-Version"] = self.version
        fields.update(extra or {})
        return {name: value for name, value in fields.items() if value is not None}

    def initialize(self):
        params = {
            "protocolVersion": self.version,
            "capabilities": self.capabilities,
            "clientInfo": CLIENT_INFO,
        }
        answer = self.request("initialize", params)
        self.server = answer.result
        self.version = self.server["protocolVersion"]
        self.session = answer.header("Mcp-Session-Id")
        self.notify("notifications/initialized")
        return self

    def send(self, method, params=None, headers=None, request_id=None, timeout=None):
        """Posts a request and returns its id and the response's head."""
        request_id = next(self.ids) if request_id is None else request_id
        message = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        return request_id, self.post(message, self.headers(headers), timeout)

    def request(self, method, params=None, headers=None, request_id=None, timeout=None):
        started = time.monotonic()
        request_id, response = self.send(method, params, headers, request_id, timeout)
        return collect(response, request_id, started)

    def notify(self, method, params=None):
        message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        response = self.post(message, self.headers())
        if response.status != 202 or response.body:
            raise WireError(f"a notification is answered with {response.status} {response.body!r}")

    def call(self, tool, arguments=None, token=None, timeout=None, request_id=None):
        params = {"name": tool, "arguments": arguments or {}}
        if token is not None:
            params["_meta"] = {"progressToken": token}
        return self.request("tools/call", params, timeout=timeout, request_id=request_id)

    def tools(self):
        return list_all(self)

    def open_stream(self, timeout=10.0):
        """GET: the stream for messages that belong to no request. The caller closes it."""
        connection = Connection(self.address, timeout)
        fields = self.headers({"Content-Type": None, "Accept": "text/event-stream"})
        return connection.request("GET", self.path, fields)

    def delete(self):
        with Connection(self.address, self.timeout) as connection:
            response = connection.request("DELETE", self.path, self.headers({"Content-Type": None}))
            return response.status, response.body


def mirrored(value):
    """A value as Mcp-Name carries it: itself when plain, else the base64 form."""
    plain = all(0x20 <= ord(c) < 0x7F or c == "\t" for c in value) and value == value.strip()
    if plain and not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    return "=?base64?" + base64.b64encode(value.encode()).decode() + "?="


def envelope(version=MODERN_VERSION, capabilities=None, token=None, log_level=None):
    meta = {
        META + "protocolVersion": version,
        META + "clientCapabilities": {} if capabilities is None else capabilities,
        META + "clientInfo": CLIENT_INFO,
    }
    if token is not None:
        meta["progressToken"] = token
    if log_level is not None:
        meta[META + "logLevel"] = log_level
    return meta


class ModernClient(HttpPeer):
    """A client of 2026-07-28: no handshake, no session."""

    def headers(self, method, params, extra=None):
        fields = {
            "Content-Type": "application/json",
            "Accept": BOTH_FORMS,
            "MCP-Protocol-Version": MODERN_VERSION,
            "Mcp-Method": method,
        }
        key = NAME_KEYS.get(method)
        if key and isinstance((params or {}).get(key), str):
            fields["Mcp-Name"] = mirrored(params[key])
        fields.update(extra or {})
        return {name: value for name, value in fields.items() if value is not None}

    def send(
        self, method, params=None, headers=None, request_id=None, timeout=None, meta=None, **options
    ):
        request_id = next(self.ids) if request_id is None else request_id
        params = dict(params or {})
        params["_meta"] = envelope(**options) if meta is None else meta
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        return request_id, self.post(message, self.headers(method, params, headers), timeout)

    def request(self, method, params=None, **options):
        started = time.monotonic()
        request_id, response = self.send(method, params, **options)
        return collect(response, request_id, started)

    def notify(self, method, params=None):
        message = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        return self.post(message, self.headers(method, params))

    def call(self, tool, arguments=None, **options):
        return self.request("tools/call", {"name": tool, "arguments": arguments or {}}, **options)

    def tools(self):
        return list_all(self)

    def listen(self, filters, request_id="listen", timeout=10.0, **options):
        """subscriptions/listen on a connection of its own. The caller closes it."""
        other = ModernClient(self.address, self.path, timeout)
        _, response = other.send(
            "subscriptions/listen", {"notifications": filters}, request_id=request_id, **options
        )
        return response


def list_all(client):
    """Every page of tools/list."""
    tools, params = [], {}
    for _ in range(1000):
        result = client.request("tools/list", params).result
        tools += result["tools"]
        if "nextCursor" not in result:
            return tools
        params = {"cursor": result["nextCursor"]}
    raise WireError("tools/list does not end")


class StdioClient:
    """A client that speaks newline-delimited JSON with a process of its own."""

    def __init__(self, argv, env=None, cwd=None, version="2025-11-25"):
        self.version = version
        self.ids = itertools.count(1)
        self.messages = queue.Queue()
        self.stderr_lines = []
        self.process = subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.readers = [
            threading.Thread(target=self._read_messages, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read_messages(self):
        for line in self.process.stdout:
            try:
                self.messages.put(json.loads(line))
            except ValueError:
                self.messages.put({"not json": line.decode("utf-8", "replace")})
        self.messages.put(None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.stderr_lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    def send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(data + b"\n")
        self.process.stdin.flush()

    def receive(self, timeout=10.0):
        """The next message, None at the end of the stream."""
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            raise WireError("no message on stdout before the deadline") from None

    def request(self, method, params=None, request_id=None, timeout=30.0):
        request_id = next(self.ids) if request_id is None else request_id
        message = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        started = time.monotonic()
        self.send(message)
        notifications = []
        while True:
            reply = self.receive(max(0.01, started + timeout - time.monotonic()))
            if reply is None:
                raise WireError("the process closed its stdout")
            if "method" not in reply and reply.get("id") == request_id:
                seconds = time.monotonic() - started
                return Answer(200, [], reply, notifications, True, seconds)
            notifications.append(reply)

    def notify(self, method, params=None):
        message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)

    def initialize(self):
        params = {
            "protocolVersion": self.version,
            "capabilities": {},
            "clientInfo": CLIENT_INFO,
        }
        answer = self.request("initialize", params)
        self.version = answer.result["protocolVersion"]
        self.notify("notifications/initialized")
        return answer

    def modern(self, method, params=None, request_id=None, timeout=30.0, **options):
        params = dict(params or {})
        params["_meta"] = envelope(**options)
        return self.request(method, params, request_id, timeout)

    def call(self, tool, arguments=None, timeout=30.0):
        return self.request(
            "tools/call", {"name": tool, "arguments": arguments or {}}, None, timeout
        )

    def tools(self):
        return list_all(self)

    def close(self, timeout=15.0):
        """Closes stdin and waits for the end; returns the exit code."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise WireError("the process does not end when its stdin is closed") from None
        for reader in self.readers:
            reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except (OSError, ValueError):
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
