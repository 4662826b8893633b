"""`hubtools unshard`."""

from __future__ import annotations

from pathlib import Path

import click

from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode


@click.command("unshard")
@click.argument("shards", type=click.Path(path_type=Path))
@click.option(
    "--to", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder to write."
)
@output_options()
def command(shards: Path, to: Path, out: Output) -> int:
    """Unpack parquet or WebDataset shards into a folder of pictures with metadata.

    SHARDS is a folder of shards or one of them: those of `hubtools shard` give the same files and
    rows again, those of others (`push_to_hub`, WebDataset) pictures and a metadata.jsonl.
    """
    from hubtools.commands.packing import unshard
    from hubtools.files import human_bytes

    with out.progress() as progress:
        task = progress.add_task("unpacking", total=None, note="")
        done = unshard(shards, to, on_row=lambda rows: progress.update(task, completed=rows))
    for one in done.skipped:
        out.warn(one)
    out.result(
        f"{done.pictures} pictures ({human_bytes(done.bytes)}) and {done.rows} rows in {to}",
        essential=str(to),
        folder=str(to),
        shards=done.shards,
        rows=done.rows,
        pictures=done.pictures,
        bytes=done.bytes,
        splits=list(done.splits),
        skipped=list(done.skipped) or None,
    )
    return ExitCode.DONE
