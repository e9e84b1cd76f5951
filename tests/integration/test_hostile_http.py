"""HTTP servers that answer as badly as they can: each call ends at its deadline at the latest with
one error that names the server, and the next call is served."""

import socket
import threading
import time
import unittest

from support.cases import Footprint, GatewayCase, clean_error
from support.hostile_http import MODES, HostileHttp
from support.nexus_process import Nexus, eventually, stdio_server, within

DEADLINE = within(1.0)
WITHIN = DEADLINE + within(1.0)
#: What is no fault in the end.
SERVED = ("good", "answers_twice", "answers_and_more")
#: The server takes its time, or talks without end: only the deadline ends these.
LASTING = (
    "says_nothing",
    "half_a_head",
    "dribbles_its_head",
    "half_a_body",
    "stream_of_comments",
    "stream_of_foreign_answers",
    "stream_of_notifications",
)
#: These reach a limit of bytes, or the deadline when the machine is slow.
FLOODS = ("endless_head", "endless_body", "interim_flood", "stream_without_end_of_event")


class Hostile(GatewayCase):
    @classmethod
    def servers(cls):
        cls.hostile = HostileHttp()
        cls.addClassCleanup(cls.hostile.stop)
        entry = {"type": "http", "url": cls.hostile.url, "timeoutMs": int(DEADLINE * 1000)}
        return {"bad": entry, "healthy": stdio_server()}

    def test_every_answer_ends_its_call_and_no_other(self):
        before = Footprint(self.gateway)
        client, modern = self.legacy(), self.modern()
        for name in MODES:
            for caller in (client, modern):
                with self.subTest(mode=name, client=type(caller).__name__):
                    answer = caller.call(f"bad__{name}")
                    if name in SERVED:
                        self.assertEqual(answer.text, "good")
                    else:
                        message = clean_error(answer, "bad", WITHIN)
                        if name in LASTING:
                            self.assertIn(f"{int(DEADLINE * 1000)} ms", message)
                            self.assertGreater(answer.seconds, DEADLINE * 0.9)
                        elif name not in FLOODS:
                            self.assertLess(answer.seconds, DEADLINE, f"not at once: {message}")
                    self.assertEqual(caller.call("healthy__echo", {"text": name}).text, name)
                    self.assertEqual(self.recovered(caller), "good")
        # The allocator keeps of a flood of 64 MiB what it will, 10 to 50 MiB as it was seen. Each
        # flood comes twice: two bodies that nobody freed are more than is allowed.
        before.check(self.gateway, fds=12, rss_mib=100)

    def recovered(self, caller):
        """A server whose connections broke may be connected anew in between. One that said more
        than it was asked may have spoilt the next call, and what it said may have had that call's
        id; the one after it then finds out."""
        eventually(lambda: self.gateway.servers()["bad"]["state"] == "ready", what="the server")
        answers = [caller.call("bad__good") for _ in range(3)]
        return answers[-1].text

    def test_a_connection_that_is_one_answer_behind_serves_no_more(self):
        client = self.legacy()
        for number in range(20):
            client.call("bad__answers_and_more")
            self.assertEqual(self.recovered(client), "good", number)

    def test_an_answer_to_another_request_is_named(self):
        answer = self.legacy().call("bad__another_id")
        self.assertIn("4711", clean_error(answer, "bad", DEADLINE))

    def test_complaints_do_not_fill_the_log(self):
        self.legacy().call("bad__stream_of_foreign_answers")
        lines = [line for line in self.gateway.log() if "answer_without_our_id" in line]
        self.assertTrue(lines)
        self.assertLess(len(lines), 20 * (DEADLINE + 2), "20 a second")

    def test_nobody_is_sent_elsewhere(self):
        self.legacy().call("bad__redirects")
        self.assertNotIn("/elsewhere", [path for _, path in self.hostile.seen])

    def test_others_are_not_slower(self):
        client = self.legacy()
        faults = [
            threading.Thread(target=lambda n=name: self.legacy().call(f"bad__{n}"), daemon=True)
            for name in ("endless_head", "endless_body", "interim_flood", "stream_of_notifications")
        ]
        for fault in faults:
            fault.start()
        slowest = max(client.call("healthy__echo", {"text": "x"}).seconds for _ in range(50))
        for fault in faults:
            fault.join(20)
        self.assertLess(slowest, within(0.5))


class NeverThere(unittest.TestCase):
    """Servers that cannot even be connected to."""

    def state(self, entry):
        with Nexus({"s": entry, "healthy": stdio_server()}) as gateway:
            begun = time.monotonic()
            gateway.wait_servers("healthy")
            eventually(lambda: gateway.servers()["s"]["state"] == "down", 10, what="the failure")
            took = time.monotonic() - begun
            with gateway.legacy() as client:
                clean_error(client.call("s__x"), "s", WITHIN)
            return gateway.servers()["s"]["error"], took

    def test_one_that_accepts_and_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
            entry = {"url": url, "handshakeTimeout": "1s", "timeoutMs": 1000}
            reason, took = self.state(entry)
        self.assertIn("1000 ms", reason)
        self.assertLess(took, within(4))

    def test_one_that_does_not_accept(self):
        """A full backlog drops what more connections send: half-open ones, seen from us."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            address = full.getsockname()
            held = []
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(address)
                held.append(one)
            time.sleep(0.1)
            entry = {"url": f"http://127.0.0.1:{address[1]}/mcp", "connectTimeout": "700ms"}
            reason, took = self.state(entry | {"timeoutMs": 1000})
            for one in held:
                one.close()
        self.assertIn("700 ms", reason)
        self.assertLess(took, within(4))

    def test_a_name_that_is_not_known(self):
        reason, _ = self.state({"url": "http://no-such-host.invalid/mcp", "timeoutMs": 1000})
        self.assertIn("no-such-host.invalid", reason)

    def test_tls_without_tls(self):
        hostile = HostileHttp()
        self.addCleanup(hostile.stop)
        url = hostile.url.replace("http:", "https:")
        reason, _ = self.state({"url": url, "handshakeTimeout": "2s", "timeoutMs": 1000})
        self.assertTrue(reason)


if __name__ == "__main__":
    unittest.main()
