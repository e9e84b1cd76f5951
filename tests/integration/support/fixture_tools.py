"""The tools of the fixture server and the dispatch of its messages, free of any transport."""

import json
import os
import queue
import sys
import threading
import time

import fixture_offers
import fixture_tasks

META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
ANY_OBJECT = {"type": "object"}


def text(value):
    return {"content": [{"type": "text", "text": value}]}


class Refusal(Exception):
    """A JSON-RPC error as the answer."""

    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data


class Call:
    """One request in progress: what a tool may do with it."""

    def __init__(self, core, message, raw, send):
        self.core, self.message, self.raw, self.send = core, message, raw, send
        params = message.get("params") or {}
        self.params = params if isinstance(params, dict) else {}
        meta = self.params.get("_meta") or {}
        self.modern = META + "protocolVersion" in meta
        self.token = meta.get("progressToken")
        self.log_level = meta.get(META + "logLevel") if self.modern else core.log_level
        self.cancelled = threading.Event()
        self.peer_gone = lambda: False

    def notify(self, method, params):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def wait(self, seconds):
        """Waits; True when the call is cancelled or the peer has left before the end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.cancelled.wait(min(0.02, max(0.0, end - time.monotonic()))):
                return True
            if self.peer_gone():
                self.core.record({"event": "disconnected", "id": self.message.get("id")})
                return True
        return False


def tool_echo(_, arguments):
    return text(str(arguments.get("text", "")))


def tool_add(_, arguments):
    total = arguments["a"] + arguments["b"]
    return {**text(str(total)), "structuredContent": {"sum": total}}


def tool_sleep(call, arguments):
    if call.wait(arguments.get("seconds", 1)):
        call.core.record({"event": "cancelled", "id": call.message["id"]})
        return None
    call.core.record({"event": "slept", "id": call.message["id"]})
    return text("slept")


def tool_progress(call, arguments):
    steps = arguments.get("steps", 3)
    for step in range(1, steps + 1):
        if call.token is not None:
            params = {"progressToken": call.token, "progress": step, "total": steps}
            call.notify("notifications/progress", {**params, "message": f"step {step}"})
        if call.wait(arguments.get("delay", 0.01)):
            return None
    return text(f"{steps} steps")


def tool_log(call, arguments):
    """Logs one message per level, from debug to emergency, as far as the caller wants them."""
    if call.log_level is not None:
        for level in LEVELS[LEVELS.index(call.log_level) :]:
            params = {"level": level, "logger": "fixture", "data": arguments.get("text", level)}
            call.notify("notifications/message", params)
    call.wait(0.02)
    return text("logged")


def tool_raw(_, arguments):
    """Answers with the given JSON text as the result, byte for byte."""
    return arguments["json"].encode()


def tool_utter(call, arguments):
    """Tells each of the texts as progress and the last one as its result, in JSON that is not ASCII
    only and has `space` between its tokens."""
    space, texts = arguments.get("space", ""), arguments["texts"]
    encode = lambda value: json.dumps(
        value, ensure_ascii=False, separators=("," + space, ":" + space)
    ).encode()
    for number, told in enumerate(texts, 1):
        if call.token is not None:
            params = {"progressToken": call.token, "progress": number, "message": told}
            method = "notifications/progress"
            call.send(encode({"jsonrpc": "2.0", "method": method, "params": params}))
    call.wait(0.05)
    return encode(text(texts[-1]))


def tool_typed(_, arguments):
    """Answers with the given object, whatever the type of result that it names."""
    return arguments["result"]


def tool_received(call, _):
    """The request as it arrived, as text."""
    return text(call.raw.decode("utf-8", "replace"))


def tool_fail(_, arguments):
    return {**text(arguments.get("text", "it failed")), "isError": True}


def tool_refuse(_, arguments):
    raise Refusal(arguments["code"], arguments["message"], arguments.get("data"))


def tool_exit(_, arguments):
    os._exit(arguments.get("code", 1))


def tool_change(call, arguments):
    """Replaces the changeable tools and says so."""
    names = arguments["names"]
    call.core.changeable = [{"name": n, "inputSchema": ANY_OBJECT} for n in names]
    for _ in range(arguments.get("times", 1)):
        call.core.list_changed()
    return text("changed")


def tool_where(_, arguments):
    names = arguments.get("names", [])
    facts = {"pid": os.getpid(), "cwd": os.getcwd(), "argv": sys.argv[1:]}
    facts["env"] = {name: os.environ.get(name) for name in names}
    facts["fds"] = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
    facts["pgid"], facts["ppid"] = os.getpgid(0), os.getppid()
    return {**text(json.dumps(facts)), "structuredContent": facts}


def tool_big(_, arguments):
    return text("x" * arguments["bytes"])


def tool_late(call, arguments):
    """A large answer after a while."""
    call.wait(arguments["seconds"])
    return text("x" * arguments["bytes"])


def tool_ask(call, arguments):
    """Asks the client for its consent after a while."""
    call.wait(arguments.get("seconds", 0))
    question = f"question-{call.message['id']}"
    schema = {"type": "object", "properties": {}}
    params = {"message": "Well?", "requestedSchema": schema}
    if "token" in arguments:
        params["_meta"] = {"progressToken": arguments["token"], "own/key": 1}
    answer = call.core.ask(question, call.send, "elicitation/create", params)
    return text(json.dumps(answer))


def tool_forget(call, _):
    call.core.forget_sessions()
    return text("forgotten")


def tool_stderr(_, arguments):
    """Writes lines to stderr; characters up to U+00FF are single bytes."""
    for line in arguments["lines"]:
        sys.stderr.buffer.write(line.encode("latin-1") + b"\n")
    sys.stderr.buffer.flush()
    return text("written")


def heard(wanted, method, about):
    """Whether a listen's filter names this notification."""
    if "taskId" in about:
        return about["taskId"] in wanted.get("taskIds", ())
    if "uri" in about:
        return about["uri"] in wanted.get("resourceSubscriptions", ())
    return wanted.get(method.split("/")[1] + "ListChanged", False)


TOOLS = {name[5:]: value for name, value in dict(globals()).items() if name.startswith("tool_")}
OFFER_TOOLS = {
    "link": fixture_offers.link,
    "touch": fixture_offers.touch,
    "relist": fixture_offers.relist,
}
SLOW = {"sleep", "progress", "utter", "log", "late", "ask"}


def definition(name):
    return {
        "name": name,
        "title": name.capitalize(),
        "description": (TOOLS[name].__doc__ or f"The tool {name}.").strip(),
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": True},
    }


class Core:
    """State of the server: era, tools, log of what arrived, listeners."""

    def __init__(self, options):
        self.options = options
        self.name = options.name
        self.log_level = None
        self.changeable = []
        self.extra = []
        if options.tools_file:
            with open(options.tools_file, encoding="utf-8") as file:
                self.extra = json.load(file)
        self.extra += [
            {"name": f"t{i:05}", "description": f"Tool {i}.", "inputSchema": ANY_OBJECT}
            for i in range(options.tools)
        ]
        self.offers = fixture_offers.Offers(options)
        self.tasks = fixture_tasks.Tasks(self)
        self.listeners = []
        self.streams = []
        self.calls = {}
        self.lock = threading.Lock()
        self.forget_sessions = lambda: None
        self.answers = {}

    def ask(self, question, send, method, params):
        """A request to the client; returns its result or error."""
        waiting = self.answers[question] = queue.Queue()
        send({"jsonrpc": "2.0", "id": question, "method": method, "params": params})
        answer = waiting.get(timeout=60)
        del self.answers[question]
        return answer.get("result", answer.get("error"))

    def record(self, row):
        if self.options.log:
            line = json.dumps({"pid": os.getpid(), **row}) + "\n"
            handle = os.open(self.options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(handle, line.encode())
            os.close(handle)

    def tell(self, method, **about):
        for listener in list(self.listeners):
            listener(method, about)

    def list_changed(self):
        if not self.options.silent:
            self.tell("notifications/tools/list_changed")

    def tools(self):
        own = [] if self.options.bare else [definition(name) for name in TOOLS]
        if self.offers.names:
            own += [{"name": name, "inputSchema": ANY_OBJECT} for name in OFFER_TOOLS]
        if self.tasks.offered:
            own += [{"name": name, "inputSchema": ANY_OBJECT} for name in fixture_tasks.TOOLS]
        return own + self.extra + self.changeable

    def dispatch(self, message, raw, send, peer_gone=None):
        """Handles one message; answers, if any, go through `send` (an object or bytes)."""
        self.record({"in": message})
        if not isinstance(message, dict):
            raise ValueError("batches are not for this server")
        if "id" not in message:
            self.notification(message)
            if message.get("method") == "notifications/roots/list_changed":
                send({"jsonrpc": "2.0", "id": "roots-1", "method": "roots/list"})
            return
        if "method" not in message:
            waiting = self.answers.get(message["id"])
            if waiting:
                waiting.put(message)
            return
        call = Call(self, message, raw, send)
        if peer_gone:
            call.peer_gone = peer_gone
        with self.lock:
            self.calls[message["id"]] = call
        name = call.params.get("name") if message["method"] == "tools/call" else None
        if name in SLOW and self.options.transport == "stdio":
            threading.Thread(target=self.answer, args=(call,), daemon=True).start()
        else:
            self.answer(call)

    def notification(self, message):
        if message.get("method") == "notifications/cancelled":
            with self.lock:
                call = self.calls.get((message.get("params") or {}).get("requestId"))
            if call:
                call.cancelled.set()

    def answer(self, call):
        request_id = call.message["id"]
        reply = {"jsonrpc": "2.0", "id": request_id}
        try:
            result = self.result(call)
        except Refusal as refusal:
            result, reply["error"] = None, refusal.error
        except Exception as failure:  # a wrong argument must not end the server
            result, reply["error"] = None, {"code": -32603, "message": repr(failure)}
        with self.lock:
            self.calls.pop(request_id, None)
        if isinstance(result, bytes):
            if call.modern:
                result = b'{"resultType":"complete",' + result.lstrip()[1:]
            head = b'{"jsonrpc":"2.0","id":' + json.dumps(request_id).encode() + b',"result":'
            call.send(head + result + b"}")
        elif result is not None:
            if call.modern:
                meta = {META + "serverInfo": {"name": self.name, "version": "1"}}
                result = {"resultType": "complete", **result, "_meta": meta}
            call.send({**reply, "result": result})
        elif "error" in reply:
            call.send(reply)

    def result(self, call):
        method, params = call.message["method"], call.params
        if call.modern and self.options.era == "legacy":
            self.refuse_probe(method)
        if not call.modern and self.options.era == "modern":
            data = {"supported": [MODERN], "requested": params.get("protocolVersion", "")}
            raise Refusal(-32022, "this server speaks 2026-07-28 only", data)
        if method == "initialize" and not call.modern:
            return self.initialize(params)
        if method == "server/discover" and call.modern:
            head = {"supportedVersions": [MODERN], "capabilities": self.capabilities()}
            return {**head, "instructions": f"I am {self.name}.", **self.hints(call)}
        if method == "tools/list":
            return {**self.page(params, "tools", self.tools()), **self.hints(call)}
        listed = self.offers.listed(method)
        if listed is not None:
            return {**self.page(params, *listed), **self.hints(call)}
        if method == "tools/call":
            return self.run(call)
        if method in ("prompts/get", "resources/read", "completion/complete"):
            return self.offered(call)
        if method in fixture_tasks.METHODS and self.tasks.offered:
            found = self.tasks.served(method, params)
            if found is None:
                raise Refusal(-32602, "Task not found")
            return found
        if method == "ping" and not call.modern:
            return {}
        if method == "resources/subscribe" and "subscribe" in self.offers.names:
            if self.offers.read(params["uri"]) is None:
                raise Refusal(-32002, "Resource not found", {"uri": params["uri"]})
            self.offers.subscribed.add(params["uri"])
            return {}
        if method == "resources/unsubscribe" and "subscribe" in self.offers.names:
            self.offers.subscribed.discard(params["uri"])
            return {}
        if method == "logging/setLevel" and not call.modern:
            self.log_level = params["level"]
            return {}
        raise Refusal(-32601, f"Method not found: {method}")

    def offered(self, call):
        method, params = call.message["method"], call.params
        if method == "completion/complete" and "completions" in self.offers.names:
            return self.offers.complete(params)
        if method == "prompts/get" and "prompts" in self.offers.names:
            found = self.offers.get_prompt(params)
            if found is None:
                raise Refusal(-32602, f"Unknown prompt: {params['name']}")
            return found
        if method == "resources/read" and "resources" in self.offers.names:
            found = self.offers.read(params["uri"])
            if found is None:
                code = -32602 if call.modern else -32002
                raise Refusal(code, "Resource not found", {"uri": params["uri"]})
            return found if isinstance(found, bytes) else {**found, **self.hints(call)}
        raise Refusal(-32601, f"Method not found: {method}")

    def refuse_probe(self, method):
        if self.options.on_probe == "exit":
            os._exit(3)
        if self.options.on_probe == "hang":
            time.sleep(3600)
        raise Refusal(-32601, f"Method not found: {method}")

    def capabilities(self):
        tools = {} if self.options.silent else {"listChanged": True}
        more = {**self.offers.capabilities(), **self.tasks.capabilities()}
        if self.options.extensions:
            more["extensions"] = {**more.get("extensions", {}), **self.options.extensions}
        return {"tools": tools, "logging": {}, **more}

    def initialize(self, params):
        time.sleep(self.options.slow_start)
        wanted = params.get("protocolVersion")
        newest = self.options.legacy_version
        return {
            "protocolVersion": wanted if wanted in LEGACY and wanted <= newest else newest,
            "capabilities": self.capabilities(),
            "serverInfo": {"name": self.name, "version": "1"},
            "instructions": f"I am {self.name}.",
        }

    def hints(self, call):
        return {"ttlMs": self.options.ttl, "cacheScope": "public"} if call.modern else {}

    def page(self, params, key, entries):
        start = int(params.get("cursor", "0") or 0)
        size = self.options.page or len(entries) or 1
        page = {key: entries[start : start + size]}
        if start + size < len(entries):
            page["nextCursor"] = str(start + size)
        return page

    def run(self, call):
        name, arguments = call.params["name"], call.params.get("arguments", {})
        if name in TOOLS:
            return TOOLS[name](call, arguments)
        if name in OFFER_TOOLS and self.offers.names:
            return OFFER_TOOLS[name](call, arguments)
        if name in fixture_tasks.TOOLS and self.tasks.offered:
            return fixture_tasks.TOOLS[name](self.tasks, arguments)
        if any(tool.get("name") == name for tool in self.tools() if isinstance(tool, dict)):
            return text(f"called {name}")
        raise Refusal(-32602, f"Unknown tool: {name}")
