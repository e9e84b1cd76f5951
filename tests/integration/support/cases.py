"""Base classes of the test cases, and the checks that many of them share."""

import unittest

from support.nexus_process import SANITIZED, Nexus, eventually

#: A call that must not wait for anything ends within this many seconds.
AT_ONCE = 2.0


class GatewayCase(unittest.TestCase):
    """One gateway for all tests of the class, with the servers of `servers()`."""

    workers = 2
    args = ()
    extra_config = {}
    wait_ready = True
    gateway = None

    @classmethod
    def servers(cls):
        return {}

    @classmethod
    def setUpClass(cls):
        cls.gateway = Nexus(
            cls.servers(), config=cls.extra_config, args=cls.args, workers=cls.workers
        ).start()
        cls.addClassCleanup(cls.end_gateway)
        if cls.wait_ready:
            cls.gateway.wait_servers()

    @classmethod
    def end_gateway(cls):
        code = cls.gateway.stop()
        if code != 0:
            tail = "\n".join(cls.gateway.log()[-40:])
            raise AssertionError(f"nexus ended with {code}; log:\n{tail}")

    def tearDown(self):
        outcome = getattr(self._outcome, "result", None)
        if outcome and any(test is self for test, _ in outcome.failures + outcome.errors):
            print("\n".join(self.gateway.log()[-20:]))

    @property
    def address(self):
        return self.gateway.address

    def legacy(self, path="/mcp", version="2025-11-25", **options):
        client = self.gateway.legacy(path, version, **options)
        self.addCleanup(client.close)
        return client

    def modern(self, path="/mcp", **options):
        client = self.gateway.modern(path, **options)
        self.addCleanup(client.close)
        return client


def clean_error(answer, server, within):
    """Checks that a failed call ended in time with one error that names the server; returns its
    text. The error may be one of JSON-RPC or a result marked isError."""
    if answer.seconds > within:
        raise AssertionError(f"the call took {answer.seconds:.2f} s, allowed are {within} s")
    if answer.message is None:
        raise AssertionError(f"the call got no answer, status {answer.status}")
    if answer.error is not None:
        code, message = answer.error.get("code"), answer.error.get("message")
        if type(code) is not int or not isinstance(message, str):
            raise AssertionError(f"not a JSON-RPC error: {answer.error}")
    else:
        result = answer.message["result"]
        if not result.get("isError"):
            raise AssertionError(f"the call succeeded: {result}")
        message = " ".join(part.get("text", "") for part in result["content"])
    if server not in message:
        raise AssertionError(f"the error does not name the server {server}: {message!r}")
    return message


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def latencies(client, tool, count):
    """Seconds of `count` calls, one after another; each must succeed."""
    seconds = []
    for number in range(count):
        answer = client.call(tool, {"text": str(number)})
        if answer.text != str(number):
            raise AssertionError(f"call {number} got the answer of another: {answer.message}")
        seconds.append(answer.seconds)
    return seconds


class Footprint:
    """What a gateway holds, to be compared before and after a fault."""

    def __init__(self, gateway):
        self.fds = gateway.fds()
        self.rss = gateway.rss_kib()
        self.children = len(gateway.children())

    def __repr__(self):
        return f"fds={self.fds} rss={self.rss} KiB children={self.children}"

    def check(self, gateway, *, fds=6, rss_mib=48, children=0, timeout=15.0):
        """Waits until the gateway is back to this footprint; `fds`, `rss_mib`, `children` are what
        may remain on top. Zombies must be gone."""

        def back():
            now = Footprint(gateway)
            grown = now.rss - self.rss > rss_mib * 1024 and not SANITIZED
            return (
                now.fds <= self.fds + fds
                and now.children <= self.children + children
                and not gateway.zombies()
                and not grown
            )

        try:
            eventually(back, timeout)
        except AssertionError:
            raise AssertionError(
                f"leak: before {self!r}, after {Footprint(gateway)!r}, "
                f"children {gateway.children()}"
            ) from None
