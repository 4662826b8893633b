"""`hubtools train`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from hubtools.cli.elsewhere import asks_elsewhere, remote_options, train_elsewhere
from hubtools.cli.following import base_words, project_words, tell_again
from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.other_trainers import translated
from hubtools.cli.output import Output, output_options
from hubtools.cli.trust import trust_option, with_trust
from hubtools.progress import duration
from hubtools.whereabouts import from_here

if TYPE_CHECKING:
    from hubtools.findings import Report
    from hubtools.progress import Reporter
    from hubtools.project import Project


def reporter_of(out: Output, indent: str = "") -> Reporter:
    """Bars on a terminal, occasional lines otherwise; every line begins with `indent`."""
    from hubtools.progress import PlainReporter

    class Terminal(PlainReporter):
        """A bar instead of lines."""

        @contextmanager
        def progress(
            self, title: str, total: int, done: int = 0
        ) -> Iterator[Callable[[int, str], None]]:
            with out.progress() as bars:
                task = bars.add_task(title, total=total, completed=done, note="")
                yield lambda more, word: bars.update(task, advance=more, note=word)

    kind = Terminal if out.human and sys.stderr.isatty() else PlainReporter

    def note(text: str) -> None:
        out.note("\n".join(indent + line for line in text.splitlines()))

    class Collecting(kind):  # type: ignore[misc, valid-type]
        """Keeps what checks found for the document of an error."""

        def report(self, report: Report) -> None:
            from hubtools.cli.finding_lines import finding_lines

            out.answer.add_reason(report)
            note("\n".join(finding_lines(report, colours=False, verbose=out.verbose, all_by="")))

    reporter: Reporter = Collecting(note, out.warn)
    return reporter


@contextmanager
def _watched(project: Project, out: Output) -> Iterator[None]:
    """With a page that shows the run until it is over; of several processes the first serves it."""
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    from hubtools.commands.watching import watch

    with watch(project.run_dir, project) as page:
        out.note(f"The page is at {page.url}")
        try:
            yield
        finally:
            page.leave()


_TRIED = 5  # steps that tell how long one takes


class TrainCommand(SettingsCommand):
    """Takes the command lines of diffusers' scripts, too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {
            name.lstrip("-") for one in self.params for name in (*one.opts, *one.secondary_opts)
        }
        words, ctx.meta[_NOTES] = translated(args, frozenset(known))
        return super().parse_args(ctx, words)


_NOTES = "hubtools.notes"


@click.command("train", cls=TrainCommand)
@project_options("train", "dataset", "samples")
@click.option(
    "--resume/--no-resume",
    default=True,
    help="Continue the run in the folder; --no-resume moves it aside.",
)
@click.option(
    "--resume-from-checkpoint",
    metavar="latest",
    help="As in diffusers; only `latest` (the default) is accepted.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Show loss, samples and the time left on a page in the browser (see `hubtools watch`).",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--skip-validation", is_flag=True, help="Train even if the dataset fails validation.")
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
@remote_options()
@click.option(
    "--write-baseline", is_flag=True,
    help="Add the findings to the baseline file  [default: hubtools-baseline.json]",
)  # fmt: skip
@trust_option()
@output_options()
def command(
    project: Project,
    resume: bool,
    resume_from_checkpoint: str | None,
    watch: bool,
    dry_run: bool,
    skip_validation: bool,
    strict: bool,
    write_baseline: bool,
    trust_state: bool,
    out: Output,
    **elsewhere: Any,
) -> None:
    """Train a LoRA on a folder of pictures or a dataset on the Hub.

    Kill it at any moment and run the same command again: it continues as if it had never stopped.
    With --remote it runs as a job of the Hub, after its price was shown, and the run is fetched.
    """
    from hubtools.commands.drawing import train

    for note in click.get_current_context().meta[_NOTES]:
        out.note(note)
    if asks_elsewhere(elsewhere):
        if watch:
            out.note("--watch shows a training on this machine only.")
        train_elsewhere(
            out,
            project,
            reporter_of(out),
            resume=resume,
            dry_run=dry_run,
            skip_validation=skip_validation,
            strict=strict,
            **elsewhere,
        )
        return
    begun = time.monotonic()
    with _watched(project, out) if watch and not dry_run else nullcontext():
        manifest = with_trust(
            out,
            trust_state,
            lambda trusted: train(
                project,
                resume=resume,
                resume_from_checkpoint=resume_from_checkpoint,
                reporter=reporter_of(out),
                dry_run=dry_run,
                skip_validation=skip_validation,
                strict=strict,
                write_baseline=write_baseline,
                trust_state=trusted,
            ),
        )
    if os.environ.get("RANK", "0") != "0":
        return  # one of several processes; the first one speaks
    if dry_run:
        facts: dict[str, Any] = {"steps": manifest.steps, "run": str(project.run_dir)}
        if out.format == "json":
            facts["plan"] = manifest.plan
        out.result("The plan stands", **facts)
        if manifest.steps > _TRIED and not (manifest.plan or {}).get("seconds_measured"):
            place = quote(from_here(project.run_dir.parent / "try"))
            some = f"--max-train-steps {_TRIED} --validation-steps 0 --output-dir {place}"
            out.hint(f"how long a step takes here is known after a few: the same with {some}")
        tell_again(out)
        return
    took = ""
    if manifest.seconds and manifest.steps_done:
        step = manifest.seconds / manifest.steps_done
        each = f"{step:.2g} s" if step < 10 else duration(step)
        took = f" in {duration(manifest.seconds)}, {each} each"
        took += f"; all of it took {duration(time.monotonic() - begun)}"
    out.result(
        f"{manifest.name}: {manifest.steps_done:,} steps{took}",
        essential=str(project.run_dir),
        run=str(project.run_dir),
        lora=manifest.lora.file if manifest.lora else None,
        bytes=manifest.lora.bytes if manifest.lora else None,
        loss_first=round(manifest.loss_first, 5) if manifest.loss_first is not None else None,
        loss_last=round(manifest.loss_last, 5) if manifest.loss_last is not None else None,
        seconds=None if out.human else manifest.seconds,
    )
    where = project_words(project)
    if "train.output_dir" in project.given or project.file is None:
        where = f" --lora {quote(from_here(project.run_dir))}"
    words = base_words(project, manifest.base_model.named)
    out.hint(f"next: hubtools generate{where}{words}")
