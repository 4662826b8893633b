"""LoRA files of earlier steps: which step each is of, and which are published beside the last."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hubtools.commands.releasing import plan_push
from hubtools.commands.remote import plan_prune_remote
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import sha256_of
from hubtools.layout import EVALUATION, LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.project import load_project
from hubtools.publish.classify import classify
from hubtools.publish.trash import apply, undo
from hubtools.training.metrics import HeldOut, MetricsLog
from tests.typed import typed

Make = Callable[..., Path]
STEPS = (5, 10, 15)


def snapshots(root: Path) -> dict[int, Path]:
    return {step: root / f"snapshots/people-step{step:06d}.safetensors" for step in STEPS}


@pytest.fixture
def run(run_dir: Path, make_lora_file: Make) -> Path:
    """A run with three snapshots."""
    make_lora_file(snapshots(run_dir)[15], rank=6)
    return run_dir


def measure(root: Path, best: int | None, losses: dict[int, float], *, base: bool = True) -> None:
    """What `hubtools evaluate` writes of the snapshots `losses`; `best` is the recommended one."""
    files = snapshots(root)
    candidates = [{"label": "base", "weight": 0}] if base else []
    for step, loss in losses.items():
        figure = {"mean": loss, "low": loss, "high": loss, "n": 4}
        candidates.append(
            {"label": f"step {step}", "step": step, "weight": 1,
             "lora_sha256": sha256_of(files[step]), "figures": {"denoising_loss": figure}}
        )  # fmt: skip
    place = None if best is None else 1 + list(losses).index(best)
    found = {
        "date": "2026-01-01", "base_model": None, "trigger": None, "class_noun": "person",
        "prompts": [], "images": 1, "samples": {}, "picture_encoder": "x", "prompt_judge": None,
        "real_pictures": 1, "loss_held_out": True, "candidates": candidates,
        "recommended": place, "recommendation": "",
    }  # fmt: skip
    (root / EVALUATION).write_text(json.dumps(found))


def kept(root: Path, keep: str) -> list[int]:
    names = {item.path for item in classify(root, keep_checkpoints=keep).kept}
    return [step for step, path in snapshots(root).items() if f"snapshots/{path.name}" in names]


def test_the_last_so_many_or_all(run: Path) -> None:
    found = {keep: kept(run, keep) for keep in ("none", "last", "1", "2", "99", "all")}
    assert found == {
        "none": [], "last": [15], "1": [15], "2": [10, 15], "99": [5, 10, 15], "all": [5, 10, 15]
    }  # fmt: skip


def test_the_best_is_the_recommended_one_else_that_of_the_lowest_loss(run: Path) -> None:
    losses = {5: 0.4, 10: 0.2, 15: 0.3}
    measure(run, 5, losses)
    assert kept(run, "best") == [5]
    measure(run, None, losses)
    assert kept(run, "best") == [10]
    reason = {i.path: i.reason for i in classify(run, keep_checkpoints="best").kept}
    assert "step 10, the best" in reason[f"snapshots/{snapshots(run)[10].name}"]


def test_the_best_is_not_guessed(run: Path) -> None:
    with pytest.raises(HubtoolsError, match="records nothing") as caught:
        classify(run, keep_checkpoints="best")
    assert "hubtools evaluate" in str(caught.value.hint)
    measure(run, None, {10: 0.2})
    with pytest.raises(HubtoolsError, match="measured one LoRA only"):
        classify(run, keep_checkpoints="best")
    measure(run, None, {5: 0.1, 10: 0.2})
    snapshots(run)[5].write_bytes(snapshots(run)[10].read_bytes())
    with pytest.raises(HubtoolsError, match="step 5, is not among"):
        classify(run, keep_checkpoints="best")


@pytest.mark.parametrize(
    "record",
    [
        {"best_model_checkpoint": "out/checkpoint-500"},
        {"log_history": [{"step": 500, "eval_loss": 0.1}, {"step": 1000, "eval_loss": 0.2},
                         {"step": 700, "eval_loss": 0.0}, {"step": 1000, "loss": 0.0}]},
    ],
)  # fmt: skip
def test_the_held_out_loss_that_a_trainer_recorded(
    tmp_path: Path, make_lora_file: Make, record: dict[str, object]
) -> None:
    make_lora_file(tmp_path / LORA_WEIGHTS, rank=9)
    for step in (500, 1000):
        make_lora_file(tmp_path / f"checkpoint-{step}/{LORA_WEIGHTS}", rank=step // 250)
    (tmp_path / "checkpoint-1000/trainer_state.json").write_text(json.dumps(record))
    plan = classify(tmp_path, keep_checkpoints="best")
    assert [i.path for i in plan.kept] == [f"checkpoint-500/{LORA_WEIGHTS}", LORA_WEIGHTS]


def test_the_loss_of_pictures_that_train_held_out(run: Path) -> None:
    lines = [HeldOut(0, 0.01), HeldOut(5, 0.1), HeldOut(7, 0.02), HeldOut(10, 0.2)]
    MetricsLog(run, 0).append(lines)
    assert [i.path for i in classify(run, keep_checkpoints="best").kept if "step" in i.path] == [
        snapshots(run)[5].relative_to(run).as_posix()
    ]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        # a number in a name is no step
        (("backup-2024", {}, None), ("checkpoint-1000", {}, None)),
        # what the header says is more than what the folder is called
        (("checkpoint-900", {"ss_steps": "900"}, None), ("last", {"ss_steps": "1200"}, None)),
        (("checkpoint-900", {}, None), ("a", {"training_info": '{"step": 1000}'}, None)),
        (("checkpoint-900", {"hubtools_step": "7"}, None), ("checkpoint-8", {}, None)),
        (("old2", {}, {"global_step": 40}), ("old1", {}, {"global_step": 50})),
        (("a", {"training_info": "{", "ss_steps": "None"}, {}), ("b", {}, None)),
    ],
)
def test_the_newest_is_the_one_of_the_highest_step(
    tmp_path: Path, make_lora_file: Make, older: tuple[str, dict, dict], newer: tuple
) -> None:  # type: ignore[type-arg]
    for rank, (name, header, state) in ((2, older), (3, newer)):
        make_lora_file(tmp_path / name / LORA_WEIGHTS, rank=rank, **header)
        if state is not None:
            (tmp_path / name / "trainer_state.json").write_text(json.dumps(state))
    item = next(item for item in classify(tmp_path).kept if item.target)
    assert item.path == f"{newer[0]}/{LORA_WEIGHTS}"


def test_those_of_sd_scripts_do_not_lie_beside_the_last(
    tmp_path: Path, make_lora_file: Make
) -> None:
    for rank, name in enumerate(("people", "people-000001", "people-000002"), 2):
        make_lora_file(tmp_path / f"{name}.safetensors", rank=rank)
    plan = classify(tmp_path, keep_checkpoints="last")
    assert {i.path: i.target for i in plan.kept} == {
        "people.safetensors": None,
        "people-000002.safetensors": "checkpoints/people-000002.safetensors",
    }
    saved = tmp_path.parent / "plan.json"
    words = ("prune", tmp_path, "--keep-checkpoints", "last", "--plan", saved)
    assert typed(*words).returncode == 0
    done = typed("prune", "--from-plan", saved, "--apply")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in tmp_path.rglob("*.safetensors") if ".hubtools" not in p.parts} == {
        "people.safetensors", "people-000002.safetensors"
    }  # fmt: skip
    # what was pruned is judged as before
    again = classify(tmp_path, keep_checkpoints="all")
    assert [i.path for i in again.kept] == [
        "checkpoints/people-000002.safetensors", "people.safetensors"
    ]  # fmt: skip
    undo(tmp_path)
    assert (tmp_path / "people-000001.safetensors").is_file()
    assert (tmp_path / "people-000002.safetensors").is_file()
    apply(classify(tmp_path))


def test_the_settings_are_those_of_prune_push_and_ship(
    local_hub: Hub, run: Path, dataset: Path, tmp_path: Path
) -> None:
    project = tmp_path / "hubtools.toml"
    project.write_text('[prune]\nkeep_checkpoints = 2\ndrop = ["*.jsonl"]\nkeep = ["loss.png"]\n')
    wanted = {f"snapshots/{snapshots(run)[step].name}" for step in (10, 15)} | {"loss.png"}
    shown = typed("prune", run, "--project", project, "--format", "json")
    rows = {row["path"]: row["verdict"] for row in json.loads(shown.stdout)}
    assert {name for name in wanted if rows[name] == "keep"} == wanted
    plan = plan_push(run, "me/people", project, only_shown=True)
    assert wanted <= {file.name for file in plan.files}
    # patterns of a file are not those of pictures
    options = {"only_shown": True, "type": "dataset"}
    files = {f.name for f in plan_push(dataset, "me/d", project, **options).files}  # type: ignore[arg-type]
    assert "metadata.jsonl" in files
    files = {f.name for f in plan_push(dataset, "me/d", project, drop=["0.png"], **options).files}  # type: ignore[arg-type]
    assert "0.png" not in files
    told = load_project(project, {("prune", "keep_checkpoints"): "best"}).prune
    assert (told.keep_checkpoints, told.drop) == ("best", ["*.jsonl"])
    assert "--keep-checkpoints" in typed("ship", "--help").stdout


def test_a_repository_is_judged_by_its_hashes(local_hub: Hub, run: Path) -> None:
    measure(run, 10, {5: 0.4, 10: 0.2, 15: 0.3})
    HfApi().create_repo("me/people")
    HfApi().upload_folder(folder_path=run, repo_id="me/people")
    shown = typed(
        "prune", "--remote", "me/people", "--keep-checkpoints", "best", "--format", "json"
    )
    assert shown.returncode == 0, shown.stderr
    rows = {row["path"]: row["verdict"] for row in json.loads(shown.stdout)}
    assert [step for step, path in snapshots(run).items()
            if rows[f"snapshots/{path.name}"] == "keep"] == [10]  # fmt: skip
    two = {i.path for i in plan_prune_remote("me/people", keep_checkpoints=2).items if i.moves}
    assert f"snapshots/{snapshots(run)[5].name}" in two
    assert f"snapshots/{snapshots(run)[10].name}" not in two


@pytest.mark.parametrize("value", ["some", "0", "-1", "1.5", "true", ""])
def test_what_is_no_number_of_checkpoints_is_said(run: Path, value: str) -> None:
    done = typed("prune", run, "--keep-checkpoints", value)
    assert done.returncode == 2
    assert "none, last, best, all" in done.stderr
    with pytest.raises(UsageError, match="none, last, best, all"):
        plan_push(run, "me/people", keep_checkpoints=value)
