"""What a push will do: compare a release with the repository, judge it, and send nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from hubtools.files import StrPath
from hubtools.findings import Report
from hubtools.hub.client import (
    Remote,
    RemoteFile,
    check_access,
    endpoint,
    full_repo_id,
    has_token,
    last_changes,
    look,
    open_file,
    seen_by_anybody,
    untouched,
)
from hubtools.hub.collections import Collection, find
from hubtools.hub.download import fetched
from hubtools.hub.names import repository_named
from hubtools.publish.applied import apply_rules, judges_pictures, may_be_known
from hubtools.publish.book import refuse_to_ignore_secrets
from hubtools.publish.comparison import Comparison, discussion_command, fresh_card
from hubtools.publish.content import Content
from hubtools.publish.judged import RuleChoice
from hubtools.publish.ledger import NAME, Beside, Sent, pushed_beside, read_ledger
from hubtools.publish.options import PushOptions
from hubtools.publish.passing import decoded_in_passing
from hubtools.publish.proposed import of_earlier_pushes, proposed
from hubtools.publish.release import Release, ReleaseFile, RepoType, collect
from hubtools.publish.tagging import check_tag
from hubtools.publish.words import refuse_secrets
from hubtools.reporting.baseline import known_aside
from hubtools.rooted import Root
from hubtools.trust import NOT_OURS, ForeignState

_CARD = "README.md"
_SMALL_CARD = 2000  # bytes


class Action(StrEnum):
    """What happens to a file of the repository."""

    ADD = "add"
    CHANGE = "change"
    SAME = "same"
    DELETE = "delete"


@dataclass(frozen=True)
class PlannedFile:
    """A file of the repository and what happens to it.

    `source` and `content` (what was checked, and is sent) are None for deletions; `there` is the
    mark of what the repository holds now, None for nothing.
    """

    name: str
    action: Action
    bytes: int
    source: Path | None
    content: Content | None = None
    there: str | None = None


@dataclass(frozen=True)
class PushPlan:
    """Everything a push will do. `head` is the commit it builds on and `remote_private` whether
    the repository is; both None for a new one. `sent`: what was sent before. `notes` are sentences
    for the user. `saved`: the file that it was read from, if it was; it then builds on no other
    head. `done`: all of it is in the repository already. `collection`: the one that the repository
    is put into. `proposed`: the number of an open pull request that holds all changes."""

    root: Path
    repo: str
    repo_type: RepoType
    head: str | None
    options: PushOptions
    files: tuple[PlannedFile, ...]
    excluded: tuple[tuple[str, str], ...]
    report: Report
    remote_private: bool | None = None
    sent: Sent = field(default_factory=Sent)
    notes: tuple[str, ...] = ()
    saved: Path | None = None
    done: bool = False
    collection: Collection | None = None
    proposed: int | None = None

    @property
    def message(self) -> str:
        """Of the commit."""
        return self.options.message or f"Push {self.repo_type} with hubtools"

    @property
    def changes(self) -> tuple[PlannedFile, ...]:
        """All files but those that stay as they are."""
        return tuple(file for file in self.files if file.action is not Action.SAME)

    @property
    def deletions(self) -> tuple[str, ...]:
        """Names that are deleted."""
        return tuple(file.name for file in self.files if file.action is Action.DELETE)

    @property
    def bytes_sent(self) -> int:
        """Bytes of new and changed files."""
        return sum(file.bytes for file in self.changes if file.source is not None)

    @property
    def visibility(self) -> str:
        """Who can see the repository once this is done: `new, private` or `existing, public`."""
        private = self.options.private if self.head is None else self.remote_private
        return f"{'new' if self.head is None else 'existing'}, {'private' if private else 'public'}"


def plan_push(
    folder: StrPath,
    repo: str,
    repo_type: RepoType,
    options: PushOptions | None = None,
    *,
    trust_state: bool = False,
    only_shown: bool = False,
    sent: Sent | None = None,
) -> PushPlan:
    """Compare the release at `folder` with the repository and say what would change.

    Nothing is sent. `plan.report` holds what the P rules found; a plan with errors cannot be
    pushed. Raises `UsageError` if `ignore` would leave out the search for
    secrets, `HubtoolsError` if the token cannot write there, the tag exists elsewhere or a
    file changes meanwhile, and `ForeignState` if the folder's ledger, which is not this user's,
    would delete files or go on with a pull request (`trust_state`: let it).
    `only_shown`: the plan is not for a push, so that no token is needed; where the Hub is not
    reached, or shows no such repository, the plan is that of a new one and says so. `sent`: what
    was sent before, if the caller knows.
    """
    options = options or PushOptions()
    if not only_shown or has_token():
        return _beside_others(make_plan(Path(folder), repo, repo_type, options, trust_state, sent))
    name = repository_named(repo, repo_type)
    remote, note = seen_by_anybody(name, repo_type)
    plan = make_plan(Path(folder), name, repo_type, options, trust_state, sent, remote=remote)
    return replace(plan, notes=(*plan.notes, note))


def _beside_others(plan: PushPlan) -> PushPlan:
    """The plan, which says what of earlier pushes waits beside a pull request that it opens."""
    opens = plan.options.pr and plan.head is not None and plan.changes and plan.proposed is None
    if not opens or plan.sent.pending is not None:
        return plan
    waiting = of_earlier_pushes(plan.repo, plan.repo_type, plan.message)
    notes = (
        f"the pull request #{number} of an earlier push is open there, too, and holds something"
        f" else; {discussion_command('close', plan.repo, plan.repo_type, number)} closes it"
        for number in waiting
    )
    return replace(plan, notes=(*plan.notes, *notes))


def judge_alone(folder: StrPath, repo_type: RepoType, options: PushOptions) -> Report:
    """What the P rules say of the release at `folder` in a repository of its own that is made for
    it. No Hub is asked."""
    name = Path(folder).absolute().name
    return make_plan(Path(folder), name, repo_type, options, False, Sent(), remote=Remote()).report


def make_plan(
    folder: Path,
    repo: str,
    repo_type: RepoType,
    options: PushOptions,
    trust_state: bool,
    sent: Sent | None,
    pick: Callable[[Release], Release] = lambda release: release,
    deletes: frozenset[str] | None = None,
    remote: Remote | None = None,
) -> PushPlan:
    """`plan_push`, with what was `sent` before if the caller knows it; of the release what `pick`
    leaves, and no deletion but of these names. The repository is not looked at if the caller says
    what is in it."""
    refuse_to_ignore_secrets((*options.ignore, *options.rules.publishing.left_out))
    refuse_secrets(repo, options.message, options.tag, options.allowed_secrets, options.collection)
    collection, asked = None, remote is None
    if remote is None:
        repo = full_repo_id(repository_named(repo, repo_type))
        check_access(repo, repo_type, pr=options.pr)
        remote = look(repo, repo_type)
        collection = collection_for(options, repo, repo_type, remote)
    release = collect(folder, repo_type, **options.of_release)
    release = replace(pick(release), repo=repo if "/" in repo else None)
    with Root(folder) as root:
        notes: tuple[str, ...] = ()
        beside: Beside | None = None
        if sent is None:
            key = ledger_key(repo, repo_type)
            sent, notes = _sent_before(root, release, remote, key, repo, trust_state)
            if not sent.files:
                beside = pushed_beside(root.path, key, remote.files)
            if beside is not None and options.overwrite and repo_type == "model":
                sent = beside.sent
                notes = (*notes, f"the next version of what was pushed from {beside.shown}")
        judged = judges_pictures(release, options.ignore, options.rules)
        release = decoded_in_passing(release, root) if judged else release.looked_at(root)
        hashed = [file.hashed for file in release.files if file.hashed is not None]
        files = [
            _planned(file, seen.content, remote.files)
            for file, seen in zip(release.files, hashed, strict=True)
        ]
        gone = _deletions(release, remote, sent)
        files += [file for file in gone if deletes is None or file.name in deletes]
        report = _judged(release, remote, files, sent, options, repo, beside)
        for seen in hashed:
            seen.check(root)  # what the rules read is what was hashed
    if options.tag is not None:
        changes = any(file.action is not Action.SAME for file in files)
        check_tag(repo, repo_type, options.tag, remote.head, changes)
    return PushPlan(
        folder,
        repo,
        repo_type,
        remote.head,
        options,
        tuple(sorted(files, key=lambda file: file.name)),
        release.excluded,
        report,
        remote.private,
        sent,
        (*_left_out(options.rules), *notes),
        collection=collection,
        proposed=_proposed(files, sent, repo, repo_type, remote) if options.pr and asked else None,
    )


def _proposed(
    files: Sequence[PlannedFile], sent: Sent, repo: str, repo_type: RepoType, remote: Remote
) -> int | None:
    """The open pull request that holds all changes: one that was sent from here, or, as of a clone,
    one of the same user with no other change. What a killed push has left is gone on with."""
    changes = {file.name: file for file in files if file.action is not Action.SAME}
    if not changes or remote.head is None or sent.pending is not None:
        return None
    new = {name: file.content for name, file in changes.items() if file.content is not None}
    ours = all({c.sha256, c.sha1} & {*sent.offered.get(name, ())} for name, c in new.items())
    kept = {name: file.mark for name, file in remote.files.items() if name not in changes}

    def holds(there: Mapping[str, RemoteFile]) -> bool:
        rest = {name: file.mark for name, file in there.items() if name not in changes}
        rest |= {n: kept[n] for n in kept if n == ".gitattributes"}  # the Hub adds to that one
        return (ours or rest == kept) and all(
            name in there and there[name].holds(new[name]) if name in new else name not in there
            for name in changes
        )

    return proposed(repo, repo_type, holds, mine=not ours)


def collection_for(
    options: PushOptions, repo: str, repo_type: RepoType, remote: Remote | None
) -> Collection | None:
    """The collection that a push is to put the repository into, looked up; None if none is asked
    for, or the push opens a pull request. Raises as `collections.find`."""
    if options.collection is None or options.pr:
        return None
    known = remote is not None and remote.head is not None
    private = bool(remote.private) if known and remote is not None else options.private
    return find(options.collection, repo, repo_type, private=private)


def ledger_key(repo: str, repo_type: str) -> str:
    """Under which the ledger knows a repository."""
    return f"{endpoint()}/{repo_type}s/{repo}"


def _sent_before(
    root: Root, release: Release, remote: Remote, key: str, repo: str, trust_state: bool
) -> tuple[Sent, tuple[str, ...]]:
    """What the ledger says was sent, if it is to be believed, and what the user must know."""
    known, own = read_ledger(root)
    sent = known.get(key, Sent())
    if own or trust_state:
        return sent, ()
    path = root.path / NAME
    would = [f"delete {file.name}" for file in _deletions(release, remote, sent)]
    if sent.pending is not None and remote.head is not None:
        would.append(f"go on with pull request {sent.pending}")
    if would:
        more = f" (and {len(would) - 1} things more)" if len(would) > 1 else ""
        raise ForeignState(path, f"{would[0]} in {repo}{more}", tuple(would))
    note = f"{path} {NOT_OURS}; what it says was pushed is not believed (--trust-state does)"
    return Sent(), (note,)


def _deletions(release: Release, remote: Remote, sent: Sent) -> list[PlannedFile]:
    """Only what hubtools itself has pushed from this folder is ever deleted."""
    local = {file.name for file in release.files}
    return [
        PlannedFile(name, Action.DELETE, there.bytes, None, None, there.mark)
        for name in sorted(sent.files.keys() - local)
        if (there := remote.files.get(name)) is not None
    ]


def _planned(file: ReleaseFile, content: Content, there: dict[str, RemoteFile]) -> PlannedFile:
    remote = there.get(file.name)
    if remote is None:
        return PlannedFile(file.name, Action.ADD, content.bytes, file.source, content)
    action = Action.SAME if remote.holds(content) else Action.CHANGE
    return PlannedFile(file.name, action, content.bytes, file.source, content, remote.mark)


def _judged(
    release: Release,
    remote: Remote,
    files: Sequence[PlannedFile],
    sent: Sent,
    options: PushOptions,
    repo: str,
    beside: Beside | None,
) -> Report:
    touched = [file for file in files if file.action in (Action.CHANGE, Action.DELETE)]
    ours = _ours(touched, remote, sent, repo, release.repo_type)
    clashes = {file.name: file.name in sent.files for file in touched if file.name not in ours}
    if _CARD in clashes and not clashes[_CARD] and _is_fresh(remote, repo, release.repo_type):
        del clashes[_CARD]
    comparison = Comparison(
        release,
        remote,
        clashes,
        last_changes(repo, release.repo_type, clashes, str(remote.head)) if clashes else {},
        tuple(file.name for file in files if file.action is Action.DELETE),
        options.private,
        options.overwrite,
        options.pr,
        partial(open_file, repo, release.repo_type, str(remote.head)),
        beside,
    )
    found, rules = apply_rules(release, comparison, options.ignore, options.rules)
    counts = {f"{action.value}": sum(file.action is action for file in files) for action in Action}
    private = options.private if remote.head is None else remote.private
    facts: dict[str, Any] = {
        "repository": repo,
        "exists": remote.head is not None,
        "visibility": "private" if private else "public",
        **counts,
    }
    report = Report(repo, tuple(found), facts, tuple(rules))
    return known_aside(report, options.rules.baseline, may_be_known)


def _ours(
    touched: Sequence[PlannedFile], remote: Remote, sent: Sent, repo: str, repo_type: str
) -> set[str]:
    """Those of the files that are in the repository as we have left them: the same bytes, and
    nobody has touched them since our commit.

    An older ledger (of a backup) knows files that were deleted since, and that a colleague has put
    back. Where our commit is gone from the history, the same bytes are enough to replace a file,
    but not to delete it.
    """
    same = [file for file in touched if sent.is_ours(remote.files[file.name])]
    names = [file.name for file in same if file.action is Action.DELETE or not _offered(sent, file)]
    known = untouched(repo, repo_type, names, sent.commit, str(remote.head)) if names else set()
    return {
        file.name
        for file in same
        if file.name not in names
        or (file.action is not Action.DELETE if known is None else file.name in known)
    }


def _offered(sent: Sent, file: PlannedFile) -> bool:
    """Whether it is there by a commit of ours of which we had no answer."""
    return file.there in sent.offered.get(file.name, ())


def _left_out(choice: RuleChoice) -> tuple[str, ...]:
    """A note on the P rules that the project's file leaves out: it may be from anybody."""
    told = ", ".join(dict.fromkeys(prefix.upper() for prefix in choice.publishing.left_out))
    return (f"[rules] of hubtools.toml leaves out {told} of what push checks",) if told else ()


def _is_fresh(remote: Remote, repo: str, repo_type: str) -> bool:
    """True if the card there is the one that the Hub writes into a new repository."""
    there = remote.files[_CARD]
    if there.bytes > _SMALL_CARD:
        return False
    path = fetched(repo, _CARD, revision=remote.head, repo_type=repo_type)
    return fresh_card(path.read_text(encoding="utf-8", errors="replace"), repo_type)
