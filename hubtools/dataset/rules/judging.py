"""The verdict on a dataset that has been read: the same whichever command asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.view import Dataset
from hubtools.files import StrPath
from hubtools.findings import Finding, Report
from hubtools.reporting.baseline import against_baseline, without_ignored


def judge(
    looked: Dataset,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    per_file_ignores: Mapping[str, Sequence[str]] | None = None,
    baseline: StrPath | None = None,
    strict: bool = False,
) -> Report:
    """What the rules say, without what is ignored or known. Its facts are those of the baseline.

    Arguments as for `validate`. Raises `UsageError` for an unknown rule, `HubtoolsError` for a file
    that is no baseline.
    """
    contents = looked.contents
    ignore = (*ignore, *contents.silent)
    applied = DATASET_RULES.chosen(select, ignore)
    findings = DATASET_RULES.run(looked, select=select, ignore=ignore, strict=strict)
    found = with_pictures(findings, looked)
    kept = without_ignored(found, per_file_ignores or {})
    told = tuple(one.placed(path=contents.shown(one.path)) for one in kept)
    private = looked.listing.private
    report = Report(looked.source.name, told, {}, applied, private=private)
    if baseline is None:
        return report
    there = set(map(id, kept))
    ignored = [one.placed(path=contents.shown(one.path)) for one in found if id(one) not in there]
    return against_baseline(report, Path(baseline), ignored)


def with_pictures(findings: Sequence[Finding], looked: Dataset) -> list[Finding]:
    """`findings`, with the picture that each speaks of: its own path, or that of the record on
    its line."""
    sources = {file.name for file in looked.metadata}
    wanted = {(f.path, f.line) for f in findings if f.line is not None and f.path in sources}
    named: dict[tuple[str | None, int | None], str] = {
        place: name
        for row, name in (looked.named if wanted else ())
        if (place := (row.source, row.line)) in wanted and name in looked.pictures
    }
    result = []
    for finding in findings:
        picture = finding.picture or named.get((finding.path, finding.line))
        if picture is None and finding.path in looked.pictures:
            picture = finding.path
        result.append(finding.placed(picture=picture) if picture else finding)
    return result
