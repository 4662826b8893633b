"""What a grid will draw: every cell with its shot and LoRAs, and which of them are there."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hubtools.errors import UsageError, require_extra
from hubtools.files import StrPath
from hubtools.inference.controls import controls_for, taken_by, used
from hubtools.inference.generate import base_of, tell_bare, triggers
from hubtools.inference.grid.axes import ALL, NAMES, Axis, Value, parse_axis, step_value
from hubtools.inference.lora import (
    WeightedLora,
    check_loras,
    is_run,
    parse_lora,
    resolve_loras,
    snapshots_of,
)
from hubtools.inference.pipeline import versions
from hubtools.inference.project_base import size_on
from hubtools.inference.shots import Shot, check_size, shots_of
from hubtools.manifest import SampleRecord, read_record_of
from hubtools.models.base import Base
from hubtools.models.device import best_dtype, checked_device
from hubtools.models.families.protocol import sampling_of
from hubtools.project import Project
from hubtools.rooted import Root

GRIDS_DIR, CELLS_DIR = "grids", "cells"
PICTURE, PAGE, FACTS = "grid.png", "index.html", "grid.json"
MOST_CELLS = 2000

_PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True)
class Cell:
    """A place of the grid, by index on each axis, and what is drawn there. Cells that come to the
    same (weight 0 at every training step) share a file."""

    at: tuple[int, ...]
    shot: Shot
    loras: tuple[WeightedLora, ...]
    file: str  # within the grid's folder


@dataclass(frozen=True)
class GridPlan:
    """A grid with nothing drawn yet. `cells` are in reading order (x fastest)."""

    project: Project
    folder: Path
    prompt: str  # with its places still open; empty if prompts are an axis
    axes: tuple[Axis, ...]
    cells: tuple[Cell, ...]
    base: Base
    dtype: str
    device: str
    safety_checker: bool

    @property
    def files(self) -> list[str]:
        """Of all pictures, each once."""
        return list(dict.fromkeys(cell.file for cell in self.cells))

    def there(self) -> list[str]:
        """Files that need not be drawn again."""
        return list(self.records())

    @contextmanager
    def opened(self, *, create: bool = False) -> Iterator[Root | None]:
        """The grid's folder; None if there is none yet and not `create`. If it lies below the
        project, no link leads to it."""
        with ExitStack() as stack:
            if not create and not self.folder.is_dir():
                yield None
            elif self.folder.parent == self.project.place_for(GRIDS_DIR):
                root = stack.enter_context(Root(self.project.root))
                name = self.folder.relative_to(self.project.root).as_posix()
                yield stack.enter_context(root.inside(name, create=create))
            else:
                yield stack.enter_context(Root(self.folder, create=create))

    def records(self) -> dict[str, SampleRecord]:
        """What lies beside each picture that is there and need not be drawn again."""
        found = {}
        with self.opened() as folder:
            if folder is None or not folder.exists(CELLS_DIR):
                return {}
            with folder.inside(CELLS_DIR) as cells:
                for file in self.files:
                    name = file.removeprefix(f"{CELLS_DIR}/")
                    record = read_record_of(cells, f"{name.removesuffix('.png')}.json")
                    if record is None or not cells.is_file(name):
                        continue
                    if not record.blanked or self.safety_checker:
                        found[file] = record
        return found

    def todo(self) -> list[tuple[tuple[WeightedLora, ...], list[Cell]]]:
        """Cells to draw, each file once, by the LoRAs they need: those without first, then by
        training step and weight, so that each file of weights is read once."""
        there = set(self.there())
        groups: dict[tuple[tuple[str, float], ...], list[Cell]] = {}
        for cell in sorted(self.cells, key=self._slowest_first):
            if cell.file not in there:
                there.add(cell.file)
                key = tuple((lora.file.sha256, lora.weight) for lora in cell.loras)
                groups.setdefault(key, []).append(cell)
        ordered = sorted(groups.values(), key=lambda cells: bool(cells[0].loras))
        return [(cells[0].loras, cells) for cells in ordered]

    def _slowest_first(self, cell: Cell) -> list[int]:
        def cost(axis: Axis) -> int:
            return NAMES.index("prompt" if axis.part else axis.name)

        order = sorted(range(len(self.axes)), key=lambda index: cost(self.axes[index]))
        return [cell.at[index] for index in order]


def plan_grid(
    project: Project,
    prompt: str | None = None,
    *,
    x: str,
    y: str | None = None,
    z: str | None = None,
    lora: str | Sequence[str] | None = None,
    step: int | None = None,
    weight_name: str | None = None,
    output: StrPath | None = None,
    safety_checker: bool = True,
    device: str | None = None,
    dtype: str | None = None,
    note: Callable[[str], None] = lambda sentence: None,
) -> GridPlan:
    """Plan the grid of `prompt` (default the first of samples.prompts) over the axes `x`, `y` and
    `z`, each typed as `name=values` (see axes.py). All else is as `samples` says.

    `lora`, `step`, `weight_name` as for `generate`; the axis lora_weight multiplies each LoRA's own
    weight. Raises `UsageError` for axes that make no sense here.
    """
    require_extra("train", "Drawing pictures")
    texts = [lora] if isinstance(lora, str) else list(lora or ())
    axes = [parse_axis(text) for text in (x, y, z) if text is not None]
    axes = [_filled(axis, texts) for axis in axes]
    _check(axes, texts, step)
    prompt = _prompt(project, prompt, axes)
    by_step: dict[object, tuple[WeightedLora, ...]] = {}
    for place in _axis(axes, "step", Value(None, "")):
        chosen_step = place.value if isinstance(place.value, int) else step
        by_step[place.value] = resolve_loras(texts, weight_name=weight_name, step=chosen_step)
    first = next(iter(by_step.values()))
    base = base_of(project, first[0].file if first else None, note)
    if not first:
        tell_bare(project, note)
    for some in by_step.values():
        check_loras(some, base.path_or_id, note)
    if dtype is None or device is None:
        device = checked_device(device)
        dtype = dtype or best_dtype(device)
    (start,), _ = shots_of(
        project.samples,
        [prompt],
        size_on(project, base),
        literals=triggers(project, first),
        usual=sampling_of(base),
        controls=controls_for(project, [prompt], taken_by(base)),
    )
    _check_places(start, axes)
    identity = _identity(base, dtype)
    cells = []
    for places in itertools.product(*(range(len(axis.values)) for axis in reversed(axes))):
        at = tuple(reversed(places))
        chosen = {axis.name: axis.values[i].value for axis, i in zip(axes, at, strict=True)}
        shot, loras = _cell(start, chosen, by_step)
        check_size(shot.width, shot.height, base.support.divisor)
        cells.append(Cell(at, shot, loras, _file(identity, shot, loras)))
    folder = Path(output) if output else project.place_for(GRIDS_DIR) / _name(prompt, axes)
    return GridPlan(
        project, folder, prompt, tuple(axes), tuple(cells), base, dtype, device, safety_checker
    )


def _axis(axes: Sequence[Axis], name: str, default: Value) -> tuple[Value, ...]:
    return next((axis.values for axis in axes if axis.name == name), (default,))


def _filled(axis: Axis, texts: Sequence[str]) -> Axis:
    """`step=all` with the run's snapshots in its place."""
    if axis.name != "step" or all(value.value != ALL for value in axis.values):
        return axis
    runs = [Path(parse_lora(text)[0]).expanduser() for text in texts]
    steps = [step for run in runs for step in snapshots_of(run)]
    values = [step_value(step) for step in dict.fromkeys(steps)]
    others = [value for value in axis.values if value.value != ALL and value not in values]
    if not values:
        raise UsageError(
            "There are no snapshots to draw.", hint="give a run folder that has some as --lora"
        )
    return replace(axis, values=(*values, *others))


def _check(axes: Sequence[Axis], loras: Sequence[str], step: int | None) -> None:
    names = [axis.name for axis in axes]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"Two axes vary {twice}.", hint="give all its values to one of them")
    for name in ("lora_weight", "step"):
        if name in names and not loras:
            raise UsageError(f"The axis {name} needs a LoRA.", hint="name one with --lora")
    if "step" in names:
        if step is not None:
            raise UsageError("The training step is an axis and an option.", hint="drop --step")
        if not any(is_run(parse_lora(text)[0]) for text in loras):
            raise UsageError(
                "The axis step needs a run folder, which keeps snapshots.",
                hint="--lora runs/<name>",
            )
    total = 1
    for axis in axes:
        total *= len(axis.values)
    if total > MOST_CELLS:
        raise UsageError(
            f"The grid would have {total:,} cells; {MOST_CELLS:,} are the most.",
            hint="take fewer values",
        )


def _prompt(project: Project, prompt: str | None, axes: Sequence[Axis]) -> str:
    if any(axis.name == "prompt" for axis in axes):
        if prompt is not None:
            raise UsageError(
                "The prompt is given and is an axis.",
                hint="leave one out, or vary a part of it: --y prompt.style=... fills {style}",
            )
        return ""
    if prompt is None and project.samples.prompts:
        prompt = project.samples.prompts[0]
    if not prompt:
        raise UsageError(
            "There is no prompt.",
            hint='hubtools grid "a photo of ..." --x seed=0..3',
        )
    return prompt


def _cell(
    shot: Shot, chosen: Mapping[str, object], by_step: Mapping[object, tuple[WeightedLora, ...]]
) -> tuple[Shot, tuple[WeightedLora, ...]]:
    """The shot and its LoRAs, weights multiplied out; those of weight 0 are left out."""
    changes = {
        name: value
        for name, value in chosen.items()
        if name in ("scheduler", "seed", "steps", "guidance", "prompt", "negative_prompt")
    }
    if "size" in chosen:
        changes["width"], changes["height"] = chosen["size"]  # type: ignore[misc]
    strength = float(chosen.get("lora_weight", shot.lora_weight))  # type: ignore[arg-type]
    shot = replace(shot, lora_weight=1.0, **changes)  # type: ignore[arg-type]
    if shot.negative_prompt == "":
        shot = replace(shot, negative_prompt=None)
    words = {
        name.removeprefix("prompt."): str(value)
        for name, value in chosen.items()
        if name.startswith("prompt.")
    }

    def filled(text: str) -> str:
        return _PLACE.sub(lambda match: words.get(match[1], match[0]), text)

    negative = shot.negative_prompt
    shot = replace(
        shot,
        prompt=filled(shot.prompt),
        negative_prompt=None if negative is None else filled(negative),
    )
    loras = tuple(
        WeightedLora(lora.file, lora.weight * strength)
        for lora in by_step[chosen.get("step")]
        if lora.weight * strength != 0
    )
    return shot, loras


def _check_places(start: Shot, axes: Sequence[Axis]) -> None:
    """Every `{place}` of a prompt has its axis, and every such axis its place."""
    texts = [start.prompt, start.negative_prompt or ""]
    for axis in axes:
        if axis.name in ("prompt", "negative_prompt"):
            texts += [str(value.value) for value in axis.values]
    places = [match[1] for text in texts for match in _PLACE.finditer(text)]
    parts = [axis.part for axis in axes if axis.part]
    for place in places:
        if place not in parts:
            raise UsageError(
                f"Nothing fills {{{place}}} of the prompt.",
                hint=f'give its values to an axis: --y "prompt.{place}=one,another"',
            )
    for part in parts:
        if part not in places:
            raise UsageError(
                f"The prompt has no place {{{part}}} for the axis prompt.{part}.",
                hint=f'write it where the words belong: "a painting in the style of {{{part}}}"',
            )


def _identity(base: Base, dtype: str) -> dict[str, object]:
    """What all cells share. A folder may get other weights under its old name."""
    weights: list[object] = []
    if base.single is not None:
        weights = [Path(base.path_or_id).name]  # a digest
    elif base.local:
        files = sorted(Path(base.path_or_id).glob("*/*.safetensors"))
        weights = [[str(f), f.stat().st_size, f.stat().st_mtime_ns] for f in files]
    return {
        "base": [base.id, base.revision, weights],
        "dtype": dtype,
        "versions": versions(),
    }


def _file(identity: dict[str, object], shot: Shot, loras: Sequence[WeightedLora]) -> str:
    content = {
        **identity,
        "shot": asdict(shot) | {"controls": [one.sha256 for one in used(shot.controls)]},
        "loras": [[lora.file.sha256, lora.weight] for lora in loras],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{CELLS_DIR}/{digest[:16]}.png"


def _name(prompt: str, axes: Sequence[Axis]) -> str:
    """`a-photo-of-tok_scheduler_style`: the same grid with more values lies in the same folder."""
    words = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40].strip("-")
    return "_".join([words or "prompts", *(axis.part or axis.name for axis in axes)])
