"""What trackers need that nobody can ask what they have been told, and that may not answer."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Callable, Sequence

from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.kept import Kept
from hubtools.rooted import Root
from hubtools.rooted.outputs import keeping
from hubtools.training.trackers.kinds import Event, Reported

FAREWELL = 60.0  # seconds for what is left to be sent
_MOST = 10_000  # bytes of a note


class Note:
    """A small file that says what a tracker has been told of the run `id`. It is written before the
    tracker is told: a kill in between leaves a gap there, and never a step twice."""

    def __init__(self, root: Root, name: str, id: str) -> None:
        self._root, self._name, self._id = root, name, id
        self.reported = self._read()

    def _read(self) -> Reported:
        if not self._root.is_file(self._name):
            return Reported()
        try:
            found = json_value(self._root.read(self._name, _MOST))
            if found.pop("id") == self._id and all(type(n) is int for n in found.values()):
                return Reported(**found)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError, HubtoolsError):
            pass
        return Reported()

    def take(self, events: Sequence[Event]) -> None:
        """Note that these are told."""
        for event in events:
            self.reported = self.reported.after(event)
        told = {"id": self._id} | vars(self.reported)
        check = keeping(self._root, self._name, _is_note, tell)
        self._root.write(self._name, json.dumps(told).encode(), check=check)


def _is_note(data: bytes) -> bool:
    """Whether a file is as `Note` writes it, of this run or of an earlier one."""
    try:
        found = json_value(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() == {"id", *vars(Reported())}


def tell(sentence: str) -> None:
    """Tell of a file of a tracker that somebody has changed, and that is kept."""
    warnings.warn(sentence, Kept, stacklevel=2)


def waited(work: Callable[[], object]) -> bool:
    """Whether `work` came to its end while there was patience for it. Raises what it raised."""
    raised: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(FAREWELL)
    if raised:
        raise raised[0]
    return not thread.is_alive()
