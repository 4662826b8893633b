"""`evaluate` on a pipeline of random weights: everything but knowledge is real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from click.testing import CliRunner

from hubtools.cli.main import group
from hubtools.errors import HubtoolsError, UsageError
from hubtools.evaluation.following import prompt_judge
from hubtools.evaluation.measures import scale_of, unit
from hubtools.evaluation.result import Evaluation
from hubtools.evaluation.run import evaluate
from hubtools.layout import EVALUATION, EVALUATION_CHART, EVALUATION_DIR
from hubtools.project import Project
from hubtools.settings import DatasetSettings, EvaluateSettings, SampleSettings, TrainSettings
from hubtools.training.train import train
from hubtools.vision.encoders import picture_encoder

pytestmark = pytest.mark.slow  # most look at what one long evaluation has measured


def project_in(folder: Path, base: Path, data: Path, **evaluate: Any) -> Project:
    settings: dict[str, Any] = {"num_images": 2, "picture_encoder": "efficientnet-lite0"}
    return Project(
        dataset=DatasetSettings(path=str(data), trigger="tok"),
        train=TrainSettings(
            pretrained_model_name_or_path=str(base), output_dir=str(folder), resolution=64,
            max_train_steps=4, snapshot_steps=2, validation_steps=0, num_threads=1, rank=2,
            learning_rate=1e-2, target_modules=["to_v"],
        ),
        samples=SampleSettings(steps=2, prompts=["a tok, front view", "a tok at night"]),
        evaluate=EvaluateSettings(**settings | {"prompt_judge": "none"} | evaluate),
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(
    tiny_base: Path, draw_pictures: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """(run folder with snapshots, data folder)."""
    root = tmp_path_factory.mktemp("evaluated")
    data = draw_pictures(root / "data", 3)
    train(project_in(root / "run", tiny_base, data))
    return root / "run", data


@pytest.fixture(scope="module")
def measured(run: tuple[Path, Path], tiny_base: Path) -> Evaluation:
    folder, data = run
    return evaluate(project_in(folder, tiny_base, data, checkpoints="all", weights="0:1:0.5"))


def test_every_checkpoint_at_every_weight_and_the_base_first(
    measured: Evaluation, run: tuple[Path, Path]
) -> None:
    labels = [candidate.label for candidate in measured.candidates]
    assert labels == [
        "the base",
        *(f"step {step} at weight {weight:g}" for step in (2, 4) for weight in (0.5, 1)),
    ]
    figures = measured.candidates[1].figures
    assert set(figures) == {
        "subject_fidelity", "nearest", "memorised", "diversity", "leakage", "denoising_loss",
    }  # fmt: skip
    assert figures["subject_fidelity"].n == 4
    assert figures["diversity"].n == 2
    assert figures["denoising_loss"].n == 3
    assert not measured.loss_held_out
    assert "against_base" in measured.model_dump()["candidates"][0]
    assert measured.candidates[0].against_base == {}
    assert Evaluation.read(run[0]) == measured
    with Image.open(run[0] / EVALUATION_CHART) as chart:
        assert chart.width > 800


def test_a_stronger_lora_is_farther_from_the_base(measured: Evaluation) -> None:
    far = [c.against_base["denoising_loss"].mean for c in measured.candidates[1:]]
    assert abs(far[1] or 0) > abs(far[0] or 0) > 0, "weight 1 against weight 0.5"


def test_base_and_lora_see_the_same_noise_with_trigger_and_without(run: tuple[Path, Path]) -> None:
    records = [
        json.loads(path.read_text()) for path in (run[0] / EVALUATION_DIR).glob("base_*.json")
    ]
    assert sorted({r["seed"] for r in records}) == [0, 1]
    assert sorted({r["prompt"] for r in records}) == [
        "a person at night", "a person, front view", "a tok at night", "a tok, front view",
    ]  # fmt: skip
    assert all(not record["lora_weight"] for record in records)


def test_what_is_there_is_not_drawn_again(
    measured: Evaluation, run: tuple[Path, Path], tiny_base: Path
) -> None:
    folder, data = run
    stamps = {p: p.stat().st_mtime_ns for p in (folder / EVALUATION_DIR).glob("*.png")}
    again = evaluate(project_in(folder, tiny_base, data, checkpoints="all", weights="0:1:0.5"))
    assert {p: p.stat().st_mtime_ns for p in (folder / EVALUATION_DIR).glob("*.png")} == stamps
    assert again.model_dump(exclude={"date"}) == measured.model_dump(exclude={"date"})


def test_held_out_pictures_are_said_to_be_so(
    run: tuple[Path, Path], tiny_base: Path, draw_pictures: Any, tmp_path: Path
) -> None:
    folder, data = run
    held = draw_pictures(tmp_path / "held", 5)
    found = evaluate(project_in(folder, tiny_base, data, held_out=str(held)))
    assert found.loss_held_out
    assert found.loss_pictures == 5


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"weights": "0"}, "no weight but 0"),
        ({"weights": "much"}, "'much' is no value"),
        ({"checkpoints": "3"}, "no snapshot of step 3"),
        ({"prompts": ["a dog"]}, "No prompt has the trigger 'tok'"),
        ({"held_out": "nowhere"}, "There is no folder"),
        ({"picture_encoder": "me"}, "neither a folder nor a Hub id"),
        ({"prompt_judge": "me/clip"}, "me/clip"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_sentence(
    run: tuple[Path, Path], tiny_base: Path, settings: dict[str, Any], words: str
) -> None:
    folder, data = run
    with pytest.raises((HubtoolsError, UsageError), match=words):
        evaluate(project_in(folder, tiny_base, data, **settings))


def test_the_command_prints_table_and_sentence(
    measured: Evaluation, run: tuple[Path, Path], tiny_base: Path
) -> None:
    folder, data = run
    words = [
        "evaluate", str(folder), f"--train-data-dir={data}", f"--base-model={tiny_base}",
        "--trigger=tok", "--resolution=64", "--num-inference-steps=2", "--num-images=1",
        "--prompts=a tok", "--prompt-judge=none", "--num-threads=1",
    ]  # fmt: skip
    answer = CliRunner().invoke(group, words)
    assert answer.exit_code == 0, answer.output
    assert "step 4 at weight 1" in answer.output
    assert "95 % intervals" in answer.output
    assert "Without the trigger, 'person' stands in its place; if" in answer.output
    assert "--class-noun dog" in " ".join(answer.output.split())
    assert (folder / EVALUATION).is_file()


def colours(*colours: tuple[int, int, int]) -> list[Image.Image]:
    return [Image.new("RGB", (90, 60), colour) for colour in colours]


def test_a_dino_in_a_folder_encodes_pictures(tmp_path: Path) -> None:
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    Dinov2Model(config).save_pretrained(tmp_path)
    BitImageProcessor(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    ).save_pretrained(tmp_path)
    encoder = picture_encoder(str(tmp_path), "cpu", lambda sentence: None)
    found = encoder.encode(colours((200, 10, 10), (200, 10, 10), (10, 10, 200)))
    assert found.shape == (3, 24)
    assert not encoder.relative
    assert np.allclose(found[0], found[1])
    assert not np.allclose(found[0], found[2])


def test_without_a_hub_the_encoder_of_the_wheel_is_taken_and_said() -> None:
    told: list[str] = []
    encoder = picture_encoder("auto", "cpu", told.append)
    assert "EfficientNet" in encoder.name
    assert "cannot be reached" in told[0]


def test_efficientnet_knows_likeness() -> None:
    from hubtools.journey.example import SHOTS
    from hubtools.world import draw, sample

    encoder = picture_encoder("efficientnet-lite0", "cpu", lambda sentence: None)
    import random

    rng = random.Random(3)
    ours = encoder.encode([draw(shot.scene(), 128) for shot in SHOTS[:6]])
    others = encoder.encode([draw(sample(rng).scene(), 128) for _ in range(6)])
    assert encoder.relative
    mean, spread = scale_of(ours, others)
    ours, others = unit((ours - mean) / spread), unit((others - mean) / spread)
    within = (ours @ ours.T)[np.triu_indices(6, 1)].mean()
    across = (ours @ others.T).mean()
    assert within > across + 0.1


def test_a_clip_in_a_folder_judges_prompts(tmp_path: Path) -> None:
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        CLIPProcessor,
        CLIPTokenizer,
    )

    from hubtools.models.families.tiny import write_tokenizer

    size = write_tokenizer(tmp_path, ["red", "blue"])
    tokenizer = CLIPTokenizer(
        str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"), model_max_length=16
    )
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    small["num_attention_heads"] = 2
    text = small | {"vocab_size": size, "max_position_embeddings": 16, "eos_token_id": size - 1}
    seen = small | {"image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=seen, projection_dim=8)).save_pretrained(
        tmp_path
    )
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(pictures, tokenizer).save_pretrained(tmp_path)
    judge = prompt_judge(str(tmp_path), False, "cpu", lambda sentence: None)
    assert judge is not None
    found = judge.judge(colours((200, 0, 0), (0, 0, 200)), ["red", "blue"])
    assert found.scores.shape == (2,)
    assert (np.abs(found.scores) <= 1).all()


def test_no_clip_to_be_had_leaves_prompts_unjudged() -> None:
    told: list[str] = []
    assert prompt_judge("auto", False, "cpu", told.append) is None
    assert "prompt fidelity is left out" in told[0]
    assert prompt_judge("none", True, "cpu", told.append) is None
