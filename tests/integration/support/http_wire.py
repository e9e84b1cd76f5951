"""HTTP/1.1 and SSE on a plain socket, so that a test sees and writes exact bytes."""

import json
import socket
import time


class WireError(Exception):
    """The peer broke the protocol or ran past the deadline."""


class Connection:
    """One TCP connection with a read buffer; every wait ends at a deadline."""

    def __init__(self, address, timeout=10.0):
        self.address = address
        self.timeout = timeout
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def fill(self, deadline):
        """Reads once. False at the end of the stream."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise WireError(f"no data before the deadline; buffered: {self.buffer[:200]!r}")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(262144)
        except socket.timeout:
            raise WireError(
                f"no data before the deadline; buffered: {self.buffer[:200]!r}"
            ) from None
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        return True

    def read_until(self, mark, deadline):
        while mark not in self.buffer:
            if not self.fill(deadline):
                raise WireError(f"the stream ended inside a message: {self.buffer[:200]!r}")
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def read_exactly(self, size, deadline):
        chunks, have = [], 0
        while have < size:
            if not self.buffer and not self.fill(deadline):
                raise WireError(f"the stream ended after {have} of {size} bytes")
            piece, self.buffer = self.buffer[: size - have], self.buffer[size - have :]
            chunks.append(piece)
            have += len(piece)
        return b"".join(chunks)

    def at_end(self, timeout=5.0):
        """True when the peer closes without sending another byte."""
        try:
            return not self.buffer and not self.fill(time.monotonic() + timeout)
        except WireError:
            return False

    def request(self, method, target, headers=(), body=None, timeout=None):
        """Sends a well-formed request; returns the head of its response."""
        fields = list(headers.items() if isinstance(headers, dict) else headers)
        names = {name.lower() for name, _ in fields}
        if "host" not in names:
            fields.insert(0, ("Host", f"{self.address[0]}:{self.address[1]}"))
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            fields.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/1.1"] + [f"{n}: {v}" for n, v in fields if v is not None]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self.send(head + (body or b""))
        return self.response(timeout=timeout, no_body=method == "HEAD")

    def response(self, timeout=None, no_body=False):
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            lines = self.read_until(b"\r\n\r\n", deadline).decode("latin-1").split("\r\n")
            parts = lines[0].split(" ", 2)
            if len(parts) < 2 or not parts[0].startswith("HTTP/1."):
                raise WireError(f"not a status line: {lines[0]!r}")
            status = int(parts[1])
            if status == 100 or status == 102:
                continue
            fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
            return Response(self, status, fields, deadline, no_body)


class Response:
    """A response whose head has arrived; the body is read on demand."""

    def __init__(self, connection, status, fields, deadline, no_body=False):
        self.connection = connection
        self.status = status
        self.fields = fields
        self.deadline = deadline
        self.no_body = no_body or status in (204, 304)
        self._body = None

    def header(self, name):
        for key, value in self.fields:
            if key.lower() == name.lower():
                return value
        return None

    @property
    def is_stream(self):
        return (self.header("content-type") or "").startswith("text/event-stream")

    def pieces(self, deadline=None):
        """Yields the decoded body as it arrives."""
        limit = lambda: self.deadline if deadline is None else deadline()
        connection = self.connection
        if self.no_body:
            return
        if "chunked" in (self.header("transfer-encoding") or "").lower():
            while True:
                line = connection.read_until(b"\r\n", limit())
                size = int(line.split(b";")[0], 16)
                if size == 0:
                    while connection.read_until(b"\r\n", limit()):
                        pass
                    return
                piece = connection.read_exactly(size, limit())
                if connection.read_exactly(2, limit()) != b"\r\n":
                    raise WireError("a chunk is longer than its size")
                yield piece  # a reader may stop here, and another go on
        elif self.header("content-length") is not None:
            size = int(self.header("content-length"))
            if size:
                yield connection.read_exactly(size, limit())
        else:
            while True:
                if connection.buffer:
                    piece, connection.buffer = connection.buffer, b""
                    yield piece
                elif not connection.fill(limit()):
                    return

    @property
    def body(self):
        if self._body is None:
            self._body = b"".join(self.pieces())
        return self._body

    def json(self):
        return json.loads(self.body)

    def events(self, timeout=None):
        """Yields SSE events (dicts with `data`, and `event`, `id`, `retry` when present) and
        nothing for comments. `timeout` is the longest wait for one piece of the body."""
        deadline = None if timeout is None else (lambda: time.monotonic() + timeout)
        pending, event = b"", {}
        for piece in self.pieces(deadline):
            pending += piece
            *lines, pending = pending.replace(b"\r\n", b"\n").split(b"\n")
            for line in lines:
                if line == b"":
                    if event:
                        yield event
                    event = {}
                elif not line.startswith(b":"):
                    name, _, value = line.partition(b":")
                    text = value[1:] if value.startswith(b" ") else value
                    key, text = name.decode(), text.decode()
                    event[key] = event[key] + "\n" + text if key in event else text

    def messages(self, timeout=None):
        """The JSON-RPC messages of the body, whichever of the two forms it has."""
        if self.is_stream:
            for event in self.events(timeout):
                if event.get("data"):
                    yield json.loads(event["data"])
        elif self.body:
            decoded = self.json()
            yield from decoded if isinstance(decoded, list) else [decoded]


def request_bytes(method, target, headers, body=b""):
    """A request from the given parts, without any correction."""
    lines = [f"{method} {target} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def exchange(address, data, timeout=10.0):
    """Sends raw bytes on a new connection; returns (response, connection)."""
    connection = Connection(address, timeout)
    connection.send(data)
    return connection.response(), connection
