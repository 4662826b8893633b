"""Which steps of a journey are done, with what, so that a second run does nothing twice.

A step is skipped when the digest of everything it reads and the digest of everything it wrote are
those of the last time it finished. The ledger is one JSON file in the project's `.hubtools`, sealed
(see `trust`): one that came with the folder does not make a step done.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubtools.files import json_value, open_regular
from hubtools.layout import SHIP_STATE, WORK_DIR
from hubtools.rooted import Root
from hubtools.trust import have_key, is_sealed, seal

SCHEMA = 2
NAME = f"{WORK_DIR}/{SHIP_STATE}"
_LARGEST = 256_000_000  # bytes
# A file that was changed closer to its reading than this may change without another time.
_TICK_NS = 2_000_000_000


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Ledger:
    """What each step read, wrote and answered, and the hashes of files seen on the way.

    `foreign`: there was a ledger that this user did not write there; it counts as none.
    """

    path: Path
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    hashes: dict[str, list[Any]] = field(default_factory=dict)
    foreign: bool = False

    @classmethod
    def open(cls, root: Path, *, trust_state: bool = False) -> Ledger:
        """The ledger of the project at `root`. A damaged file counts as an empty one: the steps
        then run again, and each of them notices by itself what is done. So does one that somebody
        else wrote, unless `trust_state`. Raises `LeadsOut` if a link is in the way."""
        have_key()
        path = root / NAME
        with Root(root) as folder:
            if not folder.exists(NAME):
                return cls(path)
            data = folder.read(NAME, _LARGEST)
        try:
            content = json_value(data)
        except (ValueError, RecursionError):
            return cls(path)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            return cls(path)
        if not (trust_state or is_sealed(root, NAME, content)):
            return cls(path, foreign=True)
        steps, hashes = content.get("steps"), content.get("hashes")
        if not isinstance(steps, dict) or not isinstance(hashes, dict):
            return cls(path)
        sound = {name: step for name, step in steps.items() if isinstance(step, dict)}
        return cls(path, sound, dict(hashes))

    def save(self) -> None:
        """Write the ledger atomically, sealed."""
        root = self.path.parent.parent
        content = {"schema": SCHEMA, "steps": self.steps, "hashes": self.hashes}
        with Root(root) as folder:
            folder.write_json(NAME, seal(root, NAME, content))

    def hash_file(self, path: Path) -> str | None:
        """SHA-256 of a file, or None if there is none. Read again only if the file is another, or
        its size or a time is: the time of change in the system's own books, which no program can
        set back, is among them."""
        try:
            with open_regular(path) as file:
                facts = os.fstat(file.fileno())
                stamp = [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]
                seen = self.hashes.get(str(path))
                if isinstance(seen, list) and seen[:-1] == stamp:
                    return str(seen[-1])
                digest = hashlib.sha256()
                while block := file.read(1 << 20):
                    digest.update(block)
                value = digest.hexdigest()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            if error.errno == errno.EINVAL:
                return "special"  # a pipe, a socket, a device
            raise
        if time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) > _TICK_NS:
            self.hashes[str(path)] = [*stamp, value]
        return value

    def hash_files(self, root: Path, files: Iterable[Path]) -> str:
        """One digest over names (relative to `root`) and contents."""
        listing = {path.relative_to(root).as_posix(): self.hash_file(path) for path in files}
        return digest_of(listing)

    def is_done(self, step: str, inputs: str, outputs: str) -> bool:
        """True if `step` finished with just these inputs and its outputs are still the same."""
        entry = self.steps.get(step)
        return (
            entry is not None and entry.get("inputs") == inputs and entry.get("outputs") == outputs
        )

    def result(self, step: str) -> dict[str, Any]:
        """What the step answered when it last finished; empty if it never did."""
        result = self.steps.get(step, {}).get("result")
        return dict(result) if isinstance(result, dict) else {}

    def finish(self, step: str, inputs: str, outputs: str, result: dict[str, Any]) -> None:
        """Note that `step` is done, and save."""
        self.steps[step] = {
            "inputs": inputs,
            "outputs": outputs,
            "result": result,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        self.save()
