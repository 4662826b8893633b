"""P130 to P139: what a release does to the repository as it is, and whether it stands alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, BinaryIO

from hubtools import frontmatter
from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Listing, walk
from hubtools.dataset.folder.names import fold
from hubtools.dataset.loaders import Loaded, Outcome, simulate
from hubtools.dataset.metadata import MetadataFile, read_metadata
from hubtools.dataset.metadata.named import resolved
from hubtools.findings import Problem, RuleBook, Severity
from hubtools.hub.client import Remote
from hubtools.publish.release import LEFT_OUT, Release

COMPARISON_RULES: RuleBook[Comparison] = RuleBook()
# Each has a flag of its own that says what it means; --ignore does not switch them off.
GUARDS = ("P130", "P131", "P132")

_MOST = 50  # findings of one rule; the rest is counted
_DEEP = 20  # levels of lists and objects in a record
_LONGEST_PART, _LONGEST_PATH = 255, 1024  # bytes of a name


@dataclass(frozen=True)
class Comparison:
    """A release beside the repository that it goes to.

    `clashes`: files there that would be replaced or deleted and are not what was sent from here;
    the value is True if something was sent under that name. `who`: who changed them, in words.
    `deletes`: names that would be deleted. `proposes`: it is a pull request, which replaces
    nothing by itself.
    """

    release: Release
    remote: Remote = field(default_factory=Remote)
    clashes: Mapping[str, bool] = field(default_factory=dict)
    who: Mapping[str, str] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()
    private: bool = True
    overwrite: bool = False
    proposes: bool = False

    @cached_property
    def names(self) -> frozenset[str]:
        """All names in the repository once this is there."""
        mine = {file.name for file in self.release.files}
        return frozenset(mine | (self.remote.files.keys() - set(self.deletes)))

    @cached_property
    def folder(self) -> Listing:
        """The dataset folder, as `validate` sees it, less what the user left out."""
        listing = walk(self.release.root)
        dropped = {name for name, reason in self.release.excluded if reason == LEFT_OUT}
        kept = tuple(entry for entry in listing.entries if entry.name not in dropped)
        return replace(listing, entries=kept)

    @cached_property
    def listing(self) -> Listing:
        """The dataset folder with nothing in it but the release."""
        mine = {file.name for file in self.release.files}
        kept = tuple(entry for entry in self.folder.entries if entry.name in mine)
        return replace(self.folder, entries=kept, linked_folders=())

    @cached_property
    def metadata(self) -> dict[str, MetadataFile]:
        """The metadata files of the folder by name."""
        files = {file.name: file for file in self.release.files}

        def opener(name: str) -> BinaryIO:
            return self.release.open(files[name]) if name in files else self.folder.open(name)

        listing = replace(self.folder, opener=opener)
        return {e.name: read_metadata(listing, e) for e in self.folder.metadata}


def _severity(comparison: Comparison) -> Severity:
    lax = comparison.overwrite or comparison.proposes
    return Severity.WARNING if lax else Severity.ERROR


def _at_most(problems: list[Problem], what: str) -> Iterator[Problem]:
    yield from problems[:_MOST]
    if len(problems) > _MOST:
        rest = f"and {len(problems) - _MOST:,} more {what}"
        yield Problem(rest, severity=problems[0].severity)


def _clashes(comparison: Comparison, known: bool) -> Iterator[Problem]:
    for name, sent in sorted(comparison.clashes.items()):
        if sent is known:
            who = f" ({comparison.who[name]})" if name in comparison.who else ""
            verb = "delete" if name in comparison.deletes else "replace"
            cause = (
                f"it was changed in the repository{who} after you pushed it"
                if sent
                else f"the repository holds another file of this name{who}, which was not pushed"
                " from here"
            )
            yield Problem(
                f"{cause}; this push would {verb} it",
                "look at it first: take over what you need, or say --overwrite",
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
    yield from _at_most(list(_clashes(comparison, True)), "files that others changed")


@COMPARISON_RULES.rule("P131", "The repository holds another file of this name", Severity.ERROR)
def unknown_there(comparison: Comparison) -> Iterator[Problem]:
    """hubtools keeps note of what it pushed from a folder. This file is not among it, and what the
    repository holds differs: it came from a colleague, another clone of the folder, another tool,
    or the repository is not the one that you mean. A README.md with nothing but the lines that the
    Hub writes into a new repository does not count.

    Fix: look at it; `--overwrite` replaces it.
    """
    yield from _at_most(list(_clashes(comparison, False)), "files that were not pushed from here")


@COMPARISON_RULES.rule("P132", "The repository is public, the settings say private", Severity.ERROR)
def is_public(comparison: Comparison) -> Iterator[Problem]:
    """The setting `push.private` (the default) says that what you push is for nobody else, but
    the repository exists and everybody can read it: pictures would be public at once.

    Fix: `--public` (or `private = false` below `[push]`) if that is meant; else make the
    repository private on its settings page, or push to another.
    """
    if comparison.private and comparison.remote.private is False:
        yield Problem(
            "the repository exists and is public, but push.private says that nobody else shall"
            " see this",
            "say --public if it is meant; else make the repository private on its settings page",
        )


@COMPARISON_RULES.rule("P133", "The repository is private and stays so", Severity.WARNING)
def stays_private(comparison: Comparison) -> Iterator[Problem]:
    """`--public` decides about new repositories. This one exists and is private; a push does not
    make it public.

    Fix: make it public on its settings page.
    """
    if not comparison.private and comparison.remote.private:
        yield Problem(
            "the repository exists and is private; a push does not make it public",
            "do that on its settings page",
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
    yield from _at_most(found, "files that are deleted")


@COMPARISON_RULES.rule("P135", "A record names a picture that is not sent", Severity.ERROR)
def absent_picture(comparison: Comparison) -> Iterator[Problem]:
    """A commit stands alone: whoever loads it has no other files. A record whose picture is
    missing (it is a link, it stays here, its name differs in case) stops loaders, or loads without
    a picture.

    Fix: put the picture into the folder, or remove the record (`hubtools fix`).
    """
    if comparison.release.repo_type != "dataset":
        return
    mine = {file.name for file in comparison.release.files}
    alike = {fold(name): name for name in comparison.names}
    stays = dict(comparison.release.excluded)
    found = []
    for file in comparison.metadata.values():
        if file.name not in mine:
            continue
        for row in file.rows:
            for value in _file_names(row.values):
                name = resolved(file.entry.folder, value)
                if name is None or name in comparison.names:
                    continue
                near = alike.get(fold(name))
                why = f": {stays[name]}" if name in stays else ""
                why = f"; there is {near!r}, which is another name" if near else why
                found.append(
                    Problem(
                        f"the record names {name!r}, which would not be in the repository{why}",
                        "send the picture, or remove the record",
                        file.name,
                        row.line,
                    )
                )
                if len(found) > 10_000:
                    break
    yield from _at_most(found, "records without their picture")


def _file_names(values: Any, depth: int = 0) -> Iterator[Any]:
    """What a record names in `file_name`, `*_file_name`, `file_names` and `*_file_names`."""
    if depth > _DEEP:
        return
    if isinstance(values, dict):
        for key, value in values.items():
            if isinstance(key, str) and (key == "file_name" or key.endswith("_file_name")):
                yield value
            elif isinstance(key, str) and (key == "file_names" or key.endswith("_file_names")):
                yield from value if isinstance(value, list) else ()
            elif isinstance(value, (dict, list)):
                yield from _file_names(value, depth + 1)
    elif isinstance(values, list):
        for value in values:
            if isinstance(value, (dict, list)):
                yield from _file_names(value, depth + 1)


@COMPARISON_RULES.rule("P136", "The repository would load with other rows", Severity.ERROR)
def other_rows(comparison: Comparison) -> Iterator[Problem]:
    """`load_dataset("owner/name")` would make something else of the files that are sent than of
    the folder that `hubtools validate` looks at: some of its files stay here.

    Fix: send them too (--keep, --resolve-links), or take them out of the folder, so that both are
    the same.
    """
    if comparison.release.repo_type != "dataset":
        return
    visible = {e.name for e in comparison.folder.entries if not e.hidden and not e.junk}
    if visible <= {file.name for file in comparison.release.files}:
        return  # all that a loader can see
    # whether pictures decode is for `validate` to say
    sound = [e.name for e in comparison.folder.entries if e.ending in PICTURE_ENDINGS]
    here = simulate(comparison.folder, comparison.metadata.values(), sound)[0]
    mine = {file.name for file in comparison.release.files}
    metadata = [file for file in comparison.metadata.values() if file.name in mine]
    there = simulate(comparison.listing, metadata, [name for name in sound if name in mine])[0]
    if here.outcome in (Outcome.RAISES, Outcome.MAY_RAISE) or _same_rows(here, there):
        return
    lost = [name for name in _row_files(here) if name not in set(_row_files(there))]
    named = f"; the first without their rows: {', '.join(lost[:3])}" if lost else ""
    yield Problem(
        f"of the folder a stock loader makes {_said(here)}, of what would be sent"
        f" {_said(there)}{named}",
        "send what stays here too (--keep, --resolve-links), or take it out of the folder",
    )


def _same_rows(one: Loaded, other: Loaded) -> bool:
    def shape(loaded: Loaded) -> tuple[object, ...]:
        splits = tuple((s.name, s.rows, s.columns, s.pictures) for s in loaded.splits)
        return (loaded.outcome, splits)

    return shape(one) == shape(other)


def _row_files(loaded: Loaded) -> list[str]:
    return [name for split in loaded.splits for name in split.files if name]


def _said(loaded: Loaded) -> str:
    if loaded.outcome is Outcome.RAISES:
        return f"an error ({loaded.reason})"
    rows = ", ".join(
        f"{split.name}: {'?' if split.rows is None else split.rows} rows" for split in loaded.splits
    )
    pictures = sum(name is not None for split in loaded.splits for name in split.files)
    return f"{rows or 'nothing'} with {pictures} pictures"


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
    yield from _at_most(found, "links")


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
    yield from _at_most(found, "files from outside")


@COMPARISON_RULES.rule("P139", "A name that cannot be published", Severity.ERROR)
def unusual_name(comparison: Comparison) -> Iterator[Problem]:
    """The Hub refuses names with control characters, backslashes, parts such as `.git` or of more
    than 255 bytes; two files cannot have one name. Two names that differ in case only are one file
    on Windows and macOS, so that whoever fetches the repository there gets one of them.

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
    yield from _at_most(found, "names")


def name_fault(name: str) -> str | None:
    """Why the Hub or its client refuses a file name; None if they take it."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if any(ord(mark) < 32 or ord(mark) == 127 for mark in name):
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


def fresh_card(text: str) -> bool:
    """True for a README.md that holds no more than what the Hub writes for a new repository: front
    matter with a licence or tags."""
    card = frontmatter.parse(text)
    known = set(card.data) <= {"license", "tags"}
    return card.block is not None and card.error is None and not card.body.strip() and known
