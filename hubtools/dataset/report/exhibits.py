"""What the HTML report of a dataset shows beside its findings."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from hubtools.dataset.copies.compare import Grade
from hubtools.dataset.copies.duplicates import Copy, Group
from hubtools.dataset.copies.search import reader
from hubtools.dataset.loaders.summary import summaries
from hubtools.dataset.pictures.appearance import TURNS
from hubtools.dataset.pictures.tasks import PREVIEW
from hubtools.dataset.report.figures import (
    aspects,
    buckets,
    formats,
    short_sides,
    token_lengths,
    words_of,
)
from hubtools.dataset.report.sizes import sizes_in
from hubtools.dataset.rows import Partner
from hubtools.dataset.scan.scanning import MOST_PREVIEWS
from hubtools.dataset.view import Dataset
from hubtools.exhibits import Cluster, Exhibits, Shown, Wanted
from hubtools.files import human_bytes
from hubtools.findings import Report, in_order

# All pictures are shown of sets up to this size.
GALLERY = 60
MOST_CLUSTERS = 60
MOST_PAIRS = 30
_IN_CLUSTER = 8
_IN_PLAN = 12
_MOST_BLANK = 2000
# Of each rule so many findings get a picture before any gets more.
_FIRST = 30
_GRADES = {
    Grade.BYTES: "the same file",
    Grade.PIXELS: "the same pixels",
    Grade.COPY: "nearly the same",
    Grade.ALIKE: "but for a part",
}


def gather(looked: Dataset, report: Report) -> Exhibits:
    """Everything for the page. Pictures whose previews the scan did not hand on are read again,
    `MOST_PREVIEWS` at most."""
    # comparing takes long: copies are shown if a rule has looked for them
    groups = looked.groups if "groups" in vars(looked) else ()
    clusters = tuple(_cluster(looked, group) for group in groups[:MOST_CLUSTERS])
    coverage = tuple(_wanted(part) for part in report.facts.get("coverage", ()))
    gallery: tuple[Shown, ...] = ()
    if len(looked.pictures) <= GALLERY:
        rules = _rules_by_picture(report)
        gallery = tuple(
            _shown(looked, name, *rules.get(name, ())) for name in sorted(looked.pictures)
        )
    rows = _rows_of_several(looked)
    pairs = tuple(_pair(looked, *rows[row]) for row in list(rows)[:MOST_PAIRS])
    needed = dict.fromkeys(
        chain(
            (picture.name for cluster in (*clusters, *pairs) for picture in cluster.pictures),
            (picture.name for picture in gallery),
            (name for part in coverage for name in part.pictures),
            _spoken_of(report),
        )
    )
    whole = {
        name
        for name, ok in zip(looked.table.names, looked.table.column("seen").tolist(), strict=True)
        if ok
    }
    visible = [name for name in needed if name in whole]
    return Exhibits(
        figures=_figures(looked, report.facts),
        loaders=tuple(summaries(report.facts.get("loaders", {}))),
        pictures=gallery,
        clusters=clusters,
        clusters_more=max(0, len(groups) - MOST_CLUSTERS),
        pairs=pairs,
        pairs_more=max(0, len(rows) - MOST_PAIRS),
        histograms=tuple(
            histogram
            for histogram in (
                short_sides(looked),
                aspects(looked),
                buckets(looked),
                *token_lengths(looked),
            )
            if histogram.bars
        ),
        coverage=coverage,
        unplanned=len(report.facts.get("unplanned", ())),
        words=words_of((text for _, text in looked.captions), looked.settings.trigger or ""),
        thumbnails=_thumbnails(looked, visible[:MOST_PREVIEWS]),
        unseen=max(0, len(visible) - MOST_PREVIEWS),
        blank=dict(islice(_blank(looked, needed, whole), _MOST_BLANK)),
    )


def _figures(looked: Dataset, facts: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    sizes = sizes_in(facts)
    shown = {
        "pictures": f"{facts['pictures']:,}",
        "bytes": human_bytes(facts["bytes"]),
        "sizes": sizes.replace("x", " x "),
        "control pictures": _of_role(facts, "control"),
        "masks": _of_role(facts, "mask"),
        "formats": formats(looked),
        "records": f"{facts['rows']:,}",
        "captions": f"{facts['captions']:,}",
        "trigger": looked.settings.trigger or "",
        "licence": looked.license[0] or "",
        "target": looked.target.title if looked.target else "",
        "training at": f"{looked.resolution} px",
    }
    return tuple((key, value) for key, value in shown.items() if value)


def _of_role(facts: dict[str, Any], role: str) -> str:
    found = facts.get("roles", {}).get(role)
    return f"{found['pictures']:,} in {', '.join(found['columns'])}" if found else ""


def _caption(looked: Dataset, name: str) -> str:
    for row in looked.rows_of.get(name, ()):
        value = row.values.get(looked.settings.caption_column)
        if isinstance(value, str):
            return value if len(value) <= 300 else f"{value[:300]}…"
    return ""


def _shown(looked: Dataset, name: str, *tags: str) -> Shown:
    facts = looked.pictures[name]
    size = "{} x {}".format(*facts.upright_size) if facts.width else facts.problem or "unreadable"
    about = " · ".join(
        part for part in (size, facts.format or "", human_bytes(facts.bytes)) if part
    )
    return Shown(name, tuple(line for line in (about, _caption(looked, name)) if line), tags)


def _cluster(looked: Dataset, group: Group) -> Cluster:
    shown = group.copies[: _IN_CLUSTER - 1]
    pictures = [_shown(looked, group.best, "keep")]
    pictures += [_shown(looked, copy.name, *_how(copy)) for copy in shown]
    return Cluster(tuple(pictures), len(group.copies) - len(shown))


def _rows_of_several(looked: Dataset) -> dict[str, tuple[str, list[Partner]]]:
    """By a row's place: the picture that is learnt, and the others, of rows that have some."""
    found: dict[str, tuple[str, list[Partner]]] = {}
    for one in looked.partners:
        key = looked.roles_at(one.row).image
        mine = one.row.named(key) if key else ()
        if one.name in looked.pictures and mine and mine[0] in looked.pictures:
            place = f"{one.row.source}:{one.row.line}:{mine[0]}"
            found.setdefault(place, (mine[0], []))[1].append(one)
    return found


def _pair(looked: Dataset, mine: str, others: list[Partner]) -> Cluster:
    pictures = [_shown(looked, mine, "learnt")]
    shown = others[: _IN_CLUSTER - 1]
    for one in shown:
        other = _shown(looked, str(one.name), one.role.value)
        pictures.append(other._replace(lines=(one.key, *other.lines)))
    return Cluster(tuple(pictures), len(others) - len(shown))


def _how(copy: Copy) -> Iterator[str]:
    yield _GRADES.get(copy.grade, "")
    if copy.turn != 1:
        yield TURNS[copy.turn]


def _wanted(part: dict[str, Any]) -> Wanted:
    names = tuple(str(name) for name in part.get("pictures", ())[:_IN_PLAN])
    return Wanted(
        str(part["name"]).replace("_", " "), part["low"], part["high"], part["found"], names
    )


def _rules_by_picture(report: Report) -> dict[str, list[str]]:
    """Ids of the rules that have found something, by picture; the worst first."""
    found: dict[str, dict[str, None]] = {}
    for finding in report.sorted():
        if finding.picture is not None:
            found.setdefault(finding.picture, {})[finding.rule] = None
    return {name: list(ids) for name, ids in found.items()}


def _spoken_of(report: Report) -> Iterator[str]:
    """Pictures of the findings: the first of each rule, then the others."""
    later: list[str] = []
    counts: dict[str, int] = {}
    for finding in in_order(chain(report.findings, report.known)):
        if finding.picture is None:
            continue
        counts[finding.rule] = counts.get(finding.rule, 0) + 1
        if counts[finding.rule] <= _FIRST:
            yield finding.picture
        else:
            later.append(finding.picture)
    yield from later


def _blank(
    looked: Dataset, names: Iterable[str], whole: Container[str]
) -> Iterator[tuple[str, str]]:
    """Why pictures cannot be shown."""
    for name in names:
        if name not in whole and (facts := looked.pictures.get(name)) is not None:
            yield (
                name,
                "too large to be decoded" if facts.too_large else facts.problem or "not shown",
            )


def _thumbnails(looked: Dataset, names: Iterable[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    missing: list[str] = []
    for name in names:
        if name in looked.previews:
            found[name] = looked.previews[name]
        else:
            missing.append(name)
    if missing:
        again = reader(looked.source, looked.table)(PREVIEW, missing)
        found |= {name: preview for name, preview in again if preview is not None}
    return found
