"""The `hubtools` command: finds the sub-command, turns every error into a sentence."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from hubtools.cli.answer import Answer, answering
from hubtools.cli.emptiness import refuse_empty
from hubtools.cli.joblog import taming_job_log
from hubtools.cli.mistyped import meant, usage_error
from hubtools.cli.output import TYPED
from hubtools.cli.sentences import say_error, say_warning
from hubtools.cli.start import GROUPS, START
from hubtools.errors import ExitCode, HubtoolsError, is_panic
from hubtools.fences import same_folders
from hubtools.interpreter import guard_children, leave_here
from hubtools.printable import printable, visible
from hubtools.version import __version__

# Sub-command -> one line of help. Kept here so that `hubtools --help` imports no command.
COMMANDS = {
    "init": "Make a project folder that validates at once.",
    "validate": "Check a folder of pictures before anything is trained or uploaded.",
    "merge-parts": "Judge what jobs found of shares of the pictures, as one check of all.",
    "fix": "Repair what validate finds: a diff first, then applied with an undo journal.",
    "inspect": "Show sizes, captions and pictures, cut as the trainer will cut them.",
    "caption": "Write captions by template or model, edit them, exchange them with other trainers.",
    "review": "Look at pictures and captions on a page in the browser, and change them.",
    "shard": "Pack a folder of pictures into parquet or WebDataset shards, proven by hash.",
    "unshard": "Unpack shards into the folder they were made of.",
    "train": "Train a LoRA.",
    "watch": "Look at a training on a page in the browser: loss, samples, time left.",
    "launch": "Write the script that trains on a cluster (Slurm).",
    "generate": "Draw pictures with a base model and a LoRA.",
    "grid": "Draw a prompt with up to three things varied, side by side.",
    "evaluate": "Measure a LoRA against its base: learned, forgot, which step and weight?",
    "convert": "Mend a LoRA file: write it under the names that diffusers reads.",
    "export": "Write a LoRA as another program reads it, in fewer bits or ranks.",
    "merge": "Add LoRAs to the weights of their base: a pipeline folder of its own.",
    "card": "Write the dataset or model card.",
    "prune": "Show what of a run folder is worth publishing; move the rest to a trash.",
    "preview": "Show the pages that a folder would have on the Hub.",
    "push": "Send a dataset or model folder to the Hub, planned and verified.",
    "ci": "Check and publish from a workflow of GitHub or GitLab.",
    "ship": "Do all of it in order, from hubtools.toml; skips what is done.",
    "rehearse": "Ship to a Hub on this machine and read everything back.",
    "hub": "Run the embedded Hub.",
    "demo": "Rehearse on the built-in example.",
    "cache": "Show and empty the cache of latents and caption embeddings.",
    "doctor": "Tell what this machine has and what each extra would add.",
    "schema": "Print the JSON schema of hubtools.toml, or of a report.",
    "explain": "Tell what a rule means and how to fix what it finds.",
    "help": "Show all commands, or the options of one.",
}


# These are over soon, and half of a small one is loading modules: what has no use any more is
# looked for now and then only. The others hold pictures and tensors.
_SHORT = frozenset(COMMANDS) - {
    *(
        "train",
        "generate",
        "grid",
        "evaluate",
        "caption",
        "ship",
        "rehearse",
        "demo",
        "hub",
        "preview",
        "review",
        "watch",
    ),
}


COMPLETE = "_HUBTOOLS_COMPLETE"  # where click looks for what a shell asks


class ReaderGone(Exception):
    """Whoever read the output has gone; a broken pipe itself would not come through click."""


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are called."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:
            if _is_broken_pipe(error):
                raise ReaderGone from error
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        _no_passwords_in_logs()
        if cmd_name in _SHORT:
            gc.set_threshold(20_000, 20, 20)
        module = importlib.import_module(f"hubtools.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return refuse_empty(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name]) for name in names])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        ctx.meta[TYPED] = list(args)
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = meant(args[0], COMMANDS)
            raise click.UsageError(error.message.rstrip(".") + "." + hint, ctx) from None


@click.command(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        # diffusers spells options --learning_rate; both spellings mean the same here.
        "token_normalize_func": lambda token: token.replace("_", "-"),
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="hubtools")
def group() -> None:
    """From a folder of pictures to a published, licensed, small, reproducible LoRA.

    Exit codes: 0 done, 1 error, 2 usage, 3 checks failed, 130 interrupted.

    For Tab in bash: eval "$(_HUBTOOLS_COMPLETE=bash_source hubtools)" in ~/.bashrc; zsh_source
    and fish_source for others.
    """


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _open_closed() -> None:
    """A daemon starts programs with closed standard streams: what they open next would stand in
    their place, and be written to by whoever prints."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with an `ExitCode`: at once if it is this process's own, with
    `SystemExit` if `argv` is given."""
    _open_closed()
    leave_here()
    guard_children()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["--"]:
        # `hf extensions exec hubtools -- ...` hands its separator on.
        del arguments[0]
    signal.signal(signal.SIGTERM, _terminate)
    # The client's log lines about retries say nothing that the final sentence does not.
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    # Plug-ins of pydantic watch services; to look for them costs more than a small check.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Threads that wait for each other spin for 50 microseconds, then sleep. Not at all is half as
    # fast on free cores with a small model, for long is thirty times as slow on busy ones.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # Pillow warns of odd bytes in a picture; what matters of that is a finding.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    code = run(arguments)
    if argv is None:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """End this process. Python takes apart all modules first, which is a seventh of what `--help`
    takes, with PyTorch's more, and does nothing for anybody; a profiler reports after that."""
    if sys.getprofile() is None and sys.gettrace() is None:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as Python does
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):  # what cannot be written Python tells of
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def run(arguments: list[str]) -> int:
    """The command line as a function: prints what there is to say, returns the exit code."""
    with taming_job_log():
        return _run(arguments)


def _run(arguments: list[str]) -> int:
    answer = Answer()
    try:
        with _warnings_told(), answering(answer, group, arguments), same_folders():
            code, error = _outcome(arguments, answer)
            answer.say(error)
        return code
    except KeyboardInterrupt:
        error = _interrupted()
        say_error(error.message, error.hint)
        answer.say(error)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone; that is no error, and Python must not report it later.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except OSError as failed:
        # The answer could not be written, to a full disk for instance.
        error = _of_output(failed) or HubtoolsError(str(failed))
        say_error(error.message, error.hint)
        return error.exit_code


@contextlib.contextmanager
def _warnings_told() -> Iterator[None]:
    """Warnings of ours are shown as the command line shows its own; others may hold words of a Hub
    or of a file, and do nothing to a terminal."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            from hubtools.kept import Kept, NotKept

            if issubclass(category, (Kept, NotKept)):
                say_warning(str(message))
            else:
                others(visible(str(message)), category, *where, **more)

        warnings.showwarning = show
        yield


def _is_broken_pipe(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _outcome(arguments: list[str], answer: Answer) -> tuple[int, HubtoolsError | None]:
    """(exit code, what went wrong), after saying the latter."""
    try:
        _tell_odd_variables()
        result = group.main(arguments, prog_name="hubtools", standalone_mode=False, obj=answer)
        return (result if isinstance(result, int) else ExitCode.DONE), None
    except click.exceptions.Exit as leave:
        return leave.exit_code, None
    except ReaderGone:
        raise BrokenPipeError from None
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, click.Abort):
        sentence = _interrupted()
    except click.exceptions.NoArgsIsHelpError as error:
        below = error.ctx is not None and error.ctx.parent is not None
        print(error.ctx.get_help() if error.ctx is not None and below else START.rstrip())
        return ExitCode.DONE, None
    except click.UsageError as error:
        sentence = usage_error(error, COMMANDS, arguments)
    except click.ClickException as error:
        sentence = HubtoolsError(error.format_message())
    except BaseException as error:
        if not isinstance(error, (Exception, SystemExit)) and not is_panic(error):
            raise
        if isinstance(error, SystemExit):
            if _is_broken_pipe(error.__context__):
                raise BrokenPipeError from None  # click's own end for it
            if COMPLETE in os.environ:  # a shell has asked what may follow, and is answered
                return ExitCode.ERROR if error.code else ExitCode.DONE, None
        if os.environ.get("HUBTOOLS_DEBUG"):
            import traceback

            print(printable(traceback.format_exc()), file=sys.stderr)
        sentence = _known(error) or HubtoolsError(
            f"{type(error).__name__}: {' '.join(str(error).split()) or 'no further word'}",
            hint="this looks like a bug in hubtools; HUBTOOLS_DEBUG=1 shows where it happened",
            code="bug",
        )
    say_error(sentence.message, sentence.hint)
    return sentence.exit_code, sentence


def _tell_odd_variables() -> None:
    """Say which variables of the environment are misspelt."""
    if any(name.startswith("HUBTOOLS_") for name in os.environ):
        from hubtools.environment import unknown_in

        for sentence in unknown_in(os.environ):
            say_warning(sentence)


def _known(error: BaseException) -> HubtoolsError | None:
    from hubtools.hub.errors import as_sentence
    from hubtools.models.blame import of_base

    return as_sentence(error) or of_base(error)


def _of_output(error: OSError) -> HubtoolsError | None:
    from hubtools.causes import named
    from hubtools.hub.errors import as_sentence

    return as_sentence(named(error, "standard output"))


def _interrupted() -> HubtoolsError:
    return HubtoolsError(
        "interrupted.",
        hint="run the same command again; it continues where it stopped",
        exit_code=ExitCode.INTERRUPTED,
        code="interrupted",
    )


def _no_passwords_in_logs() -> None:
    """Libraries log the addresses that they ask, and words of files and of a Hub: passwords in them
    are left out, and what would speak to a terminal is spelt out."""
    import logging

    make = logging.getLogRecordFactory()
    if getattr(make, "without_passwords", False):
        return

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make(*args, **kwargs)
        with contextlib.suppress(Exception):  # its arguments do not fit; logging tells it later
            said = made.getMessage()
            if (shown := "\n".join(visible(line, tabs=True) for line in said.split("\n"))) != said:
                made.msg, made.args = shown, ()
        return made

    record.without_passwords = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(record)
