"""The script of a job: a UV script (PEP 723) that holds all it needs, with the machine it asks for
in `[tool.hf-jobs]`, where `hf jobs uv run` looks. It is sent within a variable of the job, so that
nothing has to lie in a bucket."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

from hubtools.jobs.onjob import STARTED
from hubtools.version import __version__

IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"  # that of `hf jobs uv run`
VARIABLE = "HUBTOOLS_SCRIPT"
_FILE = '"${TMPDIR:-/tmp}/hubtools-train.py"'
# What the job runs: when it began, the script, uv.
COMMAND = (
    "bash",
    "-c",
    (
        f'export {STARTED}=$(date +%s); printf %s "${VARIABLE}" | base64 -d > {_FILE}'
        f" && exec uv run {_FILE}"
    ),
)
_TEMPLATE = '''\
# /// script
# requires-python = ">=3.11"
# dependencies = ["hf-hubtools[{extras}]=={version}"]
#
# [tool.hf-jobs]
# image = {image}
# flavor = {flavor}
# timeout = {timeout}
# secrets = {secrets}
# labels = {{ {labels} }}
# ///
"""Trains {name}, and leaves the run in a pull request of {repo}.

Written by hubtools {version}. `hf jobs uv run FILE` runs it on {flavor_name}, as
`hubtools train --remote {flavor_name}` does, which fetches the run as well. The token is the job's
secret HF_TOKEN.
"""

from hubtools.jobs.onjob import main

SETTINGS = """\\
{settings}"""

if __name__ == "__main__":
    main(SETTINGS, repo={repo_text}, pr={pr}, processes={processes}, seconds={seconds})
'''


def script_of(
    settings: str,
    *,
    name: str,
    repo: str,
    pr: int | None,
    flavor: str,
    timeout: int,
    processes: int,
    labels: Mapping[str, str],
    extras: Sequence[str] = ("train",),
    secrets: Sequence[str] = ("HF_TOKEN",),
) -> str:
    """The script's text. `settings`: a hubtools.toml; `timeout` in seconds; `extras` of hubtools;
    `secrets`: names of the variables that are."""
    shown = ", ".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in labels.items())
    return _TEMPLATE.format(
        version=__version__,
        extras=",".join(extras),
        secrets=json.dumps(list(secrets)),
        image=json.dumps(IMAGE),
        flavor=json.dumps(flavor),
        flavor_name=flavor,
        timeout=json.dumps(f"{timeout}s"),
        labels=shown,
        name=name,
        repo=repo,
        repo_text=json.dumps(repo),
        settings=settings.replace("\\", "\\\\").replace('"""', '\\"\\"\\"'),
        pr=pr,
        processes=processes,
        seconds=timeout,
    )


def encoded(script: str) -> dict[str, str]:
    """The variable that `COMMAND` reads."""
    return {VARIABLE: base64.b64encode(script.encode("utf-8")).decode("ascii")}
