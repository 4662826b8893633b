"""Plans as files: what `push --plan` writes and `push --from-plan` does, or refuses.

The operations of the envelope (`hubtools.plans`) are the files of the repository: what becomes of
each, its hashes, and the mark of what the repository held. A replay checks the folder, the
repository's head, and all that a push checks; it sends those files with those bytes, and no other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError

from hubtools.addresses import without_password
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath
from hubtools.findings import Report, plural
from hubtools.hub.client import RemoteFile, check_repo_id, endpoint, head_and_privacy, remote_files
from hubtools.leaks import hide
from hubtools.plans import SavedPlan, no_plan, read_plan, root_of
from hubtools.plans.fields import number, only, optional, text
from hubtools.publish.again import moved_since, url_of
from hubtools.publish.comparison import name_fault
from hubtools.publish.content import Content
from hubtools.publish.options import PushOptions
from hubtools.publish.plan import Action, PlannedFile, PushPlan, make_plan
from hubtools.publish.proposed import proposed
from hubtools.publish.release import Release, RepoType
from hubtools.rooted import LeadsOut, parts_of

_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")
_MARK = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_KEYS = ("action", "name", "source", "bytes", "sha256", "sha1", "there")
_OF_THE_HUB = ".gitattributes"  # all that a repository holds which was made a moment ago


def save_plan(plan: PushPlan, path: Path) -> None:
    """Write the plan with the hash of every file, for a later `load_plan`. Raises `HubtoolsError`
    if a file is there that is no plan, or if it would be sent itself."""
    place = path.absolute().parent.resolve() / path.name
    if any(file.source is not None and file.source.resolve() == place for file in plan.files):
        raise HubtoolsError(
            f"{path} lies in the folder that is pushed, and would be sent itself.",
            hint="write the plan to a place outside of it",
            code="file-not-usable",
        )
    _saved(plan, path).save(path)


def _saved(plan: PushPlan, path: Path) -> SavedPlan:
    operations = []
    made_from = {}
    for file in plan.files:
        inside = file.source is not None and file.source.is_relative_to(plan.root)
        source = file.source.relative_to(plan.root).as_posix() if file.source and inside else None
        content = file.content
        operations.append(
            {
                "action": file.action.value,
                "name": file.name,
                "source": source,  # null where a link was resolved
                "bytes": file.bytes,
                "sha256": content.sha256 if content else None,
                "sha1": content.sha1 if content else None,
                "there": file.there,
            }
        )
        if content is not None:
            made_from[source or file.name] = content.sha256
    options = {
        "hub": without_password(endpoint()),
        "repo_type": plan.repo_type,
        **plan.options.model_dump(mode="json"),
    }
    root = root_of(plan.root, path)
    return SavedPlan("push", root, plan.repo, plan.head, made_from, options, tuple(operations))


def would(saved: SavedPlan) -> str:
    """What a plan does, for the question whether it is to be trusted."""
    wanted = wanted_of(saved)
    changes = sum(file.action is not Action.SAME for file in wanted.files)
    return f"change {plural(changes, 'file')} of {wanted.repo_type} {wanted.repo}"


def lines_of(saved: SavedPlan) -> list[str]:
    """All that a plan says, to be read: the options that open something first."""
    wanted = wanted_of(saved)
    named = {
        "hub": wanted.hub,
        "repo_type": wanted.repo_type,
        **wanted.options.model_dump(exclude_defaults=True),
    }
    found = [f"{key} = {value}" for key, value in named.items()]
    found += [
        f"{file.action.value:<6}  {file.name}"
        for file in wanted.files
        if file.action is not Action.SAME
    ]
    return [hide(line) for line in found]


@dataclass(frozen=True)
class _Wanted:
    """What a plan says, checked."""

    hub: str
    repo: str
    repo_type: RepoType
    options: PushOptions
    files: tuple[PlannedFile, ...]

    @property
    def sent(self) -> dict[str, PlannedFile]:
        """What the repository will hold."""
        return {file.name: file for file in self.files if file.content is not None}

    @property
    def deleted(self) -> frozenset[str]:
        """What it will not hold any more."""
        return frozenset(file.name for file in self.files if file.content is None)


def load_plan(
    plan: StrPath | SavedPlan, folder: StrPath | None = None, *, trust_state: bool = False
) -> PushPlan:
    """Read a plan and compare it with the disk and the repository as they are now.

    `folder`: where the plan's folder is, if not where the plan says. What the plan says is checked
    as if it were planned now, and nothing but that is in what comes back; `done` is set if the
    repository holds all of it. Raises `ChecksFailed` with what has changed if main of the
    repository is at another commit, `HubtoolsError` if the file is no plan or a file of the folder
    is no longer what was planned; `ForeignState` as `plan_push`.
    """
    saved = read_plan(plan, "push")
    path = saved.path or Path("plan")
    wanted = wanted_of(saved)
    if wanted.hub != (here := without_password(endpoint())):
        raise HubtoolsError(
            f"{path} is a plan for {wanted.hub}, and HF_ENDPOINT is {here}.",
            hint=f"set HF_ENDPOINT={wanted.hub}, or make a new plan with --plan",
            code="file-not-usable",
        )
    root = saved.folder(folder)
    head, private = head_and_privacy(wanted.repo, wanted.repo_type)
    there = remote_files(wanted.repo, wanted.repo_type, head) if head else {}
    empty = saved.head is None and there.keys() <= {_OF_THE_HUB}
    if head is not None and (done := _done(wanted, head, there, saved)):
        return _as_done(wanted, root, head, private, path, done)
    if head != saved.head and not empty:
        raise moved_since(root, wanted.repo, wanted.repo_type, saved.head, head, path)
    _check_there(root, wanted)
    fresh = make_plan(
        root,
        wanted.repo,
        wanted.repo_type,
        wanted.options,
        trust_state,
        None,
        lambda release: _picked(release, wanted),
        wanted.deleted,
    )
    if fresh.head != head:
        raise moved_since(root, wanted.repo, wanted.repo_type, head, fresh.head, path)
    _check_same(root, saved, wanted, fresh, empty)
    return replace(fresh, saved=path)


def wanted_of(saved: SavedPlan) -> _Wanted:
    """What the operations of an envelope say. Raises `HubtoolsError` if that cannot be."""
    try:
        check_repo_id(saved.subject)  # raises a `ValueError`
        if "/" not in saved.subject:
            raise ValueError(f"{saved.subject!a:.80} has no owner")
        options = dict(saved.options)
        hub, repo_type = text(options, "hub"), options.pop("repo_type")
        del options["hub"]
        if repo_type not in get_args(RepoType):
            raise ValueError(f"repo_type is {repo_type!a:.80}")
        files = tuple(map(_file, saved.operations))
        for name, count in Counter(file.name for file in files).items():
            if count > 1:
                raise ValueError(f"it names {name!r} {count} times")
        for op, file in zip(saved.operations, files, strict=True):
            if file.content and saved.made_from.get(op["source"] or file.name) != op["sha256"]:
                raise ValueError(f"{file.name!r} is not what it was made from")
        found = PushOptions.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise no_plan(saved.path, "push", said) from None
    except LeadsOut as error:
        raise no_plan(saved.path, "push", error.message) from None
    except (ValueError, KeyError, TypeError) as error:
        raise no_plan(saved.path, "push", error) from None
    return _Wanted(hub, saved.subject, cast("RepoType", repo_type), found, files)


def _file(item: Mapping[str, Any]) -> PlannedFile:
    only(item, _KEYS)
    action, name = Action(text(item, "action")), text(item, "name")
    if fault := name_fault(name):
        raise ValueError(f"{name!r} is refused, {fault}")
    there, size = optional(item, "there", _MARK), number(item, "bytes")
    source = optional(item, "source")
    if action is Action.DELETE:
        if there is None or any(item[key] is not None for key in ("source", "sha256", "sha1")):
            raise ValueError(f"the deletion of {name!r} does not say what is there, or more")
        return PlannedFile(name, action, size, None, None, there)
    if (action is Action.ADD) != (there is None):
        raise ValueError(f"{action.value} of {name!r} does not say what is there")
    if source is not None:
        parts_of(source)
    content = Content(size, text(item, "sha256", _SHA256), text(item, "sha1", _SHA1))
    # the place is that of the plan's folder, which is looked for later
    return PlannedFile(name, action, size, Path(source) if source else None, content, there)


# --- the folder ----------------------------------------------------------------------------------


def _gone(root: Path, names: list[str], what: str) -> HubtoolsError:
    named = ", ".join(str(root / name) for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    verb = "is" if len(names) == 1 else "are"
    return HubtoolsError(
        f"{named}{more} {verb} not what was planned any more: {what}; nothing was sent.",
        hint="make a new plan with --plan",
        code="file-changed",
    )


def _check_there(root: Path, wanted: _Wanted) -> None:
    names = [str(f.source or f.name) for f in wanted.sent.values()]
    if gone := [name for name in names if not (root / name).is_file()]:
        raise _gone(root, gone, "it is gone" if len(gone) == 1 else "they are gone")


def _picked(release: Release, wanted: _Wanted) -> Release:
    """Of what the folder would publish now, what the plan names. Raises `HubtoolsError` if it would
    not publish one of them, or has again what the plan deletes."""
    now = {file.name: file for file in release.files}
    back = sorted(wanted.deleted & now.keys())
    if back:
        raise _gone(release.root, back, "the plan deletes it, and it is there again")
    out = sorted(wanted.sent.keys() - now.keys())
    if out:
        raise _gone(release.root, out, "it would not be published now")
    return replace(release, files=tuple(f for f in release.files if f.name in wanted.sent))


def _check_same(
    root: Path, saved: SavedPlan, wanted: _Wanted, fresh: PushPlan, empty: bool
) -> None:
    """Raises `HubtoolsError` unless the plan made now says of each file what the saved one says."""
    now = {file.name: file for file in fresh.files}
    other = []
    for name, file in wanted.sent.items():
        found = now[name]
        source = None if file.source is None else root / file.source
        inside = found.source is not None and found.source.is_relative_to(root)
        if found.content != file.content or (found.source if inside else None) != source:
            other.append(str(file.source or name))
    if other:
        raise _gone(root, other, "it has changed" if len(other) == 1 else "they have changed")
    kept = sorted(wanted.deleted - now.keys())
    if kept:
        raise HubtoolsError(
            f"{saved.path} deletes {kept[0]} in {wanted.repo}, which was not pushed from {root};"
            " nothing was sent.",
            hint="make a new plan with --plan",
            code="hub-changed",
        )
    for name, file in {f.name: f for f in wanted.files}.items():
        if not empty and (now[name].there, now[name].action) != (file.there, file.action):
            raise no_plan(saved.path, "push", f"it is wrong about {name!r} in {wanted.repo}")


# --- done already --------------------------------------------------------------------------------


def _holds(wanted: _Wanted, there: Mapping[str, RemoteFile]) -> bool:
    return not wanted.deleted & there.keys() and all(
        (found := there.get(name)) is not None and file.content and found.holds(file.content)
        for name, file in wanted.sent.items()
    )


def _done(
    wanted: _Wanted, head: str, there: Mapping[str, RemoteFile], saved: SavedPlan
) -> str | None:
    """Where the repository holds all that the plan says, if it does, and did not when the plan was
    made: on main, or on an open pull request for a plan that opens one."""
    url = url_of(wanted.repo, wanted.repo_type)
    if _holds(wanted, there):
        return None if head == saved.head else url
    if not wanted.options.pr:
        return None
    pr = proposed(wanted.repo, wanted.repo_type, lambda there: _holds(wanted, there))
    return None if pr is None else f"{url}/discussions/{pr}"


def _as_done(
    wanted: _Wanted, root: Path, head: str, private: bool | None, path: Path, where: str
) -> PushPlan:
    files = tuple(replace(file, action=Action.SAME) for file in wanted.sent.values())
    note = f"this plan is done already: {where} holds all that it says"
    return PushPlan(
        root,
        wanted.repo,
        wanted.repo_type,
        head,
        wanted.options,
        files,
        (),
        Report(wanted.repo, (), {}, ()),
        private,
        notes=(note,),
        saved=path,
        done=True,
    )
