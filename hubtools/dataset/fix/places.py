"""Fixes of what lies where: junk, splits, the card, crowded folders."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hubtools.dataset.edits.references import relative
from hubtools.dataset.edits.tables import Notes, Record, Table, is_file_column
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.folder.configs import split_configs
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS
from hubtools.dataset.folder.splits import infer_splits
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.metadata.named import resolved
from hubtools.front_edits import with_key, without_key
from hubtools.layout import CARD
from hubtools.limits import crowded_folders

_PER_FOLDER = 1_000


@fixes("D704", each=True, safe="removes it")
def junk(draft: Draft) -> None:
    """D704: what other programs left behind goes."""
    if draft.wants("D704"):
        for name, file in list(draft.files.items()):
            if file.entry.junk and draft.acts_on("D704", name):
                draft.remove(name, "D704", "left behind by another program")


@fixes("D713", each=True, safe="takes them out; the journal keeps them")
def besides(draft: Draft) -> None:
    """D713: files beside the pictures that tell about people go."""
    if draft.wants("D713"):
        for name, what in draft.view.besides.items():
            if name in draft.files and draft.acts_on("D713", name):
                draft.remove(name, "D713", f"it is {what}")


@fixes("D205", safe="moves the records into the folders of their split")
def split_metadata(draft: Draft) -> None:
    """D205: records lie in the folder of their split."""
    for finding in draft.findings("D205"):
        table = draft.tables[str(finding.path)]
        if table.locked is None and (places := _owners(draft, table)) is not None:
            _distribute(draft, table, places)


def _owners(draft: Draft, table: Table) -> dict[str, list[Record]] | None:
    """Split folder -> records of its pictures; None if one belongs to no such folder."""
    visible = [e.name for e in draft.view.listing.entries if not e.hidden]
    folders = [f for f in infer_splits(visible).culprits if relative(table.folder, f) is not None]
    owners: dict[str, list[Record]] = defaultdict(list)
    for record in table.records:
        name = resolved(table.folder, record.values.get(FILE_NAME))
        inside = [folder for folder in folders if (name or "").startswith(f"{folder}/")]
        if record.raw or not inside:
            return None
        owners[min(inside, key=len)].append(record)
    formats = {name.rpartition(".")[2] for name in draft.tables}
    blocked = any(
        (there := draft.tables.get(f"{folder}/metadata.{table.form}")) and there.locked
        for folder in owners
    )
    return owners if owners and formats == {table.form} and not blocked else None


def _distribute(draft: Draft, table: Table, owners: dict[str, list[Record]]) -> None:
    moved: dict[str, list[dict[str, Any]]] = {}
    for folder, records in owners.items():
        values = [_rebased(record.values, table.folder, folder) for record in records]
        if any(item is None for item in values):
            return
        moved[folder] = [item for item in values if item is not None]
    for folder, items in moved.items():
        name = f"{folder}/metadata.{table.form}"
        if name not in draft.tables:
            draft.tables[name] = Table(name, None, table.form, header=list(table.header))
        for item in items:
            draft.tables[name].add(item, "D205", "move a record into the folder of its split")
    notes = Notes()
    notes.add("D205", "its records are in the folders of their splits")
    draft.remove_table(table.name, notes)


def _rebased(values: dict[str, Any], old: str, new: str) -> dict[str, Any] | None:
    """A record for a metadata file in another folder; None if that cannot name its files."""
    result = dict(values)
    for key, value in values.items():
        if not is_file_column(key, value):
            continue
        items = value if isinstance(value, list) else [value]
        names = [relative(new, resolved(old, item) or "") for item in items]
        if any(name is None for name in names):
            return None
        result[key] = names if isinstance(value, list) else names[0]
    return result


@fixes("D205", "D206", "D217", safe="writes `configs:` into the card")
@fixes("D214", "D220", unsafe="rewrite-configs")
def configs(draft: Draft) -> None:
    """D205, D206, D217 and, by name, D214, D220: the card says which files make which split, so
    that no loader guesses. Written only if that satisfies the rule."""
    for rule in ("D205", "D206", "D214", "D217", "D220"):
        found = draft.findings(rule)
        if not found or draft.view.card.error or CARD in draft.left:
            continue
        asked = rule in ("D214", "D220") and draft.may("rewrite-configs")
        if draft.view.card.data.get("configs") and not asked:
            continue  # somebody has decided
        folders = {n.partition("/")[0] for n in draft.names if "/" in n}
        value = split_configs(draft.tables, {f for f in folders if not f.startswith((".", "__"))})
        before, changes = draft.card, draft.changes
        done = _set_card(
            draft, with_key(before, "configs", value, last=True), rule, "write `configs:`"
        )
        if done and len(draft.findings(rule)) >= len(found):
            draft.card_notes.remove(rule)
            draft.take_back(before, changes)


@fixes("D113", safe="takes metadata_filenames out of the card")
def metadata_names(draft: Draft) -> None:
    """D113: no config of the card names metadata files that are called metadata.* now."""
    configs = draft.view.card.data.get("configs")
    if not draft.wants("D113") or draft.card is None or not isinstance(configs, list):
        return
    bases = {name.rpartition("/")[2] for name in draft.files}
    gone = [
        one
        for one in configs
        if isinstance(one, dict)
        and isinstance(one.get(_NAMES), list)
        and not bases.intersection(map(str, one[_NAMES]))
    ]
    if gone and draft.tables:
        kept = [{k: v for k, v in one.items() if one not in gone or k != _NAMES} for one in configs]
        _set_card(
            draft, with_key(draft.card, "configs", kept, last=True), "D113", f"remove {_NAMES}"
        )


_NAMES = "metadata_filenames"


@fixes("D606", safe="removes dataset_info from the card")
def dataset_info(draft: Draft) -> None:
    """D606: the card declares no sizes."""
    if draft.finds("D606") and draft.card is not None:
        changed = without_key(draft.card, "dataset_info")
        _set_card(draft, changed, "D606", "remove dataset_info, whose sizes are wrong")


def _set_card(draft: Draft, card: bytes | None, rule: str, what: str) -> bool:
    try:
        text = card.decode("utf-8") if card is not None else None
    except UnicodeDecodeError:
        text = None
    if text is None or card == draft.card:
        draft.left[CARD] = "its front matter cannot be changed for certain"
        return False
    draft.card = card
    draft.card_notes.add(rule, what)
    draft.changed()
    return True


@fixes("D207", unsafe="remove-other-files")
def others(draft: Draft) -> None:
    """D207, by name: files that outnumber the pictures go."""
    if not draft.may("remove-other-files") or not draft.finds("D207"):
        return
    for finding in draft.findings("D207"):
        first = draft.files.get(str(finding.path))
        if first is None or first.entry.ending in PICTURE_ENDINGS | FOREIGN_ENDINGS:
            continue
        for name, file in list(draft.files.items()):
            base = file.entry.base.upper()
            kept = name == CARD or base.startswith(("LICENSE", "LICENCE", "NOTICE"))
            if file.entry.ending == first.entry.ending and not file.entry.hidden and not kept:
                draft.remove(name, "D207", "it is no picture, and outnumbers them with its like")


@fixes("D702", unsafe="spread-folders")
def spread(draft: Draft) -> None:
    """D702, by name: pictures of crowded folders go into sub-folders."""
    if not draft.may("spread-folders") or not draft.finds("D702"):
        return
    for folder in crowded_folders(entry.name for entry in draft.view.listing.entries):
        above = f"{folder}/" if folder else ""
        pictures = [e.name for e in draft.view.listing.pictures if e.folder == folder]
        taken = {name[len(above) :].partition("/")[0] for name in draft.names if above in name}
        free = (f"{n:03d}" for n in range(100_000) if f"{n:03d}" not in taken)
        names: dict[str, str] = {}
        for start in range(0, len(pictures), _PER_FOLDER):
            below = next(free)
            for name in pictures[start : start + _PER_FOLDER]:
                names[name] = f"{above}{below}/{name[len(above) :]}"
        draft.rename(names, "D702", "spread pictures over sub-folders")
