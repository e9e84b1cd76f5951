"""What a check says: verdicts for people and programs, tables, and the numbers behind them."""

import dataclasses


@dataclasses.dataclass
class Verdict:
    """One line of the result. `passed` is None when the check could not be made."""

    promise: str
    subject: str
    figure: str
    limit: str
    passed: bool | None

    @property
    def word(self) -> str:
        """PASS, FAIL or SKIP."""
        return {True: "PASS", False: "FAIL", None: "SKIP"}[self.passed]

    def __str__(self):
        return f"{self.word} {self.promise} {self.subject}: {self.figure} (limit {self.limit})"


@dataclasses.dataclass
class Outcome:
    """What one promise's run yields: tables for people, numbers for the file."""

    tables: list[str] = dataclasses.field(default_factory=list)
    verdicts: list[Verdict] = dataclasses.field(default_factory=list)
    reports: dict = dataclasses.field(default_factory=dict)
    plots: dict[str, str] = dataclasses.field(default_factory=dict)  # file name: SVG

    def check(self, promise, subject, value, limit, unit="", at_least=False, values=()):
        """Adds a verdict on one number; `values` are the rounds that it is the median of."""
        passed = value >= limit if at_least else value <= limit
        sign = ">=" if at_least else "<="
        figure = f"{value:.2f}{unit}"
        if len(values) > 1:
            figure += f" ({min(values):.2f} to {max(values):.2f} in {len(values)} rounds)"
        self.verdicts.append(Verdict(promise, subject, figure, f"{sign} {limit:g}{unit}", passed))

    def skip(self, promise, subject, limit, reason):
        """Adds a check that could not be made."""
        self.verdicts.append(Verdict(promise, subject, reason, limit, None))

    def add(self, other: "Outcome"):
        """Takes over what another part found."""
        self.tables += other.tables
        self.verdicts += other.verdicts
        self.reports |= other.reports
        self.plots |= other.plots
