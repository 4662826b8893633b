"""Start-up: CPU seconds of commands that must not import torch, against `hf --help` and bare
Python in the same run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from harness import child_cost, keep

TURNS = 15
BIN = Path(sys.executable).parent


def main() -> None:
    """Measure and keep."""
    with tempfile.TemporaryDirectory() as scratch:
        project = str(Path(scratch) / "project")
        hubtools = str(BIN / "hubtools")
        child_cost([hubtools, "init", project, "--example"])
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "hf --help": [str(BIN / "hf"), "--help"],
            "hubtools --help": [hubtools, "--help"],
            "hubtools train --help": [hubtools, "train", "--help"],
            "hubtools validate (21 pictures)": [hubtools, "validate", project],
            "hubtools fix --dry-run (21 pictures)": [hubtools, "fix", project, "--dry-run"],
        }
        costs = {name: child_cost(command) for name, command in commands.items()}  # compiles
        for number in range(TURNS):  # in turns, so that what else the machine does is shared
            for name, command in commands.items():
                cost = child_cost(command)
                costs[name] = cost if number == 0 else min(costs[name], cost)
    peer = costs["hf --help"][0]
    keep(
        "cli",
        [
            {
                "command": name,
                "cpu_s": round(cpu, 3),
                "wall_s": round(wall, 3),
                "ratio_to_hf_help": round(cpu / peer, 2),
            }
            for name, (cpu, wall) in costs.items()
        ],
    )


if __name__ == "__main__":
    main()
