"""`hubtools grid`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubtools.cli import completion
from hubtools.cli.options import SettingsCommand, drawing_options, project_options
from hubtools.cli.output import Output, output_options
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.inference.grid import GridPlan
    from hubtools.project import Project


@click.command("grid", cls=SettingsCommand)
@click.argument("prompt", required=False)
@click.option(
    "--x", metavar="NAME=VALUES", required=True, help="What varies from left to right.",
    shell_complete=completion.axes,
)  # fmt: skip
@click.option(
    "--y", metavar="NAME=VALUES", help="What varies from top to bottom.",
    shell_complete=completion.axes,
)  # fmt: skip
@click.option(
    "--z", metavar="NAME=VALUES", help="What varies from block to block.",
    shell_complete=completion.axes,
)  # fmt: skip
@drawing_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the grid  [default: grids/<prompt>_<axes>]",
)  # fmt: skip
@click.option(
    "--cell-size", type=click.IntRange(32, 2048), default=256, show_default=True,
    help="Side of a cell of grid.png in pixels.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@project_options("samples", "train")
@output_options()
def command(
    prompt: str | None,
    x: str,
    y: str | None,
    z: str | None,
    loras: tuple[str, ...],
    step: int | None,
    weight_name: str | None,
    output: Path | None,
    cell_size: int,
    batch_size: int | None,
    safety_checker: bool,
    device: str | None,
    dtype: str | None,
    dry_run: bool,
    project: Project,
    out: Output,
) -> None:
    """Draw a prompt with one, two or three things varied, side by side.

    \b
    Axes: scheduler, step (500,1000,final or all), lora_weight (0 is the base),
    seed, steps, guidance, size, prompt and negative_prompt (separated by |),
    and prompt.NAME, whose values fill {NAME} in the prompt.
    Numbers may be ranges: 0..3 or 0:1:0.25.

    Writes grid.png, index.html, grid.json and every picture. A cell that is there with the same
    parameters is not drawn again, so a grid can be stopped and go on, or grow.
    """
    from hubtools.commands.drawing import grid, plan_grid
    from hubtools.inference.grid.plan import FACTS, PAGE, PICTURE

    asked: dict[str, Any] = {
        "x": x, "y": y, "z": z, "lora": loras, "step": step, "weight_name": weight_name,
        "output": output, "safety_checker": safety_checker, "device": device, "dtype": dtype,
        "note": out.note,
    }  # fmt: skip
    plan = plan_grid(project, prompt, **asked)
    there = len(plan.there())
    todo = len(plan.files) - there
    for sentence in _told(plan, there, todo):
        out.note(sentence)
    facts: dict[str, Any] = {"cells": len(plan.cells), "pictures": len(plan.files), "there": there}
    if dry_run:
        out.result(f"Nothing drawn: {plan.folder}", folder=plan.folder, **facts, to_draw=todo)
        return
    with out.progress() as progress:
        task = progress.add_task("drawing", total=None, note="")
        left = todo

        def seen(record: object) -> None:
            nonlocal left
            left -= 1
            progress.update(task, note=f"{left} to go" if left else "")

        result = grid(
            project,
            prompt,
            **asked,
            plan=plan,
            batch_size=batch_size,
            cell_size=cell_size,
            on_step=lambda done, total: progress.update(task, completed=done, total=total),
            on_picture=seen,
        )
    blanked = sum(picture.record.blanked for picture in result.pictures.values())
    sentence = f"{plural(result.drawn, 'picture')} drawn"
    sentence += f", {there} already there" if there else ""
    sentence += f", {blanked} blanked by the safety checker" if blanked else ""
    folder = plan.folder
    out.result(
        sentence,
        picture=folder / PICTURE,
        page=folder / PAGE,
        facts=folder / FACTS,
        **({} if out.human else facts | {"drawn": result.drawn, "blanked": blanked}),
    )


def _told(plan: GridPlan, there: int, todo: int) -> list[str]:
    lines = []
    for letter, axis in zip("xyz", plan.axes, strict=False):
        labels = [value.label for value in axis.values]
        shown = labels if len(labels) <= 8 else [*labels[:6], "...", labels[-1]]
        lines.append(f"{letter}  {axis.title}: {' | '.join(shown)}")
    count = " x ".join(str(len(axis.values)) for axis in plan.axes)
    cells = f"{count} = {len(plan.cells)} cells" if len(plan.axes) > 1 else f"{count} cells"
    if len(plan.files) < len(plan.cells):
        cells += f", {len(plan.files)} different pictures"
    return [*lines, f"{cells}: {there} there already, {todo} to draw."]
