"""`hubtools convert`."""

from __future__ import annotations

from pathlib import Path

import click

from hubtools.cli.export import lora_options, tell
from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode


@click.command("convert")
@click.argument("lora")
@lora_options
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
    tells what is wrong with one.
    """
    from hubtools.commands.weights import convert

    tell(
        out,
        convert(lora, to, base_model=base_model, allow_pickle=allow_pickle, overwrite=overwrite),
    )
    return ExitCode.DONE
