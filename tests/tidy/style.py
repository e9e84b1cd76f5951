"""The rules of docs/HACKING.md that a program can check, line by line."""
import re

from sources import blank, functions, raw_lines

LINE_COLUMNS = 100
FILE_LINES = 800
FUNCTION_LINES = 70
TEXT = (".cpp", ".hpp", ".py", ".sh", ".cmake", ".txt", ".md", ".json", ".toml", ".yml", ".yaml")
NARROW = (".cpp", ".hpp", ".py", ".sh", ".cmake", "CMakeLists.txt")
# Recorded input and output: as it came, whatever it looks like.
DATA = re.compile(r"(^|/)(corpus|data|fixtures|catalogues|results)/|^docs/benchmarks/|^LICENSE$")
PRODUCT = ("src/", "actors/")

# (rule, where, what, why): searched in code without comments and literals; where is the beginning
# of a path, or an ending
CODE_RULES = (
    ("clock", PRODUCT, re.compile(r"\b(system|steady|high_resolution)_clock::now\s*\("),
     "time comes from an injected clock"),
    ("sleep", PRODUCT, re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\("),
     "nothing blocks"),
    ("capture", PRODUCT, re.compile(r"\[\s*=\s*[\],]"), "captures are listed, never [=]"),
    ("assert", PRODUCT, re.compile(r"(?<![\w_])assert\s*\("), "NEXUS_ASSERT is on in release"),
    ("using", PRODUCT + ("deploy/",),
     re.compile(r"^using namespace (?!std::(\w+::)*\w*literals)", re.MULTILINE),
     "`using namespace` at file scope"),
    ("using", ".hpp", re.compile(r"^\s*using namespace ", re.MULTILINE),
     "`using namespace` in a header"),
)
# (rule, what, why): searched in whole lines of every text file
WORK_MARK = "TO" + "DO"
LINE_RULES = (
    ("marks", re.compile(rf"\b({WORK_MARK}|FIX" + r"ME|XX" + r"X)\b"),
     "finish it, or open an issue"),
    ("paths", re.compile(r"(^|[\s\"'=(:])/wo" + r"rk/"), "a path of somebody's machine"),
    ("space", re.compile(r"[ \t]+$"), "white space at the end"),
)


def is_data(name):
    return DATA.search(name) is not None


def check_lines(name, text):
    """(line, rule, problem) of a text file."""
    narrow = name.endswith(NARROW)
    raw = raw_lines(text) if name.endswith((".cpp", ".hpp")) else set()
    for number, line in enumerate(text.split("\n"), 1):
        if narrow and len(line) > LINE_COLUMNS and number not in raw:
            yield number, "columns", f"{len(line)} columns, and {LINE_COLUMNS} are the limit"
        if "\t" in line and name.endswith((".cpp", ".hpp", ".py", ".cmake", "CMakeLists.txt")):
            yield number, "tabs", "a tab"
        if line.endswith("\r"):
            yield number, "space", "a carriage return"
        for rule, pattern, why in LINE_RULES:
            if rule == "space" and name.endswith(".md"):
                continue  # two spaces break a line there
            if pattern.search(line):
                yield number, rule, why
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "space", "no newline at the end"


def check_code(name, text):
    """(line, rule, problem) of a C++ file."""
    code = blank(text)
    for rule, where, pattern, why in CODE_RULES:
        if not (name.endswith(where) if where == ".hpp" else name.startswith(where)):
            continue
        for match in pattern.finditer(code):
            yield code.count("\n", 0, match.start()) + 1, rule, why
    if name.endswith(".hpp"):
        words = [line for line in code.split("\n") if line.strip()]
        if not words or words[0].strip() != "#pragma once":
            yield 1, "pragma", "a header begins with #pragma once"
    if name.startswith(PRODUCT) or name.startswith("deploy/"):
        for first, lines in functions(code):
            if lines > FUNCTION_LINES:
                yield first, "function", f"a function of {lines} lines; {FUNCTION_LINES} at most"


def check_file(name, text):
    yield from check_lines(name, text)
    if name.endswith((".cpp", ".hpp")):
        yield from check_code(name, text)
    lines = text.count("\n")
    if lines > FILE_LINES and name.endswith((".cpp", ".hpp", ".py", ".sh")):
        yield lines, "file", f"{lines} lines, and {FILE_LINES} are the limit"


def check(tree, exceptions):
    problems = list(exceptions.problems)
    for name in tree.files:
        if is_data(name) or not (name.endswith(TEXT) or name.endswith("CMakeLists.txt")):
            continue
        for line, rule, problem in check_file(name, tree.text(name)):
            if not exceptions.allows(f"{rule} {name}"):
                problems.append(f"{name}:{line}: {problem} [{rule}]")
    return problems + exceptions.unused()
