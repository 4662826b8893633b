"""Plans as files: what `push --plan` writes and `push --from-plan` does, or refuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hubtools.errors import HubtoolsError
from hubtools.files import check_replaceable, open_regular, write_text
from hubtools.publish.again import check_moved, narrowed
from hubtools.publish.comparison import name_fault
from hubtools.publish.content import Content
from hubtools.publish.plan import Action, PlannedFile, PushOptions, PushPlan, make_plan
from hubtools.publish.release import RepoType
from hubtools.rooted import LeadsOut, parts_of

_SCHEMA = 2
_LARGEST = 200_000_000  # bytes
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Blob = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
_Mark = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class _SavedFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    source: str  # relative to the root; absolute where a link was resolved
    bytes: Annotated[int, Field(ge=0)]
    sha256: _Hash
    sha1: _Blob
    there: _Mark | None = None


class _Deleted(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    there: _Mark


class _SavedPlan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    schema_version: int
    root: str
    repo: str
    repo_type: RepoType
    head: str | None
    options: PushOptions
    files: list[_SavedFile]
    deletions: list[_Deleted] = Field(default_factory=list)


def check_plan_file(path: Path) -> None:
    """Raises `HubtoolsError` if a plan cannot be written to `path`: something else is there."""
    check_replaceable(path, "a plan", _is_plan)


def _is_plan(data: bytes) -> bool:
    try:
        _SavedPlan.model_validate_json(data)
    except ValidationError:
        return False
    return True


def save_plan(plan: PushPlan, path: Path) -> None:
    """Write the plan with the hash of every file, for a later `load_plan`. Raises `HubtoolsError`
    if a file is there that is no such plan."""
    check_plan_file(path)
    files = []
    for file in plan.files:
        if file.source is None or file.content is None:
            continue
        inside = file.source.is_relative_to(plan.root)
        source = file.source.relative_to(plan.root) if inside else file.source
        files.append(
            _SavedFile(
                name=file.name,
                source=source.as_posix(),
                bytes=file.bytes,
                sha256=file.content.sha256,
                sha1=file.content.sha1,
                there=file.there,
            )
        )
    saved = _SavedPlan(
        schema_version=_SCHEMA,
        root=str(plan.root.absolute()),
        repo=plan.repo,
        repo_type=plan.repo_type,
        head=plan.head,
        options=plan.options,
        files=files,
        deletions=[
            _Deleted(name=file.name, there=file.there)
            for file in plan.files
            if file.source is None and file.there is not None
        ],
    )
    write_text(path, saved.model_dump_json(indent=2) + "\n")


def load_plan(path: Path, *, trust_state: bool = False) -> PushPlan:
    """Read a plan and compare it with the disk and the repository as they are now.

    Everything is checked as if it were planned now; what comes of it is no more than what the plan
    says. Raises `HubtoolsError` if the file is no plan, a file is no longer what was planned, or
    somebody else changed it in the repository; `ForeignState` as `plan_push`.
    """
    saved = _read(path)
    root = Path(saved.root)
    for file in saved.files:
        source = root / file.source
        if not source.is_file():
            raise HubtoolsError(
                f"{source} is not what was planned any more: it is gone.", hint="make a new plan"
            )
    fresh = make_plan(root, saved.repo, saved.repo_type, saved.options, trust_state, None)
    planned = replace(fresh, head=saved.head, files=_planned(saved, root))
    new = {file.name: file for file in fresh.files if file.source is not None}
    for entry in planned.files:
        other = new.get(entry.name)
        if entry.source is not None and (
            other is None or other.content != entry.content or other.source != entry.source
        ):
            raise HubtoolsError(
                f"{entry.source} is not what was planned any more.", hint="make a new plan"
            )
    if fresh.head != saved.head:
        check_moved(planned, {file.name: file.there for file in fresh.files}, fresh.head)
    return narrowed(planned, fresh)


def _planned(saved: _SavedPlan, root: Path) -> tuple[PlannedFile, ...]:
    """The files as the plan has them; what becomes of each is found out anew."""
    files = [
        PlannedFile(
            file.name,
            Action.CHANGE,
            file.bytes,
            root / file.source,
            Content(file.bytes, file.sha256, file.sha1),
            file.there,
        )
        for file in saved.files
    ]
    gone = [PlannedFile(d.name, Action.DELETE, 0, None, None, d.there) for d in saved.deletions]
    return (*files, *gone)


def _read(path: Path) -> _SavedPlan:
    try:
        with open_regular(path) as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise HubtoolsError(f"There is no plan {path}.") from None
    if len(data) > _LARGEST:
        raise HubtoolsError(f"{path} is no push plan: it is larger than any.")
    try:
        saved = _SavedPlan.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise HubtoolsError(
            f"{path} is no push plan of this version: {where + ': ' if where else ''}"
            f"{first['msg']}.",
            hint="make a new one with `hubtools push --plan`",
        ) from None
    if saved.schema_version != _SCHEMA:
        raise HubtoolsError(
            f"{path} is a push plan of another version of hubtools.",
            hint="make a new one with `hubtools push --plan`",
        )
    _check(path, saved)
    return saved


def _check(path: Path, saved: _SavedPlan) -> None:
    """A plan is input like any other: each name once, each inside its folder."""
    names = [file.name for file in saved.files] + [gone.name for gone in saved.deletions]
    for name, count in Counter(names).items():
        if count > 1:
            raise HubtoolsError(f"{path} is no push plan: it names {name!r} {count} times.")
        if fault := name_fault(name):
            raise HubtoolsError(f"{path} is no push plan: {name!r} is refused, {fault}.")
    for file in saved.files:
        if Path(file.source).is_absolute() and saved.options.resolve_links:
            continue  # compared with where the link leads to now
        try:
            parts_of(file.source)
        except LeadsOut:
            raise HubtoolsError(
                f"{path} is no push plan: {file.source!r} is no name inside its folder."
            ) from None
    if not Path(saved.root).is_absolute():
        raise HubtoolsError(f"{path} is no push plan: its folder {saved.root!r} is not absolute.")
