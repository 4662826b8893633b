"""How the columns of a parquet file hold pictures: as `datasets` writes them, or in one of the ways
in which others do."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hubtools.dataset.metadata.named import FILE_NAME
from hubtools.dataset.metadata.parquet_batches import batches
from hubtools.dataset.metadata.roles import roles_of
from hubtools.dataset.pictures.formats import picture_format

if TYPE_CHECKING:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

_HEAD = 64  # bytes that tell a picture
_LOOKED_AT = 20  # rows, if the first ones are empty


class Form(StrEnum):
    """What a picture is in a column."""

    STRUCT = "struct"  # bytes and path: what `datasets` writes
    BYTES = "bytes"
    BASE64 = "base64"
    LIST = "list"  # of one of the first two; its first item is looked at


def picture_forms(file: parquet.ParquetFile) -> dict[str, Form]:
    """The columns of pictures of an open file. Of columns whose type does not tell, the first
    values are looked at."""
    found: dict[str, Form | None] = {}
    for one in file.schema_arrow:
        form, sure = _by_type(one.type)
        if form is not None:
            found[one.name] = form if sure else None
    unsure = [name for name, form in found.items() if form is None]
    told = dict(_by_value(file, unsure)) if unsure else {}
    return {
        name: form or told[name] for name, form in found.items() if form is not None or name in told
    }


def _by_type(kind: Any) -> tuple[Form | None, bool]:
    import pyarrow as arrow

    types = arrow.types
    if types.is_struct(kind):
        return (Form.STRUCT if _holds_bytes(kind) else None), True
    if _is_binary(kind):
        return Form.BYTES, False
    if types.is_string(kind) or types.is_large_string(kind):
        return Form.BASE64, False
    if types.is_list(kind) or types.is_large_list(kind):
        inner = kind.value_type
        if types.is_struct(inner) and _holds_bytes(inner):
            return Form.LIST, True
        return (Form.LIST if _is_binary(inner) else None), False
    return None, True


def _holds_bytes(kind: Any) -> bool:
    return any(one.name == "bytes" and _is_binary(one.type) for one in kind)


def _is_binary(kind: Any) -> bool:
    import pyarrow as arrow

    return bool(arrow.types.is_binary(kind) or arrow.types.is_large_binary(kind))


def _by_value(file: parquet.ParquetFile, columns: list[str]) -> Iterator[tuple[str, Form]]:
    left = list(columns)
    seen = 0
    for batch in batches(file, columns, bound="average"):
        for name in list(left):
            form, _ = _by_type(batch.schema.field(name).type)
            value = next((one for one in batch.column(name).to_pylist() if one), None)
            if value is None or form is None:
                continue
            left.remove(name)
            data = picture_in(value, form)
            if data is not None and picture_format(data[:_HEAD]) is not None:
                yield name, form
        seen += len(batch)
        if not left or seen >= _LOOKED_AT:
            return


def picture_in(value: Any, form: Form) -> bytes | None:
    """The bytes of a picture; None if the value holds none."""
    if form is Form.LIST:
        value = value[0] if value else None
    if isinstance(value, Mapping):
        value = value.get("bytes")
    if form is Form.BASE64:
        return decoded(value)
    return value if isinstance(value, bytes) else None


def decoded(text: Any) -> bytes | None:
    """What Base64 stands for, with or without `data:image/png;base64,`; None if it is none."""
    if not isinstance(text, str):
        return None
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def keys_of(columns: Mapping[str, Form]) -> dict[str, str]:
    """What a record would call these columns. First comes what is learnt, as their names say, which
    is `file_name`."""
    keys = {f"{name}_{FILE_NAME}": name for name in columns}
    main = keys.pop(roles_of(list(keys)).image or next(iter(keys), ""), None)
    others = {name: key for key, name in keys.items()}
    return others if main is None else {main: FILE_NAME} | others


def paths_of(schema: arrow.Schema, forms: Mapping[str, Form]) -> Iterator[tuple[str, str]]:
    """Columns with the leaf by which to see whether a row has a picture without reading it: its
    path."""
    import pyarrow as arrow

    for name, form in forms.items():
        kind = schema.field(name).type
        if form is Form.STRUCT and kind.get_field_index("path") >= 0:
            path = kind.field("path").type
            if arrow.types.is_string(path) or arrow.types.is_large_string(path):
                yield name, f"{name}.path"
