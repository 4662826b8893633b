"""Jobs over HTTP, as `HfApi.run_job` and its sisters ask for them. Nobody but the owners of a
namespace sees or sends its jobs, and a Hub that was not started for it runs none."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from hubtools.localhub.hardware import FLAVORS
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.jobs import Job, Jobs, Spec, moments
from hubtools.localhub.problems import Problem

_HALF_HOUR = 1800  # the Hub's own time-out for who names none
_LONGEST = 7 * 24 * 3600  # seconds
_WORDS = 1 << 17  # characters of a command, or of a variable: more the system does not start
_MOST = 500  # words of a command, variables, labels
_ALL = 1 << 19  # characters of a job in all: it is kept a while
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_LABEL = re.compile(r"[A-Za-z0-9._-]{0,100}")
_ABSENT = ("spaceId", "volumes", "expose", "ssh", "network", "resourceGroupId")
_PAGE = 50
_POLL, _ALIVE = 0.05, 15.0  # seconds between two looks at a log, and between two signs of life


def _allowed(call: Call, *, writes: bool) -> Jobs | None:
    """The jobs of this Hub, for somebody who may see those of the namespace, or `writes`. Raises
    `Problem` 401, 403."""
    user, namespace = call.require_user(), call.params["ns"]
    if not (user.may_write(namespace) if writes else user.may_read_private(namespace)):
        what = "run jobs under" if writes else "see the jobs of"
        raise Problem(403, f'You don\'t have the rights to {what} the namespace "{namespace}"')
    return call.hub.jobs


def _job(call: Call, *, writes: bool = False) -> tuple[Jobs, Job]:
    jobs = _allowed(call, writes=writes)
    job = None if jobs is None else jobs.find(call.params["ns"], call.params["job"])
    if jobs is None or job is None:
        raise Problem(404, "Job not found")
    return jobs, job


def _strings(body: dict[str, Any], key: str) -> dict[str, str]:
    """A table of variables. Raises `Problem` 400."""
    found = body.get(key) or {}
    if not isinstance(found, dict) or len(found) > _MOST:
        raise Problem(400, f'"{key}" must be an object')
    for name, value in found.items():
        fits = _VARIABLE.fullmatch(name) and isinstance(value, (str, int, float))
        if not fits or "\0" in str(value) or len(str(value)) > _WORDS:
            raise Problem(400, f'"{key}" holds {name[:100]!r}, which is no variable with a text')
    return {name: str(value) for name, value in found.items()}


def _words(body: dict[str, Any], key: str) -> tuple[str, ...]:
    found = body.get(key) or []
    if not isinstance(found, list) or len(found) > _MOST:
        raise Problem(400, f'"{key}" must be an array of strings')
    for word in found:
        if not isinstance(word, str) or "\0" in word or len(word) > _WORDS:
            raise Problem(400, f'"{key}" must be an array of strings')
    return tuple(found)


def _labels(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or len(found) > _MOST:
        raise Problem(400, '"labels" must be an object')
    for item in (*found, *found.values()):
        if not isinstance(item, str) or not _LABEL.fullmatch(item):
            raise Problem(400, "labels are of letters, digits, `.`, `-` and `_`, 100 at most")
    return dict(found)


def _spec(body: dict[str, Any]) -> Spec:
    """What is asked for. Raises `Problem` 400, or 501 for what only the real Hub can."""
    for key in _ABSENT:
        if body.get(key):
            raise Problem(501, f'Jobs of the embedded Hub have no "{key}".')
    if body.get("attempts", 1) != 1:
        raise Problem(501, "Jobs of the embedded Hub are tried once.")
    command, flavor = _words(body, "command"), body.get("flavor", "cpu-basic")
    if not command:
        raise Problem(400, '"command" must not be empty')
    if not isinstance(flavor, str) or flavor not in FLAVORS:
        raise Problem(400, f'"flavor" must be one of {", ".join(FLAVORS)}')
    image = body.get("dockerImage")
    if not isinstance(image, str) or not image:
        raise Problem(400, '"dockerImage" must be a string')
    timeout = body.get("timeoutSeconds", _HALF_HOUR)
    if type(timeout) is not int or not 1 <= timeout <= _LONGEST:
        raise Problem(400, f'"timeoutSeconds" must be a whole number from 1 to {_LONGEST}')
    arguments, environment = _words(body, "arguments"), _strings(body, "environment")
    secrets, labels = _strings(body, "secrets"), _labels(body.get("labels") or {})
    told = (image, *command, *arguments, *environment.values(), *secrets.values())
    if sum(map(len, told)) > _ALL:
        raise Problem(413, f"A job has at most {_ALL:,} characters in all.")
    return Spec(image, command, arguments, environment, secrets, flavor, timeout, labels)


def hardware(call: Call) -> Response:
    return answer([flavor.shown() for flavor in FLAVORS.values()])


def _submitted(call: Call, jobs: Jobs | None, spec: Spec) -> Response:
    if jobs is None:
        raise Problem(
            403,
            "This Hub runs no jobs: they would be processes of this machine. Start it with"
            " `hubtools hub serve --jobs 1` if that is meant.",
        )
    user = call.require_user()
    return answer(jobs.submit(call.params["ns"], user.name, spec).shown())


def create(call: Call) -> Response:
    return _submitted(call, _allowed(call, writes=True), _spec(call.json()))


def again(call: Call) -> Response:
    jobs, job = _job(call, writes=True)
    return _submitted(call, jobs, job.spec)


def listing(call: Call) -> Response:
    jobs = _allowed(call, writes=False)
    stages, labels = set(call.values("stage")), call.values("label")
    found = [
        job
        for job in (jobs.of(call.params["ns"]) if jobs is not None else ())
        if (not stages or job.stage in stages)
        and all(
            job.labels.get(key) == value for key, _, value in (w.partition("=") for w in labels)
        )
    ]
    start = call.number("skip", 0, len(found))
    headers = {}
    if start + _PAGE < len(found):
        query = {key: list(values) for key, values in call.query.items()}
        headers["Link"] = call.link(query | {"skip": [str(start + _PAGE)]})
    return answer([job.shown() for job in found[start : start + _PAGE]], headers=headers)


def inspect(call: Call) -> Response:
    return answer(_job(call)[1].shown())


def cancel(call: Call) -> Response:
    jobs, job = _job(call, writes=True)
    jobs.cancel(job)
    return answer(job.shown())


def relabel(call: Call) -> Response:
    _, job = _job(call, writes=True)
    job.labels = _labels(call.json().get("labels") or {})
    return answer(job.shown())


def logs(call: Call) -> Response:
    _, job = _job(call)
    tail = call.number("tail", 0, 1_000_000)
    start = max(0, len(job.log) - tail) if tail else 0
    return StreamingResponse(_events(job, start), media_type="text/event-stream")


async def _events(job: Job, sent: int) -> AsyncIterator[str]:
    """The log from line `sent` on, as it comes, until the job is over."""
    quiet = 0.0
    while True:
        over = job.is_done  # before the log is looked at: no line is said after that
        lines = job.log[sent : sent + 1000]
        sent += len(lines)
        for event in moments(lines):
            yield f"data: {json.dumps(event)}\n\n"
        if over and not lines:
            return
        quiet = 0.0 if lines else quiet + _POLL
        if quiet >= _ALIVE:
            quiet = 0.0
            yield ": keep-alive\n\n"
        if not lines:
            await asyncio.sleep(_POLL)


def add_routes(router: Router) -> None:
    router.add("GET", "api/jobs/hardware", hardware)
    base = "api/jobs/{ns}"
    router.add("GET", base, listing)
    router.add("POST", base, create)
    router.add("GET", f"{base}/{{job}}", inspect)
    router.add("GET", f"{base}/{{job}}/logs", logs)
    router.add("POST", f"{base}/{{job}}/cancel", cancel)
    router.add("POST", f"{base}/{{job}}/duplicate", again)
    router.add("PUT", f"{base}/{{job}}/labels", relabel)
