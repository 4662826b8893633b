"""Metadata files that unshard writes, row by row."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import IO, Any

from hubtools.errors import HubtoolsError
from hubtools.rooted import Root


class MetadataFileWriter:
    """A metadata file that is being written."""

    def __init__(self, root: Root, name: str) -> None:
        # half a character becomes JSON's escape of it
        self._file: IO[str] = io.TextIOWrapper(
            root.create(name), encoding="utf-8", newline="", errors="backslashreplace"
        )

    def add(self, values: dict[str, Any]) -> None:
        """Append a row."""
        self._file.write(json.dumps(values, ensure_ascii=False, default=str) + "\n")

    def close(self) -> None:
        """Write what is still held."""
        self._file.close()


class _Csv(MetadataFileWriter):
    _header: list[str] | None = None

    def add(self, values: dict[str, Any]) -> None:
        writer = csv.writer(self._file, lineterminator="\n")
        if self._header is None:
            self._header = list(values)
            writer.writerow(self._header)
        cells = [values.get(name) for name in self._header]
        writer.writerow(["" if cell is None else cell for cell in cells])


class _Parquet(MetadataFileWriter):
    def __init__(self, root: Root, name: str) -> None:
        self._root, self._name = root, name
        self._rows: list[dict[str, Any]] = []

    def add(self, values: dict[str, Any]) -> None:
        self._rows.append(values)

    def close(self) -> None:
        import pyarrow as arrow
        import pyarrow.parquet as parquet

        try:
            with self._root.create(self._name) as file:
                parquet.write_table(arrow.Table.from_pylist(self._rows), file)
        except (arrow.ArrowException, ValueError, TypeError) as error:
            said = " ".join(str(error).split())[:200]
            raise HubtoolsError(
                f"Its rows cannot be written as {self._name}: {said}.",
                hint="the shard is damaged; fetch it again",
                code="file-not-usable",
            ) from None


def writer_for(root: Root, name: str) -> MetadataFileWriter:
    return {".csv": _Csv, ".parquet": _Parquet}.get(Path(name).suffix, MetadataFileWriter)(
        root, name
    )
