"""`hubtools convert`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from hubtools.cli.export import lora_options, tell
from hubtools.cli.following import BASE, WORTH_HALVING, tell_half_size
from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode
from hubtools.layout import CARD, WORK_DIR


@click.command("convert")
@click.argument("lora")
@lora_options("NAME-diffusers with the file in it, beside a file, else here")
@output_options()
def command(
    lora: str,
    to: Path | None,
    base_model: str | None,
    allow_pickle: bool,
    overwrite: bool,
    out: Output,
) -> int:
    """Mend a LoRA file: write it under the names that diffusers reads.

    LORA is a file, a run folder or a Hub id: of sd-scripts (kohya), of peft, with an adapter's name
    in its tensors' names, or without the beginning that tells the denoiser. `hubtools inspect`
    tells what is wrong with one. What is made is a folder that can be pushed, unless --to names a
    file.
    """
    from hubtools.commands.weights import convert

    with out.following("converting"):
        done = convert(
            lora, to, base_model=base_model, allow_pickle=allow_pickle, overwrite=overwrite
        )
    tell(out, done)
    if out.human:
        folder = done.path.parent
        if done.stated:
            said = ", ".join(f"{key}: {value}" for key, value in done.stated)
            out.note(
                f"{folder / CARD} has this from the LoRA's own card, and nothing else: {said}."
            )
        if {one.name for one in folder.iterdir()} <= {done.path.name, CARD, WORK_DIR}:
            if done.precision == "fp32" and done.bytes >= WORTH_HALVING:
                tell_half_size(out, folder, done.bytes)
            out.hint(f"next: hubtools card {shlex.quote(str(folder))}")
        else:
            place = shlex.quote(str(done.path))
            base = "" if done.base else f" --base-model {BASE}"
            out.hint(f'next: hubtools generate "a photo of ..." --lora {place}{base}')
    return ExitCode.DONE
