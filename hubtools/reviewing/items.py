"""What the page knows of a dataset: a small record for each picture, and what was found."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from hubtools.dataset.copies.compare import Grade
from hubtools.dataset.edits.load_tables import load_table
from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Listing
from hubtools.dataset.metadata import Row
from hubtools.dataset.metadata.roles import names_file, names_files
from hubtools.dataset.pictures.appearance import TURNS
from hubtools.dataset.pictures.buckets import Size
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.rows import texts_in
from hubtools.dataset.text.tokens import TokenCounter
from hubtools.dataset.text.trigger import has_word
from hubtools.dataset.view import Dataset
from hubtools.findings import Finding, Report
from hubtools.layout import EXCLUDED_DIR
from hubtools.training.crops import geometry_of

_GRADES = {
    Grade.BYTES: "the same file",
    Grade.PIXELS: "the same pixels",
    Grade.COPY: "nearly the same",
    Grade.ALIKE: "the same but for a part",
}
_LONGEST = 400  # characters of a value that is no caption
_DIGITS = re.compile(r"(\d+)")


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key by which `a2.png` stands before `a10.png`."""
    parts = filter(None, _DIGITS.split(name.lower()))
    # far more digits than a number takes are words
    return [(0, int(p)) if p.isdecimal() and len(p) < 20 else (1, p) for p in parts]


def ordered(looked: Dataset) -> list[str]:
    """The pictures to learn in the order of the page."""
    return sorted(looked.learnt, key=natural)


def excluded_in(looked: Dataset) -> list[str]:
    """The pictures that were set aside, by the names that they had."""
    before = f"{EXCLUDED_DIR}/"
    aside = (entry for entry in looked.listing.entries if entry.name.startswith(before))
    names = (entry.name.removeprefix(before) for entry in aside if entry.ending in PICTURE_ENDINGS)
    return sorted(names, key=natural)


def described(looked: Dataset, names: list[str]) -> list[dict[str, Any]]:
    """A record for each picture, in the order of `names`."""
    partners: dict[tuple[str, int | None], list[list[str]]] = defaultdict(list)
    for one in looked.partners:
        if one.name is not None and one.name in looked.listing.names:
            partners[one.row.source, one.row.line].append([one.role.value, one.key, one.name])
    found = []
    for name in names:
        facts = looked.pictures[name]
        rows = looked.rows_of.get(name, [])
        item: dict[str, Any] = {"name": name, "id": facts.digest[:16], "bytes": facts.bytes}
        item["size"] = list(facts.upright_size)
        item["format"] = facts.format
        if facts.problem is not None:
            item["problem"] = facts.problem
        if rows:
            item["row"] = values_of(rows[0])
            item["source"] = rows[0].source
            if beside := partners.get((rows[0].source, rows[0].line)):
                item["beside"] = beside
        if len(rows) > 1:
            item["rows"] = len(rows)
        if rights := rights_of(facts):
            item["rights"] = rights
        found.append(item)
    return found


def kept_of(size: Size, target: Size) -> float:
    """The share of a picture of `size` that is left of it at `target`."""
    cut = geometry_of(size, target, center_crop=True, seed=0, identity="")
    return round(target[0] * target[1] / (cut.width * cut.height), 3)


def values_of(row: Row) -> dict[str, Any]:
    """The values of a record, without the files that it names."""
    found = {}
    for key, value in row.values.items():
        if names_file(key) or names_files(key) or value is None:
            continue
        if isinstance(value, (str, bool, int, float)) or texts_in(value):
            found[key] = value
        else:
            found[key] = str(value)[:_LONGEST]
    return found


def rights_of(facts: PictureFacts) -> dict[str, Any]:
    """What the picture itself says of whose it is."""
    said: dict[str, Any] = {
        "creator": facts.creator,
        "notice": facts.notice,
        "reserved": facts.reserved,
        "credentials": facts.credentials,
        "position": facts.gps,
        "people": facts.people,
        "owner": facts.owner,
    }
    return {key: value for key, value in said.items() if value}


def checked(looked: Dataset, value: Any) -> dict[str, Any]:
    """What is to be said of a caption as it is typed: its tokens, and whether it has the trigger
    (None: there is none to have)."""
    texts = texts_in(value)
    trigger = looked.settings.trigger
    return {
        "tokens": max(map(looked.counter.count, texts), default=0),
        "trigger": all(has_word(text, trigger) for text in texts) if trigger and texts else None,
    }


def counted_by(counter: TokenCounter) -> dict[str, Any]:
    """Whose tokens they are, and how many a caption may have."""
    return {
        "by": counter.source,
        "exact": counter.exact,
        "room": counter.room,
        "limit": counter.limit,
        "encoder": counter.encoder.name,
    }


def columns_of(looked: Dataset) -> tuple[list[str], list[str]]:
    """(columns that may be captions, all columns), those of the settings first."""
    texts: dict[str, None] = dict.fromkeys(
        (looked.settings.caption_column, *looked.settings.other_caption_columns)
    )
    every: dict[str, None] = {}
    for file in looked.metadata:
        for row in file.rows:
            for key, value in row.values.items():
                if key in every and key in texts:
                    continue
                if not names_file(key) and not names_files(key):
                    every[key] = None
                    if isinstance(value, str) and " " in value.strip():
                        texts[key] = None
    return list(texts), list(every)


def found_by(report: Report, fixes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The findings by picture and the rules that have any, with what `fix` does about each."""
    by_picture: dict[str, list[dict[str, Any]]] = {}
    general: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    worst: dict[str, str] = {}
    for finding in report.sorted():
        counts[finding.rule] = counts.get(finding.rule, 0) + 1
        worst.setdefault(finding.rule, finding.severity.value)
        where = general if finding.picture is None else by_picture.setdefault(finding.picture, [])
        where.append(_told(finding))
    titles = {rule.id: rule.title for rule in report.rules}
    rules = [
        {"id": id, "title": titles.get(id, id), "count": count, "severity": worst[id]}
        | fixes.get(id, {})
        for id, count in counts.items()
    ]
    return {"rules": rules, "pictures": by_picture, "general": general}


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "fix": finding.fix,
        "place": finding.place,
    }


def copies_in(looked: Dataset) -> list[dict[str, Any]]:
    """Groups of pictures that are the same or nearly, the best of each first."""
    groups: list[dict[str, Any]] = []
    for group in looked.groups:
        copies = [{"name": copy.name, "how": _how(copy.grade, copy.turn)} for copy in group.copies]
        groups.append({"pictures": [{"name": group.best, "how": "the best of them"}, *copies]})
    for pair in looked.likenesses:
        how = f"may be a part of it, or marked ({pair.agree:.0%} agree)"
        pictures = [{"name": pair.one, "how": ""}, {"name": pair.other, "how": how}]
        groups.append({"pictures": pictures})
    return groups


def _how(grade: Grade, turn: int) -> str:
    said = _GRADES.get(grade, "alike")
    return said if turn == 1 else f"{said}, {TURNS[turn]}"


def shots_in(looked: Dataset) -> dict[str, Any] | None:
    """The shot plan's entries with their pictures; None if there is no plan."""
    if not looked.settings.plan:
        return None
    entries, unplanned = looked.coverage
    return {"entries": [entry.to_dict() for entry in entries], "unplanned": list(unplanned)}


def splits_in(looked: Dataset) -> dict[str, list[str]]:
    """The splits of each picture as the loader has them; empty if there is one only."""
    return {name: sorted(splits) for name, splits in looked.splits_of.items()}


def closed_in(looked: Dataset) -> dict[str, str]:
    """Metadata files that cannot be written as they are, and why."""
    found = {}
    for file in looked.metadata:
        table = load_table(
            file.name,
            file.data,
            caption=looked.settings.caption_column,
            resolve_doubt=False,
            encoding=looked.settings.caption_encoding,
            known=file,
        )
        if table.locked is not None:
            found[file.name] = table.locked
        elif rules := table.notes.rules:
            found[file.name] = f"it must be repaired first ({', '.join(rules)})"
    return found


def signature(listing: Listing) -> dict[str, tuple[int, int, int]]:
    """What tells that a file is another, without reading it."""
    return {entry.name: (entry.size, entry.mtime_ns, entry.ctime_ns) for entry in listing.entries}
