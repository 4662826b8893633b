"""What a fix acts on: which rules it is to satisfy, and in which files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hubtools.dataset.fix.draft_file import File
from hubtools.dataset.rules.judging import with_pictures
from hubtools.dataset.view import Dataset
from hubtools.errors import UsageError
from hubtools.findings import Finding
from hubtools.reporting.baseline import matches, without_ignored

Only = Callable[[str, str], bool]  # rule, name of a file: whether it is meant


def only_in(globs: Sequence[str], looked: Dataset) -> Only | None:
    """The files that one of the globs means; None, all of them, if there is none. Raises
    `UsageError` for one that means none."""
    for glob in globs:
        if not any(matches(name, glob) for name in looked.listing.names):
            raise UsageError(
                f"--only {glob!r} means no file of {looked.root}.",
                hint="name a file of it, or several with *, e.g. 'old/*'",
            )
    if not globs:
        return None
    return lambda rule, name: any(matches(name, glob) for glob in globs)


def by_origin(only: Only | None, files: Mapping[str, File]) -> Only | None:
    """The same, whatever a file of the draft is called by now."""
    if only is None:
        return None

    def meant(rule: str, name: str) -> bool:
        file = files.get(name)
        return only(rule, name) or (file is not None and only(rule, file.origin))

    return meant


@dataclass(frozen=True)
class Scope:
    """`wanted`: ids of the rules to satisfy. `ignores`: but not in these files (glob -> prefixes of
    ids). `only`: in none but these; an edit that no rule asks for has the rule "". A record is
    meant where its picture or its own file is."""

    wanted: frozenset[str]
    ignores: Mapping[str, Sequence[str]] = field(default_factory=dict)
    only: Only | None = None

    @property
    def whole(self) -> bool:
        """True if nothing is left out."""
        return self.only is None and not self.ignores

    def holds(self, rule: str, *names: str) -> bool:
        """Whether something that these files are about may be changed for a rule."""
        if self.only is not None and not any(self.only(rule, name) for name in names):
            return False
        return not any(
            rule.startswith(tuple(prefix.upper() for prefix in prefixes)) and matches(name, glob)
            for glob, prefixes in (self.ignores.items() if rule else ())
            for name in names
        )

    def within(self, found: list[Finding], looked: Dataset) -> list[Finding]:
        """The findings that it acts on."""
        if self.whole or not found:
            return found
        found = without_ignored(with_pictures(found, looked), self.ignores)
        only = self.only
        if only is None:
            return found
        return [
            one for one in found if any(only(one.rule, n) for n in (one.path, one.picture) if n)
        ]
