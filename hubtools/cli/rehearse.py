"""`hubtools rehearse`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from hubtools.cli.output import Output, output_options
from hubtools.cli.trust import trust_option
from hubtools.cli.weather import chaos_options
from hubtools.errors import ExitCode

if TYPE_CHECKING:
    from hubtools.journey.rehearse import Rehearsal


def serve_option(function: click.decorators.FC) -> click.decorators.FC:
    """Whether the Hub stays up after the last check."""
    return click.option(
        "--serve/--no-serve",
        default=None,
        help="Keep the embedded Hub running until Ctrl-C  [default: only in a terminal]",
    )(function)


def keep_serving(out: Output, serve: bool | None) -> Callable[[Rehearsal], None]:
    """What to do while the Hub still runs: show the result, then wait if asked to."""

    def meanwhile(rehearsal: Rehearsal) -> None:
        stays = serve or (
            serve is None and out.human and sys.stdout.isatty() and sys.stdin.isatty()
        )
        show(out, rehearsal, stays)
        if stays:
            out.answer.say()
            out.note(f"\nThe embedded Hub is up: {rehearsal.model_url}  (Ctrl-C stops it)")
            try:
                while True:
                    time.sleep(3600)
            except KeyboardInterrupt:
                out.note("")
        else:
            out.hint(f"look at it: hubtools hub serve --root {quote(str(rehearsal.root))}")

    return meanwhile


def show(out: Output, rehearsal: Rehearsal, stays: bool) -> None:
    """The checks, the scores if there are any, and the links; the names alone for people who find
    nothing behind the links, as the Hub does not stay up."""
    from hubtools.cli.evaluate import show as show_scores
    from hubtools.evaluation.result import Evaluation
    from hubtools.layout import COMPARISON, SAMPLES_DIR

    if out.format == "human":
        for check in rehearsal.checks:
            out.note(f"{'✓' if check.ok else '✗'} {check.name}: {check.detail}")
    measured = Evaluation.read(rehearsal.run_dir)
    comparison = rehearsal.run_dir / SAMPLES_DIR / COMPARISON
    if measured is not None and out.human:
        out.note("")
        show_scores(out, measured)
        out.note(measured.recommendation)
    if comparison.is_file() and out.human:
        out.note(f"Base and LoRA side by side: {comparison}\n")
    facts: dict[str, Any] = {"model": rehearsal.model_url, "dataset": rehearsal.dataset_url}
    if out.human and not stays:
        facts = {
            key: url and url.removeprefix(f"{rehearsal.endpoint}/") for key, url in facts.items()
        }
    if not out.human:
        facts["ok"] = rehearsal.ok
    if measured is not None and not out.human:
        facts["recommendation"] = measured.recommendation
    if out.format == "json":
        facts["checks"] = [asdict(check) for check in rehearsal.checks]
    if rehearsal.ok:
        out.result("Read back as shipped", **facts)
    else:
        out.warn("Something did not read back as shipped.")
        out.result("Shipped to the embedded Hub", **facts)


@click.command("rehearse")
@click.argument("folder", metavar="[PROJECT]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--base-folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Local folder to serve as the base model on the embedded Hub.",
)
@serve_option
@chaos_options
@trust_option()
@output_options()
def command(
    folder: Path | None,
    base_folder: Path | None,
    serve: bool | None,
    chaos: str | None,
    chaos_seed: int | None,
    trust_state: bool,
    out: Output,
) -> int:
    """Ship to a Hub on this machine, then read everything back with stock libraries.

    PROJECT is the folder with hubtools.toml (default: here). Nothing leaves the machine. A later
    `hubtools ship` skips what the rehearsal has trained already.
    """
    from hubtools.commands.journeys import rehearse

    rehearsal = rehearse(
        folder,
        base_folder=base_folder,
        chaos=chaos,
        chaos_seed=chaos_seed,
        trust_state=trust_state,
        note=out.note,
        meanwhile=keep_serving(out, serve),
    )
    return ExitCode.DONE if rehearsal.ok else ExitCode.CHECKS_FAILED
