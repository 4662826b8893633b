"""A LoRA of denoiser and text encoders through every command that takes one, as typed, over the
families whose text encoders are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from hubtools.cards.snippet import snippet  # noqa: E402
from hubtools.inference.png import read_record  # noqa: E402
from hubtools.layout import CARD, LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import RunManifest  # noqa: E402
from hubtools.models.registry import SUPPORTED  # noqa: E402
from tests import merging  # noqa: E402
from tests.drawing import apart  # noqa: E402
from tests.typed import typed  # noqa: E402

# what is trained of each, and what its kohya files are called by
PARTS = {
    "tiny_base": ("unet", "text_encoder"),
    "tiny_sdxl": ("unet", "text_encoder", "text_encoder_2"),
    "tiny_flux1": ("transformer", "text_encoder"),
    "tiny_sd3_clips": ("transformer", "text_encoder", "text_encoder_2"),
}
RANK, ALPHA = 4, 8


def ran(cwd: Path, *words: str | Path) -> str:
    done = typed(*words, cwd=cwd)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("name", PARTS)
def test_every_command_takes_it(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    draw_pictures: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, parts = request.getfixturevalue(name), PARTS[name]
    draw_pictures(tmp_path / "data", 2, size=(64, 64))
    on = ("--base-model", base)
    ran(
        tmp_path, "train", "--path", "data", *on, "--output-dir", "run", "--rank", f"{RANK}",
        "--alpha", f"{ALPHA}", "--train-text-encoder", "--max-train-steps", "2", "--resolution",
        "64", "--learning-rate", "0.01", "--text-encoder-lr", "0.01", "--target-modules", "to_v",
        "--validation-steps", "0", "--num-threads", "1", "--skip-validation",
    )  # fmt: skip
    file = tmp_path / "run" / LORA_WEIGHTS
    tensors = load_file(file)
    assert {one.partition(".")[0] for one in tensors} == set(parts)
    trained = merging.of_diffusers(file)
    assert all(bool(one.any()) for one in trained.values())

    ran(tmp_path, "generate", "a tok", "--lora", "run", *on, "--steps", "2", "--size", "64",
        "--output", "out")  # fmt: skip
    (picture,) = (tmp_path / "out").glob("*.png")
    if name != "tiny_sd3_clips":  # which stock diffusers does not open by its folder alone
        # what a card tells to type draws the same with nothing but diffusers, in float32
        support = SUPPORTED[RunManifest.read(tmp_path / "run").base_model.family]
        code = snippet(str(base), None, LORA_WEIGHTS, read_record(picture), None, support)
        monkeypatch.chdir(tmp_path / "run")
        exec(code.replace(", torch_dtype=torch.bfloat16", ""), {})  # noqa: S102
        assert apart(picture, Path("picture.png"))[0] <= 1
        Path("picture.png").unlink()

    # the same change to each weight, by a product of the files' own numbers
    ran(tmp_path, "export", "run", "--as", "peft", "--to", "peft")
    merging.check_alike(trained, merging.of_peft(tmp_path / "peft", parts[0]))
    if parts[0] == "unet":
        ran(tmp_path, "export", "run", "--as", "kohya", "--to", "kohya.safetensors")
        named = load_file(tmp_path / "kohya.safetensors")
        texts = len(parts) - 1
        starts = {"lora_te"} if texts == 1 else {"lora_te1", "lora_te2"}
        assert {one.partition("_text_model")[0] for one in named if "_te" in one} == starts
        assert len(named) == 3 * len(trained)
        if texts == 1:
            merging.check_alike(trained, merging.of_kohya(tmp_path / "kohya.safetensors", trained))
        ran(tmp_path, "convert", "kohya.safetensors", *on, "--to", "back.safetensors")
    else:
        peft = Path("peft", "adapter_model.safetensors")
        ran(tmp_path, "convert", peft, *on, "--to", "back.safetensors")
    merging.check_alike(trained, merging.of_diffusers(tmp_path / "back.safetensors"))

    ran(tmp_path, "merge", "run", *on, "--to", "merged")
    for part in parts:
        before, after = (
            {
                key: one
                for path in sorted((place / part).glob("*.safetensors"))
                for key, one in load_file(path).items()
            }
            for place in (base, tmp_path / "merged")
        )
        changed = {
            f"{part}.{key.removesuffix('.weight')}": after[key] - one
            for key, one in before.items()
            if not torch.equal(after[key], one)
        }
        own = {key: one for key, one in trained.items() if key.partition(".")[0] == part}
        merging.check_alike(own, changed, near=1e-6)

    ran(tmp_path, "card", "run")
    card = (tmp_path / "run" / CARD).read_text(encoding="utf-8")
    assert "| train_text_encoder | True |" in card
    ran(tmp_path, "prune", "run", "--dtype", "fp16", "--apply")
    halved = load_file(file)
    assert halved.keys() == tensors.keys()
    assert {one.dtype for one in halved.values()} == {torch.float16}
