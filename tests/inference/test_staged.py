"""What draws opens text encoders first, asks them once a prompt, and lets them go."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.evaluation.run import evaluate  # noqa: E402
from hubtools.inference import generate as generating  # noqa: E402
from hubtools.inference.adapters import apply_lora  # noqa: E402
from hubtools.inference.generate import generate  # noqa: E402
from hubtools.inference.grid import grid  # noqa: E402
from hubtools.inference.lora import WeightedLora, resolve_lora  # noqa: E402
from hubtools.inference.pipeline import draw  # noqa: E402
from hubtools.inference.shots import Shot  # noqa: E402
from hubtools.inference.staged import LoraShots, open_staged  # noqa: E402
from hubtools.models.base import Base, resolve_base  # noqa: E402
from hubtools.models.families.stable_diffusion import StableDiffusion  # noqa: E402
from hubtools.models.loading import load_pipeline  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.settings import (  # noqa: E402
    DatasetSettings,
    EvaluateSettings,
    SampleSettings,
    TrainSettings,
)

MakeLora = Callable[..., Path]
SHOT = Shot("a red hat", seed=7, steps=2, width=64, height=64)
SHOTS = [
    replace(SHOT, lora_weight=weight, prompt=prompt)
    for weight in (1.0, 0.0, 0.5)
    for prompt in ("a red hat", "a (blue:1.3) coat, " + "very " * 80)
]


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(Image.open(path).tobytes()).hexdigest()
        for path in folder.glob("*.png")
    }


@pytest.fixture(scope="module")
def speaking(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA that changes the text encoder, too."""
    from diffusers import StableDiffusionPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    folder = tmp_path_factory.mktemp("speaking")
    maker = load_pipeline(base, device="cpu")
    torch.manual_seed(5)
    layers = {}
    for part, targets in (("unet", ["to_q"]), ("text_encoder", ["q_proj", "v_proj"])):
        model = getattr(maker, part)
        model.add_adapter(LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
        layers[f"{part}_lora_layers"] = get_peft_model_state_dict(model)
    StableDiffusionPipeline.save_lora_weights(folder, weight_name="t.safetensors", **layers)
    return folder / "t.safetensors"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], set[str]]]:
    """(parts, kinds of modules that live in memory) of each opening of a base."""
    import diffusers
    import transformers

    kinds = (
        diffusers.UNet2DConditionModel, diffusers.AutoencoderKL, transformers.CLIPTextModel,
    )  # fmt: skip

    def alive() -> list[Any]:
        gc.collect()
        return [one for one in gc.get_objects() if issubclass(type(one), kinds)]

    elsewhere = {id(one) for one in alive()}  # of other tests
    found: list[tuple[tuple[str, ...], set[str]]] = []

    def watched(right: Any) -> Any:
        def load(*args: Any, **options: Any) -> Any:
            made = right(*args, **options)
            living = {type(one).__name__ for one in alive() if id(one) not in elsewhere}
            found.append((tuple(options["parts"]), living))
            return made

        return load

    monkeypatch.setattr(generating, "load_pipeline", watched(load_pipeline))
    monkeypatch.setattr(StableDiffusion, "load", watched(StableDiffusion.load))
    return found


STAGES = [
    (("text",), {"CLIPTextModel"}),
    (("picture", "denoiser"), {"AutoencoderKL", "UNet2DConditionModel"}),
]


@pytest.fixture
def project(tiny_base: Path, draw_pictures: Any, tmp_path: Path) -> Project:
    data = draw_pictures(tmp_path / "data", 2)
    (tmp_path / "run").mkdir()
    return Project(
        dataset=DatasetSettings(path=str(data), trigger="tok"),
        train=TrainSettings(
            pretrained_model_name_or_path=str(tiny_base), output_dir=str(tmp_path / "run"),
            resolution=64, num_threads=1,
        ),
        samples=SampleSettings(steps=1, size=64, prompts=["a tok"]),
        evaluate=EvaluateSettings(
            num_images=1, picture_encoder="efficientnet-lite0", prompt_judge="none", weights="1"
        ),
    )  # fmt: skip


@pytest.mark.parametrize("command", ["generate", "grid", "evaluate"])
def test_text_encoders_and_denoiser_are_not_in_memory_together(
    command: str,
    project: Project,
    opened: list[Any],
    lora_file: Path,
    speaking: Path,
    tmp_path: Path,
) -> None:
    def run(lora: Path) -> None:
        if command == "generate":
            generate(project, lora=str(lora), output=tmp_path / "out")
        elif command == "grid":
            grid(project, "a tok", x="seed=1,2", lora=[str(lora)], output=tmp_path / lora.stem)
        else:
            evaluate(project, str(lora), batch_size=1)

    run(lora_file)
    assert opened == STAGES
    opened.clear()
    run(speaking)  # it is put into the text encoder, which it fits together with the denoiser only
    assert [parts for parts, _ in opened] == [("text", "denoiser"), ("picture",)]
    assert "CLIPTextModel" not in opened[1][1]


@pytest.mark.parametrize("fuse", [False, True])
def test_it_draws_what_a_whole_pipeline_draws(
    fuse: bool, base: Base, lora_file: Path, speaking: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    two = [WeightedLora(resolve_lora(str(file))) for file in (lora_file, speaking)]
    assert [lora.file.of_text for lora in two] == [False, True]
    wanted = [
        LoraShots(SHOTS[:2]),
        *(LoraShots(SHOTS, [lora]) for lora in two),
        LoraShots(SHOTS[:2], two),
    ]
    encoded: list[int] = []

    def load(parts: Any, given: Any) -> Any:
        pipeline = load_pipeline(base, device="cpu", parts=parts, given=given)
        if pipeline.text_encoder is not None:
            pipeline.text_encoder.register_forward_hook(lambda *_: encoded.append(1))
        return pipeline

    staged, prompts = open_staged(load, wanted, fuse=fuse)
    # bare, 1 and 0.5: the short prompt, none, four windows and the weights of one, the empty window
    assert len(encoded) == 3 * 8
    before = len(encoded)
    whole = load_pipeline(base, device="cpu")
    for place, one in enumerate(wanted):
        for pipeline, kept, folder in ((staged, prompts, "staged"), (whole, None, "whole")):
            draw(
                pipeline, one.shots, tmp_path / folder, base=base, loras=one.loras, fuse=fuse,
                names=[f"{place}_{number}" for number in range(len(one.shots))], prompts=kept,
                batch_size=2,
            )  # fmt: skip
    assert len(encoded) == before
    drawn = digests(tmp_path / "staged")
    assert drawn == digests(tmp_path / "whole")
    assert drawn["2_0.png"] != drawn["1_0.png"]
    assert len(set(drawn.values())) >= 8


def test_what_is_not_known_to_be_of_a_text_encoder_is_not_passed_over(
    base: Base, speaking: Path
) -> None:
    hidden = replace(resolve_lora(str(speaking)), of_text=False)

    def load(parts: Any, given: Any) -> Any:
        return load_pipeline(base, device="cpu", parts=parts, given=given)

    staged, _ = open_staged(load, [LoraShots([SHOT], [WeightedLora(hidden)])])
    with pytest.raises(HubtoolsError, match="changes a text encoder"):
        apply_lora(staged, hidden, 1.0)


@pytest.mark.parametrize(
    "name",
    [
        "tiny_sdxl", "tiny_sd3_clips", "tiny_sd3", "tiny_flux1", "tiny_flux2", "tiny_qwen_image",
        "tiny_chroma", "tiny_lumina2", "tiny_krea2", "tiny_sana",
    ],
)  # fmt: skip
def test_every_family_draws_what_its_whole_pipeline_draws(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    base = resolve_base(str(request.getfixturevalue(name)))

    def load(parts: Any, given: Any) -> Any:
        return load_pipeline(base, device="cpu", parts=parts, given=given)

    shots = [replace(SHOT, guidance=2.0)]
    staged, prompts = open_staged(load, [LoraShots(shots)])
    draw(staged, shots, tmp_path / "one", names=["a"], base=base, prompts=prompts)
    draw(load_pipeline(base, device="cpu"), shots, tmp_path / "two", names=["a"], base=base)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_prompts_of_unequal_length_stand_in_batches_of_their_own(
    tiny_z_image: Path, tmp_path: Path
) -> None:
    base = resolve_base(str(tiny_z_image))

    def load(parts: Any, given: Any) -> Any:
        return load_pipeline(base, device="cpu", parts=parts, given=given)

    shots = [
        replace(SHOT, prompt=text, guidance=0.0) for text in ("a hat", "a very red hat", "a hat")
    ]
    staged, prompts = open_staged(load, [LoraShots(shots)])
    names = ["a", "b", "c"]
    draw(staged, shots, tmp_path / "one", names=names, base=base, prompts=prompts, batch_size=3)
    whole = load_pipeline(base, device="cpu")
    draw(whole, shots, tmp_path / "two", names=names, base=base)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
