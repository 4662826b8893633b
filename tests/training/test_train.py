"""`train`, for real, on a tiny pipeline."""

from __future__ import annotations

import json
import math
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open  # noqa: E402

from hubtools.errors import ChecksFailed, HubtoolsError, UsageError  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import RunManifest, read_samples  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.progress import PlainReporter  # noqa: E402
from hubtools.project import Project, load_project  # noqa: E402
from hubtools.tinypeople import MODEL as TINY_PEOPLE  # noqa: E402
from hubtools.training.metrics import read_metrics  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402

MakeProject = Callable[..., Project]
DrawPictures = Callable[..., Path]


def run(project: Project, **options: Any) -> dict[str, torch.Tensor]:
    """Train without validation (it has tests of its own) and read the LoRA."""
    train(project, skip_validation=True, **options)
    return weights(project)


def weights(project: Project) -> dict[str, torch.Tensor]:
    tensors = read_tensors(project.run_dir / LORA_WEIGHTS)
    assert tensors is not None
    return tensors


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


def bytes_of(project: Project) -> bytes:
    return (project.run_dir / LORA_WEIGHTS).read_bytes()


class Heard(PlainReporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        super().__init__(self.lines.append, self.warnings.append)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def learned(project: Project) -> dict[str, torch.Tensor]:
    """The LoRA after three steps, from the state; writing and verifying the end takes longer."""
    project.train.checkpointing_steps = 3
    with pytest.raises(Killed):
        train(project, skip_validation=True, reporter=DiesAt(4))
    tensors = read_tensors(project.run_dir / "state" / "step-000003" / "lora.safetensors")
    assert tensors is not None
    return tensors


# --- what a run leaves -------------------------------------------------------------------------


def test_a_run_leaves_a_whole_folder(make_project: MakeProject, tiny_base: Path) -> None:
    project = make_project(
        name="My Run checkpoint",
        max_train_steps=12,
        checkpointing_steps=5,
        snapshot_steps=6,
        validation_steps=8,
        samples={"negative_prompt": "blurry"},
    )
    heard = Heard()
    manifest = train(project, reporter=heard)
    folder = project.run_dir
    assert manifest == RunManifest.read(folder)
    assert (manifest.status, manifest.steps, manifest.steps_done) == ("finished", 12, 12)
    assert manifest.base_model.random_weights
    assert manifest.lora is not None
    assert manifest.lora.bytes == (folder / LORA_WEIGHTS).stat().st_size
    # a published file may not be called checkpoint: diffusers would overlook it
    snapshots = sorted(path.name for path in (folder / "snapshots").iterdir())
    assert snapshots == [f"my-run-check-step{step:06d}.safetensors" for step in (6, 12)]
    assert sorted(path.name for path in (folder / "state").iterdir()) == [
        "step-000010",
        "step-000012",
    ]
    samples = read_samples(folder / "samples")
    assert [(s.file, s.train_step, s.lora_weight) for s in samples] == [
        (f"step{step:06d}_p{number:02d}_s0.png", step, 1.0 if step else 0.0)
        for step in (0, 8, 12)
        for number in range(2)
    ]
    assert {s.negative_prompt for s in samples} == {"blurry"}
    assert [m.step for m in read_metrics(folder)] == list(range(1, 13))
    assert (folder / "loss.png").stat().st_size > 1000
    assert not list(folder.glob(".*"))
    assert "5 images x 1 repeat / (batch 1 x accumulation 1 x processes 1)" in heard.text
    assert "Measured" in heard.text
    assert "the trained LoRA does, exactly" in heard.text
    for file in ("hubtools.toml", "run.json"):
        assert str(tiny_base.parent) not in (folder / file).read_text()
        assert str(project.dataset_dir) not in (folder / file).read_text()
    again = load_project(folder)
    assert again.train.max_train_steps == 12
    assert again.samples.prompts == [s.prompt for s in samples[:2]]
    # the written snapshot of the last step is the published LoRA
    last = read_tensors(folder / "snapshots" / snapshots[-1])
    assert last is not None
    assert largest_difference(last, weights(project)) == 0


def test_losses_of_a_short_run_are_what_they_were(
    make_project: MakeProject,
) -> None:
    """Of Stable Diffusion on tiny-people, before there were other families."""
    project = make_project(
        pretrained_model_name_or_path=str(TINY_PEOPLE),
        max_train_steps=4,
        train_batch_size=2,
        seed=3,
    )
    run(project)
    losses = [one.loss for one in read_metrics(project.run_dir)]
    assert losses == pytest.approx([0.138968915, 0.135778919, 0.702491760, 0.331586123], rel=1e-4)


def test_base_and_dataset_appear_by_their_hub_ids(make_project: MakeProject) -> None:
    project = make_project(base_model_repo="owner/base", dataset={"repo": "me/pictures"})
    run(project)
    again = load_project(project.run_dir)
    assert again.train.pretrained_model_name_or_path == "owner/base"
    assert again.dataset.repo == "me/pictures"
    assert RunManifest.read(project.run_dir).base_model.id == "owner/base"


# --- learning ----------------------------------------------------------------------------------


def test_it_learns_two_pictures(
    make_project: MakeProject, tiny_base: Path, tmp_path: Path, draw_pictures: DrawPictures
) -> None:
    """The loss at fixed noise and timesteps falls, on the trained pictures by their captions."""
    data = draw_pictures(tmp_path / "two", 2)
    project = make_project(
        data=data,
        max_train_steps=30,
        learning_rate=5e-3,
        rank=16,
        train_batch_size=2,
        caption_dropout=0.0,
        snr_gamma=0,
        target_modules=["to_k", "to_q", "to_v", "to_out.0", "conv1", "conv2"],
    )
    run(project)
    from diffusers import StableDiffusionPipeline

    before = fixed_noise_loss(StableDiffusionPipeline.from_pretrained(str(tiny_base)), data)
    pipeline = StableDiffusionPipeline.from_pretrained(str(tiny_base))
    pipeline.load_lora_weights(str(project.run_dir), weight_name=LORA_WEIGHTS)
    after = fixed_noise_loss(pipeline, data)
    assert after < 0.8 * before, (before, after)


def test_a_lora_of_convolutions_reads_back_whole(
    make_project: MakeProject, tiny_base: Path
) -> None:
    """diffusers loads nothing of attention from a file that names it in another way than the
    convolutions."""
    project = make_project(max_train_steps=1, target_modules=["to_q", "to_v", "conv1", "proj_in"])
    run(project)
    manifest = RunManifest.read(project.run_dir)
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(str(tiny_base))
    pipeline.load_lora_weights(str(project.run_dir), weight_name=LORA_WEIGHTS)
    loaded = {n: p.numel() for n, p in pipeline.unet.named_parameters() if "lora_" in n}
    assert manifest.lora is not None
    assert sum(loaded.values()) == manifest.lora.parameters
    assert {name.split(".lora_")[0].rsplit(".", 1)[1] for name in loaded} == {
        "to_q", "to_v", "conv1", "proj_in",
    }  # fmt: skip


def fixed_noise_loss(pipeline: Any, data: Path) -> float:
    """Epsilon loss over ten moments, by stock diffusers alone."""
    import numpy as np
    from diffusers import DDPMScheduler
    from PIL import Image

    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    losses = []
    rows = [json.loads(line) for line in (data / "metadata.jsonl").read_text().splitlines()]
    generator = torch.Generator().manual_seed(123)
    for row in rows:
        picture = Image.open(data / row["file_name"]).resize((64, 77), Image.Resampling.LANCZOS)
        array = np.asarray(picture.crop((0, 6, 64, 70)), dtype=np.float32) / 127.5 - 1
        pixels = torch.from_numpy(array).permute(2, 0, 1)[None]
        embeds, _ = pipeline.encode_prompt(row["text"], "cpu", 1, False)
        with torch.no_grad():
            latents = pipeline.vae.encode(pixels).latent_dist.mode() * 0.18215
            for timestep in range(50, 1000, 100):
                noise = torch.randn(latents.shape, generator=generator)
                moment = torch.tensor([timestep])
                noisy = scheduler.add_noise(latents, noise, moment)
                answer = pipeline.unet(noisy, moment, embeds, return_dict=False)[0]
                losses.append(float((answer - noise).square().mean()))
    return sum(losses) / len(losses)


def test_gradients_reach_every_lora_matrix(make_project: MakeProject) -> None:
    """B moves at once; A moves once B is not zero."""
    usual = {"target_modules": ["to_k", "to_q", "to_v", "to_out.0"], "lr_scheduler": "constant"}
    before = run(make_project(name="one", max_train_steps=1, learning_rate=1e-12, **usual))
    after = run(make_project(name="two", max_train_steps=3, **usual))
    still = [name for name in after if torch.equal(before[name], after[name])]
    assert still == []
    assert len(after) == 2 * 4 * 8  # down and up of q, k, v, out in every attention
    assert all(name.startswith("unet.") and ".lora." in name for name in after)


def test_bf16_trains_a_float32_lora(make_project: MakeProject) -> None:
    """The trap: in bf16 an update of 1e-4 of a weight is rounded away, and A never moves."""
    settings: dict[str, Any] = {
        "mixed_precision": "bf16",
        "learning_rate": 1e-4,
        "lr_scheduler": "constant",
        "adam_weight_decay": 0.0,
    }
    start = run(
        make_project(name="start", max_train_steps=1, **settings | {"learning_rate": 1e-12})
    )
    end_project = make_project(name="end", max_train_steps=25, **settings)
    end = run(end_project)
    assert {tensor.dtype for tensor in end.values()} == {torch.float32}
    downs = [name for name in end if ".down." in name]
    changed = sum(int((end[n] != start[n]).sum()) for n in downs)
    total = sum(end[n].numel() for n in downs)
    assert changed > 0.95 * total
    # and by more than float32's last bits
    assert largest_difference(start, end) > 1e-4
    assert RunManifest.read(end_project.run_dir).dtype == "bfloat16"
    # initial weights do not depend on the precision
    other = run(make_project(name="fp32", max_train_steps=1, learning_rate=1e-12))
    assert largest_difference(start, other) < 1e-9


def test_clipping_clips(make_project: MakeProject) -> None:
    """Logged is the norm before clipping; with plain SGD-like Adam the effect shows in weights.

    A huge epsilon makes Adam's step proportional to the gradient, so a gradient clipped to a
    hundredth moves the weights by a hundredth.
    """
    settings: dict[str, Any] = {
        "max_train_steps": 1,
        "adam_epsilon": 1e6,
        "learning_rate": 1e6,
        "adam_weight_decay": 0.0,
        "lr_scheduler": "constant",
    }
    free, clipped = make_project(name="free", max_grad_norm=0, **settings), None
    loose = run(free)
    (metric,) = read_metrics(free.run_dir)
    norm = metric.grad_norm
    assert norm is not None
    assert norm > 0
    clipped = make_project(name="clipped", max_grad_norm=norm / 100, **settings)
    tight = run(clipped)
    (again,) = read_metrics(clipped.run_dir)
    assert again.grad_norm == pytest.approx(norm)
    ups = [name for name in loose if ".up." in name]
    moved = math.sqrt(sum(float(loose[n].square().sum()) for n in ups))
    moved_less = math.sqrt(sum(float(tight[n].square().sum()) for n in ups))
    assert moved == pytest.approx(norm, rel=1e-2)
    assert moved_less == pytest.approx(norm / 100, rel=1e-2)


def test_alpha_is_in_the_weights(make_project: MakeProject) -> None:
    """So that it acts alike in programs that read no alpha in the header."""
    project = make_project(rank=4, lora_alpha=16, target_modules=["to_q"])
    written = run(project)
    state = read_tensors(project.run_dir / "state" / "step-000005" / "lora.safetensors")
    assert state is not None
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    up = state[f"{layer}.lora_B.default.weight"]
    assert torch.equal(written[f"unet.{layer}.lora.up.weight"], 4 * up)
    assert float(up.abs().max()) > 0
    with safe_open(project.run_dir / LORA_WEIGHTS, "pt") as file:
        said = json.loads(file.metadata()["lora_adapter_metadata"])
    assert (said["unet.r"], said["unet.lora_alpha"]) == (4, 4)
    assert RunManifest.read(project.run_dir).lora.alpha == 16  # type: ignore[union-attr]


def test_the_learned_run_of_v_prediction_differs_from_epsilon(
    make_project: MakeProject, tiny_v_base: Path
) -> None:
    project = make_project(name="v", pretrained_model_name_or_path=str(tiny_v_base))
    found = run(project)
    assert RunManifest.read(project.run_dir).base_model.prediction_type == "v_prediction"
    forced = make_project(
        name="e", pretrained_model_name_or_path=str(tiny_v_base), prediction_type="epsilon"
    )
    assert largest_difference(found, run(forced)) > 1e-4


# --- every setting has an effect ---------------------------------------------------------------

EFFECTS: dict[str, Any] = {
    "resolution": 72,
    "resolutions": [48],
    "aspect_ratio_buckets": True,
    "center_crop": False,
    "random_flip": True,
    "image_interpolation_mode": "nearest",
    "max_train_samples": 2,
    "repeats": 2,
    "caption_dropout": 0.9,
    "train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "max_train_steps": 6,
    "learning_rate": 2e-3,
    "lr_scheduler": "linear",
    "lr_warmup_steps": 4,
    "snr_gamma": 0.01,
    "noise_offset": 0.3,
    "debiased_estimation_loss": True,
    "loss_type": "huber",
    "multires_noise_iterations": 6,
    "input_perturbation": 0.1,
    "prediction_type": "v_prediction",
    "lora_alpha": 2,
    "alpha_pattern": {"to_v": 2},
    "use_rslora": True,
    "lora_dropout": 0.5,
    "adam_beta1": 0.5,
    "adam_beta2": 0.9,
    "adam_weight_decay": 0.5,
    "adam_epsilon": 1e-2,
    "max_grad_norm": 1e-9,
    "mixed_precision": "bf16",
    "seed": 1,
}


@pytest.fixture(scope="module")
def usual(
    tmp_path_factory: pytest.TempPathFactory, make_project_in: MakeProject
) -> dict[str, torch.Tensor]:
    return learned(make_project_in(tmp_path_factory.mktemp("runs")))


@pytest.mark.parametrize("key", sorted(EFFECTS))
def test_a_setting_changes_what_is_learned(
    make_project: MakeProject, usual: dict[str, torch.Tensor], key: str
) -> None:
    found = learned(make_project(**{key: EFFECTS[key]}))
    assert largest_difference(usual, found) > 1e-7


def test_scale_lr_changes_what_is_learned(make_project: MakeProject) -> None:
    plain = learned(make_project(name="a", train_batch_size=2))
    scaled = learned(make_project(name="b", train_batch_size=2, scale_lr=True))
    assert largest_difference(plain, scaled) > 1e-7


def test_rank_and_targets_change_the_shape(make_project: MakeProject) -> None:
    small = run(make_project(name="a", rank=2, max_train_steps=1, target_modules=["to_k"]))
    assert all(".to_k." in name for name in small)
    assert {min(tensor.shape) for tensor in small.values()} == {2}


@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_checkpointing": True, "gradient_checkpointing_interval": 2},
        {"allow_tf32": False},
        {"attention": "math", "gradient_checkpointing": True},
        {"attention": "flash"},
        {"cuda_graph": False},
    ],
)
def test_a_setting_changes_only_how_it_is_computed(
    make_project: MakeProject, usual: dict[str, torch.Tensor], settings: dict[str, Any]
) -> None:
    found = learned(make_project(**settings))
    assert largest_difference(usual, found) < 1e-6


def test_gradient_checkpointing_is_really_on(make_project: MakeProject) -> None:
    from hubtools.training.device import set_up

    class Denoiser:
        on = False

        def enable_gradient_checkpointing(self) -> None:
            self.on = True

    for asked in (True, False):
        denoiser = Denoiser()
        settings = make_project(gradient_checkpointing=asked).train
        set_up(settings, denoiser, torch.device("cpu"))
        assert denoiser.on is asked


def test_threads_are_capped_and_told(make_project: MakeProject) -> None:
    heard = Heard()
    before = torch.get_num_threads()
    try:
        train(make_project(num_threads=2, max_train_steps=1), reporter=heard, skip_validation=True)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert "CPU threads: 2 (as set)." in heard.text


# --- one run, however it is cut ----------------------------------------------------------------


def test_a_step_is_the_same_however_it_is_cut(make_project: MakeProject) -> None:
    """Five pictures in steps of four: the second step of each epoch has one picture left."""
    whole = run(make_project(name="a", train_batch_size=4, max_train_steps=4))
    parts = run(make_project(name="b", gradient_accumulation_steps=4, max_train_steps=4))
    mixed = run(
        make_project(name="c", train_batch_size=2, gradient_accumulation_steps=2, max_train_steps=4)
    )
    assert largest_difference(whole, parts) < 1e-5
    assert largest_difference(whole, mixed) < 1e-5


def test_samples_do_not_touch_the_run(make_project: MakeProject) -> None:
    settings: dict[str, Any] = {"lora_dropout": 0.3, "max_train_steps": 6}
    quiet = make_project(name="quiet", **settings)
    loud = make_project(name="loud", validation_steps=2, checkpointing_steps=1, **settings)
    run(quiet)
    torch.manual_seed(99)
    run(loud)
    assert bytes_of(quiet) == bytes_of(loud)
    assert len(read_samples(loud.run_dir / "samples")) == 8


@pytest.mark.parametrize("stop", [1, 6])
def test_a_resumed_run_is_the_same_run(
    make_project: MakeProject, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other versions of libraries its state was saved with is said before it goes on."""
    settings: dict[str, Any] = {
        "max_train_steps": 9,
        "checkpointing_steps": 2,
        "train_batch_size": 2,
        "lora_dropout": 0.2,
        "random_flip": True,
        "noise_offset": 0.05,
    }
    straight, stopped = make_project(name="straight", **settings), make_project(**settings)
    run(straight)
    with pytest.raises(Killed):
        train(stopped, reporter=DiesAt(stop), skip_validation=True)
    assert RunManifest.read(stopped.run_dir).status == "failed"
    now = RunManifest.read(stopped.run_dir).versions | {"torch": "99.0"}
    monkeypatch.setattr("hubtools.training.train.library_versions", lambda settings: now)
    heard = Heard()
    run(stopped, reporter=heard)
    assert ("Continuing after step" in heard.text) == (stop > 2)
    named = [line for line in heard.warnings if "(now 99.0): what the run learns" in line]
    assert len(named) == (stop > 2)
    assert bytes_of(straight) == bytes_of(stopped)

    def told(project: Project) -> list[tuple[Any, ...]]:
        return [
            (m.step, m.loss, m.loss_ema, m.grad_norm, m.lr) for m in read_metrics(project.run_dir)
        ]

    assert told(straight) == told(stopped)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_step(
    make_project: MakeProject, number: signal.Signals
) -> None:
    """The third step is done and saved; what follows is the same run."""

    class Signals(DiesAt):
        def progress(self, title: str, total: int, done: int = 0) -> Any:
            from contextlib import contextmanager

            @contextmanager
            def counting() -> Any:
                seen = done

                def advance(more: int, word: str) -> None:
                    nonlocal seen
                    seen += more
                    if title == "training" and seen == 3:
                        signal.raise_signal(number)

                yield advance

            return counting()

    project = make_project(max_train_steps=8)
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        train(project, reporter=Signals(3), skip_validation=True)
    assert signal.getsignal(number) == before
    manifest = RunManifest.read(project.run_dir)
    assert (manifest.status, manifest.steps_done) == ("interrupted", 3)
    run(project)
    straight = make_project(name="straight", max_train_steps=8)
    run(straight)
    assert bytes_of(project) == bytes_of(straight)


# --- running it again --------------------------------------------------------------------------


def test_a_finished_run_is_left_alone(make_project: MakeProject) -> None:
    project = make_project()
    run(project)
    before = {path: path.stat().st_mtime_ns for path in project.run_dir.rglob("*")}
    heard = Heard()
    manifest = train(project, reporter=heard)
    assert manifest.status == "finished"
    assert "is finished already: 5 steps" in heard.text
    assert {path: path.stat().st_mtime_ns for path in project.run_dir.rglob("*")} == before
    # what does not decide the result may change
    train(make_project(checkpointing_steps=3, checkpoints_total_limit=1), skip_validation=True)


def test_a_finished_run_without_its_weights_writes_them_again(make_project: MakeProject) -> None:
    project = make_project()
    run(project)
    before = bytes_of(project)
    (project.run_dir / LORA_WEIGHTS).write_bytes(b"a night of merging")
    run(project)
    assert bytes_of(project) == before
    (kept,) = (project.run_dir / ".hubtools/replaced").rglob(LORA_WEIGHTS)
    assert kept.read_bytes() == b"a night of merging"


def test_other_settings_or_pictures_are_refused(
    make_project: MakeProject, tmp_path: Path, draw_pictures: DrawPictures
) -> None:
    data = draw_pictures(tmp_path / "mine", 3)
    run(make_project(data=data))
    before = bytes_of(make_project())
    with pytest.raises(HubtoolsError, match=r"differs in .*rank \(4, now 8\)") as caught:
        run(make_project(data=data, rank=8))
    assert "--no-resume" in str(caught.value.hint)
    assert str(caught.value.hint).endswith("or go back to its settings: --rank 4")
    draw_pictures(data, 4)
    with pytest.raises(HubtoolsError, match="differs in the dataset"):
        run(make_project(data=data))
    assert bytes_of(make_project()) == before


def test_another_base_is_refused(
    make_project: MakeProject, tmp_path: Path, tiny_base: Path
) -> None:
    from hubtools.models.families.tiny import build_tiny_pipeline

    other = build_tiny_pipeline(tmp_path / "tiny", seed=5)
    run(make_project())
    with pytest.raises(HubtoolsError, match="differs in the base model"):
        run(make_project(pretrained_model_name_or_path=str(other)))


def test_no_resume_moves_the_old_run_aside(make_project: MakeProject, tmp_path: Path) -> None:
    run(make_project())
    old = bytes_of(make_project())
    heard = Heard()
    told = make_project().with_settings({("train", "seed"): 3})  # typed, and so meant
    train(told, skip_validation=True, resume=False, dry_run=True, reporter=heard)
    assert "Unlike the earlier run: seed (0, now 3)." in heard.lines
    found = run(make_project(seed=3), resume=False, reporter=heard)
    (line,) = [line for line in heard.lines if "take" in line and line.startswith("Unlike ")]
    assert "run: seed (0, now 3). Options that were typed for that one are not taken over" in line
    assert "(--seed 0)" in line
    assert any(line.startswith("The earlier run is now ") for line in heard.lines)
    heard = Heard()
    train(make_project(), skip_validation=True, resume=False, dry_run=True, reporter=heard)
    assert heard.lines[-1] == f"{make_project().run_dir} would be moved aside."
    (aside,) = tmp_path.glob("run.old-*")
    assert (aside / LORA_WEIGHTS).read_bytes() == old
    kept = read_tensors(aside / LORA_WEIGHTS)
    assert kept is not None
    assert largest_difference(found, kept) > 0


def test_a_folder_of_the_users_is_not_written_into(make_project: MakeProject) -> None:
    project = make_project()
    project.run_dir.mkdir()
    (project.run_dir / "thesis.doc").write_text("years")
    with pytest.raises(HubtoolsError, match=r"not empty and no run folder: it holds thesis.doc"):
        run(project)
    assert [path.name for path in project.run_dir.iterdir()] == ["thesis.doc"]


def test_states_without_a_manifest_are_continued_only_by_their_own_run(
    make_project: MakeProject,
) -> None:
    project = make_project()
    run(project)
    before = bytes_of(project)
    (project.run_dir / "run.json").unlink()
    with pytest.raises(HubtoolsError, match="holds states of a run, but no readable run"):
        run(make_project(rank=8))
    run(project)
    assert bytes_of(project) == before
    (project.run_dir / "run.json").write_text("{ damaged")
    shutil.rmtree(project.run_dir / "state")
    with pytest.raises(HubtoolsError, match="holds a LoRA, but no readable run"):
        run(project)


def test_two_trainings_do_not_share_a_folder(make_project: MakeProject) -> None:
    from hubtools.training.runfolder import locked

    project = make_project()
    with locked(project.run_dir), pytest.raises(HubtoolsError, match="Another training"):
        run(project)
    run(project)


# --- the cache ---------------------------------------------------------------------------------


def test_a_second_run_encodes_nothing_and_a_changed_picture_is_seen(
    make_project: MakeProject, tmp_path: Path, draw_pictures: DrawPictures
) -> None:
    data = draw_pictures(tmp_path / "fresh", 3, size=(70, 90))
    heard = Heard()
    first = run(make_project(name="a", data=data), reporter=heard)
    second = Heard()
    again = run(make_project(name="b", data=data), reporter=second)
    assert "Cache: 3 of 3 latents and 4 of 4 caption embeddings" in second.text
    assert largest_difference(first, again) == 0
    # another picture under the same name and caption, of the same size
    shutil.copy(data / "picture1.png", data / "picture0.png")
    third = Heard()
    changed = run(make_project(name="c", data=data), reporter=third)
    assert largest_difference(first, changed) > 1e-7


def test_encoders_are_frozen_and_only_the_lora_trains(
    make_project: MakeProject, tiny_base: Path
) -> None:
    before = {path: path.read_bytes() for path in tiny_base.rglob("*.safetensors")}
    run(make_project())
    assert {path: path.read_bytes() for path in tiny_base.rglob("*.safetensors")} == before


# --- what goes wrong ---------------------------------------------------------------------------


def test_a_loss_that_is_no_number_names_the_pictures(make_project: MakeProject) -> None:
    project = make_project(
        learning_rate=1e30,
        lr_scheduler="constant",
        max_train_steps=40,
        max_grad_norm=0,
        checkpointing_steps=1,
    )
    with pytest.raises(HubtoolsError, match=r"The loss of step \d+ is .*picture\d\.png") as caught:
        run(project)
    assert "--learning-rate" in str(caught.value.hint)
    assert RunManifest.read(project.run_dir).status == "failed"
    assert all(math.isfinite(m.loss) for m in read_metrics(project.run_dir))
    assert not (project.run_dir / LORA_WEIGHTS).exists()


def test_a_step_that_breaks_the_lora_is_not_saved(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loss is a number: only the next one would not be. The older state can be gone on from."""
    from hubtools.training import loop

    steps = 0

    def broken(parameters: Any, limit: float) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 3:
            parameters[0].grad.fill_(math.inf)
        return clip(parameters, limit)

    clip = loop.clip
    project = make_project(checkpointing_steps=1, snapshot_steps=3)
    monkeypatch.setattr(loop, "clip", broken)
    with pytest.raises(HubtoolsError, match=r"Step 3 has left values .* no numbers"):
        run(project)
    monkeypatch.undo()
    assert sorted(path.name for path in (project.run_dir / "state").iterdir()) == [
        "step-000001",
        "step-000002",
    ]
    assert not list((project.run_dir / "snapshots").glob("*"))
    run(project)
    straight = make_project(name="straight")
    run(straight)
    assert bytes_of(project) == bytes_of(straight)


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("strength", [0.0, 0.5, 0.95])
def test_a_lora_that_is_written_otherwise_is_not_published(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch, precision: str, strength: float
) -> None:
    """In bf16 a LoRA that was left out altogether passed, at a difference of 0.004."""
    from hubtools.training import adapter

    def weaker(model: Any) -> dict[str, torch.Tensor]:
        tensors = own(model)
        return {
            name: tensor * strength if ".up." in name else tensor
            for name, tensor in tensors.items()
        }

    own = adapter.lora_tensors
    project = make_project(mixed_precision=precision)
    monkeypatch.setattr(adapter, "lora_tensors", weaker)
    with pytest.raises(HubtoolsError, match=r"does not act as the trained one"):
        run(project)
    assert RunManifest.read(project.run_dir).status == "failed"


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_lora_reads_back_exactly(make_project: MakeProject, precision: str) -> None:
    heard = Heard()
    run(make_project(mixed_precision=precision, random_flip=True), reporter=heard)
    assert "was read back and predicts as the trained LoRA does, exactly" in heard.text


def test_failing_samples_are_a_warning(make_project: MakeProject) -> None:
    heard = Heard()
    project = make_project(validation_steps=3, samples={"size": 60})
    run(project, reporter=heard)
    assert len(heard.warnings) == 3
    assert all("No samples at step" in warning for warning in heard.warnings)
    assert RunManifest.read(project.run_dir).status == "finished"


def test_a_dataset_that_does_not_pass_stops_before_anything_is_written(
    make_project: MakeProject, tmp_path: Path, draw_pictures: DrawPictures
) -> None:
    data = draw_pictures(tmp_path / "bad", 3)
    (data / "picture1.png").write_bytes(b"no picture")
    heard = Heard()
    project = make_project(data=data)
    with pytest.raises(ChecksFailed, match="bad does not pass validation"):
        train(project, reporter=heard)
    assert "picture1.png" in heard.text
    assert not project.run_dir.exists()


def test_a_dry_run_tells_the_plan_and_writes_nothing(make_project: MakeProject) -> None:
    heard = Heard()
    project = make_project(checkpointing_steps=5000)
    train(project, reporter=heard, dry_run=True)
    assert "= 5 steps an epoch" in heard.text
    assert "T101" in heard.text
    assert not project.run_dir.exists()


def test_captions_are_counted_by_the_bases_own_tokenizer(
    make_project: MakeProject, pictures: Path, tmp_path: Path
) -> None:
    """It knows few words and spells the others: what CLIP reads in ten tokens takes a hundred."""
    data = tmp_path / "long"
    shutil.copytree(pictures, data)
    lines = (data / "metadata.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    rows[1]["text"] = "zyxwvutsrqp " * 10
    (data / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    heard = Heard()
    train(make_project(data=data), reporter=heard, dry_run=True)
    told = " ".join(heard.text.split())
    assert "T118" in told
    assert re.search(rf"1 of {len(rows)} captions is longer than the 75 tokens", told)
    assert re.search(rf"{re.escape(rows[1]['file_name'])} has 1\d\d\.", told)


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"target_modules": ["to_k", "to_z"]}, UsageError, "no layer of the denoiser .*'to_z'"),
        ({"mixed_precision": "fp16"}, UsageError, "fp16 needs a GPU"),
        ({"pretrained_model_name_or_path": None}, UsageError, "No base model is set"),
        ({"resolution": 68}, ChecksFailed, "training plan has errors"),
        (
            {"enable_xformers_memory_efficient_attention": True},
            UsageError,
            "xformers (is asked for, but not installed|needs a CUDA GPU)",
        ),
        (
            {"enable_xformers_memory_efficient_attention": True, "attention": "flash"},
            UsageError,
            "attention flash is a kernel of PyTorch's own attention",
        ),
        ({"attention": "cudnn"}, UsageError, "attention cudnn is a kernel for CUDA GPUs"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    make_project: MakeProject,
    settings: dict[str, Any],
    error: type[HubtoolsError],
    sentence: str,
) -> None:
    project = make_project(**settings)
    with pytest.raises(error, match=sentence):
        run(project)
    assert not project.run_dir.exists()


def test_without_a_folder_and_a_repo_there_is_nothing_to_train_on(
    make_project: MakeProject, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"no folder .*nowhere to train on"):
        run(make_project(data=tmp_path / "nowhere"))


def test_notes_may_go_to_a_plain_function(make_project: MakeProject) -> None:
    lines: list[str] = []
    train(make_project(max_train_steps=1), note=lines.append, skip_validation=True)
    assert any("= 5 steps an epoch" in line for line in lines)
