"""`hubtools validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubtools.cli.options import SettingsCommand, project_in, project_options
from hubtools.cli.output import REPORT_FORMATS, Output, output_options, shown_path
from hubtools.errors import ExitCode
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.findings import Report
    from hubtools.project import Project


@click.command("validate", cls=SettingsCommand)
@click.argument("source", required=False, metavar="[SOURCE]")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option(
    "--resolution",
    type=click.IntRange(32, 4096),
    help="Training resolution to check sizes against.",
)
@click.option(
    "--write-baseline", is_flag=True,
    help="Write what is found down as known  [default file: hubtools-baseline.json]",
)  # fmt: skip
@project_options("rules", "dataset")
@output_options(*REPORT_FORMATS, report=True)
def command(
    source: str | None,
    strict: bool,
    resolution: int | None,
    write_baseline: bool,
    project: Project,
    out: Output,
) -> int:
    """Check pictures before anything is trained or uploaded.

    SOURCE is a folder of pictures or a project folder (default: the project's dataset), a .zip or
    .tar.gz of a folder, parquet or WebDataset shards, hf://datasets/owner/name@revision, or another
    address. Exit code 3 if there are errors. --report FILE.html writes a page with pictures.
    """
    from hubtools.cli.coverage import show_coverage
    from hubtools.cli.loaders import show_loaders
    from hubtools.dataset.check import validate
    from hubtools.dataset.fix.remedies import REMEDIES
    from hubtools.files import human_bytes
    from hubtools.layout import PROJECT_FILE
    from hubtools.reporting.baseline import BASELINE, renew_baseline

    if source is not None and "://" not in source and (Path(source) / PROJECT_FILE).is_file():
        project = project_in(Path(source))
        source = None
    choice = project.rule_choice
    if write_baseline:
        choice["baseline"] = None
    where = source if source is not None else project.dataset_dir
    base = project.base
    with out.progress() as progress:
        task = progress.add_task("reading pictures", total=None, note="")
        report = validate(
            where,
            project.dataset,
            strict=strict,
            resolution=resolution or project.set_resolution,
            base=base,
            exhibits=out.wants_page,
            on_picture=lambda done, total: progress.update(task, completed=done, total=total),
            **choice,
        )
    if write_baseline:
        file = project.baseline or Path(BASELINE)
        report = renew_baseline(report, file)
        out.note(f"{len(report.known)} findings are known now, in {file}")
        if project.baseline is None:
            out.hint(f'baseline = "{file}" in the section [rules] of hubtools.toml, or --baseline')
    facts = report.facts
    if out.human:
        sizes = f", {facts['smallest']} to {facts['largest']}" if "smallest" in facts else ""
        out.note(
            f"{plural(facts['pictures'], 'picture')} ({human_bytes(facts['bytes'])}{sizes}),"
            f" {plural(facts['rows'], 'row')}, {plural(facts['captions'], 'caption')}"
        )
        if facts["target"]:
            told = (
                f"{one['name']} reads {one['tokens']} tokens"
                + ("" if one["exact"] else ", counted by an estimate")
                for one in facts["text_encoders"]
            )
            out.note(f"for {facts['target']}: {facts['resolution']} px; {'; '.join(told)}")
        show_loaders(facts["loaders"], out)
        show_coverage(facts, out)
    out.report(report, prefix=_prefix(where))
    _tell_stale(report, out)
    if not Path(where).is_dir():
        return ExitCode.DONE if report.ok else ExitCode.CHECKS_FAILED
    curable = sum(1 for finding in report.findings if (r := REMEDIES.get(finding.rule)) and r.safe)
    if curable and out.human:
        out.hint(f"`hubtools fix` may repair {curable} of these; it shows a diff first")
    return ExitCode.DONE if report.ok else ExitCode.CHECKS_FAILED


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
