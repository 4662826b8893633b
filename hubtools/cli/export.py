"""`hubtools export`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode

if TYPE_CHECKING:
    from hubtools.conversion.export import Exported

_FORMATS = ("diffusers", "kohya", "comfyui", "peft")
PRECISIONS = ("fp32", "fp16", "bf16")


def lora_options(default: str) -> Callable[[Any], Any]:
    """What `convert` and `export` share. `default`: where they write if it is not said."""
    options = (

        click.option(
            "--overwrite", is_flag=True, help="Write over a file of that name."
        ),
        click.option(
            "--allow-pickle", is_flag=True,
            help="Open a .bin file: its tensors are read, and nothing else of it.",
        ),
        click.option(
            "--base-model", metavar="ID|DIR",
            help="What the LoRA was trained on, where its file does not tell.",
        ),
        click.option(
            "--to", type=click.Path(path_type=Path), metavar="PATH",
            help=f"Where to write  [default: {default}]",
        ),
    )  # fmt: skip
    return lambda command: functools.reduce(lambda made, option: option(made), options, command)


@click.command("export")
@click.argument("lora")
@click.option(
    "--as", "style", type=click.Choice(_FORMATS), required=True,
    help="Whose names: sd-scripts' (kohya), ComfyUI's, peft's or diffusers'.",
)  # fmt: skip
@click.option("--dtype", type=click.Choice(PRECISIONS), help="Numbers of this precision.")
@click.option(
    "--rank", type=click.IntRange(1), metavar="N",
    help="At most N ranks a layer, the best that there are (by singular values).",
)  # fmt: skip
@lora_options("a file, of peft a folder, here, by the LoRA's name")
@output_options()
def command(
    lora: str,
    style: Any,
    to: Path | None,
    dtype: Any,
    rank: int | None,
    base_model: str | None,
    allow_pickle: bool,
    overwrite: bool,
    out: Output,
) -> int:
    """Write a LoRA as another program reads it.

    LORA is a run folder, a .safetensors file or a Hub id. Alphas are put into the weights, so that
    it acts alike where they are not read; what is written is read back and compared.
    """
    from hubtools.commands.weights import export

    with out.following("converting"):
        done = export(
            lora, style, to, dtype=dtype, rank=rank, base_model=base_model,
            allow_pickle=allow_pickle, overwrite=overwrite,
        )  # fmt: skip
    tell(out, done)
    return ExitCode.DONE


def tell(out: Output, done: Exported) -> None:
    """Say what was written, and how far it is from what it was made of."""
    from hubtools.files import human_bytes
    from hubtools.lorafile.faults import LATER, all_zero

    for one in done.mended:
        out.note(f"Mended: {one}.")
    if done.idle:
        out.warn(f"{done.path}: {all_zero(done.layers)} ({LATER}).")
    far = done.difference
    same = "it changes its base as before"
    if far.whole > 1e-6:
        same = (
            f"its changes differ by {far.whole:.2g} of their size, {far.worst:.2g} at most"
            f" ({far.worst_layer})"
        )
    facts: dict[str, Any] = {}  # a person reads them in the sentence
    if not out.human:
        facts = {
            "style": done.format,
            "family": done.family,
            "base_model": done.base,
            "layers": done.layers,
            "rank": done.rank,
            "dtype": done.precision,
            "bytes": done.bytes,
            "mended": list(done.mended),
            "changes_nothing": done.idle,
            "difference": {"whole": far.whole, "worst": far.worst, "worst_layer": far.worst_layer},
        }
    out.result(
        f"Wrote a LoRA for {done.whose} as {done.format} reads it: {done.layers} layers,"
        f" rank {done.rank}, {done.precision}, {human_bytes(done.bytes)}; {same}",
        essential=str(done.path),
        path=str(done.path),
        **facts,
    )
