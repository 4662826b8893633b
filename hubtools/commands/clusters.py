"""`launch` as functions."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from hubtools.commands.asked import SECTIONS_OF, ProjectLike, project_of, setting_names
from hubtools.commands.drawing import train
from hubtools.errors import UsageError
from hubtools.files import StrPath


def launch_slurm(
    project: ProjectLike = None,
    *,
    nodes: int = 1,
    gpus: int = 1,
    time: str = "4:00:00",
    partition: str | None = None,
    account: str | None = None,
    cpus: int | None = None,
    output: StrPath | None = None,
    **settings: Any,
) -> Path:
    """Write the script with which `sbatch` trains the project on `gpus` of each of the `nodes`, for
    `time` as Slurm writes it; answers where (default: the run's name and .sbatch). `cpus`: for each
    node. The settings are those of `train`. Raises `UsageError` for what cannot be."""
    from hubtools.inference.project_base import name_of_base
    from hubtools.jobs.slurm import Cluster, slurm_script
    from hubtools.rooted import Root
    from hubtools.rooted.outputs import check_output
    from hubtools.summed import is_summed_text

    project = project_of(launch_slurm, project, settings)
    cluster = Cluster(nodes, gpus, time, partition, account, cpus)
    name_of_base(project)
    if project.dataset.repo is None:
        project.to_draw_from("dataset", "path", project.dataset.path, "trained")
    if project.dataset.repo is None and not project.dataset_dir.is_dir():
        raise UsageError(
            f"There is no folder {project.dataset_dir} to train on.",
            hint="give one with --train-data-dir DIR, or a Hub dataset with --dataset-name",
            code="file-not-found",
            missing=project.dataset_dir,
        )
    own = set(inspect.signature(train).parameters)
    places = setting_names(SECTIONS_OF["train"], own)
    script = slurm_script(project, {at: names[0] for at, names in places.items()}, cluster)
    path = Path(output or f"{project.run_dir.name}.sbatch").absolute()
    with Root(path.parent) as root:

        def check() -> None:
            check_output(root, path.name, "a script", is_summed_text)

        root.write(path.name, script.encode("utf-8"), mode=0o755, check=check)
    return path
