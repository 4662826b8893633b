"""Batches of rows in arrow files, those too that the list at the end of the file leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from hubtools.publish.contents.member import Member
from hubtools.publish.contents.row_groups import gap

_HEAD, _TAIL = 8, 10  # bytes before the first message, and behind the footer


def message_batches(kind: str, file: IO[bytes]) -> Iterator[Any]:
    """Each batch of a file or of a stream. Where a file's footer lists fewer than there are, they
    are read as they come. Raises what pyarrow raises, also for one that contradicts itself."""
    from pyarrow import ipc

    if kind == "arrow":
        reader = ipc.open_file(file)
        listed = reader.num_record_batches
        for number in range(listed):
            yield _sound(reader.get_batch(number))
        if _count(file)[0] <= listed:
            return
        file.seek(_HEAD)
    for batch in ipc.open_stream(file):
        yield _sound(batch)


def behind_batches(kind: str, file: IO[bytes]) -> Iterator[Member]:
    """What stands between the last batch and the footer, or behind the end of a stream."""
    size = file.seek(0, 2)
    end = size
    if kind == "arrow":
        file.seek(size - _TAIL)
        end = size - _TAIL - int.from_bytes(file.read(4), "little")
    yield from gap(file, _count(file, 0 if kind != "arrow" else _HEAD)[1], end, "(behind its rows)")


def _count(file: IO[bytes], start: int = _HEAD) -> tuple[int, int]:
    """(batches of rows, where the messages end)."""
    import pyarrow
    from pyarrow import ipc

    file.seek(start)
    count, place = 0, start
    try:
        for message in ipc.MessageReader.open_stream(file):
            count += message.type == "record batch"
            place = file.tell()
    except (pyarrow.ArrowException, OSError, EOFError):
        return count, place  # files of long ago end without a mark
    return count, file.tell()


def _sound(batch: Any) -> Any:
    """A batch whose columns are as long as it says."""
    batch.validate()
    return batch
