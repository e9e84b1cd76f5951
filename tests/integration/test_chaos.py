"""Child-process chaos: every way in which a stdio server can misbehave, one test each.

Every test runs one gateway with a healthy server beside the faulty one and checks the same
invariants: no call hangs and each failed one ends with one clean error that names the server; the
healthy server's p99 stays within a sane factor during the fault; descriptors, memory and processes
are back where they were afterwards; the faulty server returns when it can."""

import os
import signal
import stat
import tempfile
import threading
import time
import unittest

from support.cases import AT_ONCE, Footprint, clean_error, latencies, percentile
from support.nexus_process import Nexus, alive, chaos_server, eventually, stdio_server, within

#: Deadline of calls to the faulty server, in seconds, and what may pass until the caller sees it.
DEADLINE = 1.5
WITHIN = DEADLINE + within(1.5)
#: p99 of the healthy server during a fault: this factor of its p99 before, or the floor. The
#: factor is wide because the machine is shared; a stalled worker or a blocked loop costs far more.
P99_FACTOR, P99_FLOOR = 10, within(0.15)


class Watch(threading.Thread):
    """Calls the healthy server without pause while a fault goes on."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.client = gateway.legacy()
        self.seconds, self.failure, self.ending = [], None, threading.Event()

    def run(self):
        try:
            while not self.ending.is_set():
                self.seconds += latencies(self.client, "healthy__echo", 1)
        except Exception as failure:
            self.failure = failure

    def finish(self):
        self.ending.set()
        self.join(30)
        self.client.close()
        if self.failure:
            raise AssertionError(f"the healthy server was disturbed: {self.failure!r}")
        return percentile(self.seconds, 0.99)


class ChaosCase(unittest.TestCase):
    """Helpers; one gateway per test."""

    def start(self, chaotic, **options):
        servers = {"healthy": stdio_server(), "chaotic": chaotic}
        self.gateway = Nexus(servers, **options)
        self.addCleanup(self.stop)
        self.gateway.start()
        self.gateway.wait_servers("healthy")
        self.client = self.gateway.legacy()
        self.addCleanup(self.client.close)
        warm = latencies(self.client, "healthy__echo", 60)
        self.allowed = max(P99_FLOOR, P99_FACTOR * percentile(warm, 0.99))
        return self.gateway

    def stop(self):
        failed = self._outcome.result and any(
            test is self for test, _ in self._outcome.result.failures + self._outcome.result.errors
        )
        if failed:
            print("\n".join(self.gateway.log()[-25:]))
        pids = list(self.gateway.children())
        started = time.monotonic()
        code = self.gateway.stop()
        self.assertEqual(code, 0, "the exit code after SIGTERM")
        self.assertLess(time.monotonic() - started, 15, "SIGTERM takes too long")
        left = [pid for pid in pids if alive(pid)]
        self.assertEqual(left, [], "processes left behind by the gateway")

    def ready(self, mode, *options, **config):
        """A gateway whose chaotic server has gone through its handshake."""
        config = {"timeout": int(DEADLINE * 1000), **config}
        gateway = self.start(chaos_server(mode, *options, **config))
        gateway.wait_servers("chaotic")
        self.assertEqual(self.client.call("chaotic__echo", {"text": "before"}).text, "before")
        self.before = Footprint(gateway)
        self.watch = Watch(gateway)
        self.watch.start()
        self.addCleanup(self.watch.ending.set)
        return gateway

    def settled(self, **slack):
        """The end of every test: the others were undisturbed, nothing leaks."""
        worst = self.watch.finish()
        self.assertLess(worst, self.allowed, "p99 of the healthy server during the fault")
        self.before.check(self.gateway, **slack)

    def fault(self, **options):
        return self.client.call("chaotic__fault", **options)

    def fails(self, within=WITHIN):
        return clean_error(self.fault(timeout=within + 20), "chaotic", within)

    def recovers(self, timeout=12.0):
        """The chaotic server answers again, by a restart or because it never went away."""

        def answered():
            answer = self.client.call("chaotic__echo", {"text": "back"}, timeout=WITHIN + 20)
            self.assertLess(answer.seconds, WITHIN, "no call may hang")
            return answer.error is None and not answer.result.get("isError")

        eventually(answered, timeout, 0.1, "an answer of the chaotic server")


class Death(ChaosCase):
    """The process goes away."""

    def test_kill_9(self):
        gateway = self.ready("never")
        pid = gateway.server_pid("chaotic")
        caller = threading.Thread(target=lambda: setattr(self, "answer", self.fault()))
        caller.start()
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        caller.join(10)
        clean_error(self.answer, "chaotic", AT_ONCE)
        self.recovers()
        self.assertNotEqual(gateway.server_pid("chaotic"), pid)
        self.assertGreaterEqual(gateway.servers()["chaotic"]["restarts"], 1)
        self.settled()

    def test_kill_9_under_load(self):
        """Calls that are in flight fail, once each; soon after, calls succeed again."""
        gateway = self.ready("none", timeout=10_000)
        ending, answers = threading.Event(), []

        def caller():
            with gateway.legacy() as client:
                while not ending.is_set():
                    answer = client.call("chaotic__echo", {"text": "x"})
                    answers.append((time.monotonic(), answer))
                    if answer.error is not None:
                        time.sleep(0.01)  # the next one may find the server down

        callers = [threading.Thread(target=caller, daemon=True) for _ in range(6)]
        for thread in callers:
            thread.start()
        time.sleep(0.5)
        killed = time.monotonic()
        os.kill(gateway.server_pid("chaotic"), signal.SIGKILL)
        time.sleep(2)
        ending.set()
        for thread in callers:
            thread.join(15)
        self.assertFalse(any(thread.is_alive() for thread in callers), "a call hangs")
        failed = [(at, answer) for at, answer in answers if answer.error is not None]
        for _, answer in failed:
            clean_error(answer, "chaotic", AT_ONCE)
        self.assertTrue(all(at > killed for at, _ in failed))
        during = [answer for _, answer in failed if "ended during" in answer.error["message"]]
        self.assertLessEqual(len(during), len(callers), "one failure for each call in flight")
        back = min(at for at, answer in answers if at > killed + 0.05 and answer.error is None)
        self.assertLess(back - killed, within(1.5), "a restart within a second, with slack")
        self.assertTrue(all(at <= back + 0.5 for at, _ in failed))
        self.settled()

    def test_crash_during_a_call(self):
        self.ready("crash")
        self.assertIn("signal", self.fails(AT_ONCE))
        self.recovers()
        self.settled()

    def test_exit_mid_json(self):
        self.ready("exit-mid-json")
        self.fails(AT_ONCE)
        self.recovers()
        self.settled()

    def start_fails(self, mode, *words):
        gateway = self.start(chaos_server(mode, timeout=int(DEADLINE * 1000)))
        eventually(lambda: gateway.servers()["chaotic"]["state"] == "down", 15, what="state down")
        before = Footprint(gateway)
        self.watch = Watch(gateway)
        self.watch.start()
        for _ in range(5):
            answer = self.client.call("chaotic__echo")
            message = clean_error(answer, "chaotic", WITHIN)
            for word in words:
                self.assertIn(word, message)
            time.sleep(0.2)
        row = gateway.servers()["chaotic"]
        self.assertIn("exit", row["error"])
        self.assertLess(row["restarts"], 30, "restarts are not bounded")
        self.before = before
        self.settled(children=1)

    def test_exit_0_at_start(self):
        self.start_fails("start-exit-0")

    def test_exit_1_at_start(self):
        self.start_fails("start-exit-1", "exit code 1")

    def test_grandchild_that_keeps_the_pipe_open(self):
        with tempfile.NamedTemporaryFile("r") as state:
            self.ready("grandchild-keeps-pipe", state.name)
            self.fails(AT_ONCE)
            self.recovers()
            pids = [int(line) for line in state.read().split()]
            self.assertTrue(pids)
            eventually(lambda: not any(map(alive, pids)), 10, what="the end of the grandchildren")
            self.settled()

    def test_double_fork_daemon(self):
        with tempfile.NamedTemporaryFile("r") as state:
            self.ready("daemonise", state.name)
            self.fails(AT_ONCE)
            self.recovers()
            pids = [int(line) for line in state.read().split()]
            self.addCleanup(self.gone, pids)
            # The daemon may live as long as the gateway, but not as a zombie, and not beyond.
            self.settled(children=len(pids))

    def gone(self, pids):
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)

    def test_zombie_storm(self):
        self.ready("zombie-storm")
        for _ in range(3):
            self.fails(AT_ONCE)
            self.recovers()
        self.settled(timeout=25)

    def test_restart_storm_is_bounded(self):
        gateway = self.ready("crash")
        for _ in range(12):
            self.fault(timeout=WITHIN + 20)
            time.sleep(0.05)
        self.assertLessEqual(gateway.servers()["chaotic"]["restarts"], 13)
        self.settled()


class Silence(ChaosCase):
    """The process stays but does not answer."""

    def test_sigstop(self):
        gateway = self.ready("never")
        pid = gateway.server_pid("chaotic")
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(lambda: alive(pid) and os.kill(pid, signal.SIGCONT))
        for _ in range(2):
            answer = self.client.call("chaotic__echo", {"text": "x"})
            clean_error(answer, "chaotic", WITHIN)
            self.assertGreater(answer.seconds, DEADLINE * 0.8, "the deadline is 1.5 s")
        if alive(pid):
            os.kill(pid, signal.SIGCONT)
        self.recovers()
        self.settled()

    def test_gateway_stops_although_the_child_is_stopped(self):
        gateway = self.ready("never")
        os.kill(gateway.server_pid("chaotic"), signal.SIGSTOP)
        self.settled()

    def test_never_answers(self):
        self.ready("never")
        for _ in range(2):
            self.fails()
        self.recovers()
        self.settled()

    def test_many_calls_that_are_never_answered(self):
        gateway = self.ready("never")
        answers = []

        def one():
            with gateway.legacy() as client:
                answers.append(client.call("chaotic__fault", timeout=WITHIN + 20))

        callers = [threading.Thread(target=one) for _ in range(40)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(30)
        self.assertEqual(len(answers), 40)
        for answer in answers:
            clean_error(answer, "chaotic", WITHIN + 1)
        self.recovers()
        self.settled(fds=10)

    def test_silent_at_start(self):
        config = {"timeout": int(DEADLINE * 1000)}
        gateway = self.start(chaos_server("start-silent", **config))
        self.before = Footprint(gateway)
        self.watch = Watch(gateway)
        self.watch.start()
        clean_error(self.client.call("chaotic__echo"), "chaotic", WITHIN)
        self.settled(children=1)

    def test_closes_stdout_only(self):
        self.ready("close-stdout")
        self.fails()
        self.recovers()
        self.settled()

    def test_closes_stdin_only(self):
        self.ready("close-stdin")
        self.fails()
        self.recovers()
        self.settled()

    def test_closes_stderr_only(self):
        self.ready("close-stderr")
        self.assertEqual(self.fault().text, "recovered")
        self.settled()

    def test_one_byte_per_second(self):
        self.ready("one-byte-per-second")
        self.fails()
        self.settled()

    def test_stops_reading(self):
        self.ready("stop-reading")
        self.fault()
        large = {"text": "z" * 900_000}
        for _ in range(3):
            answer = self.client.call("chaotic__echo", large, timeout=WITHIN + 20)
            clean_error(answer, "chaotic", WITHIN)
        self.settled()

    def test_fills_the_pipes_both_ways(self):
        self.ready("fill-both-ways")
        self.fault()
        large = {"text": "z" * 900_000}
        for _ in range(3):
            answer = self.client.call("chaotic__echo", large, timeout=WITHIN + 20)
            clean_error(answer, "chaotic", WITHIN)
        self.settled()


class Bytes(ChaosCase):
    """What comes out of stdout is not what it should be."""

    def tolerated(self, mode, expected):
        """The odd bytes are understood or skipped, and the answer counts."""
        self.ready(mode)
        self.assertEqual(self.fault().text, expected)
        self.recovers()
        self.settled()

    def refused(self, mode):
        """The odd bytes are no answer: a clean error, and the next call works."""
        self.ready(mode)
        self.fails()
        self.recovers()
        self.settled()

    def test_crlf(self):
        self.tolerated("crlf", "odd")

    def test_byte_order_mark(self):
        self.tolerated("bom", "odd")

    def test_banner_that_is_no_json(self):
        self.tolerated("banner", "odd")

    def test_banner_at_start(self):
        gateway = self.start(chaos_server("start-banner"))
        gateway.wait_servers("chaotic")
        self.assertEqual(self.client.call("chaotic__echo", {"text": "x"}).text, "x")

    def test_byte_order_mark_at_start(self):
        gateway = self.start(chaos_server("start-bom"))
        gateway.wait_servers("chaotic")

    def test_garbage_at_start(self):
        gateway = self.start(chaos_server("start-garbage"))
        gateway.wait_servers("chaotic")
        self.assertEqual(self.client.call("chaotic__echo", {"text": "x"}).text, "x")

    def test_embedded_newline(self):
        self.refused("embedded-newline")

    def test_invalid_utf8(self):
        self.refused("invalid-utf8")

    def test_nul(self):
        self.refused("nul")

    def test_result_and_error_together(self):
        self.refused("not-a-response")

    def test_deep_json(self):
        self.refused("deep-json")

    def test_100_mib_without_a_newline(self):
        self.ready("no-newline")
        self.fails(WITHIN + 3)
        self.recovers(20)
        self.settled(rss_mib=160)

    def test_stderr_flood(self):
        gateway = self.ready("stderr-flood")
        self.assertEqual(self.fault().text, "recovered")
        lines = len(gateway.log())
        time.sleep(3)
        self.assertLess(len(gateway.log()) - lines, 400, "stderr reaches the log without a limit")
        self.recovers()
        self.settled()

    def test_garbage_flood(self):
        gateway = self.ready("garbage-flood")
        lines = len(gateway.log())
        answer = self.fault()
        self.assertEqual(answer.text, "recovered")
        written = len(gateway.log()) - lines
        self.assertLess(written, 50 + 20 * answer.seconds, "stdout reaches the log without a limit")
        self.recovers()
        self.settled()

    def test_stderr_line_of_8_mib(self):
        gateway = self.ready("stderr-long-line")
        self.assertEqual(self.fault().text, "recovered")
        longest = max(map(len, gateway.log()))
        self.assertLess(longest, 64 * 1024, "a line of the log is as long as the child likes")
        self.settled()


class Protocol(ChaosCase):
    """Well-formed messages that no server should send."""

    def test_answers_twice(self):
        self.ready("answer-twice")
        for _ in range(3):
            self.assertEqual(self.fault().text, "first")
        self.recovers()
        self.settled()

    def test_answers_unknown_ids(self):
        self.ready("unknown-id")
        self.assertEqual(self.fault().text, "recovered")
        self.recovers()
        self.settled()

    def test_answers_another_clients_id(self):
        gateway = self.ready("swapped-ids")
        answers = {}

        def one(name):
            with gateway.legacy() as client:
                answers[name] = client.call("chaotic__fault", request_id=name)

        first = threading.Thread(target=one, args=("client-a",))
        first.start()
        time.sleep(0.4)
        one("client-b")
        first.join(10)
        self.assertEqual(answers["client-a"].text, "first")
        self.assertEqual(answers["client-b"].text, "second")
        self.settled()

    def test_answers_after_cancel(self):
        self.ready("after-cancel")
        self.fails()
        time.sleep(0.3)
        self.assertEqual(self.client.call("chaotic__echo", {"text": "own"}).text, "own")
        self.settled()

    def test_10k_notifications_per_second(self):
        self.ready("notification-storm", timeout=20_000)
        self.assertEqual(self.fault().text, "recovered")
        self.recovers()
        self.settled()

    def test_requests_to_the_client_are_answered(self):
        self.ready("requests-to-the-client")
        self.assertEqual(self.fault().text, "all four are answered")
        self.settled()

    def test_huge_tools_list(self):
        gateway = self.start(chaos_server("huge-list"))
        watch = Watch(gateway)
        watch.start()
        self.addCleanup(watch.ending.set)
        gateway.wait_servers("chaotic", timeout=40)
        count = gateway.servers()["chaotic"]["tools"]
        self.assertLessEqual(count, 20_000, "the limit of tools per server")
        self.assertGreater(count, 1_000, "the first tools are kept")
        self.assertEqual(self.client.call("chaotic__echo", {"text": "x"}).text, "x")
        gateway.wait_log("chaotic.*20.?000|20.?000.*chaotic")
        self.assertLess(watch.finish(), max(within(1.0), self.allowed))

    def test_cyclic_ref(self):
        gateway = self.start(chaos_server("cyclic-ref"))
        gateway.wait_servers("chaotic")
        tool = next(t for t in self.client.tools() if t["name"] == "chaotic__cyclic")
        self.assertEqual(tool["inputSchema"]["properties"]["next"], {"$ref": "#"})
        self.assertEqual(self.client.call("chaotic__cyclic").text, "cyclic")

    def test_tools_change_mid_run(self):
        self.ready("change-tools")
        self.fault()
        names = lambda: [tool["name"] for tool in self.client.tools()]
        eventually(lambda: "chaotic__round19" in names(), 5, what="the last set of tools")
        self.assertEqual([n for n in names() if "__round" in n], ["chaotic__round19"])
        self.settled()


class Start(ChaosCase):
    """The command cannot even run."""

    def cannot_start(self, *words, **config):
        gateway = self.start({"timeout": int(DEADLINE * 1000), **config})
        message = clean_error(self.client.call("chaotic__echo"), "chaotic", AT_ONCE)
        for word in words:
            self.assertIn(word, message)
        row = gateway.servers()["chaotic"]
        self.assertIn(row["state"], ("down", "connecting"))
        before = Footprint(gateway)
        time.sleep(1)
        before.check(gateway)

    def test_missing_binary(self):
        self.cannot_start("No such file", command="/nonexistent/program")

    def test_missing_binary_in_path(self):
        self.cannot_start("no-such-program-anywhere", command="no-such-program-anywhere")

    def test_missing_working_directory(self):
        self.cannot_start("/nonexistent/folder", command="cat", cwd="/nonexistent/folder")

    def file(self, content, mode):
        handle, path = tempfile.mkstemp()
        os.write(handle, content)
        os.close(handle)
        os.chmod(path, mode)
        self.addCleanup(os.unlink, path)
        return path

    def test_enoexec(self):
        path = self.file(b"this is no program\n", stat.S_IRWXU)
        self.cannot_start("Exec format error", command=path)

    def test_eacces(self):
        path = self.file(b"#!/bin/sh\n", stat.S_IRUSR | stat.S_IWUSR)
        self.cannot_start("Permission denied", command=path)

    def test_a_directory_as_command(self):
        self.cannot_start("Permission denied", command="/tmp")


class Stop(ChaosCase):
    def test_sigterm_is_ignored(self):
        gateway = self.ready("ignore-sigterm")
        pid = gateway.server_pid("chaotic")
        self.assertTrue(alive(pid))
        self.settled()  # the clean-up checks that the process is gone, and how long it took

    def test_gateway_killed_takes_its_children_with_it(self):
        gateway = Nexus({"healthy": stdio_server(), "chaotic": chaos_server("ignore-sigterm")})
        gateway.start().wait_servers()
        pids = list(gateway.children())
        self.assertGreaterEqual(len(pids), 2)
        gateway.kill()
        eventually(lambda: not any(map(alive, pids)), 5, what="the end of all children")


if __name__ == "__main__":
    unittest.main()
