"""`hubtools explain`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hubtools.cli import completion
from hubtools.cli.output import Output, output_options
from hubtools.cli.tables import USUAL, prose, width_of

if TYPE_CHECKING:
    from hubtools.findings import Rule


@click.command("explain")
@click.argument("rule_ids", metavar="[RULE]...", nargs=-1, shell_complete=completion.rules)
@click.option("--all", "everything", is_flag=True, help="List all rules.")
@output_options()
def command(rule_ids: tuple[str, ...], everything: bool, out: Output) -> None:
    """Tell what a rule means, what happens if nothing is done, and the fix.

    RULE is an id such as D202, as `hubtools validate` prints it; several may be named.
    """
    from hubtools.commands.journeys import explain, rules

    if everything or not rule_ids:
        out.table(
            ["rule", "severity", "title"],
            [(rule.id, rule.severity.value, rule.title) for rule in rules().values()],
        )
        return
    found = [explain(one) for one in dict.fromkeys(rule_ids)]
    if out.human:
        out.data("\n\n".join(map(_told, found)))
    elif len(found) == 1:
        rule = found[0]
        out.result(
            rule.title, id=rule.id, severity=rule.severity.value, title=rule.title, text=rule.doc
        )
    else:
        out.table(
            ["id", "severity", "title", "text"],
            [(rule.id, rule.severity.value, rule.title, rule.doc) for rule in found],
        )


def _told(rule: Rule) -> str:
    """A rule as a terminal shows it; what `fix` does about it comes last."""
    from hubtools.dataset.fix.remedies import UNSAFE, Remedy
    from hubtools.dataset.fix.steps import REMEDIES

    remedy = REMEDIES.get(rule.id, Remedy())
    parts = [f"{rule.id}: {rule.title} ({rule.severity})", *_paragraphs(rule.doc)]
    if remedy.safe:
        parts.append(f"`hubtools fix` {remedy.safe}.")
    parts += [f"`hubtools fix --unsafe {name}`: {UNSAFE[name]}." for name in remedy.unsafe]
    width = width_of(sys.stdout) or USUAL
    return "\n\n".join("\n".join(prose(part, width, hang=False)) for part in parts)


def _paragraphs(doc: str) -> Iterator[str]:
    """Each on one line. An example and a fix stand alone."""
    for block in doc.split("\n\n"):
        for part in re.split(r"\n(?=(?:Example|Fix): )", block):
            yield " ".join(part.split())
