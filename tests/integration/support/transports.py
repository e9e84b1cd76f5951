"""A gateway with one fixture server of every transport and era."""

import contextlib
import os
import tempfile

from support.cases import GatewayCase
from support.nexus_process import HttpFixture, json_lines, stdio_server


class Transports(GatewayCase):
    """One server of each kind, which offers OFFERS too; `server_log` reads what it received."""

    OFFERS = ""
    KINDS = ("stdio", "stdiomodern", "json", "sse", "modern", "dual", "oldsse", "fallback")

    @classmethod
    def servers(cls):
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        cls.logs = {kind: os.path.join(folder, kind) for kind in cls.KINDS}
        http = {}
        options = {
            "json": [],
            "sse": ["--answer", "sse"],
            "modern": ["--era", "modern"],
            "dual": ["--era", "dual"],
            "oldsse": ["--sse"],
            "fallback": ["--sse"],
        }
        for kind in options.keys() & set(cls.KINDS):
            more = options[kind]
            fixture = HttpFixture(*cls.common(kind), *more)
            cls.addClassCleanup(fixture.stop)
            http[kind] = fixture.config("sse" if kind == "oldsse" else "http")
        return {
            "stdio": stdio_server(*cls.common("stdio")),
            "stdiomodern": stdio_server(*cls.common("stdiomodern"), "--era", "modern"),
            **http,
        }

    @classmethod
    def common(cls, kind):
        return ("--name", kind, "--log", cls.logs[kind], "--offers", cls.OFFERS)

    def server_log(self, kind):
        if not os.path.exists(self.logs[kind]):
            return []  # nothing was received yet
        return json_lines(self.logs[kind])

    def received(self, kind, method):
        rows = [row["in"] for row in self.server_log(kind) if "in" in row]
        return [m for m in rows if isinstance(m, dict) and m.get("method") == method]

    def events(self, kind, name):
        return [row for row in self.server_log(kind) if row.get("event") == name]

    def each(self, kinds=KINDS):
        """For every kind of server and a client of each era: a context that is a subtest."""
        for kind in kinds:
            for make in (self.legacy, self.modern):
                yield self.case(kind, make)

    @contextlib.contextmanager
    def case(self, kind, make):
        client = make()
        with self.subTest(server=kind, client=type(client).__name__):
            yield kind, client
        client.close()
