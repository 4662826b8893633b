"""`push --undo`: a repository as it was before the last push from a folder.

One commit on top, nothing is rewritten: readers of main see the old state again, and what was
pushed stays in the history. It is refused where somebody else committed since. Undoing an undo is
the push again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.files import StrPath
from hubtools.hub.client import RemoteFile, remote_files, remote_head
from hubtools.hub.commit import Repository, copy, deletion, regular
from hubtools.hub.errors import asking, status_of
from hubtools.hub.reading import get
from hubtools.hub.xet import sending
from hubtools.publish.again import url_of
from hubtools.publish.comparison import discussion_command
from hubtools.publish.content import content_in
from hubtools.publish.ledger import NAME, Sent, read_ledger, write_ledger
from hubtools.publish.plan import ledger_key
from hubtools.rooted import Root
from hubtools.trust import ForeignState

RepoType = Literal["model", "dataset", "space"]
_PART = 500  # files of one commit: copies send nothing


@dataclass(frozen=True)
class UndoPlan:
    """From `pushed`, the commit of the last push, back to what `before` `held`: `restored` files
    are there again or have their earlier content, `removed` ones came with the push. `head`: main
    as it is now, which an undo that was killed has brought nearer to that."""

    root: Path
    repo: str
    repo_type: RepoType
    head: str
    pushed: str
    before: str
    held: Mapping[str, RemoteFile]
    restored: tuple[RemoteFile, ...]
    removed: tuple[str, ...]
    sent: Sent
    tags: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Of the files that come back."""
        return sum(file.bytes for file in self.restored)


@dataclass(frozen=True)
class Undone:
    """What happened: the commit, and how many files it changed."""

    url: str
    commit: str
    restored: int
    removed: int


def plan_undo(
    folder: StrPath, repo: str, repo_type: RepoType, *, trust_state: bool = False
) -> UndoPlan:
    """What `undo` would do. Raises `HubtoolsError` if nothing was pushed from this folder,
    `ChecksFailed` if somebody else committed since, or if a pull request was opened from here since
    and is open still, `ForeignState` if somebody else wrote what is
    remembered of the push and `trust_state` is not given."""
    with Root(folder) as root:
        known, own = read_ledger(root)
        sent = known.get(ledger_key(repo, repo_type))
        place = root.path
    if sent is None or sent.commit is None:
        raise HubtoolsError(
            f"Nothing is known of a push from {place} to {repo}.",
            hint=f"only pushes to main from this folder can be undone; {url_of(repo, repo_type)}"
            "/commits/main lists all commits",
            code="nothing-there",
        )
    if not own and not trust_state:
        raise ForeignState(
            place / NAME, f"undo commit {sent.commit[:8]} of {repo}", (f"undo {sent.commit}",)
        )
    if sent.before is None:
        raise HubtoolsError(
            f"It is not known what {repo} held before that push.",
            hint="push once more; the next one can be undone",
            code="not-supported",
        )
    head = remote_head(repo, repo_type)
    if head is None:
        raise HubtoolsError(f"{repo} does not exist.", code="nothing-there")
    now, then = _now_and_then(repo, repo_type, head, sent.commit, sent.before, sent.undoing)
    if now is None:
        raise ChecksFailed(
            f"{repo} is at {head[:8]}, and the push from {place} was {sent.commit[:8]}: somebody"
            " committed since.",
            hint=f"see {url_of(repo, repo_type)}/commits/main; take back by hand what is not meant",
        )
    if sent.offered and not sent.undoing and (waiting := _waiting(repo, repo_type)) is not None:
        raise ChecksFailed(
            f"{repo} has an open pull request, #{waiting}, and something was sent from {place}"
            f" since the push {sent.commit[:8]}, which would be taken back, not the pull request.",
            hint="close it first, on its page or by "
            + discussion_command("close", repo, repo_type, waiting),
        )
    with asking(f"tags of {repo}"):
        tags = Repository(repo, repo_type).tags()
    return UndoPlan(
        place,
        repo,
        repo_type,
        head,
        sent.commit,
        sent.before,
        then,
        tuple(
            file for name, file in sorted(then.items())
            if name not in now or now[name].mark != file.mark
        ),
        tuple(sorted(now.keys() - then.keys())),
        sent,
        tuple(sorted(name for name, commit in tags.items() if commit == sent.commit)),
    )  # fmt: skip


def pushed_to(folder: StrPath, repo_type: RepoType) -> str | None:
    """The repository that this user has pushed `folder` to; None if there are several or none."""
    with Root(folder) as root:
        known, own = read_ledger(root)
    begin = ledger_key("", repo_type)
    repos = [key.removeprefix(begin) for key, sent in known.items() if sent.commit]
    found = [repo for repo in repos if f"{begin}{repo}" in known]
    return found[0] if own and len(found) == 1 else None


def _waiting(repo: str, repo_type: RepoType) -> int | None:
    """The newest pull request that is open."""
    with asking(f"pull requests of {repo}"):
        return max(Repository(repo, repo_type).open_prs(), default=None)


def _now_and_then(
    repo: str, repo_type: RepoType, head: str, pushed: str, before: str, undoing: bool
) -> tuple[Mapping[str, RemoteFile] | None, Mapping[str, RemoteFile]]:
    """The files at `head`, None if somebody committed since the push, and those before it. Where an
    undo was killed, each file may be as the push left it or as it was before."""
    if head != pushed and not undoing:
        return None, {}
    now = remote_files(repo, repo_type, head)
    then = _files_of(repo, repo_type, before)
    if head == pushed:
        return now, then
    left = _files_of(repo, repo_type, pushed)

    def mark(files: Mapping[str, RemoteFile], name: str) -> str | None:
        return files[name].mark if name in files else None

    on_the_way = all(
        mark(now, name) in (mark(left, name), mark(then, name))
        for name in now.keys() | left.keys() | then.keys()
    )
    return (now if on_the_way else None), then


def _files_of(repo: str, repo_type: RepoType, revision: str) -> dict[str, RemoteFile]:
    try:
        return remote_files(repo, repo_type, revision)
    except Exception as error:
        if status_of(error) != 404:
            raise
        raise HubtoolsError(
            f"{repo} has no commit {revision[:8]} any more: its history was squashed.",
            hint="push the files that are meant",
            code="nothing-there",
        ) from error


def undo(
    plan: UndoPlan, *, on_commit: Callable[[int, int], None] = lambda done, total: None
) -> Undone:
    """Do what the plan says and compare every file with the earlier state. Raises `ChecksFailed` if
    somebody committed meanwhile, or if a file is not what it was."""
    remote = Repository(plan.repo, plan.repo_type)
    key = ledger_key(plan.repo, plan.repo_type)
    # whatever becomes of the answer: what is there then is ours, and the same command goes on
    offered = {**plan.sent.offered, **{file.name: (file.mark,) for file in plan.restored}}
    with Root(plan.root) as root:
        write_ledger(root, key, replace(plan.sent, offered=offered, undoing=True))
    every: list[str | RemoteFile] = [*plan.removed, *plan.restored]
    commit = plan.head
    with sending():
        for start in range(0, len(every), _PART):
            part = every[start : start + _PART]
            commit = _committed(remote, plan, [_change(plan, one) for one in part], commit)
            on_commit(start + len(part), len(every))
    _verify(plan, commit)
    earlier = plan.sent.earlier
    back = replace(
        plan.sent, files=earlier, offered={}, commit=commit, before=plan.pushed,
        earlier=plan.sent.files, pending=None, undoing=False, undone=not plan.sent.undone,
    )  # fmt: skip
    with Root(plan.root) as root:
        write_ledger(root, key, back)
    return Undone(url_of(plan.repo, plan.repo_type), commit, len(plan.restored), len(plan.removed))


def _change(plan: UndoPlan, one: str | RemoteFile) -> Any:
    """What takes a file away, or brings it back: the Hub copies large ones. Of others the client
    would fetch the bytes and send them unseen. Raises `ChecksFailed` if they are not what was."""
    if isinstance(one, str):
        return deletion(one)
    if one.sha256 is not None:
        return copy(one.name, plan.before)
    with asking(f"{one.name} of {plan.repo}"):
        status, data = get(plan.repo, plan.repo_type, plan.before, one.name, most=one.bytes)
    if status >= 400 or not one.holds(content_in(data)):
        raise ChecksFailed(
            f"{one.name} of {plan.repo} does not arrive as it was in {plan.before[:8]}; nothing is"
            " undone with it.",
            hint="try again later; check HF_ENDPOINT if it stays so",
        )
    return regular(one.name, data)


def _committed(remote: Repository, plan: UndoPlan, changes: Sequence[Any], parent: str) -> str:
    try:
        with asking(f"commit to {plan.repo}"):
            return remote.commit(
                changes,
                commit_message=f"Undo {plan.pushed[:8]}, back to {plan.before[:8]}",
                parent_commit=parent,
            ).commit
    except Exception as error:
        if status_of(error) != 412:
            raise
        raise ChecksFailed(
            f"{plan.repo}: somebody committed meanwhile; nothing was undone"
            + (" but a part." if parent != plan.head else "."),
            hint=f"see {url_of(plan.repo, plan.repo_type)}/commits/main",
        ) from error


def _verify(plan: UndoPlan, commit: str) -> None:
    there, wanted = remote_files(plan.repo, plan.repo_type, commit), plan.held
    wrong = sorted(
        name
        for name in there.keys() | wanted.keys()
        if name not in there or name not in wanted or there[name].mark != wanted[name].mark
    )
    if wrong:
        raise ChecksFailed(
            f"{plan.repo} is not as it was before: {', '.join(wrong[:5])}.",
            hint=f"see {url_of(plan.repo, plan.repo_type)}/commits/main",
        )
