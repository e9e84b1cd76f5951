"""What documents point to is there, and the map of the architecture leaves no folder out."""
import posixpath
import re

from layering import LEVELS

ARCHITECTURE = "docs/ARCHITECTURE.md"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE_SPAN = re.compile(r"`([^`\n]+)`")
# A path as the map writes it: `src/net`, `engine/dispatch.cpp`, `engine/meta_*.cpp`.
PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?$")
ENDINGS = (".cpp", ".hpp", ".md", ".py", ".sh", ".json", ".txt")
MAP_ROW = re.compile(r"^\| (\d) \| `(src/[\w.]+|actors)` \|")


def anchor(heading):
    """As GitHub makes them."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors(text):
    return {anchor(line.lstrip("#")) for line in text.split("\n") if line.startswith("#")}


def prose(text):
    """Numbered lines outside of code blocks."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield number, line


def names_of(tree):
    """Files, and the folders that hold them."""
    found = set(tree.files)
    for name in tree.files:
        while name := posixpath.dirname(name):
            found.add(name)
    return found


def check_links(tree, name, there):
    for number, line in prose(tree.text(name)):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, part = target.partition("#")
            file = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            file = file if path else name
            if file not in there:
                yield f"{name}:{number}: a link to {target}, which is not there"
            elif part and file.endswith(".md") and part not in anchors(tree.text(file)):
                yield f"{name}:{number}: {file} has no heading for #{part}"


def is_there(path, there):
    """From the top of the tree, or below src/ as the map abbreviates."""
    pattern = re.compile(re.escape(path.rstrip("/")).replace(r"\*", "[^/]*") + "$")
    tried = (name.removeprefix("src/") for name in there) if "/" in path else ()
    return any(pattern.match(name) for name in there) or any(pattern.match(name) for name in tried)


def check_map(tree, there):
    """ARCHITECTURE.md: the paths that it names, the folders that it must, their levels."""
    text = tree.text(ARCHITECTURE)
    folders = {name.split("/")[0] for name in tree.files if "/" in name}
    for number, line in prose(text):
        for span in CODE_SPAN.findall(line):
            first = span.split("/")[0]
            below = first in folders or f"src/{first}" in there
            if PATH.match(span) and "/" in span and below and not is_there(span, there):
                yield f"{ARCHITECTURE}:{number}: {span} is not there"
    rows = {row[2]: int(row[1]) for line in text.split("\n") if (row := MAP_ROW.match(line))}
    libraries = {name for name in there if re.match(r"(src/\w+|actors)$", name)}
    libraries = {name for name in libraries if f"{name}/CMakeLists.txt" in there}
    for missing in sorted(libraries - rows.keys()):
        yield f"{ARCHITECTURE}: the code map leaves {missing} out"
    for name, level in rows.items():
        if name in there and LEVELS.get("src" if name == "src/main.cpp" else name) != level:
            yield f"{ARCHITECTURE}: {name} is not of level {level} in tests/tidy/layering.py"
    for folder in sorted(name for name in folders if not name.startswith(".")):
        if f"`{folder}/" not in text and f"`{folder}`" not in text:
            yield f"{ARCHITECTURE}: the folder {folder} is named nowhere"


def check(tree):
    there = names_of(tree)
    problems = []
    for name in tree.files:
        if name.endswith(".md") and not name.startswith("docs/benchmarks/"):
            problems += check_links(tree, name, there)
    if ARCHITECTURE in there:
        problems += check_map(tree, there)
    return problems
