"""What clients carry for the gateway: it holds at replicas with the same keys, nowhere else. Then
the error of 2025-11-25 that sends users to an address first, for clients of either era."""

import json
import re
import signal
import unittest

from support.cases import GatewayCase
from support.nexus_process import HttpFixture, Nexus, eventually, run_cli, stdio_server

KEY = "7d1f0c5a9be2443886cf01d2a75be9034c62f8d1905eab7763f0ce18249ad5b1"
OLDER = "e3a5417f90cd26b8813fd04a7c5e92b6f1084d3a7be95c62d8f0174ac39e2b50"

ADDRESSES = {
    "elicitations": [
        {
            "mode": "url",
            "elicitationId": "e-1",
            "url": "https://example.com/consent",
            "message": "Please consent.",
        }
    ]
}
URL_MODE = {"elicitation": {"url": {}}}


class Replicas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fixture = HttpFixture("--tools", "2500", "--era", "modern")
        cls.addClassCleanup(cls.fixture.stop)

    def replica(self, *keys):
        config = {"sealingKeys": list(keys)} if keys else {}
        gateway = Nexus({"s": self.fixture.config()}, config=config).start()
        self.addCleanup(gateway.stop)
        gateway.wait_servers()
        return gateway

    def page(self, gateway, cursor=None):
        with gateway.modern() as client:
            params = {} if cursor is None else {"cursor": cursor}
            return client.request("tools/list", params)

    def test_cursors(self):
        first, second = self.replica(KEY), self.replica(KEY)
        cursor = self.page(first).result["nextCursor"]
        mine = self.page(first, cursor).result["tools"]
        self.assertEqual(self.page(second, cursor).result["tools"], mine)
        rotated = self.replica(OLDER, KEY)
        self.assertEqual(self.page(rotated, cursor).result["tools"], mine)
        newer = self.page(rotated).result["nextCursor"]
        self.assertEqual(self.page(first, newer).error["code"], -32602)
        for stranger in (self.replica(OLDER), self.replica()):
            self.assertEqual(self.page(stranger, cursor).error["code"], -32602)

    def refusals(self, gateway):
        name = "nexus_gateway_sealed_refusals_total"
        found = re.findall(name + r'{kind="(\w+)"} (\d+)', gateway.get("/metrics").body.decode())
        return {kind: int(count) for kind, count in found}

    def test_refusals_are_counted_by_kind(self):
        gateway = self.replica(KEY)
        self.assertEqual(self.refusals(gateway), {"cursor": 0, "request_state": 0, "task_id": 0})
        able = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
        with gateway.modern() as client:
            self.page(gateway, "altered")
            call = {"name": "s__echo", "arguments": {}, "requestState": "altered"}
            for _ in range(2):
                self.assertEqual(client.request("tools/call", call).error["code"], -32602)
            for _ in range(3):
                answer = client.request("tasks/get", {"taskId": "altered"}, capabilities=able)
                self.assertEqual(answer.error["code"], -32602)
        self.assertEqual(self.refusals(gateway), {"cursor": 1, "request_state": 2, "task_id": 3})

    def test_new_keys_wait_for_a_restart_and_the_log_says_so(self):
        gateway = self.replica(KEY)
        warned = lambda: [line for line in gateway.log() if "needs_restart" in line]
        for keys, count in (([KEY], 0), ([OLDER, KEY], 1)):
            servers = {"s": self.fixture.config()}
            gateway.write_config(servers, config={"sealingKeys": keys})
            done = len([line for line in gateway.log() if "reloaded" in line])
            gateway.signal(signal.SIGHUP)
            reloaded = lambda: len([line for line in gateway.log() if "reloaded" in line]) > done
            eventually(reloaded, 5, 0.02, "the reload")
            self.assertEqual(len(warned()), count)
        self.assertIn("sealingKeys", warned()[0])
        self.assertNotIn(OLDER, "".join(gateway.log()))

    def test_bad_keys_are_refused_without_being_shown(self):
        for keys, reason in (
            (["secret-but-short"], "32 bytes"),
            ([KEY, KEY], "is there twice"),
            (["${NEXUS_NO_SUCH_KEY}"], "NEXUS_NO_SUCH_KEY"),
        ):
            with self.subTest(keys=keys):
                gateway = Nexus({"s": stdio_server()}, config={"sealingKeys": keys})
                gateway.write_config({"s": stdio_server()}, config={"sealingKeys": keys})
                done = run_cli("check", "-c", gateway.config_path)
                self.assertNotEqual(done.returncode, 0)
                said = done.stdout + done.stderr
                self.assertIn("sealingKeys", said)
                self.assertIn(reason, said)
                self.assertNotIn("secret-but-short", said)
                self.assertNotIn(KEY, said)


class UrlElicitationRequired(GatewayCase):
    @classmethod
    def servers(cls):
        return {"s": stdio_server()}

    REFUSAL = {"code": -32042, "message": "go there first", "data": ADDRESSES}

    def test_a_legacy_client_gets_the_error_as_it_is(self):
        answer = self.legacy(capabilities=URL_MODE).call("s__refuse", self.REFUSAL)
        self.assertEqual(answer.error["code"], -32042)
        self.assertEqual(answer.error["data"], ADDRESSES)

    def test_a_modern_client_is_asked(self):
        client = self.modern()
        answer = client.call("s__refuse", self.REFUSAL, capabilities=URL_MODE)
        asked = answer.result
        self.assertEqual(asked["resultType"], "input_required")
        (key, request), = asked["inputRequests"].items()
        self.assertEqual(request["method"], "elicitation/create")
        params = {k: v for k, v in ADDRESSES["elicitations"][0].items() if k != "elicitationId"}
        self.assertEqual(request["params"], params)
        again = {
            "name": "s__refuse",
            "arguments": self.REFUSAL,
            "inputResponses": {key: {"action": "accept"}},
            "requestState": asked["requestState"],
        }
        # This server is never content, so that the answer shows that it was called again.
        second = client.request("tools/call", again, capabilities=URL_MODE)
        self.assertEqual(second.result["resultType"], "input_required")
        again["requestState"] = again["requestState"][:-4] + "AAAA"
        third = client.request("tools/call", again, capabilities=URL_MODE)
        self.assertEqual(third.error["code"], -32602)

    def test_a_client_that_cannot_open_addresses_hears_what_it_lacks(self):
        answer = self.modern().call("s__refuse", self.REFUSAL)
        self.assertEqual(answer.status, 400)
        self.assertEqual(answer.error["code"], -32021)
        self.assertEqual(answer.error["data"], {"requiredCapabilities": URL_MODE})

    def test_an_unreadable_list_is_a_failure_of_the_server(self):
        refusal = {**self.REFUSAL, "data": {"elicitations": 7}}
        answer = self.modern().call("s__refuse", refusal, capabilities=URL_MODE)
        self.assertEqual(answer.error["code"], -32603)
        self.assertIn("'s'", json.dumps(answer.error))


if __name__ == "__main__":
    unittest.main()
