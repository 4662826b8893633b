"""The envelope: written whole, read within bounds, and checked as the input that it is."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from hubtools.errors import HubtoolsError
from hubtools.files import (
    StrPath,
    check_replaceable,
    json_bytes,
    json_value,
    read_within,
)
from hubtools.layout import WORK_DIR
from hubtools.limits import json_cost
from hubtools.plans.fields import text
from hubtools.plans.state import Changes, inside, state_of
from hubtools.rooted import LeadsOut, parts_of
from hubtools.rooted.outputs import writing_over
from hubtools.summed import JSON_SUM, json_was_changed, summed_json
from hubtools.trust import NOT_OURS, SEAL, ForeignState, is_sealed, seal
from hubtools.version import __version__

Kind = Literal["push", "fix", "prune", "shard"]
KINDS = ("push", "fix", "prune", "shard")
SCHEMA = 3
MOST_BYTES = 1 << 28
_MOST_COST = 1 << 29  # bytes that its values take in memory, estimated
_NAME = "plan"  # what the seal is for
_KEYS = frozenset(
    {"schema", "kind", "made_with", "root", "subject", "head", "digest", "made_from", "options",
     "operations", SEAL}
)  # fmt: skip
_PRINT = re.compile(r"[0-9a-f]{64}|link:.*|special", re.DOTALL)
_COMMIT = re.compile(r"[0-9a-f]{40}")
# What a file begins with that `save` has written, and that is too long to be read whole.
_BEGINS = f'{{\n  "schema": {SCHEMA},\n  "kind": "'.encode()


@dataclass(frozen=True)
class SavedPlan:
    """A plan as it is written and read. `made_from` gives a fingerprint for each file (its
    SHA-256, or `link:` and where it points to); `path` is where it was read from, and `own` whether
    this user has written it."""

    kind: Kind
    root: str
    subject: str
    head: str | None
    made_from: Mapping[str, str]
    options: Mapping[str, Any]
    operations: tuple[Mapping[str, Any], ...]
    made_with: str = __version__
    own: bool = True
    path: Path | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 over the state that the plan was made from."""
        text = json.dumps(sorted(self.made_from.items()), separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values, with this user's seal."""
        content = {
            "schema": SCHEMA,
            "kind": self.kind,
            "made_with": self.made_with,
            "root": self.root,
            "subject": self.subject,
            "head": self.head,
            "digest": self.digest,
            "made_from": dict(self.made_from),
            "options": dict(self.options),
            "operations": [dict(operation) for operation in self.operations],
        }
        return seal(Path(), _NAME, content, anywhere=True)

    def save(self, path: Path, *, private: bool = False) -> None:
        """Write the plan, for its owner alone if it is new and `private`. Raises `HubtoolsError`
        if something else is there, or if it is so large that it would not be read again."""
        check_plan_file(path)
        data = summed_json(json_bytes(self.to_dict()))
        if len(data) > MOST_BYTES or json_cost(data) > _MOST_COST:
            raise HubtoolsError(
                f"The plan for {self.subject} is larger than any that is read again.",
                hint=f"run `hubtools {self.kind}` without --plan",
                code="too-large",
            )
        with writing_over(path, check_plan_file, private=private) as file:
            file.write(data)

    def folder(self, given: StrPath | None = None) -> Path:
        """The folder that the plan is for: the `given` one, or the one at `root` seen from the
        plan. Raises `HubtoolsError` if there is none, or if somebody else's plan leads away from
        where it lies: then the folder has to be given."""
        how = f"`hubtools {self.kind} FOLDER --from-plan {quote(str(self.path))}`"
        if given is not None:
            if not Path(given).is_dir():
                raise HubtoolsError(
                    f"There is no folder {given}.",
                    hint=f"say which: {how}",
                    code="file-not-found",
                    missing=given,
                )
            return Path(given)
        base = self.path.parent if self.path is not None else Path()
        found = base / self.root
        if not self.own and not found.resolve().is_relative_to(base.resolve()):
            raise HubtoolsError(
                f"{self.path} {NOT_OURS}, and is for a folder away from it: {found}.",
                hint=f"say which folder it is for: {how}",
                code="foreign-state",
            )
        if not found.is_dir():
            raise HubtoolsError(
                f"{self.path} is for a folder {self.root}, and there is no {found}.",
                hint=f"say where it is: {how}",
                code="file-not-usable",
            )
        plain = Path(os.path.normpath(found))
        # `link/..` is not where it seems to be
        return plain if plain.resolve() == found.resolve() else found.resolve()

    def changes(self, folder: Path) -> Changes:
        """What differs in `folder` from the state that the plan was made from. The plan itself,
        which may lie there, does not count."""
        now = state_of(folder, self.path, git=self.kind == "prune")
        own = inside(folder, self.path)
        return Changes.between({n: p for n, p in self.made_from.items() if n != own}, now)

    def check_folder(self, folder: Path) -> None:
        """Raises `HubtoolsError` if `folder` is not as it was when the plan was made."""
        if any(found := self.changes(folder)):
            raise self.changed(folder, found)

    def changed(self, folder: Path, found: Changes) -> HubtoolsError:
        """The error for a folder that is not as it was."""
        return HubtoolsError(
            f"{folder} has changed since the plan was made ({found.said()}); nothing was done.",
            hint=f"make a new plan: `hubtools {self.kind} {quote(str(folder))} --plan"
            f" {quote(str(self.path))}`",
            code="file-changed",
        )

    def check_own(self, trust: bool, would: str, details: tuple[str, ...] = ()) -> None:
        """Raises `ForeignState` if this user has not written the plan and does not `trust` it."""
        if not self.own and not trust:
            raise ForeignState(
                self.path or Path(_NAME),
                would,
                details,
                hint="look at what it says; if you trust where it comes from, add --trust-state",
            )


# --- reading -------------------------------------------------------------------------------------


def check_plan_file(path: StrPath) -> None:
    """Raises `HubtoolsError` if a plan cannot be written to `path`: something else is there."""
    check_replaceable(path, "a plan", _is_plan)


def _is_plan(data: bytes) -> bool:
    if json_was_changed(data):
        return False
    if data.startswith(_BEGINS):
        return True
    try:
        content = json_value(data, most=_MOST_COST)
    except ValueError:
        return False
    if not isinstance(content, dict):
        return False
    return {"schema", "kind", "digest", "operations"} <= content.keys() or _is_old(content)


def _is_old(content: Mapping[str, Any]) -> bool:
    """Of an earlier hubtools: a push (schema_version) or a fix."""
    push = {"schema_version", "root", "repo", "options", "files"} <= content.keys()
    return push or {"schema", "operations", "unsafe"} <= content.keys()


def read_plan(
    plan: StrPath | SavedPlan, kind: Kind, beside: frozenset[str] = frozenset()
) -> SavedPlan:
    """The plan in a file, if it is one of `kind`; one that was read already is given back.
    `beside`: keys that a command prints beside the plan, and that say nothing here. Raises
    `HubtoolsError` for all that is no such plan."""
    if isinstance(plan, SavedPlan):
        return plan
    path = Path(plan)
    make = f"make one with `hubtools {kind} --plan FILE`"
    try:
        data = read_within(path, MOST_BYTES)
    except FileNotFoundError:
        raise HubtoolsError(
            f"There is no plan {path}.", hint=make, code="file-not-found", missing=path
        ) from None
    bad = f"{path} is no {kind} plan"
    if json_cost(data) > _MOST_COST:
        raise HubtoolsError(f"{bad}: it holds more values than any.", hint=make, code="too-large")
    try:
        content = json_value(data.decode("utf-8-sig"), unique=True, most=_MOST_COST)
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        other = _schema_fault(content)
        if other is not None:
            raise HubtoolsError(f"{bad}: {other}.", hint=make, code="other-version")
        content = {k: value for k, value in content.items() if k not in beside | {JSON_SUM}}
        found = _parsed(content, path)
    except (ValueError, KeyError, TypeError, AttributeError, LeadsOut) as error:
        said = error.message if isinstance(error, HubtoolsError) else str(error)
        missing = f"it has no {said}" if isinstance(error, KeyError) else said
        raise HubtoolsError(
            f"{bad}: {' '.join(missing.split()).rstrip('.')}.", hint=make, code="file-damaged"
        ) from None
    if found.kind != kind:
        raise HubtoolsError(
            f"{path} is no {kind} plan but a {found.kind} plan.",
            hint=f"`hubtools {found.kind} --from-plan {quote(str(path))}` carries it out",
            code="file-not-usable",
        )
    return found


def _schema_fault(content: Mapping[str, Any]) -> str | None:
    """Which version of hubtools wrote a plan, if not one that this one reads."""
    version = content.get("schema", content.get("schema_version"))
    if version is None:
        raise ValueError("it has no schema")
    if version != SCHEMA or "schema" not in content:
        older = type(version) is int and version < SCHEMA
        return (
            f"it was written by {'an earlier' if older else 'another'} version of hubtools (schema"
            f" {version!s:.20}; this one reads {SCHEMA})"
        )
    return None


def _parsed(content: dict[str, Any], path: Path) -> SavedPlan:
    if odd := sorted(map(str, content.keys() - _KEYS)):
        raise ValueError(f"it has a key {odd[0]!a:.80}, which plans do not have")
    if content["kind"] not in KINDS:
        raise ValueError(f"its kind is {content['kind']!a:.80}")
    head = content["head"]
    if head is not None and not (isinstance(head, str) and _COMMIT.fullmatch(head)):
        raise ValueError("its head is no commit")
    operations, options = content["operations"], content["options"]
    if not isinstance(operations, list) or not all(isinstance(op, dict) for op in operations):
        raise TypeError("its operations are no list of objects")
    if not isinstance(options, dict):
        raise TypeError("its options are no object")
    found = SavedPlan(
        content["kind"],
        _root(content["root"]),
        text(content, "subject"),
        head,
        _made_from(content["made_from"]),
        options,
        tuple(operations),
        text(content, "made_with"),
        is_sealed(Path(), _NAME, content, anywhere=True),
        path,
    )
    if found.digest != content["digest"]:
        raise ValueError("its digest is not that of the files it was made from")
    return found


def _root(value: object) -> str:
    """A relative path; `..` may lead up."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("its root is no folder")
    if Path(value).is_absolute() or value.startswith(("/", "\\", "~")) or Path(value).drive:
        raise ValueError(f"its folder {value!a:.80} is not relative")
    return value


def _made_from(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError("made_from is no object")
    for name, mark in value.items():
        if WORK_DIR in parts_of(name):
            raise ValueError(f"{name!a:.80} is hubtools' own")
        if not isinstance(mark, str) or not _PRINT.fullmatch(mark):
            raise ValueError(f"{name!a:.80} has no fingerprint")
    return value


def no_plan(path: Path | None, kind: Kind, why: object) -> HubtoolsError:
    """The error for a plan whose operations cannot be."""
    said = f"it has no {why}" if isinstance(why, KeyError) else str(why)
    return HubtoolsError(
        f"{path} is no {kind} plan: {' '.join(said.split()).rstrip('.')}.",
        hint=f"make one with `hubtools {kind} --plan FILE`",
        code="file-not-usable",
    )
