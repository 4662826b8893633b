"""What in a card is not of the form that the Hub takes, each at its line."""

from __future__ import annotations

from hubtools.cardschema import Violation, violations
from hubtools.findings import Problem, Severity, shortened
from hubtools.frontmatter import FrontMatter, lines_of
from hubtools.layout import CARD

_WORDS = 160  # of a message about a value; a list of all that is allowed is longer


def violations_at(matter: FrontMatter, kind: str) -> tuple[tuple[Violation, int | None], ...]:
    """The `cardschema.violations` of a card of a `kind` of repository, with lines of the file; none
    of one whose front matter cannot be read."""
    if matter.error:
        return ()
    found = violations(matter.data, kind)
    lines = lines_of(matter, [each.path for each in found]) if found else []
    return tuple(zip(found, lines, strict=True))


def form_problem(violation: Violation, line: int | None) -> Problem:
    """A violation as a rule tells it: an error where the Hub refuses the card for it."""
    says = violation.says
    if len(says) > _WORDS and says.startswith("must be one of ["):
        says = "must be one of the Hub's"
    if violation.value is None:
        message = f"{violation.place} {says}"
    else:
        message = f"{violation.place} is {shortened(repr(violation.value))}; it {says}"
    severity = Severity.ERROR if violation.refused else Severity.WARNING
    return Problem(message, violation.fix or "correct it", CARD, line, severity=severity)
