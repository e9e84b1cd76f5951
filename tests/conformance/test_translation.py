"""What the eras make of each other: the same dialogues with clients of both eras before servers of
both eras, over HTTP and stdio. Where the suite's scenario cannot mean the same through the gateway
(expected/), this shows what happens instead."""

import unittest

from suite import NODE, Fixture, Sources, require_suite
from support.mcp_client import LegacyClient
from support.nexus_process import Nexus, eventually

SOURCES = None


def setUpModule():
    global SOURCES
    require_suite()
    SOURCES = Sources()
    unittest.addModuleCleanup(SOURCES.remove)


EVERYTHING = {"sampling": {}, "elicitation": {}, "roots": {}}
WATCHED = "test://watched-resource"
EXAMPLE = "https://example.com"

#: method of a question -> what the client of the tests answers
ANSWERS = {
    "elicitation/create": {"action": "accept", "content": {"name": "Alice"}},
    "sampling/createMessage": {
        "role": "assistant",
        "model": "m",
        "content": {"type": "text", "text": "Good day"},
    },
    "roots/list": {"roots": [{"uri": "file:///here", "name": "here"}]},
}


class Translation(unittest.TestCase):
    """One gateway before four servers."""

    LEGS = ("http-modern", "http-legacy", "stdio-modern", "stdio-legacy")

    @classmethod
    def setUpClass(cls):
        servers = {}
        for leg in cls.LEGS:
            transport, era = leg.split("-")
            if transport == "http":
                fixture = Fixture(SOURCES, era)
                cls.addClassCleanup(fixture.stop)
                servers[leg] = {"url": fixture.url}
            else:
                arguments = [SOURCES.path("server.mjs"), "--stdio", "--era", era]
                servers[leg] = {"command": NODE, "args": arguments}
        cls.gateway = Nexus(servers).start()
        cls.addClassCleanup(cls.end_gateway)
        cls.gateway.wait_servers()

    @classmethod
    def end_gateway(cls):
        code = cls.gateway.stop()
        if code != 0:
            raise AssertionError(f"nexus ended with {code}:\n" + "\n".join(cls.gateway.log()[-40:]))

    def each(self, check, legs=LEGS):
        """`check(leg, path of that server's own endpoint)` for each leg, as a subtest."""
        for leg in legs:
            with self.subTest(leg=leg):
                check(leg, f"/s/{leg}/mcp")

    def modern(self, path):
        client = self.gateway.modern(path)
        self.addCleanup(client.close)
        return client

    def asks(self, answer):
        """The questions of an input_required, and what a retry must carry beside the answers."""
        result = answer.result
        self.assertEqual(result["resultType"], "input_required", result)
        state = {"requestState": result["requestState"]} if "requestState" in result else {}
        return result["inputRequests"], state

    def refused(self, answer):
        self.assertIsNotNone(answer.error, answer.message)
        self.assertEqual(answer.error["code"], -32602)


def answered(questions):
    return {key: ANSWERS[question["method"]] for key, question in questions.items()}


def retry(client, tool, responses, state, **options):
    params = {"name": tool, "arguments": {}, "inputResponses": responses, **state}
    return client.request("tools/call", params, capabilities=EVERYTHING, **options)


class ModernClients(Translation):
    """Whoever is behind: a question is an input_required, the answer comes with a new request."""

    ASKS = "test_input_required_result_elicitation"

    def test_a_question_and_its_answer(self):
        def check(leg, path):
            client = self.modern(path)
            questions, state = self.asks(client.call(self.ASKS, capabilities=EVERYTHING))
            ((key, question),) = questions.items()
            self.assertEqual(question["method"], "elicitation/create")
            self.assertEqual(question["params"]["requestedSchema"]["required"], ["name"])
            if leg.endswith("modern"):
                self.assertEqual(key, "user_name")  # the server's own key
            responses = {**answered(questions), "nobody_asked": {"action": "accept"}}
            answer = retry(client, self.ASKS, responses, state)
            self.assertEqual(answer.text, "Hello, Alice!")
            self.assertEqual(answer.result["resultType"], "complete")

        self.each(check)

    def test_three_questions_in_one_round(self):
        tool = "test_input_required_result_multiple_inputs"

        def check(_, path):
            client = self.modern(path)
            questions, state = self.asks(client.call(tool, capabilities=EVERYTHING))
            methods = sorted(question["method"] for question in questions.values())
            self.assertEqual(methods, sorted(ANSWERS))
            answer = retry(client, tool, answered(questions), state)
            self.assertEqual(answer.text, "Good day Alice, of 1 roots")

        self.each(check)

    def test_rounds_follow_each_other(self):
        tool = "test_input_required_result_multi_round"

        def check(_, path):
            client = self.modern(path)
            first, state = self.asks(client.call(tool, capabilities=EVERYTHING))
            second, next_state = self.asks(retry(client, tool, answered(first), state))
            self.assertNotEqual(state, next_state)
            color = {key: {"action": "accept", "content": {"color": "red"}} for key in second}
            self.assertEqual(retry(client, tool, color, next_state).text, "Alice likes red")

        self.each(check)

    def test_a_missing_answer_is_asked_for_again(self):
        def check(_, path):
            client = self.modern(path)
            _, state = self.asks(client.call(self.ASKS, capabilities=EVERYTHING))
            again, state = self.asks(retry(client, self.ASKS, {}, state))
            answer = retry(client, self.ASKS, answered(again), state)
            self.assertEqual(answer.text, "Hello, Alice!")

        self.each(check)

    def test_a_refusal_reaches_the_server(self):
        def check(_, path):
            client = self.modern(path)
            params = {"name": "test_elicitation", "arguments": {"message": "Well?"}}
            first = client.request("tools/call", params, capabilities=EVERYTHING)
            questions, state = self.asks(first)
            self.assertEqual([q["params"]["message"] for q in questions.values()], ["Well?"])
            params["inputResponses"] = {key: {"action": "decline"} for key in questions}
            answer = client.request("tools/call", {**params, **state}, capabilities=EVERYTHING)
            self.assertEqual(answer.text, 'The client answered: {"action":"decline"}')

        self.each(check)

    def test_a_prompt_asks_too(self):
        def check(_, path):
            client = self.modern(path)
            params = {"name": "test_input_required_result_prompt"}
            questions, state = self.asks(
                client.request("prompts/get", params, capabilities=EVERYTHING)
            )
            context = {"action": "accept", "content": {"context": "Rome"}}
            params["inputResponses"] = {key: context for key in questions}
            answer = client.request("prompts/get", {**params, **state}, capabilities=EVERYTHING)
            self.assertEqual(answer.result["messages"][0]["content"]["text"], "In Rome")

        self.each(check)

    def test_a_state_is_good_for_its_own_request_only(self):
        tool = "test_input_required_result_request_state"

        def check(_, path):
            client = self.modern(path)
            questions, state = self.asks(client.call(tool, capabilities=EVERYTHING))
            confirmed = {key: {"action": "accept", "content": {"ok": True}} for key in questions}
            whole = state["requestState"]
            middle = len(whole) // 2
            changed = whole[:middle] + ("A" if whole[middle] != "A" else "B") + whole[middle + 1 :]
            for bad in (whole + "x", changed, whole[:-1], "", "e30"):
                self.refused(retry(client, tool, confirmed, {"requestState": bad}))
            self.refused(retry(client, self.ASKS, confirmed, state))
            self.assertEqual(retry(client, tool, confirmed, state).text, "state-ok")

        self.each(check)
        client = self.modern("/s/http-modern/mcp")
        questions, state = self.asks(client.call(tool, capabilities=EVERYTHING))
        other = self.modern("/s/stdio-modern/mcp")
        self.refused(retry(other, tool, answered(questions), state))

    def test_an_answered_question_is_over(self):
        """A legacy server's call ends with its answer: the same state again is worth nothing."""

        def check(_, path):
            client = self.modern(path)
            questions, state = self.asks(client.call(self.ASKS, capabilities=EVERYTHING))
            retry(client, self.ASKS, answered(questions), state).result
            self.refused(retry(client, self.ASKS, answered(questions), state))

        self.each(check, ("http-legacy", "stdio-legacy"))

    def test_a_client_is_not_asked_what_it_cannot_answer(self):
        def check(_, path):
            answer = self.modern(path).call("test_missing_capability")
            if answer.error is not None:
                self.assertEqual((answer.status, answer.error["code"]), (400, -32021))
                self.assertIn("sampling", answer.error["data"]["requiredCapabilities"])
            else:
                self.assertTrue(answer.result["isError"], answer.result)

        self.each(check)

    def test_resource_updates(self):
        def check(_, path):
            client = self.modern(path)
            stream = client.listen({"resourceSubscriptions": [WATCHED]})
            self.addCleanup(stream.connection.close)
            messages = stream.messages(10)
            accepted = next(messages)
            self.assertEqual(accepted["method"], "notifications/subscriptions/acknowledged")
            client.call("test_touch_resource").result
            updated = next(messages)
            self.assertEqual(updated["method"], "notifications/resources/updated")
            self.assertEqual(updated["params"]["uri"], WATCHED)

        self.each(check)

    def test_apps_pass_untouched(self):
        def check(_, path):
            client = self.modern(path)
            tool = next(t for t in client.tools() if t["name"] == "test_app")
            page = tool["_meta"]["ui"]["resourceUri"]
            self.assertEqual(tool["_meta"]["ui"]["visibility"], ["model", "app"])
            self.assertEqual(client.call("test_app").result["_meta"]["example/view"], [1])
            # No list shows the page: the tool is what leads to its server.
            (content,) = client.request("resources/read", {"uri": page}).result["contents"]
            self.assertEqual(content["mimeType"], "text/html;profile=mcp-app")
            self.assertEqual(content["_meta"]["ui"]["csp"], {"connectDomains": [EXAMPLE]})

        self.each(check)

    def test_links_can_be_followed(self):
        def check(leg, _):
            client = self.modern("/mcp")
            uri = "test://unlisted/1"
            (link,) = client.call(f"{leg}__test_resource_link").result["content"]
            self.assertEqual(link["uri"], uri)
            (content,) = client.request("resources/read", {"uri": uri}).result["contents"]
            self.assertEqual(content["text"], "Only a link leads here.")

        self.each(check)


class LegacyClients(Translation):
    """Whoever is behind: a question is a request to the client, on the stream of its own call."""

    VERSIONS = ("2025-06-18", "2025-11-25")

    def legacy(self, path, version, capabilities):
        client = self.gateway.legacy(path, version, capabilities=capabilities)
        self.addCleanup(client.close)
        return client

    def versions(self, check, capabilities):
        def of_leg(leg, path):
            for version in self.VERSIONS:
                with self.subTest(version=version):
                    check(leg, self.legacy(path, version, capabilities))

        self.each(of_leg)

    def converse(self, client, method, params, answers):
        """Sends a request and answers what comes back in between with `answers(message)`; returns
        (result or error, the questions)."""
        request_id, response = client.send(method, params)
        with LegacyClient(client.address, client.path, client.version) as other:
            other.session, other.server = client.session, client.server
            questions, end = [], None
            for message in response.messages(20):
                if "method" in message and "id" in message:
                    questions.append(message)
                    reply = {"jsonrpc": "2.0", "id": message["id"], "result": answers(message)}
                    posted = other.post(reply, other.headers())
                    self.assertEqual((posted.status, posted.body), (202, b""))
                elif message.get("id") == request_id:
                    end = message
        self.assertIsNotNone(end, "no answer")
        return end.get("result", end.get("error")), questions

    def test_questions_of_every_kind(self):
        params = {"name": "test_input_required_result_multiple_inputs", "arguments": {}}

        def check(_, client):
            result, questions = self.converse(
                client, "tools/call", params, lambda question: ANSWERS[question["method"]]
            )
            self.assertEqual(result["content"][0]["text"], "Good day Alice, of 1 roots")
            self.assertEqual(sorted(q["method"] for q in questions), sorted(ANSWERS))
            self.assertEqual(len({str(q["id"]) for q in questions}), 3)
            self.assertFalse({"resultType", "inputRequests", "requestState"} & set(result))

        self.versions(check, EVERYTHING)

    def test_rounds_follow_each_other(self):
        params = {"name": "test_input_required_result_multi_round", "arguments": {}}
        content = {"name": "Alice", "color": "red"}

        def check(_, client):
            result, questions = self.converse(
                client, "tools/call", params, lambda _: {"action": "accept", "content": content}
            )
            self.assertEqual(result["content"][0]["text"], "Alice likes red")
            messages = [question["params"]["message"][:6] for question in questions]
            self.assertEqual(messages, ["Step 1", "Step 2"])

        self.versions(check, EVERYTHING)

    def test_a_refusal_reaches_the_server(self):
        params = {"name": "test_elicitation", "arguments": {"message": "Well?"}}

        def check(_, client):
            result, questions = self.converse(
                client, "tools/call", params, lambda _: {"action": "decline"}
            )
            self.assertEqual([q["params"]["message"] for q in questions], ["Well?"])
            text = result["content"][0]["text"]
            self.assertEqual(text, 'The client answered: {"action":"decline"}')

        self.versions(check, EVERYTHING)

    def test_a_prompt_asks_too(self):
        params = {"name": "test_input_required_result_prompt"}
        context = {"action": "accept", "content": {"context": "Rome"}}

        def check(_, client):
            result, _ = self.converse(client, "prompts/get", params, lambda _: context)
            self.assertEqual(result["messages"][0]["content"]["text"], "In Rome")

        self.versions(check, EVERYTHING)

    def test_a_client_is_not_asked_what_it_cannot_answer(self):
        params = {"name": "test_missing_capability", "arguments": {}}

        def check(_, client):
            result, questions = self.converse(client, "tools/call", params, None)
            self.assertEqual(questions, [])
            self.assertTrue("code" in result or result["isError"], result)

        self.versions(check, {"elicitation": {}})

    def test_resource_updates(self):
        def check(_, client):
            stream = client.open_stream()
            self.addCleanup(stream.connection.close)
            client.request("resources/subscribe", {"uri": WATCHED}).result
            messages = stream.messages(10)

            def updated():
                client.call("test_touch_resource").result
                message = next(messages)
                return message if message["method"].endswith("updated") else None

            self.assertEqual(eventually(updated)["params"], {"uri": WATCHED})
            client.request("resources/unsubscribe", {"uri": WATCHED}).result

        self.versions(check, {})


if __name__ == "__main__":
    unittest.main()
