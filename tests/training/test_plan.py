"""The plan's arithmetic and its rules, each with a bad and a good case."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubtools.cli.train import command as train_command
from hubtools.dataset.examples import Example
from hubtools.dataset.text.tokens import TokenCounter
from hubtools.findings import Severity
from hubtools.models.device import Processor
from hubtools.models.families.protocol import BaseInfo
from hubtools.progress import duration
from hubtools.settings import DatasetSettings, SampleSettings, TrainSettings
from hubtools.training.buckets import Buckets
from hubtools.training.describe import describe, figures
from hubtools.training.memory import Memory
from hubtools.training.pace import Pace, card_of, keep_pace, pace_of
from hubtools.training.plan import TrainPlan
from hubtools.training.recipe import make_recipe
from hubtools.training.rules import TRAIN_RULES, judge


def plan(
    *,
    images: int = 21,
    size: tuple[int, int] = (800, 900),
    processes: int = 1,
    caption: str = "photo of tok, front view",
    samples: dict[str, Any] | None = None,
    trigger: str | None = None,
    buckets: Buckets | None = None,
    **settings: Any,
) -> TrainPlan:
    examples = [
        Example(Path(f"/d/{n}.png"), f"{caption} {n}", f"{n}.png", n + 1) for n in range(images)
    ]
    train = TrainSettings.model_validate({"max_train_steps": 1000} | settings)
    chosen = SampleSettings.model_validate(samples or {})
    return TrainPlan(
        recipe=make_recipe(
            train,
            resolution=train.resolution or 512,
            images=images,
            world_size=processes,
            precision="no",
            prediction_type=train.prediction_type or "epsilon",
            buckets=buckets,
        ),
        base=BaseInfo("stable-diffusion", "epsilon", 512, 8, 77, 32, 77 * 1024 * 4),
        base_name="owner/base",
        base_prediction_type="epsilon",
        dataset=DatasetSettings(trigger=trigger),
        samples=chosen,
        examples=examples,
        sizes=[size] * images,
        prompts=chosen.prompts or [examples[0].caption],
        device="cpu",
        run_dir=Path("/runs/x"),
        lora_parameters=800_000,
        optimizer_bytes=6_400_000,
        bytes_free=10**12,
        counter=TokenCounter(lambda text: len(text.split()), True, "words"),
    )


GB = 10**9


def found(plan: TrainPlan) -> set[str]:
    return {finding.rule for finding in judge(plan).findings}


def test_a_usual_plan_has_nothing_to_say() -> None:
    assert judge(plan()).findings == ()


def test_the_arithmetic_is_told() -> None:
    text = "\n".join(describe(plan(max_train_steps=None, num_train_epochs=1000)))
    assert (
        "21 images x 1 repeat / (batch 1 x accumulation 1 x processes 1) = 21 steps an epoch;"
        " 1,000 epochs = 21,000 steps" in text
    )
    text = "\n".join(describe(plan(images=1, repeats=2, train_batch_size=2, max_train_steps=3)))
    assert "1 image x 2 repeats / (batch 2 x accumulation 1 x processes 1) = 1 step an" in text


def test_the_lora_and_what_is_learned_are_told() -> None:
    told = {line.split(":")[0]: " ".join(line.split()) for line in describe(plan())}
    assert told["LoRA"] == "LoRA: rank 16, alpha 16, 800,000 parameters in float32 (3.20 MB)"
    assert "latents and captions cached" in told["pictures"]
    more = plan(use_dora=True, snr_gamma=0, lora_alpha=8, random_flip=True, center_crop=False)
    told = {line.split(":")[0]: " ".join(line.split()) for line in describe(more)}
    assert "rank 16, alpha 8, " in told["LoRA"]
    assert told["LoRA"].endswith("; DoRA, with a magnitude for each output")
    assert told["loss"] == "loss: all timesteps count the same"
    assert "random but fixed crop" in told["pictures"]


def test_the_plan_tells_what_will_lie_on_disk() -> None:
    text = "\n".join(describe(plan(checkpointing_steps=100, validation_steps=250)))
    assert "every 100 steps and on Ctrl-C, 2 kept (19.2 MB)" in text
    assert "every 250 steps, 4 in all (12.8 MB)" in text
    assert "1 every 250 steps and before the first, 5 in all, 30 denoising steps each" in text
    assert "none" in "\n".join(describe(plan(validation_steps=0)))
    assert "10 minutes" in "\n".join(describe(plan()))
    assert "after step 40; 960 are left" in "\n".join(describe(replace(plan(), resumes_at=40)))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "optimizer: AdamW, betas 0.9 and 0.999, weight decay 0.01; it remembers 8 bytes a"),
        ({"optimizer": "prodigy"}, "learning rate: 1 times what Prodigy finds, then cosine to 0"),
        (
            {"optimizer": "adafactor"},
            "optimizer: Adafactor (steps as long as the learning rate), weight",
        ),
        (
            {"optimizer": "schedule-free"},
            "learning rate: up to 0.0003 in 50 steps, then constant",
        ),
        ({"optimizer": "schedule-free"}, "the LoRA are the average of its steps"),
        ({"use_ema": True}, "the moving average of the steps, decay 0 at first and 0.9911 at the"),
        (
            {"lr_scheduler": "piecewise_constant", "lr_step_rules": "1:500,0.1"},
            "learning rate: 0.0001, times 1 before step 500, then times 0.1",
        ),
    ],
)
def test_the_optimizer_is_told(settings: dict[str, Any], told: str) -> None:
    lines = "\n".join(" ".join(line.split()) for line in describe(plan(**settings)))
    assert told in lines


def test_how_errors_count_is_told() -> None:
    usual = {line.split(":")[0]: line for line in describe(plan(snr_gamma=5))}
    assert usual["loss"].endswith("min-SNR 5: the base predicts epsilon")
    more = plan(
        debiased_estimation_loss=True, loss_type="huber", huber_schedule="snr", huber_c=0.1,
        multires_noise_iterations=6, input_perturbation=0.05,
    )  # fmt: skip
    assert (
        "debiased estimation: the base predicts epsilon, huber (snr, 0.1), noise of up to 6 sizes,"
        " input perturbation 0.05" in "\n".join(describe(more))
    )


def test_what_the_base_is_kept_to_is_told() -> None:
    kept = plan(with_prior_preservation=True, trigger="tok", prior_loss_weight=0.5)
    assert "'photo of person, front view 0', weight 0.5" in "\n".join(describe(kept))
    assert "prior:" not in "\n".join(describe(plan(trigger="tok")))


def test_the_trigger_may_not_be_in_the_class_prompt() -> None:
    wrong = plan(with_prior_preservation=True, trigger="tok", class_prompt="photo of tok")
    assert "T117" in found(wrong)


# A base of 5 GB, of which a step keeps 8 more.
MEMORY = Memory(5 * GB, GB // 2, 8 * GB, 3 * GB, 2 * GB, 9 * GB, 10**13)


def on_gpu(free: int, **settings: Any) -> TrainPlan:
    return replace(plan(**settings), memory=MEMORY, memory_free=free, device="cuda")


def shapes(*counts: int) -> Buckets:
    """So many pictures of each of so many shapes."""
    of = tuple(bucket for bucket, count in enumerate(counts) for _ in range(count))
    return Buckets(of, tuple((512 + 64 * bucket, 448) for bucket in range(len(counts))))


PAIR = [Example(Path("/d/a.png"), "a tok", "a.png", 1, controls=(Path("/d/b.png"),))]
BAD: dict[str, TrainPlan] = {
    "T101": plan(checkpointing_steps=5000),
    "T102": plan(images=6, train_batch_size=4, gradient_accumulation_steps=2),
    "T103": plan(size=(400, 900)),
    "T104": plan(resolution=768, size=(900, 900)),
    "T105": plan(num_train_epochs=10),
    "T106": plan(random_flip=True, caption="photo of tok, Left profile"),
    "T107": plan(learning_rate=1e-3, scale_lr=True, train_batch_size=4),
    "T108": replace(plan(), bytes_free=1_000_000),
    "T109": plan(resolution=516),
    "T110": plan(lr_scheduler="constant", lr_warmup_steps=100),
    "T111": plan(max_train_steps=21_000),
    "T112": replace(plan(), base_prediction_type="v_prediction"),
    "T113": plan(rank=4, lora_alpha=128),
    "T114": plan(trigger="tok", samples={"prompts": ["a dog"]}),
    "T115": plan(images=3),
    "T116": plan(samples={"size": 500}),
    "T117": plan(with_prior_preservation=True),
    "T118": plan(caption="a long word " * 26),
    "T120": on_gpu(14 * GB),
    "T119": replace(plan(), base_name="stabilityai/sd-turbo"),
    "T121": replace(plan(caption_dropout=0.1), base=replace(plan().base, guided=False)),
    "T122": plan(images=8, train_batch_size=4, buckets=shapes(4, 1, 1, 1, 1)),
    "T123": replace(plan(), examples=PAIR),
    "T130": plan(report_to=["trackio"]),
    "T124": plan(optimizer="prodigy", learning_rate=1e-4),
}
GOOD: dict[str, list[TrainPlan]] = {
    "T101": [plan(checkpointing_steps=1000), plan(max_train_steps=10)],
    "T102": [plan(images=8, train_batch_size=4, gradient_accumulation_steps=2)],
    "T103": [plan(size=(512, 900))],
    "T104": [plan(resolution=512)],
    "T105": [plan(max_train_steps=None, num_train_epochs=10)],
    "T106": [
        plan(random_flip=True, caption="photo of tok, bright light"),
        plan(caption="tok, left profile"),
    ],
    "T124": [plan(), plan(optimizer="prodigy"), plan(learning_rate=1e-4)],
    "T107": [
        plan(optimizer="prodigy"),
        plan(learning_rate=1e-3),
        plan(learning_rate=1e-3, train_batch_size=4),
    ],
    "T108": [plan()],
    "T109": [plan(resolution=520)],
    "T110": [plan(lr_scheduler="constant", lr_warmup_steps=0), plan(lr_warmup_steps=100)],
    "T111": [plan(max_train_steps=2000)],
    "T112": [plan()],
    "T113": [plan(rank=16, lora_alpha=32)],
    "T114": [
        plan(trigger="tok", samples={"prompts": ["a dog", "tok as a dog"]}),
        plan(samples={"prompts": ["a dog"]}),
    ],
    "T115": [plan(images=5)],
    "T118": [
        plan(caption="a long word " * 24),
        replace(plan(caption="a long word " * 40), counter=None),
    ],
    "T117": [
        plan(with_prior_preservation=True, trigger="tok"),
        plan(with_prior_preservation=True, class_prompt="photo of a person"),
    ],
    "T120": [on_gpu(16 * GB), plan(), replace(on_gpu(GB), memory_free=None)],
    "T119": [plan(), replace(plan(), base_name="me/sd-turbot")],
    "T121": [
        plan(caption_dropout=0.1),
        replace(plan(caption_dropout=0), base=replace(plan().base, guided=False)),
    ],
    "T122": [
        plan(images=8, train_batch_size=1, buckets=shapes(4, 1, 1, 1, 1)),
        plan(images=8, train_batch_size=4, buckets=shapes(4, 4)),
        plan(images=3, train_batch_size=4),
    ],
    "T123": [plan(), replace(plan(), examples=PAIR, base=replace(plan().base, controls=(0, 1)))],
    "T130": [plan(report_to=["tensorboard"]), plan(report_to=["none"]), plan()],
    "T116": [plan(samples={"size": 504}), plan(samples={"size": 500}, validation_steps=0)],
}


@pytest.mark.parametrize(("prediction", "told"), [("flow", 1), ("epsilon", 0)])
def test_a_prompt_of_samples_that_is_cut_off_is_found(prediction: str, told: int) -> None:
    """Where no windows of CLIP read all of it."""
    given = plan(samples={"prompts": ["a hat", "a long word " * 26]})
    recipe = replace(given.recipe, prediction_type=prediction)
    found = [f for f in judge(replace(given, recipe=recipe)).findings if f.rule == "T118"]
    assert len(found) == told
    assert all("what follows is not read" in f.message for f in found)


@pytest.mark.parametrize("rule", sorted(BAD))
def test_a_bad_plan_is_found(rule: str) -> None:
    findings = [f for f in judge(BAD[rule]).findings if f.rule == rule]
    assert len(findings) == 1
    assert findings[0].fix
    assert findings[0].message.endswith(".")


@pytest.mark.parametrize("rule", sorted(GOOD))
def test_a_good_plan_is_left_alone(rule: str) -> None:
    for good in GOOD[rule]:
        assert rule not in found(good)


def test_every_rule_has_both_cases() -> None:
    ids = {rule.id for rule in TRAIN_RULES}
    assert ids == set(BAD) == set(GOOD)


def test_only_what_cannot_work_stops_the_run() -> None:
    errors = {rule.id for rule in TRAIN_RULES if rule.severity is Severity.ERROR}
    assert errors == {"T108", "T109", "T117"}
    assert not judge(BAD["T109"]).ok
    assert judge(BAD["T107"]).ok
    assert not judge(BAD["T107"], strict=True).ok


def test_warm_up_as_long_as_the_run_is_found() -> None:
    assert "T110" in found(plan(max_train_steps=100, lr_warmup_steps=100))


def test_slight_enlargement_is_a_note_only() -> None:
    slight = [f for f in judge(plan(size=(500, 500))).findings if f.rule == "T103"]
    assert [f.severity for f in slight] == [Severity.INFO]


def test_the_fix_of_the_learning_rate_names_the_cause() -> None:
    fixes = [f.fix for f in judge(BAD["T107"]).findings if f.rule == "T107"]
    assert fixes == ["--no-scale-lr"]


@pytest.mark.parametrize(
    ("caption", "without"),
    [
        ("art at a party, apart from art", "person at a party, apart from person"),
        ("a party", "a party"),
        ("start, art.", "start, person."),
        ("art-deco and (art)", "art-deco and (person)"),
    ],
)
def test_the_trigger_is_replaced_as_a_word(caption: str, without: str) -> None:
    given = plan(trigger="art")
    assert given.prior_caption(caption) == without


def test_letters_within_a_word_are_no_trigger() -> None:
    assert "T114" in found(plan(trigger="art", samples={"prompts": ["a party"]}))
    kept = plan(with_prior_preservation=True, trigger="art", class_prompt="a party")
    assert "T117" not in found(kept)


def test_what_the_cache_takes_is_the_familys() -> None:
    usual = plan(images=10)
    wide = replace(usual, base=replace(usual.base, caption_bytes=8_400_000))
    assert wide.cache_bytes - usual.cache_bytes == 11 * (8_400_000 - 77 * 1024 * 4)
    deep = replace(usual, base=replace(usual.base, cell_bytes=128))
    assert deep.cache_bytes - usual.cache_bytes == 10 * 64 * 64 * (128 - 32)
    small = replace(wide, bytes_free=wide.bytes_needed + 50_000_000)
    (finding,) = [f for f in judge(small).findings if f.rule == "T108"]
    assert finding.severity is Severity.WARNING
    takes = replace(wide.base, controls=(0, 1))
    paired = [replace(one, controls=(Path(f"/d/c{n}.png"),)) for n, one in enumerate(wide.examples)]
    more = replace(wide, base=takes, examples=paired).cache_bytes - wide.cache_bytes
    assert more == 10 * ((1024 // takes.latent_factor) ** 2 * takes.cell_bytes + 2 * 256)
    assert "T108" not in found(replace(small, cache_bytes_free=10**12))
    assert "T108" in found(replace(wide, cache_bytes_free=1000))


TRAIN_OPTIONS = {
    name: str(option.name).split("__")[-1]
    for option in train_command.params
    for name in (*option.opts, *option.secondary_opts)
}


@pytest.mark.parametrize("rule", sorted(BAD))
def test_an_option_that_an_advice_names_is_one_of_train_and_helps(rule: str) -> None:
    bad = BAD[rule]
    (advice,) = (finding.fix or "" for finding in judge(bad).findings if finding.rule == rule)
    given: dict[str, Any] = {}
    for option, value in re.findall(r"(--[a-z-]+)(?: (\w+)\b)?", advice):
        name = TRAIN_OPTIONS[option]
        if option.startswith("--no-"):
            given[name] = False
        elif value.isdigit() or "_" in value:
            given[name] = value
    if not given:
        return
    if "size" in given:
        better = replace(bad, samples=SampleSettings(size=int(given["size"])))
    else:
        wanted = TrainSettings.model_validate(given)
        settings = bad.recipe.settings.model_copy(update={n: getattr(wanted, n) for n in given})
        recipe = make_recipe(
            settings,
            resolution=settings.resolution or bad.recipe.resolution,
            images=len(bad.examples),
            world_size=1,
            precision="no",
            prediction_type="epsilon",
        )
        better = replace(bad, recipe=recipe)
    assert rule not in found(better), advice


def fix_of(plan: TrainPlan) -> str:
    (finding,) = [f for f in judge(plan).findings if f.rule == "T120"]
    return str(finding.fix)


def test_what_to_do_about_memory_goes_by_what_takes_it() -> None:
    assert fix_of(on_gpu(14 * GB)) == "--gradient-checkpointing"
    saved = {"gradient_checkpointing": True}
    assert "accumulation-steps 8" in fix_of(
        on_gpu(14 * GB, train_batch_size=4, gradient_accumulation_steps=2, **saved)
    )
    assert "--mixed-precision" in fix_of(on_gpu(14 * GB, **saved))
    fix = fix_of(on_gpu(14 * GB, gradient_checkpointing_interval=3, **saved))
    assert fix == "--gradient-checkpointing-interval 1"
    drawn = replace(on_gpu(10 * GB), memory=replace(MEMORY, kept=0))
    assert "--validation-steps 0" in fix_of(drawn)
    encoded = replace(on_gpu(3 * GB), memory=replace(MEMORY, base=0, kept=0, samples=0))
    assert "larger" in fix_of(encoded)


@pytest.mark.parametrize(
    ("interval", "told"),
    [(1, "blocks are computed"), (2, "every 2nd block is"), (11, "11th"), (21, "21st")],
)
def test_what_a_pass_does_otherwise_is_told(interval: int, told: str) -> None:
    saved = {"gradient_checkpointing": True, "gradient_checkpointing_interval": interval}
    lines = {line.split(":")[0]: line for line in describe(on_gpu(16 * GB, **saved))}
    assert told in lines["computing"]
    assert "computing" not in {line.split(":")[0] for line in describe(on_gpu(16 * GB))}


def test_memory_and_work_are_told() -> None:
    lines = {line.split(":")[0]: line for line in describe(on_gpu(16 * GB))}
    assert "about 15.6 GB at most" in lines["memory"]
    assert "base 5.00 GB" in lines["memory"]
    assert lines["memory"].endswith("16.0 GB free")
    assert "10 TFLOP a step, 10 PFLOP in all" in lines["work"]
    assert "memory" not in {line.split(":")[0] for line in describe(plan())}


H100 = Processor("NVIDIA H100 80GB HBM3", 16)


@pytest.mark.parametrize(
    ("processor", "given", "step", "how"),
    [
        (H100, {"mixed_precision": "bf16"}, 0.0843, "by the data sheet of NVIDIA H100 80GB HBM3"),
        (H100, {}, 0.1685, "by the data sheet of NVIDIA H100 80GB HBM3"),
        (H100, {"allow_tf32": False}, 0.674, "by the data sheet of NVIDIA H100 80GB HBM3"),
        (Processor(None, 4), {}, 125.0, "a guess for 4 cores"),
        (Processor("Intel Arc A770", 4), {}, None, None),
        (None, {}, None, None),
    ],
)
def test_time_and_cost_are_told_before_the_first_step(
    processor: Processor | None,
    given: dict[str, Any],
    step: float | None,
    how: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path))  # nothing was measured here
    half = given.pop("mixed_precision", "no")
    made = replace(on_gpu(16 * GB, price_per_hour=3, **given), processor=processor)
    made = replace(made, recipe=replace(made.recipe, precision=half), resumes_at=400)
    lines = {line.split(":")[0]: " ".join(line.split()) for line in describe(made)}
    told = figures(made)
    if step is None or how is None:
        assert "told after the first steps" in lines["time"]
        assert "cost" not in lines
        assert (told["seconds"], told["seconds_are"], told["cost"]) == (None, None, None)
        return
    assert told["seconds_a_step"] == pytest.approx(step, abs=1e-4)
    # 600 steps are left, and a sample in 30 double forward passes takes 30 of them
    assert told["seconds"] == pytest.approx((600 + made.pictures * 30) * step, rel=1e-3)
    assert told["cost"] == pytest.approx(told["seconds"] / 1200, rel=1e-3)
    assert how in told["seconds_are"]
    assert f"for 600 steps and {made.pictures} samples" in lines["time"]
    assert told["seconds_are"] in lines["time"]
    assert lines["cost"].startswith(f"cost: roughly {told['cost']:.2f} at 3 an hour")
    free = replace(made, recipe=replace(made.recipe, settings=TrainSettings()))
    assert figures(free)["cost"] is None
    assert not [line for line in describe(free) if line.startswith("cost:")]


def test_time_is_told_as_it_was_measured_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path))
    made = replace(on_gpu(16 * GB, price_per_hour=3), processor=H100)
    keep_pace(made, 8, 0.4)
    keep_pace(made, 2, 0.5)  # the last one counts; of a GPU's cores nothing hangs
    (file,) = (tmp_path / "paces").iterdir()

    def pace(flops: float = 1.0, processor: Processor = H100, **settings: Any) -> Pace:
        asked = replace(on_gpu(16 * GB, **settings), processor=processor)
        found = pace_of(replace(asked, memory=replace(MEMORY, flops=int(MEMORY.flops * flops))))
        assert found is not None
        return found

    lines = {line.split(":")[0]: " ".join(line.split()) for line in describe(made)}
    whole = (1000 + made.pictures * 30) * 0.5
    assert re.search(r"0\.5 s a step: as measured here on \d{4}-\d\d-\d\d$", lines["time"])
    assert lines["time"].startswith(f"time: about {duration(whole)} for 1,000 steps and ")
    assert lines["cost"].startswith(f"cost: about {whole / 1200:.2f} at 3 an hour")
    assert figures(made)["seconds_measured"] is True
    assert pace(rank=64).measured  # the rank is in the work

    twice = pace(2.0)
    assert (twice.step, twice.measured) == (1.0, False)
    assert twice.how.startswith("by a step of 10 TFLOP that took 0.5 s here on 20")
    for other in (
        pace(20.0),
        pace(processor=H100._replace(gpu="NVIDIA L4")),
        pace(quantize="nf4"),
        pace(allow_tf32=False),
    ):
        assert other.how.startswith("a guess by the data sheet of NVIDIA ")
    for damaged in ("", "[", "{}", "[1]", '[["a", 1, 1, "2026-01-01"]]', '[[1, 1, 1, "then"]]'):
        file.write_text(damaged)
        assert "a guess" in pace().how
        keep_pace(made, 1, 0.25)
        assert pace().step == 0.25

    four, two = Processor(None, 4), Processor(None, 2)
    keep_pace(replace(made, processor=four), 4, 8.0)
    assert (pace(processor=four).step, pace(processor=four).measured) == (8.0, True)
    assert pace(processor=two).step == 16.0
    assert " that took 8 s here on 4 cores on 20" in pace(processor=two).how


def test_half_the_pictures_of_a_step_are_drawn_in_half_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path))
    made = replace(on_gpu(16 * GB, train_batch_size=2), processor=H100)
    found = figures(made)
    assert found["seconds"] == pytest.approx(
        (1000 + made.pictures * 15) * found["seconds_a_step"], rel=1e-3
    )


@pytest.mark.parametrize(
    ("gpu", "card"),
    [
        ("Tesla T4", "T4"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA H100 PCIe", "H100 PCIE"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", "RTX 4070 TI SUPER"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA GeForce RTX 3080 with Max-Q Design", None),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 ADA"),
        ("Quadro RTX 6000", None),
        ("mps", None),
    ],
)
def test_a_gpu_is_known_by_the_name_that_its_driver_gives(gpu: str, card: str | None) -> None:
    assert card_of(gpu) == card
