"""Captions as other trainers keep them: a text file beside each picture.

kohya's sd-scripts read the first line of `x.txt` or `x.caption`, and want the pictures in a folder
called `<repeats>_<name>`. ai-toolkit reads all of `x.txt`, or `caption` in `x.json`, and puts its
`trigger_word` where the caption says `[trigger]`; it reads .jpg, .jpeg and .png.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hubtools.causes import naming
from hubtools.dataset.caption.edits import tidy
from hubtools.dataset.examples import read_examples
from hubtools.dataset.folder.appearing import (
    appearing,
    check_free,
    copy_own,
    keep_private,
    open_own,
    read_own,
)
from hubtools.dataset.folder.listing import walk
from hubtools.dataset.folder.names import fold
from hubtools.dataset.metadata.sidecars import decoded_all
from hubtools.dataset.rows import role_columns
from hubtools.dataset.shards.rows import entries
from hubtools.dataset.text.trigger import word_pattern
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath, json_value
from hubtools.limits import SIDECAR
from hubtools.settings import DatasetSettings

Trainer = Literal["kohya", "ai-toolkit"]
EMBEDDED: Literal["embedded"] = "embedded"  # no trainer: what photo programs wrote (`embedded`)
Source = Literal["kohya", "ai-toolkit", "embedded"]
TRAINERS: tuple[Trainer, ...] = ("kohya", "ai-toolkit")
_ENDINGS: dict[Trainer, tuple[str, ...]] = {
    "kohya": (".txt", ".caption"),
    "ai-toolkit": (".txt", ".json"),
}
_PLACE = "[trigger]"
_READS = (".jpg", ".jpeg", ".png")  # what ai-toolkit does


@dataclass(frozen=True)
class Exported:
    """What was written: `foreign` are pictures of a format that the trainer may not read."""

    folder: Path
    pictures: int
    blank: int
    trigger: str | None  # to be set as trigger_word
    foreign: int


# --- in --------------------------------------------------------------------------------------


def read_sidecars(
    trainer: Trainer,
    folder: Path,
    names: Iterable[str],
    trigger: str | None,
    encoding: str | None = None,
) -> dict[str, str]:
    """Captions of the pictures `names` (all of the dataset, relative) from the text files in
    `folder`, which has the same folders below it, or all files in one. `encoding`: that of texts
    that are not UTF-8; default what they are in for certain, all looked at together.

    Raises `HubtoolsError` for a text whose encoding is not certain, `UsageError`
    for a caption with `[trigger]` if there is no trigger to put there.
    """
    if not folder.is_dir():
        raise HubtoolsError(
            f"There is no folder {folder}.",
            hint="give the folder of captions",
            code="file-not-found",
            missing=folder,
        )
    sidecars: dict[str, str] = {}  # name without ending -> file; the first ending counts
    order = {ending: number for number, ending in enumerate(_ENDINGS[trainer])}
    files = [entry for entry in entries(folder) if entry.ending in order and not entry.junk]
    for entry in sorted(files, key=lambda entry: order[entry.ending]):
        stem = entry.name[: -len(entry.ending)]
        sidecars.setdefault(stem, entry.name)
    bases: dict[str, list[str]] = {}
    for stem, name in sidecars.items():
        bases.setdefault(stem.rpartition("/")[2], []).append(name)
    chosen: dict[str, str] = {}
    stems = {name: os.path.splitext(name)[0] for name in names}
    pictures = Counter(stem.rpartition("/")[2] for stem in stems.values())
    for name, stem in stems.items():
        sidecar = sidecars.get(stem) or sidecars.get(name)
        # elsewhere the folders may be others (10_tok): then the bare name says which, unless it is
        # there twice; `a_1` is what export calls a/1 beside another 1
        base = stem.rpartition("/")[2]
        for bare in (stem.replace("/", "_"), base) if sidecar is None else ():
            if len(bases.get(bare, [])) == 1 and (bare != base or stem == base or
                                                  pictures[base] == 1):  # fmt: skip
                sidecar = bases[bare][0]
                break
        if sidecar is None:
            continue
        chosen[name] = sidecar
    texts = {}
    for sidecar in dict.fromkeys(chosen.values()):
        texts[sidecar] = read_own(folder, sidecar, SIDECAR)
    decoded = decoded_all(folder, texts, encoding)
    found: dict[str, str] = {}
    for name, sidecar in chosen.items():
        caption = _caption(trainer, folder / sidecar, decoded[sidecar])
        if trainer == "ai-toolkit" and _PLACE in caption:
            if not trigger:
                raise UsageError(
                    f"{folder / sidecar} has {_PLACE}, but no trigger is set.",
                    hint="add --trigger WORD, or set dataset.trigger",
                    code="bad-setting",
                )
            caption = caption.replace(_PLACE, trigger)
        if caption:
            found[name] = caption
    return found


def _caption(trainer: Trainer, path: Path, text: str) -> str:
    if path.suffix.lower() == ".json":
        try:
            value = json_value(text)
        except (ValueError, RecursionError):
            raise HubtoolsError(f"{path} is no JSON.", code="file-damaged") from None
        caption = value.get("caption") if isinstance(value, dict) else None
        return tidy(caption) if isinstance(caption, str) else ""
    if trainer == "kohya":
        text = next(iter(text.splitlines()), "")
    return tidy(text)


# --- out -------------------------------------------------------------------------------------


def export_captions(
    folder: StrPath,
    to: StrPath,
    trainer: Trainer,
    settings: DatasetSettings | None = None,
    *,
    repeats: int = 1,
) -> Exported:
    """Copy the training pictures of `folder` with their captions into `to`, as `trainer` wants
    them; `to` must be empty or not there yet, and appears when it is whole.

    `repeats` goes into the name of kohya's folder. For ai-toolkit the trigger becomes `[trigger]`.
    """
    folder, to, settings = Path(folder), Path(to), settings or DatasetSettings()
    check_free(to, "export")
    metadata = [entry.name for entry in walk(folder).metadata]
    for entry in metadata:
        open_own(folder, entry).close()
    examples = read_examples(folder, settings.caption_column, roles=role_columns(settings))
    trigger = settings.trigger
    subject = re.sub(r"[^\w-]+", "-", trigger or "pictures").strip("-") or "pictures"
    below = f"{repeats}_{subject}" if trainer == "kohya" else ""
    used: set[str] = set()
    blank = foreign = 0
    placed = False
    with appearing(to, "export") as work:
        if below:
            work.mkdir(below)
        for example in examples:
            stem, ending = os.path.splitext(example.file_name)
            caption = tidy(example.caption)
            blank += not caption
            foreign += trainer == "ai-toolkit" and ending.lower() not in _READS
            if trainer == "ai-toolkit" and trigger and word_pattern(trigger).search(caption):
                caption, placed = word_pattern(trigger).sub(lambda _: _PLACE, caption), True
            name = _free(stem, used)
            place = f"{below}/{name}" if below else name
            copy_own(folder, example.file_name, work, f"{place}{ending}")
            with naming(work.path / f"{place}.txt"), work.create(f"{place}.txt") as file:
                sources = (*metadata, example.file_name, f"{stem}.txt")
                keep_private(folder, sources, file)
                file.write(f"{caption}\n".encode())
    return Exported(to, len(examples), blank, trigger if placed else None, foreign)


def _free(stem: str, used: set[str]) -> str:
    """A name without folders that no other picture has, whatever its ending."""
    name = base = stem.rpartition("/")[2]
    if fold(name) in used:
        name = base = stem.replace("/", "_")
    number = 2
    while fold(name) in used:
        name, number = f"{base}-{number}", number + 1
    used.add(fold(name))
    return name
