"""The checks find what they are there to find, and nothing in what is right."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from sources import Exceptions, Tree, blank, functions  # noqa: E402
import documents  # noqa: E402
import layering  # noqa: E402
import style  # noqa: E402

GOOD = {
    "src/base/text.hpp": "#pragma once\n#include <string>\n",
    "src/net/ring.cpp": '#include <liburing.h>\n#include "base/text.hpp"\n',
    "src/main.cpp": '#include "actors/system.hpp"\n#include "net/ring.hpp"\n',
    "src/net/ring.hpp": "/// A ring.\n\n#pragma once\n",
    "actors/system.hpp": "#pragma once\n",
    "actors/system.cpp": '#include <caf/all.hpp>\n#include "actors/system.hpp"\n'
                         '#include "net/ring.hpp"\n',
}


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        for name, text in GOOD.items():
            self.write(name, text)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def exceptions(self, text):
        self.write("exceptions", text)
        return Exceptions(self.root / "exceptions")

    def layering(self, allowed=""):
        return layering.check(Tree(self.root), self.exceptions(allowed))

    def style(self, allowed=""):
        return style.check(Tree(self.root), self.exceptions(allowed))

    def test_good_tree(self):
        self.assertEqual(self.layering(), [])
        self.assertEqual(self.style(), [])

    def test_layering(self):
        for name, text, expected in (
                ("src/base/a.cpp", '#include "net/ring.hpp"', "lies above"),
                ("src/gateway/a.cpp", '#include "net/ring.hpp"', "lies beside"),
                ("src/net/a.cpp", '#include "actors/system.hpp"', "lies above"),
                ("src/net/a.cpp", '#include "ring.hpp"', "names no file"),
                ("src/net/a.cpp", "#include <caf/all.hpp>", "belongs in actors"),
                ("src/http/a.cpp", "#include <simdjson.h>", "belongs in src/json"),
                ("src/http/a.cpp", "#include <nlohmann/json.hpp>", "no folder"),
                ("src/mcp/a.cpp", "#  include <sys/socket.h>", "does no I/O"),
                ("src/other/a.cpp", "", "has no level"),
                ("tests/unit/net/a_test.cpp", "#include <caf/all.hpp>", "belongs in actors")):
            with self.subTest(name=name, text=text):
                self.write(name, text + "\n")
                problems = self.layering()
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(expected, problems[0])
                (self.root / name).unlink()

    def test_a_header_may_not_show_its_library(self):
        self.write("src/net/ring.hpp", '#pragma once\n#include "net/inner.hpp"\n')
        self.write("src/net/inner.hpp", "#pragma once\n#include <liburing.h>\n")
        self.assertIn("src/net/inner.hpp shows it <liburing.h>", self.layering()[0])
        self.assertEqual(self.layering("src/net/inner.hpp <liburing.h>: an example\n"), [])

    def test_exceptions_need_a_reason_and_a_use(self):
        self.write("src/gateway/a.cpp", '#include "net/ring.hpp"\n')
        self.assertEqual(self.layering("src/gateway src/net: an example\n"), [])
        self.assertIn("needs a reason", self.layering("src/gateway src/net:\n")[0])
        (self.root / "src/gateway/a.cpp").unlink()
        self.assertIn("nothing needs", self.layering("src/gateway src/net: an example\n")[0])

    def test_style(self):
        mark = "TO" + "DO"
        for name, text, rule in (
                ("src/net/a.cpp", "int " + "a" * 100 + ";\n", "columns"),
                ("tests/a.py", "a = 1  # " + "a" * 100 + "\n", "columns"),
                ("src/net/a.cpp", "\tint a;\n", "tabs"),
                ("src/net/a.cpp", "int a; \n", "space"),
                ("src/net/a.cpp", "int a;", "space"),
                ("src/net/a.cpp", f"// {mark}: later\n", "marks"),
                ("docs/a.md", "see /wo" + "rk/x\n", "paths"),
                ("src/net/a.hpp", "int a;\n", "pragma"),
                ("src/net/a.cpp", "using namespace caf;\n", "using"),
                ("tests/a.hpp", "#pragma once\nnamespace a {\nusing namespace b;\n}\n", "using"),
                ("src/net/a.cpp", "auto a = std::chrono::system_clock::now();\n", "clock"),
                ("actors/a.cpp", "void f() { std::this_thread::sleep_for(a); }\n", "sleep"),
                ("src/net/a.cpp", "auto a = [=] { return b; };\n", "capture"),
                ("src/net/a.cpp", "void f() { assert(a); }\n", "assert"),
                ("src/net/a.cpp", "void f() {\n" + "  g();\n" * 80 + "}\n", "function"),
                ("src/net/a.cpp", "int a;\n" * 801, "file")):
            with self.subTest(name=name, rule=rule):
                self.write(name, text)
                problems = self.style()
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(f"[{rule}]", problems[0])
                self.assertEqual(self.style(f"{rule} {name}: an example\n"), [])
                (self.root / name).unlink()

    def test_style_leaves_right_code_alone(self):
        self.write("src/net/a.cpp",
                   "using namespace std::chrono_literals;\n"
                   "// steady_clock::now() is read elsewhere; [=] and assert(x) are not used\n"
                   'const char* a = "using namespace b; system_clock::now()";\n'
                   "static_assert(true);\n"
                   'const char* c = R"(' + "a" * 100 + "\\n" + "b" * 100 + ')";\n'
                   "void f() { g([&b] { return b; }); }\n"
                   "namespace big {\n" + "int a;\n" * 100 + "} // namespace big\n"
                   "struct big_too {\n" + "  int a;\n" * 100 + "};\n")
        self.write("tests/fuzz/corpus/http/a.txt", "recorded \t \n")
        self.assertEqual(self.style(), [])

    def test_documents(self):
        self.write("src/net/CMakeLists.txt", "")
        self.write("docs/other.md", "# A heading, with `code`\n")
        right = ("# Map\n`src/`, `actors/`, `docs`\n\n| 3 | `src/net` | rings |\n"
                 "| 6 | `src/main.cpp` | all |\n`net/ring.*`, `net/r*.hpp` and `tools/list`\n"
                 "[a](other.md#a-heading-with-code) [b](https://x.example/y) [c](#map)\n"
                 "```\n[not](a-link.md) `src/nothing`\n```\n")
        for added, expected in (
                ("", None), ("[a](gone.md)", "gone.md"), ("[a](other.md#gone)", "#gone"),
                ("`net/gone.cpp`", "net/gone.cpp"), ("| 1 | `src/json` | x |", "src/json"),
                ("| 2 | `src/net` | x |", "not of level 2")):
            with self.subTest(added=added):
                self.write("docs/ARCHITECTURE.md", right + added + "\n")
                problems = documents.check(Tree(self.root))
                self.assertEqual(len(problems), 1 if expected else 0, problems)
                self.assertIn(expected or "", "".join(problems))
        self.write("docs/ARCHITECTURE.md", "`src`, `docs`\n")
        problems = documents.check(Tree(self.root))
        self.assertEqual([problem.split(": ")[1] for problem in problems],
                         ["the code map leaves src/net out", "the folder actors is named nowhere"])

    def test_blank(self):
        for code, left in (('a("x{") /* { */ + \'{\' // {\n', "a( ) +"),
                           ('R"x({ ")" )x" + b', "+ b"),
                           ("1'000 + 2'000", "1'000 + 2'000"), ('"a\\"{" b', "b")):
            self.assertEqual(blank(code).split(), left.split(), code)
            self.assertEqual(len(blank(code)), len(code))

    def test_functions(self):
        code = ("namespace a {\nint f(int b,\n      int c) noexcept {\n  if (b) {\n  }\n"
                "  return [] { return 1; }();\n}\nclass x {\n public:\n  x() : y_{1} {\n  }\n};\n"
                "template <class T>\nvoid g() {\n}\nconst int table[] = {\n  f(1),\n};\n}\n")
        found = dict(functions(code))
        self.assertEqual(found[2], 6)
        self.assertNotIn(1, found)
        self.assertNotIn(8, found)
        self.assertNotIn(16, found)

    def test_the_program_fails_when_a_check_does(self):
        self.write("src/base/a.cpp", '#include "net/ring.hpp"\n')
        done = subprocess.run([sys.executable, HERE / "tidy.py", "layering", "--root", self.root],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("src/base/a.cpp:1:", done.stdout)


if __name__ == "__main__":
    unittest.main()
