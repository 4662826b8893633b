"""A dataset repository of the Hub as a folder of this machine."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.causes import naming
from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Listing, walk
from hubtools.dataset.loaders import TRAIN
from hubtools.dataset.loaders.model import LoadError
from hubtools.dataset.loaders.shards import splits_of_shards
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.shards.opening import open_shard
from hubtools.errors import HubtoolsError
from hubtools.files import write_text
from hubtools.hub.download import snapshot_of
from hubtools.layout import CARD, cache_dir
from hubtools.renaming import rename_new
from hubtools.shelves import UNPACKED, hold

if TYPE_CHECKING:
    from hubtools.dataset.shards.stored import Stored

_DAY = 86_400.0  # seconds
_IN_USE: dict[Path, int | None] = {}  # descriptors by folder


def fetch_dataset(repo: str, revision: str | None = None) -> tuple[Path, str]:
    """Download a dataset repository and give (folder, commit hash).

    Of a repository of parquet shards (as `push_to_hub` writes) the split train is unpacked into
    pictures and a metadata.jsonl in hubtools' cache, once. Raises `HubtoolsError` if it has no such
    split.
    """
    folder = snapshot_of(repo, repo_type="dataset", revision=revision)
    commit = folder.name
    listing = walk(folder)
    shards = [
        e.name for e in listing.entries if e.ending == ".parquet" and not _is_metadata(e.name)
    ]
    if listing.pictures or not shards:
        return folder, commit
    return _unpacked(folder, _trained_on(listing, shards, repo), repo, commit), commit


def _trained_on(listing: Listing, shards: list[str], repo: str) -> list[str]:
    """The shards of the split train, as `load_dataset` finds it."""
    try:
        card = listing.read(CARD).decode("utf-8") if CARD in listing.names else None
        splits = splits_of_shards(tuple(shards), card)
    except (LoadError, UnicodeDecodeError) as error:
        raise HubtoolsError(f"{repo} does not load: {error}.", code="file-damaged") from None
    if not splits.get(TRAIN):
        raise HubtoolsError(
            f"{repo} has no split {TRAIN}: it loads as {' and '.join(splits) or 'nothing'}.",
            hint="training reads the split train",
            code="nothing-there",
        )
    return list(splits[TRAIN])


def _is_metadata(name: str) -> bool:
    return name.rpartition("/")[2].startswith("metadata.")


def _unpacked(folder: Path, shards: list[str], repo: str, commit: str) -> Path:
    target = cache_dir() / UNPACKED / repo.replace("/", "--") / commit
    if target.parent not in _IN_USE:
        _IN_USE[target.parent] = hold(target.parent)  # until this process ends
    if target.is_dir():
        with suppress(OSError):  # when it was used last, for whoever tidies up
            os.utime(target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    work = Path(tempfile.mkdtemp(prefix=".tmp-", dir=target.parent))
    try:
        _unpack(folder, shards, work)
        with suppress(FileExistsError):  # another process was faster
            rename_new(str(work), str(target), {}, {})
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def sweep(folder: Path, days: float = 1) -> None:
    """Remove the folders `.tmp-*` that killed runs of this user left half made, and nothing has
    touched for so long: an hour may go by within one shard."""
    for entry in folder.glob(".tmp-*"):
        with suppress(OSError):
            facts = entry.lstat()
            mine = os.name == "nt" or facts.st_uid == os.geteuid()
            if mine and stat.S_ISDIR(facts.st_mode) and time.time() - facts.st_mtime > days * _DAY:
                shutil.rmtree(entry, ignore_errors=True)


def _unpack(folder: Path, shards: list[str], target: Path) -> None:
    import json

    lines: list[str] = []
    for shard in shards:
        for stored in open_shard(folder / shard):
            row = _unpack_row(stored, len(lines), target)
            lines.append(json.dumps(row, default=str))
    if not lines:
        raise HubtoolsError(f"{folder} holds no rows.", code="nothing-there")
    write_text(target / "metadata.jsonl", "\n".join(lines) + "\n")


def _unpack_row(stored: Stored, number: int, target: Path) -> dict[str, Any]:
    for key, data in stored.pictures.items():
        ending = Path(str(stored.values.get(key) or "")).suffix
        if ending.lower() not in PICTURE_ENDINGS:
            ending = ".png"
        name = f"{number:06d}{ending}"
        with naming(target / name):
            (target / name).write_bytes(data)
        rest = {
            column: value
            for column, value in stored.values.items()
            if not column.endswith(FILE_NAME) and not isinstance(value, dict)
        }
        return {FILE_NAME: name, **rest}
    raise HubtoolsError(
        f"Row {number + 1} of the dataset holds no picture.",
        hint="training needs an image column with the pictures inside the parquet files",
        code="nothing-there",
    )
