"""`shard`: a folder of pictures becomes a few large files, each read back before it counts."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from hubtools.dataset.folder.appearing import keep_private, read_own
from hubtools.dataset.packing.plan import Format, PackingPlan, ShardPlan, plan_shards
from hubtools.dataset.pictures.header import opened, trusted_format
from hubtools.dataset.shards.opening import open_shard
from hubtools.dataset.shards.parquet import ParquetWriter, parquet_schema
from hubtools.dataset.shards.rows import Sample
from hubtools.dataset.shards.stored import Writer, fingerprint
from hubtools.dataset.shards.tar import TarWriter
from hubtools.dataset.workers.guarded import scan_one
from hubtools.disks import is_private
from hubtools.errors import HubtoolsError, require_extra
from hubtools.files import StrPath, json_value, not_replaced, sha256_in
from hubtools.front_edits import with_key
from hubtools.layout import CARD, SHARDS_STATE, WORK_DIR, new_replaced
from hubtools.limits import CARD_FILE, OWN_JSON_COST, PICTURE
from hubtools.rooted import Root, is_left_over, temporary_for
from hubtools.trust import ForeignState, is_sealed, seal

_SCHEMA = 1
_STATE = f"{WORK_DIR}/{SHARDS_STATE}"


@dataclass(frozen=True)
class Shard:
    """A shard that was written and read back. `kept`: it was there from an earlier run."""

    name: str
    split: str
    rows: int
    bytes: int
    sha256: str
    kept: bool = False


@dataclass(frozen=True)
class Shards:
    """What `shard` wrote into `folder`, from what lies in `source`. `left`: files of
    the dataset that are in no shard (the first few by name); `unnamed`: pictures among its files
    that no record names; `located`: pictures that say where they were taken; `replaced`: where
    files are kept that had the names of shards and were others, damaged or a person's."""

    folder: Path
    shards: tuple[Shard, ...]
    pictures: int
    left: tuple[str, ...]
    left_count: int
    unnamed: int
    located: int
    source: Path
    replaced: str | None = None

    @property
    def rows(self) -> int:
        """Rows of all shards."""
        return sum(shard.rows for shard in self.shards)

    @property
    def bytes(self) -> int:
        """Bytes of all shards."""
        return sum(shard.bytes for shard in self.shards)


def shard(
    folder: StrPath,
    to: StrPath,
    *,
    format: Format = "parquet",
    max_shard_size: int | None = None,
    on_row: Callable[[int, int | None], None] | None = None,
    check: Callable[[PackingPlan], None] = lambda plan: None,
) -> Shards:
    """Write the dataset at `folder` as shards into the folder `to`, a dataset repo of its own.

    `max_shard_size`: bytes of pictures in one shard (default 500 MB for parquet, 1 GB for
    WebDataset). `on_row(done, total)` follows; the total is None while rows are counted. Every
    shard is read back and compared with the pictures and rows by SHA-256 before it gets its name.
    A run that was killed goes on where it was. `check` gets the plan, and may refuse it by raising.
    Raises `HubtoolsError` for a record that names no picture, and if `to` holds anything else.
    """
    folder, to = Path(folder), Path(to)
    if format == "parquet":
        require_extra("shards", "Writing parquet")
    if to.resolve().is_relative_to(folder.resolve()):
        raise HubtoolsError(
            f"{to} lies inside {folder}.",
            hint="write shards beside the pictures",
            code="file-exists",
        )
    counted = (lambda done: on_row(done, None)) if on_row else None
    plan = plan_shards(folder, format, max_shard_size, counted)
    check(plan)
    state = _state(plan, to)
    with Root(to) as root:
        root.private = is_private(plan.root)
        done: list[Shard] = []
        rows, located, aside = 0, 0, new_replaced()
        for split in dict.fromkeys(item.split for item in plan.shards):
            samples = plan.samples(split)
            for item in (item for item in plan.shards if item.split == split):
                mine = islice(samples, item.rows)
                known = _kept(root, item, state)
                if known is not None:
                    located += state["done"][item.name]["located"]
                    for _ in mine:
                        rows += 1
                else:

                    def tell() -> None:
                        nonlocal rows
                        rows += 1
                        if on_row is not None:
                            on_row(rows, plan.rows)

                    known, found = _write(plan, item, root, mine, tell, aside)
                    located += found
                    state["done"][item.name] = {
                        "bytes": known.bytes, "sha256": known.sha256, "located": found,
                    }  # fmt: skip
                    _write_state(root, state)
                done.append(known)
            if next(samples, None) is not None:
                raise _changed(plan)
        _carry(plan, root, state)
        kept = aside if root.exists(aside) else None
    return Shards(
        to, tuple(done), plan.pictures, plan.left, plan.left_count, plan.unnamed, located, folder,
        kept,
    )  # fmt: skip


def _state(plan: PackingPlan, to: Path) -> dict[str, Any]:
    """What an earlier run of this user and the same plan has done. Raises `HubtoolsError` if `to`
    holds something else: state that somebody else wrote is not believed, nor written over."""
    fresh: dict[str, Any] = {"schema": _SCHEMA, "plan": plan.digest, "done": {}, "carried": {}}
    if to.exists() and not to.is_dir():
        raise HubtoolsError(f"{to} is a file.", hint="give a folder", code="file-exists")
    with Root(to, create=True) as root:
        root.private = is_private(plan.root)
        state = _read_state(root)
        if state is not None and state["plan"] != plan.digest and state["done"]:
            raise HubtoolsError(
                f"{to} holds shards of another dataset, or of this one before it changed.",
                hint="remove that folder, or give another one",
                code="file-changed",
            )
        ours = {item.name for item in plan.shards} | set(plan.contents.carried) | {CARD}
        if state is None:
            ours = set()
        strange = sorted(
            name
            for name, found in root.walk()
            if not stat.S_ISDIR(found.st_mode)
            and not (stat.S_ISREG(found.st_mode) and (name in ours or _leftover(name)))
        )
        if strange:
            raise HubtoolsError(
                f"{to} holds {strange[0]}{f' and {len(strange) - 1} more' if strange[1:] else ''}.",
                hint="give an empty or a new folder",
                code="file-exists",
            )
        root.sweep(older_than=0)
        if state is not None and state["plan"] == plan.digest:
            fresh = state
            _check_carried(root, _carried(plan), state)
        _write_state(root, fresh)
    return fresh


def _read_state(root: Root) -> dict[str, Any] | None:
    """The state that this user wrote in this folder. None if there is none; raises
    `HubtoolsError` if it is damaged, `ForeignState` if it is somebody else's."""
    if not root.exists(_STATE):
        return None
    damaged = HubtoolsError(
        f"{root.path / _STATE} is damaged.",
        hint="remove that folder, or give another one",
        code="file-damaged",
    )
    try:
        state = json_value(root.read(_STATE, 1 << 28), most=OWN_JSON_COST)
        if state["schema"] != _SCHEMA or not isinstance(state["done"], dict):
            raise damaged
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged from None
    if not is_sealed(root.path, _STATE, state):
        error = ForeignState(root.path / _STATE, "have its shards taken for verified ones")
        error.hint = "give an empty or a new folder"
        raise error
    carried = state.get("carried", {})
    return {key: state[key] for key in ("schema", "plan", "done")} | {"carried": carried}


def _write_state(root: Root, state: dict[str, Any]) -> None:
    root.write_json(_STATE, seal(root.path, _STATE, state))


def _leftover(name: str) -> bool:
    """True for our own bookkeeping, and for what a killed run left half written."""
    return name.startswith(f"{WORK_DIR}/") or is_left_over(name.rpartition("/")[2])


def _kept(root: Root, item: ShardPlan, state: dict[str, Any]) -> Shard | None:
    known = state["done"].get(item.name)
    found = root.stat(item.name)
    if known is None or found is None or found.st_size != known["bytes"]:
        return None
    if root.fingerprint(item.name) != known["sha256"]:
        return None
    return Shard(item.name, item.split, item.rows, known["bytes"], known["sha256"], kept=True)


class _Placed:
    """A new file, until it takes its name: read only while what was written lies there."""

    def __init__(self, root: Root, name: str) -> None:
        self._root, self.name = root, temporary_for(name)
        self.path = root.path / self.name
        self.file = root.create(self.name)

    def opened(self) -> BinaryIO:
        """It once more, to be read. Raises `HubtoolsError` if somebody has exchanged it."""
        found = self._root.opened(self.name)
        if not os.path.samestat(os.fstat(found.fileno()), os.fstat(self.file.fileno())):
            found.close()
            raise HubtoolsError(
                f"{self.path} is another file than the one that was written.",
                hint="look who changes the folder, and run the same command again",
                code="file-changed",
            )
        return found


@contextmanager
def _placing(root: Root, name: str, aside: str) -> Iterator[_Placed]:
    """A new file; what has its name at the end goes `aside`: somebody may have worked on it."""
    placed = _Placed(root, name)
    try:
        with placed.file:
            yield placed
            os.fsync(placed.file.fileno())

            def check() -> None:
                with placed.opened() as file:
                    if root.exists(name) and root.fingerprint(name) != sha256_in(file):
                        root.rename(name, f"{aside}/{name}")

            root.rename(placed.name, name, check=check)
    finally:
        root.unlink(placed.name, missing_ok=True)


def _write(
    plan: PackingPlan,
    item: ShardPlan,
    root: Root,
    samples: Iterator[Sample],
    tell: Callable[[], None],
    aside: str,
) -> tuple[Shard, int]:
    """Write one shard, read it back, give it its name; also how many pictures say where."""
    prints: list[bytes] = []
    located = 0
    with _placing(root, item.name, aside) as placed:
        keep_private(plan.root, plan.contents.metadata, placed.file)
        writer = _writer(plan, item, placed.file)
        try:
            for sample in samples:
                keep_private(plan.root, sample.files.values(), placed.file)
                pictures = {
                    key: read_own(plan.root, name, PICTURE) for key, name in sample.files.items()
                }
                writer.add(sample, pictures)
                prints.append(fingerprint(sample.values, pictures))
                located += any(map(_says_where, pictures.values()))
                tell()
            if len(prints) != item.rows:
                raise _changed(plan)
            writer.close()
        except BaseException:
            writer.abandon()
            raise
        placed.file.flush()
        _verify(placed, item, prints)
        with placed.opened() as file:
            size = os.fstat(file.fileno()).st_size
            digest = sha256_in(file)
    return Shard(item.name, item.split, item.rows, size, digest), located


def _writer(plan: PackingPlan, item: ShardPlan, file: BinaryIO) -> Writer:
    if plan.format == "parquet":
        schema = parquet_schema(plan.columns, plan.description(item))
        return ParquetWriter(file, schema, plan.files)

    return TarWriter(file, plan.description(item), plan.ending)


def _verify(placed: _Placed, item: ShardPlan, prints: list[bytes]) -> None:
    number = 0
    for stored in open_shard(placed.path, placed.opened):
        if number >= len(prints) or fingerprint(stored.values, stored.pictures) != prints[number]:
            raise HubtoolsError(
                f"{item.name}: row {number + 1} ({stored.values.get('file_name')}) came back as"
                " something else; the shard was not kept.",
                hint="shard with --format webdataset, which keeps every value as it is",
                code="file-changed",
            )
        number += 1
    if number != len(prints):
        raise HubtoolsError(
            f"{item.name}: {number} of {len(prints)} rows came back.", code="file-changed"
        )


def _changed(plan: PackingPlan) -> HubtoolsError:
    return HubtoolsError(
        f"{plan.root} has changed while it was read.",
        hint="run the same command again",
        code="file-changed",
    )


def _carry(plan: PackingPlan, root: Root, state: dict[str, Any]) -> None:
    """Card and licence go along. Raises `HubtoolsError` for one that a person has changed since."""
    files = _carried(plan)
    for name, was in _check_carried(root, files, state).items():
        root.write_over(name, files[name], was)
    state["carried"] = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    _write_state(root, state)


def _check_carried(
    root: Root, files: Mapping[str, bytes], state: dict[str, Any]
) -> dict[str, bytes | None]:
    """Those of the `files` that are to be written, with what lies there now."""
    found = {}
    for name, data in files.items():
        there = root.read(name) if root.is_file(name) else None
        if there == data:
            continue
        if there and hashlib.sha256(there).hexdigest() != state["carried"].get(name):
            raise not_replaced(root.path / name, "the file")
        found[name] = there
    return found


def _carried(plan: PackingPlan) -> dict[str, bytes]:
    """What goes along with the shards. The card's `configs:` names them."""
    files = {n: read_own(plan.root, n, CARD_FILE) for n in plan.contents.carried if n != CARD}
    return files | {CARD: _card(plan)}


def _card(plan: PackingPlan) -> bytes:
    old = read_own(plan.root, CARD, CARD_FILE) if (plan.root / CARD).is_file() else None
    splits = dict.fromkeys(item.split for item in plan.shards)
    files = [{"split": split, "path": f"data/{split}-*"} for split in splits]
    card = with_key(old, "dataset_info", None) or b""
    if card or not old:
        card = with_key(card, "configs", [{"config_name": "default", "data_files": files}]) or b""
    if not card:
        raise HubtoolsError(
            f"The front matter of {plan.root / CARD} cannot be changed for certain.",
            hint="remove `configs:` and `dataset_info:` from it by hand; the shards are written",
            code="file-not-usable",
        )
    return card


def _says_where(data: bytes) -> bool:
    """True for a picture whose EXIF block names a place."""
    marks = {
        b"Exif": data[:70_000],
        b"eXIf": data[:70_000] + data[-70_000:],
        b"EXIF": data[-70_000:],
    }
    if not any(mark in part for mark, part in marks.items()):
        return False
    if not trusted_format(data):
        return scan_one(data, "").gps
    try:
        with opened(data) as picture:
            return bool(picture.getexif().get_ifd(0x8825))
    except Exception:
        return False  # validate says what is wrong with it
