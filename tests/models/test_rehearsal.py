"""What is reckoned without weights, against passes with weights and against numbers by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.models import rehearsal  # noqa: E402
from hubtools.models.blank import blank_component, bytes_of  # noqa: E402
from hubtools.models.families.protocol import family_of  # noqa: E402
from hubtools.models.rehearsal import rehearse, rehearse_training  # noqa: E402
from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training.memory import Memory, plan_memory  # noqa: E402
from hubtools.training.recipe import make_recipe  # noqa: E402


class Two(torch.nn.Module):
    """Two layers with an activation between, each wide 100."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = torch.nn.Linear(100, 100), torch.nn.Linear(100, 100)
        self.saving: Any = None

    def enable_gradient_checkpointing(self, work: Any) -> None:
        self.saving = work

    def disable_gradient_checkpointing(self) -> None:
        self.saving = None

    def forward(self, x: Any) -> Any:
        def both(x: Any) -> Any:
            return self.two(torch.tanh(self.one(x)))

        x = self.saving(both, x) if self.saving else both(x)
        return self.saving(both, x) if self.saving else both(x)


def test_numbers_by_hand() -> None:
    with torch.device("meta"):
        module, given = Two(), torch.empty(10, 100)
    whole = rehearse_training(module, lambda: module(given), torch.float32, checkpointing=False)
    # the inputs of four layers, two of which are what tanh keeps anyway
    assert whole.bytes == 4 * (4 * 10 * 100)
    assert whole.flops == 4 * 2 * 10 * 100 * 100
    saved = rehearse_training(module, lambda: module(given), torch.float32, checkpointing=True)
    # two inputs, and what one block keeps beside its own
    assert saved.bytes == (2 + 1) * (4 * 10 * 100)
    free = rehearse(lambda: module(given), torch.float32)
    assert free.bytes == 3 * (4 * 10 * 100)  # what goes into a block, and both sides of its tanh
    assert free.flops == whole.flops
    assert module.saving is None
    small, fed = module.bfloat16(), given.bfloat16()
    half = rehearse_training(small, lambda: small(fed), torch.bfloat16, checkpointing=False)
    assert half.bytes == 4 * (2 * 10 * 100)


def test_the_mask_of_an_attention_is_kept() -> None:
    from torch.nn.functional import scaled_dot_product_attention

    with torch.device("meta"):
        module, given, mask = Two(), torch.empty(1, 10, 100), torch.ones(1, 10, 10)

    def attend(mask: Any) -> Any:
        one = module.one(given)
        return scaled_dot_product_attention(one, one, one, attn_mask=mask)

    whole, bare = (
        rehearse_training(module, lambda told=one: attend(told), torch.float32, checkpointing=False)
        for one in (mask, None)
    )
    assert whole.bytes - bare.bytes == 4 * 10 * 10


@pytest.mark.parametrize("kind", ["tiny_base", "tiny_sdxl"])
def test_operations_are_those_of_torchs_own_count(
    kind: str, request: pytest.FixtureRequest
) -> None:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    folder = request.getfixturevalue(kind)
    family = family_of(folder, "tiny")
    info, blank = family.info(folder, None), family.blank_denoiser(folder)
    rehearsed: Any = family
    ours = rehearse_training(
        blank,
        lambda: rehearsed.rehearse_denoiser(blank, info, (64, 64), 2),
        torch.float32,
        checkpointing=False,
    ).flops
    real = blank.to_empty(device="cpu")
    # its count knows attention as products only
    exact = sdpa_kernel(SDPBackend.MATH)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), exact:
        rehearsed.rehearse_denoiser(real, info, (64, 64), 2)
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_operations_that_answer_shapes_are_as_those_of_torch(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    class Many(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.groups, self.rows = torch.nn.GroupNorm(2, 6), torch.nn.LayerNorm((6, 4))
            self.bare = torch.nn.LayerNorm(4, elementwise_affine=False)
            self.flat = torch.nn.Linear(4, 8)

        def forward(self, x: Any) -> Any:
            numbers = torch.arange(3.0) + torch.arange(3.0) * 2  # with numbers, on the CPU
            assert numbers.tolist() == [0.0, 3.0, 6.0]
            x = self.bare(self.rows(self.groups(x)))
            x = (x + x.transpose(0, 1).contiguous().transpose(0, 1)) * 2 / x
            x = x * torch.ones(4, device="meta") + torch.ones(6, 1, dtype=dtype, device="meta")
            wide = self.flat(x[0])
            assert (wide.shape, wide.device.type) == ((6, 8), "meta")
            return wide * torch.ones((), dtype=torch.float64, device="meta")

    with torch.device("meta"):
        module, given = Many().to(dtype), torch.empty(3, 6, 4, dtype=dtype)

    def passes() -> list[Any]:
        training = rehearse_training(module, lambda: module(given), dtype, checkpointing=False)
        return [training, rehearse(lambda: module(given), dtype)]

    quick = passes()
    slow = type("Slow", (type(rehearsal._quick()),), {"answer": lambda self, f, a, k: f(*a, **k)})
    monkeypatch.setattr(rehearsal, "_quick", slow)
    assert passes() == quick


def reckoned(folder: Path, **settings: Any) -> Memory:
    from hubtools.training.adapter import add_lora

    family = family_of(folder, "tiny")
    info = family.info(folder, None)
    train = TrainSettings(**({"target_modules": list(info.targets)} | settings))
    recipe = make_recipe(
        train, resolution=64, images=1, world_size=1, precision="no", prediction_type="epsilon"
    )
    denoiser = family.blank_denoiser(folder).requires_grad_(False)
    add_lora(denoiser, train, 16.0)
    found = plan_memory(family, folder, info, recipe, denoiser, 64)
    assert found is not None
    return found


def test_both_text_encoders_count(tiny_sdxl: Path) -> None:
    found = reckoned(tiny_sdxl)
    sizes = {
        name: sum(path.stat().st_size for path in (tiny_sdxl / name).glob("*.safetensors"))
        for name in ("text_encoder", "text_encoder_2", "unet", "vae")
    }
    assert found.captions == pytest.approx(
        sizes["text_encoder"] + sizes["text_encoder_2"], rel=0.05
    )
    assert found.base == pytest.approx(sizes["unet"], rel=0.05)
    assert found.pictures > sizes["vae"]
    assert found.samples > found.base + sizes["vae"]


def test_settings_that_save_memory_save_it(tiny_sdxl: Path) -> None:
    usual, four = reckoned(tiny_sdxl), reckoned(tiny_sdxl, train_batch_size=4)
    assert four.kept == pytest.approx(4 * usual.kept, rel=0.05)
    assert four.base == usual.base
    assert reckoned(tiny_sdxl, train_batch_size=2, with_prior_preservation=True).kept == four.kept
    saved = reckoned(tiny_sdxl, train_batch_size=4, gradient_checkpointing=True)
    assert saved.kept < 0.6 * four.kept
    assert saved.flops == pytest.approx(1.5 * four.flops)
    other = {"train_batch_size": 4, "gradient_checkpointing": True}
    between = reckoned(tiny_sdxl, gradient_checkpointing_interval=2, **other)
    assert saved.kept < between.kept < four.kept
    assert four.flops < between.flops < saved.flops
    summed = reckoned(tiny_sdxl, gradient_accumulation_steps=4)
    assert (summed.kept, summed.flops) == (usual.kept, 4 * usual.flops)
    assert reckoned(tiny_sdxl, rank=32).lora == pytest.approx(2 * usual.lora)


def test_a_component_that_cannot_be_made_is_named(tiny_base: Path, tmp_path: Path) -> None:
    text = blank_component(tiny_base, "text_encoder")
    assert {p.device.type for p in text.parameters()} == {"meta"}
    assert bytes_of(text, 2) * 2 == bytes_of(text, 4)
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    index = json.loads((other / "model_index.json").read_text())
    for said in (["diffusers", "DiffusionPipeline"], ["os", "system"], None):
        (other / "model_index.json").write_text(json.dumps(index | {"vae": said}))
        with pytest.raises(HubtoolsError, match="vae cannot be made"):
            blank_component(other, "vae")
