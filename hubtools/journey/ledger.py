"""Which steps of a journey are done, with what, so that a second run does nothing twice.

A step is skipped when the digest of everything it reads and the digest of everything it wrote are
those of the last time it finished. The ledger is one JSON file in the project's `.hubtools`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubtools.files import sha256_of, write_json
from hubtools.layout import SHIP_STATE, WORK_DIR

SCHEMA = 1


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Ledger:
    """What each step read, wrote and answered, and the hashes of files seen on the way."""

    path: Path
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    hashes: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, root: Path) -> Ledger:
        """The ledger of the project at `root`. A damaged file counts as an empty one: the steps
        then run again, and each of them notices by itself what is done."""
        path = root / WORK_DIR / SHIP_STATE
        try:
            content = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            content = {}
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            content = {}
        return cls(path, dict(content.get("steps", {})), dict(content.get("hashes", {})))

    def save(self) -> None:
        """Write the ledger atomically."""
        write_json(self.path, {"schema": SCHEMA, "steps": self.steps, "hashes": self.hashes})

    def hash_file(self, path: Path) -> str | None:
        """SHA-256 of a file, or None if there is none. Read again only if size or time changed."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        key = str(path)
        seen = self.hashes.get(key)
        stamp = [stat.st_size, stat.st_mtime_ns]
        if seen is not None and seen[:2] == stamp:
            return str(seen[2])
        value = sha256_of(path)
        # A file written in the same clock tick as it was read could change without a new stamp.
        if time.time_ns() - stat.st_mtime_ns > 50_000_000:
            self.hashes[key] = [*stamp, value]
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
        return dict(self.steps.get(step, {}).get("result", {}))

    def finish(self, step: str, inputs: str, outputs: str, result: dict[str, Any]) -> None:
        """Note that `step` is done, and save."""
        self.steps[step] = {
            "inputs": inputs,
            "outputs": outputs,
            "result": result,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        self.save()
