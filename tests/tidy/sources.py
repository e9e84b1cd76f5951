"""The files of the tree, their includes, and C++ text without comments and literals."""
import pathlib
import re
import subprocess

CODE = (".cpp", ".hpp")


class Tree:
    """A work tree. Knows the files that git tracks and those that it would track."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.files = sorted(self._names())
        self._texts = {}

    def _names(self):
        try:
            listed = subprocess.run(
                ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                cwd=self.root, check=True, capture_output=True).stdout.decode()
            # A folder inside another repository would list that one's files, or none.
            top = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=self.root,
                                 check=True, capture_output=True, text=True).stdout.strip()
            if pathlib.Path(top).resolve() == self.root:
                return {name for name in listed.split("\0") if (self.root / name).is_file()}
        except (OSError, subprocess.CalledProcessError):
            pass  # an unpacked archive
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")
                if path.is_file() and path.relative_to(self.root).parts[0] not in ("build", ".git")}

    def code(self, *folders):
        """C++ files, of all folders or of those named."""
        return [name for name in self.files if name.endswith(CODE)
                and (not folders or name.startswith(tuple(folder + "/" for folder in folders)))]

    def text(self, name):
        if name not in self._texts:
            self._texts[name] = (self.root / name).read_text(encoding="utf-8", errors="replace")
        return self._texts[name]

    def includes(self, name):
        """(line number, `"..."` or `<...>` as written) of each include."""
        pattern = re.compile(r'^\s*#\s*include\s*("[^"]+"|<[^>]+>)')
        for number, line in enumerate(self.text(name).splitlines(), 1):
            if match := pattern.match(line):
                yield number, match[1]


class Exceptions:
    """Lines `RULE SUBJECT: reason`. Each must be needed, so that none outlives its cause."""

    def __init__(self, path):
        self.path = path
        self.entries = {}
        self.used = set()
        self.problems = []
        lines = path.read_text().splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            subject, _, reason = line.partition(": ")
            if not reason.strip():
                self.problems.append(f"{path.name}:{number}: an exception needs a reason")
            self.entries[subject.strip()] = number

    def allows(self, subject):
        if subject in self.entries:
            self.used.add(subject)
        return subject in self.entries

    def unused(self):
        return [f"{self.path.name}:{number}: nothing needs the exception '{subject}'"
                for subject, number in self.entries.items() if subject not in self.used]


TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/'
    r'|R"(?P<raw>[^()\\ ]{0,16})\(.*?\)(?P=raw)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)


def blank(text):
    """The code alone: comments and the insides of literals become spaces, lines stay."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match[0])
    return TOKEN.sub(spaces, text)


RAW_LITERAL = re.compile(r'R"([^()\\ ]{0,16})\(.*?\)\1"', re.DOTALL)


def raw_lines(text):
    """The numbers of the lines that raw string literals touch: nobody can break those."""
    lines = set()
    for match in RAW_LITERAL.finditer(text):
        first = text.count("\n", 0, match.start()) + 1
        lines.update(range(first, first + match[0].count("\n") + 1))
    return lines


NOT_A_FUNCTION = re.compile(
    r"^\s*(?:namespace|class|struct|enum|union|extern|if|else|for|while|switch|do|try|catch|"
    r"requires|concept)\b|=\s*$|^\s*$")


def functions(code):
    """(first line, lines) of every function body in blanked code, the outermost ones only."""
    code = re.sub(r"^\s*#.*?(?<!\\)$", lambda m: re.sub(r"[^\n]", " ", m[0]), code,
                  flags=re.MULTILINE | re.DOTALL)
    stack, begin, line = [], 0, 1
    inside = 0
    for at, char in enumerate(code):
        if char == "\n":
            line += 1
        elif char == ";" and not inside:
            begin = at + 1
        elif char == "{":
            head = code[begin:at]
            head = re.sub(r"\b(?:public|private|protected)\s*:", "", head)
            head = re.sub(r"^\s*template\s*<.*?>\s*(?=\w)", "", head, flags=re.DOTALL)
            body = not inside and "(" in head and not NOT_A_FUNCTION.search(head)
            first = line - head.strip().count("\n")
            stack.append((body, first))
            inside += body or inside > 0
            begin = at + 1
        elif char == "}" and stack:
            body, first = stack.pop()
            inside -= inside > 0
            begin = at + 1
            if body:
                yield first, line - first + 1
