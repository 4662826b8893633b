"""Findings that a project knows of: hidden and counted, so that only new ones fail.

A baseline is a JSON file with one entry for each kind of finding: its fingerprint, how often it is
known, and where it was when it was written down, for people to read. Each entry carries a sum of
its own, by which one that a person has changed is known: git merges lines, and not the sum of all.
"""

from __future__ import annotations

import fnmatch
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hubtools.causes import cannot_be
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath, check_replaceable, json_value, json_within, read_within
from hubtools.findings import Finding, Report, in_order
from hubtools.kept import Kept
from hubtools.limits import JSON_FILE
from hubtools.printable import printable
from hubtools.renaming import changed
from hubtools.rooted import Root
from hubtools.rooted.outputs import keep_changed
from hubtools.summed import JSON_SUM, summed_lines

BASELINE_SCHEMA = 1
BASELINE = "hubtools-baseline.json"


@dataclass(frozen=True)
class Known:
    """`count` findings that are known; `place` and `message` are those of the first."""

    fingerprint: str
    rule: str
    place: str
    message: str
    count: int = 1


def read_baseline(path: Path) -> list[Known]:
    """The entries of a baseline. Raises `UsageError` if there is no such file, `HubtoolsError` if
    it is none."""
    try:
        data = json_within(path)
    except FileNotFoundError:
        raise UsageError(
            f"There is no baseline {path}.",
            hint="--write-baseline writes what is found now",
            code="file-not-found",
            missing=path,
        ) from None
    except OSError as error:
        raise cannot_be("read", path, error) from None
    except (ValueError, RecursionError) as error:
        raise HubtoolsError(
            f"{path} cannot be read as a baseline: {error}.", code="file-damaged"
        ) from None
    if not isinstance(data, dict) or data.get("schema") != BASELINE_SCHEMA:
        raise HubtoolsError(
            f"{path} is no baseline of this version.",
            hint="--write-baseline writes a new one",
            code="other-version",
        )
    try:
        return [
            Known(
                str(entry["fingerprint"]),
                str(entry["rule"]),
                str(entry.get("place", "")),
                str(entry.get("message", "")),
                int(entry.get("count", 1)),
            )
            for entry in data["findings"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise HubtoolsError(
            f"{path} has an entry without fingerprint and rule.",
            hint="--write-baseline writes a new one",
            code="file-damaged",
        ) from None


def baseline_of(findings: Iterable[Finding], kept: Iterable[Known] = ()) -> list[Known]:
    """Entries for `findings`, and `kept` ones of other rules; by place."""
    first: dict[str, Finding] = {}
    counts: Counter[str] = Counter()
    for finding in in_order(findings):
        key = finding.fingerprint
        first.setdefault(key, finding)
        counts[key] += 1
    entries = [
        Known(key, found.rule, found.place, found.message, counts[key])
        for key, found in first.items()
    ]
    entries += [entry for entry in kept if entry.fingerprint not in first]
    return sorted(entries, key=lambda entry: (entry.rule, entry.place, entry.fingerprint))


def write_baseline(path: Path, entries: Sequence[Known], was: bytes | None = None) -> None:
    """Write a baseline, one entry a line, so that a diff of it can be read, in the place of one
    with the bytes `was` (None: there is none, or a link, which is replaced). If that holds what a
    person has changed, and what is written does not, it is kept in `.hubtools/replaced` beside it
    and told by a `Kept` warning. Raises `HubtoolsError` if something else lies there by now."""
    lines = [_line(_content(entry)) for entry in entries]
    body = ",\n".join(f"    {line}" for line in lines)
    entries_text = f"[\n{body}\n  ]" if lines else "[]"
    data = f'{{\n  "schema": {BASELINE_SCHEMA},\n  "findings": {entries_text}\n}}\n'.encode()
    with Root(path.absolute().parent, create=True) as root:
        name = path.name
        if root.is_link(name):
            root.write(name, data, check=partial(_check_link, root, name))
            return
        if was and (not _is_baseline(was) or not _changed(was) <= set(lines)):
            keep_changed(root, name, lambda told: warnings.warn(told, Kept, stacklevel=5))
        root.write_over(name, data, was)


def _content(entry: Known) -> dict[str, Any]:
    return {
        "rule": entry.rule,
        "place": entry.place,
        "message": entry.message,
        "count": entry.count,
        "fingerprint": entry.fingerprint,
    }


def _line(content: Mapping[str, Any]) -> str:
    line = printable(json.dumps(content, ensure_ascii=False))
    return summed_lines(f"{line}\n".encode()).decode().rstrip("\n")


def _changed(was: bytes) -> set[str]:
    """Lines of the entries of a baseline that hubtools has not written so, as it would; those
    of earlier versions have no sum to know it by."""
    found = set()
    for entry in json_value(was)["findings"]:
        line = _line({key: value for key, value in entry.items() if key != JSON_SUM})
        if printable(json.dumps(entry, ensure_ascii=False)) != line:
            found.add(line)
    return found


def _check_link(root: Root, name: str) -> None:
    if not root.is_link(name):
        raise changed(root.path / name)


def _old(path: Path) -> tuple[list[Known], bytes | None]:
    """The entries of a baseline that is to be written anew, and its bytes. Raises as
    `check_baseline` and `read_baseline` do."""
    was = read_within(path, JSON_FILE) if path.is_file() and not path.is_symlink() else None
    check_baseline(path)
    return (read_baseline(path) if path.exists() and path.stat().st_size else []), was


@dataclass(frozen=True)
class Split:
    """Findings apart: `new` ones, `known` ones, and entries (`stale`) that nothing matched; their
    `count` is what was not found any more."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    stale: tuple[Known, ...]


def split(
    findings: Sequence[Finding],
    entries: Iterable[Known],
    rules: Iterable[str],
    ignored: Iterable[Finding] = (),
) -> Split:
    """Hold `findings` of the `rules` that were applied against a baseline. Stale is only what is
    mended: neither entries of other rules, which were not looked for, nor those of `ignored`
    findings, which are still there."""
    listed = list(entries)
    left: Counter[str] = Counter()
    for entry in listed:
        left[entry.fingerprint] += entry.count
    new, known = [], []
    for finding in findings:
        key = finding.fingerprint
        if left[key] > 0:
            left[key] -= 1
            known.append(finding)
        else:
            new.append(finding)
    left.subtract(finding.fingerprint for finding in ignored)
    applied = frozenset(rules)
    stale = []
    for entry in listed:
        rest = left.pop(entry.fingerprint, 0)
        if rest > 0 and entry.rule in applied:
            stale.append(Known(entry.fingerprint, entry.rule, entry.place, entry.message, rest))
    return Split(tuple(new), tuple(known), tuple(stale))


def against_baseline(report: Report, path: Path, ignored: Iterable[Finding] = ()) -> Report:
    """`report` with what the baseline at `path` knows set aside. `facts["baseline"]` tells how many
    that are, and which entries are stale: neither found nor `ignored` any more. Raises as
    `read_baseline` does."""
    return _apart(report, path, read_baseline(path), ignored)


def known_aside(
    report: Report, path: StrPath | None, among: Callable[[Finding], bool] = lambda finding: True
) -> Report:
    """As `against_baseline`, for what is one of several that a file speaks of (a card, a push): no
    entry is called stale. Only findings that `among` says yes to can be known. Without a file the
    report as it is."""
    if path is None:
        return report
    looked = [finding for finding in report.findings if among(finding)]
    known = split(looked, read_baseline(Path(path)), ()).known
    hidden = set(map(id, known))
    facts = {"file": Path(path).name, "known": len(known), "stale": []}
    return replace(
        report,
        findings=tuple(finding for finding in report.findings if id(finding) not in hidden),
        known=(*report.known, *known),
        facts=report.facts | {"baseline": facts},
    )


def add_to_baseline(
    reports: Sequence[Report],
    path: Path,
    among: Callable[[Finding], bool] = lambda finding: True,
) -> list[Report]:
    """Write the findings of `reports` down as known, beside what the file at `path` has; the
    reports without them. Raises `HubtoolsError` if a file is there that is no baseline."""
    old, was = _old(path)
    found = [f for report in reports for f in (*report.findings, *report.known) if among(f)]
    write_baseline(path, baseline_of(found, old), was)
    return [known_aside(report, path, among) for report in reports]


def check_baseline(path: Path) -> None:
    """Raises `HubtoolsError` if a baseline cannot be written to `path`: something else is there."""
    check_replaceable(path, "a baseline", _is_baseline)


_NEEDED = {"rule", "fingerprint"}


def _is_baseline(data: bytes) -> bool:
    try:
        content = json_value(data)
        entries = content["findings"]
        alone = content.keys() == {"schema", "findings"}  # a report has them too, among others
        # another key in one is a person's note
        return alone and all(
            _NEEDED <= entry.keys() <= _NEEDED | {"place", "message", "count", JSON_SUM}
            for entry in entries
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def renew_baseline(report: Report, path: Path) -> Report:
    """Write all findings of `report` down as known. Entries of rules that were not applied stay.
    Raises `HubtoolsError` if a file is there that is no baseline."""
    applied = {rule.id for rule in report.rules}
    old, was = _old(path)
    entries = baseline_of(report.findings, [entry for entry in old if entry.rule not in applied])
    write_baseline(path, entries, was)
    return _apart(report, path, entries)


def _apart(
    report: Report, path: Path, entries: Sequence[Known], ignored: Iterable[Finding] = ()
) -> Report:
    parts = split(report.findings, entries, (rule.id for rule in report.rules), ignored)
    stale = [
        {"rule": e.rule, "place": e.place, "message": e.message, "count": e.count}
        for e in parts.stale
    ]
    facts = {"file": path.name, "known": len(parts.known), "stale": stale}
    return replace(
        report,
        findings=parts.new,
        known=parts.known,
        facts=report.facts | {"baseline": facts},
    )


def without_ignored(
    findings: Iterable[Finding], ignores: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """`findings` but those that `ignores` {glob: rule prefixes} leaves out. A glob is held against
    the path of the file and of the picture a finding speaks of; one without / against their last
    part too."""
    by_glob = [
        (glob, tuple(prefix.upper() for prefix in prefixes)) for glob, prefixes in ignores.items()
    ]
    if not by_glob:
        return list(findings)

    def left_out(finding: Finding) -> bool:
        names = [name for name in (finding.path, finding.picture) if name]
        return any(
            finding.rule.startswith(prefixes) and any(matches(name, glob) for name in names)
            for glob, prefixes in by_glob
        )

    return [finding for finding in findings if not left_out(finding)]


def matches(name: str, glob: str) -> bool:
    """Whether the `/`-joined `name` is meant by `glob`: `*.png`, `train/*`, `old/`."""
    if glob.endswith("/"):
        glob += "*"
    glob = glob.removeprefix("./")
    if fnmatch.fnmatchcase(name, glob):
        return True
    return "/" not in glob and fnmatch.fnmatchcase(name.rpartition("/")[2], glob)
