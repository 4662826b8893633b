"""`hubtools doctor`."""

from __future__ import annotations

import click

from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode
from hubtools.models.registry import SUPPORTED


@click.command("doctor")
@click.option(
    "--family",
    type=click.Choice(list(SUPPORTED)),
    help="Train and draw with a tiny base of this family, made on the spot, and tell what works.",
)
@output_options()
def command(out: Output, family: str | None) -> int:
    """Tell what this machine has, what is odd about it, and what each extra would add.

    Says whether there is a Hub token, never which. Exit code 1 if something keeps hubtools from
    working.
    """
    from hubtools.commands.journeys import doctor

    facts = doctor(family=family)
    if out.human:
        marks = {"ok": "", "note": "note: ", "problem": "PROBLEM: "}
        out.table(
            ["", "", ""],
            [(fact.topic, fact.name, marks[fact.state] + fact.value) for fact in facts],
        )
        for fact in facts:
            if fact.hint and (fact.state != "ok" or fact.topic == "extras"):
                out.hint(f"{fact.name}: {fact.hint}")
    else:
        out.table(
            ["name", "topic", "value", "state", "hint"],
            [(f.name, f.topic, f.value, f.state, f.hint) for f in facts],
        )
    return ExitCode.ERROR if any(fact.state == "problem" for fact in facts) else ExitCode.DONE
