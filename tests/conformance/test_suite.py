"""The judge itself: what it lets pass and what it does not."""

import os
import tempfile
import unittest
from unittest import mock

import suite
from suite import Check, Expected, Verdict, outcome


def row(check, status, name="Name", **more):
    return {"id": check, "name": name, "status": status, "description": "says what", **more}


class Rows(unittest.TestCase):
    def test_the_worst_row_of_a_check_counts(self):
        found = outcome([row("a", "SUCCESS"), row("a", "FAILURE", errorMessage="why\n so")])
        self.assertEqual((found["a"].status, found["a"].why), ("FAILURE", "why so"))
        found = outcome([row("a", "FAILURE"), row("a", "SUCCESS")])
        self.assertEqual(found["a"].status, "FAILURE")

    def test_names_part_checks_that_share_an_id(self):
        found = outcome([row("a", "SUCCESS", "One"), row("a", "WARNING", "Two")])
        self.assertEqual(
            {key: check.failed for key, check in found.items()}, {"a/One": False, "a/Two": True}
        )

    def test_remarks_are_no_checks(self):
        self.assertEqual(outcome([row("a", "INFO")]), {})


class Judgement(unittest.TestCase):
    def judge(self, found, baseline=None, expected="", scored=None):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "expected"))
            with open(os.path.join(folder, "expected", "x.txt"), "w", encoding="utf-8") as file:
                file.write(expected)
            with mock.patch.object(suite, "HERE", folder):
                return Verdict(found, baseline, Expected("x", "there is no such file"), scored)

    def test_a_failure_is_a_complaint(self):
        verdict = self.judge({"s": {"a": Check("FAILURE", "broken"), "b": Check()}})
        self.assertEqual(verdict.complaint(), "  s:a: broken")
        self.assertEqual((verdict.passed, verdict.scenarios), (0, 1))

    def test_a_warning_is_one_too(self):
        self.assertIn("s:a", self.judge({"s": {"a": Check("WARNING", "w")}}).complaint())

    def test_an_expected_failure_is_none(self):
        verdict = self.judge({"s": {"a": Check("FAILURE")}}, expected="# c\n\ns:a it must\n")
        self.assertEqual(verdict.complaint(), "")
        self.assertEqual(verdict.passed, 0)

    def test_an_expected_failure_that_passes_is_a_complaint(self):
        verdict = self.judge({"s": {"a": Check()}}, expected="s:a it must\n")
        self.assertIn("s:a: is listed as failing, but passes", verdict.complaint())

    def test_an_expectation_needs_a_reason(self):
        for line in ("s:a", "s:a  ", "nothing that names a check"):
            with self.assertRaises(AssertionError):
                self.judge({}, expected=line + "\n")

    def test_what_the_fixture_passes_must_be_checked(self):
        alone = {"s": {"a": Check(), "b": Check()}, "t": {"c": Check()}}
        verdict = self.judge({"s": {"a": Check(), "b": Check("SKIPPED", "no")}}, alone)
        self.assertEqual(verdict.complaint(), "  s:b: skipped: no\n  t:c: never checked")
        self.assertEqual(verdict.passed, 1)  # as the suite itself counts

    def test_a_scenario_that_is_left_out_is_not_judged(self):
        found = {"s-one": {"a": Check("FAILURE")}, "t": {"b": Check()}}
        verdict = self.judge(found, {"s-two": {"c": Check()}}, expected="s-*:* not ours\n")
        self.assertEqual(verdict.complaint(), "")
        self.assertEqual((verdict.passed, verdict.scenarios), (1, 1))

    def test_only_scored_scenarios_are_counted(self):
        found = {"s": {"a": Check()}, "t": {"b": Check("FAILURE")}}
        verdict = self.judge(found, scored={"s"})
        self.assertEqual((verdict.passed, verdict.scenarios), (1, 1))
        self.assertIn("t:b", verdict.complaint())  # but judged all the same


if __name__ == "__main__":
    unittest.main()
