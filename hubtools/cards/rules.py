"""C rules: a card that the Hub accepts and that tells the truth, checked offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hubtools.cards import body_rules, front_rules, license_rules, markdown_rules, schema_rules
from hubtools.cards.view import CARD_RULES, CardView, Kind
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath
from hubtools.findings import Report
from hubtools.frontmatter import parse_card
from hubtools.layout import CARD
from hubtools.licensing.advice import card_command
from hubtools.limits import MAX_CARD
from hubtools.reporting.baseline import known_aside, without_ignored
from hubtools.rooted import Root

__all__ = ["CARD_RULES", "CardView", "Kind", "check_card"]
_RULES = (
    front_rules,
    schema_rules,
    body_rules,
    markdown_rules,
    license_rules,
)  # importing them fills the book


def check_card(
    folder: StrPath,
    kind: Kind,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    per_file_ignores: Mapping[str, Sequence[str]] | None = None,
    baseline: StrPath | None = None,
    strict: bool = False,
) -> Report:
    """Check `folder/README.md` by the card rules (`select`, `ignore`, `per_file_ignores` and
    `baseline` as for `validate`). Raises `HubtoolsError` if there is none, or if it is a link or
    larger than 5 MB."""
    folder = Path(folder)
    with Root(folder) as root:
        if not root.exists(CARD):
            twin = next((name for name in root.list() if name.lower() == CARD.lower()), None)
            hint = f"rename {twin} to {CARD}" if twin else f"{card_command(folder)} writes it"
            raise HubtoolsError(f"{folder} has no {CARD}.", hint=hint, code="file-not-found")
        data = root.read(CARD, MAX_CARD)
        text = data.decode("utf-8-sig", errors="replace")
        view = CardView(folder, kind, text, parse_card(data), root)
        findings = CARD_RULES.run(view, select=select, ignore=ignore, strict=strict)
    kept = tuple(without_ignored(findings, per_file_ignores or {}))
    rules = CARD_RULES.chosen(select, ignore)
    report = Report(f"{folder.absolute().name}/{CARD}", kept, rules=rules)
    return known_aside(report, baseline)
