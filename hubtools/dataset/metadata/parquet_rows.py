"""What a worker does with a parquet file of metadata: it gives as many rows as fit."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from hubtools.dataset.metadata.parquet_batches import (
    batches,
    open_parquet,
    parquet_errors,
    told_of,
)
from hubtools.dataset.pictures.reading import read_picture
from hubtools.files import human_bytes
from hubtools.limits import COLUMNS

if TYPE_CHECKING:
    import pyarrow as arrow

_ROW, _VALUE = 300, 64  # bytes that Python adds to a row, and to each value


def parquet(path: str | bytes, known: str | None) -> dict[str, Any]:
    """For a worker: `rows_within`; `known` is JSON: what the rows may cost, and how many."""
    cost, records = json.loads(known or "[0, 0]")
    return rows_within(read_picture(path), cost, records)


ROWS = f"{__name__}:{parquet.__name__}"


def rows_within(data: bytes, cost: int, records: int) -> dict[str, Any]:
    """`columns`, `types`, `rows` (an Arrow stream), what they `cost` in memory at the most, and
    what is `told` if some were left out; or the `error`."""
    try:
        return _read(open_parquet(io.BytesIO(data)), cost, records)
    except MemoryError:  # Arrow's own is one too
        return {"error": "unpacking it takes more memory than there is for it"}
    except parquet_errors() as error:
        return {"error": told_of(error)}


def _read(file: Any, cost: int, records: int) -> dict[str, Any]:
    import pyarrow as arrow

    schema = file.schema_arrow
    names = list(schema.names)
    # what is left out of the columns is told by who counts them
    wanted = ["file_name"] * ("file_name" in names[COLUMNS:]) + names[:COLUMNS]
    out = io.BytesIO()
    spent = taken = 0
    told: str | None = None
    writer: Any = None
    for batch in batches(file, wanted):
        table = _plain(arrow.Table.from_batches([batch]))
        table.validate(full=True)  # Arrow takes any bytes for a text, until Python reads it
        spent += 2 * table.nbytes + (_ROW + _VALUE * len(names)) * table.num_rows
        if spent > cost or taken + table.num_rows > records:
            told = (
                f"only {taken:,} of its {file.metadata.num_rows:,} rows are read: together they"
                f" take more than {human_bytes(cost)} of memory"
            )
            break
        if writer is None:
            writer = arrow.ipc.new_stream(out, table.schema)
        writer.write_table(table)
        taken += table.num_rows
    if writer is None:
        arrow.ipc.new_stream(out, schema.empty_table().schema).close()
    else:
        writer.close()
    types = {field.name: str(field.type) for field in schema if field.name in set(wanted)}
    answer = {"columns": names, "types": types, "rows": out.getvalue(), "cost": min(spent, cost)}
    return answer | ({"told": told} if told else {})


def _plain(table: arrow.Table) -> arrow.Table:
    """Values in place of dictionaries, in which a small file may hold a text a million times."""
    import pyarrow as arrow

    for place, field in enumerate(table.schema):
        if arrow.types.is_dictionary(field.type):
            plain = table.column(place).cast(field.type.value_type)
            table = table.set_column(place, arrow.field(field.name, plain.type), plain)
    return table
