"""Requests that the Hub turns away for now are made again: it says when, or a little later.

An answer 429 (too many requests) was not acted on, so that any request is sent again when its
Retry-After, or the reset of its RateLimit header, is over. Where the connection breaks or a gateway
fails (502, 503, 504), what only reads is asked again; whether a commit has landed by then is for
`publish.push` to see. A Hub that says nothing any more is given up, where its client would wait for
ever. Headers: RFC 9110 section 10.2.3, and the draft on RateLimit header fields.
"""

from __future__ import annotations

import email.utils
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from hubtools.addresses import is_here, unproxied
from hubtools.hub.answers import ask_bounded, bounded
from hubtools.hub.errors import asking
from hubtools.hub.marks import check_marks
from hubtools.hub.origins import refuse_elsewhere, without_leads
from hubtools.hub.pace import Kept, one_wait
from hubtools.patterns import regex

if TYPE_CHECKING:
    from huggingface_hub import HfApi

WAITS = (0.3, 1.0)  # seconds before what only reads is asked again
LONGEST = 900.0  # seconds that are waited because the Hub says so, in all for one request
TIMES = 60  # that one request is sent again because the Hub says so, however soon that is
# seconds without a byte after which a request is given up; the Hub's own limit for an answer is 60
SILENCE = {"connect": 60.0, "read": 300.0, "write": 300.0, "pool": 300.0}
_TOLD = 3.0  # seconds of waiting from which on it is told
_GATEWAY = (502, 503, 504)
# POST, but nothing is changed by it
_READS = regex(r"/paths-info/|/preupload/|\.git/info/lfs/objects/batch$|/api/validate-yaml$")

_lock = threading.Lock()
_installed = False
_refusals: list[Callable[[Any], None]] = []  # asked of each request before it is sent


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


tell: Callable[[str], None] = _say
"""Told of each long wait."""


def api() -> HfApi:
    """The Hub's client, patient; what it stumbles over in an answer becomes a sentence."""
    be_patient()
    from huggingface_hub import HfApi

    return cast("HfApi", _Asked(HfApi()))


class _Asked:
    """A client whose every call is `asking`, also where its answer is read piece by piece."""

    def __init__(self, hub: HfApi) -> None:
        self._hub = hub

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._hub, name)
        if not callable(call):
            return call

        def asked(*args: Any, **more: Any) -> Any:
            what = args[0] if args and isinstance(args[0], str) else name.replace("_", " ")
            with asking(what):
                answer = call(*args, **more)
            return _pieces(answer, what) if isinstance(answer, Iterator) else answer

        return asked


def _pieces(answer: Iterator[Any], what: str) -> Iterator[Any]:
    with asking(what):
        yield from answer


def be_patient(*refusals: Callable[[Any], None]) -> None:
    """Have the client send its requests through here, if none of `refusals` (from now on) raises;
    whoever made it send them otherwise before is left alone. It asks no Hub by which variables of
    the environment programs are known: it would say with each request which of those guesses was
    right."""
    global _installed
    with suppress(ImportError):  # another version of the client may have none
        from huggingface_hub.utils import _detect_agent

        _detect_agent._registry = {"standardEnvVars": [], "harnesses": {}}
    with _lock:
        _refusals.extend(one for one in refusals if one not in _refusals)
        if _installed:
            return
        _installed = True
        from huggingface_hub import set_client_factory
        from huggingface_hub.utils import _http

        if _http._GLOBAL_CLIENT_FACTORY is _http.default_client_factory:
            set_client_factory(_patient_client)


def _patient_client() -> Any:
    from huggingface_hub import constants
    from huggingface_hub.utils._http import default_client_factory

    if is_here(constants.ENDPOINT):
        os.environ.update(unproxied(os.environ))
    client = default_client_factory()
    client._transport = _patient(client._transport)
    client._mounts = {
        pattern: transport if transport is None else _patient(transport)
        for pattern, transport in client._mounts.items()
    }
    return client


def _patient(transport: Any) -> Any:
    import httpx2

    below = Kept(transport)

    class Patient(httpx2.BaseTransport):
        """A transport that asks again."""

        def handle_request(self, request: Any) -> Any:
            return _answered(below, request)

        def close(self) -> None:
            below.close()

    return Patient()


def _answered(below: Any, request: Any) -> Any:
    import httpx2

    path = request.url.path
    reads = request.method in ("GET", "HEAD", "OPTIONS") or (
        request.method == "POST" and _READS.search(path) is not None
    )
    again = isinstance(request.stream, httpx2.ByteStream)
    waits, waited, times = list(WAITS), 0.0, 0
    bounds = request.extensions.get("timeout") or {}
    request.extensions["timeout"] = SILENCE | {k: v for k, v in bounds.items() if v is not None}
    one_wait(request)
    for refuse in tuple(_refusals):
        refuse(request)
    refuse_elsewhere(request)
    ask_bounded(request, below)
    while True:
        try:
            answer = below.handle_request(request)
            without_leads(answer, request)
            check_marks(answer, request)
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
            if not (reads and again and waits):
                raise
            time.sleep(waits.pop(0))
            continue
        if answer.status_code == 429 and again:
            wait = seconds_to_wait(answer.headers)
            if wait is None or waited + wait > LONGEST or times == TIMES:
                return bounded(answer, request)
            waited, times = waited + wait, times + 1
            if wait >= _TOLD:
                until = time.strftime("%H:%M:%S", time.localtime(time.time() + wait))
                tell(f"The Hub has too many requests of this account; going on at {until}.")
        elif answer.status_code in _GATEWAY and reads and again and waits:
            wait = waits.pop(0)
        else:
            return bounded(answer, request)
        answer.close()
        time.sleep(wait)


def seconds_to_wait(headers: Any) -> float | None:
    """What an answer 429 asks for; None if it does not say."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal() and len(said) < 10:
        return float(said)
    if said:
        try:
            return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            pass
    reset = re.search(r"(?:^|;)\s*t=(\d{1,9})(?:;|,|$)", headers.get("ratelimit", ""))
    return float(reset[1]) if reset else None
