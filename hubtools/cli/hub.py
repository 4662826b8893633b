"""`hubtools hub`: the embedded Hub."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from hubtools.cli.output import Output, output_options
from hubtools.cli.trust import trust_option, with_trust
from hubtools.cli.weather import chaos_options
from hubtools.fences import fence

if TYPE_CHECKING:
    from hubtools.localhub.accounts import User
    from hubtools.localhub.server import Hub


@click.group()
def command() -> None:
    """Run the embedded Hub: repositories on this machine, spoken to like the real one."""


@command.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=Path(".hubtools/hub"),
    show_default=True,
    help="Folder that keeps the repositories.",
)
@click.option("--port", type=int, default=5577, show_default=True, help="Port; 0: any free one.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="127.0.0.1, localhost or ::1 only."
)
@click.option("--token", default="hf_local", show_default=True, help="Token of the user `me`.")
@click.option(
    "--owner",
    "owners",
    multiple=True,
    help="Another namespace that `me` may write to; repeat for several.",
)
@click.option(
    "--mount",
    "mounts",
    multiple=True,
    metavar="KIND/OWNER/NAME=DIR",
    help="Serve a folder read-only, e.g. models/me/base=./base; repeat for several.",
)
@click.option(
    "--open-pages/--no-open-pages",
    default=True,
    show_default=True,
    help="Show private repositories on the HTML pages (only this machine can see them).",
)
@click.option(
    "--trusted-publisher",
    "trusted_publishers",
    multiple=True,
    metavar="KIND/OWNER/NAME:CLAIMS",
    help="A workflow that may write without a token, e.g."
    " datasets/me/people:repository=me/people,workflow=hubtools.yml; repeat for several.",
)
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="NAME:TOKEN[:ROLE]",
    help="A user in place of `me`; ROLE is write or read, NAME+ORG+ORG a member of organisations;"
    " repeat for several.",
)
@click.option(
    "--org",
    "orgs",
    multiple=True,
    metavar="NAME[=FULL NAME][:private]",
    help="What to know of an organisation: its full name, and whether its new repositories are"
    " private; `me` is a member if there is no --user; repeat for several.",
)
@chaos_options
@click.option("--oidc-key", help="Key that signs the identities of such workflows.")
@click.option(
    "--jobs",
    type=int,
    default=0,
    metavar="N",
    help="Run jobs that owners send, N at a time, as processes of this machine; without --token a"
    " new one is made.  [default: 0, none]",
)
@trust_option()
@output_options()
def serve(
    out: Output,
    root: Path,
    port: int,
    host: str,
    token: str,
    owners: tuple[str, ...],
    mounts: tuple[str, ...],
    open_pages: bool,
    trusted_publishers: tuple[str, ...],
    oidc_key: str | None,
    users: tuple[str, ...],
    orgs: tuple[str, ...],
    chaos: str | None,
    chaos_seed: int | None,
    jobs: int,
    trust_state: bool,
) -> None:
    """Serve until Ctrl-C. Prints the variables that make other programs use this Hub."""
    from hubtools.errors import require_extra

    require_extra("hub", "The embedded Hub")
    from hubtools.commands.serving import serve as serve_hub

    if jobs and not users and _is_default("token"):
        # what is typed stands in the list of processes, which others of this machine may read
        token = made_token()
    if _is_default("root"):  # nobody has named it: a link on the way to it is not followed
        fence(root, Path.cwd())
    serving = partial(
        serve_hub,
        root,
        host=host,
        port=port,
        token=token,
        owners=owners,
        mounts=mounts,
        open_pages=open_pages,
        trusted_publisher=trusted_publishers,
        oidc_key=oidc_key,
        user=users,
        org=orgs,
        chaos=chaos,
        chaos_seed=chaos_seed,
        jobs=jobs,
    )
    with ExitStack() as stack:
        running = with_trust(
            out, trust_state, lambda trust: stack.enter_context(serving(trust_state=trust))
        )
        out.result(
            f"The embedded Hub is at {running.hub.url}",
            url=running.hub.url,
            user=running.hub.accounts.users[0].name,
            token=running.hub.token,
            root=str(running.hub.root.resolve()),
        )
        out.answer.say()  # whoever reads our pipe waits for the URL
        sys.stdout.flush()
        out.note("\n".join(_told(running.hub)))
        running.wait()
        out.note("Stopped.")


def _told(hub: Hub) -> Iterator[str]:
    """How it is used from another terminal, and by whom."""
    me, *others = hub.accounts.users
    yield "In another terminal, so that programs take it for the Hub:\n"
    for key, value in hub.environment().items():
        yield f"  export {key}={quote(value)}"
    yield f"\nYou are {me.name} then, and {_may(me)}. For example:\n"
    if me.role == "write":
        yield f"  hubtools push FOLDER {me.name}/NAME"
    yield f"  hubtools validate hf://datasets/{me.name}/NAME"
    for other in others:
        yield f"\n  export HF_TOKEN={quote(other.token)}\n"
        yield f"makes you {other.name}: {_may(other)}."
    yield "\nCtrl-C stops it."


def _may(user: User) -> str:
    what = "write to" if user.role == "write" else "read"
    return f"may {what} repositories of {' and '.join((user.name, *user.orgs))}"


def made_token() -> str:
    """A token that nobody knows, and that is printed: what looks like one of the real Hub is not.
    72 bits."""
    letters = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(16))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


def _is_default(parameter: str) -> bool:
    source = click.get_current_context().get_parameter_source(parameter)
    return source is not click.core.ParameterSource.COMMANDLINE
