"""`hubtools explain`."""

from __future__ import annotations

import click

from hubtools.cli import completion
from hubtools.cli.output import Output, output_options


@click.command("explain")
@click.argument("rule_id", metavar="[RULE]", required=False, shell_complete=completion.rules)
@click.option("--all", "everything", is_flag=True, help="List all rules.")
@output_options()
def command(rule_id: str | None, everything: bool, out: Output) -> None:
    """Tell what a rule means, what happens if nothing is done, and the fix.

    RULE is an id such as D202, as `hubtools validate` prints it.
    """
    from hubtools.commands.journeys import explain, rules
    from hubtools.dataset.fix.remedies import UNSAFE, Remedy
    from hubtools.dataset.fix.steps import REMEDIES

    if everything or rule_id is None:
        out.table(
            ["rule", "severity", "title"],
            [(rule.id, rule.severity.value, rule.title) for rule in rules().values()],
        )
        return
    rule = explain(rule_id)
    if out.human:
        out.data(f"{rule.id}: {rule.title} ({rule.severity})\n\n{rule.doc}")
        remedy = REMEDIES.get(rule.id, Remedy())
        if remedy.safe:
            out.data(f"\n`hubtools fix` {remedy.safe}.")
        for name in remedy.unsafe:
            out.data(f"\n`hubtools fix --unsafe {name}`: {UNSAFE[name]}.")
    else:
        out.result(
            rule.title, id=rule.id, severity=rule.severity.value, title=rule.title, text=rule.doc
        )
