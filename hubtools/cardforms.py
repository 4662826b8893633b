"""What in a card is not of the form that the Hub takes, each at its line."""

from __future__ import annotations

import shlex
from pathlib import Path

from hubtools.cardschema import Violation, violations
from hubtools.findings import Problem, Severity, shortened
from hubtools.frontmatter import FrontMatter, lines_of
from hubtools.layout import CARD
from hubtools.patterns import regex
from hubtools.whereabouts import from_here

_COMMAND = regex("`hubtools (card|validate)(?=`| --)")
_WORDS = 160  # of a message about a value; a list of all that is allowed is longer


def violations_at(matter: FrontMatter, kind: str) -> tuple[tuple[Violation, int | None], ...]:
    """The `cardschema.violations` of a card of a `kind` of repository, with lines of the file; none
    of one whose front matter cannot be read."""
    if matter.error:
        return ()
    found = violations(matter.data, kind)
    lines = lines_of(matter, [each.path for each in found]) if found else []
    return tuple(zip(found, lines, strict=True))


def form_problem(violation: Violation, line: int | None, folder: Path) -> Problem:
    """A violation in the card of `folder` as a rule tells it: an error where the Hub refuses the
    card for it. What is to be typed names that folder."""
    says = violation.says
    if len(says) > _WORDS and says.startswith("must be one of ["):
        says = "must be one of the Hub's"
    if violation.value is None:
        message = f"{violation.place} {says}"
    else:
        message = f"{violation.place} is {shortened(repr(violation.value))}; it {says}"
    severity = Severity.ERROR if violation.refused else Severity.WARNING
    place = f" {shlex.quote(from_here(folder))}"
    fix = _COMMAND.sub(lambda match: match[0] + place, violation.fix or "correct it")
    return Problem(message, fix, CARD, line, severity=severity)
