"""Checks the rules of the tree.

usage: tidy.py layering|style|documents|format|headers [--root FOLDER] [--compiler C++]

  layering  include directions, and libraries in the folder that owns them
  style     line, function and file lengths, and what is not written here
  documents links of documents, and the code map of docs/ARCHITECTURE.md
  format    clang-format 14; exits with 77 where that is not installed
  headers   each header under src/ compiles alone
"""
import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import documents
import layering
import style
from sources import Exceptions, Tree

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77


def check_format(tree):
    program = shutil.which("clang-format-14")
    if program is None:
        print("SKIPPED: clang-format-14 is not installed; deploy/install_dependencies.sh --tests "
              "installs it")
        sys.exit(SKIPPED)
    names = tree.code()
    done = subprocess.run([program, "--dry-run", "--Werror", "--ferror-limit=1", *names],
                          cwd=tree.root, capture_output=True, text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if ": error:" in line})
    if done.returncode != 0 and not wrong:
        return [done.stderr.strip()]
    return [f"{name}: run clang-format-14 -i on it" for name in wrong]


def check_headers(tree, compiler):
    headers = [name for name in tree.code("src") if name.endswith(".hpp")]

    def compile_alone(name):
        done = subprocess.run(
            [compiler, "-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", f"-I{tree.root}/src",
             f"-I{tree.root}", "-x", "c++", "-"], input=f'#include "{name[4:]}"\n', text=True,
            capture_output=True, check=False)
        return f"{name}: does not compile alone\n{done.stderr}" if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return [problem for problem in pool.map(compile_alone, headers) if problem]


def main():
    arguments = argparse.ArgumentParser(description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("check", choices=["layering", "style", "documents", "format", "headers"])
    arguments.add_argument("--root", default=HERE.parent.parent)
    arguments.add_argument("--compiler", default="c++")
    chosen = arguments.parse_args()
    tree = Tree(chosen.root)
    lists = tree.root / "tests" / "tidy"
    if chosen.check == "layering":
        problems = layering.check(tree, Exceptions(lists / "allowed_includes.txt"))
    elif chosen.check == "style":
        problems = style.check(tree, Exceptions(lists / "exceptions.txt"))
    elif chosen.check == "documents":
        problems = documents.check(tree)
    elif chosen.check == "format":
        problems = check_format(tree)
    else:
        problems = check_headers(tree, chosen.compiler)
    for problem in problems:
        print(problem)
    print(f"{chosen.check}: {len(tree.code())} C++ files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
