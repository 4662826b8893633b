"""`hubtools cache`."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode
from hubtools.findings import plural
from hubtools.shelves import DATASETS, KINDS

if TYPE_CHECKING:
    from hubtools.shelves import Pruned

_DAY = 86_400
# Digits of a digest that tell two encoders apart.
_DIGITS = 12


@click.group()
def command() -> None:
    """Show and empty the cache: latents, caption embeddings, masks, what was seen of pictures,
    captions of models, datasets of the Hub that were unpacked, compiled code (inductor).

    It lies in ~/.cache/hubtools (HUBTOOLS_CACHE). All of it is made again when it is needed.
    """


@command.command("ls")
@output_options()
def ls(out: Output) -> int:
    """List what lies in the cache, the largest first."""
    from hubtools.commands.caches import cache_ls
    from hubtools.files import human_bytes
    from hubtools.layout import cache_dir

    found = cache_ls()
    if out.format == "json":
        out.answer.put({"cache": str(cache_dir()), "shelves": [asdict(one) for one in found]})
        return ExitCode.DONE
    rows = [
        (
            one.kind,
            one.of if one.kind == DATASETS else one.of[:_DIGITS],
            one.entries,
            human_bytes(one.bytes),
            _ago(one.used),
            _ago(one.oldest),
            "in use" if one.in_use else "",
        )
        for one in found
    ]
    out.table(("kind", "of", "entries", "size", "last used", "oldest", ""), rows, right=(2, 3))
    out.note(f"{human_bytes(sum(one.bytes for one in found))} in {cache_dir()}")
    return ExitCode.DONE


@command.command("prune")
@click.option(
    "--older-than", type=click.FloatRange(0), default=30, show_default=True, metavar="DAYS",
    help="Delete what was not used for so many days; 0: all.",
)  # fmt: skip
@click.option(
    "--kind",
    multiple=True,
    type=click.Choice(KINDS),
    help="Only of this kind; repeat for several.",
)
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted and stop.")
@output_options()
def prune(older_than: float, kind: tuple[str, ...], yes: bool, dry_run: bool, out: Output) -> int:
    """Delete what was not used for a while, after a question. What a running process uses stays,
    and so do captions of models and datasets of the Hub, unless --kind names them.

    Exit code 3 if there is something to delete and nobody has said yes.
    """
    from hubtools.commands.caches import cache_prune

    found = cache_prune(older_than=older_than, kind=kind, dry_run=True)
    for one in found.left:
        name = f"{one.kind} {one.of if one.kind == DATASETS else one.of[:_DIGITS]}"
        out.note(f"{name.rstrip()} is in use and stays")
    if not found.entries:
        out.result("Nothing to delete", essential="", entries=0, bytes=0)
        return ExitCode.DONE
    if not dry_run and not yes and out.human and sys.stdin.isatty():
        yes = click.confirm(f"Delete {_count(found)}?", default=False, err=True)
    if dry_run or not yes:
        _say(f"{_count(found)} would be deleted", found, out, deleted=False)
        if dry_run:
            return ExitCode.DONE
        out.hint("nothing was deleted; add --yes to do it")
        return ExitCode.CHECKS_FAILED
    done = cache_prune(older_than=older_than, kind=kind)
    _say(f"{_count(done)} deleted", done, out, deleted=True)
    return ExitCode.DONE


def _say(sentence: str, found: Pruned, out: Output, *, deleted: bool) -> None:
    out.result(
        sentence, essential=str(found.bytes), entries=found.entries, bytes=found.bytes,
        deleted=deleted, in_use=len(found.left),
    )  # fmt: skip


def _count(found: Pruned) -> str:
    from hubtools.files import human_bytes

    return f"{plural(found.entries, 'file')} ({human_bytes(found.bytes)})"


def _ago(moment: float) -> str:
    days = int((time.time() - moment) // _DAY)
    return "today" if days <= 0 else "yesterday" if days == 1 else f"{days:,} days ago"
