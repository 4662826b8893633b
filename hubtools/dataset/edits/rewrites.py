"""Shards and archives written anew, piece by piece, with every picture in them as it was.

An edit of a shard is not made in memory: it reads one file and writes another, and then reads that
one again; the hash of all pictures must be the same.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from hubtools.dataset.edits.pixels import Refused
from hubtools.dataset.folder.zipped import open_zip
from hubtools.dataset.metadata.parquet_batches import (
    batches,
    open_parquet,
    parquet_errors,
    told_of,
)
from hubtools.dataset.shards.held import Form, picture_in
from hubtools.dataset.shards.keys import undotted
from hubtools.dataset.shards.members import BROKEN, Header
from hubtools.dataset.shards.parquet import opened_writer
from hubtools.limits import MEMBERS

Opener = Callable[[], AbstractContextManager[BinaryIO]]
_BLOCK = 1 << 20
# a row group as `hubtools shard` writes it
_ROWS, _BYTES = 100, 24_000_000


def rewritten(source: Opener, out: BinaryIO, again: Opener, edits: Sequence[str]) -> str:
    """Write what the one edit makes of `source` into `out`, which `again` opens afterwards; give
    the hash of all pictures, which is proven to be the same. Raises `Refused`."""
    if len(edits) != 1:
        raise Refused("a shard has one edit at a time")
    name, _, value = edits[0].partition("=")
    try:
        before, after = _REWRITES[name](source, out, again, value)
    except parquet_errors() as error:
        raise Refused(f"it cannot be written anew: {told_of(error)}") from None
    except (*BROKEN, zipfile.BadZipFile, zlib.error, RuntimeError, KeyError) as error:
        raise Refused(f"it cannot be written anew: {error}") from None
    if before != after:
        raise Refused("its pictures would change")
    return after


# --- parquet -------------------------------------------------------------------------------------


def parquet_edit(schema: Any, forms: Mapping[str, Form], names: Mapping[str, str]) -> str:
    """The edit that writes a parquet file with this schema, its pictures as bytes and path; `forms`
    says how the columns that it has hold pictures now, `names` what columns are called that get
    another name: new -> old."""
    told = base64.b64encode(schema.serialize().to_pybytes()).decode()
    said = {"schema": told, "forms": {k: str(v) for k, v in forms.items()}, "names": dict(names)}
    return "columns=" + json.dumps(said)


def _columns(source: Opener, out: BinaryIO, again: Opener, value: str) -> tuple[str, str]:
    import pyarrow as arrow

    told = json.loads(value)
    schema = arrow.ipc.read_schema(arrow.py_buffer(base64.b64decode(told["schema"])))
    forms = {name: Form(form) for name, form in told["forms"].items()}
    pictures = [one.name for one in schema if one.name in forms or _holds_pictures(one.type)]
    before, after = _Proof(schema, pictures), _Proof(schema, pictures)
    with source() as opened, open_parquet(opened) as file:
        writer = opened_writer(out, schema, pictures)
        held: list[Any] = []
        rows = size = 0
        for batch in batches(file, bound="average"):
            before.pictures(batch, forms)
            table = _converted(batch, schema, forms, told["names"])
            before.values(table)
            if held and (rows + len(table) > _ROWS or size + table.nbytes > _BYTES):
                writer.write_table(arrow.concat_tables(held), row_group_size=_ROWS)
                held, rows, size = [], 0, 0
            held.append(table)
            rows, size = rows + len(table), size + table.nbytes
        if held:
            writer.write_table(arrow.concat_tables(held), row_group_size=_ROWS)
        writer.close()
    out.flush()
    with again() as opened, open_parquet(opened) as file:
        for batch in batches(file, bound="average"):
            after.pictures(batch, {})
            after.values(arrow.Table.from_batches([batch]))
    return before.digest, after.digest


def _holds_pictures(kind: Any) -> bool:
    import pyarrow as arrow

    if arrow.types.is_list(kind):
        return _holds_pictures(kind.value_type)
    return arrow.types.is_struct(kind) and {one.name for one in kind} == {"bytes", "path"}


def _converted(batch: Any, schema: Any, forms: Mapping[str, Form], names: Mapping[str, str]) -> Any:
    import pyarrow as arrow

    arrays = []
    for one in schema:
        place = batch.schema.get_field_index(names.get(one.name, one.name))
        if place < 0:
            arrays.append(arrow.nulls(len(batch), one.type))
            continue
        column = batch.column(place)
        if one.name in forms:
            values = [_stored(v, forms[one.name]) for v in column.to_pylist()]
            arrays.append(arrow.array(values, one.type))
        else:
            if arrow.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            arrays.append(column.cast(one.type))
    return arrow.Table.from_arrays(arrays, schema=schema)


def _stored(value: Any, form: Form) -> Any:
    """A picture, or a list of them, as `datasets` stores it. Raises `Refused`."""
    if value is None:
        return None
    if form is Form.LIST:
        inner = (Form.STRUCT if isinstance(item, dict) else Form.BYTES for item in value)
        return [_stored(item, kind) for item, kind in zip(value, inner, strict=True)]
    data = picture_in(value, form)
    if data is None and form is not Form.STRUCT:
        raise Refused("a row holds something that is no picture")
    path = value.get("path") if isinstance(value, dict) else None
    return {"bytes": data, "path": path}


class _Proof:
    """A hash over the pictures of all rows, and over all other values."""

    def __init__(self, schema: Any, pictures: Sequence[str]) -> None:
        self._hashes = {one.name: hashlib.sha256() for one in schema}
        self._pictures = pictures

    def pictures(self, batch: Any, forms: Mapping[str, Form]) -> None:
        """Of a batch as it is in its file; columns that are not in `forms` are what `datasets`
        stores."""
        for name in self._pictures:
            place = batch.schema.get_field_index(name)
            found = batch.column(place).to_pylist() if place >= 0 else [None] * len(batch)
            for value in found:
                for data in _all_bytes(value, forms.get(name)):
                    self._hashes[name].update(hashlib.sha256(data).digest())
                self._hashes[name].update(b"\n")

    def values(self, table: Any) -> None:
        """Of a table as it is written."""
        for name, digest in self._hashes.items():
            if name not in self._pictures:
                for value in table.column(name).to_pylist():
                    digest.update(json.dumps(value, default=str).encode() + b"\n")

    @property
    def digest(self) -> str:
        """Of all of it."""
        parts = [f"{name}:{digest.hexdigest()}" for name, digest in self._hashes.items()]
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _all_bytes(value: Any, form: Form | None) -> list[bytes]:
    if isinstance(value, list):
        return [data for item in value for data in _all_bytes(item, None)]
    if isinstance(value, dict):
        value = value.get("bytes")
    data = picture_in(value, form) if form is Form.BASE64 else value
    return [data] if isinstance(data, bytes) else []


# --- archives ------------------------------------------------------------------------------------


def pack_edit(files: Mapping[str, str]) -> str:
    """The edit that puts texts into a zip archive, by name."""
    return "pack=" + json.dumps(dict(files))


def _pack(source: Opener, out: BinaryIO, again: Opener, value: str) -> tuple[str, str]:
    """All that is in the archive keeps its place and its bytes; what is new stands behind it."""
    texts: dict[str, str] = json.loads(value)
    before, after = hashlib.sha256(), hashlib.sha256()
    with source() as opened, open_zip(opened) as archive:
        there = set(archive.namelist())
        if taken := there & texts.keys():
            raise Refused(f"there is {min(taken)} in it already")
        end = archive.start_dir
        opened.seek(0)
        _copied(opened, end, before, out)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
            made.filelist = list(archive.filelist)
            made.NameToInfo = dict(archive.NameToInfo)
            for name, text in texts.items():
                made.writestr(_dated(name), text.encode())
        facts = [_facts(info) for info in archive.filelist]
    out.flush()
    with again() as opened, open_zip(opened) as archive:
        if [_facts(info) for info in archive.filelist[: len(facts)]] != facts:
            raise Refused("its list of files would change")
        for name, text in texts.items():
            if archive.read(name) != text.encode():
                raise Refused(f"{name} could not be put into it")
        opened.seek(0)
        _copied(opened, end, after)
    return before.hexdigest(), after.hexdigest()


def _dated(name: str) -> zipfile.ZipInfo:
    """The same bytes whenever it is written."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def _facts(info: zipfile.ZipInfo) -> tuple[Any, ...]:
    return (info.filename, info.header_offset, info.CRC, info.file_size, info.compress_size)


def _copied(file: BinaryIO, count: int, digest: Any, out: BinaryIO | None = None) -> None:
    while count:
        block = file.read(min(_BLOCK, count))
        if not block:
            raise EOFError("it is cut off")
        digest.update(block)
        if out is not None:
            out.write(block)
        count -= len(block)


def rows_edit(rows: Mapping[str, str]) -> str:
    """The edit that puts records, as JSON, beside the pictures of a tar archive: `a.json` behind
    `a.png`, as WebDataset has it; `rows` by the picture's name there."""
    return "keys=" + json.dumps(dict(rows))


def _keys(source: Opener, out: BinaryIO, again: Opener, value: str) -> tuple[str, str]:
    """Members of one new key come one after the other, where the first of them was; records that
    are given (`rows_edit`) behind their picture."""
    texts: dict[str, str] = json.loads(value) if value else {}
    with source() as opened:
        head = opened.read(6)
        opened.seek(0)
        mode = "gz" if head.startswith(b"\x1f\x8b") else ""
        before: dict[str, str] = {}
        groups: dict[str, list[tuple[str, tarfile.TarInfo]]] = {}
        count = 0
        with tarfile.open(fileobj=opened, mode="r:*", tarinfo=Header) as tar:
            for info in tar:
                name = undotted(info.name) if info.isfile() else info.name
                groups.setdefault(_key(name), []).append((name, info))
                if (count := count + 1) > MEMBERS:
                    raise Refused(f"more than {MEMBERS:,} files are not written anew")
            names = [name for group in groups.values() for name, _ in group]
            names += [f"{_key(undotted(name))}.json" for name in texts]
            if len(set(names)) != len(names):
                raise Refused("two files would have one name")
            with tarfile.open(fileobj=out, mode=f"w:{mode}", format=tarfile.PAX_FORMAT) as made:  # type: ignore[call-overload]
                for group in groups.values():
                    for name, info in group:
                        file = tar.extractfile(info) if info.isfile() else None
                        if file is not None:
                            before[name] = _digest(file)
                            file.seek(0)
                        text = texts.get(info.name)
                        info.name = name
                        info.pax_headers = {}
                        made.addfile(info, file)
                        if text is not None:
                            data = text.encode()
                            added = tarfile.TarInfo(f"{_key(name)}.json")
                            added.size, added.mode = len(data), 0o644
                            made.addfile(added, io.BytesIO(data))
                            before[added.name] = hashlib.sha256(data).hexdigest()
    out.flush()
    after: dict[str, str] = {}
    with again() as opened, tarfile.open(fileobj=opened, mode="r:*", tarinfo=Header) as tar:
        for info in tar:
            file = tar.extractfile(info) if info.isfile() else None
            if file is not None:
                after[info.name] = _digest(file)
    return _of_all(before), _of_all(after)


def _key(name: str) -> str:
    """What WebDataset takes for the key of a row: the name up to its first dot."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


def _digest(file: Any) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _of_all(digests: Mapping[str, str]) -> str:
    told = "\n".join(f"{name}\0{digest}" for name, digest in digests.items())
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


_REWRITES: dict[str, Callable[[Opener, BinaryIO, Opener, str], tuple[str, str]]] = {
    "columns": _columns,
    "pack": _pack,
    "keys": _keys,
}
REWRITES = frozenset(_REWRITES)


def is_rewrite(edits: Sequence[str]) -> bool:
    """True for edits of a shard or an archive, as against those of a picture."""
    return any(edit.partition("=")[0] in REWRITES for edit in edits)
