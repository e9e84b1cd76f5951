"""result.json, report.md and the plots of one run."""

import json
import pathlib

from outcome import Outcome


def verdict_table(outcome: Outcome) -> str:
    """Every promise's figures with pass or fail, as Markdown."""
    lines = ["| | promise | what | figure | limit |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| **{v.word}** | {v.promise} | {v.subject} | {v.figure} | {v.limit} |"
              for v in outcome.verdicts]
    return "\n".join(lines) + "\n"


def summary(outcome: Outcome) -> str:
    """How many checks went which way."""
    words = [verdict.word for verdict in outcome.verdicts]
    return ", ".join(f"{words.count(word)} {word}" for word in ("PASS", "FAIL", "SKIP"))


def write_report(folder: pathlib.Path, record: dict, outcome: Outcome):
    """Writes all files of a run into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    result = {"machine": record, "reports": outcome.reports, "tables": outcome.tables,
              "verdicts": [vars(verdict) for verdict in outcome.verdicts]}
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    lines = [f"# Nexus against its promises, {record['time']}", "", f"{summary(outcome)}.", "",
             verdict_table(outcome), "## Where and how", "",
             f"    {' '.join(record['command'])}", ""]
    lines += [f"- {name}: {value}" for name, value in record.items() if name != "command"]
    lines += ["", "Figures are medians of the rounds with the least and the most in brackets; a "
              "ratio is the median of the ratios of each round.", "", "## Tables", ""]
    lines += outcome.tables
    for name, svg in outcome.plots.items():
        (folder / name).write_text(svg)
        lines.append(f"![{name.removesuffix('.svg')}]({name})\n")
    (folder / "report.md").write_text("\n".join(lines).rstrip() + "\n")
