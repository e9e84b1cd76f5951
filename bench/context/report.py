#!/usr/bin/env python3
"""What the meta-tools cost and save of a model's context, over real catalogues.

Prints Markdown; docs/context-report.md keeps a run. Exits with 2 when the program or the catalogues
are missing."""
import argparse
import datetime
import json
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from support.catalogues import server  # noqa: E402
from support.nexus_process import Nexus  # noqa: E402

import tokens  # noqa: E402

#: Catalogues of each fleet, what is asked of it, and tools that can do it.
FLEETS = (
    (
        20,
        ("server-filesystem", "upstash_context7-mcp", "exa-mcp-server", "figma-developer-mcp"),
        (
            ("read a text file", {"read_text_file", "read_file"}),
            ("search the web for news", {"web_search_exa"}),
            ("documentation of a library", {"query-docs", "resolve-library-id"}),
        ),
    ),
    (
        50,
        ("google-workspace",),
        (
            ("list the events of my calendar", {"calendar.listEvents"}),
            ("send an e-mail", {"gmail.send"}),
            ("find a free time for a meeting", {"calendar.findFreeTime"}),
        ),
    ),
    (
        210,
        ("google-workspace", "tools-for-mcp-server"),
        (
            ("list the events of my calendar",
             {"calendar.listEvents", "search_schedule_on_Google_Calendar"}),
            ("send an e-mail", {"gmail.send", "send_mails_Gmail"}),
            ("convert a file on Google Drive to PDF",
             {"convert_mimetype_of_file_on_google_drive"}),
        ),
    ),
    (
        550,
        (),  # all that there are
        (
            ("list the events of my calendar",
             {"calendar.listEvents", "search_schedule_on_Google_Calendar"}),
            ("take a screenshot of the page", {"browser_take_screenshot", "take_screenshot"}),
            ("open an issue in a repository on GitHub", {"create_issue"}),
        ),
    ),
)


def give_up(why):
    print(f"report.py: {why}", file=sys.stderr)
    sys.exit(2)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def for_model(tools):
    """What clients give to a model of a list of tools."""
    kept = ("name", "description", "inputSchema")
    return compact([{key: tool[key] for key in kept if key in tool} for tool in tools])


class Size:
    """A text that a model reads, what came over the wire for it, and what the model wrote to get
    it."""

    def __init__(self, text, wire, count, request=""):
        self.text, self.wire = len(text.encode()), len(wire.encode())
        self.tokens, self.asked = count(text), count(request)

    @property
    def added(self):
        """Tokens that a turn adds to the context."""
        return self.asked + self.tokens

    def cells(self):
        return f"{self.text:,} | {self.tokens:,} | {self.wire:,}"


def median_size(sizes):
    ordered = sorted(sizes, key=lambda size: size.tokens)
    return ordered[(len(ordered) - 1) // 2]


class Fleet:
    """One fleet of servers behind one gateway, measured."""

    def __init__(self, files, tasks, count):
        self.count, self.tasks = count, tasks
        config = {name: server(path) for name, path in files.items()}
        with Nexus(config, config={"exposure": "tools"}) as gateway:
            gateway.wait_servers()
            client = gateway.modern()
            self.tools = client.tools()
            self.direct = Size(for_model(self.tools), compact(self.tools), count)
            client.close()
        with Nexus(config, config={"exposure": "meta"}) as gateway:
            gateway.wait_servers().wait_indexed()
            session = gateway.legacy()
            instructions = session.server.get("instructions", "")
            session.close()
            self.client = gateway.modern()
            own = self.client.tools()
            self.standing = Size(for_model(own) + instructions, compact(own) + instructions, count)
            self.measure_list()
            self.measure_searches()
            self.measure_schemas()
            self.client.close()

    def ask(self, tool, **arguments):
        """(size of the answer, its structured content)"""
        result = self.client.call(tool, arguments).result
        if result.get("isError"):
            raise RuntimeError(f"{tool} {arguments}: {result}")
        text = "".join(block.get("text", "") for block in result["content"])
        request = compact({"name": tool, "arguments": arguments})
        return Size(text, compact(result), self.count, request), result["structuredContent"]

    def measure_list(self):
        self.pages, self.pairs, cursor = [], [], None
        while True:
            size, told = self.ask("list-tools", **({"cursor": cursor} if cursor else {}))
            self.pages.append(size)
            for one in told["servers"]:
                self.pairs += [(one["server_name"], tool["tool_name"]) for tool in one["tools"]]
            cursor = told.get("next_cursor")
            if not cursor:
                break

    def measure_searches(self):
        found = {"listed": [], "bare": [], "schemas": [], "three": []}
        self.ranks = []
        for query, wanted in self.tasks:
            found["listed"].append(self.ask("list-tools", query=query)[0])
            size, told = self.ask("search-tools", query=query, limit=10)
            found["bare"].append(size)
            for key, limit in (("schemas", 10), ("three", 3)):
                found[key].append(
                    self.ask("search-tools", query=query, limit=limit, include_schemas=True)[0]
                )
            names = [row["tool_name"] for row in told["results"]]
            ranks = [names.index(name) + 1 for name in wanted if name in names]
            self.ranks.append((query, min(ranks, default=None)))
        self.searches = {key: median_size(sizes) for key, sizes in found.items()}

    def measure_schemas(self):
        sizes = []
        for server_name, tool_name in self.pairs:
            asked = [{"server_name": server_name, "tool_names": [tool_name]}]
            sizes.append(self.ask("get-input-schema-for-tools", servers=asked)[0])
        self.schema = median_size(sizes)
        self.largest_schema = max(sizes, key=lambda size: size.tokens)
        version = self.ask("get-input-schema-for-tools", servers=asked)[1]
        proof = {"schema_version": version["tools"][0]["schema_version"]}
        self.call = self.call_overhead({})
        self.proven_call = self.call_overhead(proof)

    def call_overhead(self, more):
        """(bytes, tokens) that a model writes more for a call than when it calls directly."""
        out = []
        for server_name, tool_name in self.pairs:
            written = {"server_name": server_name, "tool_name": tool_name, "args": {}, **more}
            direct = compact({"name": f"{server_name}__{tool_name}", "arguments": {}})
            through = compact({"name": "call-tool", "arguments": written})
            out.append((len(through) - len(direct), self.count(through) - self.count(direct)))
        return tuple(round(statistics.median(row[i] for row in out)) for i in (0, 1))

    @property
    def list_pages(self):
        return [page.added for page in self.pages]

    @property
    def whole_list(self):
        """All pages as one size."""
        total = Size("", "", self.count)
        for name in ("text", "wire", "tokens", "asked"):
            setattr(total, name, sum(getattr(page, name) for page in self.pages))
        return total


def step_rows(fleet):
    """(what, size, note)"""
    pages = len(fleet.pages)
    yield "tools/list of all tools", fleet.direct, "stands in the context of every turn"
    yield "tools/list of the meta-tools, instructions", fleet.standing, "likewise"
    yield "`list-tools`, everything", fleet.whole_list, f"{pages} page{'s' if pages > 1 else ''}"
    yield "`list-tools` with a query", fleet.searches["listed"], "median of the queries below"
    yield "`search-tools`, top 10", fleet.searches["bare"], "likewise"
    yield "`search-tools`, top 10 with schemas", fleet.searches["schemas"], "likewise"
    yield "`search-tools`, top 3 with schemas", fleet.searches["three"], "likewise"
    yield "`get-input-schema-for-tools`, one tool", fleet.schema, "median of all tools"
    yield "the same, the largest", fleet.largest_schema, ""


def print_steps(fleet):
    print(f"\n## {len(fleet.tools)} tools\n")
    print("| step | bytes read by the model | tokens | bytes on the wire | tokens beside all "
          "tools | |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for what, size, note in step_rows(fleet):
        share = f"{size.tokens / fleet.direct.tokens:.1%}"
        print(f"| {what} | {size.cells()} | {share} | {note} |")
    print(f"\nA call through `call-tool` is written with {fleet.call[0]:+d} bytes and "
          f"{fleet.call[1]:+d} tokens beside a direct one (median), with the schema's version "
          f"{fleet.proven_call[0]:+d} and {fleet.proven_call[1]:+d}; its result is the same.\n")
    said = []
    for query, rank in fleet.ranks:
        place = "is not among the ten best" if rank is None else f"stands at place {rank}"
        said.append(f"“{query}”: a tool that does it {place}")
    print("Queries: " + "; ".join(said) + ".")


def ways(fleet):
    """name -> what the model reads, in tokens: (standing, [what each turn adds])."""
    schema, call, standing = fleet.schema.added, fleet.call[1], fleet.standing.tokens
    found = {key: size.added for key, size in fleet.searches.items()}
    return {
        "all tools": (fleet.direct.tokens, [0]),
        "four phases, `list-tools`": (standing, [*fleet.list_pages, schema, call]),
        "`list-tools` with a query": (standing, [found["listed"], schema, call]),
        "`search-tools`, then the schema": (standing, [found["bare"], schema, call]),
        "`search-tools` top 10 with schemas": (standing, [found["schemas"], call]),
        "`search-tools` top 3 with schemas": (standing, [found["three"], call]),
    }


def sums(standing, added):
    """(tokens in the context at the end, tokens read in all turns together)"""
    context, read = standing, standing
    for more in added:
        context += more
        read += context
    return context, read


def print_tasks(fleets):
    print("\n## A task that needs one tool\n")
    print("In the context at the end / read in all turns together when nothing is cached, in "
          "tokens. Counted are the tools, the instructions, what is asked of the meta-tools and "
          "what they answer; the task, the call itself and its result are the same on every way. "
          "**Bold**: no cheaper than all tools.\n")
    print("| way | turns | " + " | ".join(f"{len(fleet.tools)} tools" for fleet in fleets) + " |")
    print("| --- | ---: |" + " ---: |" * len(fleets))
    for name in ways(fleets[0]):
        cells, turns = [], set()
        for fleet in fleets:
            known = ways(fleet)
            turns.add(len(known[name][1]) + 1)
            pairs = zip(sums(*known[name]), sums(*known["all tools"]))
            cells.append(" / ".join(
                f"**{mine:,}**" if name != "all tools" and mine >= theirs else f"{mine:,}"
                for mine, theirs in pairs))
        turns = " to ".join(str(count) for count in sorted({min(turns), max(turns)}))
        print(f"| {name} | {turns} | " + " | ".join(cells) + " |")


def tools_until_dearer(fleet):
    """name -> so many different tools, each found anew, fill the context as all tools do."""
    direct, standing, call = fleet.direct.tokens, fleet.standing.tokens, fleet.call[1]
    schema = fleet.schema.added + call
    found = {key: size.added for key, size in fleet.searches.items()}
    rows = {
        "`list-tools` once, then a schema each": (fleet.whole_list.added, schema),
        "`search-tools` and a schema each": (0, found["bare"] + schema),
        "`search-tools` top 10 with schemas each": (0, found["schemas"] + call),
        "`search-tools` top 3 with schemas each": (0, found["three"] + call),
    }
    return {name: max(0, (direct - standing - once) / each) for name, (once, each) in rows.items()}


def print_limits(fleets):
    print("\n## Where the meta-tools are not cheaper\n")
    print("A conversation that needs more different tools than this has them all in its context "
          "for less. A tool that is called again costs nothing anew.\n")
    print("| way | " + " | ".join(f"of {len(fleet.tools)} tools" for fleet in fleets) + " |")
    print("| --- |" + " ---: |" * len(fleets))
    known = [tools_until_dearer(fleet) for fleet in fleets]
    for name in known[0]:
        cells = ("never" if row[name] > len(fleet.tools) else f"{row[name]:.0f}"
                 for fleet, row in zip(fleets, known))
        print(f"| {name} | " + " | ".join(cells) + " |")
    weights = [fleet.standing.tokens * len(fleet.tools) / fleet.direct.tokens for fleet in fleets]
    print(f"\n- The meta-tools and the instructions alone weigh as much as {min(weights):.0f} to "
          f"{max(weights):.0f} tools of these fleets: with so few, nothing can be saved.")
    print("- A tool's first use takes one or two turns more, and so more time.")
    print("- Where a client's provider caches prompts, a long list that never changes costs a "
          "fraction of the second figure; it fills the context all the same.")
    print("- A client that hands a model the structured content of answers too, or instead, reads "
          "up to what is under “bytes on the wire”.")


def arguments():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--nexus", default=os.path.join(ROOT, "build", "release", "nexus"),
                         help="the program (default: build/release/nexus)")
    options.add_argument("--catalogues",
                         default=os.path.join(ROOT, "..", "shared", "fleet", "catalogues"),
                         help="folder with one JSON array of tools for each server")
    options.add_argument("--tools", type=int, choices=[row[0] for row in FLEETS], action="append",
                         help="only the fleet of so many tools; may be repeated")
    options.add_argument("--rule", action="store_true",
                         help="count tokens by the local rule even where tiktoken is")
    return options.parse_args()


def find_files(folder, names):
    have = {entry[:-5]: os.path.join(folder, entry) for entry in sorted(os.listdir(folder))
            if entry.endswith(".json")}
    missing = [name for name in names if name not in have]
    if missing:
        give_up(f"{folder} has no {', '.join(name + '.json' for name in missing)}")
    return {name: os.path.abspath(have[name]) for name in names or have}


def main():
    given = arguments()
    if not os.access(given.nexus, os.X_OK):
        give_up(f"no program at {given.nexus}; --nexus names it")
    if not os.path.isdir(given.catalogues):
        give_up(f"NOTHING WAS MEASURED: there are no catalogues at {given.catalogues}; "
                "--catalogues names their folder")
    os.environ["NEXUS_BIN"] = os.path.abspath(given.nexus)
    count, how = tokens.counter(given.rule)
    fleets = []
    for wanted, names, tasks in FLEETS:
        if given.tools and wanted not in given.tools:
            continue
        files = find_files(given.catalogues, names)
        fleet = Fleet(files, tasks, count)
        if len(fleet.tools) != wanted:
            print(f"report.py: {len(fleet.tools)} tools where {wanted} were expected: the "
                  "catalogues are others", file=sys.stderr)
        fleets.append(fleet)
    print("# What the meta-tools cost of a model's context\n")
    print(f"Measured on {datetime.date.today()} over real catalogues. Tokens by {how}.")
    print("A model reads name, description and input schema of a tool, and the text of an answer. "
          "On the wire are also titles, annotations, output schemas and structured content.")
    for fleet in fleets:
        print_steps(fleet)
    print_tasks(fleets)
    print_limits(fleets)


if __name__ == "__main__":
    main()
