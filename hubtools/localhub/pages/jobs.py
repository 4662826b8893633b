"""The pages of jobs: those of a namespace, and one with its log."""

from __future__ import annotations

import re
from datetime import datetime

from starlette.responses import Response

from hubtools.localhub.http import Call
from hubtools.localhub.jobs import Job
from hubtools.localhub.pages.html import Html, cut, document, link, path, scrolled, tag
from hubtools.localhub.problems import Problem

_LINES = 5000  # of a log that are shown, the last ones
_LONG = 2000  # characters of a command, of a line
_LETTERS = 500_000  # of a log that are shown, about


_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _as_seen(line: str) -> str:
    """A line as a terminal has it in the end: colours are none of its letters, and a progress bar
    has written over what it was before."""
    return _COLOURS.sub("", line).rstrip("\r").rpartition("\r")[2]


def _found(call: Call) -> list[Job]:
    """The jobs of the namespace, if this caller may see them. Raises `Problem` 404."""
    namespace, user = call.params["ns"], call.user
    sees = call.hub.open_pages or (user is not None and user.may_read_private(namespace))
    if call.hub.jobs is None or not sees or namespace not in call.hub.accounts.namespaces:
        raise Problem(404, f"This Hub has no jobs of {namespace}.")
    return call.hub.jobs.of(namespace)


def listing(call: Call) -> Response:
    namespace = call.params["ns"]
    items = [
        tag(
            "li",
            tag(
                "div",
                link(path("jobs", namespace, job.id), tag("strong", _name(job))),
                _badge(job),
                tag("span", f"{job.spec.flavor} · {_when(job.created)}", class_="soft"),
            ),
        )
        for job in _found(call)
    ]
    empty = tag("div", "No jobs yet. They are forgotten when this Hub stops.", class_="empty")
    return document(
        f"Jobs of {namespace}",
        tag("h1", "Jobs of ", link(path(namespace), namespace)),
        tag("div", tag("ul", *items, class_="repos") if items else empty, class_="sheet flush"),
    )


def show(call: Call) -> Response:
    namespace, key = call.params["ns"], call.params["job"]
    job = next((job for job in _found(call) if job.id == key), None)
    if job is None:
        raise Problem(404, f"This Hub has no job {key[:100]} of {namespace}.")
    lines, room = [], _LETTERS
    for _, line in reversed(job.log[-_LINES:]):
        lines.append(cut(_as_seen(line), _LONG))
        room -= len(lines[-1])
        if room < 0:
            break
    left_out = len(job.log) - len(lines)
    lines.reverse()
    return document(
        f"Job {job.id}",
        tag("h1", link(path("jobs", namespace), f"{namespace}/"), _name(job), _badge(job)),
        tag("div", scrolled(_facts(job)), class_="sheet"),
        tag("h2", "Log"),
        tag("p", f"The first {left_out:,} lines are left out.", class_="soft")
        if left_out > 0
        else None,
        tag("div", tag("pre", "\n".join(lines) or "Nothing was said yet."), class_="sheet"),
        None if job.is_done else tag("p", "It runs; reload to see more.", class_="soft"),
    )


def _name(job: Job) -> str:
    return job.labels.get("hubtools-run") or job.labels.get("name") or job.id


def _badge(job: Job) -> Html:
    return tag("span", job.stage.lower(), class_="badge")


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _facts(job: Job) -> Html:
    command = " ".join([*job.spec.command, *job.spec.arguments])
    rows = {
        "id": job.id,
        "why": job.message,
        "machine": f"{job.spec.flavor}, which here is a name: it runs on this machine",
        "command": tag("code", cut(command, _LONG)),
        "time-out": f"{job.spec.timeout:,} seconds",
        "sent": f"{_when(job.created)} by {job.user}",
        "started": _when(job.started),
        "finished": _when(job.finished),
    }
    return tag(
        "table",
        *(tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows.items()
          if value),
        class_="facts",
    )  # fmt: skip
