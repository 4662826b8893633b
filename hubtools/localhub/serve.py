"""`hubtools hub serve` as a function: a Hub, its mounts, and waiting for the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubtools.errors import UsageError
from hubtools.localhub.accounts import DEFAULT_TOKEN, parse_org, parse_user
from hubtools.localhub.faults import Faults, parse_chaos
from hubtools.localhub.outlook import Outlook
from hubtools.localhub.server import Hub
from hubtools.waiting import signals_kept, until_interrupted


@dataclass(frozen=True)
class Running:
    """A Hub that answers."""

    hub: Hub

    def wait(self) -> None:
        """Return at Ctrl-C."""
        until_interrupted()


@contextmanager
def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str = DEFAULT_TOKEN,
    owners: Iterable[str] = (),
    mounts: Iterable[str] = (),
    open_pages: bool = True,
    trusted_publisher: Iterable[str] = (),
    oidc_key: str | None = None,
    user: Iterable[str] = (),
    org: Iterable[str] = (),
    chaos: str | None = None,
    chaos_seed: int | None = None,
    jobs: int = 0,
    trust_state: bool = False,
    outlook: Outlook | None = None,
) -> Iterator[Running]:
    """A running `Hub` with `mounts` such as `models/me/base=./base`. `trusted_publisher`,
    `oidc_key` and `outlook`: see `Hub`. `user`: several, as `accounts.parse_user` reads them, in
    place of `me`. `org`: several, as `accounts.parse_org` reads them.
    `chaos`: failures by chance, as `faults.parse_chaos` reads them. `jobs`:
    see `Hub`. Raises as `Hub` does, and `UsageError` for a mount that cannot be."""
    pairs = [_parse_mount(text) for text in mounts]
    hub = Hub(
        root,
        host=host,
        port=port,
        token=token,
        owners=owners,
        open_pages=open_pages,
        publishers=trusted_publisher,
        oidc_key=oidc_key,
        users=[parse_user(text) for text in user] or None,
        orgs=[parse_org(text) for text in org],
        faults=Faults(parse_chaos(chaos or ""), chaos_seed),
        trust_state=trust_state,
        outlook=outlook,
        jobs=jobs,
    )
    with signals_kept():
        try:
            for kind, repo_id, folder in pairs:
                hub.store.mount(kind, repo_id, folder)
            hub.start()
            yield Running(hub)
        finally:
            hub.stop()


def _parse_mount(text: str) -> tuple[str, str, Path]:
    name, equals, folder = text.partition("=")
    kind, slash, repo_id = name.partition("/")
    if not equals or not slash or not folder:
        raise UsageError(
            f"--mount {text} is not KIND/OWNER/NAME=DIR.",
            hint="for example --mount models/me/base=./base",
        )
    return kind, repo_id, Path(folder)
