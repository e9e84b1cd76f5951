"""A small MCP client over HTTP/1.1 for what the load generator does not do: streams, lists, API."""

import json
import socket

from harness import HarnessError

REVISION = "2025-11-25"


class Client:
    """One kept connection to the gateway on a loopback port."""

    def __init__(self, port: int, path: str = "/mcp"):
        self.path = path
        self.session: str | None = None
        self._host = f"127.0.0.1:{port}"
        self.socket = socket.create_connection(("127.0.0.1", port), 30.0)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the connection; the session stays."""
        self._file.close()
        self.socket.close()

    def frame(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The bytes of a request, with the session when there is one."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}",
                 "Accept: application/json, text/event-stream"]
        if method != "GET" and body:
            lines.append("Content-Type: application/json")
        if method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        if self.session and path == self.path:
            lines += [f"Mcp-Session-Id: {self.session}", f"MCP-Protocol-Version: {REVISION}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Status and fields of the next answer."""
        status = self._file.readline().split()
        if len(status) < 2:
            raise HarnessError(f"{self._host} ended a connection without an answer")
        fields = {}
        while (line := self._file.readline().strip()):
            name, _, value = line.decode().partition(":")
            fields[name.lower()] = value.strip()
        return int(status[1]), fields

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """One request and its whole answer, which has a length."""
        self.socket.sendall(self.frame(method, path, body))
        status, fields = self.read_head()
        return status, fields, self._file.read(int(fields.get("content-length", 0)))

    def api(self, method: str, path: str, body=None, expected: tuple[int, ...] = (200,)):
        """A request of the management API; the answer's JSON, or None without any."""
        content = json.dumps(body).encode() if body is not None else b""
        status, _, answer = self.ask(method, path, content)
        if status not in expected:
            raise HarnessError(f"{method} {path}: {status} {answer[:300].decode()}")
        return json.loads(answer) if answer else None

    def initialize(self) -> "Client":
        """Opens a session of the legacy era."""
        request = {"jsonrpc": "2.0", "id": 1, "method": "initialize",
                   "params": {"protocolVersion": REVISION, "capabilities": {},
                              "clientInfo": {"name": "e2e", "version": "1"}}}
        self.session = None
        status, fields, body = self.ask("POST", self.path, json.dumps(request).encode())
        if status != 200 or "mcp-session-id" not in fields:
            raise HarnessError(f"initialize: {status} {body[:300].decode()}")
        self.session = fields["mcp-session-id"]
        done = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
        status, _, body = self.ask("POST", self.path, done)
        if status != 202:
            raise HarnessError(f"notifications/initialized: {status} {body[:300].decode()}")
        return self

    def open_stream(self):
        """Turns the connection into the session's stream of the server's messages."""
        self.socket.sendall(self.frame("GET", self.path))
        status, fields = self.read_head()
        if status != 200 or "text/event-stream" not in fields.get("content-type", ""):
            raise HarnessError(f"GET {self.path}: {status} {fields}")

    def wait_for(self, text: bytes):
        """Reads the stream until a line holds the text."""
        while (line := self._file.readline()):
            if text in line:
                return
        raise HarnessError(f"the stream ended before {text.decode()} came")
