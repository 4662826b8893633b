"""D511 on: what the captions say together, and what they leave out."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.view import DatasetView
from hubtools.findings import Problem, Severity


@DATASET_RULES.rule("D511", "The shot plan is not met", Severity.WARNING)
def plan(view: DatasetView) -> Iterator[Problem]:
    """`[dataset.plan]` says how many pictures of which shots there should be. What is shown from
    one side only is learnt from one side only: the LoRA then guesses the others. Too many of one
    shot make it the rule, and are told as a note.

    Which shot a picture is, a column says (`view`, `angle`, ...; dataset.view_column), else the
    words of its caption: front view, three-quarter view from the left, right side profile, from
    behind, portrait, head shot, upper body, full body. Other names of the plan are looked for as
    they are.

    Example: plan = "subject", and no picture in profile
    Fix: take the pictures that are missing, or say in the captions which shots they are.
    """
    entries, unplanned = view.coverage
    for entry in entries:
        name, count = entry.name.replace("_", " "), len(entry.pictures)
        if entry.missing:
            said = f"{plural(count, 'picture')} of {name}" if count else f"no picture of {name}"
            yield Problem(
                f"{said}, and the plan wants {_range(entry.low, entry.high)}",
                f"take {entry.missing} more, or say {name!r} in the captions of those there are",
            )
        elif entry.surplus:
            yield Problem(
                f"{plural(count, 'picture')} of {name}, and the plan wants"
                f" {_range(entry.low, entry.high)}",
                f"leave {entry.surplus} out, so that this shot does not become the rule",
                severity=Severity.INFO,
            )
    if unplanned and any(entry.missing for entry in entries):
        yield Problem(
            f"{plural(len(unplanned), 'picture')} {'is' if len(unplanned) == 1 else 'are'} none of"
            f" the plan's shots: {some(unplanned)}",
            "say in their captions, or in a column view, which shots they are",
            severity=Severity.INFO,
        )


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return str(low) if low == high else f"{low} to {high}" if low else f"{high} at most"
