"""Tests of the gate's own judgement: what it reads out of callgrind's files, and when it fails."""

import pathlib
import tempfile
import unittest

from callgrind import read_part
from compare import Figure, compare

# A worker that copies and allocates through two libraries; names are written out once.
DUMP = """# callgrind format
version: 1
positions: line
events: Ir
summary: 190

ob=(1) /build/nexus
fl=(1) a.cpp
fn=(1) serve()
10 20
cob=(2) /usr/lib/libmimalloc.so.2.0
cfn=(2) operator new[](unsigned long)
calls=3 0
11 60
cob=(2)
cfn=(3) operator delete[](void*, unsigned long)
calls=2 0
+1 30
cob=(3) /usr/lib/libc.so.6
cfn=(4) __memcpy_avx_unaligned
calls=4 0
* 70
-1 10

ob=(2)
fn=(2)
0 40
cfn=(5) malloc
calls=3 0
0 20

fn=(5)
0 20

fn=(3)
0 30

ob=(3)
fn=(4)
0 70
totals: 190
"""

BASELINE = {"call": {"instructions": 1000, "copying": 1000, "allocations": 0,
                     "system calls, epoll": 8}}


def dearer(name: str, value: float) -> list[str]:
    """What the comparison complains about."""
    return compare([Figure("call", name, value)], BASELINE)[0]


class ReadPart(unittest.TestCase):
    """A dump becomes sums."""

    def setUp(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "counts.1-03"
            path.write_text(DUMP)
            self.part = read_part(path)

    def test_own_cost_is_counted_once(self):
        self.assertEqual(self.part.instructions, 190)
        self.assertEqual(self.part.by_function["serve()"], 30)

    def test_copies(self):
        self.assertEqual(self.part.copying, 70)

    def test_allocations_from_outside_the_allocator_only(self):
        self.assertEqual(self.part.allocations, 3)


class Compare(unittest.TestCase):
    """What is dearer fails, what is as before or cheaper does not."""

    def test_within_the_margin(self):
        self.assertEqual(dearer("instructions", 1029), [])
        self.assertEqual(dearer("allocations", 0.2), [])
        self.assertEqual(dearer("system calls, epoll", 8.2), [])

    def test_beyond_the_margin(self):
        self.assertIn("1000.00 -> 1031.00 a call, +31.00 (+3.1 %), allowed +30.00",
                      dearer("instructions", 1031)[0])
        self.assertEqual(len(dearer("copying", 1100)), 1)
        self.assertEqual(len(dearer("allocations", 1)), 1)
        self.assertEqual(len(dearer("system calls, epoll", 9)), 1)

    def test_cheaper_is_a_note(self):
        failed, notes = compare([Figure("call", "instructions", 900)], BASELINE)
        self.assertEqual(failed, [])
        self.assertIn("cheaper", notes[0])

    def test_a_figure_without_baseline_fails(self):
        self.assertEqual(len(compare([Figure("other", "instructions", 1)], BASELINE)[0]), 1)


if __name__ == "__main__":
    unittest.main()
