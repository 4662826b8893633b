"""The optimizers to choose from: each goes on bit for bit, and remembers as much as is told."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError, UsageError  # noqa: E402
from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training import optimizer_kinds  # noqa: E402
from hubtools.training.averages import Average, averaged, decay_after  # noqa: E402
from hubtools.training.checkpoints import load_newest, restore, save_state  # noqa: E402
from hubtools.training.found_states import StateFacts  # noqa: E402
from hubtools.training.optimizer_kinds import (  # noqa: E402
    KINDS,
    bytes_remembered,
    check_optimizer,
    refuse_pairs,
)
from hubtools.training.optimizers import (  # noqa: E402
    PEAK,
    make_optimizer,
    memory_of,
    not_found,
    rate_in_use,
)
from hubtools.training.recipe import make_recipe  # noqa: E402

HAVE = [
    pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"no {kind.package}"))
    for name, kind in KINDS.items()
    for missing in [kind.package is not None and not importlib.util.find_spec(kind.package)]
]
# A matrix that begins at zero, as half of a LoRA does; one large enough for 8 bits; a convolution;
# lengths of vectors.
SHAPES = {
    "a.lora_A": (4, 6), "a.lora_B": (5, 4), "b.lora_A": (64, 64), "c.lora_A": (4, 3, 3, 3),
    "d.lora_magnitude_vector": (7,),
}  # fmt: skip


class Bench:
    """A LoRA that follows gradients of its own."""

    def __init__(self, **settings: Any) -> None:
        self.settings = TrainSettings.model_validate({"max_train_steps": 20, **settings})
        recipe = make_recipe(
            self.settings, resolution=64, images=5, world_size=1, precision="no",
            prediction_type="epsilon",
        )  # fmt: skip
        self.recipe, self.done = recipe, 0
        generator = torch.Generator().manual_seed(3)
        self.parameters = {
            name: torch.nn.Parameter(
                torch.zeros(shape) if "_B" in name else torch.randn(shape, generator=generator)
            )
            for name, shape in SHAPES.items()
        }
        every = list(self.parameters.values())
        texts = every[-2:] if self.settings.train_text_encoder else []
        self.optimizer = make_optimizer(recipe, every[: len(every) - len(texts)], texts)
        self.average = (
            Average(self.parameters, recipe.ema_decay) if recipe.ema_decay is not None else None
        )

    def learn(self, steps: int) -> None:
        for _ in range(steps):
            generator = torch.Generator().manual_seed(self.done)
            for group in self.optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate_at(self.done, group.get(PEAK))
            for parameter in self.parameters.values():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.grad = parameter.detach() - 0.5 + 0.1 * noise
            self.optimizer.step()
            self.done += 1
            if self.average is not None:
                self.average.update(self.done)

    def published(self) -> dict[str, Any]:
        with averaged(self.parameters, self.optimizer, self.average):
            return {name: one.detach().clone() for name, one in self.parameters.items()}

    def save(self, run: Path) -> None:
        facts = StateFacts(step=self.done, fingerprint="f", threads=1, files={})
        save_state(run, facts, self.parameters, self.optimizer, 2, self.average)

    def resume(self, run: Path) -> None:
        state = load_newest(run, "f", pytest.fail)
        assert state is not None
        restore(state, self.parameters, self.optimizer, self.average)
        self.done = state.facts.step


@pytest.mark.parametrize("name", HAVE)
@pytest.mark.parametrize("average", [False, True])
def test_every_optimizer_goes_on_bit_for_bit(tmp_path: Path, name: str, average: bool) -> None:
    settings = {"optimizer": name, "use_ema": average and name != "schedule-free"}
    settings["train_text_encoder"] = average  # as a group of its own
    straight, stopped, fresh = Bench(**settings), Bench(**settings), Bench(**settings)
    straight.learn(9)
    stopped.learn(4)
    stopped.published()  # what is drawn on the way changes nothing
    stopped.save(tmp_path)
    fresh.resume(tmp_path)
    fresh.learn(5)
    for key, parameter in straight.parameters.items():
        assert torch.equal(parameter, fresh.parameters[key]), key
    assert (
        memory_of(straight.optimizer, straight.parameters)[1]
        == memory_of(fresh.optimizer, fresh.parameters)[1]
    )
    ours, theirs = straight.published(), fresh.published()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    averages = settings["use_ema"] or name == "schedule-free"
    same = [torch.equal(ours[key], straight.parameters[key]) for key in ours]
    assert not any(same) if averages else all(same)


@pytest.mark.parametrize("name", HAVE)
def test_text_encoders_learn_at_their_own_rate(name: str) -> None:
    """A tenth of the other's, but for Prodigy, which has one for all; without weight decay."""
    rates = {} if name == "prodigy" else {"learning_rate": 1e-2, "text_encoder_lr": 1e-3}
    bench = Bench(
        optimizer=name, train_text_encoder=True, adam_weight_decay_text_encoder=0.0,
        lr_warmup_steps=0, **rates,
    )  # fmt: skip
    peaks = [group.get(PEAK) for group in bench.optimizer.param_groups]
    assert {one for one in peaks if one is not None} == {rates.get("text_encoder_lr", 1.0)}
    begun = bench.published()
    bench.learn(1)
    moved = [float((one - begun[k]).detach().abs().mean()) for k, one in bench.parameters.items()]
    assert min(moved) > 0
    if name in ("adamw", "schedule-free"):  # the one begins at zero, and decays nowhere
        assert moved[3] == pytest.approx(0.1 * moved[1], rel=0.05)
    if name == "muon":  # its AdamW for what is no matrix
        assert moved[3] == pytest.approx(0.2 * 1e-3, rel=0.05)
    decays = {group["weight_decay"] for group in bench.optimizer.param_groups}
    assert decays == {0.01, 0.0}


@pytest.mark.parametrize("name", HAVE)
def test_every_optimizer_learns_at_its_own_rate(name: str) -> None:
    """From the settings' defaults alone; the matrix that begins at zero leaves it."""
    bench = Bench(optimizer=name, max_train_steps=100)
    begun = bench.published()
    bench.learn(100)
    for key, value in bench.published().items():
        before, after = (float((one - 0.5).abs().mean()) for one in (begun[key], value))
        assert after < before, key
    if name not in ("prodigy", "schedule-free"):  # AdamW's rate: 1e-4 a step, down a cosine
        moved = float((bench.published()["a.lora_B"] - begun["a.lora_B"]).abs().mean())
        assert 0.0003 < moved < 0.01


@pytest.mark.parametrize("name", HAVE)
@pytest.mark.parametrize("average", [False, True])
def test_what_is_remembered_is_what_is_told(name: str, average: bool) -> None:
    bench = Bench(optimizer=name, use_ema=average and name != "schedule-free")
    bench.learn(2)
    tensors, _ = memory_of(bench.optimizer, bench.parameters)
    found = sum(tensor.nbytes for tensor in tensors.values() if tensor.numel() > 1)
    if bench.average is not None:
        found += sum(tensor.nbytes for tensor in bench.average.tensors.values())
    told = bytes_remembered(bench.settings, SHAPES.values())
    zeros = 4 * 5 * 4 if name == "prodigy" else 0  # begins at zero: nothing to remember
    assert told == found + zeros
    most = max(sum(key.endswith(f"/{one}") for key in tensors) for one in SHAPES)
    assert most <= KINDS[name].tensors


@pytest.mark.parametrize("name", HAVE)
def test_a_state_of_another_optimizer_does_not_fit(tmp_path: Path, name: str) -> None:
    stopped = Bench(optimizer=name)
    stopped.learn(1)
    stopped.save(tmp_path)
    other = "muon" if name != "muon" else "adamw"
    with pytest.raises(HubtoolsError, match="its optimizer has other layers"):
        Bench(optimizer=other).resume(tmp_path)
    if name != "schedule-free":
        with pytest.raises(HubtoolsError, match="its average has other layers"):
            Bench(optimizer=name, use_ema=True).resume(tmp_path)


def test_the_average_of_another_run_does_not_fit(tmp_path: Path) -> None:
    stopped = Bench(use_ema=True)
    stopped.learn(1)
    stopped.save(tmp_path)
    with pytest.raises(HubtoolsError, match="its optimizer has other layers"):
        Bench().resume(tmp_path)


def test_the_average_is_that_of_diffusers() -> None:
    from diffusers.training_utils import EMAModel

    bench = Bench(use_ema=True, ema_decay=0.5)
    theirs = EMAModel(bench.parameters.values(), decay=0.5)
    for _ in range(9):
        bench.learn(1)
        theirs.step(bench.parameters.values())
    assert bench.average is not None
    for ours, other in zip(bench.average.tensors.values(), theirs.shadow_params, strict=True):
        torch.testing.assert_close(ours, other)
    assert decay_after(1, 0.5) == 0
    assert decay_after(10**9, 0.9) == 0.9


def test_what_is_trained_comes_back_after_an_error() -> None:
    bench = Bench(use_ema=True)
    bench.learn(3)
    before = {name: one.detach().clone() for name, one in bench.parameters.items()}
    with (
        pytest.raises(KeyError),
        averaged(bench.parameters, bench.optimizer, bench.average),
    ):
        raise KeyError
    assert all(torch.equal(before[name], one) for name, one in bench.parameters.items())


def test_the_rate_that_is_told_is_the_one_in_use() -> None:
    bench = Bench(optimizer="prodigy", max_train_steps=60)
    bench.learn(50)
    assert not_found(bench.optimizer) is None
    assert not_found(Bench().optimizer) is None
    assert "found no step size yet (it is at 1e-06)" in str(
        not_found(Bench(optimizer="prodigy").optimizer)
    )
    found = rate_in_use(bench.optimizer, 0.5)
    assert found == 0.5 * bench.optimizer.param_groups[0]["d"]
    assert 1e-6 < found < 1  # it begins at half of 1e-6
    assert rate_in_use(Bench(optimizer="adafactor").optimizer, 0.5) == 0.5


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    Bench(optimizer="prodigy").learn(1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"prodigy_d_coef": 2}, "prodigy_d_coef is of the optimizer prodigy"),
        ({"optimizer": "muon", "prodigy_decouple": False}, "but optimizer is muon"),
        ({"optimizer": "adafactor", "adam_beta1": 0.8}, "adam_beta1 is of AdamW and its kin"),
        ({"optimizer": "schedule-free", "lr_scheduler": "cosine"}, "averages the steps instead"),
        ({"optimizer": "schedule-free", "use_ema": True}, "does so already"),
        ({"optimizer": "schedule-free", "adam_beta1": 0}, "0 is neither"),
        ({"ema_decay": 0.9}, "use_ema is off"),
        ({"lr_scheduler": "piecewise_constant"}, "needs to know when"),
        ({"lr_step_rules": "1:5,0.1"}, "but lr_scheduler is cosine"),
    ],
)
def test_what_contradicts_itself_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told) as raised:
        refuse_pairs(TrainSettings.model_validate(settings))
    assert raised.value.hint


@pytest.mark.parametrize("name", KINDS)
def test_what_every_optimizer_takes_is_taken(name: str) -> None:
    refuse_pairs(TrainSettings.model_validate({"optimizer": name, "adam_weight_decay": 0}))


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_kinds, "missing_modules", lambda extra: [
        kind.package for kind in KINDS.values() if kind.extra == extra
    ])  # fmt: skip
    monkeypatch.setattr(optimizer_kinds, "version", lambda name: "2.4.1+cu121")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("prodigy", r"hf-hubtools\[optimizers\]"),
        ("schedule-free", r"hf-hubtools\[optimizers\]"),
        ("adamw-8bit", r"hf-hubtools\[bitsandbytes\]"),
        ("muon", "upgrade torch"),
        ("adafactor", "upgrade torch"),
    ],
)
@pytest.mark.usefixtures("nothing_installed")
def test_what_is_missing_is_told_with_what_brings_it(name: str, what: str) -> None:
    with pytest.raises(UsageError, match=f"--optimizer {name} needs ") as raised:
        check_optimizer(TrainSettings.model_validate({"optimizer": name}))
    assert re.search(f"pip install .*{what}", str(raised.value.hint))
    check_optimizer(TrainSettings())
