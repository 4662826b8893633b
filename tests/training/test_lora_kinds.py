"""LoRAs of several ranks, rank-stabilised ones and DoRA: trained, written, read back, continued."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from hubtools.errors import UsageError  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training.layers import Size, chosen_layers  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402

MakeProject = Callable[..., Project]
Tensors = dict[str, Any]
KINDS: dict[str, dict[str, Any]] = {
    "rslora": {"use_rslora": True, "lora_alpha": 3},
    "dora": {"use_dora": True, "target_modules": ["to_v", "conv1"], "lora_alpha": 8},
    "ranks": {"target_modules": ["to_v", "conv"], "rank_pattern": {"conv": 2}, "lora_alpha": 6},
}


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, make_project_in: MakeProject
) -> dict[str, Project]:
    folder, made = tmp_path_factory.mktemp("kinds"), {}
    for name, settings in KINDS.items():
        made[name] = make_project_in(folder, name=name, learning_rate=1e-2, **settings)
        train(made[name], skip_validation=True)
    return made


def state_of(project: Project, step: int = 5) -> Tensors:
    return load_file(project.run_dir / "state" / f"step-{step:06d}" / "lora.safetensors")


def changes(base: Path, file: Path) -> Tensors:
    """What stock diffusers adds to the weights of the base's UNet with this file."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(str(base))
    before = {name: one.clone() for name, one in pipeline.unet.state_dict().items()}
    pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    after = pipeline.unet.state_dict()
    return {name: after[name] - one for name, one in before.items() if (after[name] != one).any()}


def by_hand(base: Path, state: Tensors, settings: TrainSettings) -> Tensors:
    """The same of the parameters as they were trained, by nothing but the papers' formulas."""
    weights = load_file(base / "unet" / "diffusion_pytorch_model.safetensors")
    found = {}
    for name, up in state.items():
        if ".lora_B." not in name:
            continue
        layer = name.partition(".lora_B.")[0]
        down = state[f"{layer}.lora_A.default.weight"]
        rank, alpha = down.shape[0], settings.lora_alpha
        scale = alpha / (math.sqrt(rank) if settings.use_rslora else rank)
        weight = weights[f"{layer}.weight"]
        change = scale * (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
        magnitude = state.get(f"{layer}.lora_magnitude_vector.default.weight")
        if magnitude is not None:
            whole = weight + change
            size = whole.flatten(1).norm(dim=1)
            change = whole * (magnitude.flatten() / size).reshape(-1, *[1] * (weight.dim() - 1))
            change -= weight
        found[f"{layer}.weight"] = change
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_stock_diffusers_does_what_was_trained(
    runs: dict[str, Project], tiny_base: Path, kind: str
) -> None:
    project = runs[kind]
    ours = by_hand(tiny_base, state_of(project), project.train)
    theirs = changes(tiny_base, project.run_dir / LORA_WEIGHTS)
    assert theirs.keys() == ours.keys()
    assert max(float(one.abs().max()) for one in theirs.values()) > 1e-3
    for name, change in ours.items():
        assert torch.allclose(theirs[name], change, atol=2e-6), name


@pytest.mark.parametrize("kind", ["rslora", "ranks"])
def test_who_reads_no_header_does_the_same(
    runs: dict[str, Project], tiny_base: Path, tmp_path: Path, kind: str
) -> None:
    """As ComfyUI: alpha over rank is in the weights."""
    project = runs[kind]
    tensors = load_file(project.run_dir / LORA_WEIGHTS)
    halves = {name.rpartition(".lora")[0] for name in tensors}
    ours = by_hand(tiny_base, state_of(project), project.train)
    names = ("lora.down", "lora.up") if kind == "rslora" else ("lora_A", "lora_B")
    for layer in halves:
        down, up = (tensors[f"{layer}.{half}.weight"] for half in names)
        change = ours[f"{layer.removeprefix('unet.')}.weight"]
        assert torch.allclose((up.flatten(1) @ down.flatten(1)).view_as(change), change, atol=1e-6)


def test_the_header_tells_ranks_by_layer_and_the_kind(runs: dict[str, Project]) -> None:
    said = {}
    for kind, project in runs.items():
        with safe_open(project.run_dir / LORA_WEIGHTS, "pt") as file:
            said[kind] = json.loads(file.metadata()["lora_adapter_metadata"])
    assert (said["rslora"]["unet.r"], said["rslora"]["unet.lora_alpha"]) == (4, 4)
    assert "unet.use_rslora" not in said["rslora"]
    assert said["dora"]["unet.use_dora"] is True
    ranks = said["ranks"]["unet.rank_pattern"]
    assert set(ranks.values()) == {2}
    assert all("conv" in name or "proj_" in name for name in ranks)
    assert said["ranks"]["unet.alpha_pattern"] == ranks
    assert set(ranks) < set(said["ranks"]["unet.target_modules"])


def test_stopped_and_continued_is_bit_for_bit_the_same(
    runs: dict[str, Project], make_project: MakeProject
) -> None:
    project = make_project(learning_rate=1e-2, checkpointing_steps=3, **KINDS["dora"])
    with pytest.raises(Killed):
        train(project, skip_validation=True, reporter=DiesAt(4))
    train(project, skip_validation=True)
    written = (project.run_dir / LORA_WEIGHTS).read_bytes()
    assert written == (runs["dora"].run_dir / LORA_WEIGHTS).read_bytes()


def test_in_half_precision_a_dora_begins_at_the_base_and_reads_back(
    make_project: MakeProject, tiny_base: Path
) -> None:
    settings = {"use_dora": True, "mixed_precision": "bf16", "learning_rate": 1e-2}
    project = make_project(max_train_steps=1, **settings)
    heard: list[str] = []
    train(project, skip_validation=True, note=heard.append)
    assert any("the trained LoRA does, exactly" in text for text in heard)
    # in float32, of the weights as they are computed with; one step has moved them by the rate
    weights = load_file(tiny_base / "unet" / "diffusion_pytorch_model.safetensors")
    for name, size in state_of(project, 1).items():
        layer, dot, _ = name.partition(".lora_magnitude_vector")
        if dot:
            norm = weights[f"{layer}.weight"].bfloat16().float().norm(dim=1)
            assert float((size - norm).abs().max()) < 1.1e-2


# --- which layers ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unet(tiny_base: Path) -> Any:
    from hubtools.models.families.protocol import family_of

    return family_of(tiny_base, "tiny").blank_denoiser(tiny_base)


def chosen(unet: Any, *targets: str, alpha: float = 4.0, **settings: Any) -> dict[str, Size]:
    made = TrainSettings.model_validate({"target_modules": targets, "rank": 4} | settings)
    return chosen_layers(unet, made, alpha)


def test_words_for_many_layers(unet: Any) -> None:
    attention, linear, conv = (
        set(chosen(unet, word)) for word in ("attention", "all-linear", "conv")
    )
    assert {name.rpartition(".")[2] for name in attention} == {"to_q", "to_k", "to_v", "0"}
    assert attention < linear
    assert not linear & conv
    assert any(name.endswith("ff.net.2") for name in linear - attention)
    # what stands before and behind the blocks is left alone
    assert not {"conv_in", "conv_out", "time_embedding.linear_1"} & (linear | conv)
    assert all("conv" in name or "proj_" in name for name in conv)
    assert set(chosen(unet, "attention", "conv")) == attention | conv


def test_names_their_ends_and_patterns(unet: Any) -> None:
    assert set(chosen(unet, "conv_in")) == {"conv_in"}
    ends = set(chosen(unet, "attn2.to_k"))
    assert ends
    assert all(name.endswith("attn2.to_k") for name in ends)
    down = set(chosen(unet, "down_blocks.*.attn2.to_k"))
    assert down == {name for name in ends if name.startswith("down_blocks.")}
    assert set(chosen(unet, "attn2.*_k")) == ends
    assert set(chosen(unet, "^down_blocks.*.attn2.to_k")) == down
    with pytest.raises(UsageError, match="no layer of the denoiser is called '\\^attn2"):
        chosen(unet, "^attn2.*")


def test_each_layer_has_its_own_rank_and_alpha(unet: Any) -> None:
    sizes = chosen(
        unet, "to_q", "to_k", "conv1",
        rank_pattern={"conv": 2, "to_k": 8, "up_blocks.*.to_k": 3},
        alpha_pattern={"to_q": 1},
    )  # fmt: skip
    assert {size for name, size in sizes.items() if name.endswith("conv1")} == {Size(2, 2.0)}
    assert {size for name, size in sizes.items() if name.endswith("to_q")} == {Size(4, 1.0)}
    # of several that fit, the last
    assert {s.rank for n, s in sizes.items() if n.endswith("to_k") and "up_" in n} == {3}
    assert {s.rank for n, s in sizes.items() if n.endswith("to_k") and "down_" in n} == {8}
    # an alpha that is set is that of all layers
    fixed = chosen(unet, "to_q", "conv1", rank_pattern={"conv": 2}, lora_alpha=4, alpha=4.0)
    assert {size.alpha for size in fixed.values()} == {4.0}


def test_what_fits_nothing_is_said(unet: Any) -> None:
    with pytest.raises(UsageError, match="no layer of the denoiser is called 'to_x'") as caught:
        chosen(unet, "to_x")
    assert "to_k" in str(caught.value.hint)
    assert "all-linear" in str(caught.value.hint)
    with pytest.raises(UsageError, match="'mid_block' is a UNetMidBlock2DCrossAttn, which takes"):
        chosen(unet, "mid_block")
    assert chosen(unet, "mid_block.*")
    with pytest.raises(UsageError, match="rank_pattern: 'conv' fits no layer that gets a LoRA"):
        chosen(unet, "to_q", rank_pattern={"conv": 2})
