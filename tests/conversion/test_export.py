"""LoRA files for other programs."""

from __future__ import annotations

import json
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubtools.cli.main import run
from hubtools.commands.weights import convert, export
from hubtools.conversion.adapter import Layer, read_adapter
from hubtools.conversion.reduction import difference
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import open_regular
from hubtools.layout import LORA_WEIGHTS
from hubtools.lorafile.faults import faults_of
from hubtools.lorafile.look import look
from hubtools.manifest import BaseModelFacts
from hubtools.models.registry import TARGETS
from hubtools.publish.release import collect
from hubtools.publish.rules import PUBLISH_RULES
from tests import lorafiles
from tests.typed import typed
from tests.watched import manifest

ALPHA = 2.0  # of rank 4: half the strength of alpha 4
Changes = dict[str, torch.Tensor]
IDS = {
    "sd15": "me/tiny-stable-diffusion-v1-5",  # tiny: its name tells no widths
    "sdxl": "me/tiny-stable-diffusion-xl-base-1.0",
    "flux": "me/tiny-FLUX.1-dev",
}


def lora_of(pipeline: Any, *, texts: bool = False, seed: int = 0) -> dict[str, torch.Tensor]:
    """A LoRA of rank 4 for attention (and a convolution of UNets), in the names of diffusers."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, torch.Tensor] = {}
    parts = {"unet" if hasattr(pipeline, "unet") else "transformer": ("to_q", "to_v", "to_out.0")}
    if "unet" in parts:
        parts["unet"] = (*parts["unet"], "conv1", "downsamplers.0.conv", "upsamplers.0.conv")
    if texts:
        parts |= {name: ("_proj", "fc1", "fc2") for name in ("text_encoder", "text_encoder_2")
                  if getattr(pipeline, name, None) is not None}  # fmt: skip
    for part, targets in parts.items():
        for name, module in getattr(pipeline, part).named_modules():
            if not name.endswith(targets):
                continue
            out, into, *size = module.weight.shape
            found[f"{part}.{name}.lora_A.weight"] = torch.randn(
                (4, into, *size), generator=generator
            )
            found[f"{part}.{name}.lora_B.weight"] = torch.randn(
                (out, 4, *([1] * len(size))), generator=generator
            )
    return found


def write(path: Path, tensors: dict[str, torch.Tensor], alpha: float = ALPHA) -> Path:
    """With an alpha in the header, as diffusers saves it."""
    parts = sorted({name.partition(".")[0] for name in tensors})
    said = {
        f"{part}.{key}": value
        for part in parts
        for key, value in {
            "r": 4, "lora_alpha": alpha, "peft_type": "LORA", "target_modules": ["to_q"],
        }.items()
    }  # fmt: skip
    save_file(tensors, path, {"lora_adapter_metadata": json.dumps(said)})
    return path


@pytest.fixture(scope="module")
def pipelines(tiny_base: Path, tiny_sdxl: Path, tiny_flux1: Path) -> dict[str, Any]:
    from hubtools.models.base import resolve_base
    from hubtools.models.loading import load_pipeline

    folders = {"sd15": tiny_base, "sdxl": tiny_sdxl, "flux": tiny_flux1}
    found = {
        name: load_pipeline(resolve_base(str(folder)), device="cpu")
        for name, folder in folders.items()
    }
    # blocks of two layers and three sizes, of which the first has no attention: as in the real one
    unet = found["sdxl"].unet
    more = {
        "block_out_channels": (32, 32, 64), "layers_per_block": 2,
        "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2),
        "up_block_types": (*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"),
        "transformer_layers_per_block": (1, 1, 1), "attention_head_dim": (2, 2, 2),
    }  # fmt: skip
    found["sdxl"].unet = type(unet).from_config({**unet.config, **more})
    return found


def changes(pipeline: Any, file: Path) -> Changes:
    """What stock diffusers does to the weights with this file."""
    parts = {
        name: getattr(pipeline, name)
        for name in ("unet", "transformer", "text_encoder", "text_encoder_2")
        if getattr(pipeline, name, None) is not None
    }
    before = {
        f"{part}.{name}": one.detach().clone()
        for part, module in parts.items()
        for name, one in module.named_parameters()
    }
    pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
    pipeline.fuse_lora(components=list(pipeline.get_list_adapters()))
    pipeline.unload_lora_weights()
    found: Changes = {}
    with torch.no_grad():
        for part, module in parts.items():
            for name, one in module.named_parameters():
                old = before[f"{part}.{name}"]
                if not torch.equal(one, old):
                    found[f"{part}.{name}"] = (one - old).clone()
                    one.copy_(old)
    return found


def by_hand(tensors: dict[str, torch.Tensor], scale: float) -> Changes:
    """The same from the tensors, by nothing but a product."""
    found = {}
    for name, down in tensors.items():
        if ".lora_A." not in name:
            continue
        up = tensors[name.replace("lora_A", "lora_B")]
        product = up.flatten(1) @ down.flatten(1) * scale
        found[name.replace(".lora_A", "")] = product.reshape(up.shape[0], *down.shape[1:])
    return found


def check_alike(one: Changes, other: Changes, tolerance: float = 1e-4) -> None:
    one, other = (
        {name.replace("text_model.", ""): tensor for name, tensor in each.items()}
        for each in (one, other)
    )
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.allclose(tensor, other[name], atol=tolerance * float(tensor.abs().max())), name


@pytest.mark.parametrize(
    ("family", "style"),
    [
        ("sd15", "diffusers"), ("sd15", "kohya"), ("sd15", "comfyui"),
        ("sdxl", "diffusers"), ("sdxl", "kohya"),
        ("flux", "diffusers"), ("flux", "comfyui"),
    ],
)  # fmt: skip
def test_stock_diffusers_merges_what_an_independent_product_gives(
    family: str, style: Any, pipelines: dict[str, Any], tmp_path: Path
) -> None:
    pipeline = pipelines[family]
    tensors = lora_of(pipeline, texts=family != "flux")
    source = write(tmp_path / "mine.safetensors", tensors)
    done = export(source, style, tmp_path / "out.safetensors", base_model=IDS[family])
    assert done.difference.whole < 1e-6
    expected = by_hand(tensors, ALPHA / 4)
    check_alike(expected, changes(pipeline, done.path))


@pytest.mark.parametrize("style", ["kohya", "comfyui"])
def test_the_header_says_what_it_is_and_nothing_of_a_machine(
    style: Any, pipelines: dict[str, Any], tmp_path: Path
) -> None:
    tensors = lora_of(pipelines["sd15"])
    source = tmp_path / "mine.safetensors"
    said = {"ss_output_name": "mine", "ss_train_data_dir": "/home/jane/pics", "format": "pt"}
    save_file(tensors, source, said)
    done = export(source, style, tmp_path / "out.safetensors", base_model=IDS["sd15"])
    with done.path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    assert header["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert header["ss_network_module"] == "networks.lora"
    assert (header["ss_network_dim"], header["ss_network_alpha"]) == ("4", "4.0")
    assert "jane" not in json.dumps(header)


SIDES = {"A": "down", "B": "up"}


def wrong(kind: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    change = {
        "peft": lambda name: f"base_model.model.{name.partition('.')[2]}",
        "peft with prefix": lambda name: f"base_model.model.{name}",
        "lost prefix": lambda name: name.partition(".")[2],
        "adapter": lambda name: name.replace(".weight", ".default.weight"),
        "native": lambda name: name.replace("transformer.", "diffusion_model."),
        "old": lambda name: name.replace("lora_A", "lora.down").replace("lora_B", "lora.up"),
        "older": lambda name: re.sub(
            r"(attn\d)\.(to_\w+)(?:\.0)?\.lora_(A|B)",
            lambda found: f"{found[1]}.processor.{found[2]}_lora.{SIDES[found[3]]}",
            name,
        ),
    }[kind]
    return {change(name): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    "kind", ["peft", "peft with prefix", "lost prefix", "adapter", "native", "old", "older"]
)
def test_names_are_mended(kind: str, pipelines: dict[str, Any], tmp_path: Path) -> None:
    family = "flux" if kind == "native" else "sd15"
    tensors = lora_of(pipelines[family])
    file = write(tmp_path / "bad.safetensors", wrong(kind, tensors), alpha=4)
    done = convert(file, tmp_path / "out.safetensors", base_model=IDS[family])
    assert bool(done.mended) is not kind.startswith("old")
    again = load_file(done.path)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def test_peft_reads_its_folder(pipelines: dict[str, Any], tmp_path: Path) -> None:
    from peft import PeftModel

    tensors = lora_of(pipelines["sd15"], texts=True)
    source = write(tmp_path / "mine.safetensors", tensors)
    done = export(source, "peft", tmp_path / "out", base_model=IDS["sd15"])
    assert done.difference.whole < 1e-6
    again = convert(done.path / "adapter_model.safetensors", tmp_path / "again.safetensors")
    assert again.layers == done.layers, "text encoders come along"
    unet = pipelines["sd15"].unet
    before = {name: one.detach().clone() for name, one in unet.named_parameters()}
    copy = type(unet).from_config(unet.config)
    copy.load_state_dict(unet.state_dict())
    merged = PeftModel.from_pretrained(copy, str(done.path)).merge_and_unload()
    after = dict(merged.named_parameters())
    expected = {n: one for n, one in by_hand(tensors, ALPHA / 4).items() if n.startswith("unet.")}
    check_alike(
        expected,
        {
            f"unet.{name}": (after[name] - one).detach()
            for name, one in before.items()
            if not torch.equal(after[name], one)
        },
    )
    assert (done.path / "text_encoder" / "adapter_config.json").is_file()


def dora_of(pipeline: Any) -> dict[str, torch.Tensor]:
    """The same with magnitudes, as peft has them."""
    tensors = lora_of(pipeline)
    for name, up in list(tensors.items()):
        if ".lora_B." in name:
            sizes = torch.rand(up.shape[0], generator=torch.Generator().manual_seed(len(name)))
            shaped = sizes.reshape(1, -1, 1, 1) if up.dim() == 4 else sizes
            tensors[name.replace(".lora_B.weight", ".lora_magnitude_vector")] = shaped
    return tensors


@pytest.mark.parametrize(
    ("family", "style"),
    [*((one, style) for one in ("sd15", "sdxl") for style in ("kohya", "peft", "diffusers")),
     ("flux", "comfyui")],
)  # fmt: skip
def test_a_dora_keeps_its_magnitudes(
    family: str, style: Any, pipelines: dict[str, Any], tmp_path: Path
) -> None:
    source = write(tmp_path / "mine.safetensors", dora_of(pipelines[family]))
    before = read_adapter(source, TARGETS[family])  # type: ignore[index]
    assert all(layer.magnitude is not None for layer in before.layers.values())
    to = tmp_path / ("out" if style == "peft" else "out.safetensors")
    done = export(source, style, to, base_model=IDS[family])
    assert done.difference.worst == 0
    file = to / "adapter_model.safetensors" if style == "peft" else to
    scales = [name for name in load_file(file) if name.endswith(".dora_scale")]
    assert len(scales) == (len(before.layers) if style in ("kohya", "comfyui") else 0)
    # each layer's own ones, under the names that it had
    after = read_adapter(file, TARGETS[family]).layers  # type: ignore[index]
    assert after.keys() == before.layers.keys()
    for name, layer in before.layers.items():
        assert torch.equal(after[name].magnitude, layer.magnitude), name
    if style == "peft":
        assert json.loads((to / "adapter_config.json").read_text())["use_dora"] is True


def test_a_dora_is_not_reduced_and_others_magnitudes_are_refused(
    pipelines: dict[str, Any], tmp_path: Path
) -> None:
    tensors = dora_of(pipelines["sd15"])
    source = write(tmp_path / "mine.safetensors", tensors)
    with pytest.raises(HubtoolsError, match="A DoRA is not reduced"):
        export(source, "diffusers", tmp_path / "a.safetensors", base_model=IDS["sd15"], rank=2)
    name = next(name for name in tensors if "magnitude" in name)
    write(source, tensors | {name: torch.ones(3)})
    with pytest.raises(HubtoolsError, match="is a DoRA with 3 magnitudes, and has"):
        read_adapter(source, TARGETS["sd15"])


def test_the_root_of_the_rank_is_read_where_the_header_says_so(tmp_path: Path) -> None:
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    tensors = {
        f"{name}.lora_A.weight": torch.ones(4, 768),
        f"{name}.lora_B.weight": torch.ones(320, 4),
    }
    said = {"unet.r": 4, "unet.lora_alpha": 3, "unet.use_rslora": True}
    file = tmp_path / "mine.safetensors"
    save_file(tensors, file, {"lora_adapter_metadata": json.dumps(said)})
    assert [one.scale for one in read_adapter(file, TARGETS["sd15"]).layers.values()] == [1.5]
    weights = look(partial(open_regular, file), file.stat().st_size)
    assert weights.strengths(header=True) == (1.5,)
    assert weights.strengths(header=False) == (1.0,)


def test_fewer_ranks_are_the_best_there_are(tmp_path: Path) -> None:
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    torch.manual_seed(0)
    down, up = torch.randn(8, 768), torch.randn(320, 8) * torch.tensor([9, 7, 5, 3, 1, 1, 1, 1.0])
    tensors = {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    save_file(tensors, tmp_path / "mine.safetensors")
    done = export(tmp_path / "mine.safetensors", "diffusers", tmp_path / "a.safetensors", rank=3)
    assert done.rank == 3
    values = torch.linalg.svdvals((up @ down).double())
    lost = float((values[3:].square().sum() / values.square().sum()).sqrt())
    assert done.difference.whole == pytest.approx(lost, rel=1e-4)
    more = export(tmp_path / "mine.safetensors", "diffusers", tmp_path / "b.safetensors", rank=99)
    assert more.difference.whole < 1e-6


def test_half_precision_is_measured(tmp_path: Path) -> None:
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    tensors = {
        f"{name}.lora_A.weight": torch.randn(4, 768), f"{name}.lora_B.weight": torch.randn(320, 4)
    }  # fmt: skip
    save_file(tensors, tmp_path / "mine.safetensors")
    done = export(
        tmp_path / "mine.safetensors", "diffusers", tmp_path / "a.safetensors", dtype="fp16"
    )
    half = {key: tensor.half().double() for key, tensor in tensors.items()}
    products = [
        each[f"{name}.lora_B.weight"].double() @ each[f"{name}.lora_A.weight"].double()
        for each in (tensors, half)
    ]
    far = float((products[0] - products[1]).norm() / products[0].norm())
    assert 0 < far < 1e-3
    assert done.difference.whole == pytest.approx(far, rel=1e-3)
    assert done.bytes < (tmp_path / "mine.safetensors").stat().st_size * 0.6


def test_differences_are_those_of_the_whole_matrices() -> None:
    torch.manual_seed(1)
    one = {"a": Layer(torch.randn(2, 6), torch.randn(5, 2), 0.5)}
    other = {"a": Layer(torch.randn(3, 6), torch.randn(5, 3), 2.0)}
    whole = [each["a"].scale * each["a"].up @ each["a"].down for each in (one, other)]
    far = float((whole[0] - whole[1]).norm() / whole[0].norm())
    assert difference(one, other).worst == pytest.approx(far, rel=1e-4)
    assert difference(one, {}).whole == 1


def test_a_pickle_is_opened_when_that_is_asked_for(
    pipelines: dict[str, Any], tmp_path: Path
) -> None:
    tensors = lora_of(pipelines["sd15"])
    file = tmp_path / "mine.bin"
    torch.save(tensors, file)
    with pytest.raises(HubtoolsError, match="is a pickle") as raised:
        convert(file, tmp_path / "out.safetensors", base_model=IDS["sd15"])
    assert "--allow-pickle" in str(raised.value.hint)
    convert(file, tmp_path / "out.safetensors", base_model=IDS["sd15"], allow_pickle=True)
    assert load_file(tmp_path / "out.safetensors").keys() == tensors.keys()

    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"unet.a.lora_A.weight": Harm()}, file)
    with pytest.raises(HubtoolsError, match="more than tensors"):
        convert(file, tmp_path / "other.safetensors", allow_pickle=True)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("kind", ["peft-names", "lost-prefix", "adapter-keys", "part"])
def test_the_advice_works_as_it_is_typed(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = lorafiles.save(tmp_path / "a lora.safetensors", lorafiles.BAD[kind][1])
    (fault,) = faults_of(look(partial(open_regular, path), path.stat().st_size), place=str(path))
    assert run(["inspect", str(path)]) == 0
    assert f"next: {fault.command}" in capfd.readouterr().err
    findings = PUBLISH_RULES.run(collect(tmp_path, "model", keep=("*",)))
    fixes = [one.fix or "" for one in findings]
    assert any(f"`{fault.command}`" in fix for fix in fixes)
    words = ["card", str(tmp_path), "--base-model", lorafiles.BASE]
    assert run(words) == 0
    said = capfd.readouterr().err
    assert fault.text.partition(" (")[0] in said
    assert f"next: {fault.command}" in said
    assert fault.command is not None
    assert run(shlex.split(fault.command)[1:]) == 0
    (made,) = tmp_path.glob("*/*.safetensors")
    assert not faults_of(look(partial(open_regular, made), made.stat().st_size))


def test_of_a_loha_nothing_impossible_is_advised(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = lorafiles.save(tmp_path / "one.safetensors", lorafiles.loha())
    for place in (path, tmp_path):
        assert run(["inspect", str(place)]) == 0
        said = "".join(capfd.readouterr())
        assert "hubtools convert" not in said
        assert "--ignore P147" in said
    assert run(["convert", str(path)]) == 1
    assert f"`hubtools inspect {path}`" in capfd.readouterr().err


def test_what_cannot_be_put_so_is_refused(pipelines: dict[str, Any], tmp_path: Path) -> None:
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    good = {f"{layer}.lora_A.weight": torch.randn(4, 768),
            f"{layer}.lora_B.weight": torch.randn(320, 4)}  # fmt: skip
    cases: list[tuple[dict[str, torch.Tensor], str]] = [
        ({f"{layer}.hada_w1_a": torch.randn(320, 4)}, "is a LoHa"),
        (good | {f"{layer}.lora_magnitude_vector": torch.ones(3)}, "is a DoRA with 3 magnitudes"),
        ({name: tensor * torch.nan for name, tensor in good.items()}, "NaN"),
        (dict(list(good.items())[:1]), "one half is missing"),
        ({"decoder.conv.weight": torch.ones(3)}, "whole model"),
    ]
    for number, (tensors, why) in enumerate(cases):
        file = tmp_path / f"{number}.safetensors"
        save_file(tensors, file)
        with pytest.raises(HubtoolsError, match=why):
            convert(file, tmp_path / "out.safetensors")
    file = write(tmp_path / "flux.safetensors", lora_of(pipelines["flux"]))
    with pytest.raises(HubtoolsError, match="sd-scripts") as caught:
        export(file, "kohya", tmp_path / "out.safetensors", base_model=IDS["flux"])
    assert caught.value.hint == "--as comfyui"
    save_file({"a.lora_A.weight": torch.ones(4, 8), "a.lora_B.weight": torch.ones(8, 4)},
              tmp_path / "any.safetensors")  # fmt: skip
    for name, bases in (("flux", "black-forest-labs/FLUX.1-dev or "), ("any", "OWNER/NAME")):
        with pytest.raises(HubtoolsError, match="does not tell what model") as caught:
            convert(tmp_path / f"{name}.safetensors", tmp_path / "out.safetensors")
        assert f"--base-model {bases}" in str(caught.value.hint)
    save_file(good, tmp_path / "sd.safetensors")
    with pytest.raises(HubtoolsError, match="is a LoRA for"):
        convert(tmp_path / "sd.safetensors", tmp_path / "o.safetensors", base_model=IDS["sdxl"])
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("family", ["flux", "chroma"])
def test_a_run_tells_what_the_names_of_its_layers_leave_open(
    family: str, pipelines: dict[str, Any], tmp_path: Path
) -> None:
    file = write(tmp_path / LORA_WEIGHTS, lora_of(pipelines["flux"]))
    with pytest.raises(HubtoolsError, match=r"it may be FLUX\.1 or Chroma"):
        export(file, "comfyui", tmp_path / "out.safetensors")
    base = BaseModelFacts(id="me/my-own", family=family, prediction_type="flow")
    manifest(base_model=base).write(tmp_path)
    for number, source in enumerate((file, tmp_path)):
        done = export(source, "comfyui", tmp_path / f"{number}.safetensors")
        assert done.family == TARGETS[family].title


def test_nothing_is_written_over(pipelines: dict[str, Any], tmp_path: Path) -> None:
    file = write(tmp_path / "mine.safetensors", lora_of(pipelines["sd15"]))
    (tmp_path / "other.safetensors").write_text("mine")
    for place in ("mine.safetensors", "other.safetensors", "."):
        with pytest.raises(UsageError):
            convert(file, tmp_path / place, base_model=IDS["sd15"])
    with pytest.raises(UsageError, match="no name of a weight file"):
        convert(file, tmp_path / "out.bin", base_model=IDS["sd15"])
    assert (tmp_path / "other.safetensors").read_text() == "mine"
    convert(file, tmp_path / "other.safetensors", base_model=IDS["sd15"], overwrite=True)
    assert read_adapter(tmp_path / "other.safetensors", TARGETS["sd15"]).layers


def test_the_command_line(pipelines: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "mine.safetensors", lora_of(pipelines["sd15"]))
    words = ["--base-model", IDS["sd15"]]
    done = typed("export", "mine.safetensors", "--as", "kohya", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"a LoRA for {IDS['sd15']} (Stable Diffusion 1) as kohya reads it" in done.stdout
    back = typed("convert", "mine-kohya.safetensors", "--format=json", *words, cwd=tmp_path)
    assert back.returncode == 0, back.stderr
    told = json.loads(back.stdout)
    assert (told["style"], told["rank"]) == ("diffusers", 4)
    looked = typed("inspect", "mine-kohya.safetensors", "--format=json", cwd=tmp_path)
    assert json.loads(looked.stdout)["comfyui"]["strengths"] == [1.0]


@pytest.mark.parametrize(
    ("width", "base", "theirs"),
    [(128, "stable-diffusion-v1-5/stable-diffusion-v1-5", 768), (768, "tiny-people", 128)],
)
def test_a_lora_of_other_widths_is_refused(
    tmp_path: Path, width: int, base: str, theirs: int
) -> None:
    layer = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    halves = {"A": torch.ones(4, width), "B": torch.ones(64, 4)}
    file = tmp_path / "one.safetensors"
    save_file({f"{layer}.lora_{half}.weight": one for half, one in halves.items()}, file)
    with pytest.raises(HubtoolsError, match=f"are {width} wide, and those of {base} {theirs}"):
        convert(file, base_model=base)
    assert [one.name for one in tmp_path.iterdir()] == ["one.safetensors"]


def test_what_is_no_lora_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        convert("pictures")  # the folder pictures-diffusers that it would make is not there yet
    assert "did you mean" not in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []
