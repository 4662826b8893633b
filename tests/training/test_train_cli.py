"""`hubtools train` as a user runs it: a process that is killed, stopped, and started again."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import forkserver
from tests.doomed import MKDIR, RENAME, doomed

pytest.importorskip("torch")

from hubtools.layout import LORA_WEIGHTS
from hubtools.manifest import RunManifest
from hubtools.project import Project
from hubtools.training.metrics import read_metrics
from hubtools.training.train import train

MakeProject = Callable[..., Project]


def command(project: Project, *more: str) -> list[str]:
    """The command line of a project."""
    settings = project.train.model_dump(exclude_unset=True)
    words = [sys.executable, "-m", "hubtools", "train", f"--train-data-dir={project.dataset.path}"]
    for key, value in settings.items():
        for one in value if isinstance(value, list) else [value]:
            name = key.replace("_", "-")
            words.append(f"--{name}" if one is True else f"--{name}={one}")
    return [*words, *more]


def call(project: Project, *more: str) -> subprocess.CompletedProcess[str]:
    return forkserver.call(*command(project, *more)[3:])


def start(project: Project, until: int, *more: str) -> forkserver.Process:
    """Start a training and wait until its log has passed step `until`."""
    process = forkserver.start(*command(project, *more)[3:])
    while process.poll() is None:
        metrics = read_metrics(project.run_dir)
        if metrics and metrics[-1].step >= until:
            return process
        time.sleep(0.01)
    raise AssertionError(process.said())


LONG: dict[str, Any] = {"max_train_steps": 12, "checkpointing_steps": 3, "lora_dropout": 0.1}


def test_killed_twice_and_started_again_it_is_the_same_run(make_project: MakeProject) -> None:
    straight, killed = make_project(name="straight", **LONG), make_project(name="killed", **LONG)
    train(straight, skip_validation=True)
    words = command(killed, "--skip-validation")[3:]
    # three steps after a state, and when the next one is written but not in place
    for moment, name in ((MKDIR, "tmp-step-000006"), (RENAME, "tmp-step-000009")):
        doomed(moment, name, *words)
        assert not (killed.run_dir / LORA_WEIGHTS).exists()
    done = call(killed, "--resume_from_checkpoint", "latest", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "Continuing after step" in done.stderr
    names = [LORA_WEIGHTS, "state/step-000012/optimizer.safetensors"]
    for name in names:
        assert (killed.run_dir / name).read_bytes() == (straight.run_dir / name).read_bytes()
    assert [m.step for m in read_metrics(killed.run_dir)] == list(range(1, 13))
    # data on stdout, everything else on stderr, and of that no advice of the libraries
    facts = json.loads(done.stdout)
    assert (facts["lora"], facts["run"]) == (LORA_WEIGHTS, str(killed.run_dir))
    assert "= 5 steps an epoch" in done.stderr
    assert "torchvision" not in done.stderr


def test_killed_between_a_state_and_what_is_due_with_it(make_project: MakeProject) -> None:
    """Snapshot and samples of a step are written behind its state."""
    project = make_project(
        max_train_steps=4, checkpointing_steps=2, snapshot_steps=2, validation_steps=2
    )
    words = command(project, "--skip-validation")[3:]
    doomed(MKDIR, "'snapshots'", *words)
    assert (project.run_dir / "state/step-000002").is_dir()
    done = call(project, "--skip-validation")
    assert done.returncode == 0
    assert re.search(r": 4 steps in [\d.]+ s, \S+ s each; all of it took [\d.]+ s", done.stdout)
    assert re.search(r"\nHint: next: hubtools generate --lora \S+ --base-model ", done.stderr)
    assert len([*(project.run_dir / "snapshots").iterdir()]) == 2
    drawn = {path.name[:10] for path in (project.run_dir / "samples").glob("*.png")}
    assert drawn == {"step000000", "step000002", "step000004"}


def test_asked_to_stop_it_saves_first(make_project: MakeProject) -> None:
    project = make_project(**LONG | {"max_train_steps": 2000, "checkpointing_steps": 1500})
    process = start(project, 10, "--skip-validation")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert "run the same command again" in output
    assert "Traceback" not in output
    manifest = RunManifest.read(project.run_dir)
    assert manifest.status == "interrupted"
    assert 10 <= manifest.steps_done < 1500
    (state,) = (project.run_dir / "state").iterdir()
    assert state.name == f"step-{manifest.steps_done:06d}"
    # how long its steps took is known to the next plan
    again = make_project(name="again", **LONG)
    plan = train(again, skip_validation=True, dry_run=True).plan
    assert plan is not None
    assert plan["seconds_measured"] is True, plan


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command line within this process: (exit code, stdout, stderr)."""
    from hubtools.cli.main import run

    def call(*words: str) -> tuple[int, str, str]:
        code = run(["train", *words])
        out, err = capsys.readouterr()
        return int(code), out, err

    return call


def test_wrong_inputs_end_in_one_sentence(
    invoke: Any, make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project = make_project()
    words = command(project)[4:]
    cases: list[tuple[list[str], int, str]] = [
        ([], 2, "No base model is set"),
        (["--base-model", "nonsense"], 2, "neither a folder, nor a file, nor a Hub id"),
        ([*words, "--train-data-dir", "nowhere"], 2, "There is no folder"),
        ([*words, "--rank", "0"], 2, "--rank"),
        ([*words, "--lr-scheduler", "sawtooth"], 2, "sawtooth"),
        ([*words, "--caption-column", "prompt"], 3, "does not pass validation"),
        ([*words, "--resume-from-checkpoint", "checkpoint-500"], 2, "newest state"),
        ([*words, "--no-resume", "--resume-from-checkpoint", "latest"], 2, "contradict"),
        ([*words, "--target-modules", "to_z"], 2, "'to_z'"),
        ([*words, "--resolution", "68"], 3, "T109"),
        ([*words, "--strict", "--learning-rate", "0.1"], 3, "T107"),
        ([*words, "--validation-steps", "2", "--scheduler", "eulr"], 2, "did you mean euler"),
        ([*words, "--mixed-precision", "fp16"], 2, "fp16 needs a GPU"),
    ]
    for arguments, code, sentence in cases:
        found, out, err = invoke(*arguments)
        assert found == code, (arguments, err)
        assert sentence in err, (arguments, err)
        assert "Traceback" not in err
        assert out == ""
    assert not project.run_dir.exists()


@pytest.mark.parametrize(
    ("base", "sampler", "told"),
    [
        (
            "tiny_base",
            ["--scheduler=flow_euler"],
            "flow_euler does not fit StableDiffusionPipeline",
        ),
        (
            "tiny_z_image",
            ["--scheduler=ddim"],
            "ddim does not fit ZImagePipeline, whose base predicts",
        ),
        ("tiny_flux2", ["--scheduler=flow_heun"], "flow_heun does not fit Flux2KleinPipeline"),
        ("tiny_qwen_image", ["--samples-steps=1"], "QwenImagePipeline draws nothing in a single"),
    ],
)
def test_a_sampler_that_does_not_fit_the_base_stops_the_plan(
    invoke: Any,
    make_project: MakeProject,
    request: pytest.FixtureRequest,
    base: str,
    sampler: list[str],
    told: str,
) -> None:
    folder = request.getfixturevalue(base)
    project = make_project(pretrained_model_name_or_path=str(folder), target_modules=[])
    words = [*command(project)[4:], *sampler, "--dry-run"]
    code, _, err = invoke(*words, "--validation-steps=2")
    assert code == 2
    assert told in err
    assert invoke(*words, "--validation-steps=0")[0] == 0  # none are drawn


def test_a_dry_run_by_the_tutorials_names(invoke: Any, make_project: MakeProject) -> None:
    project = make_project()
    code, out, err = invoke(
        f"--pretrained_model_name_or_path={project.train.pretrained_model_name_or_path}",
        f"--train_data_dir={project.dataset.path}",
        "--caption_column=text",
        "--resolution=64",
        "--random_flip",
        "--train_batch_size=1",
        "--num_train_epochs=1000",
        "--checkpointing_steps=5001",
        "--learning_rate=1e-04",
        "--lr_scheduler=constant",
        "--lr_warmup_steps=0",
        "--seed=42",
        f"--output_dir={project.run_dir}",
        "--dry-run",
        "--format=json",
    )
    assert code == 0
    plan = json.loads(out)["plan"]
    assert (plan["steps"], plan["steps_an_epoch"], plan["epochs"]) == (5000, 5, 1000)
    assert plan["buckets"] == {"64x64": 5}
    assert plan["memory_bytes"]["steps"] <= plan["memory_bytes"]["most"]
    assert min(plan["flops_a_step"], plan["disk_bytes"], plan["parameters"]) > 0
    assert {"T101", "T111"} <= {finding["rule"] for finding in plan["findings"]}
    assert "1,000 epochs = 5,000 steps" in err
    assert "T101" in err
    assert "T111" in err
    assert "5000" in out
    assert not project.run_dir.exists()


# A process of two that is told to stop, as torchrun tells all of its own, in the first step.
STOPPED = """
import os, signal, sys
from hubtools.cli.main import run
from hubtools.training.step_log import StepLog
add = StepLog.add
def told(self, step):
    os.kill(os.getpid(), signal.SIGTERM)
    add(self, step)
StepLog.add = told
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [False, True], ids=["whole", "sharded"])
def test_two_processes_are_one_with_twice_the_batch(
    make_project: MakeProject,
    tmp_path: Path,
    draw_pictures: Callable[..., Path],
    tiny_schnell: Path,
    fsdp: bool,
) -> None:
    """Three pictures of one shape and two of another in steps of four: one process has nothing to
    do in every second step. So it is where each holds a share of the base only, a transformer. They
    are stopped after the first step, long before torchrun would kill them, and go on with it."""
    import torch

    from hubtools.models.tensors import read_tensors

    data = draw_pictures(tmp_path / "data", 5)
    for number in range(2):
        path = data / f"picture{number}.png"
        Image.open(path).resize((160, 80)).save(path)
    settings: dict[str, Any] = {"max_train_steps": 6, "checkpointing_steps": 2, "data": data}
    settings |= {"aspect_ratio_buckets": True, "shuffle_caption": True, "caption_variants": 2}
    settings |= {"train_text_encoder": True, "text_encoder_lr": 1e-3}
    if fsdp:
        settings |= {"pretrained_model_name_or_path": str(tiny_schnell), "max_train_steps": 4}
    one = make_project(name="one", train_batch_size=4, **settings)
    train(one, skip_validation=True)
    sharded = {"fsdp": True} if fsdp else {}
    two = make_project(name="two", train_batch_size=2, **sharded, **settings)
    words = command(two, "--skip-validation", "--format", "json")[3:]

    def launched(code: str | None = None) -> tuple[list[int | None], list[tuple[str, str]]]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # what torchrun and `accelerate launch` tell each process
        said = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
        said["MASTER_PORT"] = str(port)
        processes = [
            forkserver.start(
                *words, env=said | {"RANK": rank, "LOCAL_RANK": rank}, together=False, code=code
            )
            for rank in "01"
        ]
        told = [process.communicate() for process in processes]
        return [process.returncode for process in processes], told

    codes, told = launched(STOPPED)
    assert codes == [130, 130], told
    assert RunManifest.read(two.run_dir).steps_done == 1
    assert [path.name for path in (two.run_dir / "state").iterdir()] == ["step-000001"]
    codes, ((out, err), (nothing, more)) = launched()
    assert codes == [0, 0], err + more
    assert "Continuing after step 1." in err
    assert (json.loads(out)["run"], nothing) == (str(two.run_dir), "")
    err += more
    assert err.count("= 2 steps an epoch") == 1
    assert "processes 2" in err
    a, b = (read_tensors(project.run_dir / LORA_WEIGHTS) for project in (one, two))
    assert a is not None
    assert b is not None
    difference = max(float((a[name] - b[name]).abs().max()) for name in a)
    assert difference < 1e-5
    learnt = [tensor for name, tensor in b.items() if ".up." in name or "lora_B" in name]
    assert any(bool(torch.any(tensor != 0)) for tensor in learnt)
    # the loss that is logged is that of all pictures of the step
    for mine, theirs in zip(read_metrics(one.run_dir), read_metrics(two.run_dir), strict=True):
        assert mine.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert mine.grad_norm == pytest.approx(theirs.grad_norm, rel=1e-4)
