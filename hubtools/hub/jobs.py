"""Jobs: programs that the Hub runs on machines of its own (https://huggingface.co/docs/hub/jobs)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hubtools.errors import HubtoolsError, UsageError
from hubtools.hub.errors import asking
from hubtools.hub.patience import api

DONE = frozenset({"COMPLETED", "ERROR", "CANCELED", "DELETED"})
_NAMED = re.compile(r"(?:https?://\S+?/jobs/)?(?:([\w.-]{1,96})/)?([0-9a-zA-Z]{8,64})")
_WORD = re.compile(r"[0-9A-Za-z][\w.-]{0,95}", re.ASCII)  # people type it as it is told
_UNITS = {"second": 3600.0, "minute": 60.0, "hour": 1.0}
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,6})?", re.ASCII)
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


class Machine(NamedTuple):
    """A kind of machine. `dollars` an hour; `gpu` the model (None: none), `gpus` how many, `memory`
    bytes of each, if the Hub says so; `cores` of the CPU."""

    name: str
    pretty: str
    dollars: float
    cores: int
    gpu: str | None = None
    gpus: int = 0
    memory: int | None = None


class Job(NamedTuple):
    """A job as the Hub tells of it."""

    id: str
    namespace: str
    url: str
    stage: str
    message: str | None
    flavor: str
    created: datetime | None
    environment: Mapping[str, str]
    labels: Mapping[str, str]

    @property
    def is_done(self) -> bool:
        """True once it runs no more, however it ended."""
        return self.stage in DONE


def machines() -> list[Machine]:
    """Those that jobs can ask for, with their prices."""
    with asking("machines for jobs"):
        return [_machine(one) for one in api().list_jobs_hardware()]


def _machine(found: Any) -> Machine:
    hours = _UNITS.get(str(found.unit_label))
    if hours is None:
        raise ValueError(f"a price for each {str(found.unit_label)[:40]}")
    gpu, gpus, memory = None, 0, None
    if (card := found.accelerator) is not None:
        gpu, gpus = str(card.model), int(card.quantity)
        number, _, unit = str(card.vram).partition(" ")
        if unit in _BYTES and _NUMBER.fullmatch(number):
            memory = int(float(number) * _BYTES[unit]) // max(1, gpus)
    cores = re.match(r"\d{1,4}", str(found.cpu))
    price = float(found.unit_cost_usd) * hours
    if not 0 <= price < 1e6:  # nor is it no number
        raise ValueError(f"a price of {price}")
    return Machine(
        str(found.name),
        str(found.pretty_name),
        round(price, 2),
        int(cores[0]) if cores else 1,
        gpu,
        gpus,
        memory,
    )


def send(
    namespace: str,
    *,
    image: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
    flavor: str,
    timeout: int,
    labels: Mapping[str, str],
) -> Job:
    """Start a job. `timeout` in seconds; `secrets` are variables that nobody is shown."""
    with asking("the new job"):
        sent = api().run_job(
            image=image,
            command=list(command),
            env=dict(environment),
            secrets=dict(secrets),
            flavor=flavor,
            timeout=timeout,
            labels=dict(labels),
            namespace=namespace,
        )
        return _job(sent)


def look_at(namespace: str, key: str) -> Job:
    """That job, as it is now."""
    with asking(f"the job {namespace}/{key}"):
        return _job(api().inspect_job(job_id=key, namespace=namespace))


def jobs_of(namespace: str, labels: Mapping[str, str]) -> Iterator[Job]:
    """The jobs with these labels, the newest first."""
    with asking(f"the jobs of {namespace}"):
        for one in api().list_jobs(namespace=namespace, labels=dict(labels)):
            yield _job(one)


def lines_of(job: Job) -> Iterator[str]:
    """The lines of its log from the first on, as they come, until it is done."""
    with asking(f"the log of {job.namespace}/{job.id}"):
        for line in api().fetch_job_logs(job_id=job.id, namespace=job.namespace, follow=True):
            yield str(line)


def _job(found: Any) -> Job:
    key, namespace = str(found.id), str(found.owner.name)
    for one in (key, namespace):
        if _WORD.fullmatch(one) is None:
            raise ValueError(f"a job is called {one[:100]!a}")
    return Job(
        key,
        namespace,
        str(found.url),
        str(getattr(found.status.stage, "value", found.status.stage)),
        None if found.status.message is None else str(found.status.message),
        str(found.flavor),
        found.created_at,
        {str(key): str(value) for key, value in (found.environment or {}).items()},
        {str(key): str(value) for key, value in (found.labels or {}).items()},
    )


def named(text: str) -> tuple[str | None, str]:
    """(namespace if it is said, id) of `ID`, `NAMESPACE/ID` or the address of a job's page. Raises
    `UsageError`."""
    found = _NAMED.fullmatch(text.strip().rstrip("/"))
    if found is None:
        raise UsageError(
            f"{text!r} is no job.", hint="give its id, as `hf jobs ps -a` lists it, or its address"
        )
    return found[1], found[2]


def token_for_jobs() -> str:
    """The token of this user, for a job to use. Raises `HubtoolsError` if there is none."""
    from huggingface_hub import get_token

    token = get_token()
    if token is None:
        raise HubtoolsError(
            "There is no Hub token, and a job needs one.",
            hint="run `hf auth login`, or set HF_TOKEN to a token with write permission",
            code="hub-refused",
        )
    return token
