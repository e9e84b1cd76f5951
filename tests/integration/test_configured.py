"""What a configuration says reaches the servers: variables in every syntax, folders, files, and
headers; nothing of it is run by a shell."""

import json
import os
import tempfile
import unittest

from support.nexus_process import (
    HttpFixture,
    Nexus,
    eventually,
    json_lines,
    run_cli,
    stdio_server,
)

#: As written, and what the server gets. No value is expanded twice.
SYNTAXES = {
    "$WORD": "word",
    "${WORD}": "word",
    "${WORD:-other}": "word",
    "${NOT_SET:-other}": "other",
    "${NOT_SET:-${WORD}}": "word",
    "${NOT_SET:-}": "",
    "${env:WORD}": "word",
    "{env:WORD}": "word",
    "%WORD%": "word",
    "{file:secret.txt}": "of a file",
    "${input:the-key}": "given",
    "${input:usual}": "by default",
    "${userHome}": "HOME",
    "${workspaceFolder}": "WORK",
    "${workspaceFolderBasename}": "WORK_NAME",
    "${extensionPath}": "FOLDER",
    "a${/}b${pathSeparator}c": "a/b/c",
    "$TWICE ${TWICE} %TWICE%": "${WORD} ${WORD} ${WORD}",
    "<$WORD-${WORD}>": "<word-word>",
    "${$}WORD $5 100%": "$WORD $5 100%",
}
#: Words that a shell would not leave alone.
SHELLS = [
    "$(touch SIGN)",
    "`touch SIGN`",
    "; touch SIGN",
    "&& touch SIGN",
    "| touch SIGN",
    "> SIGN",
    "a\nb",
    "*",
    "~",
    "'\"\\",
    "",
    " two  words ",
]


class Configured(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="nexus-configured-")
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)

    def file(self, name, text, folder=None):
        path = os.path.join(folder or self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def gateway(self, servers, **more):
        environment = {"WORD": "word", "TWICE": "${WORD}", "NEXUS_INPUT_THE_KEY": "given"}
        inputs = [{"id": "the-key"}, {"id": "usual", "default": "by default"}]
        gateway = Nexus(servers, config={"inputs": inputs, **more}, env=environment)
        self.file("secret.txt", "of a file\n", gateway.folder)
        gateway.start()
        self.addCleanup(gateway.stop)
        return gateway

    def places(self, gateway):
        here = os.path.realpath(gateway.folder)
        return {
            "HOME": os.path.expanduser("~"),
            "WORK": here,
            "WORK_NAME": os.path.basename(here),
            "FOLDER": here,
        }

    def where(self, gateway, server, *names):
        with gateway.legacy() as client:
            answer = client.call(f"{server}__where", {"names": list(names)})
            return answer.result["structuredContent"]

    def test_every_syntax_reaches_a_child(self):
        entry = stdio_server(env={f"V{n}": text for n, text in enumerate(SYNTAXES)})
        tags = ["--tag=" + text for text in SYNTAXES]
        entry["args"] += tags
        gateway = self.gateway({"s": entry})
        gateway.wait_servers()
        facts = self.where(gateway, "s", *entry["env"])
        places = self.places(gateway)
        wanted = [places.get(value, value) for value in SYNTAXES.values()]
        found = [facts["env"][f"V{n}"] for n in range(len(SYNTAXES))]
        real = lambda texts: [os.path.realpath(t) if t.startswith("/") else t for t in texts]
        self.assertEqual(real(found), real(wanted))
        given = [text.removeprefix("--tag=") for text in facts["argv"][-len(tags) :]]
        self.assertEqual(real(given), real(wanted))

    def test_they_reach_a_server_elsewhere(self):
        log = os.path.join(self.folder, "log")
        with HttpFixture("--log", log) as fixture:
            headers = {f"X-V{n}": text for n, text in enumerate(SYNTAXES)}
            entry = fixture.config(headers={**headers, "X-Empty": "${NOT_SET:-}"})
            entry["url"] = entry["url"].replace("127.0.0.1", "${NOT_SET:-127.0.0.1}")
            gateway = self.gateway({"s": entry})
            gateway.wait_servers()
            sent = [row["headers"] for row in json_lines(log) if row.get("http") == "POST"][-1]
            places = self.places(gateway)
            for n, value in enumerate(SYNTAXES.values()):
                found = sent.get(f"X-V{n}", "")
                wanted = places.get(value, value)
                if wanted.startswith("/"):
                    found, wanted = os.path.realpath(found), os.path.realpath(wanted)
                self.assertEqual(found, wanted, list(SYNTAXES)[n])
            self.assertNotIn("X-Empty", sent, "a header that comes out empty is not sent")

    def test_files_of_variables_and_folders(self):
        self.file(".env", "# a comment\nFROM_FILE=1\nexport QUOTED='a b'\nBOTH=file\n")
        entry = stdio_server(
            envFile=os.path.join(self.folder, ".env"),
            env={"BOTH": "env", "NUMBER": 3000, "TRUTH": True, "WORD": None},
            cwd=self.folder,
        )
        gateway = self.gateway({"s": entry})
        gateway.wait_servers()
        names = ["FROM_FILE", "QUOTED", "BOTH", "NUMBER", "TRUTH", "WORD"]
        facts = self.where(gateway, "s", *names)
        wanted = {"FROM_FILE": "1", "QUOTED": "a b", "BOTH": "env", "NUMBER": "3000"}
        self.assertEqual(facts["env"], {**wanted, "TRUTH": "true", "WORD": None})
        self.assertEqual(os.path.realpath(facts["cwd"]), self.folder)

    def test_what_is_not_set_costs_its_server_alone(self):
        broken = {
            "variable": stdio_server(env={"T": "${NOT_SET}"}),
            "input": stdio_server(env={"T": "${input:nobody}"}),
            "file": stdio_server(env={"T": "{file:/no/such/file}"}),
            "editor": stdio_server(env={"T": "${command:ask}"}),
        }
        gateway = self.gateway({**broken, "good": stdio_server()})
        gateway.wait_servers("good")
        rows = gateway.servers()
        words = {
            "variable": "NOT_SET",
            "input": "NEXUS_INPUT_NOBODY",
            "file": "/no/such/file",
            "editor": "editor",
        }
        with gateway.legacy() as client:
            for name, word in words.items():
                with self.subTest(server=name):
                    self.assertIn(word, rows[name]["error"])
                    self.assertIn(word, json.dumps(client.call(f"{name}__echo").message))
            self.assertEqual(client.call("good__echo", {"text": "x"}).text, "x")

    def test_policies_for_what_is_not_set(self):
        for policy, wanted in (("empty", "<>"), ("literal", "<${NOT_SET}>")):
            with self.subTest(policy=policy):
                entry = stdio_server(env={"T": "<${NOT_SET}>"})
                gateway = self.gateway({"s": entry}, unsetVariables=policy)
                gateway.wait_servers()
                self.assertEqual(self.where(gateway, "s", "T")["env"], {"T": wanted})

    def test_no_shell_runs(self):
        sign = os.path.join(self.folder, "sign")
        words = [word.replace("SIGN", sign) for word in SHELLS]
        literal = [word.replace("$", "${$}") for word in words]
        entry = stdio_server(cwd=self.folder)
        entry["args"] += ["--tag=" + word for word in literal]
        commands = {
            f"c{n}": {"command": command, "args": ["x"], "cwd": self.folder}
            for n, command in enumerate(
                ["true; touch sign", "touch sign", "sh -c 'touch sign'", "${$}(touch sign)"]
            )
        }
        gateway = self.gateway({"s": entry, **commands})
        gateway.wait_servers("s")
        given = self.where(gateway, "s")["argv"][-len(words) :]
        self.assertEqual(given, ["--tag=" + word for word in words])
        for name in commands:
            eventually(lambda n=name: gateway.servers()[n]["state"] == "down", what=name)
            self.assertIn("cannot start", gateway.servers()[name]["error"])
        self.assertFalse(os.path.exists(sign))

    def test_check_tells_what_is_wrong_where(self):
        """Exit codes: 0 with or without warnings, 1 for errors, 2 for a wrong command line."""
        rows = (
            ('{"mcpServers": {}}', 0, r"good"),
            ('{"mcpServers": {"a": {"command": "x", "lazzy": true}}}', 0,
             r":1:\d+: warning: .*lazzy.*did you mean \"lazy\""),
            ('{"mcpServers": {"a": {"command": "x"}},\n "lisen": ":1"}', 0,
             r":2:\d+: warning: .*lisen.*did you mean \"listen\""),
            ('{"mcpServers": {"a": {"command": "x", "era": "2027"}}}', 1,
             r":1:\d+: error: expected .*legacy"),
            ('{\n"mcpServers": {"a": {"command": "x",\n  "timeout": "soon"}}}', 1,
             r":3:\d+: error: .*soon"),
            ('{"mcpServers": {"a": {}}}', 1, r":1:\d+: error: .*\"command\".*\"url\""),
            ('{"mcpServers": [1]}', 1, r":1:\d+: error: expected an object"),
            ('{"mcpServers": {"a": {"command": "x"}}', 1, r":1:\d+: error"),
            ('{"mcpServers": {"a": {"command": "x",, }}}', 1, r":1:\d+: error"),
            ("", 1, r": error"),
            ("\ufeff{\"mcpServers\": {}}", 0, r"good"),
        )  # fmt: skip
        for text, code, pattern in rows:
            with self.subTest(text=text):
                path = self.file("checked.json", text)
                done = run_cli("check", "-c", path)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertRegex(done.stdout + done.stderr, pattern)
        self.assertEqual(run_cli("check", "--nothing").returncode, 2)
        self.assertEqual(run_cli("check", "extra").returncode, 2)


if __name__ == "__main__":
    unittest.main()
