"""TensorBoard: one file of events in the run folder, which a run that goes on adds to.

Messages and checksums are tensorboardX's; the file is ours, since its writer names it after the
machine, begins another one each time, and follows links.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from hubtools.rooted import Root
from hubtools.rooted.outputs import keep_changed
from hubtools.training.metrics import Metric
from hubtools.training.trackers.kinds import About, Event, Reported, Samples, scalars
from hubtools.training.trackers.noted import tell

_HEAD = 12  # bytes: a record's length and its checksum
_MOST = 64_000_000  # bytes of a record
_BLOCK = 1 << 20
FILE = "events.out.tfevents.hubtools"


def framed(data: bytes) -> bytes:
    """A record of a TFRecord file: length and bytes, each with its checksum."""
    head = struct.pack("<Q", len(data))
    return head + _checksum(head) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    from tensorboardX.crc32c import crc32c

    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def records(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(record, where it ends) of a file, up to the first that is not whole."""
    end = 0
    while len(head := file.read(_HEAD)) == _HEAD:
        length = int.from_bytes(head[:8], "little")
        if length > _MOST:
            return
        rest = file.read(length + 4)
        if len(rest) < length + 4 or head[8:] != _checksum(head[:8]):
            return
        end += _HEAD + length + 4
        yield rest[:length], end


def _is_begun(data: bytes) -> bool:
    """Whether a kill, or a power cut, leaves these bytes behind the last whole record."""
    return len(data) < _HEAD or data[8:] == _checksum(data[:8]) or not any(data)


class TensorBoard:
    """Scalars, samples and the settings as text."""

    def begin(self, root: Root, about: About) -> Reported:
        """Go on with the file that is there, without a record that was not written to its end."""
        self._root, self._name = root, f"{about.folder}/{FILE}"
        reported, whole, size = self._read()
        if size > whole:
            with root.open(self._name) as old:
                old.seek(whole)
                if not _is_begun(old.read(_HEAD)):
                    keep_changed(root, self._name, tell)
            with root.open(self._name) as old, root.replacing(self._name) as new:
                while block := old.read(min(_BLOCK, whole - old.tell())):
                    new.write(block)
        if not whole:
            self._append([_event(0, file_version="brain.Event:2"), _text(about.settings)])
        return reported

    def _read(self) -> tuple[Reported, int, int]:
        """What has been told, bytes of whole records, bytes in all."""
        from tensorboardX.proto.event_pb2 import Event as Message

        found, whole = Reported(), 0
        if not self._root.exists(self._name):
            return found, 0, 0
        with self._root.open(self._name) as file:
            for record, end in records(file):
                whole, message = end, Message.FromString(record)
                for value in message.summary.value:
                    kind, _, _ = value.tag.partition("/")
                    field = {"train": "step", "validation": "held_out", "samples": "samples"}
                    if kind in field:
                        found = Reported(**(vars(found) | {field[kind]: message.step}))
            return found, whole, file.seek(0, 2)

    def log(self, events: Sequence[Event]) -> None:
        """Add them, and see them onto the disk."""
        self._append([_of(event) for event in events])

    def end(self, status: str) -> None:
        """Nothing is left to do."""

    def _append(self, messages: Sequence[Any]) -> None:
        data = b"".join(framed(message.SerializeToString()) for message in messages)
        self._root.append(self._name, data)


def _event(step: int, **content: Any) -> Any:
    from tensorboardX.proto.event_pb2 import Event as Message

    return Message(wall_time=time.time(), step=step, **content)


def _of(event: Event) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary

    if isinstance(event, Samples):
        values = [
            Summary.Value(
                tag=picture.tag,
                image=Summary.Image(
                    width=picture.width,
                    height=picture.height,
                    colorspace=3,
                    encoded_image_string=picture.png,
                ),
            )
            for picture in event.pictures
        ]
    else:
        told = scalars(event)
        if isinstance(event, Metric):
            told["train/seconds_a_step"] = event.seconds
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in told.items()]
    return _event(event.step, summary=Summary(value=values))


def _text(settings: dict[str, Any]) -> Any:
    """The settings as a table on the page of texts."""
    from tensorboardX.summary import text

    rows = [f"| {key} | {str(value).replace('|', ' ')} |" for key, value in settings.items()]
    table = "\n".join(["| setting | value |", "|---|---|", *rows])
    return _event(0, summary=text("settings", table))
