"""`hubtools validate`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubtools.cli.following import dataset_words, project_words, tell_training
from hubtools.cli.options import SettingsCommand, project_in, project_options
from hubtools.cli.output import REPORT_FORMATS, Output, output_options, shown_path
from hubtools.dataset.text.trigger import one_for_all
from hubtools.errors import ExitCode, HubtoolsError
from hubtools.findings import Severity, plural

if TYPE_CHECKING:
    from hubtools.findings import Finding, Report
    from hubtools.project import Project

# Roles of pictures: what they are called, and the setting that names their columns.
_ROLES = {
    "image": ("picture", "image_column"),
    "control": ("control picture", "control_columns"),
    "mask": ("mask", "mask_column"),
}

F = TypeVar("F", bound=Callable[..., Any])


def check_options(function: F) -> F:
    """What every check of pictures is asked: how strictly, at which size, which baseline."""
    for option in (
        click.option(
            "--write-baseline", is_flag=True,
            help="Write the findings to a baseline file  [default: hubtools-baseline.json]",
        ),
        click.option(
            "--resolution", type=click.IntRange(32, 4096),
            help="Training resolution to check sizes against.",
        ),
        click.option("--strict", is_flag=True, help="Count warnings as errors."),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command("validate", cls=SettingsCommand)
@click.argument("sources", nargs=-1, metavar="[SOURCE]")
@check_options
@click.option("--shard", metavar="I/N", help="Check only one part of the pictures.")
@click.option(
    "--partial", type=click.Path(path_type=Path), metavar="FILE",
    help="File for the partial result of --shard.",
)  # fmt: skip
@click.option(
    "--engine", type=click.Choice(["local", "daft"]), default="local", show_default=True,
    help="Engine: local processes, or daft (threads or a Ray cluster).",
)  # fmt: skip
@project_options("rules", "dataset")
@output_options(*REPORT_FORMATS, report=True)
def command(
    sources: tuple[str, ...],
    strict: bool,
    resolution: int | None,
    write_baseline: bool,
    shard: str | None,
    partial: Path | None,
    engine: str,
    project: Project,
    out: Output,
) -> int:
    """Check pictures before anything is trained or uploaded.

    SOURCE is a folder of pictures or a project folder (default: the project's dataset), a .zip or
    .tar.gz of a folder, parquet or WebDataset shards, hf://datasets/owner/name@revision, or another
    address. Exit code 3 if there are errors. --report FILE.html writes a page with pictures.

    Job arrays run it with --shard 1/N --partial FILE, ..., and then `hubtools merge-parts`.
    """
    from hubtools.commands.pictures import validate

    partials, source = _told(sources)
    if partials and (shard is not None or partial is not None):
        raise click.UsageError("merge takes whole sets of shares; --shard looks at one.")
    if shard is not None or partial is not None:
        where, _ = _placed(source, project)
        return _part(where or project.dataset_dir, shard, partial, engine, out)
    given: dict[str, Any] = {"merge": partials} if partials else {"engine": engine}
    run = functools.partial(validate, **given)
    return check(run, source, project, out, strict, resolution, write_baseline)


def _placed(source: str | None, project: Project) -> tuple[str | None, Project]:
    """The source, and the project that counts: that of the folder, if it is one."""
    from hubtools.layout import PROJECT_FILE, RUN_MANIFEST

    if source is None or "://" in source or not (Path(source) / PROJECT_FILE).is_file():
        return source, project
    if (Path(source) / RUN_MANIFEST).is_file():
        return source, project  # a run: its settings are no project
    return None, project_in(Path(source))


def check(
    run: Callable[..., Report],
    source: str | None,
    project: Project,
    out: Output,
    strict: bool,
    resolution: int | None,
    write_baseline: bool,
) -> int:
    """What `run` finds, printed; the exit code."""
    from hubtools.cli.coverage import show_coverage
    from hubtools.cli.loaders import show_loaders
    from hubtools.dataset.report.sizes import sizes_in
    from hubtools.files import human_bytes
    from hubtools.reporting.baseline import BASELINE

    typed = f" {quote(source)}" if source is not None else project_words(project)
    typed += dataset_words(None if source is not None else project)
    source, project = _placed(source, project)
    here = Path(source) if source is not None else project.dataset_dir
    with out.following("reading pictures", at_once=here.exists(), then="judging them") as tell:
        report = run(
            source=source,
            project=project,
            strict=strict,
            resolution=resolution,
            write_baseline=write_baseline,
            exhibits=out.wants_page,
            repairs=out.human,
            on_picture=tell,
        )
    if write_baseline:
        file = project.rules.baseline or BASELINE
        out.note(f"{file} holds what is known from now on: {plural(len(report.known), 'finding')}")
        if project.baseline is None:
            out.hint(f'baseline = "{file}" in the section [rules] of hubtools.toml, or --baseline')
    facts = report.facts
    if out.human:
        much = ", ".join(filter(None, (human_bytes(facts["bytes"]), sizes_in(facts))))
        out.note(
            f"{plural(facts['pictures'], 'picture')} ({much}),"
            f" {plural(facts['rows'], 'row')}, {plural(facts['captions'], 'caption')}"
        )
        for role, found in facts["roles"].items():
            what, setting = _ROLES[role]
            how = "guessed by its name" if found["guessed"] else f"as dataset.{setting} says"
            columns = " and ".join(found["columns"])
            use = " to learn" if role == "image" else ""
            out.note(f"{plural(found['pictures'], what)}{use} in {columns}, {how}")
        if facts["target"]:
            told = (
                f"{one['name']} reads {one['tokens']} tokens"
                + ("" if one["exact"] else ", counted by an estimate")
                for one in facts["text_encoders"]
            )
            out.note(f"for {facts['target_title']}: {facts['resolution']} px; {'; '.join(told)}")
        if "loaders" in facts:
            show_loaders(facts["loaders"], out)
        show_coverage(facts, out)
    place = _prefix(source or project.dataset_dir)
    out.report(report, prefix=place, typed=typed if here.is_dir() else "")
    _tell_stale(report, out)
    if out.human and (repairs := facts.get("repairs")):
        _tell_repairs(repairs, typed, out)
    if out.human:
        _tell_next(report, source, typed, project, out)
    return ExitCode.DONE if report.ok else ExitCode.CHECKS_FAILED


def _tell_repairs(repairs: dict[str, Any], typed: str, out: Output) -> None:
    """What `fix` does about the findings, unasked and by name. `typed`: the folder."""
    from hubtools.dataset.fix.remedies import UNSAFE

    safe, names = repairs["safe"], repairs["by_name"]
    if safe is None:
        out.hint(f"`hubtools fix{typed} --dry-run` shows what it can repair of these")
        return
    if safe:
        out.hint(f"`hubtools fix{typed}` repairs {safe} of these; it shows a diff first")
    for name, count in names.items():
        does = "may repair some" if count is None else f"repairs {count}"
        noun = "finding" if count == 1 and safe else "findings"
        which = f"more {noun}" if safe else f"of these {noun}"
        out.hint(f"`hubtools fix{typed} --unsafe {name}` {does} {which}: {UNSAFE[name]}")


_CAPTIONS = {"D120", "D202", "D501", "D502"}  # captions that are not there


def _tell_next(
    report: Report, source: str | None, typed: str, project: Project, out: Output
) -> None:
    """What to type now. `typed`: the folder that was given, behind a space."""
    here = source is None or Path(source).is_dir()
    found = [finding.rule for finding in report.sorted() if not _beside(finding)]
    trigger = project.dataset.trigger
    like = quote(one_for_all(project.dataset))
    if here and report.facts["pictures"] and _CAPTIONS.intersection(found):
        out.hint(
            f"`hubtools review{typed}` is a page to write captions on; `hubtools caption{typed}"
            " --model MODEL` has a model write them,"
            f" `hubtools caption{typed} --template {like}` writes one for all"
        )
    if not report.ok:
        if not report.facts["pictures"] and here and _may_be_converted(report):
            out.hint(f"next: hubtools fix{typed} --unsafe convert")
        elif not report.facts["pictures"] and here:
            place = shown_path(Path(source) if source else project.dataset_dir) or "this folder"
            out.hint(f"next: put pictures into {place}, and hubtools validate{typed} again")
        else:
            caption = f"caption{typed} --template {like}" if here else None
            out.hint(f"next: hubtools {_repairing(report, typed, caption)}")
    elif project.file is not None and source is None:
        tell_training(out, project, _trained_on(report))
    elif here and source is not None and project.file is None:
        trigger = quote(trigger) if trigger else '"(tok)"'
        out.hint(f"next: hubtools init NAME --from {quote(source)} --trigger {trigger}")


def _may_be_converted(report: Report) -> bool:
    """Whether pictures are there that no loader takes, and that `fix` can make others of."""
    return any("--unsafe convert" in (one.fix or "") for one in report.findings)


def _trained_on(report: Report) -> int:
    """How many pictures a training is given, as the loader sees them; 0 if that is not known."""
    seen = report.facts.get("loaders", {}).get("auto", {}).get("splits", {})
    return int(seen.get("train", {}).get("rows", 0))


def _repairing(report: Report, typed: str, caption: str | None) -> str:
    """The command that repairs errors, those told first first; where none does, the one that
    explains the first. `caption`: the one that writes captions, if there is a folder to."""
    from hubtools.dataset.fix.steps import REMEDIES

    errors = [one for one in report.sorted() if one.severity is Severity.ERROR]
    repairs = report.facts.get("repairs") or {"safe": 0, "by_name": {}}
    if repairs["safe"]:
        return f"fix{typed}"
    for rule in dict.fromkeys(one.rule for one in errors if not _beside(one)):
        if rule in _CAPTIONS and caption is not None:
            return caption
        remedy = REMEDIES.get(rule)
        if remedy is not None and repairs["safe"] is None:
            return f"fix{typed} --dry-run"
        for name in remedy.unsafe if remedy is not None else ():
            if name in repairs["by_name"]:
                return f"fix{typed} --unsafe {name}"
    for one in errors:  # of another folder, where the fix names it
        if _beside(one) and (named := re.search("`hubtools ([^`]+)`", one.fix or "")) is not None:
            return named[1]
    return f"explain {errors[0].rule}"


def _beside(finding: Finding) -> bool:
    """Whether it speaks of a folder that is trained on beside the dataset's own."""
    return (finding.path or "").startswith("../")


def _told(sources: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """(files to merge, the source if one is named). `validate merge` is the former spelling of
    `merge-parts`."""
    # a folder of that name is one when it stands alone
    merging = sources[:1] == ("merge",) and (len(sources) > 1 or not Path("merge").exists())
    if not merging:
        if len(sources) > 1:
            raise click.UsageError(f"One source at a time: {sources[0]} or {sources[1]}?")
        return (), sources[0] if sources else None
    return told_partials(sources[1:])


def told_partials(files: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """(files to merge, the source if the last is one)."""
    from hubtools.dataset.folder.part_file import is_partial

    if not files:
        raise click.UsageError("Which partial results? Write merge-parts FILE FILE ...")
    last = files[-1]
    if "://" not in last and not Path(last).exists():
        raise HubtoolsError(
            f"There is no file or folder {last}.", code="file-not-found", missing=last
        )
    source = None if is_partial(last) else last
    files = files if source is None else files[:-1]
    if not files:
        raise click.UsageError(
            f"{last} is no partial result. Write merge-parts FILE FILE ... [SOURCE]"
        )
    for file in files:
        if Path(file).is_dir() or "://" in file:
            raise click.UsageError(f"{file} is no partial result; the source goes last.")
    return files, source


def _part(
    where: str | Path, shard: str | None, partial: Path | None, engine: str, out: Output
) -> int:
    """One job of an array."""
    from hubtools.dataset.parts import Part, validate_part

    if shard is None or partial is None:
        raise click.UsageError("--shard I/N and --partial FILE belong together.")
    part = Part.parse(shard)
    if partial.is_dir():  # before anything is looked at
        raise click.UsageError(f"--partial {partial} is a folder; give a file.")
    with out.progress() as progress:
        task = progress.add_task("reading pictures", total=None, note="")
        made = validate_part(
            where,
            part,
            partial,
            engine=engine,
            on_picture=lambda done, total: progress.update(task, completed=done, total=total),
        )
    out.result(
        f"Share {part.number} of {part.of}: looked at {made.pictures} of {made.total} pictures",
        partial=str(made.path),
        pictures=made.pictures,
        total=made.total,
    )
    return ExitCode.DONE


def _tell_stale(report: Report, out: Output) -> None:
    """Entries of the baseline that can go."""
    stale = report.facts.get("baseline", {}).get("stale", [])
    if not stale:
        return
    shown = "; ".join(f"{entry['rule']} {entry['place']}".strip() for entry in stale[:3])
    rest = f" and {len(stale) - 3} more" if len(stale) > 3 else ""
    out.warn(
        f"{len(stale)} of the baseline's entries {'is' if len(stale) == 1 else 'are'} not found any"
        f" more ({shown}{rest}); --write-baseline renews it"
    )


def _prefix(where: str | Path) -> str:
    """Where paths of findings begin, from here; nowhere for what is not on this machine."""
    place = Path(where)
    if not place.is_dir():
        place = place.parent
        if not place.is_dir() or "://" in str(where):
            return ""
    return shown_path(place)
