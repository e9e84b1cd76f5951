"""What operators and scripts rely on: probes, metrics, logs, signals, reload."""

import json
import os
import re
import signal
import tempfile
import threading
import time
import unittest

from support.cases import GatewayCase
from support.http_wire import Connection
from support.nexus_process import (
    HttpFixture,
    Nexus,
    alive,
    eventually,
    json_lines,
    reactor,
    stdio_gateway,
    stdio_server,
    within,
)

SAMPLE = re.compile(
    r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*",?)*\})? '
    r"(NaN|[+-]?Inf|[+-]?[0-9.eE+-]+)(?: [0-9]+)?$"
)


class Exposition:
    """Reads the Prometheus text format strictly."""

    def __init__(self, text):
        if not text.endswith("\n"):
            raise AssertionError("the last line has no end")
        self.types, self.samples = {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                if name in self.types:
                    raise AssertionError(f"two TYPE lines of {name}")
                self.types[name] = kind
            elif line and not line.startswith("#"):
                found = SAMPLE.match(line)
                if not found:
                    raise AssertionError(f"not a sample: {line!r}")
                key = found.group(1) + (found.group(2) or "")
                if key in self.samples:
                    raise AssertionError(f"two samples of {key}")
                self.samples[key] = float(found.group(3))

    def total(self, name, *labels):
        """Sum of a family's samples that carry all the labels, written name="value"."""
        return sum(
            value
            for key, value in self.samples.items()
            if key.split("{")[0] == name and all(label in key for label in labels)
        )


class Probes(GatewayCase):
    @classmethod
    def servers(cls):
        return {"alpha": stdio_server(), "beta": stdio_server()}

    def metrics(self):
        response = self.gateway.get("/metrics")
        self.assertEqual(response.status, 200)
        self.assertTrue(response.header("Content-Type").startswith("text/plain"))
        return Exposition(response.body.decode())

    def test_healthz_and_readyz(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.gateway.get(path).status, 200)

    def test_metrics_count_calls_by_server_and_result(self):
        before = self.metrics()
        client = self.legacy()
        for _ in range(5):
            client.call("alpha__echo", {"text": "x"}).text
        client.call("alpha__fail").result
        client.call("alpha__refuse", {"code": -32000, "message": "m"})
        after = self.metrics()
        name, label = "nexus_server_calls_total", 'server="alpha"'
        self.assertEqual(after.total(name, label) - before.total(name, label), 7)
        self.assertEqual(after.total(name, 'server="beta"'), before.total(name, 'server="beta"'))
        results = {key for key in after.samples if key.startswith(name) and label in key}
        self.assertGreaterEqual(len(results), 2, "calls are told apart by their result")

    def test_latency_histograms(self):
        self.legacy().call("alpha__echo", {"text": "x"}).text
        found = self.metrics()
        histograms = [name for name, kind in found.types.items() if kind == "histogram"]
        self.assertIn("nexus_server_call_duration_seconds", histograms)
        self.assertIn("nexus_gateway_call_duration_seconds", histograms)
        for name in histograms:
            series = {}
            for key, value in found.samples.items():
                if key.startswith(name + "_bucket{"):
                    bound = re.search(r'le="([^"]*)"', key).group(1)
                    rest = re.sub(r',?le="[^"]*"', "", key)
                    series.setdefault(rest, []).append((float(bound.replace("+", "")), value))
            for rest, buckets in series.items():
                values = [value for _, value in sorted(buckets)]
                self.assertEqual(values, sorted(values), f"{rest} is not cumulative")
                self.assertEqual(max(bound for bound, _ in buckets), float("inf"))

    def test_gauges_that_operators_need(self):
        client = self.legacy()
        found = self.metrics()
        for name in (
            "nexus_gateway_sessions",
            "nexus_server_queued_calls",
            "nexus_http_connections",
            "nexus_server_permits_in_use",
            "nexus_worker_turns_total",
            "nexus_worker_system_calls_total",
            "nexus_worker_io_uring",
        ):
            self.assertIn(name, found.types, name)
        self.assertGreaterEqual(found.total("nexus_gateway_sessions"), 1)
        if reactor() == "epoll":
            self.assertEqual(found.total("nexus_worker_io_uring"), 0)
        client.delete()

    def test_every_refusal_is_counted(self):
        before = self.metrics().total("nexus_gateway_refusals_total")
        with Connection(self.address) as connection:
            connection.request("POST", "/mcp", {"Content-Type": "text/plain"}, b"{}").body
        with Connection(self.address) as connection:
            connection.request("GET", "/healthz", {"Host": "evil.example"}).body
        after = self.metrics().total("nexus_gateway_refusals_total")
        self.assertGreaterEqual(after - before, 2)

    def test_servers_api(self):
        for name, row in self.gateway.servers().items():
            self.assertEqual(row["state"], "ready")
            self.assertEqual(row["transport"], "stdio")
            self.assertGreater(row["tools"], 5)
            self.assertEqual(row["restarts"], 0)
            self.assertTrue(alive(row["pid"]), name)

    def test_reactor_is_the_chosen_one(self):
        if reactor() != "auto":
            self.assertTrue(any(f"{reactor()}" in line for line in self.gateway.log()))


class ManyServers(unittest.TestCase):
    def test_readiness_does_not_wait_for_200_servers(self):
        """Neither servers that are started on first use nor ones that are slow hold it back."""
        lazy = {f"lazy{i}": stdio_server(lazy=True) for i in range(185)}
        silent = {f"silent{i}": {"command": "sleep", "args": ["60"]} for i in range(15)}
        started = time.monotonic()
        with Nexus({**lazy, **silent}) as gateway:
            listening = time.monotonic()
            self.assertLess(listening - started, within(2.0), "the start")
            self.assertEqual(gateway.get("/readyz").status, 200)
            elapsed = time.monotonic() - listening
            self.assertLess(elapsed, within(0.1), "the first answer of /readyz")
            self.assertEqual(len(gateway.servers()), 200)
            with gateway.legacy() as client:
                self.assertEqual(client.call("lazy7__echo", {"text": "x"}).text, "x")


class Logs(unittest.TestCase):
    def test_json_logs_parse(self):
        with Nexus({"alpha": stdio_server()}, config={"log": {"format": "json"}}) as gateway:
            gateway.wait_servers()
            with gateway.legacy() as client:
                lines = [
                    'quote " and \\ backslash',
                    "\x1b[31mred\x1b[0m",
                    "\xff\xfe not UTF-8",
                    "tab\tend",
                    "a" * 100_000,
                    '{"level":"forged"}',
                ]
                client.call("alpha__stderr", {"lines": lines}).text
            gateway.wait_log("quote")
            time.sleep(0.3)
            gateway.signal(signal.SIGTERM)
            gateway.process.wait(20)
            rows = [json.loads(line) for line in gateway.log() if line]
            for row in rows:
                self.assertLessEqual({"time", "level", "component", "event"}, set(row))
            self.assertTrue(any("listening" in row["event"] for row in rows))

    def test_text_logs_carry_no_control_characters(self):
        with Nexus({"alpha": stdio_server()}) as gateway:
            gateway.wait_servers()
            with gateway.legacy() as client:
                client.call("alpha__stderr", {"lines": ["\x1b[31mred", "bell\x07", "ok"]}).text
            gateway.wait_log("ok")
            for line in gateway.log():
                self.assertFalse(any(ord(c) < 0x20 and c != "\t" for c in line), repr(line))

    def test_secrets_are_not_logged(self):
        with HttpFixture() as fixture:
            secret = "canary-5f1c"
            servers = {
                "env": stdio_server(env={"API_TOKEN": secret}),
                "header": fixture.config(headers={"Authorization": f"Bearer {secret}"}),
                "bad": {"command": "/nonexistent", "env": {"KEY": secret}},
            }
            with Nexus(servers, config={"log": {"level": "trace"}}) as gateway:
                gateway.wait_servers("env", "header")
                with gateway.legacy() as client:
                    client.call("bad__x")
                    client.call("header__echo", {"text": "x"}).text
                rows = json.dumps(gateway.servers())
                self.assertNotIn(secret, rows)
                self.assertNotIn(secret, "\n".join(gateway.log()))


class Signals(unittest.TestCase):
    def test_sigterm_drains(self):
        gateway = Nexus({"alpha": stdio_server()}).start()
        self.addCleanup(gateway.kill)
        gateway.wait_servers()
        client = gateway.legacy()
        self.addCleanup(client.close)
        probe = Connection(gateway.address)
        answers = []
        call = lambda: answers.append(client.call("alpha__sleep", {"seconds": 1.5}))
        caller = threading.Thread(target=call)
        caller.start()
        time.sleep(0.4)
        gateway.signal(signal.SIGTERM)
        time.sleep(0.3)
        self.assertIsNone(gateway.process.poll(), "a call is in flight")
        self.assertEqual(probe.request("GET", "/readyz").status, 503)
        caller.join(10)
        self.assertEqual(answers[0].text, "slept")
        self.assertEqual(gateway.process.wait(10), 0)
        probe.close()

    def test_sigterm_with_a_call_that_never_ends(self):
        config = {"limits": {"drainTimeout": 1000}}
        gateway = Nexus({"alpha": stdio_server()}, config=config).start()
        self.addCleanup(gateway.kill)
        gateway.wait_servers()
        client = gateway.legacy()
        self.addCleanup(client.close)
        answers = []

        def call():
            try:
                answers.append(client.call("alpha__sleep", {"seconds": 60}).message)
            except Exception as failure:
                answers.append(failure)

        caller = threading.Thread(target=call)
        caller.start()
        time.sleep(0.4)
        started = time.monotonic()
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.process.wait(15), 0)
        self.assertLess(time.monotonic() - started, 8)
        caller.join(5)
        self.assertEqual(len(answers), 1, "the caller is told, or cut off")

    def test_open_streams_do_not_hold_the_end(self):
        gateway = Nexus({"alpha": stdio_server()}).start()
        self.addCleanup(gateway.kill)
        gateway.wait_servers()
        with gateway.legacy() as legacy, gateway.modern() as modern:
            streams = [legacy.open_stream(), modern.listen({"toolsListChanged": True})]
        started = time.monotonic()
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.process.wait(15), 0)
        self.assertLess(time.monotonic() - started, 6)
        for stream in streams:
            stream.connection.close()

    def test_sigint_stops_too(self):
        gateway = Nexus({}).start()
        self.addCleanup(gateway.kill)
        gateway.signal(signal.SIGINT)
        self.assertIn(gateway.process.wait(15), (0, 130))


class Flags(unittest.TestCase):
    def test_flags_win_over_the_file_after_a_reload_too(self):
        config = {"exposure": "tools"}
        with Nexus({"a": stdio_server()}, config=config, args=["--exposure", "meta"]) as gateway:
            gateway.wait_servers()
            with gateway.legacy() as client:
                names = lambda: [tool["name"] for tool in client.tools()]
                self.assertIn("call-tool", names())
                since = len(gateway.log())
                gateway.write_config(
                    {"a": stdio_server(), "b": stdio_server()}, config={**config, "listen": ":1"}
                )
                gateway.signal(signal.SIGHUP)
                gateway.wait_log("config: finding.*insecureListen", since=since)
                gateway.write_config({"a": stdio_server(), "b": stdio_server()}, config=config)
                gateway.signal(signal.SIGHUP)
                gateway.wait_log("config: reloaded", since=since)
                gateway.wait_servers("b")
                self.assertIn("call-tool", names())
                self.assertNotIn("b__echo", names())

    def test_stdio_shows_the_meta_tools_after_a_reload_too(self):
        handle, path = tempfile.mkstemp(suffix=".json")
        self.addCleanup(os.unlink, path)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"reactor": reactor(), "mcpServers": {"a": stdio_server()}}, file)
        with stdio_gateway(path) as client:
            client.initialize()
            client.process.send_signal(signal.SIGHUP)
            reloaded = lambda: any("config: reloaded" in line for line in client.stderr_lines)
            eventually(reloaded, what="the reload")
            self.assertIn("call-tool", [tool["name"] for tool in client.tools()])
            self.assertEqual(client.close(), 0)


class Reload(unittest.TestCase):
    def setUp(self):
        self.servers = {
            "same": stdio_server("--tag", "1"),
            "changed": stdio_server("--tag", "1"),
            "removed": stdio_server(),
        }
        self.gateway = Nexus(self.servers).start()
        self.addCleanup(self.gateway.kill)
        self.gateway.wait_servers()
        self.client = self.gateway.legacy()
        self.addCleanup(self.client.close)

    def reload(self):
        since = len(self.gateway.log())
        self.gateway.signal(signal.SIGHUP)
        return since

    def pids(self):
        return {name: row.get("pid") for name, row in self.gateway.servers().items()}

    def test_what_changed_is_replaced_and_the_rest_stays(self):
        before = self.pids()
        stream = self.client.open_stream()
        self.servers["changed"] = stdio_server("--tag", "2")
        del self.servers["removed"]
        self.servers["added"] = stdio_server()
        self.gateway.write_config(self.servers)
        self.reload()
        eventually(lambda: set(self.gateway.servers()) == {"same", "changed", "added"}, 10)
        self.gateway.wait_servers("same", "changed", "added")
        after = self.pids()
        self.assertEqual(after["same"], before["same"])
        self.assertNotEqual(after["changed"], before["changed"])
        eventually(lambda: not alive(before["removed"]), 10, what="the end of the removed server")
        eventually(lambda: not alive(before["changed"]), 10, what="the end of the replaced one")
        # The session lives on and sees the new list.
        self.assertEqual(self.client.call("added__echo", {"text": "x"}).text, "x")
        names = [tool["name"] for tool in self.client.tools()]
        self.assertFalse([name for name in names if name.startswith("removed__")])
        self.assertEqual(self.client.call("removed__echo").error["code"], -32602)
        message = next(stream.messages(5))
        self.assertEqual(message["method"], "notifications/tools/list_changed")
        stream.connection.close()

    def test_unchanged_servers_elsewhere_keep_session_and_connection(self):
        with tempfile.TemporaryDirectory() as folder, HttpFixture(
            "--log", os.path.join(folder, "log")
        ) as fixture:
            rows = lambda: json_lines(os.path.join(folder, "log"))
            begun = lambda: [r for r in rows() if r.get("in", {}).get("method") == "initialize"]
            self.servers["far"] = fixture.config()
            self.gateway.write_config(self.servers)
            self.reload()
            eventually(lambda: "far" in self.gateway.servers())
            self.gateway.wait_servers("far")
            self.assertEqual(self.client.call("far__echo", {"text": "x"}).text, "x")
            calls = {name: [] for name in ("far", "same")}
            for number in range(3):
                self.servers["changed"] = stdio_server("--tag", f"n{number}")
                self.gateway.write_config(self.servers)
                since = self.reload()
                self.gateway.wait_log("config: reloaded", since=since)
                for name in calls:
                    calls[name].append(self.client.call(f"{name}__echo", {"text": "x"}).text)
            self.assertEqual(calls, {"far": ["x"] * 3, "same": ["x"] * 3})
            self.assertEqual(len(begun()), 1, "one session from the first reload on")
            self.assertEqual([r for r in rows() if r.get("http") == "DELETE"], [])
            self.servers["far"]["timeout"] = "9s"
            self.gateway.write_config(self.servers)
            self.reload()
            eventually(lambda: len(begun()) == 2, what="a session of the changed server")

    def test_calls_in_flight_of_an_unchanged_server_survive(self):
        answers = []
        call = lambda: answers.append(self.client.call("same__sleep", {"seconds": 1.2}).text)
        caller = threading.Thread(target=call)
        caller.start()
        time.sleep(0.3)
        self.servers["changed"] = stdio_server("--tag", "3")
        self.gateway.write_config(self.servers)
        self.reload()
        caller.join(10)
        self.assertEqual(answers, ["slept"])

    def test_a_bad_file_changes_nothing(self):
        before = self.pids()
        for text, line in (
            ('{\n  "mcpServers": {\n    "x": {"command" "cat"}\n  }\n}\n', 3),
            ('{\n  "mcpServers": {\n    "x": {"command": 5}\n  }\n}\n', 3),
        ):
            with self.subTest(text=text):
                self.gateway.write_config(text=text)
                since = self.reload()
                self.gateway.wait_log(rf"nexus\.json:{line}\b", since=since)
                self.assertEqual(self.pids(), before)
                self.assertEqual(self.client.call("same__echo", {"text": "x"}).text, "x")
        os.unlink(self.gateway.config_path)
        since = self.reload()
        self.gateway.wait_log(r"nexus\.json", since=since)
        self.assertEqual(self.pids(), before)

    def test_what_only_a_start_reads_is_named(self):
        config = {
            "allowedHosts": ["h.example"],
            "limits": {"bodyBytes": "8MiB"},
            "log": {"level": "debug"},
            "workers": 7,  # the flag has decided that
        }
        self.gateway.write_config(self.servers, config=config)
        since = self.reload()
        found = self.gateway.wait_log("needs_restart.*", since=since).group(0)
        self.assertIn("allowedHosts", found)
        self.assertIn("limits.bodyBytes", found)
        self.assertNotIn("log", found)
        self.assertNotIn("workers", found)
        self.gateway.wait_log("config: reloaded", since=since)

    def test_filters_change_without_harm(self):
        before = self.pids()
        self.servers["changed"]["include"] = ["echo"]
        self.gateway.write_config(self.servers)
        self.reload()
        own = lambda: [t["name"] for t in self.client.tools() if t["name"].startswith("changed__")]
        eventually(lambda: own() == ["changed__echo"], 10, 0.1, "the filtered list")
        self.assertEqual(self.pids()["same"], before["same"])

    def test_reloads_under_load_fail_no_call(self):
        """While servers are replaced, calls to them and to others go on."""
        ending, failures, counts = threading.Event(), [], {}

        def caller(name):
            with self.gateway.legacy() as client:
                while not ending.is_set():
                    answer = client.call(f"{name}__echo", {"text": name})
                    counts[name] = counts.get(name, 0) + 1
                    if answer.error is not None or answer.text != name:
                        failures.append((name, answer.message))

        callers = [
            threading.Thread(target=caller, args=(name,), daemon=True)
            for name in ("same", "changed", "removed")
            for _ in range(2)
        ]
        for thread in callers:
            thread.start()
        pids = set()
        for number in range(4):
            # One server is replaced by another, one hides more of its tools.
            self.servers["removed"] = stdio_server("--tag", f"u{number}")
            self.servers["changed"]["exclude"] = ["add", "sleep", "fail", "log"][: number + 1]
            self.gateway.write_config(self.servers)
            since = self.reload()
            self.gateway.wait_log("config: reloaded", since=since)
            time.sleep(0.4)
            self.gateway.wait_servers()
            pids.add(self.pids()["removed"])
        ending.set()
        for thread in callers:
            thread.join(20)
        self.assertEqual(failures, [])
        self.assertEqual(len(pids), 4, "each reload replaces the server")
        self.assertTrue(all(counts.get(name, 0) > 20 for name in ("same", "changed", "removed")))
        listed = [tool["name"] for tool in self.client.tools()]
        self.assertNotIn("changed__log", listed)
        self.assertIn("changed__echo", listed)

    def test_many_reloads_leak_nothing(self):
        fds = self.gateway.fds()
        for number in range(10):
            self.servers["changed"] = stdio_server("--tag", f"r{number}")
            self.gateway.write_config(self.servers)
            self.reload()
            time.sleep(0.15)
        self.gateway.wait_servers()
        eventually(lambda: self.gateway.fds() <= fds + 4, 15, what="closed descriptors")
        eventually(lambda: len(self.gateway.children()) == 3, 15, what="three children")


if __name__ == "__main__":
    unittest.main()
