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
    from pydantic.fields import FieldInfo

    from hubtools.findings import Rule


@click.command("explain")
@click.argument("rule_ids", metavar="[RULE|SETTING]...", nargs=-1, shell_complete=completion.rules)
@click.option("--all", "everything", is_flag=True, help="List all rules.")
@output_options()
def command(rule_ids: tuple[str, ...], everything: bool, out: Output) -> None:
    """Tell what a rule means, what happens if nothing is done, and the fix; or what a setting is.

    RULE is an id such as D202, as `hubtools validate` prints it; SETTING a name of hubtools.toml,
    such as rank or train.rank. Several may be named.
    """
    from hubtools.commands.journeys import explain, rules, settings_called

    if everything or not rule_ids:
        out.table(
            ["rule", "severity", "title"],
            [(rule.id, rule.severity.value, rule.title) for rule in rules().values()],
        )
        return
    texts: list[str] = []
    rows: list[tuple[str, str, str, str]] = []
    for word in dict.fromkeys(rule_ids):
        for name, field in (settings := settings_called(word)).items():
            title, text = f"{name}, a setting", field.description or ""
            texts.append(_wrapped([title, text, _in_file(name, field)]))
            rows.append((name, "setting", title, text))
        if not settings:
            rule = explain(word)
            texts.append(_told(rule))
            rows.append((rule.id, rule.severity.value, rule.title, rule.doc))
    heads = ["id", "severity", "title", "text"]
    if out.human:
        out.data("\n\n".join(texts))
    elif len(rows) == 1:
        out.result(rows[0][2], **dict(zip(heads, rows[0], strict=True)))
    else:
        out.table(heads, rows)


def _in_file(name: str, field: FieldInfo) -> str:
    """The line that sets it, with its default where it has one."""
    from hubtools.project_file import to_toml

    section, _, key = name.partition(".")
    default = field.get_default(call_default_factory=True)
    line = f"{key} = ..." if default is None else to_toml({section: {key: default}}).split("\n")[1]
    kind = "" if default is None else ", as it is by default"
    return f"In hubtools.toml, below [{section}]{kind}: {line}"


def _told(rule: Rule) -> str:
    """A rule as a terminal shows it; what `fix` does about it comes last."""
    from hubtools.dataset.fix.remedies import UNSAFE, Remedy
    from hubtools.dataset.fix.steps import REMEDIES

    remedy = REMEDIES.get(rule.id, Remedy())
    parts = [f"{rule.id}: {rule.title} ({rule.severity})", *_paragraphs(rule.doc)]
    if remedy.safe:
        parts.append(f"`hubtools fix` {remedy.safe}.")
    parts += [f"`hubtools fix --unsafe {name}`: {UNSAFE[name]}." for name in remedy.unsafe]
    return _wrapped(parts)


def _wrapped(parts: list[str]) -> str:
    """Paragraphs as wide as the terminal, a line between them."""
    width = width_of(sys.stdout) or USUAL
    return "\n\n".join("\n".join(prose(part, width, hang=False)) for part in parts)


def _paragraphs(doc: str) -> Iterator[str]:
    """Each on one line. An example and a fix stand alone."""
    for block in doc.split("\n\n"):
        for part in re.split(r"\n(?=(?:Example|Fix): )", block):
            yield " ".join(part.split())
