"""`hubtools explain`."""

from __future__ import annotations

import click

from hubtools.cli.output import Output, output_options
from hubtools.errors import UsageError


@click.command("explain")
@click.argument("rule_id", metavar="[RULE]", required=False)
@click.option("--all", "everything", is_flag=True, help="List all rules.")
@output_options()
def command(rule_id: str | None, everything: bool, out: Output) -> None:
    """Tell what a rule means, what happens if nothing is done, and the fix.

    RULE is an id such as D202, as `hubtools validate` prints it.
    """
    import difflib

    from hubtools.cards.rules import CARD_RULES
    from hubtools.dataset.fix.remedies import UNSAFE, Remedy
    from hubtools.dataset.fix.steps import REMEDIES
    from hubtools.dataset.rules import DATASET_RULES
    from hubtools.publish.comparison import COMPARISON_RULES
    from hubtools.publish.rules import PUBLISH_RULES
    from hubtools.training.rules import TRAIN_RULES

    rules = {
        rule.id: rule
        for book in (DATASET_RULES, TRAIN_RULES, CARD_RULES, PUBLISH_RULES, COMPARISON_RULES)
        for rule in book
    }
    if everything or rule_id is None:
        out.table(
            ["rule", "severity", "title"],
            [(rule.id, rule.severity.value, rule.title) for rule in rules.values()],
        )
        return
    rule = rules.get(rule_id.upper())
    if rule is None:
        near = difflib.get_close_matches(rule_id.upper(), rules, n=1)
        raise UsageError(
            f"No rule is called {rule_id!r}.",
            hint=f"did you mean {near[0]}?" if near else "`hubtools explain --all` lists them",
        )
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
