"""Decides whether figures are as they were."""

import collections

Figure = collections.namedtuple("Figure", "scenario name value")

# How far a figure may be above its baseline: the larger of a share of it and an absolute amount.
# Instructions vary by less than 1 % between runs; what is counted one by one is nearly exact, and
# the rest of its margin is for a timer that fires meanwhile.
TOLERANCES = {
    "instructions": (0.03, 0),
    "copying": (0.03, 20),
    "allocations": (0.0, 0.25),
    "system calls, epoll": (0.0, 0.25),
    "system calls, io_uring": (0.0, 0.25),
}


def margin(figure: Figure, before: float) -> float:
    """How much the figure may differ from what it was."""
    share, amount = TOLERANCES[figure.name]
    return max(before * share, amount)


def compare(figures: list[Figure], baseline: dict) -> tuple[list[str], list[str]]:
    """What got dearer, and what else is worth a line. `baseline`: scenario -> figure -> value."""
    dearer, notes = [], []
    for figure in figures:
        before = baseline.get(figure.scenario, {}).get(figure.name)
        place = f"{figure.scenario}: {figure.name}"
        if before is None:
            dearer.append(f"{place}: {figure.value:.2f} a call, and the baseline has none")
            continue
        more = figure.value - before
        allowed = margin(figure, before)
        percent = f" ({100 * more / before:+.1f} %)" if before >= 1 else ""
        text = (f"{place}: {before:.2f} -> {figure.value:.2f} a call, "
                f"{more:+.2f}{percent}, allowed +{allowed:.2f}")
        if more > allowed:
            dearer.append(text)
        elif more < -allowed:
            notes.append(f"cheaper, --update keeps it: {text}")
    return dearer, notes
