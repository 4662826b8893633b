"""`push --space`: the plan of a Space that draws with a LoRA."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.layout import RUN_MANIFEST
from hubtools.project import Project

if TYPE_CHECKING:
    from hubtools.publish.options import PushOptions
    from hubtools.publish.plan import PushPlan


def plan_space(
    place: Path,
    repo: str,
    project: Project,
    options: PushOptions,
    trust_state: bool,
    only_shown: bool,
) -> PushPlan:
    """The plan of a push of `place`, which is `RUN/space`: its files are written there first, or
    elsewhere for a plan that is `only_shown`. Raises as `write_space` and `plan_push`."""
    from hubtools.cards.space import write_space
    from hubtools.hub.client import remote_head
    from hubtools.publish.ledger import Sent, read_ledger
    from hubtools.publish.plan import ledger_key, plan_push
    from hubtools.rooted import Root

    run = place.parent
    if not (run / RUN_MANIFEST).is_file():
        raise HubtoolsError(
            f"{run} is no run folder of hubtools: a Space is made of what a run has noted.",
            hint="give the folder that `hubtools train` has written",
            code="wrong-kind",
        )
    with ExitStack() as stack:
        into, sent = None, None
        if only_shown:
            into = Path(stack.enter_context(tempfile.TemporaryDirectory())) / place.name
            sent = Sent()
            if place.is_dir():
                with Root(place) as root:
                    known, own = read_ledger(root)
                if own or trust_state:
                    sent = known.get(ledger_key(repo, "space"), Sent())
        space = write_space(run, project, into)
        made = plan_push(
            into or place, repo, "space", options,
            trust_state=trust_state, only_shown=only_shown, sent=sent,
        )  # fmt: skip
    notes = [f"{place / name} is yours and stays as it is" for name in space.kept]
    notes += [
        f"{PurePath(kept).name} was changed, and is made anew while its line on that stands in it;"
        f" what it was is now {place / kept}"
        for kept in space.replaced
    ]
    if not only_shown and remote_head(space.lora, "model") is None:
        notes.append(f"{space.lora} is not on the Hub yet: push it, or the Space cannot start")
    if options.private and made.head is None:
        notes.append(
            f"while {space.lora} is private, the Space needs a token that reads it as its secret"
            " HF_TOKEN"
        )
    return replace(made, root=place, notes=(*made.notes, *notes))
