"""`hubtools merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hubtools.cli.export import PRECISIONS
from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode


@click.command("merge")
@click.argument("lora", nargs=-1, required=True, metavar="LORA[:WEIGHT]...")
@click.option(
    "--to", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder to write."
)
@click.option(
    "--base-model", metavar="ID|DIR|FILE", help="Base model  [default: the one the LoRA names]"
)
@click.option("--base-config", metavar="ID|DIR", help="As in training, of a base in one file.")
@click.option("--revision", help="Branch, tag or commit of the base.")
@click.option("--variant", help="Weight variant of the base, e.g. fp16.")
@click.option(
    "--dtype", type=click.Choice(PRECISIONS),
    help="Numbers of what is changed  [default: as in the base]",
)  # fmt: skip
@output_options()
def command(
    lora: tuple[str, ...],
    to: Path,
    base_model: str | None,
    base_config: str | None,
    revision: str | None,
    variant: str | None,
    dtype: Any,
    out: Output,
) -> int:
    """Add LoRAs to the weights of their base: a pipeline folder of its own.

    LORA is a run folder, a file or a Hub id, with a weight behind a colon if it is not 1. The base
    stays as it is; its licence and the LoRAs' go on with what is written.
    """
    from hubtools.commands.weights import merge
    from hubtools.files import human_bytes

    with out.following("merging"):
        done = merge(
            lora, to, base_model, base_config=base_config, revision=revision, variant=variant,
            dtype=dtype, note=out.note,
        )  # fmt: skip
    out.result(
        f"{done.path}: a pipeline of {human_bytes(done.bytes)}; changed {', '.join(done.changed)},"
        f" in {done.precision}",
        essential=str(done.path),
        folder=str(done.path),
        changed=list(done.changed),
        dtype=done.precision,
        bytes=done.bytes,
    )
    return ExitCode.DONE
