"""`hubtools shard`."""

from __future__ import annotations

import re
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, cast

import click

from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options
from hubtools.cli.plans import check_plan_options, opened, plan_options
from hubtools.cli.trust import trust_option
from hubtools.errors import ExitCode, UsageError
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.dataset.packing.plan import Format
    from hubtools.dataset.packing.write import Shards
    from hubtools.project import Project


class Bytes(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A size such as 500MB, 1GB or 2GiB, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", str(value).strip().lower())
        if match is None or not float(match[1]):
            self.fail(f"{value!r} is no size; write 500MB or 1GB", param, ctx)
        step = 1024 if match[3] else 1000
        return max(1, int(float(match[1]) * step ** " kmgt".index(match[2] or " ")))


@click.command("shard", cls=SettingsCommand)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["parquet", "webdataset"]),
    default="parquet",
    show_default=True,
    help="Parquet files or WebDataset tar files; --format accepts the same words.",
)
@click.option(
    "--max-shard-size",
    type=Bytes(),
    metavar="SIZE",
    help="Size of a shard  [default: 500MB, webdataset 1GB]",
)
@plan_options()
@trust_option()
@project_options()
@output_options("parquet", "webdataset")
def command(
    path: Path | None,
    to: Path | None,
    kind: Format,
    max_shard_size: int | None,
    plan_file: Path | None,
    from_plan: Path | None,
    trust_state: bool,
    project: Project,
    out: Output,
) -> int:
    """Pack a folder of pictures into a few large files, each read back and compared by hash.

    PATH is a folder of pictures or a project folder (default: the project's dataset). The shards
    load with `datasets` and on the Hub; `hubtools unshard` gives the folder back, byte for byte. A
    run that was killed goes on where it was. --to is needed unless --plan is given.
    """
    from hubtools.commands.packing import check_target
    from hubtools.dataset.packing.plan import ENDING
    from hubtools.dataset.packing.plan_file import lines_of, wanted_of, would

    word: str = out.format
    if word in ("parquet", "webdataset"):
        # the form of the shards, where others ask for that of the printed lines
        kind, out = cast("Format", word), Output.of("auto", False, (), out.answer)
    check_plan_options(plan_file, from_plan, ("path", "to"), ("to",))
    if plan_file is not None:
        return _plan(path, project, kind, max_shard_size, plan_file, out)
    check_target(to)
    assert to is not None
    given: dict[str, Any] = {"format": kind, "max_shard_size": max_shard_size}
    if from_plan is not None:
        saved, trust = opened(from_plan, "shard", out, trust_state, would, lines_of)
        wanted = wanted_of(saved)
        if word in ENDING and word != wanted.format:
            raise UsageError(f"{from_plan} is a plan for {wanted.format}, not for {word}.")
        given = {"from_plan": saved, "trust_state": trust}
    done = _pack(path, to, project, given, out)
    _tell(done, to, out)
    _warn(done, out)
    return ExitCode.DONE


def _plan(
    path: Path | None, project: Project, kind: Format, limit: int | None, file: Path, out: Output
) -> int:
    from hubtools.commands.packing import plan_shards
    from hubtools.files import human_bytes

    plan = plan_shards(
        path, project, format=kind, max_shard_size=limit, plan_file=file, note=out.note
    )
    if out.format not in ("json", "quiet"):
        columns = ("shard", "split", "rows", "bytes" if not out.human else "size")
        rows = [
            (s.name, s.split, s.rows, human_bytes(s.pictures) if out.human else s.pictures)
            for s in plan.shards
        ]
        out.table(columns, rows, right=(2, 3))
    out.result(f"Plan written to {file}", plan=str(file), shards=len(plan.shards), rows=plan.rows)
    return ExitCode.DONE


def _pack(
    path: Path | None, to: Path, project: Project, given: dict[str, Any], out: Output
) -> Shards:
    from hubtools.commands.packing import shard

    with out.progress() as progress:
        task = progress.add_task("counting rows", total=None, note="")

        def tell(done: int, total: int | None) -> None:
            doing = "counting rows" if total is None else "writing"
            progress.update(task, completed=done, total=total, description=doing)

        done = shard(path, to, project, note=out.note, on_row=tell, **given)
    if "from_plan" in given and all(one.kept for one in done.shards):
        out.note(f"This plan is done already; {to} holds all of it.")
    return done


def _tell(done: Shards, to: Path, out: Output) -> None:
    from hubtools.files import human_bytes

    columns = ("shard", "split", "rows", "bytes" if not out.human else "size", "sha256")
    rows = [
        (s.name, s.split, s.rows, human_bytes(s.bytes) if out.human else s.bytes, s.sha256)
        for s in done.shards
    ]
    if out.format == "json":
        facts = {
            "folder": str(done.folder), "rows": done.rows, "bytes": done.bytes,
            "pictures_bytes": done.pictures, "unnamed": done.unnamed, "left": done.left_count,
            "located": done.located,
            "shards": [dict(zip(columns, row, strict=True)) for row in rows],
        }  # fmt: skip
        out.answer.put(facts)
    else:
        short = [(*row[:-1], row[-1][:12]) for row in rows] if out.human else rows
        out.table(columns, short, right=(2, 3))
    if out.human:
        out.note(
            f"{plural(done.rows, 'row')}, {human_bytes(done.bytes)}: every picture came back with"
            f" the same SHA-256. `hubtools unshard {quote(str(to))} --to DIR` unpacks them."
        )


def _warn(done: Shards, out: Output) -> None:
    folder = quote(str(done.source))
    if done.replaced is not None:
        out.warn(
            f"Files that had the names of shards and were others are kept in"
            f" {done.folder / done.replaced}."
        )
    if done.unnamed:
        out.warn(
            f"{plural(done.unnamed, 'picture')} {'is' if done.unnamed == 1 else 'are'} in no shard,"
            f" because no record names {'it' if done.unnamed == 1 else 'them'};"
            f" see `hubtools validate {folder}`."
        )
    if done.left_count:
        named = f" ({', '.join(done.left[:3])}{', ...' if done.left_count > 3 else ''})"
        out.warn(
            f"{plural(done.left_count, 'file')} that no loader takes for"
            f" {'a picture is' if done.left_count == 1 else 'pictures are'} in no shard"
            f"{named if done.left else ''}."
        )
    if done.located:
        out.warn(
            f"{plural(done.located, 'picture')} {'says' if done.located == 1 else 'say'} where"
            f" {'it was' if done.located == 1 else 'they were'} taken (GPS), and so do the shards;"
            f" `hubtools fix {folder}` removes that before you shard again."
        )
