"""P130 to P139: what a release does to the repository as it is, and whether it stands alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from hubtools import frontmatter
from hubtools.dataset.folder.names import fold
from hubtools.findings import Problem, Severity
from hubtools.patterns import regex
from hubtools.publish import alone as alone
from hubtools.publish.commit_tree import COMPARISON_RULES as COMPARISON_RULES
from hubtools.publish.commit_tree import Comparison as Comparison
from hubtools.publish.commit_tree import at_most

# Each has a flag of its own that says what it means; --ignore does not switch them off.
GUARDS = ("P130", "P131", "P132")

_LOOK = "look at it first: take over what you need, or say --overwrite"
_NEXT = (
    "--overwrite makes this its next version, without the files that only that one had; else name"
    " another repository"
)

_LONGEST_PART, _LONGEST_PATH = 255, 1024  # bytes of a name


def _severity(comparison: Comparison) -> Severity:
    lax = comparison.overwrite or comparison.proposes
    return Severity.WARNING if lax else Severity.ERROR


def _clashes(comparison: Comparison, known: bool) -> Iterator[Problem]:
    for name, sent in sorted(comparison.clashes.items()):
        if sent is known:
            who = f" ({comparison.who[name]})" if name in comparison.who else ""
            verb = "delete" if name in comparison.deletes else "replace"
            beside = comparison.beside
            if beside is not None and beside.sent.is_ours(comparison.remote.files[name]):
                yield Problem(
                    f"the repository holds what you pushed from {beside.shown}; this push would"
                    f" {verb} it",
                    _NEXT if comparison.release.repo_type == "model" else _LOOK,
                    name,
                    severity=_severity(comparison),
                )
                continue
            cause = (
                f"it was changed in the repository{who} after you pushed it"
                if sent
                else f"the repository holds another file of this name{who}, which was not pushed"
                " from here"
            )
            yield Problem(
                f"{cause}; this push would {verb} it",
                _LOOK,
                name,
                severity=_severity(comparison),
            )


@COMPARISON_RULES.rule("P130", "Somebody else changed a file of the repository", Severity.ERROR)
def changed_by_others(comparison: Comparison) -> Iterator[Problem]:
    """A file that you pushed was changed in the repository since: by a colleague, or by you on its
    page or from another machine. The push would put your old file over it, or delete it.

    Fix: fetch it and take over what you need; the push then finds it the same. `--overwrite`
    replaces it.
    """
    yield from at_most(list(_clashes(comparison, True)), "files that others changed")


@COMPARISON_RULES.rule("P131", "The repository holds another file of this name", Severity.ERROR)
def unknown_there(comparison: Comparison) -> Iterator[Problem]:
    """hubtools keeps note of what it pushed from a folder. This file is not among it, and what the
    repository holds differs: it came from a colleague, another clone of the folder, another tool,
    or the repository is not the one that you mean. A README.md with nothing but the lines that the
    Hub writes into a new repository does not count. Where you pushed it from a folder beside this
    one, as from that of an earlier run, the finding names that folder.

    Fix: look at it; `--overwrite` replaces it. A LoRA that was pushed from a folder beside this one
    is then followed by its next version: what only that one had is deleted, and `--undo` brings it
    back.
    """
    yield from at_most(list(_clashes(comparison, False)), "files that were not pushed from here")


def settings_command(repo: str | None, repo_type: str, visibility: str) -> str:
    """What is typed to make a repository `public` or `private`, in backquotes."""
    return f"`hf repos settings {repo or 'OWNER/NAME'} --type {repo_type} --{visibility}`"


def discussion_command(doing: str, repo: str, repo_type: str, number: int | str) -> str:
    """What is typed to `merge` or `close` a pull request, in backquotes."""
    return f"`hf discussions {doing} {repo} {number} --type {repo_type}`"


def _settings(comparison: Comparison, visibility: str) -> str:
    release = comparison.release
    return settings_command(release.repo, release.repo_type, visibility)


@COMPARISON_RULES.rule("P132", "The repository is public, the settings say private", Severity.ERROR)
def is_public(comparison: Comparison) -> Iterator[Problem]:
    """The setting `push.private` (the default) says that what you push is for nobody else, but
    the repository exists and everybody can read it: pictures would be public at once. So is what a
    pull request proposes there, merged or not.

    Fix: `--public` (or `private = false` below `[push]`) if that is meant; else make the
    repository private on its settings page, or push to another.
    """
    if comparison.private and comparison.remote.private is False:
        too = ", and so is its pull request, merged or not" if comparison.proposes else ""
        yield Problem(
            f"the repository exists and is public{too}; but push.private says that nobody else"
            " shall see this",
            f"say --public if it is meant; else {_settings(comparison, 'private')} makes the"
            " repository private",
        )


@COMPARISON_RULES.rule("P133", "The repository is private and stays so", Severity.WARNING)
def stays_private(comparison: Comparison) -> Iterator[Problem]:
    """`--public` decides about new repositories. This one exists and is private; a push does not
    make it public.

    Fix: `hf repos settings NAME --type TYPE --public`, or its settings page.
    """
    if not comparison.private and comparison.remote.private:
        yield Problem(
            "the repository exists and is private; a push does not make it public",
            f"{_settings(comparison, 'public')} makes it public",
        )


@COMPARISON_RULES.rule("P134", "The push deletes files of the repository", Severity.INFO)
def deletes(comparison: Comparison) -> Iterator[Problem]:
    """You pushed these files from this folder, and they are in it no more (or stay out now).

    Fix: nothing, if that is meant; the history keeps them.
    """
    found = [
        Problem("it was pushed from here and is in the release no more: it is deleted", None, name)
        for name in comparison.deletes
    ]
    yield from at_most(found, "files that are deleted")


@COMPARISON_RULES.rule("P137", "A symbolic link stays here", Severity.ERROR)
def link_stays(comparison: Comparison) -> Iterator[Problem]:
    """Links are not followed unless you ask for it: they may lead to files that are not meant to be
    published. Without what it leads to the dataset is not the one that you see here.

    Fix: put the file itself in its place; `--resolve-links` publishes the files that links lead
    to, `--drop PATTERN` leaves the link out.
    """
    found = [
        Problem(
            f"it is a symbolic link to {link.leads_to!r}, and not sent: {link.why_not}",
            "put the files themselves in its place, or leave it out with --drop"
            if link.why_not and "not followed" not in link.why_not
            else "--resolve-links sends the file that it leads to; --drop leaves it out",
            link.name,
        )
        for link in comparison.release.links
        if link.why_not is not None
    ]
    yield from at_most(found, "links")


@COMPARISON_RULES.rule("P138", "A file from outside the folder is sent", Severity.WARNING)
def from_outside(comparison: Comparison) -> Iterator[Problem]:
    """`--resolve-links` was given, and this link leads out of the folder.

    Fix: nothing, if that is meant.
    """
    found = [
        Problem(
            f"what is sent is {link.leads_to}, which lies outside the folder",
            "leave it out with --drop if that is not meant",
            link.name,
        )
        for link in comparison.release.links
        if link.why_not is None and link.outside
    ]
    yield from at_most(found, "files from outside")


@COMPARISON_RULES.rule("P139", "A name that cannot be published", Severity.ERROR)
def unusual_name(comparison: Comparison) -> Iterator[Problem]:
    """The Hub refuses names with control characters, backslashes, parts such as `.git` or of more
    than 255 bytes; two files cannot have one name. Two names that differ in case only are one file
    on Windows and macOS, so that whoever fetches the repository there gets one of them. That is a
    warning.

    Fix: rename the file.
    """
    found = []
    twins: dict[str, list[str]] = defaultdict(list)
    for name in sorted(comparison.names):
        twins[fold(name)].append(name)
    counts = Counter(file.name for file in comparison.release.files)
    for file in comparison.release.files:
        if counts[file.name] > 1:
            what = f"{counts[file.name]} files would have this name, {file.source} is one"
            found.append(Problem(what, "rename one of them", file.name))
        if fault := name_fault(file.name):
            shown = file.name.encode("ascii", "backslashreplace").decode()
            found.append(Problem(f"the Hub refuses the name: {fault}", "rename the file", shown))
        others = [name for name in twins[fold(file.name)] if name != file.name]
        if others and file.name < max(others):
            found.append(
                Problem(
                    f"on Windows and macOS {', '.join(others)} is the same file",
                    "rename one of them",
                    file.name,
                    severity=Severity.WARNING,
                )
            )
    found.sort(key=lambda problem: problem.severity is Severity.WARNING)
    yield from at_most(found, "names")


_CONTROL = regex("[\\x00-\\x1f\\x7f]")


def name_fault(name: str) -> str | None:
    """Why the Hub or its client refuses a file name; None if they take it."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if _CONTROL.search(name):
        return "it holds a control character"
    if "\\" in name:
        return "it holds a backslash"
    if len(encoded) > _LONGEST_PATH:
        return f"it is longer than {_LONGEST_PATH} bytes"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return "a part of it is empty, `.` or `..`"
        if part.lower() == ".git" or part == ".cache":
            return f"a part of it is {part}"
        if len(part.encode()) > _LONGEST_PART:
            return f"a part of it is longer than {_LONGEST_PART} bytes"
    return None


# What the Hub writes at the top of a new Space, and below it
# (https://huggingface.co/docs/hub/spaces-config-reference).
_OF_SPACES = frozenset(
    {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file",
     "pinned", "license", "short_description"}
)  # fmt: skip
_BELOW = regex(r"(?:Check out the configuration reference at https?://\S+)?")


def fresh_card(text: str, repo_type: str) -> bool:
    """True for a README.md that holds no more than what the Hub writes for a new repository: front
    matter with a licence or tags, of a Space what it is called and made with."""
    card = frontmatter.parse(text)
    space = repo_type == "space"
    known = card.data.keys() <= (_OF_SPACES if space else {"license", "tags"})
    bare = _BELOW.fullmatch(card.body.strip()) if space else not card.body.strip()
    return card.block is not None and card.error is None and bool(bare) and known
