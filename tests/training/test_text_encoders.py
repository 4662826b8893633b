"""Text encoders trained beside the denoiser: what is learnt, written, read and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from hubtools.errors import HubtoolsError, UsageError  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import RunManifest  # noqa: E402
from hubtools.models.families.batches import Conditions, stacked  # noqa: E402
from hubtools.models.families.protocol import BaseInfo  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.rooted import Root  # noqa: E402
from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training.adapter import add_lora, add_text_lora, write_lora  # noqa: E402
from hubtools.training.choices import completed  # noqa: E402
from hubtools.training.loop import TrainState, loss_sum  # noqa: E402
from hubtools.training.metrics import read_metrics  # noqa: E402
from hubtools.training.recipe import make_recipe  # noqa: E402
from hubtools.training.texts import trained_texts, without_lora  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402
from tests.oracles import load, pixels  # noqa: E402

MakeProject = Callable[..., Project]
Tensors = dict[str, Any]
CAPTION = "a photo of lora-misato-token, front view"
FAST: dict[str, Any] = {
    "learning_rate": 1e-2, "text_encoder_lr": 5e-3, "train_text_encoder": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def make_texts(
    tmp_path_factory: pytest.TempPathFactory, make_project_in: MakeProject
) -> MakeProject:
    """A project of four steps that trains text encoders."""
    folder = tmp_path_factory.mktemp("texts")

    def make(name: str, **settings: Any) -> Project:
        usual = {"max_train_steps": 4, "samples": {"prompts": [CAPTION]}, **FAST}
        return make_project_in(folder, name=name, **(usual | settings))

    return make


PLAIN: dict[str, Any] = {
    "gradient_accumulation_steps": 2, "caption_dropout": 0.3, "validation_steps": 4,
    "validation_split": 1, "lora_alpha": 8, "rank_pattern": {"text_encoder*layers.1.*": 2},
    "with_prior_preservation": True, "class_prompt": "a photo",
}  # fmt: skip


@pytest.fixture(scope="module")
def plain(make_texts: MakeProject) -> Project:
    """Stable Diffusion, in two passes a step, with all that goes with it."""
    project = make_texts("plain", **PLAIN)
    train(project, skip_validation=True)
    return project


def state_of(project: Project, step: int = 4) -> Tensors:
    return load_file(project.run_dir / "state" / f"step-{step:06d}" / "lora.safetensors")


def test_all_parts_have_learnt_each_at_its_own_rate(plain: Project) -> None:
    state = state_of(plain)
    texts = {name: one for name, one in state.items() if name.startswith("text_encoder.")}
    assert len(texts) == 16  # two layers of four linear ones, each of two halves
    assert {one.shape[0] for name, one in texts.items() if "layers.1" in name and "_A" in name} == {
        2
    }
    ups = {name: one for name, one in state.items() if ".lora_B." in name}
    moved = {
        part: max(float(one.abs().max()) for name, one in ups.items() if (name in texts) == part)
        for part in (True, False)
    }
    # AdamW's first steps are as long as the rate; all gradients are clipped together
    assert 1e-3 < moved[True] <= 4 * 5e-3 < moved[False] <= 4.5e-2
    assert all(float(one.abs().max()) > 0 for one in ups.values())
    assert RunManifest.read(plain.run_dir).train["text_encoder_lr"] == 5e-3


@pytest.fixture(scope="module")
def broken(make_texts: MakeProject) -> Project:
    """The same, killed after two steps and started again; all its states are kept."""
    project = make_texts("broken", checkpointing_steps=1, checkpoints_total_limit=9, **PLAIN)
    with pytest.raises(Killed):
        train(project, skip_validation=True, reporter=DiesAt(3))
    train(project, skip_validation=True)
    return project


def test_killed_and_started_again_it_is_the_same_run(plain: Project, broken: Project) -> None:
    for name in (LORA_WEIGHTS, "state/step-000004/optimizer.safetensors"):
        assert (broken.run_dir / name).read_bytes() == (plain.run_dir / name).read_bytes()
    told = [[one.loss for one in read_metrics(each.run_dir)] for each in (plain, broken)]
    assert told[0] == told[1]


def test_a_step_of_one_batch_is_one_of_several_passes(
    broken: Project, make_texts: MakeProject
) -> None:
    settings = PLAIN | {"train_batch_size": 2, "gradient_accumulation_steps": 1}
    settings |= {"validation_steps": 0, "max_train_steps": 1}
    whole = make_texts("whole", **settings)
    train(whole, skip_validation=True)
    ours, theirs = state_of(whole, 1), state_of(broken, 1)
    assert ours.keys() == theirs.keys()
    for name, one in ours.items():
        # Adam's first step is the sign of the gradient: as far as that is known
        assert float((one - theirs[name]).abs().mean()) < 1e-4, name


def by_hand(project: Project, encoder: Any) -> None:
    """Add what was trained to a text encoder's weights, by nothing but products."""
    state, alpha = state_of(project), project.train.lora_alpha
    with torch.no_grad():
        for name, up in state.items():
            if not name.startswith("text_encoder.") or ".lora_B." not in name:
                continue
            layer = name.partition(".lora_B.")[0]
            down = state[f"{layer}.lora_A.default.weight"]
            (module,) = (
                one for own, one in encoder.named_modules()
                if own and layer.endswith(f".{own}") and own.endswith("_proj")
            )  # fmt: skip
            module.weight += alpha / down.shape[0] * (up @ down)


def test_stock_diffusers_reads_prompts_as_they_were_trained(
    plain: Project, tiny_base: Path
) -> None:
    from diffusers import StableDiffusionPipeline

    stock = StableDiffusionPipeline.from_pretrained(str(tiny_base))
    ours = StableDiffusionPipeline.from_pretrained(str(tiny_base))
    said = [one.encode_prompt(CAPTION, "cpu", 1, False)[0] for one in (stock, ours)]
    by_hand(plain, ours.text_encoder)
    stock.load_lora_weights(str(plain.run_dir), weight_name=LORA_WEIGHTS)
    with torch.no_grad():
        found, wanted = (one.encode_prompt(CAPTION, "cpu", 1, False)[0] for one in (stock, ours))
    assert torch.equal(said[0], said[1])
    assert float((wanted - said[0].detach()).abs().max()) > 1e-2
    assert torch.allclose(found, wanted, atol=1e-5)


def test_the_file_names_its_parts_as_the_scripts_do(plain: Project) -> None:
    with safe_open(plain.run_dir / LORA_WEIGHTS, "pt") as file:
        names, header = list(file.keys()), file.metadata()
    stem = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer"
    assert {f"{stem}.up.weight", f"{stem}.down.weight"} <= set(names)
    assert {name.partition(".")[0] for name in names} == {"unet", "text_encoder"}
    said = json.loads(header["lora_adapter_metadata"])
    assert (said["text_encoder.r"], said["text_encoder.lora_alpha"]) == (4, 4)
    assert said["text_encoder.target_modules"] == ["k_proj", "out_proj", "q_proj", "v_proj"]
    assert set(said["text_encoder.rank_pattern"].values()) == {2}
    assert "unet.rank_pattern" not in said


def test_samples_are_drawn_with_the_words_as_they_are_read_now(
    plain: Project, tiny_base: Path, tmp_path: Path
) -> None:
    """`generate` draws the sample of the last step from the file."""
    from PIL import Image, ImageChops

    from hubtools.inference.generate import generate

    samples = sorted((plain.run_dir / "samples").glob("step000004_*.png"))
    generate(plain, lora=str(plain.run_dir), output=tmp_path / "out")
    drawn = sorted((tmp_path / "out").glob("*.png"))
    assert len(samples) == len(drawn) > 0
    for sample, again in zip(samples, drawn, strict=True):
        with Image.open(sample) as one, Image.open(again) as other:
            assert max(high for _, high in ImageChops.difference(one, other).getextrema()) <= 2


@pytest.mark.parametrize("style", ["kohya", "comfyui", "peft"])
def test_other_programs_have_all_of_it(
    plain: Project, tiny_base: Path, tmp_path: Path, style: Any
) -> None:
    """Kohya's names of text encoders, and peft's for the module that is installed."""
    from peft import PeftModel
    from transformers import CLIPTextModel

    from hubtools.conversion.adapter import read_adapter
    from hubtools.conversion.export import export
    from hubtools.models.registry import TARGETS

    to = tmp_path / ("out" if style == "peft" else "out.safetensors")
    source = plain.run_dir / LORA_WEIGHTS
    export(source, to, format=style, base=TARGETS["sd15"])
    if style != "peft":
        names = load_file(to)
        stem = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
        assert {f"{stem}.lora_down.weight", f"{stem}.alpha"} <= names.keys()
        ours, theirs = (read_adapter(path, TARGETS["sd15"]).layers for path in (source, to))
        assert ours.keys() == theirs.keys()
        for name, layer in ours.items():
            other = theirs[name].up @ theirs[name].down * theirs[name].scale
            assert torch.allclose(layer.up @ layer.down, other, atol=1e-6)
        return
    wanted, read = (CLIPTextModel.from_pretrained(tiny_base / "text_encoder") for _ in range(2))
    by_hand(plain, wanted)
    read = PeftModel.from_pretrained(read, to / "text_encoder")
    ids = torch.arange(8)[None]
    with torch.no_grad():
        assert torch.allclose(read(ids)[0], wanted(ids)[0], atol=1e-5)


def test_names_of_newer_transformers_are_those_of_all(plain: Project, tmp_path: Path) -> None:
    """As diffusers' own script writes them with what is installed here."""
    from safetensors.torch import save_file

    from hubtools.conversion.adapter import read_adapter
    from hubtools.models.registry import TARGETS

    source = plain.run_dir / LORA_WEIGHTS
    flat = {n.replace("text_encoder.text_model.", "text_encoder."): t
            for n, t in load_file(source).items()}  # fmt: skip
    save_file(flat, tmp_path / "flat.safetensors")
    found = read_adapter(tmp_path / "flat.safetensors", TARGETS["sd15"])
    assert found.layers.keys() == read_adapter(source, TARGETS["sd15"]).layers.keys()


def test_evaluate_reads_captions_as_each_lora_does(plain: Project, tiny_base: Path) -> None:
    from diffusers import StableDiffusionPipeline

    from hubtools.dataset.examples import Example
    from hubtools.evaluation.denoising import captions_under
    from hubtools.inference.lora import WeightedLora, resolve_lora
    from hubtools.inference.shots import Shot
    from hubtools.inference.staged import LoraShots

    model = load(tiny_base)
    lora = WeightedLora(resolve_lora(str(plain.run_dir)))
    shot = Shot("a")
    examples = [Example(Path("a.png"), CAPTION, "a.png")]
    found = captions_under(model, [LoraShots([shot]), LoraShots([shot], [lora])], examples)
    bare, changed = found.pop(()), *found.values()
    stock = StableDiffusionPipeline.from_pretrained(str(tiny_base))
    with torch.no_grad():
        for said in (bare, changed):
            told = stock.encode_prompt(CAPTION, "cpu", 1, False)[0][0]
            assert torch.allclose(said[CAPTION]["embeds"], told, atol=1e-5)
            stock.load_lora_weights(str(plain.run_dir), weight_name=LORA_WEIGHTS)
    assert model.pipeline.get_list_adapters() == {}


def test_it_goes_on_from_itself(plain: Project, make_texts: MakeProject) -> None:
    """Its first loss is that of the file, not of the base; and a file of the denoiser alone, or of
    both where one is trained, is refused."""
    again = make_texts(
        "again", init_from=str(plain.run_dir), max_train_steps=1, lora_alpha=2,
        rank_pattern=PLAIN["rank_pattern"],
    )  # fmt: skip
    train(again, skip_validation=True)
    began, ended = state_of(again, 1), state_of(plain)
    for name, one in ended.items():
        scale = 4 if "layers.1" in name and name.startswith("text") else 2
        wanted = one * (4 if ".lora_B." in name else 1)  # alpha 8 then, 2 now
        assert float((began[name] - wanted).abs().max()) < 0.02 * scale, name
    with pytest.raises(HubtoolsError, match="changes a text encoder too") as caught:
        train(make_texts("b", init_from=str(plain.run_dir), train_text_encoder=False,
                         text_encoder_lr=None), skip_validation=True)  # fmt: skip
    assert "--train-text-encoder" in str(caught.value.hint)


# --- families: what they read, and what the loss is -------------------------------------------


def trained(base: Path, **settings: Any) -> tuple[Any, TrainSettings]:
    """The model of a base with a LoRA of weights that are not zero on all that can be trained."""
    from hubtools.models.families.clip import with_encoders
    from hubtools.models.families.protocol import family_of

    model = load(base)
    said = TrainSettings(rank=4, target_modules=["to_q"], train_text_encoder=True, **settings)
    info = with_encoders(family_of(base, "tiny").info(base, None), base)
    parameters = add_lora(model.denoiser, said, 6.0)
    encoders = {name: getattr(model.pipeline, name) for name in info.clips}
    parameters |= add_text_lora(encoders, said, 6.0, info.unread)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model, said


def answers(model: Any, caption: str) -> Tensors:
    """What the text encoders answer to a caption, trained ones as they are now."""
    kept = model.encode_caption(caption)
    with torch.no_grad():
        return dict(model.read(model.collate([{**kept, **model.tokens(caption)}])))


PROMPTS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "tiny_base": lambda p: (p.encode_prompt(CAPTION, "cpu", 1, False)[0], None),
    "tiny_sdxl": lambda p: p.encode_prompt(CAPTION, do_classifier_free_guidance=False)[::2],
    "tiny_flux1": lambda p: p.encode_prompt(CAPTION, None)[:2],
    "tiny_sd3": lambda p: p.encode_prompt(
        CAPTION, None, None, do_classifier_free_guidance=False
    )[::2],
    "tiny_sd3_clips": lambda p: p.encode_prompt(
        CAPTION, None, None, do_classifier_free_guidance=False
    )[::2],
}  # fmt: skip


@pytest.mark.parametrize("base", PROMPTS)
def test_a_stock_pipeline_with_the_file_reads_and_answers_the_same(
    base: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    from diffusers import DiffusionPipeline

    folder = request.getfixturevalue(base)
    model, settings = trained(folder, rank_pattern={"text_encoder.*layers.0.*": 2})
    with Root(tmp_path) as root:
        write_lora(root, LORA_WEIGHTS, model, settings, 1)
    ours, plain = answers(model, CAPTION), model.encode_caption(CAPTION)
    without_t5 = {"text_encoder_3": None, "tokenizer_3": None} if base.endswith("clips") else {}
    stock = DiffusionPipeline.from_pretrained(str(folder), **without_t5)
    stock.load_lora_weights(str(tmp_path), weight_name=LORA_WEIGHTS)
    with torch.no_grad():
        embeds, pooled = PROMPTS[base](stock)
        with without_lora(model):
            bare = answers(model, CAPTION)
    parts = {"embeds": embeds, "pooled": pooled} if pooled is not None else {"embeds": embeds}
    for name, theirs in parts.items():
        assert torch.allclose(ours[name], theirs, atol=2e-5), name
        assert torch.allclose(bare[name][0], plain[name], atol=1e-6) or name in ours
    assert max(float((ours[name] - bare[name]).abs().max()) for name in parts) > 1e-3
    if base in LOSSES:
        check_loss(base, model, stock)
    assert sorted(trained_texts(model)) == sorted(
        name
        for name, loras in stock.get_list_adapters().items()
        if name.startswith("text") and loras
    )


LOSSES = ("tiny_base", "tiny_sdxl")


def check_loss(base: str, model: Any, stock: Any) -> None:
    """The loop's loss is that of the stock pipeline: picture, captions, noise and moments held; one
    caption is left out, and with prior preservation the bare base's answers count as well."""
    from diffusers import DDPMScheduler

    picture = model.encode_picture(pixels())
    if base == "tiny_sdxl":
        picture["time_ids"] = torch.tensor([64.0, 64, 0, 0, 64, 64])
    said, unsaid = [CAPTION, ""], ["a photo", "a photo"]
    noise = torch.randn(2, *model.latent_shape(picture), generator=torch.Generator().manual_seed(2))
    encoded: Any = lambda *_: (picture, {})  # noqa: E731
    nothing: Any = None
    found = {}
    for prior in (False, True):
        batch = {
            "pictures": stacked([picture, picture]),
            "captions": model.collate(
                [model.tokens(one) for one in said + (unsaid if prior else [])]
            ),
            "posterior": torch.zeros_like(noise), "noise": noise, "t": torch.tensor([0.3, 0.7]),
        }  # fmt: skip
        told = TrainSettings(snr_gamma=0, with_prior_preservation=prior, prior_loss_weight=0.5)
        recipe = make_recipe(
            told, resolution=64, images=1, world_size=1, precision="no", prediction_type="epsilon"
        )
        state = TrainState(model, {}, nothing, nothing, encoded, encoded if prior else None)
        with torch.no_grad():
            found[prior] = float(loss_sum(state, recipe, batch))

    scheduler = DDPMScheduler.from_config(stock.scheduler.config)
    latents = picture["mean"][None] * stock.vae.config.scaling_factor
    missed = drift = 0.0
    with torch.no_grad():
        for row, moment in enumerate((300, 700)):
            t = torch.tensor([moment])
            noised = scheduler.add_noise(latents, noise[row : row + 1], t)
            answer = theirs(stock, noised, t, said[row])
            missed += float((answer - noise[row : row + 1]).square().mean())
            kept = theirs(stock, noised, t, unsaid[row])
            stock.disable_lora()
            drift += float((kept - theirs(stock, noised, t, unsaid[row])).square().mean())
            stock.enable_lora()
    assert found[False] == pytest.approx(missed, rel=1e-5)
    assert found[True] == pytest.approx(missed + 0.5 * drift, rel=1e-5)


def theirs(stock: Any, noised: Any, t: Any, caption: str) -> Any:
    """The answer of a stock pipeline's UNet, with its own words; SDXL's dropped ones are zeros."""
    if stock.__class__.__name__ == "StableDiffusionPipeline":
        return stock.unet(noised, t, stock.encode_prompt(caption, "cpu", 1, False)[0]).sample
    words, _, pooled, _ = stock.encode_prompt(caption, do_classifier_free_guidance=False)
    if not caption:
        words, pooled = torch.zeros_like(words), torch.zeros_like(pooled)
    told = {"text_embeds": pooled, "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}
    return stock.unet(noised, t, words, added_cond_kwargs=told).sample


@pytest.mark.parametrize("base", ["tiny_sdxl", "tiny_flux1"])
def test_it_is_trained_where_there_are_two_encoders(
    base: str, make_texts: MakeProject, request: pytest.FixtureRequest
) -> None:
    """Of FLUX.1's, T5 stays as it is, and is cached."""
    folder = request.getfixturevalue(base)
    project = make_texts(
        base, pretrained_model_name_or_path=str(folder), max_train_steps=2, target_modules=["to_v"],
        validation_steps=2 if base == "tiny_flux1" else 0,
    )  # fmt: skip
    train(project, skip_validation=True)
    tensors = load_file(project.run_dir / LORA_WEIGHTS)
    parts = {name.partition(".")[0] for name in tensors}
    texts = {"tiny_sdxl": {"text_encoder", "text_encoder_2"}, "tiny_flux1": {"text_encoder"}}[base]
    assert parts == texts | {"unet" if base == "tiny_sdxl" else "transformer"}
    # nothing behind the last layer but one is read of SDXL's first
    assert all(bool(one.any()) for one in tensors.values())
    assert any("text_encoder.text_model.encoder.layers.1." in name for name in tensors)


# --- what is said, and refused ------------------------------------------------------------------


def test_the_plan_tells_what_it_takes(make_texts: MakeProject, tiny_sdxl: Path) -> None:
    def told(**settings: Any) -> dict[str, str]:
        lines: list[str] = []
        project = make_texts("dry", pretrained_model_name_or_path=str(tiny_sdxl), **settings)
        train(project, skip_validation=True, dry_run=True, note=lines.append)
        rows = "\n".join(lines).splitlines()
        return {name: text.strip() for name, _, text in (row.partition(":") for row in rows)}

    with_texts = told(validation_steps=2)
    without = told(validation_steps=2, train_text_encoder=False, text_encoder_lr=None)
    assert "20 in text encoders, rank 4" in with_texts["layers"]
    assert "text_encoder and text_encoder_2 are trained too" in with_texts["text encoders"]
    assert "0.005" in with_texts["text encoders"]
    assert "text encoders" not in without
    assert "read the captions in every step" in with_texts["text encoders"]
    assert "captions" in without["pictures"]
    assert "captions" not in with_texts["pictures"]
    assert with_texts["memory"] != without["memory"]


@pytest.mark.parametrize(
    ("family", "settings", "told", "hint"),
    [
        ("z-image", {"train_text_encoder": True}, "Z-Image are read by Qwen3", "leave it out"),
        ("chroma", {"train_text_encoder": True}, "Chroma are read by T5", "leave it out"),
        ("stable-diffusion", {"text_encoder_lr": 1e-5}, "train_text_encoder is off", "--train-"),
        (
            "stable-diffusion",
            {"train_text_encoder": True, "text_encoder_lr": 1e-5, "optimizer": "prodigy"},
            "one step size",
            "leave text_encoder_lr out",
        ),
        (
            "stable-diffusion",
            {"adam_weight_decay_text_encoder": 1e-3},
            "train_text_encoder is off",
            "leave adam_weight_decay_text_encoder out",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    family: str, settings: dict[str, Any], told: str, hint: str
) -> None:
    clips = ("text_encoder",) if family == "stable-diffusion" else ()
    info = BaseInfo(family, "epsilon", 64, 8, 77, 1, 1, texts=("text_encoder",), clips=clips)
    with pytest.raises(UsageError, match=told) as caught:
        completed(TrainSettings.model_validate(settings), info)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({}, 5e-6),
        ({"learning_rate": 2e-3}, 1e-4),
        ({"text_encoder_lr": 3e-5}, 3e-5),
        ({"optimizer": "prodigy"}, 1.0),
        ({"scale_lr": True, "train_batch_size": 4}, 2e-5),
    ],
)
def test_its_rate_is_a_twentieth(settings: dict[str, Any], rate: float) -> None:
    told = TrainSettings.model_validate({"train_text_encoder": True, **settings})
    recipe = make_recipe(
        told, resolution=64, images=9, world_size=1, precision="no", prediction_type="epsilon"
    )
    assert recipe.text_rate == pytest.approx(rate, rel=1e-12)
    peak = recipe.warmup  # the first step behind it
    assert recipe.learning_rate_at(peak, recipe.text_rate) == pytest.approx(rate, rel=1e-12)


def test_beside_a_dora_it_is_a_plain_lora(tiny_base: Path, tmp_path: Path) -> None:
    """Stock diffusers would leave magnitudes of text encoders out, and say nothing."""
    from diffusers import StableDiffusionPipeline

    model, settings = trained(tiny_base, use_dora=True)
    with Root(tmp_path) as root:
        write_lora(root, LORA_WEIGHTS, model, settings, 1)
    names = load_file(tmp_path / LORA_WEIGHTS)
    assert {name.partition(".")[0] for name in names if "magnitude" in name} == {"unet"}
    stock = StableDiffusionPipeline.from_pretrained(str(tiny_base))
    stock.load_lora_weights(str(tmp_path), weight_name=LORA_WEIGHTS)
    with torch.no_grad():
        told = stock.encode_prompt(CAPTION, "cpu", 1, False)[0]
    assert torch.allclose(answers(model, CAPTION)["embeds"], told, atol=2e-5)


def test_what_the_empty_caption_is_stays_what_it_is_at_sampling(tiny_sdxl: Path) -> None:
    """Zeros, whatever the text encoders have learnt."""
    model, _ = trained(tiny_sdxl)
    assert not any(bool(one.any()) for one in answers(model, "").values())
    batch = model.collate([model.tokens(CAPTION), model.tokens("")])
    with torch.no_grad():
        both = model.read(batch)
    alone = answers(model, CAPTION)
    for name, one in alone.items():
        assert torch.allclose(both[name][0], one[0], atol=1e-5)
        assert not both[name][1].any()


def test_what_the_denoiser_is_told_can_be_learnt_from(tiny_base: Path) -> None:
    """Gradients arrive in the text encoder."""
    model, _ = trained(tiny_base)
    latents = torch.zeros(1, 4, 8, 8)
    noised = model.noised(latents, torch.ones_like(latents), torch.tensor([0.5]))
    told = Conditions({}, model.collate([model.tokens(CAPTION)]))
    model.predict(noised, told).square().sum().backward()
    (encoder,) = trained_texts(model).values()
    grads = [one.grad for name, one in encoder.named_parameters() if "lora_" in name]
    assert all(one is not None and bool(one.any()) for one in grads)
    others = [one.grad for name, one in encoder.named_parameters() if "lora_" not in name]
    assert all(one is None for one in others)
