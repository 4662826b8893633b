"""Parquet: all rows, where it is one."""

from __future__ import annotations

import io

from hubtools.dataset.metadata.model import Kind, MetadataFile, Row, Trouble


def read_parquet(data: bytes, found: MetadataFile) -> None:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        found.troubles.append(
            Trouble(
                Kind.PARQUET,
                "reading parquet needs pyarrow, which is not installed",
                fix="pip install 'hf-hubtools[train]'",
            )
        )
        return
    try:
        table = parquet.read_table(io.BytesIO(data))
    except (arrow.ArrowException, OSError, ValueError) as error:
        found.troubles.append(
            Trouble(
                Kind.PARQUET,
                f"is not a readable parquet file: {str(error).splitlines()[0].rstrip('.')}",
                fix="write it again",
            )
        )
        return
    found.columns = list(table.column_names)
    found.types = {column.name: str(column.type) for column in table.schema}
    found.rows.extend(Row(found.name, None, values) for values in table.to_pylist())
