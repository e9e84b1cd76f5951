"""Reads what callgrind wrote about one thread and one stretch of time.

Format: https://valgrind.org/docs/manual/cl-format.html, version 1.
"""

import collections
import pathlib
import re

_NAMED = re.compile(r"(c?)(ob|fi|fe|fl|fn)=\((\d+)\)(?: (.*))?$")
_ALLOCATOR = re.compile(r"/lib(mi|tc|je)malloc[^/]*\.so")
_ALLOCATES = re.compile(r"(mi_)?(malloc|calloc|realloc|reallocarray|zalloc|memalign|aligned_alloc|"
                        r"posix_memalign|valloc|pvalloc|strn?dup|new)(_|$)|operator new")
_COPIES = re.compile(r"__?mem(cpy|move|pcpy)")


class Part:
    """The sums of one dump.

    `instructions` is everything (or what else was counted), `copying` what memcpy and memmove
    executed of it, `allocations` the calls from outside the allocator's library into one of its
    functions that allocate.
    """

    def __init__(self):
        self.instructions = 0
        self.copying = 0
        self.allocations = 0
        self.by_function = collections.Counter()  # exclusive cost

    def minus(self, other: "Part") -> collections.Counter:
        """How much more each function cost here than in `other`."""
        left = collections.Counter(self.by_function)
        left.subtract(other.by_function)
        return left


class _Names:
    """The compressed names: written out once, meant by number afterwards."""

    def __init__(self):
        self._known = {}

    def resolve(self, kind: str, number: str, text: str | None) -> str:
        """The name behind `kind=(number) text`."""
        kind = kind if kind in ("ob", "fn") else "file"
        if text is not None:
            self._known[kind, number] = text
        return self._known[kind, number]


def read_part(path: pathlib.Path, counted: tuple[str, ...] = ("Ir",)) -> Part:
    """The sums of a file that callgrind dumped: of the events `counted`, together."""
    part, names = Part(), _Names()
    columns = [1]
    here = {"ob": "", "fn": ""}
    called = {"ob": None, "fn": ""}
    inclusive = False  # the next line of costs is that of a call, which its callee has already
    for line in path.read_text(errors="replace").splitlines():
        if found := _NAMED.match(line):
            callee, kind, number, text = found.groups()
            name = names.resolve(kind, number, text)
            if kind in here:
                (called if callee else here)[kind] = name
        elif line.startswith("events: "):
            columns = [1 + line.split()[1:].index(event) for event in counted]
        elif line.startswith("calls="):
            library = here["ob"] if called["ob"] is None else called["ob"]
            if library != here["ob"] and _ALLOCATOR.search(library) and \
                    _ALLOCATES.match(called["fn"]):
                part.allocations += int(line[6:].split()[0])
            called["ob"] = None
            inclusive = True
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if not inclusive:
                costs = line.split()  # zeros at the end are left out
                cost = sum(int(costs[column]) for column in columns if column < len(costs))
                part.instructions += cost
                part.by_function[here["fn"]] += cost
                if _COPIES.match(here["fn"]):
                    part.copying += cost
            inclusive = False
    return part
