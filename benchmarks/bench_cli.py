"""Start-up: CPU seconds of commands that must not import torch, against `hf --help` and bare
Python in the same run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from harness import best, keep

BIN = Path(sys.executable).parent


def main() -> None:
    """Measure and keep."""
    with tempfile.TemporaryDirectory() as scratch:
        project = str(Path(scratch) / "project")
        hubtools = str(BIN / "hubtools")
        best(1, [hubtools, "init", project, "--example"])
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "hf --help": [str(BIN / "hf"), "--help"],
            "hubtools --help": [hubtools, "--help"],
            "hubtools train --help": [hubtools, "train", "--help"],
            "hubtools validate (21 pictures)": [hubtools, "validate", project],
        }
        costs = {name: best(5, command) for name, command in commands.items()}
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
