"""`validate`: everything that can be wrong with a folder of pictures, before anything is done."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hubtools.byname import named
from hubtools.collector import no_collector
from hubtools.dataset.report.sizes import sizes_of
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.rules.judging import judge, with_pictures
from hubtools.dataset.scan.daft_engine import engine_named
from hubtools.dataset.scan.scanning import scan_source
from hubtools.dataset.sources.local import LocalFolder
from hubtools.dataset.sources.opening import open_source
from hubtools.dataset.view import Dataset, ScanSource, view
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.disks import is_private
from hubtools.files import StrPath
from hubtools.findings import Finding, Report, Severity
from hubtools.project_file import option_for
from hubtools.reporting.baseline import known_aside, without_ignored
from hubtools.reporting.placing import typed_for
from hubtools.settings import DatasetSettings
from hubtools.whereabouts import from_here

if TYPE_CHECKING:
    from hubtools.dataset.fix.offers import Offers
    from hubtools.dataset.sources.model import Source
    from hubtools.project import Project


@shared_guard()
def validate(
    source: StrPath | Source | Dataset,
    settings: DatasetSettings | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    per_file_ignores: Mapping[str, Sequence[str]] | None = None,
    baseline: StrPath | None = None,
    strict: bool = False,
    resolution: int | None = None,
    base: StrPath | None = None,
    exhibits: bool = False,
    on_picture: Callable[[int, int], None] | None = None,
    engine: str = "local",
    scan: ScanSource | None = None,
    repairs: bool = False,
) -> Report:
    """Check a dataset by all dataset rules (`select`, `ignore`: id prefixes; `per_file_ignores`:
    those by glob of the file). What the file `baseline` knows is set aside.

    `source` is a folder, an archive or shards on this machine, `hf://datasets/owner/name@revision`,
    an address that fsspec knows, or a dataset that was read already. `resolution` is that of the
    training to come, in pixels; default that of the target: what `settings.target` names, else what
    `base` is, a pipeline folder or a Hub id. Its tokenizers count the captions' tokens where they
    are on this machine. `strict` makes warnings errors. `exhibits`: gather pictures and histograms
    for the HTML page. `on_picture(done, total)` follows the reading. `engine`: local or daft (see
    `spread`); `scan` scans the pictures in another way (see `view`). `repairs`: count what `fix`
    would repair of a folder (`facts["repairs"]`, see `fix.offers`). Raises `HubtoolsError` if there
    is no such source, `UsageError` for an unknown rule id or engine.
    """
    settings = settings or DatasetSettings()
    ignores = per_file_ignores or {}
    # before anything is read: a mistake should not cost a minute
    DATASET_RULES.check_prefixes((*select, *ignore))
    DATASET_RULES.check_prefixes(prefix for ids in ignores.values() for prefix in ids)
    if engine != "local":
        scan = partial(scan_source, engine=engine_named(engine))
    with no_collector():
        looked = (
            source
            if isinstance(source, Dataset)
            else view(
                open_source(source),
                settings,
                resolution=resolution,
                base=base,
                on_picture=on_picture,
                previews=exhibits,
                scan=scan,
            )
        )
        report = judge(
            looked,
            select=select,
            ignore=ignore,
            per_file_ignores=ignores,
            baseline=baseline,
            strict=strict,
        )
        facts = _facts(looked)
        # a selection of rules that ask nothing of the loaders need not wait for them
        if not select or "loaders" in vars(looked):
            facts["loaders"] = {mode.value: seen.to_dict() for mode, seen in looked.loaders.items()}
        report = replace(report, facts=facts | report.facts)
        if repairs and isinstance(looked.source, LocalFolder):
            count = partial(_told_again, looked, ignores, {one.fingerprint for one in report.known})
            report.facts["repairs"] = _repairs(looked, report, select, ignore, count)
        if isinstance(source, (str, os.PathLike)) and not isinstance(looked.source, LocalFolder):
            report = replace(report, private=is_private(Path(source)))  # an archive, shards
        if exhibits:
            gather = named("hubtools.dataset.report.exhibits:gather")
            report = replace(report, exhibits=gather(looked, report))
        return report


def _repairs(
    looked: Dataset,
    report: Report,
    select: Sequence[str],
    ignore: Sequence[str],
    told: Callable[[Iterable[Finding]], Iterable[Finding]],
) -> dict[str, Any] | None:
    """The `Offers` of `fix` about what is found, as JSON values; None if there are none."""
    if not report.findings:
        return None
    offers = named("hubtools.dataset.fix.offers:offers")
    wanted = named("hubtools.dataset.fix.offers:wanted_rules")(select, ignore)
    made: Offers | None = offers(looked, report.findings, wanted, told)
    return made.to_dict() if made else None


def _told_again(
    looked: Dataset,
    ignores: Mapping[str, Sequence[str]],
    known: Collection[str],
    findings: Iterable[Finding],
) -> list[Finding]:
    """Of the findings that a fix would leave, those that would be told."""
    kept = without_ignored(with_pictures(list(findings), looked), ignores)
    return [finding for finding in kept if finding.fingerprint not in known]


def validate_project(
    project: Project,
    source: StrPath | Source | Dataset | None = None,
    check: Callable[..., Report] = validate,
    **options: Any,
) -> Report:
    """The verdict on a project's dataset, the same for every command.

    Settings, rules, baseline, resolution and target are the project's. `source`: what is judged by
    them; default the project's own dataset. Other `options` are those of `validate`; whatever is
    also the project's overrules it. `check` judges in another way, e.g. a `merge_parts` that has
    its files. Raises as `validate`.
    """
    where = project.dataset_dir if source is None else source
    report = check(where, **(project.judged_by | options))
    return report if source is not None else _with_others(project, report, options)


def validate_words(project: Project, root: Path) -> str:
    """The `hubtools validate` that looks at the pictures in `root`, as it is typed here."""
    is_own = root == project.dataset_dir and "dataset.path" not in project.given
    place = option_for(project.file) if is_own else f" {shlex.quote(from_here(root))}"
    return f"`hubtools validate{place}`"


# Pictures of the class have no subject, and are not published.
_NOT_OF_CLASS = ("D504", "D505", "D506", "D510", "D511", "D512", "D513", "D514", "D6")
# What a push would make public. No push of a project takes its further folders along.
_IF_PUSHED = ("D701", "D706", "D712", "D713")


class Further(NamedTuple):
    """A folder that is trained on beside the dataset's own, and how it is judged."""

    folder: Path
    settings: DatasetSettings
    ignore: tuple[str, ...] = ()


def further_folders(project: Project) -> list[Further]:
    """dataset.other_folders, and last the pictures of the class, if there are some."""
    dataset, train = project.dataset, project.train
    found = [Further(project.at(one), dataset) for one in dataset.other_folders]
    if train.with_prior_preservation and train.class_data_dir is not None:
        of_class = DatasetSettings(
            caption_column=dataset.caption_column,
            instance_prompt=train.class_prompt,
            caption_encoding=dataset.caption_encoding,
            target=dataset.target,
            **dataset.model_dump(include={"class_noun"}, exclude_unset=True),
        )
        found.append(Further(project.at(train.class_data_dir), of_class, _NOT_OF_CLASS))
    return found


def judged_beside(
    project: Project, further: Further, source: Dataset | None = None, **options: Any
) -> Report:
    """The verdict on a folder beside the dataset's own, or on what was read of it (`source`), with
    paths as the dataset's folder sees them, and commands that mean that folder where they are
    typed. Other `options` are those of `validate`."""
    chosen = project.judged_by | {"settings": further.settings} | options
    baseline = chosen.pop("baseline", None)
    chosen["ignore"] = (*chosen.get("ignore", ()), *further.ignore)
    report = validate(further.folder if source is None else source, **chosen)
    place = _place_of(project, further)
    report = typed_for(report, f" {shlex.quote(from_here(further.folder))}")
    lacks_prompt = further.ignore == _NOT_OF_CLASS and not further.settings.instance_prompt
    placed = tuple(
        (_noted(one) if one.rule in _IF_PUSHED else one).placed(
            path=f"{place}/{one.path or ''}",
            picture=f"{place}/{one.picture}" if one.picture else None,
            fix=f"{one.fix}; or one for all: --class-prompt"
            if lacks_prompt and one.rule in ("D120", "D502")
            else one.fix,
        )
        for one in report.findings
    )
    return known_aside(replace(report, findings=placed), baseline)


def _noted(finding: Finding) -> Finding:
    """The same as a note: it matters once somebody publishes the folder."""
    message = f"{finding.message}; this folder is not pushed"
    return replace(finding, severity=Severity.INFO, message=message)


def _place_of(project: Project, further: Further) -> str:
    return Path(os.path.relpath(further.folder, project.dataset_dir)).as_posix()


def _with_others(project: Project, report: Report, options: Mapping[str, Any]) -> Report:
    """The report with what is found in the other folders that are trained on."""
    others = further_folders(project)
    names = ("strict", "select", "resolution", "baseline")
    shared = {key: options[key] for key in names if key in options}
    told = [report, *(judged_beside(project, one, **shared) for one in others)]
    facts = dict(report.facts)
    if others and "baseline" in facts:  # an entry of theirs is not stale for the dataset's own
        places = tuple(f"{_place_of(project, one)}/" for one in others)
        stale = [one for one in facts["baseline"]["stale"] if not one["place"].startswith(places)]
        known = sum(len(one.known) for one in told)
        facts["baseline"] = {**facts["baseline"], "stale": stale, "known": known}
    return replace(
        report,
        findings=tuple(finding for one in told for finding in one.findings),
        known=tuple(finding for one in told for finding in one.known),
        facts=facts,
    )


def _facts(looked: Dataset) -> dict[str, Any]:
    table = looked.table
    sizes = sorted(sizes_of(looked))
    facts: dict[str, Any] = {
        "pictures": len(looked.learnt),
        "roles": looked.role_facts(),
        "rows": len(looked.rows),
        "captions": len(looked.captions),
        "bytes": int(table.column("bytes").sum()),
        "resolution": looked.resolution,
        "target": looked.target.name if looked.target else None,
        "target_title": looked.target.title if looked.target else None,
        "tokens_counted_by": looked.counter.source,
        "text_encoders": [
            {
                "name": counter.encoder.name,
                "tokens": counter.room,
                "counted_by": counter.source,
                "exact": counter.exact,
            }
            for counter in looked.counters
        ],
    }
    if looked.settings.plan:
        entries, unplanned = looked.coverage
        facts["coverage"] = [entry.to_dict() for entry in entries]
        facts["unplanned"] = list(unplanned)
    if sizes:
        by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
        facts["smallest"] = "{}x{}".format(*by_area[0])
        facts["largest"] = "{}x{}".format(*by_area[-1])
    return facts
