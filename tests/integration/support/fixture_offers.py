"""What the fixture server offers beside tools: prompts, resources, templates, completions."""

import base64

META = "io.modelcontextprotocol/"
SHARED = "shared://text"
#: With the offer "raw": a prompt that answers with its argument "json", byte for byte, and the
#: start of resources that answer with the JSON text that their URI goes on with, in base64url.
RAW = "raw"


class Offers:
    """The prompts and resources of one server, called after it."""

    def __init__(self, options):
        self.name = options.name
        self.names = set(filter(None, options.offers.split(",")))
        self.broken = set(filter(None, options.broken.split(",")))
        self.prompts = ["greet", "summary"] + [f"p{i:04}" for i in range(options.prompts)]
        self.prompts += [RAW] if RAW in self.names else []
        self.resources = [self.uri("static"), SHARED]
        self.resources += [self.uri(f"r{i:04}") for i in range(options.resources)]
        self.subscribed = set()

    def uri(self, path):
        return f"test://{self.name}/{path}"

    def capabilities(self):
        found = {}
        if "prompts" in self.names:
            found["prompts"] = {"listChanged": True}
        if "resources" in self.names:
            found["resources"] = {"listChanged": True, "subscribe": "subscribe" in self.names}
        if "completions" in self.names:
            found["completions"] = {}
        return found

    def listed(self, method):
        """The result's member and its entries; None for a method that is not served."""
        if method in self.broken:
            return None
        if method == "prompts/list" and "prompts" in self.names:
            arguments = [{"name": "who", "required": True}]
            return "prompts", [{"name": n, "arguments": arguments} for n in self.prompts]
        if method == "resources/list" and "resources" in self.names:
            rows = [{"uri": u, "name": u.split("/")[-1]} for u in self.resources]
            return "resources", rows
        if method == "resources/templates/list" and "resources" in self.names:
            return "resourceTemplates", [
                {"uriTemplate": self.uri("items/{id}"), "name": "items"},
                {"uriTemplate": "shared://{+path}/any", "name": "any"},
            ]
        return None

    def get_prompt(self, params):
        if "prompts" not in self.names or params["name"] not in self.prompts:
            return None
        if params["name"] == RAW:
            return params["arguments"]["json"].encode()
        words = f"{params['name']} of {self.name} for {params.get('arguments', {}).get('who')}"
        return {"messages": [{"role": "user", "content": {"type": "text", "text": words}}]}

    def read(self, uri):
        known = uri in self.resources or uri.startswith("shared://") and uri.endswith("/any")
        if "resources" not in self.names or not (known or uri.startswith(self.uri(""))):
            return None
        if "missing" in uri:
            return None
        start = self.uri(f"items/{RAW}.")
        if RAW in self.names and uri.startswith(start):
            encoded = uri[len(start) :]
            return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        text = f"{uri} of {self.name}"
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": text}]}

    def complete(self, params):
        ref = params["ref"]
        words = f"{self.name} {ref.get('name') or ref.get('uri')} {params['argument']['value']}"
        return {"completion": {"values": [words], "total": 1, "hasMore": False}}


def link(call, arguments):
    """A link to a resource that is in no list."""
    uri = call.core.offers.uri(arguments.get("path", "hidden/1"))
    return {"content": [{"type": "resource_link", "name": "hidden", "uri": uri}]}


def touch(call, arguments):
    """Tells whoever is subscribed that the resource was updated."""
    for _ in range(arguments.get("times", 1)):
        call.core.tell("notifications/resources/updated", uri=arguments["uri"])
    return {"content": [{"type": "text", "text": "touched"}]}


def relist(call, arguments):
    """Replaces the prompts or resources and says so."""
    offers = call.core.offers
    for kind, names in arguments.items():
        setattr(offers, kind, names)
        call.core.tell(f"notifications/{kind}/list_changed")
    return {"content": [{"type": "text", "text": "changed"}]}
