"""A plan of fixes: operations on files, each with the rules it satisfies; shown and saved."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.linediff import unified
from hubtools.dataset.folder.names import MAX_BYTES, is_unentered
from hubtools.dataset.text.codepages import decode_text
from hubtools.disks import is_private
from hubtools.errors import HubtoolsError
from hubtools.findings import Finding
from hubtools.leaks.keys import HIDDEN, key_lines, without_pieces
from hubtools.plans import SavedPlan, root_of, state_of
from hubtools.printable import visible
from hubtools.rooted import Root

_EACH = 4  # files of which the same is said that are shown one by one
_NAMED = 3  # of more, so many are named


@dataclass(frozen=True)
class Operation:
    """One file's fate. Names are relative to the dataset, with `/`.

    `path` is the file that is there now (None for a new one), `target` the one that will be (None
    if it is removed), `before` the fingerprint of the file that is there: SHA-256, or `link:` and
    where it points to.
    """

    action: Action
    path: str | None
    target: str | None
    rules: tuple[str, ...]
    why: tuple[str, ...]
    before: str | None = None
    content: str | None = None
    edits: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """`remove  .DS_Store  (D704: left behind by another program)`."""
        return self._about(self.names)

    @property
    def names(self) -> str:
        """The file that is there, and what it will be called if that is something else."""
        names = _quoted(str(self.path or self.target))
        if self.path and self.target and self.path != self.target:
            names += f" -> {_quoted(self.target)}"
        return names

    def of_all(self, group: Sequence[Operation]) -> Iterator[str]:
        """Lines for a group of which this is one, whose lines differ in the names alone."""
        yield self._about(f"{len(group)} files")
        shown = ", ".join(one.names for one in group[:_NAMED])
        yield f"        {shown} and {len(group) - _NAMED} more; --verbose lists all"

    def _about(self, names: str) -> str:
        rules = f"{', '.join(self.rules)}: " if self.rules else ""
        return f"{self.action:<6}  {names}  ({rules}{'; '.join(self.why)})"


@dataclass(frozen=True)
class FixPlan:
    """What `fix` would do to the dataset at `root`.

    `left`: files that are left as they are, and why; `remaining`: what the rules would still say
    afterwards; `offers`: how many of these a further --unsafe name repairs (None: not counted).
    `made_from`: the fingerprints of all files when it was made, if they were taken; `saved`: the
    plan that it was read from, and `done`: the folder is as it would leave it.
    """

    root: Path
    operations: tuple[Operation, ...] = ()
    left: dict[str, str] = field(default_factory=dict)
    remaining: tuple[Finding, ...] = ()
    unsafe: tuple[str, ...] = ()
    made_from: Mapping[str, str] | None = None
    saved: SavedPlan | None = None
    done: bool = False
    offers: dict[str, int | None] = field(default_factory=dict)

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of all rules that are satisfied or helped."""
        return tuple(sorted({rule for op in self.operations for rule in op.rules}))

    def of(self, action: Action) -> tuple[Operation, ...]:
        """The operations with this action."""
        return tuple(op for op in self.operations if op.action is action)

    def diff(self, limit: int | None = None, *, grouped: bool = False) -> Iterator[str]:
        """Lines to read: unified diffs of texts (at most `limit` lines each), a line for every
        other file; `grouped`: for more than four of which the same is said, two lines with the
        first names. Control characters are spelt out: they could speak to the terminal. Secrets are
        left out."""
        groups: dict[tuple[object, ...], list[Operation]] = {}
        for op in self.operations:
            own = op if op.action is Action.WRITE or not grouped else None
            groups.setdefault((op.action, op.rules, op.why, own), []).append(op)
        for group in groups.values():
            if len(group) > _EACH:
                yield from (visible(line, tabs=True) for line in group[0].of_all(group))
            else:
                for op in group:
                    yield from self._shown(op, limit)

    def _shown(self, op: Operation, limit: int | None) -> Iterator[str]:
        yield visible(op.line, tabs=True)
        if op.action is Action.WRITE:
            lines = list(self._text_diff(op))
            shown = without_pieces(lines[:limit])
            yield from (visible(line, tabs=True) for line in shown)
            if limit is not None and len(lines) > limit:
                yield f"... {len(lines) - limit} more lines; --dry-run shows all"

    def _text_diff(self, op: Operation) -> Iterator[str]:
        old = ""
        if op.path is not None:
            with Root(self.root) as root:  # what a link leads to is not shown
                data = root.read(op.path)
            old = decode_text(data, guess=True) or data.decode("utf-8", errors="replace")
        old_lines, new_lines = _lines(old), _lines(op.content or "")
        if old_lines == new_lines:
            yield "  (only encoding or line ends change)"
            return
        alike = {unicodedata.normalize("NFC", line) for line in new_lines} - set(new_lines)
        alike |= {unicodedata.normalize("NFC", line) for line in old_lines} - set(old_lines)
        if alike:  # the same letters composed in two ways: nobody would see what changes
            old_lines, new_lines = (
                [
                    _spelt(line) if unicodedata.normalize("NFC", line) in alike else line
                    for line in x
                ]
                for x in (old_lines, new_lines)
            )
        names = (f"a/{op.path}" if op.path else "/dev/null", f"b/{op.target}")
        hidden = key_lines(old_lines) | key_lines(new_lines)
        for line in unified(old_lines, new_lines, *names):
            yield f"{line[0]}{HIDDEN}" if line[1:] in hidden else line

    def to_dict(self, path: Path | None = None) -> dict[str, Any]:
        """The plan as JSON values, for a file at `path` (see `hubtools.plans`), and beside it what
        it leaves and what remains."""
        return self.envelope(path).to_dict() | {
            "left": self.left,
            "remaining": [
                {
                    "rule": f.rule,
                    "severity": f.severity.value,
                    "place": f.place,
                    "message": f.message,
                }
                for f in self.remaining
            ],
        }

    def envelope(self, path: Path | None = None) -> SavedPlan:
        """The plan as it is saved at `path`. Raises `HubtoolsError` if a file that it changes is
        another than it was before the plan was made."""
        if self.saved is not None:
            return self.saved
        made_from = state_of(self.root, path) if self.made_from is None else self.made_from
        for op in self.operations:
            if op.path is not None and made_from.get(op.path) != op.before:
                raise HubtoolsError(
                    f"{self.root / op.path} has changed while the plan was made.",
                    hint="see that nothing writes to it, and make the plan again",
                    code="file-changed",
                )
        operations = tuple(
            {
                "action": op.action.value,
                "path": op.path,
                "target": op.target,
                "rules": list(op.rules),
                "why": list(op.why),
                "before": op.before,
                "content": op.content,
                "edits": list(op.edits),
            }
            for op in self.operations
        )
        root = root_of(self.root, path)
        options = {"unsafe": list(self.unsafe)}
        return SavedPlan(
            "fix", root, self.root.resolve().name, None, made_from, options, operations
        )

    def save(self, path: Path) -> None:
        """Write the plan as JSON. Raises `HubtoolsError` if something that is no plan is there."""
        self.envelope(path).save(path, private=is_private(self.root))


def check_name(name: object) -> str:
    """A relative name that stays inside the dataset and out of the folders of hubtools and of git.
    Raises `ValueError` for any other."""
    bad = ValueError(f"{name!r} is no name of a file in the dataset")
    if not isinstance(name, str) or "\0" in name:
        raise bad
    parts = name.split("/")
    try:
        longest = max(len(os.fsencode(part)) for part in parts)
    except UnicodeEncodeError:
        raise bad from None
    if longest > MAX_BYTES or any(map(is_unentered, parts)):
        raise bad
    if any(part in ("", ".", "..") for part in parts):
        raise bad
    if os.name == "nt" and (":" in name or "\\" in name):
        raise bad
    return name


def _quoted(name: str) -> str:
    return repr(name) if name != name.strip() else name


def _spelt(line: str) -> str:
    """Combining marks as escapes."""
    return "".join(ascii(mark)[1:-1] if unicodedata.combining(mark) else mark for mark in line)


def _lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]
