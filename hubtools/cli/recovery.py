"""What was interrupted in a data folder is told, and carried on after a yes only."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from hubtools.cli.output import Output
from hubtools.cli.trust import with_trust
from hubtools.errors import ChecksFailed, HubtoolsError

if TYPE_CHECKING:
    from hubtools.dataset.edits.journal_files import Journal


def recover(
    folder: Path, out: Output, *, yes: bool, dry_run: bool, trust_state: bool, command: str
) -> None:
    """Finish a change of `folder` that was interrupted, if somebody says yes to it.

    `yes` is that word for one's own; what somebody else has written needs `trust_state`. Raises
    `ChecksFailed` if nobody says yes, `ForeignState` for what is another's, and `HubtoolsError`
    with `dry_run`.
    """
    from hubtools.dataset.edits.journal import finish, unfinished

    _tell_lost(folder, out)
    journal = unfinished(folder)
    if journal is None:
        return
    told = _told(folder, journal)
    if dry_run:
        raise HubtoolsError(told, hint=_hint(folder, command), code="unfinished-change")
    if journal.ours and not yes:
        for line in journal.lines():
            out.note(f"  {line}")
        if not (out.human and sys.stdin.isatty()):
            raise ChecksFailed(told, hint=_hint(folder, command), code="unfinished-change")
        out.note(told)
        if not click.confirm("Go on with it?", default=False, err=True):
            raise ChecksFailed("Nothing was changed.", hint=_hint(folder, command))
    done = with_trust(out, trust_state, lambda trusted: finish(folder, trust_state=trusted))
    if done is not None:
        out.note(f"finished {done.id}, which was interrupted")


def _told(folder: Path, journal: Journal) -> str:
    from hubtools.dataset.edits.journal import would

    what = "An undo" if journal.state.startswith("undo") else "A fix"
    whose = "" if journal.ours else ", and not by you on this machine"
    return (
        f"{what} of {folder} was interrupted ({journal.id}{whose}); to go on would"
        f" {would(journal)}."
    )


def _hint(folder: Path, command: str) -> str:
    typed = f"hubtools {command} {quote(str(folder))}"
    return f"`{typed} --yes` goes on where it stopped, --undo goes back"


def _tell_lost(folder: Path, out: Output) -> None:
    from hubtools.dataset.edits.journal_files import lost

    for name in lost(folder):
        out.warn(
            f"{folder / name} holds originals, but their journal is gone; they are kept. Copy back"
            " what you need, then delete that folder."
        )
