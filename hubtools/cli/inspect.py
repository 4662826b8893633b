"""`hubtools inspect`."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from hubtools.cli.emptiness import PathOrModel
from hubtools.cli.following import BASE
from hubtools.cli.options import SettingsCommand, crop_options, project_options
from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode
from hubtools.files import written
from hubtools.layout import CARD, LORA_WEIGHTS
from hubtools.modelfiles import SAFE

if TYPE_CHECKING:
    from rich.progress import TaskID

    from hubtools.dataset.inspect.look import Inspection
    from hubtools.project import Project
    from hubtools.publish.inspection import WeightInspection

# Rows of the table before --all is needed.
_ROWS = 30


@click.command("inspect", cls=SettingsCommand)
@click.argument("path", required=False, type=PathOrModel(path_type=Path))
@crop_options
@click.option("--all", "everything", is_flag=True, help="List every picture.")
@click.option(
    "--pictures", type=click.IntRange(0), metavar="N",
    help="Show N pictures  [default: 8 in a terminal, otherwise none]",
)  # fmt: skip
@click.option(
    "--draw",
    type=click.Choice(["auto", "kitty", "iterm", "sixel", "blocks"]),
    default="auto",
    help="How to show pictures; auto detects what the terminal can show.",
)
@click.option(
    "--sheet", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.png",
    help="Write a contact sheet with the crop marked.",
)  # fmt: skip
@project_options("dataset")
@output_options()
def command(
    path: Path | None,
    resolution: int | None,
    aspect_ratio_buckets: bool | None,
    everything: bool,
    pictures: int | None,
    draw: str,
    sheet: Path | None,
    project: Project,
    out: Output,
) -> int:
    """Show what is in a folder of pictures, and what the trainer will see of each; or what a weight
    file is, and what loaders make of it.

    PATH is a folder of pictures or a project folder (default: the project's dataset), a
    .safetensors file, or a Hub repository with a LoRA (owner/name). In drawn
    pictures the frame is what is trained on (orange: enlarged to the training resolution), the dark
    part is cut off.
    """
    from hubtools.commands.pictures import inspect
    from hubtools.dataset.inspect.look import Inspection

    with out.progress() as progress:
        tasks: list[TaskID] = []  # none before a picture is read: a weight file has none

        def tell(done: int, total: int, doing: str = "reading pictures") -> None:
            if not tasks:
                tasks.append(progress.add_task(doing, total=None, note=""))
            progress.update(tasks[0], completed=done, total=total, description=doing)

        found = inspect(
            path,
            project,
            resolution=resolution,
            aspect_ratio_buckets=aspect_ratio_buckets,
            sheet=sheet,
            note=out.note,
            on_picture=tell,
            on_drawn=partial(tell, doing="drawing"),
        )
    if not isinstance(found, Inspection):
        return _weights(found, out)
    if out.format == "json":
        out.answer.put(found.to_dict())
    else:
        _tables(found, out, everything)
    if pictures is None:
        pictures = 8 if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else 0
    if out.human and pictures:
        _draw(found, pictures, draw, out)
    if sheet is not None:
        from hubtools.dataset.inspect.draw import MOST_ON_A_SHEET

        shown = min(len(found.seen), MOST_ON_A_SHEET)
        rest = f" (of {len(found.seen)})" if shown < len(found.seen) else ""
        out.note(f"{shown} pictures{rest} are on {sheet}")
    return ExitCode.DONE


def _weights(found: WeightInspection, out: Output) -> int:
    facts = found.to_dict()
    if out.format == "json":
        out.answer.put(facts)
        return ExitCode.DONE
    for reader in ("diffusers", "comfyui"):
        if reader in facts:
            took = facts[reader]
            strengths = " to ".join(
                f"{s:g}" for s in sorted({*took["strengths"][:1], *took["strengths"][-1:]})
            )
            much = f"{took['tensors']} of {facts['tensors']} tensors"
            facts[reader] = (
                f"{much}, times alpha / rank = {strengths}"
                if strengths and took["tensors"]
                else much
            )
    if out.human:
        from hubtools.files import human_bytes

        facts["bytes"] = human_bytes(facts["bytes"])
        facts["file"] = found.repository or facts["file"]
    wrong, tells = facts.pop("wrong"), facts.pop("tells")
    if strange := facts.pop("strange_widths", None):
        facts["families"] = (
            f"none that is published has its width {_plain(strange)}; by the names of its layers"
            f" {_plain(facts['families'])}"
        )
    lines = [
        (key.replace("_", " "), _plain(value))
        for key, value in facts.items()
        if value not in ([], [""], {}, None, False)
    ]
    out.table(("", ""), lines)
    for text in tells:
        out.warn(f"Its header tells {text}.")
    for text in wrong:
        out.warn(f"{found.path.name}: {text}.")
    if out.human and found.weights.is_adapter:
        _tell_next(found, out)
    return ExitCode.DONE


_CONVERTED = ("kohya", "native", "peft", "bare")  # what `convert` makes files of diffusers of


def _tell_next(found: WeightInspection, out: Output) -> None:
    from hubtools.lorafile.faults import convert_command, faults_of
    from hubtools.weights import Holds

    held, place = found.weights, found.path
    faults = faults_of(held, place=str(place))
    mends = any(one.command for one in faults)
    if mends or (held.header.holds is Holds.LORA and held.format in _CONVERTED):
        out.hint("`hubtools convert` makes a folder to publish of it, with the names of diffusers")
        out.hint(f"next: {convert_command(held, str(place))}")
    elif faults:
        out.hint(faults[0].hint)
    else:
        like = "" if found.base_model else f" --base-model {BASE}"
        lora = quote(found.repository or str(place))
        if found.repository is None:
            card = place.parent if place.name == LORA_WEIGHTS else None
            publish = f"card {quote(str(card))}" if card else f"convert {quote(str(place))}{like}"
            if card and (card / CARD).is_file():
                publish = f"push {quote(str(card))} OWNER/NAME --dry-run"
            out.hint(f"to publish it, begin with `hubtools {publish}`")
        out.hint(f'next: hubtools generate "a photo of ..." --lora {lora}{like}')


def _plain(value: Any) -> Any:
    """A list or a table as people read it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {said}" for key, said in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _tables(found: Inspection, out: Output, everything: bool) -> None:
    from hubtools.dataset.folder.listing import PUT_PICTURES, walk
    from hubtools.dataset.sources.names import where_pictures_are
    from hubtools.files import human_bytes

    empty = not found.seen and not found.broken
    if out.human and not empty:
        facts = found.summary()
        facts["bytes"] = human_bytes(facts["bytes"])
        lines: list[tuple[str, Any]] = [
            (key.replace("_", " "), _said(value)) for key, value in facts.items() if value
        ]
        out.table(("", ""), lines)
        out.data("")
    columns = ("picture", "size", "resized", "kept", "tokens", "warnings")
    # those with something to say come first, if not all are shown
    order = sorted(found.seen, key=lambda one: not one.warnings) if out.human else found.seen
    limit = None if everything or not out.human else _ROWS
    rows = [
        (
            one.name,
            f"{one.width}x{one.height}",
            "{}x{}".format(*one.resized),
            f"{one.kept:.0%}",
            one.tokens,
            "; ".join(one.warnings),
        )
        for one in order[:limit]
    ]
    if rows or not out.human:
        out.table(columns, rows, right=(3, 4))
    if limit is not None and len(order) > limit:
        out.note(f"... and {len(order) - limit} more; --all lists them")
    if out.human and empty:
        said, hint = where_pictures_are(found.root, walk(Path(found.root)))
        out.warn(f"{said}, and no LoRA." if hint == PUT_PICTURES else f"{said}.")
        out.hint(hint)
    for name, why in found.broken.items():
        out.warn(f"{name} cannot be trained on: {why}.")
    for name, why in found.unread.items():
        out.warn(f"{name}: {why}; captions in it may be missing above.")
    if found.unread:
        out.hint(f"`hubtools validate {quote(str(found.root))}` tells more")
    if out.human and (files := written(Path(found.root), f"*{SAFE}")):
        first = quote(str(files[0]))
        out.hint(
            f"weight files lie there, too; `hubtools inspect {first}` shows what one of them is"
        )


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {number:g}" for key, number in value.items())
    return f"{value:.0%}" if isinstance(value, float) else str(value)


def _draw(found: Inspection, count: int, draw: str, out: Output) -> None:
    from PIL import Image

    from hubtools.dataset.inspect.draw import thumbnail
    from hubtools.dataset.inspect.terminal import (
        PROTOCOLS,
        in_tmux,
        protocol_of,
        render,
        true_colour,
    )

    told = next((p for p in PROTOCOLS if p == draw), None)
    if told is None:
        told = protocol_of(ask=True) if sys.stdout.isatty() else "blocks"
    code = sys.stdout.encoding
    if told == "blocks" and "?" in _in(code, "▀"):
        out.warn(f"Pictures are not drawn: {code}, the encoding of the output, has no blocks.")
        return
    width = max(20, min(shutil.get_terminal_size((80, 24)).columns, 160))
    wide = 24  # characters a picture
    across = max(1, width // (wide + 1))
    side = 240
    chosen = found.seen[:count]
    for start in range(0, len(chosen), across):
        line = chosen[start : start + across]
        strip = Image.new("RGB", (side * len(line), side))
        for number, one in enumerate(line):
            strip.paste(thumbnail(found.root, one, side), (number * side, 0))
        drawn = render(
            strip,
            told,
            wide * len(line),
            true_colour=true_colour(),
            through_tmux=in_tmux(),
        )
        sys.stdout.write(drawn)
        print(_in(code, "".join(_label(one.name, wide) for one in line)))


def _in(code: str, text: str) -> str:
    return text.encode(code, "replace").decode(code)


def _label(name: str, wide: int) -> str:
    """A name in `wide` cells, its end if it is longer."""
    from rich.cells import cell_len, set_cell_size

    label = "".join(mark if mark.isprintable() else "?" for mark in name)
    if cell_len(label) >= wide:
        while cell_len(label) > wide - 2:
            label = label[1:]
        label = f"…{label}"
    return set_cell_size(label, wide)
