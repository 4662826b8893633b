"""Captions that lie beside the pictures, as kohya's and other trainers want them."""

from __future__ import annotations

from collections import defaultdict

from hubtools.dataset.edits.references import relative
from hubtools.dataset.edits.tables import Form, Record, Table
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.folder.listing import Listing
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.metadata.paired import Paired, paired_folders
from hubtools.dataset.text.blank import is_blank
from hubtools.dataset.text.codepages import decode_text, decoded_as
from hubtools.files import json_value
from hubtools.findings import Finding
from hubtools.limits import SIDECAR

ENDINGS = (".txt", ".caption", ".json")
FROM_SIDECARS = ("D202", "D502")  # rules whose safe repair takes a caption, and nothing else
_KEYS = ("caption", "text", "prompt", "description", "tags")


@fixes("D107", safe="fills it from sidecars")
@fixes("D120", safe="makes metadata.jsonl of captions beside the pictures (.txt, .caption, .json)")
@fixes(*FROM_SIDECARS, each=True, safe="takes the caption from a sidecar")
@fixes("D207", safe="takes sidecar captions into the metadata", unsafe="drop-rows")
def sidecars(draft: Draft) -> None:
    """D120, D202, D207, D502: captions beside the pictures go into the metadata, where pictures
    lack one; sidecars that say nothing else are removed."""
    found = draft.findings("D120", "D202", "D207", "D502")
    if not found:
        return
    outvoting = any(finding.rule == "D207" for finding in found)
    rows: dict[str, list[tuple[Table, Record]]] = defaultdict(list)
    for table, record, name in draft.rows():
        rows[name].append((table, record))
    pairs = paired_folders(entry.name for entry in draft.looked.listing.pictures)
    for name, pictures in _pairs(draft):
        caption = _caption(draft, name)
        if caption is None:
            continue
        said: set[str] = set()
        for picture in pictures:
            said.add(_merge(draft, picture, caption, rows, pairs) if caption else "known")
        if "apart" in said and not draft.may("drop-rows"):
            if outvoting:
                draft.left[name] = "the metadata has another caption (--unsafe drop-rows)"
        elif "stuck" not in said and ("taken" in said or outvoting):
            rule = next(r for r in ("D207", "D120", "D202", "D502") if _is(r, found))
            draft.remove(name, rule, "its caption is in the metadata")


def _is(rule: str, found: list[Finding]) -> bool:
    return any(finding.rule == rule for finding in found)


def has_sidecars(listing: Listing) -> bool:
    """Whether a file of captions lies beside a picture of the folder: a.txt or a.png.txt."""
    names = {entry.name for entry in listing.pictures}
    stems = names | {name.rpartition(".")[0] for name in names}
    return any(
        entry.ending in ENDINGS and not entry.hidden and entry.name[: -len(entry.ending)] in stems
        for entry in listing.entries
    )


def _pairs(draft: Draft) -> list[tuple[str, list[str]]]:
    """(sidecar, its pictures): a.txt or a.png.txt of a.png."""
    pictures = [entry.name for entry in draft.view.listing.pictures]
    stems: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        stems[picture.rpartition(".")[0]].append(picture)
        stems[picture].append(picture)
    return [
        (name, stems[stem])
        for name, file in sorted(draft.files.items())
        if file.entry.ending in ENDINGS
        and not file.entry.hidden
        and draft.may_edit(name)
        and (stem := name[: -len(file.entry.ending)]) in stems
    ]


def _caption(draft: Draft, name: str) -> str | None:
    """The caption on one line, with the trigger where it says `[trigger]`; empty if there is none,
    None if the file is something else."""
    if draft.files[name].entry.size > SIDECAR:
        draft.left.setdefault(name, f"it has more than {SIDECAR:,} bytes, and is not read")
        return None
    text = _text(draft, name)
    if text is None:
        return None
    if "\0" in text:
        return None
    if name.lower().endswith(".json"):
        try:
            value = json_value(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict):
            return None
        values = [value.get(key) for key in (draft.caption, *_KEYS)]
        texts = [
            ", ".join(map(str, item)) if isinstance(item, list) else item for item in values if item
        ]
        text = next((item for item in texts if isinstance(item, str)), "")
        if not text:
            return None
    text = " ".join(text.split())
    trigger = draft.looked.settings.trigger
    return text.replace("[trigger]", trigger) if trigger else text  # as ai-toolkit does


@fixes(
    "D517",
    each=True,
    safe="writes UTF-8, where the encoding is certain",
    unsafe="guess-encoding",
)
def encodings(draft: Draft) -> None:
    """D517: captions beside the pictures that stay there are written in UTF-8."""
    if not draft.finds("D517"):
        return
    for name, file in list(draft.files.items()):
        odd = file.origin in draft.looked.odd_texts and draft.acts_on("D517", name)
        if not odd or not draft.may_edit(name) or file.text is not None:
            continue
        text = _text(draft, name)
        if text is not None:
            draft.left.pop(name, None)
            draft.write(name, text, "D517", "write it in UTF-8")


def _text(draft: Draft, name: str) -> str | None:
    """What a sidecar says; None, and told, if its encoding is not certain."""
    # as they were: the more there are, the surer is what they are in
    data, odd = draft.content(name), draft.looked.odd_texts
    file = draft.files[name]
    given = draft.looked.settings.caption_encoding
    if file.origin not in odd or file.text is not None:
        return decode_text(data, given)
    belief = odd[file.origin]
    codec = given or (
        belief.codec if belief and (belief.sure or draft.may("guess-encoding")) else None
    )
    text = decoded_as(data, codec) if codec is not None else None
    if text is None or "\0" in text:
        likely = f"; {belief.title} is likely (--unsafe guess-encoding)" if belief else ""
        draft.left[name] = (
            f"it is not {given}, as dataset.caption_encoding says"
            if given is not None
            else f"its encoding is not certain{likely}; say it: --caption-encoding NAME, or"
            " dataset.caption_encoding"
        )
        return None
    return text


def _merge(
    draft: Draft,
    picture: str,
    caption: str,
    rows: dict[str, list[tuple[Table, Record]]],
    pairs: Paired | None,
) -> str:
    """What becomes of a caption: `taken` over, `known` already, `apart` from what the metadata
    says, or `stuck` because the metadata must not be changed."""
    if picture not in rows:
        if not any(draft.acts_on(rule, picture) for rule in ("D120", "D202")):
            return "stuck"
        table = _table_for(draft, picture)
        if table is None:
            return "stuck"
        name = relative(table.folder, picture)
        rule = "D120" if draft.wants("D120") and not draft.looked.metadata else "D202"
        beside = pairs.others.get(picture, {}) if pairs is not None else {}
        others = {key: relative(table.folder, one) for key, one in beside.items()}
        if not table.takes(*others):
            others = {}
        values = {FILE_NAME: name, draft.caption: caption, **others}
        table.add(values, rule, "take over a sidecar's caption")
        rows[picture].append((table, table.records[-1]))
        return "taken"
    for table, record in rows[picture]:
        old = record.values.get(draft.caption)
        if isinstance(old, str) and " ".join(old.split()) == caption:
            return "known"
        if old is None or (isinstance(old, str) and is_blank(old)):
            may = draft.acts_on("D502", picture, table.name)
            if record.raw or not table.takes(draft.caption) or not may:
                return "stuck"
            values = record.values | {draft.caption: caption}
            table.put(record, values, "D502", "take over a sidecar's caption")
            return "taken"
    return "apart"


def _table_for(draft: Draft, picture: str) -> Table | None:
    """The nearest metadata file above a picture; a new one at the root if there is none."""
    folder = picture.rpartition("/")[0]
    while True:
        here = [table for table in draft.tables.values() if table.folder == folder]
        if here:
            return here[0] if here[0].takes(FILE_NAME, draft.caption) else None
        if not folder:
            break
        folder = folder.rpartition("/")[0]
    forms = {table.form for table in draft.tables.values()}
    if "parquet" in forms:
        return None
    form: Form = "csv" if forms == {"csv"} else "jsonl"
    table = Table(f"metadata.{form}", None, form)
    draft.tables[table.name] = table
    draft.changed()
    return table
