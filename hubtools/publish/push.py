"""`push`: send what a plan says so that readers see all or nothing, and verify it.

One commit on top of the head that was looked at; beyond `BATCH` files several commits on a
pull request that is merged at the end. `upload_folder` is not used: it commits in parts, follows
links, and obeys a stray .gitignore without a word.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.findings import Severity
from hubtools.hub.client import (
    RemoteFile,
    remote_files,
    remote_head,
)
from hubtools.hub.commit import Committed, Repository
from hubtools.hub.errors import as_sentence, asking, is_unreachable, status_of
from hubtools.hub.patience import WAITS
from hubtools.hub.xet import sending
from hubtools.publish.again import Moved, check_moved, made_anew, moved_since, url_of
from hubtools.publish.collected import put_into_collection
from hubtools.publish.comparison import GUARDS
from hubtools.publish.ledger import Sent, write_ledger
from hubtools.publish.options import PushOptions
from hubtools.publish.outbox import operations
from hubtools.publish.plan import (
    Action,
    PlannedFile,
    PushPlan,
    ledger_key,
    plan_push,
)
from hubtools.publish.plan_file import load_plan, save_plan
from hubtools.publish.privacy import check_private, check_still_private
from hubtools.publish.proof import verified
from hubtools.rooted import Root

# Files in one commit; the Hub's docs advise 50-100 and give a commit 60 s.
BATCH = 100
_PLANS = 3  # made for one push while others commit to its repository


@dataclass(frozen=True)
class PushResult:
    """What happened. `pushed` counts new and changed files, `verified` files compared by hash,
    `pr_url` is the page of the pull request, also of one that held all of it before, `tag` what was
    put on the commit, `collection` the page of the one that the repository is in now."""

    url: str
    commit: str
    pushed: int
    deleted: int
    verified: int
    pr_url: str | None = None
    tag: str | None = None
    collection: str | None = None


class Refused(ChecksFailed):
    """A plan whose report has errors. `plan` is that plan: the one that was given, or the one that
    was made anew because the repository changed meanwhile."""

    def __init__(self, plan: PushPlan) -> None:
        errors = {f.rule for f in plan.report.findings if f.severity is Severity.ERROR}
        hint = "do what each says; --ignore leaves none of these rules out"
        if not errors <= {*GUARDS}:
            hint = "fix them, or leave a rule out with --ignore ID"
        super().__init__(f"{plan.repo} is not pushed: {plan.report.summary}.", hint=hint)
        self.plan = plan


def push(
    plan: PushPlan,
    *,
    on_commit: Callable[[int, int], None] = lambda done, total: None,
) -> PushResult:
    """Do what the plan says, then compare every file's hash in the repository with the plan's.

    A reader of main sees the old state or the whole new one. Killed at any moment, a new plan and
    push continue: blobs that are there are not sent again. If somebody else committed meanwhile,
    the plan is made and judged anew, twice at most; a file of the plan that they changed is left
    to them. One that was read from a file is never made anew: it is refused then.
    `on_commit(done, total)` counts files. Raises `Refused` if the plan's report has errors, or that
    of the new plan; `ChecksFailed` if a file is not what was checked, somebody else changed one, or
    the repository became public; `HubtoolsError` for all that the Hub refuses.
    """
    if plan.done:
        if plan.options.tag is not None and not plan.options.pr:
            _tag(plan, str(plan.head))  # all that a push which was killed at its end may lack
        head, url = str(plan.head), url_of(plan.repo, plan.repo_type)
        collection = put_into_collection(plan, head)
        return PushResult(url, head, 0, 0, len(plan.files), collection=collection)
    _must_pass(plan)
    if plan.proposed is not None:
        waiting = Repository(plan.repo, plan.repo_type)
        commit = waiting.commit_at(f"refs/pr/{plan.proposed}")
        there = f"{url_of(plan.repo, plan.repo_type)}/discussions/{plan.proposed}"
        return PushResult(there, commit, 0, 0, 0, there)
    with Root(plan.root) as root:
        for left in reversed(range(_PLANS)):
            try:
                return _Push(plan, root, on_commit).run()
            except Exception as error:
                if not isinstance(error, Moved) and status_of(error) != 412:
                    raise
                if plan.saved is not None:
                    raise _moved(plan) from None
                if not left:
                    why = "" if isinstance(error, Moved) else " (HTTP 412)"
                    raise HubtoolsError(
                        f"{plan.repo} changes faster than it can be pushed to{why}.",
                        hint="push again later",
                        code="hub-changed",
                    ) from error
                fresh = made_anew(plan)
                if fresh.head is None and isinstance(error.__cause__, Exception):
                    raise error.__cause__ from None  # it is another repository that is in the way
            _must_pass(fresh)
            check_moved(plan, {f.name: f.there for f in fresh.files}, fresh.head)
            plan = fresh
    raise AssertionError("the last plan was pushed or refused")


def _tag(plan: PushPlan, commit: str) -> None:
    Repository(plan.repo, plan.repo_type).tag(str(plan.options.tag), commit)


def _moved(plan: PushPlan) -> ChecksFailed:
    """The error for a plan of a file whose repository is not as it was."""
    assert plan.saved is not None
    now = remote_head(plan.repo, plan.repo_type)
    return moved_since(plan.root, plan.repo, plan.repo_type, plan.head, now, plan.saved)


def _must_pass(plan: PushPlan) -> None:
    if not plan.report.ok:
        raise Refused(plan)


class _Push:
    """One try at one plan."""

    def __init__(self, plan: PushPlan, root: Root, on_commit: Callable[[int, int], None]) -> None:
        self.remote = Repository(plan.repo, plan.repo_type)
        self.plan = plan
        self.root = root
        self.on_commit = on_commit
        self.sent = plan.sent
        self.earlier = plan.sent.files

    def run(self) -> PushResult:
        plan = self.plan
        head = plan.head if plan.head is not None else self.create()
        changes = plan.changes
        pr_url = None
        if changes:
            # whatever becomes of the answer: this much is ours
            offered = {f.name: (f.content.sha256, f.content.sha1) for f in changes if f.content}
            self.note(offered={**self.sent.offered, **offered})
        if not changes:
            commit = head
        elif len(changes) <= BATCH:
            commit, pr_url = self.at_once(changes, head)
            self.on_commit(len(changes), len(changes))
        else:
            commit, pr_url = self.in_parts(head)
        there = verified(plan, commit)
        self.close_pr()
        if not plan.options.pr:
            self.done(there, commit, head)
        check_still_private(plan, commit)
        collection = put_into_collection(plan, commit)
        return PushResult(
            pr_url or url_of(plan.repo, plan.repo_type),
            commit,
            sum(file.source is not None for file in changes),
            sum(file.source is None for file in changes),
            sum(file.source is not None for file in plan.files),
            pr_url,
            None if plan.options.pr else plan.options.tag,
            collection,
        )

    def at_once(self, changes: Sequence[PlannedFile], head: str) -> Committed:
        """One commit. Whose answer is lost may have landed: then it is there, as checked; else
        it is made again, a few times."""
        plan = self.plan
        waits = list(WAITS)
        while True:
            try:
                return self.commit(
                    changes,
                    commit_message=plan.message,
                    parent_commit=head,
                    create_pr=plan.options.pr,
                )
            except Exception as error:
                if plan.options.pr or not is_unreachable(error):
                    raise
                if (landed := self.landed(head)) is not None:
                    return Committed(landed, None)
                if not waits:
                    raise
                time.sleep(waits.pop(0))

    def landed(self, head: str) -> str | None:
        """The commit on main that has all of the plan; None if it is `head` still, or another's."""
        try:
            now = remote_head(self.plan.repo, self.plan.repo_type)
            if now is None or now == head:
                return None
            verified(self.plan, now)
        except ChecksFailed:
            return None
        return now

    def create(self) -> str:
        """Make the repository; somebody who was faster makes the plan another."""
        plan = self.plan
        # of one that is gone
        self.note(files={}, offered={}, pending=None, commit=None, collections=())
        try:
            self.remote.create(private=plan.options.private)
        except Exception as error:
            if status_of(error) != 409:
                raise
            raise Moved(plan.repo) from error
        return str(remote_head(plan.repo, plan.repo_type))

    def note(self, **facts: Any) -> None:
        """Keep in the ledger what has come so far."""
        self.sent = replace(self.sent, **facts)
        write_ledger(self.root, ledger_key(self.plan.repo, self.plan.repo_type), self.sent)

    def done(self, there: dict[str, RemoteFile], commit: str, head: str) -> None:
        plan = self.plan
        mine = {file.name for file in plan.files if file.action is not Action.DELETE}
        kept = {n: mark for n, mark in self.sent.files.items() if n in there and n not in mine}
        files = kept | {name: there[name].mark for name in sorted(mine)}
        before, earlier = self.sent.before, self.sent.earlier
        if commit != head:
            before, earlier = head, self.earlier
        elif commit != self.sent.commit:  # of a push that was killed, or of somebody else
            before, earlier = None, {}
        sent = Sent(
            files, {}, commit, None, before=before, earlier=earlier,
            collections=self.sent.collections,
            undone=self.sent.undone and commit == self.sent.commit,
        )  # fmt: skip
        if sent != self.sent:
            self.sent = sent
            self.note()
        if plan.options.tag is not None:
            _tag(plan, commit)

    def commit(self, files: Sequence[PlannedFile], **options: Any) -> Committed:
        """One commit; if an upload fails, the error says why."""
        plan = self.plan
        with (
            operations(self.root, files) as changes,
            sending(),
        ):
            check_private(plan)
            try:
                with asking(f"commit to {plan.repo}"):
                    where = {k: options[k] for k in ("revision", "create_pr") if k in options}
                    self.remote.upload(changes, **where)
                    check_private(plan)  # that may have taken an hour
                    return self.remote.commit(changes, **options)
            except RuntimeError as error:  # the client puts it in front of the real one
                cause = error.__cause__
                reason = as_sentence(cause) if cause else None
                said = reason.message if reason else " ".join(str(cause or error).split())[:200]
                raise HubtoolsError(
                    f"An upload failed: {said}",
                    hint=reason.hint if reason else "push again",
                    code="hub-failed",
                ) from error

    # --- many files ------------------------------------------------------------------------------

    def in_parts(self, head: str) -> tuple[str, str | None]:
        """Several commits on one pull request, merged when all are there. A push that was killed
        goes on with its own pull request; what has left the plan since is taken back there."""
        plan = self.plan
        number = self.open_pr()
        ref = f"refs/pr/{number}"
        todo = self.todo(ref, head)
        total = max(len(plan.changes), len(todo))
        done = total - len(todo)
        for start in range(0, len(todo), BATCH):
            part = todo[start : start + BATCH]
            self.commit(
                part,
                commit_message=f"{plan.message} ({done + len(part)} of {total} files)",
                revision=ref,
            )
            done += len(part)
            self.on_commit(done, total)
        details = self.remote.pr(number)
        verified(plan, ref)  # before anybody sees it on main
        if plan.options.pr:
            commit = self.remote.commit_at(ref)
            self.note(pending=None)  # complete; it is the user's now
            return commit, details.url
        now = str(remote_head(plan.repo, plan.repo_type))
        if now != head:
            if plan.saved is not None:
                raise _moved(plan)
            there = remote_files(plan.repo, plan.repo_type, now)
            check_moved(plan, {name: file.mark for name, file in there.items()}, now, there)
        check_private(plan)
        if details.status == "draft":
            self.remote.set_pr(number, "open")
        self.remote.merge_pr(number)
        self.note(pending=None)
        return str(remote_head(plan.repo, plan.repo_type)), None

    def todo(self, ref: str, head: str) -> list[PlannedFile]:
        """What the pull request lacks, and what it has too much."""
        plan = self.plan
        there = remote_files(plan.repo, plan.repo_type, ref)
        todo = []
        for file in plan.files:
            remote = there.get(file.name)
            if file.content is None:
                if remote is not None:
                    todo.append(file)
            elif remote is None or not remote.holds(file.content):
                todo.append(file)
        known = {file.name for file in plan.files} | {".gitattributes"}  # the Hub writes that one
        known |= remote_files(plan.repo, plan.repo_type, head).keys()
        return todo + [
            PlannedFile(name, Action.DELETE, there[name].bytes, None)
            for name in sorted(there.keys() - known)
            if self.sent.is_ours(there[name])
        ]

    def open_pr(self) -> int:
        pending = self.pending_pr()
        if pending is not None:
            return pending
        created = self.remote.open_pr(self.plan.message)
        self.note(pending=created.number, opened=created.opened)
        return created.number

    def pending_pr(self) -> int | None:
        """The pull request of a push that did not come to its end, if it can still be written
        to."""
        number = self.sent.pending
        if number is None:
            return None
        try:
            details = self.remote.pr(number)
        except Exception as error:
            if status_of(error) != 404:
                raise
            return None  # the repository was deleted and made again
        if details.opened != self.sent.opened:
            return None  # made again by somebody whose pull request this is
        alive = details.is_pull_request and details.status in ("draft", "open")
        return number if alive else None

    def close_pr(self) -> None:
        """Close the pull request of an earlier push that this one has done without."""
        number = self.pending_pr()
        if number is not None:
            self.remote.set_pr(number, "closed")
            self.note(pending=None)


__all__ = [
    "BATCH",
    "Action",
    "PlannedFile",
    "PushOptions",
    "PushPlan",
    "PushResult",
    "Refused",
    "load_plan",
    "plan_push",
    "push",
    "save_plan",
]
