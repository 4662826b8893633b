"""Make a plan: each step looks at the draft through the rules and changes it, until none does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.collector import no_collector
from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.journal import fingerprint, fingerprint_of
from hubtools.dataset.edits.plan import FixPlan, Operation
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.offers import by_name, remaining, wanted_rules
from hubtools.dataset.fix.remedies import parse_unsafe
from hubtools.dataset.fix.scope import only_in
from hubtools.dataset.fix.steps import run_steps
from hubtools.dataset.rules.judging import judge
from hubtools.dataset.sources.opening import open_source
from hubtools.dataset.sources.shards import Shards
from hubtools.dataset.view import view
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.files import StrPath
from hubtools.findings import Finding
from hubtools.layout import CARD
from hubtools.settings import DatasetSettings

if TYPE_CHECKING:
    from hubtools.project import Project


@no_collector()
@shared_guard()
def plan_fix(
    folder: StrPath,
    settings: DatasetSettings | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    unsafe: Sequence[str] = (),
    only: Sequence[str] = (),
    resolution: int | None = None,
    base: StrPath | None = None,
    on_picture: Callable[[int, int], None] | None = None,
    leave: Mapping[str, str] | None = None,
    counted: bool = False,
    rules: Mapping[str, Any] | None = None,
) -> FixPlan:
    """What can be repaired in the dataset at `folder`; nothing is changed.

    `select` and `ignore` are prefixes of rule ids, `unsafe` names of fixes that are only done when
    asked for (`remedies.UNSAFE`). `only`: globs of the files in which something is repaired, as
    those of [rules.per_file_ignores]; what is repaired for a whole table or folder is then left.
    `leave`: files not to touch, and why. `rules`:
    `Project.rule_choice`, by which what remains is judged (default all rules); what they ignore in
    a file is not repaired there. `counted`: count what further names would repair
    (`FixPlan.offers`). Raises `HubtoolsError` if there is no such folder, `UsageError` for an
    unknown rule or name.
    """
    asked = parse_unsafe(unsafe)
    folder = Path(folder)
    settings = settings or DatasetSettings()
    looked = view(folder, settings, resolution=resolution, base=base, on_picture=on_picture)
    shards = None
    loose = looked.listing.pictures or looked.listing.metadata
    if not loose and isinstance(source := open_source(folder), Shards):
        shards = view(source, settings, resolution=resolution, base=base, on_picture=on_picture)
    judged = rules or {}
    ignores = judged.get("per_file_ignores")
    wanted, meant = wanted_rules(select, ignore, each=bool(only)), only_in(only, looked)
    with Draft(
        looked, asked, wanted=wanted, leave=leave or {}, ignores=ignores, only=meant, shards=shards
    ) as draft:
        run_steps(draft)
        operations = operations_of(draft)
        rest = list(judge(shards or draft.view, **judged).findings)
        if shards is not None:
            rest = _left_of(rest, operations)
    touched = {op.path for op in operations}
    left = {n: why for n, why in draft.left.items() if n not in touched or n in draft.partly}
    more: dict[str, int | None] = {}
    if counted and shards is None:  # a name repairs pictures and records, not shards
        still = sorted({finding.rule for finding in rest})
        more = by_name(
            looked, rest, asked, lambda names: remaining(looked, names, wanted, still, leave, meant)
        )
    return FixPlan(folder, operations, left, tuple(rest), tuple(unsafe), offers=more)


def _left_of(found: Iterable[Finding], operations: Iterable[Operation]) -> list[Finding]:
    """The findings on shards that stay: what these would be is not read before it is written."""
    done = {(rule, op.path) for op in operations for rule in op.rules}
    rules = {rule for rule, _ in done}
    return [
        one
        for one in found
        if (one.rule, one.path) not in done and not (one.path is None and one.rule in rules)
    ]


def plan_fix_project(
    project: Project,
    folder: StrPath | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    resolution: int | None = None,
    **options: Any,
) -> FixPlan:
    """What can be repaired in a project's dataset, judged as `validate_project` judges it.

    `folder`: what is repaired by the project's settings; default its own dataset. `select` and
    `ignore` choose the rules to satisfy, default those of [rules]; `resolution` overrules the
    project's. Other `options` are those of `plan_fix`.
    """
    chosen = fix_options(project, select=select, ignore=ignore, resolution=resolution)
    return plan_fix(project.dataset_dir if folder is None else folder, **chosen, **options)


def fix_options(
    project: Project,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    resolution: int | None = None,
) -> dict[str, Any]:
    """What a project says to `plan_fix` and `fix`; see `plan_fix_project`."""
    judged = project.judged_by
    rules = {key: judged.pop(key) for key in project.rule_choice}
    if not select and not ignore:
        select, ignore = rules["select"], rules["ignore"]
    if resolution:
        judged["resolution"] = resolution
    return judged | {"select": select, "ignore": ignore, "rules": rules}


def operations_of(draft: Draft) -> tuple[Operation, ...]:
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
