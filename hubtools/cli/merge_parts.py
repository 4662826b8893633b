"""`hubtools merge-parts`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import REPORT_FORMATS, Output, output_options
from hubtools.cli.validate import check, check_options, told_partials

if TYPE_CHECKING:
    from hubtools.project import Project


@click.command("merge-parts", cls=SettingsCommand)
@click.argument("partials", nargs=-1, metavar="PARTIAL... [SOURCE]")
@check_options
@project_options("rules", "dataset")
@output_options(*REPORT_FORMATS, report=True)
def command(
    partials: tuple[str, ...],
    strict: bool,
    resolution: int | None,
    write_baseline: bool,
    project: Project,
    out: Output,
) -> int:
    """Judge what jobs found of shares of the pictures, as one check of all of them.

    The files are what `hubtools validate SOURCE --shard I/N --partial FILE` wrote. SOURCE is where
    the pictures lie now (default: where the first job found them). Exit code 3 if there are errors.
    """
    from hubtools.commands.pictures import merge_parts

    files, source = told_partials(partials)
    run = functools.partial(merge_parts, files)
    return check(run, source, project, out, strict, resolution, write_baseline)
