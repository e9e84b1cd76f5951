"""Which folder may include what: the dependency direction of docs/HACKING.md."""
import re

# A folder includes only lower levels. Same-level includes are listed in allowed_includes.txt.
LEVELS = {
    "src/base": 0,
    "src/json": 1, "src/http": 1, "src/seal": 1, "src/config": 1, "src/metrics": 1,
    "src/mcp": 2, "src/catalog": 2, "src/websocket": 2, "src/auth": 2, "src/policy": 2,
    "src/search": 2, "src/schema": 2, "src/cache": 2, "src/store": 2,
    "src/gateway": 3, "src/net": 3, "src/registry": 3,
    "src/engine": 4,
    "src/cli": 5, "actors": 5,
    "src": 6,  # main.cpp
}

# Libraries and the folders that may name them.
THIRD_PARTY = (
    (r"simdjson", {"src/json"}),
    (r"liburing", {"src/net"}),
    (r"openssl/", {"src/seal", "src/net"}),
    (r"caf/", {"actors"}),
    (r"prometheus/", {"src/metrics"}),
    (r"boost/", {"src/http"}),
    (r"wslay/", {"src/websocket"}),
    (r"libstemmer\.h", {"src/search"}),
    (r"re2/", {"src/schema"}),
    (r"sqlite3\.h", {"src/store"}),
    (r"json/|toml\+\+/", {"src/config"}),
    (r"spdlog/", {"src/base"}),
    (r"CLI/", {"src/cli"}),
    (r"mimalloc", {"src"}),
)
# Free for all: text formatting, the language's and the system's own headers.
FREE = re.compile(r"fmt/|sys/|linux/|netinet/|arpa/|net/|[a-z_0-9]+(\.h)?$")
# Parsers and decisions do no I/O.
SOCKETS = re.compile(r"(sys/(socket|epoll|un)|netdb|poll)\.h$")
SANS_IO = {"src/json", "src/http", "src/seal", "src/config", "src/metrics", "src/mcp",
           "src/catalog", "src/websocket", "src/auth", "src/policy", "src/search",
           "src/schema", "src/gateway", "src/registry"}
# CAF is one folder thick: beside actors/ only its tests and the measurement that chose it.
CAF_BESIDE = ("tests/actors/", "bench/")


def folder_of(name):
    parts = name.split("/")
    if parts[0] == "actors":
        return "actors"
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def owners(header):
    """The folders that may include a library's header; None for what is free."""
    for pattern, folders in THIRD_PARTY:
        if re.match(pattern, header):
            return folders
    return None if FREE.match(header) else set()


def target_of(tree, included):
    """The file that an include with quotes means."""
    for candidate in ("src/" + included, included):
        if candidate in tree.files:
            return candidate
    return None


def check_include(tree, name, included, allowed):
    """What is wrong with one include of one file, or None."""
    folder = folder_of(name)
    header = included[1:-1]
    if included[0] == "<":
        folders = owners(header)
        if folders is not None and folder not in folders:
            if allowed.allows(f"{folder} {included}"):
                return None
            places = " and ".join(sorted(folders)) or "no folder; add it to THIRD_PARTY"
            return f"{included} belongs in {places}"
        if SOCKETS.match(header) and folder in SANS_IO:
            return None if allowed.allows(f"{folder} {included}") else \
                f"{included}: {folder} does no I/O"
        return None
    target = target_of(tree, header)
    if target is None:
        return f"{included} names no file; paths start below src/ or at actors/"
    there = folder_of(target)
    if there == folder:
        return None
    if there not in LEVELS:
        return f"{included}: {there} has no level"
    if LEVELS[there] > LEVELS[folder]:
        return f"{included}: {there} lies above {folder}"
    if LEVELS[there] == LEVELS[folder] and not allowed.allows(f"{folder} {there}"):
        return f"{included}: {there} lies beside {folder}, and allowed_includes.txt has no reason"
    return None


def leaks(tree, name, allowed):
    """Libraries that headers of this folder show to other folders: {(header, library), ...}."""
    found, open_, seen = set(), [], set()
    folder = folder_of(name)
    for _, included in tree.includes(name):
        if included[0] == '"' and (target := target_of(tree, included[1:-1])):
            if folder_of(target) != folder:
                open_.append(target)
    while open_:
        header = open_.pop()
        if header in seen:
            continue
        seen.add(header)
        for _, included in tree.includes(header):
            if included[0] == '"':
                open_.append(target_of(tree, included[1:-1]) or header)
            elif owners(included[1:-1]) is not None and \
                    not allowed.allows(f"{header} {included}"):
                found.add((header, included))
    return found


def check(tree, allowed):
    problems = list(allowed.problems)
    for name in tree.code("src", "actors"):
        if folder_of(name) not in LEVELS:
            problems.append(f"{name}: {folder_of(name)} has no level in tests/tidy/layering.py")
            continue
        for number, included in tree.includes(name):
            if problem := check_include(tree, name, included, allowed):
                problems.append(f"{name}:{number}: {problem}")
        if folder_of(name) != "src":
            for header, library in sorted(leaks(tree, name, allowed)):
                problems.append(f"{name}: {header} shows it {library}")
    for name in tree.code("tests", "bench", "deploy"):
        if not name.startswith(CAF_BESIDE):
            for number, included in tree.includes(name):
                if included.startswith("<caf/"):
                    problems.append(f"{name}:{number}: {included} belongs in actors")
    return problems + allowed.unused()
