"""Make a plan: each step looks at the draft through the rules and changes it, until none does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.journal import fingerprint, fingerprint_of
from hubtools.dataset.edits.plan import Operation, Plan
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.offers import by_name, remaining, wanted_rules
from hubtools.dataset.fix.remedies import parse_unsafe
from hubtools.dataset.fix.steps import run_steps
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.view import view
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.files import StrPath
from hubtools.layout import CARD
from hubtools.settings import DatasetSettings


@shared_guard()
def plan_fix(
    folder: StrPath,
    settings: DatasetSettings | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    unsafe: Sequence[str] = (),
    resolution: int = 512,
    base: Path | None = None,
    on_picture: Callable[[int, int], None] | None = None,
    leave: Mapping[str, str] | None = None,
    counted: bool = False,
) -> Plan:
    """What can be repaired in the dataset at `folder`; nothing is changed.

    `select` and `ignore` are prefixes of rule ids, `unsafe` names of fixes that are only done when
    asked for (`remedies.UNSAFE`). `leave`: files not to touch, and why. `counted`: count what
    further names would repair (`Plan.offers`). Raises `HubtoolsError` if there is no such folder,
    `UsageError` for an unknown rule or name.
    """
    asked = parse_unsafe(unsafe)
    folder = Path(folder)
    settings = settings or DatasetSettings()
    looked = view(folder, settings, resolution=resolution, base=base, on_picture=on_picture)
    wanted = wanted_rules(select, ignore)
    with Draft(looked, asked, wanted=wanted, leave=leave or {}) as draft:
        run_steps(draft)
        rest = DATASET_RULES.run(draft.view)
        operations = _operations(draft)
    touched = {op.path for op in operations}
    left = {name: why for name, why in draft.left.items() if name not in touched}
    more: dict[str, int | None] = {}
    if counted:
        rules = sorted({finding.rule for finding in rest})
        more = by_name(
            looked, rest, asked, lambda names: remaining(looked, names, wanted, rules, leave)
        )
    return Plan(folder, operations, left, tuple(rest), tuple(unsafe), offers=more)


def _operations(draft: Draft) -> tuple[Operation, ...]:
    """The difference between the draft and the disk."""
    root = draft.looked.root
    found: list[Operation] = []
    for name, table in draft.tables.items():
        same_name = table.source == name
        if same_name and not table.changed:
            continue  # it may be of any length
        before = fingerprint(root / table.source) if table.source is not None else None
        if table.changed or table.source is None:
            data = table.render()
            if same_name and fingerprint_of(data) == before:
                continue
            text = data.decode("utf-8")
            found.append(
                Operation(
                    Action.WRITE,
                    table.source,
                    name,
                    table.notes.rules,
                    table.notes.why,
                    before,
                    text,
                )
            )
        elif not same_name:
            rules, why = table.notes.rules, table.notes.why
            found.append(Operation(Action.RENAME, table.source, name, rules, why, before))
    if draft.card is not None and draft.card_notes:
        source = CARD if CARD in draft.looked.listing.names else None
        before = fingerprint(root / CARD) if source else None
        notes, text = draft.card_notes, draft.card.decode("utf-8")
        found.append(Operation(Action.WRITE, source, CARD, notes.rules, notes.why, before, text))
    for name, file in draft.files.items():
        if file.text is not None:
            before = fingerprint(root / file.origin)
            rules, why = file.notes.rules, file.notes.why
            found.append(Operation(Action.WRITE, file.origin, name, rules, why, before, file.text))
        elif file.edits or name != file.origin:
            action = Action.EDIT if file.edits else Action.RENAME
            before = fingerprint(root / file.origin)
            rules, why = file.notes.rules, file.notes.why
            found.append(Operation(action, file.origin, name, rules, why, before, edits=file.edits))
    for origin, notes in draft.gone.items():
        before = fingerprint(root / origin)
        found.append(Operation(Action.REMOVE, origin, None, notes.rules, notes.why, before))
    order = list(Action)
    found.sort(key=lambda op: (order.index(op.action), op.path or op.target or ""))
    return tuple(found)
