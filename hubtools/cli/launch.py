"""`hubtools launch`: the training on a cluster."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options

if TYPE_CHECKING:
    from hubtools.project import Project


@click.group()
def command() -> None:
    """Train on a cluster: write the script that its queue takes."""


@command.command(
    "slurm", cls=SettingsCommand, short_help="Write the script with which `sbatch` trains."
)
@click.option("--nodes", type=int, default=1, show_default=True, help="Machines.")
@click.option("--gpus", type=int, default=1, show_default=True, help="GPUs of each of them.")
@click.option(
    "--time", default="4:00:00", show_default=True,
    help="When the job is ended, as Slurm writes it; the run is saved five minutes before.",
)  # fmt: skip
@click.option("--partition", help="Partition of the cluster.")
@click.option("--account", help="Account that is charged.")
@click.option("--cpus", type=int, help="CPU cores of each node.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The script to write  [default: the run folder's name and .sbatch]",
)
@project_options("train", "dataset", "samples")
@output_options()
def slurm(project: Project, out: Output, output: Path | None, **cluster: Any) -> None:
    """Write the script with which `sbatch` trains, on one node or several.

    The settings are those of `train`. The project, the run folder, the home folder and this Python
    must be found under the same paths on all nodes.
    """
    from hubtools.commands.clusters import launch_slurm

    path = launch_slurm(project, output=output, **cluster)
    out.result(f"Written to {path}", essential=str(path), script=str(path))
    out.hint(f"next: sbatch {shlex.quote(str(path))}")
