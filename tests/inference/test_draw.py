"""The same shot gives the same picture: alone or in a batch, now or in another process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import forkserver

torch = pytest.importorskip("torch")

from hubtools.cards.snippet import snippet  # noqa: E402
from hubtools.errors import HubtoolsError, UsageError  # noqa: E402
from hubtools.inference import at_once  # noqa: E402
from hubtools.inference.at_once import as_many_as_fit  # noqa: E402
from hubtools.inference.lora import WeightedLora, resolve_lora  # noqa: E402
from hubtools.inference.noise import same_noise  # noqa: E402
from hubtools.inference.pipeline import PipelineSession, draw  # noqa: E402
from hubtools.inference.png import read_record  # noqa: E402
from hubtools.inference.shots import Shot, shots_of  # noqa: E402
from hubtools.models.base import Base  # noqa: E402
from hubtools.models.families.protocol import Sampling  # noqa: E402
from hubtools.models.loading import load_pipeline  # noqa: E402
from hubtools.settings import SampleSettings  # noqa: E402
from hubtools.summed import JSON_SUM  # noqa: E402


def shot(**changes: Any) -> Shot:
    options = {"prompt": "a red hat", "seed": 7, "steps": 2, "width": 64, "height": 64}
    return Shot(**(options | changes))  # type: ignore[arg-type]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def apart(one: Path, other: Path) -> int:
    """Largest difference of two pictures, of 255."""
    return int(np.abs(pixels(one) - pixels(other)).max())


def test_a_picture_carries_what_it_was_drawn_with(
    pipeline: Any, base: Base, lora_file: Path, tmp_path: Path
) -> None:
    lora = resolve_lora(str(lora_file))
    wanted = shot(negative_prompt="blurry", guidance=3.0, scheduler="dpmpp_2m_karras")
    (record,) = draw(
        pipeline, [wanted], tmp_path, names=["one"], base=base, loras=[WeightedLora(lora)]
    )
    assert record == read_record(tmp_path / "one.png")
    (tmp_path / "one.json").unlink()
    assert record == read_record(tmp_path / "one.png"), "the PNG alone says it as well"
    assert record.scheduler_class == "DPMSolverMultistepScheduler"
    assert record.scheduler_options["use_karras_sigmas"] is True
    assert record.lora_sha256 == lora.sha256
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.size == (64, 64)
        text = str(getattr(picture, "text", {})["parameters"])
    assert text.splitlines()[:2] == ["a red hat", "Negative prompt: blurry"]
    assert "Steps: 2, Sampler: dpmpp_2m_karras, CFG scale: 3.0, Seed: 7, Size: 64x64" in text


def test_contrast_is_brought_back_as_the_pipeline_does(
    pipeline: Any, base: Base, tmp_path: Path
) -> None:
    shots = [shot(guidance=6.0, guidance_rescale=share) for share in (0.0, 0.7)]
    records = draw(pipeline, shots, tmp_path, names=["plain", "back"], base=base, batch_size=2)
    assert [record.guidance_rescale for record in records] == [0.0, 0.7]
    assert read_record(tmp_path / "back.png").guidance_rescale == 0.7
    assert apart(tmp_path / "plain.png", tmp_path / "back.png") > 0
    stock = pipeline(
        "a red hat", num_inference_steps=2, guidance_scale=6.0, guidance_rescale=0.7, width=64,
        height=64, generator=[torch.Generator("cpu").manual_seed(7)],
    ).images[0]  # fmt: skip
    stock.save(tmp_path / "stock.png")
    assert apart(tmp_path / "back.png", tmp_path / "stock.png") == 0
    assert "guidance_rescale=0.7," in snippet("a/base", "a/b", "x.safetensors", records[1], None)
    assert "rescale" not in snippet("a/base", "a/b", "x.safetensors", records[0], None)


@pytest.mark.parametrize(
    ("usual", "asked", "found"),
    [(0.0, None, 0.0), (0.7, None, 0.7), (0.7, 0.0, 0.0), (None, None, 0.0), (None, 0.0, 0.0)],
)
def test_contrast_is_brought_back_as_asked_or_as_the_base_needs(
    usual: float | None, asked: float | None, found: float
) -> None:
    settings = SampleSettings(guidance_rescale=asked)
    (drawn,), _ = shots_of(settings, ["a"], 64, usual=Sampling(rescale=usual))
    assert drawn.guidance_rescale == found


def test_a_pipeline_that_cannot_is_named() -> None:
    with pytest.raises(UsageError, match=r"guidance_rescale 0\.5 is for pipelines that take it"):
        shots_of(SampleSettings(guidance_rescale=0.5), ["a"], 64, usual=Sampling())


def test_weight_zero_is_the_bare_base(
    pipeline: Any, base: Base, lora_file: Path, tmp_path: Path
) -> None:
    lora = resolve_lora(str(lora_file))
    shots = [shot(), shot(lora_weight=0.5), shot(lora_weight=0.0)]
    names = ["full", "half", "none"]
    draw(pipeline, shots, tmp_path, names=names, base=base, loras=[WeightedLora(lora)])
    fresh = load_pipeline(base, device="cpu")
    draw(fresh, [shot()], tmp_path, names=["bare"], base=base)
    draw(pipeline, [shot()], tmp_path, names=["without"], base=base)
    assert apart(tmp_path / "without.png", tmp_path / "bare.png") == 0
    assert apart(tmp_path / "none.png", tmp_path / "bare.png") == 0
    assert apart(tmp_path / "full.png", tmp_path / "bare.png") > 8
    assert apart(tmp_path / "half.png", tmp_path / "bare.png") > 0
    assert apart(tmp_path / "half.png", tmp_path / "full.png") > 0


def test_another_lora_replaces_the_first(
    base: Base, make_lora: Callable[..., Path], lora_file: Path, tmp_path: Path
) -> None:
    other = resolve_lora(str(make_lora(tmp_path, seed=2, name="b.safetensors")))
    first = resolve_lora(str(lora_file))
    pipeline = load_pipeline(base, device="cpu")
    for name, lora in (("a1", first), ("b", other), ("a2", first)):
        draw(pipeline, [shot()], tmp_path, names=[name], base=base, loras=[WeightedLora(lora)])
    assert apart(tmp_path / "a1.png", tmp_path / "a2.png") == 0
    assert apart(tmp_path / "a1.png", tmp_path / "b.png") > 8


def test_batches_change_nothing(pipeline: Any, base: Base, tmp_path: Path) -> None:
    shots = [shot(seed=seed, prompt=prompt) for prompt in ("one", "two") for seed in (1, 2)]
    names = [str(number) for number in range(4)]
    draw(pipeline, shots, tmp_path / "single", names=names, base=base)
    draw(pipeline, shots, tmp_path / "batch", names=names, base=base, batch_size=3)
    for name in names:
        # the order of sums in a batched product may turn a value by one
        assert apart(tmp_path / f"single/{name}.png", tmp_path / f"batch/{name}.png") <= 1
    assert apart(tmp_path / "single/0.png", tmp_path / "single/1.png") > 8


def test_as_many_are_drawn_at_once_as_memory_has_room_for(
    pipeline: Any, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 10**12
    monkeypatch.setattr(at_once, "memory_left", lambda device: free)

    def fitting(count: int, **changes: Any) -> int:
        return as_many_as_fit(pipeline, base, [shot(seed=n, **changes) for n in range(count)])

    assert (fitting(1), fitting(3), fitting(40)) == (1, 3, 8)
    assert fitting(40, width=512, height=512) == 2, "a CPU is busy with that"
    one = at_once._reckoned(base, torch.float32, (64, 64))
    assert one is not None
    free = at_once.held(5 * one[0])
    assert fitting(40) == 5
    free = 0
    assert fitting(40) == 1, "one is always tried"


def test_a_batch_that_does_not_fit_is_drawn_in_halves(
    pipeline: Any, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, told, steps = [], [], []
    right = PipelineSession.call

    def call(self: PipelineSession, shots: list[Shot], stepped: Any) -> Any:
        if len(shots) > 2:
            stepped(None, 0, None, {})
            raise torch.OutOfMemoryError("CUDA out of memory")
        drawn.append([one.seed for one in shots])
        return right(self, shots, stepped)

    monkeypatch.setattr(PipelineSession, "call", call)
    shots = [shot(seed=seed) for seed in range(5)]
    records = draw(
        pipeline, shots, tmp_path, names=list("abcde"), base=base, batch_size=5, note=told.append,
        on_step=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    assert drawn == [[0, 1], [2, 3], [4]]
    assert [record.seed for record in records] == list(range(5))
    assert told == ["5 pictures at once did not fit into memory: from here on 2 at once."]
    assert steps[-1] == (10, 10)


@pytest.mark.parametrize(
    ("weights", "strengths", "dtype", "fused"),
    [
        ([1.0], [1.0, 1.0], "float32", True),
        ([1.0], [1.0, 0.5], "float32", False),
        ([1.0, 0.5], [1.0], "float32", False),
        ([1.0], [0.0], "float32", False),
        ([1.0], [1.0], "bfloat16", False),
        ([], [1.0], "float32", False),
    ],
)
def test_one_lora_at_one_weight_is_fused(
    lora_file: Path, weights: list[float], strengths: list[float], dtype: str, fused: bool
) -> None:
    loras = [WeightedLora(resolve_lora(str(lora_file)), weight) for weight in weights]
    shots = [shot(lora_weight=strength) for strength in strengths]
    assert at_once.fuses_unasked(loras, shots, dtype) is fused


@pytest.mark.parametrize("name", ["euler_a", "dpmpp_2m_sde", "dpmpp_sde", "lcm", "ddpm"])
def test_noise_on_the_way_is_a_pictures_own(
    pipeline: Any, base: Base, tmp_path: Path, name: str
) -> None:
    if name == "dpmpp_sde":
        pytest.importorskip("torchsde")
    shots = [shot(seed=seed, scheduler=name, steps=3) for seed in (1, 2)]
    draw(pipeline, shots, tmp_path / "batch", names=["1", "2"], base=base, batch_size=2)
    draw(pipeline, shots[1:], tmp_path / "single", names=["2"], base=base)
    assert apart(tmp_path / "single/2.png", tmp_path / "batch/2.png") <= 1
    assert apart(tmp_path / "batch/1.png", tmp_path / "batch/2.png") > 8


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["default", "euler_a", "dpmpp_2m_sde", "dpmpp_sde", "ddpm"])
def test_noise_is_the_same_in_every_precision(
    pipeline: Any, base: Base, tmp_path: Path, dtype: str, name: str
) -> None:
    if name == "dpmpp_sde":
        pytest.importorskip("torchsde")
    half = load_pipeline(base, device="cpu", dtype=dtype)
    wanted = [shot(scheduler=name, steps=3)]
    draw(pipeline, wanted, tmp_path, names=["whole"], base=base)
    draw(half, wanted, tmp_path, names=["half"], base=base)
    far = np.abs(pixels(tmp_path / "whole.png") - pixels(tmp_path / "half.png")).mean()
    assert far < 6  # other noise makes it 20 and more

    def start(pipeline: Any, dtype: torch.dtype) -> Any:
        noise = [torch.Generator("cpu").manual_seed(seed) for seed in (1, 2)]
        with same_noise(pipeline):
            return pipeline.prepare_latents(2, 4, 64, 64, dtype, torch.device("cpu"), noise)

    kind = getattr(torch, dtype)
    assert torch.equal(start(pipeline, torch.float32).to(kind), start(half, kind))
    assert "prepare_latents" not in vars(half)
    assert "step" not in vars(half.scheduler)


@pytest.mark.slow
def test_stock_diffusers_in_another_process_draws_the_same(
    pipeline: Any, base: Base, lora_file: Path, tmp_path: Path
) -> None:
    lora = resolve_lora(str(lora_file))
    draw(pipeline, [shot()], tmp_path, names=["ours"], base=base, loras=[WeightedLora(lora)])
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from diffusers import DiffusionPipeline\n"
        "pipe = DiffusionPipeline.from_pretrained(sys.argv[1])\n"
        "pipe.load_lora_weights(sys.argv[2])\n"
        "noise = torch.Generator('cpu').manual_seed(7)\n"
        "pipe('a red hat', num_inference_steps=2, width=64, height=64, generator=noise)"
        ".images[0].save(sys.argv[3])\n"
    )
    stock = tmp_path / "stock.png"
    arguments = [base.path_or_id, str(lora_file.parent), str(stock)]
    done = forkserver.call(*arguments, code=code)
    assert done.returncode == 0, done.stderr
    assert apart(tmp_path / "ours.png", stock) == 0


def test_drawing_leaves_the_pipeline_and_chance_alone(
    pipeline: Any, base: Base, tmp_path: Path
) -> None:
    scheduler = pipeline.scheduler
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    pipeline.unet.train()
    try:
        draw(pipeline, [shot(scheduler="euler_a")], tmp_path, names=["x"], base=base)
        assert pipeline.unet.training
    finally:
        pipeline.unet.eval()
    assert pipeline.scheduler is scheduler
    assert torch.equal(before, torch.random.get_rng_state())


def test_what_is_there_is_kept_until_something_changes(
    pipeline: Any, base: Base, tmp_path: Path
) -> None:
    def drawn(**changes: Any) -> bool:
        seen: list[bool] = []
        draw(
            pipeline,
            [shot(**changes)],
            tmp_path,
            names=["x"],
            base=base,
            on_picture=lambda _record, drawn: seen.append(drawn),
        )
        return seen == [True]

    assert drawn()
    assert not drawn()
    assert drawn(guidance=2.0)
    assert drawn()
    (tmp_path / "x.png").unlink()
    assert drawn()
    (tmp_path / "x.json").unlink()
    assert drawn()
    content = json.loads((tmp_path / "x.json").read_text())
    mine = json.dumps(content | {"seed": 8}, indent=2)
    (tmp_path / "x.json").write_text(mine)
    with pytest.raises(HubtoolsError, match="not written over"):
        drawn()
    assert (tmp_path / "x.json").read_text() == mine
    del content[JSON_SUM]  # of an earlier version
    (tmp_path / "x.json").write_text(json.dumps(content | {"seed": 8}))
    assert drawn()


def test_a_picture_of_other_words_keeps_its_name(pipeline: Any, base: Base, tmp_path: Path) -> None:
    def drawn(prompt: str) -> tuple[str, bool]:
        seen: list[bool] = []
        (record,) = draw(
            pipeline, [shot(prompt=prompt)], tmp_path, names=["x"], base=base, apart=True,
            on_picture=lambda _record, drawn: seen.append(drawn),
        )  # fmt: skip
        return record.file, seen == [True]

    assert drawn("a hat") == ("x.png", True)
    first = (tmp_path / "x.png").read_bytes()
    assert drawn("a coat") == ("x_2.png", True)
    assert drawn("a shoe") == ("x_3.png", True)
    assert drawn("a coat") == ("x_2.png", False)
    assert drawn("a hat") == ("x.png", False)
    assert (tmp_path / "x.png").read_bytes() == first
    (tmp_path / "x.json").unlink()  # the picture carries it too
    assert drawn("a glove") == ("x_4.png", True)
    assert drawn("a hat") == ("x.png", True)
    (tmp_path / "x.png").write_bytes(b"a person's own")
    (tmp_path / "x.json").unlink()
    with pytest.raises(HubtoolsError, match=r"x\.png"):
        drawn("a hat")


def test_progress_reaches_its_end_and_only_that(pipeline: Any, base: Base, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    shots = [shot(seed=1), shot(seed=2), shot(seed=3, scheduler="heun")]
    draw(
        pipeline,
        shots,
        tmp_path,
        names=["a", "b", "c"],
        base=base,
        batch_size=2,
        on_step=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1] == (6, 6)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_what_is_drawn_is_written_and_told_whatever_comes_next(
    pipeline: Any, base: Base, tmp_path: Path
) -> None:
    told: list[str] = []

    def stepped(done: int, total: int) -> None:
        if done == 5:  # in the third picture, of two steps each
            raise KeyboardInterrupt

    shots, names = [shot(seed=seed) for seed in range(4)], ["a", "b", "c", "d"]

    def drawn(folder: Path, **options: Any) -> list[Any]:
        return draw(
            pipeline, shots, folder, names=names, base=base,
            on_picture=lambda record, _: told.append(record.file), **options,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        drawn(tmp_path / "stopped", on_step=stepped)
    assert told == ["a.png", "b.png"]
    assert sorted(path.name for path in (tmp_path / "stopped").iterdir()) == [
        "a.json", "a.png", "b.json", "b.png",
    ]  # fmt: skip
    told.clear()
    assert [record.file for record in drawn(tmp_path / "stopped")] == ["a.png", "b.png", *told[2:]]
    assert told == ["a.png", "b.png", "c.png", "d.png"]

    (tmp_path / "bad" / "b.png" / "x").mkdir(parents=True)  # no file can take its place
    told.clear()
    with pytest.raises(HubtoolsError, match=r"b\.png"):
        drawn(tmp_path / "bad")
    assert told == []  # nothing is drawn before all places are known to be free


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_base_gets_a_sentence(tiny_base: Path, tmp_path: Path, damage: str) -> None:
    import shutil

    from hubtools.models.base import resolve_base

    copy = tmp_path / "base"
    shutil.copytree(tiny_base, copy)
    weights = next((copy / "unet").glob("*.safetensors"))
    if damage == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(HubtoolsError, match="could not be loaded"):
        load_pipeline(resolve_base(str(copy)), device="cpu")


def test_a_size_no_pipeline_can_draw() -> None:
    from hubtools.inference.shots import prompts_of, shots_of
    from hubtools.settings import SampleSettings

    with pytest.raises(UsageError, match="multiple of 8"):
        shots_of(SampleSettings(), ["a"], 100)
    shots, names = shots_of(SampleSettings(seed=4), ["a", "b"], 64, images=2)
    assert names == ["p00_s4", "p00_s5", "p01_s4", "p01_s5"]
    assert [shot.prompt for shot in shots] == ["a", "a", "b", "b"]
    assert prompts_of(SampleSettings(), ["a", "a", "b", "c", "d"]) == ["a", "c"]
    assert prompts_of(SampleSettings(), ["a", "a"]) == ["a"]
    assert prompts_of(SampleSettings(prompts=["x"]), ["a"]) == ["x"]
