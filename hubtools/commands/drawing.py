"""`train`, `generate`, `grid` and `evaluate` as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from hubtools.commands.asked import (
    Note,
    Progress,
    ProjectLike,
    baseline_to_write,
    project_of,
    quiet,
    takes,
)
from hubtools.errors import UsageError
from hubtools.files import StrPath
from hubtools.layout import LORA_WEIGHTS
from hubtools.notebooks import followed
from hubtools.project import Project

if TYPE_CHECKING:
    from hubtools.evaluation.result import Evaluation
    from hubtools.inference.grid import GridPlan, GridResult
    from hubtools.manifest import RunManifest, SampleRecord
    from hubtools.progress import Reporter


def train(
    project: ProjectLike = None,
    *,
    resume: bool = True,
    resume_from_checkpoint: str | None = None,
    dry_run: bool = False,
    skip_validation: bool = False,
    strict: bool = False,
    write_baseline: bool = False,
    trust_state: bool = False,
    reporter: Reporter | None = None,
    **settings: Any,
) -> RunManifest:
    """Train a LoRA; a run that was stopped goes on. Returns its manifest, with `dry_run` that of
    the plan.
    `write_baseline`: what the T rules find is known from now on. Raises `ChecksFailed` if the
    pictures or the plan do not pass."""
    from hubtools.training.train import train as run

    project = project_of(train, project, settings)
    if resume_from_checkpoint not in (None, "latest"):
        raise UsageError(
            f"--resume-from-checkpoint {resume_from_checkpoint} cannot be: a run continues from"
            " its newest state.",
            hint="leave it out, or `latest`; to continue elsewhere copy the run folder",
        )
    if resume_from_checkpoint and not resume:
        raise UsageError("--resume-from-checkpoint and --no-resume contradict each other.")
    given = project.given
    return run(
        project,
        resume=resume,
        reporter=reporter,
        dry_run=dry_run,
        from_hub="dataset.repo" in given and "dataset.path" not in given,
        skip_validation=skip_validation,
        strict=strict,
        write_baseline=baseline_to_write(project) if write_baseline else None,
        trust_state=trust_state,
    )


def _loras(project: Project, lora: str | Sequence[str], note: Note) -> Sequence[str]:
    """Those that are asked for, else the project's run if it is finished, and if its LoRA is not in
    the weights of the base already."""
    from hubtools.inference.lora import resolve_lora

    if lora:
        return (lora,) if isinstance(lora, str) else lora
    own = project.to_draw_from("train", "output_dir", project.train.output_dir)
    if own is None or not (own / LORA_WEIGHTS).is_file():
        return ()
    run, base = str(project.run_dir), project.base
    within = resolve_lora(run).within(base) if base and Path(base).is_dir() else None
    if within is None:
        return (run,)
    note(
        f"{base} has the run's LoRA in its weights already, at {within:g}, and draws as it is;"
        f" --lora {quote(run)} adds it once more."
    )
    return ()


def generate(
    project: ProjectLike = None,
    *,
    prompts: Sequence[str] = (),
    lora: str | Sequence[str] = (),
    step: int | None = None,
    like: StrPath | None = None,
    weight_name: str | None = None,
    num_images: int = 1,
    batch_size: int | None = None,
    output: StrPath | None = None,
    contact_sheet: StrPath | None = None,
    fuse: bool | None = None,
    safety_checker: bool = True,
    device: str | None = None,
    dtype: str | None = None,
    note: Note = quiet,
    on_step: Progress | None = None,
    on_picture: Callable[[SampleRecord, bool], None] | None = None,
    **settings: Any,
) -> list[SampleRecord]:
    """Draw pictures. Without `lora` the project's run is used if it is finished, else the bare
    base. `on_picture(record, drawn)`: drawn is False for one that was there already."""
    from hubtools.inference.generate import generate as run

    project = project_of(generate, project, settings)
    return run(
        project,
        lora=lora if lora or like is not None else _loras(project, lora, note),
        prompts=prompts,
        images=num_images,
        output=output,
        batch_size=batch_size,
        sheet=contact_sheet,
        step=step,
        weight_name=weight_name,
        fuse=fuse,
        like=like,
        given=project.given,
        safety_checker=safety_checker,
        device=device,
        dtype=dtype,
        note=note,
        on_step=on_step or followed("drawing"),
        on_picture=on_picture,
    )


def plan_grid(
    project: ProjectLike = None,
    prompt: str | None = None,
    *,
    x: str,
    y: str | None = None,
    z: str | None = None,
    lora: str | Sequence[str] = (),
    step: int | None = None,
    weight_name: str | None = None,
    output: StrPath | None = None,
    safety_checker: bool = True,
    device: str | None = None,
    dtype: str | None = None,
    note: Note = quiet,
    **settings: Any,
) -> GridPlan:
    """What `grid` would draw."""
    from hubtools.inference.grid import plan_grid as make

    project = project_of(grid, project, settings)
    return make(
        project, prompt, x=x, y=y, z=z, lora=_loras(project, lora, note), step=step,
        weight_name=weight_name, output=output, safety_checker=safety_checker, device=device,
        dtype=dtype, note=note,
    )  # fmt: skip


@takes(plan_grid)
def grid(
    project: ProjectLike = None,
    prompt: str | None = None,
    *,
    cell_size: int = 256,
    batch_size: int | None = None,
    plan: GridPlan | None = None,
    note: Note = quiet,
    on_step: Progress | None = None,
    on_picture: Callable[[SampleRecord], None] | None = None,
    **asked: Any,
) -> GridResult:
    """Draw a prompt with up to three things varied; without `lora` as `generate`. `plan`: what
    `plan_grid` has made of the same arguments. `on_picture` is told of each that is drawn."""
    from hubtools.inference.grid import draw_grid

    if plan is None:
        plan = plan_grid(project, prompt, note=note, **asked)
    return draw_grid(
        plan, batch_size=batch_size, cell_size=cell_size, note=note,
        on_step=on_step or followed("drawing"), on_picture=on_picture,
    )  # fmt: skip


def evaluate(
    project: ProjectLike = None,
    lora: str | None = None,
    *,
    batch_size: int | None = None,
    device: str | None = None,
    dtype: str | None = None,
    note: Note = quiet,
    on_step: Progress | None = None,
    **settings: Any,
) -> Evaluation:
    """Measure a LoRA (default: the project's run) against its base."""
    from hubtools.evaluation.run import evaluate as run

    project = project_of(evaluate, project, settings)
    return run(
        project, lora, batch_size=batch_size, device=device, dtype=dtype, note=note,
        on_step=on_step or followed("measuring"),
    )  # fmt: skip
