"""`launch slurm`: the script that a cluster takes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from hubtools.cli.main import group
from hubtools.jobs.slurm import minutes_of
from tests.typed import typed

ODD = "a 'photo' of \"$HOME\" `id` \\\\ \n100 %"
WORDS = ("--base-model=me/base", f"--prompt={ODD}", "--prompt=b", "--train-data-dir=my pics",
         "--no-center-crop", "--random-flip", "--picture-repeats=a*:2", "--samples-seed=7",
         "--seed=3")  # fmt: skip


def launch(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "my pics").mkdir(exist_ok=True)
    return typed("launch", "slurm", *words, cwd=folder)


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


def test_the_script_starts_what_was_asked_for(tmp_path: Path) -> None:
    done = launch(tmp_path, "--nodes=2", "--gpus=4", "--cpus=32", "--account=a-b", *WORDS)
    assert done.returncode == 0, done.stderr
    script = tmp_path / "lora.sbatch"
    lines = script.read_text().splitlines()
    asked = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    assert asked >= {
        "nodes=2",
        "gpus-per-node=4",
        "cpus-per-task=32",
        "time=4:00:00",
        "account=a-b",
    }
    checker = (
        ["shellcheck", str(script)] if shutil.which("shellcheck") else ["bash", "-n", str(script)]
    )
    assert not subprocess.run(checker, capture_output=True).stdout

    tools = tmp_path / "tools"
    tools.mkdir()
    program(tools, "scontrol", "printf 'node7\\nnode8\\n'")
    program(tools, "srun", "printf '%s\\0' \"$@\"")
    variables = {
        "SLURM_JOB_ID": "41",
        "SLURM_JOB_NODELIST": "node[7-8]",
        "SLURM_JOB_NUM_NODES": "2",
    }
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", str(script)], capture_output=True, text=True, env=variables | {"PATH": path}
    )
    words = ran.stdout.split("\0")[:-1]
    assert {"--nnodes=2", "--nproc-per-node=4", "--rdzv-endpoint=node7:20041"} < set(words)

    # the words are options of `train`, and mean the same there
    train = group.get_command(click.Context(group), "train")
    assert train is not None
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        context = train.make_context("train", words[words.index("train") + 1 :])
        meant = train.make_context("train", list(WORDS)).params
    finally:
        os.chdir(before)
    meant["setting__dataset__path"] = str(tmp_path / "my pics")
    assert context.params == meant


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--gpus=0",), "--gpus 0 cannot be"),
        (("--nodes=-1",), "--nodes -1 cannot be"),
        (("--time=5",), "ten minutes at least"),
        (("--time=soon",), "e.g. 4:00:00 or 2-0"),
        (("--partition=a b",), "the name of the partition"),
        (("--account=x\n#SBATCH --uid=0",), "the name of the account"),
        (("--train-data-dir=nowhere",), "to train on"),
        (("--rank=0",), "rank"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = launch(tmp_path, "--base-model=me/base", "--train-data-dir=my pics", *words)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.glob("*.sbatch"))


def test_a_file_of_somebody_is_not_written_over(tmp_path: Path) -> None:
    words = ("--base-model=me/base", "--train-data-dir=my pics", "--output=mine.sh")
    (tmp_path / "mine.sh").write_text("echo mine")
    assert launch(tmp_path, *words).returncode == 1
    assert (tmp_path / "mine.sh").read_text() == "echo mine"
    (tmp_path / "mine.sh").unlink()
    for _ in range(2):
        assert launch(tmp_path, *words).returncode == 0
    # nor is what somebody has written into one of hubtools
    script = (tmp_path / "mine.sh").read_text()
    edited = script.replace("set -euo", "module load cuda\nset -euo")
    (tmp_path / "mine.sh").write_text(edited)
    assert launch(tmp_path, *words).returncode == 1
    assert (tmp_path / "mine.sh").read_text() == edited


def test_a_run_of_any_name_is_one_word_of_the_advice(tmp_path: Path) -> None:
    """The settings may be a stranger's, and what is advised gets pasted."""
    odd = "--output-dir=runs/$(touch x)"
    done = launch(tmp_path, "--base-model=me/base", "--train-data-dir=my pics", odd)
    advice = done.stderr.partition("next: ")[2].strip()
    assert [Path(word).name for word in shlex.split(advice)] == ["sbatch", "$(touch x).sbatch"]
    assert "'" in advice


def test_times_are_those_of_slurm() -> None:
    times = {"90": 90, "90:30": 90.5, "4:00:00": 240, "2-0": 2880, "1-12:30": 2190, "x": 0}
    assert {time: minutes_of(time) for time in times} == times
