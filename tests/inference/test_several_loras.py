"""Several LoRAs at once, fused and not, and nothing of them left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError, UsageError  # noqa: E402
from hubtools.inference.adapters import apply_loras, remove_loras, unfuse  # noqa: E402
from hubtools.inference.lora import (  # noqa: E402
    WeightedLora,
    parse_lora,
    resolve_lora,
    resolve_loras,
)
from hubtools.inference.pipeline import draw  # noqa: E402
from hubtools.inference.png import read_record  # noqa: E402
from hubtools.inference.shots import Shot  # noqa: E402
from hubtools.manifest import SampleRecord  # noqa: E402
from hubtools.models.base import Base  # noqa: E402
from hubtools.models.loading import load_pipeline  # noqa: E402

SHOT = Shot("a red hat", seed=7, steps=2, width=64, height=64)
MakeLora = Callable[..., Path]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def apart(one: Path, other: Path) -> int:
    return int(np.abs(pixels(one) - pixels(other)).max())


@pytest.fixture(scope="module")
def files(make_lora: MakeLora, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("two")
    return (
        make_lora(folder, name="one.safetensors", seed=11),
        make_lora(folder, name="two.safetensors", seed=12, rank=3),
    )


@pytest.fixture(scope="module")
def own(base: Base) -> Any:
    """A pipeline that these tests may change."""
    torch.set_num_threads(1)
    return load_pipeline(base, device="cpu")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("runs/x", ("runs/x", 1.0)),
        ("runs/x:0.8", ("runs/x", 0.8)),
        ("owner/name:.5", ("owner/name", 0.5)),
        ("owner/name@main:2", ("owner/name@main", 2.0)),
        ("a.safetensors:-1", ("a.safetensors", -1.0)),
        (r"C:\loras\a.safetensors", (r"C:\loras\a.safetensors", 1.0)),
        (r"C:\loras\a.safetensors:0.7", (r"C:\loras\a.safetensors", 0.7)),
        ("C:/loras/a:x", ("C:/loras/a:x", 1.0)),
        (":0.5", (":0.5", 1.0)),
    ],
)
def test_only_a_number_at_the_end_is_a_weight(text: str, expected: tuple[str, float]) -> None:
    assert parse_lora(text) == expected


def test_a_file_whose_name_ends_like_a_weight_is_a_file(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    odd = tmp_path / "version:2"
    odd.write_bytes(files[0].read_bytes())
    (found,) = resolve_loras([str(odd)])
    assert (found.file.path, found.weight) == (odd, 1.0)
    (found,) = resolve_loras([f"{odd}:0.5"])
    assert found.weight == 0.5


def test_one_lora_is_not_given_twice(files: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="given twice"):
        resolve_loras([str(files[0]), f"{files[0]}:0.5"])
    with pytest.raises(UsageError, match="several LoRAs"):
        resolve_loras([str(file) for file in files], weight_name="x.safetensors")


def test_a_step_is_chosen_in_the_one_run_folder(
    files: tuple[Path, Path], make_lora: MakeLora, tmp_path: Path
) -> None:
    snapshot = make_lora(tmp_path / "run/snapshots", name="x-step000003.safetensors", seed=13)
    found = resolve_loras([f"{tmp_path / 'run'}:0.5", str(files[0])], step=3)
    assert [(lora.file.path, lora.file.step, lora.weight) for lora in found] == [
        (snapshot, 3, 0.5),
        (files[0], None, 1.0),
    ]
    for texts in ([str(files[0])], ["me/people"]):
        with pytest.raises(UsageError, match="no run folder"):
            resolve_loras(texts, step=3)
    make_lora(tmp_path / "other/snapshots", name="y-step000003.safetensors", seed=14)
    with pytest.raises(UsageError, match="several run folders"):
        resolve_loras([str(tmp_path / "run"), str(tmp_path / "other")], step=3)


def test_two_loras_are_both_heard_and_recorded(
    own: Any, base: Base, files: tuple[Path, Path], tmp_path: Path
) -> None:
    one, two = (WeightedLora(resolve_lora(str(file))) for file in files)
    half = WeightedLora(two.file, 0.5)

    def drawn(name: str, *loras: WeightedLora, **options: Any) -> SampleRecord:
        (record,) = draw(own, [SHOT], tmp_path, names=[name], base=base, loras=loras, **options)
        return record

    record = drawn("both", one, half)
    for name, loras in {"one": [one], "half": [half], "bare": []}.items():
        drawn(name, *loras)
        assert apart(tmp_path / f"{name}.png", tmp_path / "both.png") > 1
    drawn("again", one, half)
    assert apart(tmp_path / "again.png", tmp_path / "both.png") == 0
    drawn("silent", one, WeightedLora(two.file, 0.0))
    assert apart(tmp_path / "silent.png", tmp_path / "one.png") == 0
    assert record == read_record(tmp_path / "both.png")
    assert [(use.name, use.sha256, use.weight) for use in record.loras] == [
        ("one.safetensors", one.file.sha256, 1.0),
        ("two.safetensors", two.file.sha256, 0.5),
    ]
    assert (record.lora_sha256, record.lora_weight) == (one.file.sha256, 1.0)
    assert str(tmp_path) not in record.model_dump_json()


def test_the_sum_is_that_of_stock_diffusers(
    own: Any, base: Base, files: tuple[Path, Path], tmp_path: Path
) -> None:
    loras = resolve_loras([f"{files[0]}:0.8", f"{files[1]}:0.3"])
    draw(own, [SHOT], tmp_path, names=["ours"], base=base, loras=loras)
    stock = load_pipeline(base, device="cpu")
    for name, file in zip("ab", files, strict=True):
        stock.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=name)
    stock.set_adapters(["a", "b"], [0.8, 0.3])
    noise = torch.Generator("cpu").manual_seed(7)
    picture = stock("a red hat", num_inference_steps=2, width=64, height=64, generator=noise)
    expected = np.asarray(picture.images[0]).astype(int)
    assert np.array_equal(pixels(tmp_path / "ours.png"), expected)


def weights_of(pipeline: Any) -> dict[str, Any]:
    parameters = {**dict(pipeline.unet.named_parameters())}
    return {
        name.replace(".base_layer", ""): value.detach().clone()
        for name, value in parameters.items()
        if "lora_" not in name
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fusing_leaves_no_trace(base: Base, files: tuple[Path, Path], dtype: str) -> None:
    pipeline = load_pipeline(base, device="cpu", dtype=dtype)
    before = weights_of(pipeline)
    one, two = (resolve_lora(str(file)) for file in files)

    def changed() -> int:
        now = weights_of(pipeline)
        assert now.keys() == before.keys()
        return sum(not torch.equal(now[name], before[name]) for name in before)

    apply_loras(pipeline, [(one, 1.0), (two, 0.5)], fuse=True)
    assert changed() > 0
    apply_loras(pipeline, [(one, 0.3)], fuse=True)  # unfuses the others first
    assert changed() > 0
    unfuse(pipeline)
    assert changed() == 0
    apply_loras(pipeline, [(one, 1.0)], fuse=True)
    remove_loras(pipeline)
    assert changed() == 0
    assert not pipeline.get_list_adapters()


def test_fused_pictures_are_the_same_but_for_rounding(
    own: Any, base: Base, files: tuple[Path, Path], tmp_path: Path
) -> None:
    loras = resolve_loras([str(files[0]), f"{files[1]}:0.5"])
    plain, fused = (
        draw(own, [SHOT], tmp_path, names=[name], base=base, loras=loras, fuse=name == "fused")[0]
        for name in ("plain", "fused")
    )
    assert apart(tmp_path / "plain.png", tmp_path / "fused.png") <= 1
    assert (plain.fused, fused.fused) == (False, True)
    draw(own, [SHOT], tmp_path, names=["bare"], base=base)
    fresh = load_pipeline(base, device="cpu")
    draw(fresh, [SHOT], tmp_path, names=["fresh"], base=base)
    assert apart(tmp_path / "bare.png", tmp_path / "fresh.png") == 0


def test_what_is_loaded_is_not_loaded_again(own: Any, files: tuple[Path, Path]) -> None:
    one, two = (resolve_lora(str(file)) for file in files)
    assert apply_loras(own, [(one, 1.0)])
    assert not apply_loras(own, [(one, 1.0)])
    layer = next(m for m in own.unet.modules() if hasattr(m, "lora_A") and len(m.lora_A))
    (name,) = layer.lora_A
    held = layer.lora_A[name]
    assert apply_loras(own, [(one, 0.5), (two, 1.0)])
    assert layer.lora_A[name] is held
    assert apply_loras(own, [(two, 1.0)])
    assert name not in layer.lora_A
    remove_loras(own)


def test_a_lora_of_the_text_encoder_beside_one_without(
    base: Base, files: tuple[Path, Path], tmp_path: Path
) -> None:
    from diffusers import StableDiffusionPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    maker = load_pipeline(base, device="cpu")
    torch.manual_seed(5)
    layers = {}
    for part, targets in (("unet", ["to_q"]), ("text_encoder", ["q_proj", "v_proj"])):
        model = getattr(maker, part)
        model.add_adapter(LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
        layers[f"{part}_lora_layers"] = get_peft_model_state_dict(model)
    StableDiffusionPipeline.save_lora_weights(tmp_path, weight_name="t.safetensors", **layers)
    both, plain = resolve_lora(str(tmp_path / "t.safetensors")), resolve_lora(str(files[0]))
    pipeline = load_pipeline(base, device="cpu")
    names = ["bare", "text", "two", "after", "end"]
    for name, loras in zip(names, [[], [both], [both, plain], [plain], []], strict=True):
        weighted = [WeightedLora(lora) for lora in loras]
        draw(pipeline, [SHOT], tmp_path, names=[name], base=base, loras=weighted)
    fresh = load_pipeline(base, device="cpu")
    draw(fresh, [SHOT], tmp_path, names=["fresh"], base=base, loras=[WeightedLora(plain)])
    assert apart(tmp_path / "after.png", tmp_path / "fresh.png") == 0, "embeddings forgotten too"
    assert apart(tmp_path / "end.png", tmp_path / "bare.png") == 0
    # within one call as well: a prompt is read anew when the encoder's LoRA changes its weight
    shots = [SHOT, replace(SHOT, lora_weight=0.0)]
    draw(pipeline, shots, tmp_path, names=["in", "out"], base=base, loras=[WeightedLora(both)])
    assert apart(tmp_path / "in.png", tmp_path / "text.png") == 0
    assert apart(tmp_path / "out.png", tmp_path / "bare.png") == 0
    assert apart(tmp_path / "two.png", tmp_path / "text.png") > 0
    assert apart(tmp_path / "text.png", tmp_path / "bare.png") > 0


def test_old_records_are_still_read() -> None:
    old = {
        "file": "a.png", "prompt": "x", "seed": 1, "steps": 2, "guidance": 7.5,
        "scheduler": "default", "scheduler_class": "PNDMScheduler", "width": 64, "height": 64,
        "base_model": None, "lora_sha256": "ab", "lora_weight": 0.5, "train_step": 4,
    }  # fmt: skip
    record = SampleRecord.model_validate(old)
    assert [(use.sha256, use.weight, use.step) for use in record.loras] == [("ab", 0.5, 4)]
    assert SampleRecord.model_validate_json(record.model_dump_json()) == record
    assert not SampleRecord.model_validate(old | {"lora_sha256": None}).loras


def test_a_lora_that_does_not_fit_leaves_nothing_behind(
    own: Any, files: tuple[Path, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(files[1])
    wide = {name: t.repeat(1, 2) if ".lora_A." in name else t for name, t in tensors.items()}
    save_file(wide, tmp_path / "wide.safetensors")
    good = resolve_lora(str(files[0]))
    with pytest.raises(HubtoolsError, match="does not fit"):
        apply_loras(own, [(good, 1.0), (resolve_lora(str(tmp_path / "wide.safetensors")), 1.0)])
    assert not own.get_list_adapters()
    assert apply_loras(own, [(good, 1.0)])
    remove_loras(own)
