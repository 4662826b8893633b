"""The embedded Hub in a thread of this process."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import uvicorn

from hubtools.addresses import unproxied
from hubtools.errors import Code, HubtoolsError, UsageError
from hubtools.localhub.accounts import (
    DEFAULT_TOKEN,
    DEFAULT_USER,
    Accounts,
    Org,
    User,
    default_users,
)
from hubtools.localhub.app import HubApp
from hubtools.localhub.door import Door
from hubtools.localhub.faults import Fault, Faults, Outcome
from hubtools.localhub.jobs import Jobs
from hubtools.localhub.outlook import Outlook
from hubtools.localhub.patience import BODY_SECONDS, HEAD_SECONDS, patient
from hubtools.localhub.publishers import Publisher, Publishers
from hubtools.localhub.store import Store

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BEGINNING = 120.0  # seconds until it answers
_LEAVING = 60.0  # seconds for what is asked to come to its end

logger = logging.getLogger("hubtools.localhub")


class Hub:
    """A Hub on this machine, for `huggingface_hub`, `datasets`, `diffusers` and `hf` to talk to.

        with Hub(Path("hub")) as hub:
            os.environ |= hub.environment()

    `root` keeps everything and may be used by one Hub at a time. `port` 0 takes any free one.
    `users`: who has which token; by default one user `me` with `token`, who may also write to
    every namespace in `owners` and `orgs`. `orgs`: what is to be known of organisations beside
    their name. `open_pages`: the HTML pages show private repositories too; they
    are for the person at this machine, no other can reach them. The API keeps them private.
    `publishers`: workflows that may write to a repository without a token, `oidc_key`: what their
    identities are signed with (see `hubtools.localhub.publishers.signed`). `outlook`: what checks
    say of repositories, for the pages. `door`: nobody is answered without its key.
    `head_seconds`: how long a connection may take to say what it wants, `body_seconds`: how long
    for each 4 KiB of what it sends then. `jobs`: how many jobs that
    owners send run at a time, as processes of this machine; 0: none is run.

    Raises `UsageError` for a host other than this machine's loopback and for a root that holds
    other things, and for jobs with the token that everybody knows; `HubtoolsError` if the port or
    the root is taken.
    """

    def __init__(
        self,
        root: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = DEFAULT_TOKEN,
        owners: Iterable[str] = (),
        users: Sequence[User] | None = None,
        orgs: Iterable[Org] = (),
        open_pages: bool = True,
        faults: Faults | None = None,
        publishers: Iterable[str | Publisher] = (),
        oidc_key: str | None = None,
        trust_state: bool = False,
        outlook: Outlook | None = None,
        door: Door | None = None,
        head_seconds: float = HEAD_SECONDS,
        body_seconds: float = BODY_SECONDS,
        jobs: int = 0,
    ) -> None:
        if host not in LOOPBACK:
            raise UsageError(
                f"The embedded Hub serves this machine only, so it cannot listen on {host}.",
                hint="leave --host out, or give 127.0.0.1, localhost or ::1",
            )
        if not 0 <= port <= 65535:
            raise UsageError(f"{port} is not a port: 0 to 65535.")
        trusted = Publishers.of(publishers, oidc_key)
        orgs = tuple(orgs)
        if users is None:
            users = default_users(token, (*owners, *(org.name for org in orgs)))
        accounts = Accounts(users, orgs)
        if jobs and any(user.token == DEFAULT_TOKEN for user in users):
            raise UsageError(
                "With --jobs whoever has a token runs programs here, and everybody knows"
                f" {DEFAULT_TOKEN}.",
                hint="leave --token out, and one is made that nobody knows",
            )
        self.jobs = Jobs(jobs) if jobs else None
        self.root = Path(root)
        self.host = "127.0.0.1" if host == "localhost" else host
        self.accounts = accounts
        self.faults = faults or Faults()
        self._socket = _listen(self.host, port)
        try:
            self.store = Store(self.root, trust_state=trust_state)
        except BaseException:
            self._socket.close()
            raise
        self.port = int(self._socket.getsockname()[1])
        self.app = HubApp(
            self.store,
            accounts,
            faults=self.faults,
            open_pages=open_pages,
            publishers=trusted,
            outlook=outlook,
            door=door,
            jobs=self.jobs,
        )
        if self.jobs is not None:
            self.jobs.url = self.url
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.app,
                log_config=None,
                log_level=logging.WARNING,
                access_log=False,
                lifespan="on",
                http=patient(head_seconds, body_seconds),
                ws="none",
                timeout_keep_alive=75,  # longer than clients rest between two requests
                timeout_graceful_shutdown=2,
                server_header=False,
            )
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`: what HF_ENDPOINT must be."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}"

    @property
    def token(self) -> str:
        """The token of the first user."""
        return self.accounts.users[0].token

    def environment(self) -> Mapping[str, str]:
        """What a process must have in its environment to use this Hub; also not to ask a proxy for
        it, where there is one."""
        named = {"HF_ENDPOINT": self.url, "HF_TOKEN": self.token, "HF_HUB_DISABLE_XET": "1"}
        return named | unproxied(os.environ)

    def fail_next(
        self,
        method: str,
        path: str,
        outcome: Outcome,
        times: int = 1,
        *,
        message: str = "This failure was asked for.",
        headers: Mapping[str, str] | None = None,
    ) -> Fault:
        """Make the next `times` requests of `method` ('*': any) to a path the regular expression
        `path` is found in fail with `outcome`: a status, 'drop' (the connection breaks and nothing
        is done) or 'drop-after' (done, but the answer is lost). `.hits` of what is returned counts.
        """
        return self.faults.add(Fault(method, path, outcome, times, message, headers or {}))

    def start(self) -> Hub:
        """Serve until `stop`. Returns when requests are answered."""
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="hub", daemon=True
        )
        self._thread.start()
        until = time.monotonic() + _BEGINNING
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                self.stop()
                raise HubtoolsError("The embedded Hub did not start.")
            self._thread.join(0.01)
        return self

    def stop(self) -> None:
        """Finish the requests under way, close everything. One that does not come to its end keeps
        nobody here for more than a minute: what it works on stays open, and its folder taken, until
        this process ends."""
        if self.jobs is not None:
            self.jobs.close()
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_LEAVING)
            if self._thread.is_alive():
                logger.warning("A request does not end; the embedded Hub stops without it.")
                return
            self._thread = None
        self._socket.close()
        if self.app.judged is not None:
            self.app.judged.close()
        self.store.close()

    def __enter__(self) -> Hub:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


_ANOTHER = "give another one with --port, or 0 for any free one"
_LISTENING: dict[int, tuple[str, Code]] = {
    errno.EADDRINUSE: (f"another program has it; {_ANOTHER}", "busy"),
    errno.EACCES: (f"this one is kept for the system's administrator; {_ANOTHER}",
                   "permission-denied"),
    errno.EADDRNOTAVAIL: ("this machine has no such address; give another one with --host",
                          "not-supported"),
}  # fmt: skip


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol named, asyncio sends small answers at once (TCP_NODELAY)
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # So that a Hub can come back to its port at once; not what this means on Windows.
        if hasattr(socket, "SO_REUSEPORT"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        hint, code = _LISTENING.get(error.errno or 0, (_ANOTHER, "busy"))
        raise HubtoolsError(
            f"Port {port} of {host} cannot be used: {error.strerror or error}.",
            hint=hint,
            code=code,
        ) from None
    return listener


__all__ = ["DEFAULT_TOKEN", "DEFAULT_USER", "Hub", "User"]
