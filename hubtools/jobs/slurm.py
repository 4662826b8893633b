"""The script that `sbatch` takes: one training on the GPUs of one or several nodes."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubtools.errors import UsageError
from hubtools.project import Project
from hubtools.summed import summed_text
from hubtools.version import __version__

_TIME = re.compile(r"(?:(\d{1,3})-)?(\d{1,4})(?::(\d\d))?(?::(\d\d))?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,@-]{0,99}")
_PLAIN = re.compile(r"[A-Za-z0-9_./=:,@%+-]+")
_MOST_NODES, _MOST_GPUS = 1024, 16
_SAVING = 300  # seconds before the end at which the training is told to stop and save

_TEMPLATE = """\
#!/bin/bash
{asked}
# Written by hubtools {version}: sbatch FILE trains; again, it goes on with what is not done.
set -euo pipefail
export PYTHONSAFEPATH=1  # no module is taken from the folder of the project
{variables}cd {folder}

# The processes of all nodes meet on the first one.
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
first=${{nodes%%$'\\n'*}}
port=$((20000 + SLURM_JOB_ID % 20000))

srun --kill-on-bad-exit=1 {python} -m torch.distributed.run \\
  --nnodes="$SLURM_JOB_NUM_NODES" --nproc-per-node={gpus} \\
  --rdzv-id="$SLURM_JOB_ID" --rdzv-backend=c10d --rdzv-endpoint="$first:$port" \\
  -m hubtools train{words}
"""


@dataclass(frozen=True)
class Cluster:
    """What is asked of the cluster: `gpus` on each of the `nodes`, for `time` as Slurm writes it.
    Raises `UsageError` for what cannot be."""

    nodes: int = 1
    gpus: int = 1
    time: str = "4:00:00"
    partition: str | None = None
    account: str | None = None
    cpus: int | None = None

    def __post_init__(self) -> None:
        for name, value, most in (
            ("nodes", self.nodes, _MOST_NODES),
            ("gpus", self.gpus, _MOST_GPUS),
            ("cpus", 1 if self.cpus is None else self.cpus, 1024),
        ):
            if not 1 <= value <= most:
                raise UsageError(f"--{name} {value} cannot be: 1 to {most}.")
        if minutes_of(self.time) * 60 < 2 * _SAVING:
            raise UsageError(
                f"--time {self.time} is no time to train in: ten minutes at least.",
                hint="hours:minutes:seconds or days-hours, e.g. 4:00:00 or 2-0",
            )
        for name, word in (("partition", self.partition), ("account", self.account)):
            if word is not None and _NAME.fullmatch(word) is None:
                raise UsageError(f"{word!r} cannot be the name of the {name}.")


def minutes_of(time: str) -> float:
    """The length of a time as `sbatch --time` reads it: minutes, minutes:seconds,
    hours:minutes:seconds, days-hours, days-hours:minutes[:seconds]. 0 for any other text."""
    found = _TIME.fullmatch(time.strip())
    if found is None:
        return 0
    days, *parts = (None if part is None else int(part) for part in found.groups())
    first, second, third = (part or 0 for part in parts)
    if days is not None:
        return (days * 24 + first) * 60 + second + third / 60
    if parts[2] is not None:
        return first * 60 + second + third / 60
    return first + second / 60


def slurm_script(project: Project, names: Mapping[tuple[str, str], str], cluster: Cluster) -> str:
    """The script that trains `project` with the settings that were given beside its file. `names`:
    what the options of `train` are called, with underscores."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", project.run_to_train.name).strip("-") or "lora"
    asked = {
        "job-name": name,
        "nodes": cluster.nodes,
        "ntasks-per-node": 1,
        "gpus-per-node": cluster.gpus,
        "cpus-per-task": cluster.cpus,
        "time": cluster.time.strip(),
        "partition": cluster.partition,
        "account": cluster.account,
        "output": "%x-%j.log",
        "signal": f"TERM@{_SAVING}",
    }
    lines = [f"#SBATCH --{key}={value}" for key, value in asked.items() if value is not None]
    words = [*_project(project), *_words(project, names)]
    each = max(1, cluster.cpus // cluster.gpus) if cluster.cpus else None
    text = _TEMPLATE.format(
        asked="\n".join(lines),
        version=__version__,
        folder=_quoted(str(project.root)),
        variables=f"export OMP_NUM_THREADS={each}\n" if each else "",
        python=_quoted(sys.executable),
        gpus=cluster.gpus,
        words="".join(f" \\\n  {_quoted(word)}" for word in words),
    )
    return summed_text(text, "# ")


def _project(project: Project) -> list[str]:
    return [] if project.file is None else [f"--project={project.file}"]


def _words(project: Project, names: Mapping[tuple[str, str], str]) -> list[str]:
    """The given settings as options."""
    found: list[str] = []
    for setting in sorted(project.given):
        section, _, key = setting.partition(".")
        value = getattr(getattr(project, section), key)
        option = names[section, key].replace("_", "-")
        found += [f"--{word}" for word in _option(option, value)]
    return found


def _option(option: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [option if value else f"no-{option}"]
    if isinstance(value, Mapping):
        return [f"{option}={key}:{item:g}" for key, item in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [f"{option}={item}" for item in value]
    return [f"{option}={value}"]


def _quoted(word: str) -> str:
    """A word of a shell's command line that stays one, whatever is in it."""
    if _PLAIN.fullmatch(word):
        return word
    return '"' + re.sub(r'([\\$`"])', r"\\\1", word) + '"'
