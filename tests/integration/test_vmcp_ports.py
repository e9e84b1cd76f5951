"""Virtual MCPs with ports of their own: given, taken from a range, kept, given up."""

import json
import os
import random
import shutil
import signal
import socket
import tempfile
import time
import unittest

from support.catalogues import written
from support.http_wire import Connection
from support.mcp_client import LegacyClient, ModernClient, StdioClient
from support.nexus_process import Nexus, binary, eventually, stdio_server
from test_dialects import INITIALIZE, WebSocket, call_message
from test_vmcps import FILES, MAIL, VmcpCase


def listens(port):
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def status(client):
    _, answer = client.send("tools/list")
    answer.body
    return answer.status


def free_ports(count):
    """The first of so many neighbours that are free."""
    for _ in range(200):
        first = random.randrange(20_000, 30_000)
        held = []
        try:
            for port in range(first, first + count):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
    raise AssertionError("there are no free ports")


class PortCase(VmcpCase):
    """A gateway whose virtual MCPs have three ports for "auto"."""

    @classmethod
    def setUpClass(cls):
        cls.first = free_ports(8)
        cls.fixed = cls.first + 3
        cls.extra_config = {
            "vmcpPorts": f"{cls.first}-{cls.first + 2}",
            "vmcps": {"given": {"select": [{"servers": ["mail"]}], "port": cls.fixed}},
        }
        super().setUpClass()

    def at(self, port, path="/mcp", make=ModernClient):
        client = make(("127.0.0.1", port), path)
        self.addCleanup(client.close)
        return client

    def get(self, port, path, headers=None):
        with Connection(("127.0.0.1", port)) as connection:
            answer = connection.request("GET", path, headers or {})
            return answer.status, answer.body.decode()

    def end(self, vmcp):
        self.assertEqual(self.api("DELETE", "/" + vmcp)[0], 202)
        self.wait_state(vmcp, "gone")


class OwnPort(PortCase):
    def test_a_given_port_is_the_virtual_mcp_s_alone(self):
        status, told = self.api("GET", "/given")
        self.assertEqual((status, told["port"]), (200, self.fixed))
        self.assertEqual(told["url"], f"http://127.0.0.1:{self.fixed}/mcp")
        for path in ("/mcp", "/v/given/mcp"):
            for make in (ModernClient, LegacyClient):
                client = self.at(self.fixed, path, make)
                if make is LegacyClient:
                    client.initialize()
                self.assertEqual([t["name"] for t in client.tools()], ["send", "list"])
                self.assertEqual(client.call("list").result["structuredContent"]["tool"], "list")
                self.assertEqual(client.call("read", {"path": "x"}).error["code"], -32602)
        self.assertEqual(self.get(self.fixed, "/healthz"), (200, "ok\n"))
        for path in ("/api/v1/vmcps", "/api/v1/servers", "/metrics", "/readyz", "/s/mail/mcp",
                     "/s/files/mcp", "/v/other/mcp", "/", "/v/given"):
            self.assertEqual(self.get(self.fixed, path)[0], 404, path)

    def test_a_session_of_one_address_is_none_of_another(self):
        self.made({"id": "stranger", "select": [{"servers": ["files"]}], "port": "auto"})
        port = self.api("GET", "/stranger")[1]["port"]
        client = self.legacy("/v/stranger/mcp")
        client.tools()
        there = self.at(port, make=LegacyClient)
        there.session = client.session
        there.version = client.version
        self.assertEqual(len(there.tools()), 3)  # the same virtual MCP, by its other address
        elsewhere = self.at(self.fixed, make=LegacyClient)
        elsewhere.session = client.session
        _, refused = elsewhere.send("tools/list")
        self.assertEqual(refused.status, 404)
        self.end("stranger")

    def test_every_dialect_is_served(self):
        web = WebSocket(("127.0.0.1", self.fixed))
        self.addCleanup(web.close)
        self.assertTrue(web.accepted)
        web.send(call_message(1, "initialize", INITIALIZE))
        web.receive()
        web.send(call_message(2, "tools/list", {}))
        names = [tool["name"] for tool in web.receive()["result"]["tools"]]
        self.assertEqual(names, ["send", "list"])
        stream = Connection(("127.0.0.1", self.fixed))
        self.addCleanup(stream.close)
        events = stream.request("GET", "/sse", {"Accept": "text/event-stream"}).events(10)
        endpoint = next(events)["data"]

        def post(port, number, method, params):
            with Connection(("127.0.0.1", port)) as connection:
                body = json.dumps(call_message(number, method, params)).encode()
                return connection.request(
                    "POST", endpoint, {"Content-Type": "application/json"}, body
                ).status

        self.assertEqual(post(self.fixed, 1, "initialize", INITIALIZE), 202)
        next(events)
        self.assertEqual(post(self.fixed, 2, "tools/list", {}), 202)
        tools = json.loads(next(events)["data"])["result"]["tools"]
        self.assertEqual([tool["name"] for tool in tools], ["send", "list"])

    def test_messages_for_another_address_are_not_taken(self):
        with Connection(self.address) as stream:
            events = stream.request("GET", "/sse", {"Accept": "text/event-stream"}).events(10)
            endpoint = next(events)["data"]
            body = json.dumps(call_message(1, "initialize", INITIALIZE)).encode()
            for address, status in ((("127.0.0.1", self.fixed), 404), (self.address, 202)):
                with Connection(address) as connection:
                    answer = connection.request(
                        "POST", endpoint, {"Content-Type": "application/json"}, body
                    )
                    self.assertEqual(answer.status, status)

    def test_hosts_and_origins_are_checked(self):
        for fields in ({"Host": "evil.example.com"}, {"Origin": "http://evil.example.com"}):
            self.assertEqual(self.get(self.fixed, "/healthz", fields)[0], 403)
            self.assertEqual(self.get(self.fixed, "/mcp", fields)[0], 403)
        local = {"Origin": f"http://localhost:{self.fixed}"}
        self.assertEqual(self.get(self.fixed, "/healthz", local)[0], 200)

    def test_auto_takes_from_the_range_and_what_was_given_up(self):
        taken = []
        for name in ("one", "two", "three"):
            told = self.made({"id": name, "select": [{"servers": ["mail"]}], "port": "auto"})
            taken.append(told["port"])
            client = self.at(told["port"])
            self.assertEqual(len(client.tools()), 2)
            client.close()
        self.assertEqual(sorted(taken), [self.first, self.first + 1, self.first + 2])
        status, told = self.api("POST", "", {"id": "four", "select": [], "port": "auto"})
        self.assertEqual(status, 503)
        self.assertIn(f"no port of {self.first}-{self.first + 2} is free", told["error"])
        self.assertEqual(self.api("GET", "/four")[0], 404)
        for name in ("two", "one"):
            self.end(name)
        # As soon as the connections of one of them have ended; which is first is a unit test's.
        eventually(
            lambda: self.api("POST", "", {"id": "four", "select": [], "port": "auto"})[0] == 201,
            what="a port that has rested",
        )
        self.wait_state("four", "ready")
        port = self.api("GET", "/four")[1]["port"]
        self.assertIn(port, taken[:2])
        events = self.api("GET", "/events")[1]["events"]
        of_four = [(e["what"], e.get("port")) for e in events if e["id"] == "four"]
        self.assertEqual(of_four, [("created", port), ("ready", port)])
        for name in ("three", "four"):
            self.end(name)
        for port in taken:
            eventually(lambda: not listens(port), what="the end of the listener")

    def test_a_port_with_connections_is_not_handed_on(self):
        for name in ("a", "b"):
            self.made({"id": name, "select": [], "port": "auto"})
        told = self.made({"id": "c", "select": [], "port": "auto"})
        sleeper = self.at(told["port"])
        self.assertEqual(sleeper.tools(), [])
        with Connection(("127.0.0.1", told["port"])) as held:
            held.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Le")  # is not idle
            time.sleep(0.2)
            self.end("c")
            status, refused = self.api("POST", "", {"id": "d", "select": [], "port": "auto"})
            self.assertEqual(status, 503)
            self.assertIn("connections", refused["error"])
            status, refused = self.api("POST", "", {"id": "d", "select": [],
                                                    "port": told["port"]})
            self.assertEqual(status, 409)
            self.assertIn("connections of virtual MCP 'c'", refused["error"])
        eventually(
            lambda: self.api("POST", "", {"id": "d", "select": [], "port": "auto"})[0] == 201,
            what="the port again",
        )
        self.assertEqual(self.api("GET", "/d")[1]["port"], told["port"])
        for name in ("a", "b", "d"):
            self.end(name)

    def test_a_taken_port_is_named_and_nothing_is_made(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen(1)
            port = other.getsockname()[1]
            status, told = self.api("POST", "", {"id": "late", "select": [], "port": port})
            self.assertEqual(status, 409)
            self.assertIn(f"port {port} cannot be had", told["error"])
            self.assertEqual(self.api("GET", "/late")[0], 404)
        status, told = self.api("POST", "", {"id": "late", "select": [], "port": self.fixed})
        self.assertEqual(status, 409)
        self.assertIn(f"port {self.fixed} is that of virtual MCP 'given'", told["error"])
        self.assertEqual(len(self.at(self.fixed).tools()), 2)

    def test_an_update_keeps_the_port_unless_it_wants_another(self):
        told = self.made({"id": "moves", "select": [{"servers": ["mail"]}], "port": "auto"})
        port = told["port"]
        client = self.at(port)
        self.assertEqual(len(client.tools()), 2)
        status, told = self.api("PUT", "/moves", {"select": [{"servers": ["files"]}],
                                                  "port": "auto"})
        self.assertEqual((status, told["port"]), (200, port))
        eventually(lambda: len(client.tools()) == 3, what="the new tools")  # same connection
        other = self.first + 4
        status, told = self.api("PUT", "/moves", {"select": [{"servers": ["files"]}],
                                                  "port": other})
        self.assertEqual((status, told["port"]), (200, other))
        self.assertEqual(len(self.at(other).tools()), 3)
        eventually(lambda: not listens(port), what="the end of the old listener")
        status, told = self.api("PUT", "/moves", {"select": [], "port": self.fixed})
        self.assertEqual(status, 409)
        self.assertEqual(self.api("GET", "/moves")[1]["port"], other)
        self.assertEqual(len(self.at(other).tools()), 3)  # nothing was changed
        status, told = self.api("PUT", "/moves", {"select": []})
        self.assertEqual(status, 200)
        self.assertNotIn("port", told)
        eventually(lambda: not listens(other), what="the end of the listener")
        self.end("moves")

    def test_the_gateway_s_own_port_is_refused(self):
        status, told = self.api("POST", "", {"id": "own", "select": [], "port": self.address[1]})
        self.assertEqual(status, 409)
        self.assertIn(str(self.address[1]), told["error"])


class Restarts(unittest.TestCase):
    """What the API made has its port again."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nexus-ports-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.first = free_ports(4)
        self.servers = {"mail": written(self.folder, "mail", MAIL)}

    def config(self, **more):
        return {
            "state": os.path.join(self.folder, "kept.sqlite"),
            "vmcpPorts": f"{self.first}-{self.first + 3}",
            **more,
        }

    def gateway(self, **more):
        gateway = Nexus(self.servers, config=self.config(**more)).start()
        self.addCleanup(gateway.stop)
        return gateway

    def has_port(self, gateway, vmcp, port):
        eventually(lambda: gateway.vmcps("GET", "/" + vmcp)[1].get("port") == port,
                   what=f"port {port} of {vmcp}")

    def test_the_same_port_after_kill_9(self):
        before = self.gateway()
        for name in ("first", "second"):
            status, _ = before.vmcps("POST", "", {"id": name, "select": [{}], "port": "auto"})
            self.assertEqual(status, 201)
        before.vmcps("DELETE", "/first")
        eventually(lambda: before.vmcps("GET", "/first")[0] == 404, what="its end")
        before.kill()
        after = self.gateway()
        self.has_port(after, "second", self.first + 1)
        after.wait_servers()
        with ModernClient(("127.0.0.1", self.first + 1)) as client:
            eventually(lambda: len(client.tools()) == 2, what="its tools")
        # An update that keeps the port keeps it over the next restart as well.
        after.vmcps("PUT", "/second", {"select": [], "port": "auto"})
        after.stop()
        again = self.gateway()
        self.has_port(again, "second", self.first + 1)

    def test_another_port_when_the_old_one_is_taken(self):
        before = self.gateway()
        before.vmcps("POST", "", {"id": "auto", "select": [], "port": "auto"})
        before.vmcps("POST", "", {"id": "fixed", "select": [], "port": self.first + 2})
        before.stop()
        with socket.socket() as first, socket.socket() as third:
            for other, port in ((first, self.first), (third, self.first + 2)):
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind(("127.0.0.1", port))
                other.listen(1)
            after = self.gateway()
            # A killed process may hold it a moment longer: another one is not taken at once.
            self.has_port(after, "auto", self.first + 1)
            told = after.vmcps("GET", "/fixed")[1]
            self.assertNotIn("port", told)
            self.assertIn(str(self.first + 2), told["portProblem"])
            after.wait_log(r"no_port.*fixed")
        self.has_port(after, "fixed", self.first + 2)
        self.assertNotIn("portProblem", after.vmcps("GET", "/fixed")[1])
        self.assertTrue(listens(self.first + 2))

    def test_a_reload_moves_ports(self):
        gateway = self.gateway(vmcps={"a": {"select": [{}], "port": self.first},
                                      "b": {"select": [{}]}})
        self.assertTrue(listens(self.first))
        gateway.write_config(self.servers, config=self.config(
            vmcps={"b": {"select": [{}], "port": self.first}}))
        gateway.process.send_signal(signal.SIGHUP)
        self.has_port(gateway, "b", self.first)
        with ModernClient(("127.0.0.1", self.first), "/v/b/mcp") as client:
            self.assertEqual(client.request("tools/list").status, 200)


class Stdio(unittest.TestCase):
    """`nexus stdio` opens ports for what its own client makes, and for nothing else."""

    def test_ports(self):
        folder = tempfile.mkdtemp(prefix="nexus-ports-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        first = free_ports(4)
        path = os.path.join(folder, "nexus.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"mcpServers": {"files": written(folder, "files", FILES)}, "state": "off",
                       "vmcpPorts": f"{first}-{first + 2}", "management": {"mcp": True},
                       "vmcps": {"given": {"select": [{}], "port": first + 3}}}, file)
        with StdioClient([binary(), "stdio", "-c", path]) as client:
            client.initialize()
            names = [tool["name"] for tool in client.tools()]
            self.assertIn("create-virtual-mcp", names)
            made = client.call("create-virtual-mcp", {
                "id": "mine", "definition": {"select": [{"readOnly": True}], "port": "auto"},
            }).result["structuredContent"]
            self.assertEqual(made["url"], f"http://127.0.0.1:{first}/mcp")
            with ModernClient(("127.0.0.1", first)) as other:
                eventually(lambda: status(other) == 200, what="the end of its making")
                eventually(lambda: [t["name"] for t in other.tools()] == ["read", "list"],
                           what="its tools")
            self.assertFalse(listens(first + 3))
        eventually(lambda: not listens(first), what="the end of the listener")


class Draining(PortCase):
    @classmethod
    def servers(cls):
        return {"slow": stdio_server("--name", "slow")}

    def sessions(self):
        text = self.gateway.get("/metrics").body.decode()
        return [line for line in text.splitlines() if line.startswith("nexus_gateway_sessions")]

    def test_calls_end_and_then_their_connections(self):
        before = self.sessions()
        self.made({"id": "ends", "select": [{"tools": ["sleep", "echo"]}], "port": "auto"})
        port = self.api("GET", "/ends")[1]["port"]
        sockets = [WebSocket(("127.0.0.1", port)), WebSocket(self.address, "/v/ends/ws")]
        idle = WebSocket(("127.0.0.1", port))
        for one in (*sockets, idle):
            self.addCleanup(one.close)
            one.send(call_message(1, "initialize", INITIALIZE))
            one.receive()
        kept = self.at(port)
        kept.tools()
        stream = self.at(port, make=LegacyClient)
        stream.initialize()
        listening = stream.open_stream()
        modern = self.at(port).listen({"toolsListChanged": True})
        old = Connection(("127.0.0.1", port))
        self.addCleanup(old.close)
        events = old.request("GET", "/sse", {"Accept": "text/event-stream"}).events(10)
        endpoint = next(events)["data"]

        def post(number, method, params):
            with Connection(("127.0.0.1", port)) as connection:
                body = json.dumps(call_message(number, method, params)).encode()
                fields = {"Content-Type": "application/json"}
                self.assertEqual(connection.request("POST", endpoint, fields, body).status, 202)

        post(1, "initialize", INITIALIZE)
        next(events)
        sleep = {"name": "sleep", "arguments": {"seconds": 3}}
        post(2, "tools/call", sleep)
        for one in sockets:
            one.send(call_message(2, "tools/call", sleep))
        eventually(lambda: self.api("GET", "/ends")[1]["inFlight"] == 3, what="the calls")
        started = time.monotonic()
        self.assertEqual(self.api("DELETE", "/ends")[0], 202)
        # Nothing is under way there.
        self.assertEqual(idle.frame()[0], 8)
        self.assertTrue(idle.connection.at_end())
        list(listening.pieces())
        self.assertTrue(list(modern.events(5)))
        self.assertLess(time.monotonic() - started, 2.5)
        # What is new is refused, with a word on when to come again.
        eventually(lambda: status(kept) == 503, what="the word on every worker")
        _, refused = kept.send("tools/list")
        self.assertEqual((refused.status, refused.header("retry-after")), (503, "1"))
        sockets[0].send(call_message(3, "tools/list", {}))
        self.assertEqual(sockets[0].receive()["error"]["code"], -32603)
        # What was under way is answered, and then the connection ends.
        for one in sockets:
            answer = one.receive()
            self.assertEqual((answer["id"], answer["result"]["content"][0]["text"]), (2, "slept"))
            opcode, payload = one.frame()
            self.assertEqual((opcode, int.from_bytes(payload[:2], "big")), (8, 1001))
            self.assertTrue(one.connection.at_end())
        answers = [json.loads(event["data"]) for event in events]  # up to the stream's end
        self.assertEqual([answer["id"] for answer in answers], [2])
        self.wait_state("ends", "gone")
        eventually(lambda: not listens(port), what="the end of the listener")
        eventually(lambda: self.sessions() == before, what="the end of its sessions")
        with Connection(self.address) as connection:
            answer = connection.request("GET", "/v/ends/mcp", {"Accept": "text/event-stream"})
            self.assertEqual(answer.status, 404)


if __name__ == "__main__":
    unittest.main()
