"""/api/v1 and its OpenAPI document say the same."""

import json
import os
import re
import tempfile

from support.cases import GatewayCase
from support.catalogues import tool, written
from support.http_wire import Connection

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
METHODS = ("get", "post", "put", "delete", "patch")
#: What a request needs to be taken for one of its operation.
BODIES = {
    ("/api/v1/vmcps", "post"): {"id": "made", "select": [{"servers": ["mail"]}]},
    ("/api/v1/vmcps/{id}", "put"): {"select": [{"readOnly": True, "limit": 1}]},
    ("/api/v1/pins/accept", "post"): {"server": "mail"},
}
QUERIES = {"/api/v1/tools/search": "?q=send+a+message&schema=true"}
#: Nothing waits to be accepted, so this one is told.
REFUSED = {("/api/v1/pins/accept", "post"): 404}


class Api(GatewayCase):
    @classmethod
    def servers(cls):
        folder = tempfile.mkdtemp(prefix="nexus-test-")
        return {"mail": written(folder, "mail", [tool("send", "Sends a message.")])}

    def request(self, method, path, body=None):
        with Connection(self.address) as connection:
            fields = {"Content-Type": "application/json"} if body is not None else {}
            data = json.dumps(body).encode() if body is not None else None
            answer = connection.request(method.upper(), path, fields, data)
            return answer.status, answer.body

    def setUp(self):
        status, text = self.request("get", "/api/v1/openapi.json")
        self.assertEqual(status, 200)
        self.document = json.loads(text)

    def resolved(self, schema):
        if "$ref" not in schema:
            return schema
        self.assertTrue(schema["$ref"].startswith("#/components/schemas/"))
        return self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]

    def check(self, value, schema, where):
        """The part of JSON Schema that the document uses."""
        schema = self.resolved(schema)
        known = {"type", "properties", "required", "items", "enum", "pattern", "format",
                 "description", "minimum", "maximum", "additionalProperties"}
        self.assertLessEqual(set(schema), known, where)
        types = schema.get("type", [])
        kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
                 "number": (int, float)}
        wanted = [kinds[t] for t in ([types] if isinstance(types, str) else types)]
        self.assertTrue(any(isinstance(value, kind) for kind in wanted), f"{where}: {value!r}")
        if "enum" in schema:
            self.assertIn(value, schema["enum"], where)
        if isinstance(value, dict) and "properties" in schema:
            self.assertLessEqual(set(schema.get("required", [])), set(value), where)
            # What is told has to be described.
            self.assertLessEqual(set(value), set(schema["properties"]), where)
            for key, part in value.items():
                self.check(part, schema["properties"][key], f"{where}/{key}")
        for index, part in enumerate(value if isinstance(value, list) else []):
            self.check(part, schema["items"], f"{where}/{index}")

    def test_it_is_the_one_of_the_documentation(self):
        with open(os.path.join(ROOT, "docs", "openapi.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), self.document)
        self.assertEqual(self.document["openapi"], "3.1.0")

    def test_each_operation_is_served_as_described_and_no_other(self):
        order = list(METHODS)
        for path, operations in self.document["paths"].items():
            for method in order:
                with self.subTest(path=path, method=method):
                    url = path.replace("{id}", "made") + QUERIES.get(path, "")
                    status, text = self.request(method, url, BODIES.get((path, method)))
                    if method not in operations:
                        self.assertEqual(status, 405, text)
                        continue
                    answers = operations[method]["responses"]
                    self.assertIn(str(status), answers, text)
                    self.assertEqual(status // 100, REFUSED.get((path, method), 200) // 100, text)
                    schema = answers[str(status)]["content"]["application/json"]["schema"]
                    self.check(json.loads(text), schema, path)

    def test_each_served_address_is_described(self):
        served = set()
        folder = os.path.join(ROOT, "src", "engine")
        for name in os.listdir(folder):
            if not name.startswith("http_api"):
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                served.update(re.findall(r'"(/api/v1/[^"]*[^"/])"', file.read()))
        self.assertLessEqual(served, set(self.document["paths"]))
        self.assertGreater(len(served), 5)
