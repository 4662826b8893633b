"""`push`: plan what changes in a repository, send it so that readers see all or nothing, verify.

One commit on top of the head that was looked at; beyond `BATCH` files several commits on a
pull request that is merged at the end. `upload_folder` is not used: it commits in parts, follows
links, and obeys a stray .gitignore without a word.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hubtools.errors import ChecksFailed, HubtoolsError, as_sentence
from hubtools.files import StrPath, sha256_of, write_json, write_text
from hubtools.findings import Report
from hubtools.layout import WORK_DIR
from hubtools.publish.hub import (
    check_access,
    endpoint,
    full_repo_id,
    is_same,
    plain_lfs,
    remote_files,
    remote_head,
)
from hubtools.publish.preflight import PUBLISH_RULES
from hubtools.publish.prune import KeepSnapshots
from hubtools.publish.release import ReleaseFile, RepoType, collect

# Files in one commit; the Hub's docs advise 50-100 and give a commit 60 s.
BATCH = 100
_SENT = "pushed.json"
_PLAN_SCHEMA = 1


class Action(StrEnum):
    """What happens to a file of the repository."""

    ADD = "add"
    CHANGE = "change"
    SAME = "same"
    DELETE = "delete"


class PushOptions(BaseModel):
    """How to push. `private` counts for a new repository only; `ignore`: id prefixes of P rules to
    leave out; the last three go to `prune.classify`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    private: bool = True
    pr: bool = False
    tag: str | None = None
    message: str | None = None
    ignore: tuple[str, ...] = ()
    keep_snapshots: KeepSnapshots = "none"
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedFile:
    """A file of the repository and what happens to it; `source` is None for deletions."""

    name: str
    action: Action
    bytes: int
    source: Path | None


@dataclass(frozen=True)
class PushPlan:
    """Everything a push will do. `head` is the commit it builds on, None for a new repository."""

    root: Path
    repo: str
    repo_type: RepoType
    head: str | None
    options: PushOptions
    files: tuple[PlannedFile, ...]
    excluded: tuple[tuple[str, str], ...]
    report: Report

    @property
    def message(self) -> str:
        """Of the commit."""
        return self.options.message or f"Push {self.repo_type} with hubtools"

    @property
    def changes(self) -> tuple[PlannedFile, ...]:
        """All files but those that stay as they are."""
        return tuple(file for file in self.files if file.action is not Action.SAME)

    @property
    def bytes_sent(self) -> int:
        """Bytes of new and changed files."""
        return sum(file.bytes for file in self.changes if file.source is not None)


@dataclass(frozen=True)
class PushResult:
    """What happened. `pushed` counts new and changed files, `verified` files compared by hash."""

    url: str
    commit: str
    pushed: int
    deleted: int
    verified: int
    pr_url: str | None = None
    tag: str | None = None


def plan_push(
    folder: StrPath, repo: str, repo_type: RepoType, options: PushOptions | None = None
) -> PushPlan:
    """Compare the release at `folder` with the repository and say what would change.

    Nothing is sent. `plan.report` holds what the P rules found; a plan with errors cannot be
    pushed. Raises `HubtoolsError` if the token cannot write there or the tag exists elsewhere.
    """
    folder = Path(folder)
    options = options or PushOptions()
    repo = full_repo_id(repo)
    check_access(repo, repo_type)
    release = collect(
        folder,
        repo_type,
        keep_snapshots=options.keep_snapshots,
        keep=options.keep,
        drop=options.drop,
    )
    report = Report(
        repo,
        tuple(PUBLISH_RULES.run(release, ignore=options.ignore)),
        rules=PUBLISH_RULES.chosen(ignore=options.ignore),
    )
    head = remote_head(repo, repo_type)
    there = remote_files(repo, repo_type, head) if head else {}
    files = [_planned(file, there) for file in release.files]
    local = {file.name for file in release.files}
    for name in sorted(_sent_before(folder, repo, repo_type) - local):
        if name in there:
            files.append(PlannedFile(name, Action.DELETE, there[name].bytes, None))
    if options.tag is not None and head is not None:
        changes = any(file.action is not Action.SAME for file in files)
        _check_tag(repo, repo_type, options.tag, head, changes)
    return PushPlan(
        folder,
        repo,
        repo_type,
        head,
        options,
        tuple(sorted(files, key=lambda file: file.name)),
        release.excluded,
        report,
    )


def _planned(file: ReleaseFile, there: dict[str, Any]) -> PlannedFile:
    remote = there.get(file.name)
    if remote is None:
        action = Action.ADD
    else:
        action = Action.SAME if is_same(remote, file.source, file.bytes) else Action.CHANGE
    return PlannedFile(file.name, action, file.bytes, file.source)


def _check_tag(repo: str, repo_type: str, tag: str, head: str, changes: bool) -> None:
    from huggingface_hub import HfApi

    for ref in HfApi().list_repo_refs(repo, repo_type=repo_type).tags:
        if ref.name == tag and (changes or ref.target_commit != head):
            raise HubtoolsError(
                f"The tag {tag} exists in {repo} already, on commit {ref.target_commit[:8]}.",
                hint="choose another --tag",
            )


# --- what was sent before ------------------------------------------------------------------------


def _ledger(folder: Path) -> Path:
    return folder / WORK_DIR / _SENT


def _read_ledger(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(_ledger(folder).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _key(repo: str, repo_type: str) -> str:
    return f"{endpoint()}/{repo_type}s/{repo}"


def _sent_before(folder: Path, repo: str, repo_type: str) -> set[str]:
    """Names that hubtools itself has pushed from this folder; only those are ever deleted."""
    return set(_read_ledger(folder).get(_key(repo, repo_type), {}).get("files", []))


def _note(plan: PushPlan, **facts: Any) -> None:
    content = _read_ledger(plan.root)
    entry = content.setdefault(_key(plan.repo, plan.repo_type), {})
    entry.update(facts)
    write_json(_ledger(plan.root), content)


# --- doing it ------------------------------------------------------------------------------------


def push(
    plan: PushPlan,
    *,
    on_commit: Callable[[int, int], None] = lambda done, total: None,
) -> PushResult:
    """Do what the plan says, then compare every file's hash with the repository's.

    A reader of main sees the old state or the whole new one. Killed at any moment, a new plan and
    push continue: blobs that are there are not sent again. If somebody else committed meanwhile,
    the plan is made anew once. `on_commit(done, total)` counts files. Raises `ChecksFailed` if the
    plan's report has errors, `HubtoolsError` for all that the Hub refuses.
    """
    if not plan.report.ok:
        raise ChecksFailed(
            f"{plan.repo} is not pushed: {plan.report.summary}.",
            hint="fix them, or leave a rule out with --ignore ID",
        )
    with plain_lfs():
        try:
            return _push(plan, on_commit)
        except Exception as error:
            if getattr(getattr(error, "response", None), "status_code", None) != 412:
                raise
            fresh = plan_push(plan.root, plan.repo, plan.repo_type, plan.options)
            return _push(replace(fresh, files=_only(plan, fresh)), on_commit)


def _commit(api: Any, plan: PushPlan, files: Sequence[PlannedFile], **options: Any) -> Any:
    """One commit; if an upload fails, the error says why."""
    try:
        return api.create_commit(plan.repo, _operations(files), repo_type=plan.repo_type, **options)
    except RuntimeError as error:  # the client puts it in front of the real one
        reason = as_sentence(error.__cause__) if error.__cause__ else None
        if reason is None:
            raise
        raise HubtoolsError(f"An upload failed: {reason.message}", hint=reason.hint) from error


def _only(plan: PushPlan, fresh: PushPlan) -> tuple[PlannedFile, ...]:
    """Of a fresh plan, the files the first one spoke of."""
    names = {file.name for file in plan.files}
    return tuple(file for file in fresh.files if file.name in names)


def _push(plan: PushPlan, on_commit: Callable[[int, int], None]) -> PushResult:
    from huggingface_hub import HfApi

    api = HfApi()
    head = plan.head
    if head is None:
        api.create_repo(
            plan.repo, repo_type=plan.repo_type, private=plan.options.private, exist_ok=True
        )
        _note(plan, pending=None)  # of a repository of that name that is gone
        head = remote_head(plan.repo, plan.repo_type)
    url = _url(plan)
    changes = plan.changes
    pr_url = None
    if not changes:
        commit = str(head)
    elif len(changes) <= BATCH:
        info = _commit(
            api,
            plan,
            changes,
            commit_message=plan.message,
            parent_commit=head,
            create_pr=plan.options.pr,
        )
        commit, pr_url = info.oid, info.pr_url
        on_commit(len(changes), len(changes))
    else:
        commit, pr_url = _push_in_parts(api, plan, str(head), on_commit)
    verified = _verify(plan, commit)
    _close_pr(api, plan)
    if not plan.options.pr:
        names = sorted(f.name for f in plan.files if f.action is not Action.DELETE)
        _note(plan, files=names, commit=commit)
        if plan.options.tag is not None:
            api.create_tag(
                plan.repo,
                tag=plan.options.tag,
                revision=commit,
                repo_type=plan.repo_type,
                exist_ok=True,
            )
    return PushResult(
        pr_url or url,
        commit,
        sum(file.source is not None for file in changes),
        sum(file.source is None for file in changes),
        verified,
        pr_url,
        plan.options.tag,
    )


def _url(plan: PushPlan) -> str:
    prefix = "" if plan.repo_type == "model" else f"{plan.repo_type}s/"
    return f"{endpoint()}/{prefix}{plan.repo}"


def _operations(files: Sequence[PlannedFile]) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    return [
        CommitOperationDelete(path_in_repo=file.name)
        if file.source is None
        else CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=str(file.source))
        for file in files
    ]


def _push_in_parts(
    api: Any, plan: PushPlan, head: str, on_commit: Callable[[int, int], None]
) -> tuple[str, str | None]:
    """Several commits on one pull request, merged when all are there. A push that was killed
    goes on with its own pull request; what has left the plan since is taken back there."""
    number = _open_pr(api, plan)
    ref = f"refs/pr/{number}"
    there = remote_files(plan.repo, plan.repo_type, ref)
    todo = [
        file
        for file in plan.files
        if (file.source is None and file.name in there)
        or (file.source and not is_same(there.get(file.name), file.source, file.bytes))
    ]
    known = {file.name for file in plan.files} | {".gitattributes"}  # the Hub writes that one
    known |= remote_files(plan.repo, plan.repo_type, head).keys()
    todo += [
        PlannedFile(name, Action.DELETE, there[name].bytes, None)
        for name in sorted(there.keys() - known)
    ]
    total = max(len(plan.changes), len(todo))
    done = total - len(todo)
    for start in range(0, len(todo), BATCH):
        part = todo[start : start + BATCH]
        _commit(
            api,
            plan,
            part,
            commit_message=f"{plan.message} ({done + len(part)} of {total} files)",
            revision=ref,
        )
        done += len(part)
        on_commit(done, total)
    details = api.get_discussion_details(plan.repo, number, repo_type=plan.repo_type)
    if plan.options.pr:
        commit = api.repo_info(plan.repo, repo_type=plan.repo_type, revision=ref).sha
        _note(plan, pending=None)  # complete; it is the user's now
        return str(commit), details.url
    if details.status == "draft":
        api.change_discussion_status(plan.repo, number, "open", repo_type=plan.repo_type)
    api.merge_pull_request(plan.repo, number, repo_type=plan.repo_type)
    _note(plan, pending=None)
    return str(remote_head(plan.repo, plan.repo_type)), None


def _open_pr(api: Any, plan: PushPlan) -> int:
    pending = _pending_pr(api, plan)
    if pending is not None:
        return pending
    created = api.create_pull_request(plan.repo, title=plan.message, repo_type=plan.repo_type)
    _note(plan, pending=created.num)
    return int(created.num)


def _pending_pr(api: Any, plan: PushPlan) -> int | None:
    """The pull request of a push that did not come to its end, if it can still be written to."""
    from huggingface_hub.errors import HfHubHTTPError

    number = _read_ledger(plan.root).get(_key(plan.repo, plan.repo_type), {}).get("pending")
    if not isinstance(number, int):
        return None
    try:
        details = api.get_discussion_details(plan.repo, number, repo_type=plan.repo_type)
    except HfHubHTTPError as error:
        if error.response is None or error.response.status_code != 404:
            raise
        return None  # the repository was deleted and made again
    alive = details.is_pull_request and details.status in ("draft", "open")
    return number if alive else None


def _close_pr(api: Any, plan: PushPlan) -> None:
    """Close the pull request of an earlier push that this one has done without."""
    number = _pending_pr(api, plan)
    if number is not None:
        api.change_discussion_status(plan.repo, number, "closed", repo_type=plan.repo_type)
        _note(plan, pending=None)


def _verify(plan: PushPlan, commit: str) -> int:
    """Compare every planned file with the commit's tree; give how many were compared."""
    there = remote_files(plan.repo, plan.repo_type, commit)
    wrong = []
    kept = [file for file in plan.files if file.source is not None]
    for file in kept:
        assert file.source is not None
        if not is_same(there.get(file.name), file.source, file.bytes):
            wrong.append(file.name)
    if wrong:
        absent = [name for name in wrong if name not in there]
        raise HubtoolsError(
            f"{len(wrong)} files in {plan.repo} are not what was sent: {', '.join(wrong[:3])}.",
            hint="a .gitignore in the repository keeps files out; remove it there"
            if absent and ".gitignore" in there
            else "push again",
        )
    return len(kept)


# --- plans as files ------------------------------------------------------------------------------


class _SavedFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    source: str
    bytes: int
    sha256: str


class _SavedPlan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    schema_version: int
    root: str
    repo: str
    repo_type: RepoType
    options: PushOptions
    files: list[_SavedFile]


def save_plan(plan: PushPlan, path: Path) -> None:
    """Write the plan with the hash of every file, for a later `load_plan`."""
    saved = _SavedPlan(
        schema_version=_PLAN_SCHEMA,
        root=str(plan.root.absolute()),
        repo=plan.repo,
        repo_type=plan.repo_type,
        options=plan.options,
        files=[
            _SavedFile(
                name=file.name,
                source=file.source.relative_to(plan.root).as_posix(),
                bytes=file.bytes,
                sha256=sha256_of(file.source),
            )
            for file in plan.files
            if file.source is not None
        ],
    )
    write_text(path, saved.model_dump_json(indent=2) + "\n")


def load_plan(path: Path) -> PushPlan:
    """Read a plan and compare it with the disk and the repository as they are now.

    Raises `HubtoolsError` if a file is no longer what was planned.
    """
    try:
        saved = _SavedPlan.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise HubtoolsError(f"There is no plan {path}.") from None
    except ValidationError as error:
        raise HubtoolsError(f"{path} is no push plan: {error.errors()[0]['msg']}.") from None
    root = Path(saved.root)
    for file in saved.files:
        source = root / file.source
        if not source.is_file() or sha256_of(source) != file.sha256:
            raise HubtoolsError(
                f"{source} is not what was planned any more.", hint="make a new plan"
            )
    plan = plan_push(root, saved.repo, saved.repo_type, saved.options)
    planned = {file.name for file in saved.files}
    return replace(
        plan,
        files=tuple(f for f in plan.files if f.source is None or f.name in planned),
    )
