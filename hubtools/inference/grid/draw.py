"""Draw what a plan lacks, cell by cell, and write picture, page and facts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from hubtools.causes import is_absent
from hubtools.errors import HubtoolsError
from hubtools.files import json_bytes, json_value, sha256_of
from hubtools.inference.generate import open_drawing, tell_of_blanked
from hubtools.inference.grid.drawn import Drawn, GridResult
from hubtools.inference.grid.page import grid_page
from hubtools.inference.grid.picture import check_picture, grid_picture
from hubtools.inference.grid.plan import CELLS_DIR, FACTS, PAGE, GridPlan, plan_grid
from hubtools.inference.pipeline import draw
from hubtools.inference.schedulers import use_scheduler
from hubtools.inference.staged import LoraShots
from hubtools.limits import OWN_JSON_COST
from hubtools.manifest import SampleRecord
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.rooted.outputs import check_output, keeping
from hubtools.summed import (
    JSON_SUM,
    is_summed_text,
    json_was_changed,
    summed_json,
    summed_text,
)

_MOST = 256_000_000  # bytes of a grid.json
_EVERY = 2.0  # seconds between two writings of grid.json while cells are drawn


def grid(
    project: Project,
    prompt: str | None = None,
    *,
    x: str,
    y: str | None = None,
    z: str | None = None,
    batch_size: int | None = None,
    cell_size: int = 256,
    on_step: Callable[[int, int], None] | None = None,
    note: Callable[[str], None] = lambda sentence: None,
    **options: Any,
) -> GridResult:
    """Plan and draw a grid: `plan_grid` (which takes `options`), then `draw_grid`."""
    plan = plan_grid(project, prompt, x=x, y=y, z=z, note=note, **options)
    return draw_grid(plan, batch_size=batch_size, cell_size=cell_size, on_step=on_step, note=note)


def draw_grid(
    plan: GridPlan,
    *,
    batch_size: int | None = None,
    cell_size: int = 256,
    on_step: Callable[[int, int], None] | None = None,
    on_picture: Callable[[SampleRecord], None] | None = None,
    note: Callable[[str], None] = lambda sentence: None,
) -> GridResult:
    """Draw the cells that are not there, then write the rest. `cell_size`: side of a cell of
    grid.png in pixels. `on_step(done, total)` counts denoising steps of the whole grid.

    Can be stopped at any moment: cells that are done stay done, and grid.json knows them.
    """
    todo = plan.todo()
    with plan.opened() as root:
        if root is not None:
            _check_free(root)
    with plan.opened(create=True) as root:  # once: it may be exchanged while cells are drawn
        assert root is not None
        pictures = _pictures(plan, _known(plan))
        drawn = 0
        try:
            if todo:
                drawn = _draw(plan, root, todo, pictures, batch_size, on_step, on_picture, note)
        finally:
            known = {file: (picture.sha256, picture.seconds) for file, picture in pictures.items()}
            pictures = _pictures(plan, known)  # what lies there now, whatever has happened
            _write_facts(plan, root, pictures, note)
        tell_of_blanked([picture.record for picture in pictures.values()], note)
        _check_free(root)  # hours may have gone by
        grid_picture(plan, pictures, root, cell_size)
        page = summed_text(grid_page(plan, pictures), "<!-- ", " -->")
        root.write(PAGE, page.encode("utf-8"), check=lambda: _check_page(root))
    return GridResult(plan, pictures, drawn)


def _check_free(root: Root) -> None:
    """Raises `HubtoolsError` if a name of the grid belongs to something else."""
    check_picture(root)
    _check_page(root)
    check_output(root, FACTS, "a grid's facts", _are_facts)


def _check_page(root: Root) -> None:
    check_output(root, PAGE, "a grid's page", is_summed_text)


_KEYS = {"schema_version", "axes", "cells"}
_OF_CELL = {"labels", "file", "drawn", "sha256", "seconds", "parameters"}


def _are_facts(data: bytes) -> bool:
    """Whether these are the bytes of facts, and hold no key and no value of a person's, who judges
    pictures."""
    if json_was_changed(data):
        return False
    try:
        content = json_value(data, most=OWN_JSON_COST)
        return content.keys() - {JSON_SUM} == _KEYS and all(
            cell.keys() == _OF_CELL
            and (cell["parameters"] or {}).keys() <= SampleRecord.model_fields.keys()
            for cell in content["cells"]
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def _draw(
    plan: GridPlan,
    root: Root,
    todo: list[tuple[Any, list[Any]]],
    pictures: dict[str, Drawn],
    batch_size: int | None,
    on_step: Callable[[int, int], None] | None,
    on_picture: Callable[[SampleRecord], None] | None,
    note: Callable[[str], None],
) -> int:
    cells = [cell for _, group in todo for cell in group]
    pipeline, prompts = open_drawing(
        plan.project,
        plan.base,
        [LoraShots([cell.shot for cell in group], loras) for loras, group in todo],
        device=plan.device,
        dtype=plan.dtype,
        safety_checker=plan.safety_checker,
        note=note,
    )
    _check_schedulers(pipeline, {cell.shot.scheduler for cell in cells})
    total = sum(cell.shot.steps for cell in cells)
    before = count = 0
    written = time.monotonic()
    seconds: dict[str, float] = {}

    def stepped(done: int, _of_group: int) -> None:
        if on_step:
            on_step(before + done, total)

    def seen(record: SampleRecord, drawn: bool) -> None:
        nonlocal count, written
        count += drawn
        file = f"{CELLS_DIR}/{record.file}"
        sha256 = sha256_of(plan.folder / file)
        pictures[file] = Drawn(record, sha256, seconds.get(record.file))
        if on_picture:
            on_picture(record)
        if time.monotonic() - written > _EVERY:
            _write_facts(plan, root, pictures, note)
            written = time.monotonic()

    with root.inside(CELLS_DIR, create=True) as cells_dir:
        for loras, group in todo:
            names = [cell.file.removeprefix(f"{CELLS_DIR}/") for cell in group]
            draw(
                pipeline,
                [cell.shot for cell in group],
                cells_dir,
                names=[name.removesuffix(".png") for name in names],
                base=plan.base,
                loras=loras,
                batch_size=batch_size,
                on_step=stepped,
                on_picture=seen,
                seconds=seconds,
                prompts=prompts,
                note=note,
            )
            before += sum(cell.shot.steps for cell in group)
    return count


def _check_schedulers(pipeline: Any, names: set[str]) -> None:
    """Better now than after an hour."""
    own = pipeline.scheduler
    try:
        for name in sorted(names):
            use_scheduler(pipeline, name)
            pipeline.scheduler = own
    finally:
        pipeline.scheduler = own


def _known(plan: GridPlan) -> dict[str, tuple[str, float | None]]:
    """File -> (hash, seconds), as an earlier grid.json in the folder tells."""
    try:
        with plan.opened() as root:
            content = json_value(root.read(FACTS, _MOST)) if root else {}
        found = {cell["file"]: (cell["sha256"], cell["seconds"]) for cell in content["cells"]}
    except OSError as error:
        if not is_absent(error):  # all pictures would be drawn again
            raise
        return {}
    except (ValueError, LookupError, TypeError, RecursionError, HubtoolsError):
        return {}
    return {
        file: (sha256, seconds)
        for file, (sha256, seconds) in found.items()
        if type(seconds) in (int, float) and math.isfinite(seconds) and 0 <= seconds < 1e9
    }


def _pictures(plan: GridPlan, known: dict[str, tuple[str, float | None]]) -> dict[str, Drawn]:
    """The pictures that are on disk by now, with their facts."""
    pictures = {}
    for file, record in plan.records().items():
        sha256 = sha256_of(plan.folder / file)
        before = known.get(file)
        pictures[file] = Drawn(
            record, sha256, before[1] if before and before[0] == sha256 else None
        )
    return pictures


def _write_facts(
    plan: GridPlan, root: Root, pictures: dict[str, Drawn], note: Callable[[str], None]
) -> None:
    cells = []
    for cell in plan.cells:
        picture = pictures.get(cell.file)
        cells.append(
            {
                "labels": {
                    axis.name: axis.values[index].label
                    for axis, index in zip(plan.axes, cell.at, strict=True)
                },
                "file": cell.file,
                "drawn": picture is not None,
                "sha256": picture.sha256 if picture else None,
                "seconds": round(picture.seconds, 3) if picture and picture.seconds else None,
                "parameters": picture.record.model_dump(exclude={"file"}) if picture else None,
            }
        )
    axes = [
        {"name": axis.name, "values": [value.label for value in axis.values]} for axis in plan.axes
    ]
    facts = {"schema_version": 1, "axes": axes, "cells": cells}
    # while cells are drawn: the drawing is not stopped for one that a person has changed
    check = keeping(root, FACTS, _are_facts, note)
    root.write(FACTS, summed_json(json_bytes(facts)), check=check)
