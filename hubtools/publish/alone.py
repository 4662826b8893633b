"""P135, P136 and P153: a commit stands alone, loads as the folder does, and its card shows what
is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubtools.cardlinks import gallery_files, linked_files, loaded_files, names_meant
from hubtools.dataset.folder.names import fold
from hubtools.dataset.loaders import Loaded, Outcome
from hubtools.dataset.metadata.named import resolved
from hubtools.dataset.metadata.roles import names_file, names_files
from hubtools.findings import Problem, Severity, shortened
from hubtools.frontmatter import lines_of
from hubtools.layout import CARD, METADATA_NAMES
from hubtools.licensing.advice import card_command
from hubtools.publish.commit_tree import COMPARISON_RULES, Comparison, at_most, loaded

_DEEP = 20  # levels of lists and objects in a record


@COMPARISON_RULES.rule("P135", "A record names a picture that is not sent", Severity.ERROR)
def absent_picture(comparison: Comparison) -> Iterator[Problem]:
    """A commit stands alone: whoever loads it has no other files. A record whose picture is
    missing (it is a link, it stays here, its name differs in case) stops loaders, or loads without
    a picture.

    Fix: put the picture into the folder, or remove the record (`hubtools fix`).
    """
    if comparison.release.repo_type != "dataset":
        return
    mine = comparison.sent
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
    yield from at_most(found, "records without their picture")


def _file_names(values: Any, depth: int = 0) -> Iterator[Any]:
    """What a record names in `file_name`, `*_file_name`, `file_names` and `*_file_names`."""
    if depth > _DEEP:
        return
    if isinstance(values, dict):
        for key, value in values.items():
            if isinstance(key, str) and names_file(key):
                yield value
            elif isinstance(key, str) and names_files(key):
                yield from value if isinstance(value, list) else ()
            elif isinstance(value, (dict, list)):
                yield from _file_names(value, depth + 1)
    elif isinstance(values, list):
        for value in values:
            if isinstance(value, (dict, list)):
                yield from _file_names(value, depth + 1)


@COMPARISON_RULES.rule("P153", "The card names a file that is not sent", Severity.ERROR)
def absent_of_card(comparison: Comparison) -> Iterator[Problem]:
    """A picture of the card that is missing from the repository is a broken picture for all who
    look, and code that loads a missing file stops. The same as C107, C205 and C206 of a card, of
    exactly what the repository would hold: what `.gitignore`, --drop or a link keeps here is not
    there.

    Fix: send the file (--keep), or run `hubtools card --renew`.
    """
    matter = comparison.release.front
    if matter is None or CARD not in comparison.sent:
        return
    named = [(name, matter.body_line_of(at)) for name, at in linked_files(matter.body)]
    if comparison.release.repo_type == "model":
        named += [(name, matter.body_line_of(at)) for name, at in loaded_files(matter.body)]
        paths = list(gallery_files(matter.data))
        lines = lines_of(matter, [path for path, _ in paths])
        named = [(url, line or 1) for (_, url), line in zip(paths, lines, strict=True)] + named
    missing = [one for one in dict.fromkeys(named) if _none_of(comparison.names, one[0])]
    if not missing:
        return
    folders = {part for name in comparison.names for part in _folders_of(name)}
    stays = dict(comparison.release.excluded)
    found = []
    for name, line in missing:
        meant = names_meant(name)
        if not folders.isdisjoint(meant):
            continue
        why = next((f": {stays[one]}" for one in meant if one in stays), "")
        found.append(
            Problem(
                f"the card names {shortened(name)!r}, which would not be in the repository{why}",
                f"send the file, or run {card_command(comparison.release.root, '--renew')}",
                CARD,
                line,
            )
        )
    yield from at_most(found, "files that the card names")


def _none_of(names: frozenset[str], path: str) -> bool:
    return names.isdisjoint(names_meant(path))


def _folders_of(name: str) -> Iterator[str]:
    """The folders above a name."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


@COMPARISON_RULES.rule("P136", "The repository would load with other rows", Severity.ERROR)
def other_rows(comparison: Comparison) -> Iterator[Problem]:
    """`load_dataset("owner/name")` would make something else of the repository after the commit
    than of the folder that `hubtools validate` looks at: some files of the folder stay here, or
    some files of the repository stay there (a README.md with `configs:`, pictures, records).

    Fix: send them too (--keep, --resolve-links), fetch or delete what stays in the repository, or
    take files out of the folder, so that both are the same.
    """
    if comparison.release.repo_type != "dataset" or not comparison.may_load_otherwise:
        return
    here = loaded(comparison.folder, comparison.metadata.values())[0]
    if here.outcome is Outcome.RAISES:
        return  # what `validate` says of it, is said
    there = loaded(comparison.after, comparison.metadata_after.values())[0]
    if _same_rows(here, there):
        return
    theirs = set(_row_files(there))
    lost = [name for name in _row_files(here) if name not in theirs]
    named = f"; the first without their rows: {', '.join(lost[:3])}" if lost else ""
    stay = [
        name
        for name in sorted(comparison.staying)
        if name in theirs or name == CARD or name.rpartition("/")[2] in METADATA_NAMES
    ]
    if stay:
        named += f"; of the repository stay there {', '.join(stay[:3])}"
        named += f" and {len(stay) - 3} more" if len(stay) > 3 else ""
    yield Problem(
        f"of the folder a stock loader makes {_said(here)}, of what would be in the repository"
        f" {_said(there)}{named}",
        "fetch what stays in the repository, or delete it there"
        if stay
        else "send what stays here too (--keep, --resolve-links), or take it out of the folder",
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
