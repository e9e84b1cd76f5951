"""An MCP client on one connection, one request at a time, that checks every answer."""

import json
import socket
import time

MODERN, LEGACY = "2026-07-28", "2025-11-25"
PAUSE_S = 0.002


class WrongAnswer(Exception):
    """The gateway did not answer as it must; the text says what came."""


class Client:
    """One keep-alive connection to one address of the gateway."""

    def __init__(self, port: int, path: str, revision: str):
        self._port, self._path, self._revision = port, path, revision
        self._peer = socket.create_connection(("127.0.0.1", port), 60)
        self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._peer.makefile("rb", buffering=1 << 20)
        self._session = None
        self._next_id = 1
        if revision == LEGACY:
            self._open_session()

    def close(self):
        """Ends the connection."""
        self._input.close()
        self._peer.close()

    def call(self, tool: str, text: str):
        """One tools/call; the tool must return its arguments."""
        arguments = {"text": f"{text}{self._next_id}"}
        result = self.request("tools/call", {"name": tool, "arguments": arguments}, tool)
        if result.get("structuredContent") != arguments:
            raise WrongAnswer(f"{tool} did not return its arguments: {str(result)[:300]}")

    def list_tools(self, count: int):
        """One tools/list, whose page must have that many tools."""
        found = len(self.request("tools/list", {}).get("tools", ()))
        if found != count:
            raise WrongAnswer(f"tools/list: {found} tools instead of {count}")

    def request(self, method: str, params: dict, name: str | None = None) -> dict:
        """The result of one request."""
        if self._revision == MODERN:
            params = params | {"_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": {"name": "gate", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {}}}
        number = self._next_id
        self._next_id += 1
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        headers = [f"MCP-Protocol-Version: {self._revision}"]
        if self._revision == MODERN:
            headers += [f"Mcp-Method: {method}"] + ([f"Mcp-Name: {name}"] if name else [])
        # The gateway goes to sleep before each request, as it does before each answer of a mock
        # server that takes its time: whether it finds work when it looks is no matter of luck.
        time.sleep(PAUSE_S)
        status, _, body = self._exchange(message, headers)
        answer = json.loads(body) if status == 200 else {}
        if answer.get("id") != number or "result" not in answer:
            raise WrongAnswer(f"{method} at {self._path}: status {status}: {body[:300]!r}")
        return answer["result"]

    def _open_session(self):
        params = {"protocolVersion": LEGACY, "capabilities": {},
                  "clientInfo": {"name": "gate", "version": "1"}}
        status, headers, body = self._exchange(
            {"jsonrpc": "2.0", "id": "open", "method": "initialize", "params": params}, [])
        self._session = headers.get("mcp-session-id")
        if status != 200 or self._session is None:
            raise WrongAnswer(f"initialize: status {status}: {body[:300]!r}")
        self._exchange({"jsonrpc": "2.0", "method": "notifications/initialized"},
                       [f"MCP-Protocol-Version: {LEGACY}"])

    def _exchange(self, message: dict, headers: list[str]) -> tuple[int, dict, bytes]:
        body = json.dumps(message, separators=(",", ":")).encode()
        lines = [f"POST {self._path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}",
                 "Content-Type: application/json", "Accept: application/json, text/event-stream",
                 f"Content-Length: {len(body)}", *headers]
        if self._session:
            lines.append(f"Mcp-Session-Id: {self._session}")
        self._peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        status = self._input.readline().split()
        got = {}
        while (line := self._input.readline().strip()):
            name, _, value = line.decode().partition(":")
            got[name.lower()] = value.strip()
        if got.get("transfer-encoding") == "chunked":
            return int(status[1]), got, self._answer_of_stream()
        return int(status[1]), got, self._input.read(int(got.get("content-length", 0)))

    def _answer_of_stream(self) -> bytes:
        """The last message of an event stream, which a call that was held up is answered with."""
        text = b""
        while (length := int(self._input.readline(), 16)):
            text += self._input.read(length)
            self._input.readline()
        self._input.readline()
        data = [line[5:].strip() for line in text.splitlines() if line.startswith(b"data:")]
        return data[-1] if data else b""
