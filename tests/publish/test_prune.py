"""What of a run folder is worth publishing: by content, with a reason, and never nothing."""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.layout import LORA_WEIGHTS
from hubtools.publish.classify import Verdict, classify
from hubtools.publish.trash import apply

Make = Callable[..., Path]


def kept(root: Path, **options: object) -> set[str]:
    return {item.target or item.path for item in classify(root, **options).kept}  # type: ignore[arg-type]


def fill(root: Path, names: str, size: int = 10) -> None:
    for name in names.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * size)


def test_a_run_of_hubtools(run_dir: Path) -> None:
    release = {
        LORA_WEIGHTS,
        "README.md",
        "LICENSE.md",
        "run.json",
        "hubtools.toml",
        "images/00.png",
    }
    assert kept(run_dir) == release
    steps = {f"snapshots/people-step{step:06d}.safetensors" for step in (5, 10)}
    assert kept(run_dir, keep_checkpoints="all") == release | steps
    assert kept(run_dir, keep_checkpoints="last") == release | {max(steps)}
    assert kept(run_dir, keep=["loss.png"], drop=["LICENSE*"]) == release - {"LICENSE.md"} | {
        "loss.png"
    }
    (run_dir / "evaluation.png").write_bytes((run_dir / "loss.png").read_bytes())
    plan = classify(run_dir)
    assert plan.asks == plan.left == ()  # what hubtools wrote is known to be its own
    assert all(item.reason for item in plan.items)
    assert plan.bytes_kept + plan.bytes_dropped == sum(
        path.stat().st_size for path in run_dir.rglob("*") if path.is_file()
    )


def test_a_folder_of_the_older_diffusers_script(
    tmp_path: Path, make_lora_file: Make, make_weights: Make
) -> None:
    root = tmp_path / "finetuned"
    make_lora_file(root / LORA_WEIGHTS, rank=2650)
    for step in (500, 1000):
        folder = root / f"checkpoint-{step}"
        # the whole UNet with the adapter inside: 3.47 GB
        unet = {f"down.{n}.base_layer.weight": [1280, 1280] for n in range(1059)}
        lora = {f"down.{n}.lora_A.default.weight": [4, 1280] for n in range(50)}
        make_weights(folder / "model.safetensors", unet | lora)
        fill(folder, "optimizer.bin scheduler.bin random_states_0.pkl")
    fill(root, "logs/text2image-fine-tune/events.out.tfevents.1 logs/x/hparams.yml")
    plan = classify(root)
    assert 3.3e6 < plan.bytes_kept < 3.5e6
    assert plan.bytes_dropped > 2 * 3.46e9
    assert kept(root) == {LORA_WEIGHTS}
    whole = next(item for item in plan.items if item.path == "checkpoint-500/model.safetensors")
    assert "3.47 GB" in whole.reason
    assert "LoRA inside" in whole.reason


def test_only_checkpoints_are_left(tmp_path: Path, make_lora_file: Make) -> None:
    for step in (500, 1000, 1500):
        make_lora_file(tmp_path / f"checkpoint-{step}" / LORA_WEIGHTS, rank=step // 500)
    plan = classify(tmp_path)
    (item,) = plan.kept
    assert (item.path, item.target) == (f"checkpoint-1500/{LORA_WEIGHTS}", LORA_WEIGHTS)
    apply(plan)
    assert (tmp_path / LORA_WEIGHTS).is_file()
    assert kept(tmp_path) == {LORA_WEIGHTS}


@pytest.mark.parametrize(
    ("lora", "rest"),
    [
        # sd-scripts
        (
            "people.safetensors",
            (
                "people-state/optimizer.bin people-state/random_states_0.pkl img/0.npz img/1.npz"
                " log/20260101/network_train/events.out.tfevents.1"
            ),
        ),
        # ai-toolkit
        ("people.safetensors", "optimizer.pt .job_config.json samples/1__0.jpg log.txt"),
        # accelerate without a hook
        (
            LORA_WEIGHTS,
            (
                "checkpoint_0/model.safetensors checkpoint_0/sampler.bin scaler.pt"
                " checkpoint_0/pytorch_model_fsdp_0/x.distcp dl_state_dict.bin"
            ),
        ),
        # transformers
        (
            LORA_WEIGHTS,
            "trainer_state.json training_args.bin rng_state.pth checkpoint-5/optimizer.pt",
        ),
        (LORA_WEIGHTS, ".DS_Store .cache/huggingface/x wandb/run/x .git-credentials.lock a.tmp"),
        (LORA_WEIGHTS, ".env .env.local id.pem token credentials.json .gitignore unet/config.json"),
        (LORA_WEIGHTS, "model_index.json vae/config.json tokenizer/merges.txt evil.pkl old.ckpt"),
    ],
)
def test_leftovers_of_many_trainers(
    tmp_path: Path, make_lora_file: Make, lora: str, rest: str
) -> None:
    make_lora_file(tmp_path / lora)
    fill(tmp_path, rest)
    assert kept(tmp_path) == {lora}
    assert classify(tmp_path).asks == ()


def test_the_manifest_says_which_of_several(tmp_path: Path, make_lora_file: Make) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        make_lora_file(tmp_path / name, rank=len(name))
    with pytest.raises(HubtoolsError, match="several LoRA files"):
        classify(tmp_path)
    (tmp_path / "run.json").write_text('{"lora": {"file": "b.safetensors"}}')
    assert kept(tmp_path) == {"b.safetensors", "run.json"}
    assert kept(tmp_path, drop=["b.*"]) == {"a.safetensors", "run.json"}


def test_what_nobody_knows_is_asked_for_when_large(tmp_path: Path, make_lora_file: Make) -> None:
    make_lora_file(tmp_path / LORA_WEIGHTS)
    fill(tmp_path, "notes.dat", 100)
    fill(tmp_path, "huge.dat", 10_000_001)
    plan = classify(tmp_path)
    assert [item.path for item in plan.asks] == ["huge.dat"]
    with pytest.raises(HubtoolsError, match="undecided"):
        apply(plan)
    assert classify(tmp_path, drop=["huge.dat"]).asks == ()
    assert kept(tmp_path, keep=["huge.dat"]) == {LORA_WEIGHTS, "huge.dat"}


def test_links_are_never_followed_or_published(
    tmp_path: Path, run_dir: Path, make_lora_file: Make
) -> None:
    outside = tmp_path / "outside"
    make_lora_file(outside / "x.safetensors")
    (run_dir / "linked").symlink_to(outside)
    (run_dir / "images/01.png").symlink_to(run_dir / "loss.png")
    plan = classify(run_dir, keep=["*.png"])
    verdicts = {item.path: item.verdict for item in plan.items}
    assert verdicts["linked"] is Verdict.DROP
    assert verdicts["images/01.png"] is Verdict.DROP
    apply(plan)
    assert (outside / "x.safetensors").is_file()


def test_a_copy_of_the_lora_is_dropped(run_dir: Path) -> None:
    copy = run_dir / "snapshots/people-step000010.safetensors"
    copy.write_bytes((run_dir / LORA_WEIGHTS).read_bytes())
    assert "snapshots/people-step000010.safetensors" not in kept(run_dir, keep_checkpoints="last")


@pytest.mark.parametrize(
    ("damage", "words"), [("cut", "these are damaged"), ("gone", "train first")]
)
def test_never_without_a_lora(run_dir: Path, damage: str, words: str) -> None:
    for path in run_dir.rglob("*.safetensors"):
        if damage == "cut":
            path.write_bytes(path.read_bytes()[:20])
        else:
            path.unlink()
    with pytest.raises(HubtoolsError, match="nothing would be left") as caught:
        classify(run_dir)
    assert words in str(caught.value.hint)


def test_places_that_are_no_run_folder(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_dir / ".git").mkdir()
    with pytest.raises(HubtoolsError, match="git work tree"):
        classify(run_dir)
    with pytest.raises(HubtoolsError, match="no run folder"):
        classify(Path("/"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(HubtoolsError, match="no run folder"):
        classify(tmp_path)
    with pytest.raises(HubtoolsError, match="no folder"):
        classify(tmp_path / "nothing")


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_a_run_that_goes_on_keeps_its_states(run_dir: Path, status: str) -> None:
    text = (run_dir / "run.json").read_text().replace("finished", status)
    (run_dir / "run.json").write_text(text)
    with pytest.raises(HubtoolsError, match="not finished"):
        apply(classify(run_dir))
    assert (run_dir / "state/step-000010/optimizer.safetensors").is_file()


@pytest.mark.parametrize(
    "lie", ["empty", "endless header", "no object", "cut off", "longer than it says"]
)
def test_a_lying_header_is_never_the_lora(run_dir: Path, make_lora_file: Make, lie: str) -> None:
    good = make_lora_file(run_dir / "another.safetensors", rank=5).read_bytes()
    data = {
        "empty": b"",
        "endless header": struct.pack("<Q", 1 << 60) + good[8:],
        "no object": struct.pack("<Q", 2) + b"[]",
        "cut off": good[:-10],
        "longer than it says": good + b"x",
    }[lie]
    (run_dir / "another.safetensors").write_bytes(data)
    verdicts = {item.path: (item.verdict, item.reason) for item in classify(run_dir).items}
    assert verdicts["another.safetensors"] == (Verdict.DROP, "a damaged weight file")
    assert verdicts[LORA_WEIGHTS][0] is Verdict.KEEP
    for path in run_dir.rglob("*.safetensors"):
        path.write_bytes(data)
    with pytest.raises(HubtoolsError, match="nothing would be left"):
        classify(run_dir)


def test_a_linked_lora_is_none(tmp_path: Path, make_lora_file: Make) -> None:
    outside = make_lora_file(tmp_path / "outside.safetensors")
    root = tmp_path / "run"
    root.mkdir()
    (root / LORA_WEIGHTS).symlink_to(outside)
    with pytest.raises(HubtoolsError, match="holds no LoRA"):
        classify(root, keep=["*"])
    assert outside.is_file()


def test_looking_changes_nothing(run_dir: Path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
            for path in [run_dir, *run_dir.rglob("*")]
        }

    before = state()
    classify(run_dir)
    assert state() == before


def test_a_trash_that_cannot_be_made_moves_nothing(run_dir: Path) -> None:
    (run_dir / ".hubtools").write_text("a file")
    before = sorted(run_dir.rglob("*"))
    with pytest.raises(HubtoolsError, match=r"\.hubtools is no folder"):
        apply(classify(run_dir))
    assert sorted(run_dir.rglob("*")) == before


def test_a_folder_one_may_not_write_to(make_lora_file: Make) -> None:
    code = (
        "import os, sys, pathlib; from hubtools.publish import classify, trash;"
        "os.geteuid() or os.setuid(65534);"  # root may write everywhere
        "trash.apply(classify.classify(pathlib.Path(sys.argv[1])))"
    )
    with tempfile.TemporaryDirectory() as name:  # pytest's own are closed to other users
        root = Path(name) / "run"
        make_lora_file(root / LORA_WEIGHTS)
        fill(root, "optimizer.bin a.log")
        root.parent.chmod(0o755)
        root.chmod(0o555)
        before = sorted(root.rglob("*"))
        done = subprocess.run(
            [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=False
        )
        root.chmod(0o755)
        assert "PermissionError" in done.stderr
        assert sorted(root.rglob("*")) == before
