"""Which Python `make` builds .venv of: tools/interpreter.sh."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "interpreter.sh"


@pytest.mark.parametrize(
    ("answers", "chosen"),
    [
        (["echo 100 1", "echo 50 1"], 1),
        (["echo 100 1", "echo 95 1"], 0),  # not worth a surprise
        (["echo 100 1", "echo 50 0"], 0),  # faster, but without what torch.compile needs
        (["exit 1", "echo 100 0", "echo 80 0", "echo 60 1"], 3),  # the first is too old
        (["exit 1", "echo 100 1"], 1),
    ],
    ids=["faster", "alike", "less", "old-first", "only-old-before"],
)
def test_the_first_python_or_a_faster_one_that_can_as_much(tmp_path, answers, chosen):
    folders = []
    for number, answer in enumerate(answers):
        folder = tmp_path / f"folder {number}"
        folder.mkdir()
        (folder / "python3").write_text(f"#!/bin/sh\n{answer}\n")
        (folder / "python3").chmod(0o755)
        folders.append(folder)
    path = os.pathsep.join(map(str, folders))
    told = subprocess.run([SCRIPT], env={"PATH": path}, capture_output=True, text=True, check=True)
    assert told.stdout == f"{folders[chosen] / 'python3'}\n"


def test_without_a_python_the_plain_name_is_left_to_make(tmp_path):
    told = subprocess.run(
        [SCRIPT], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert told.stdout == "python3\n"
