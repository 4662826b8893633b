"""States: whole or not there, the newest good one wins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.rooted import Root  # noqa: E402
from hubtools.training import checkpoints  # noqa: E402
from hubtools.training.checkpoints import load_newest, restore, save_state  # noqa: E402
from hubtools.training.found_states import (  # noqa: E402
    LORA,
    OPTIMIZER,
    StateFacts,
    newest_facts,
    states,
)


class Bench:
    """A parameter with an optimizer that has done a step."""

    def __init__(self, value: float) -> None:
        self.parameters = {"a.lora_A": torch.nn.Parameter(torch.full((2, 3), value))}
        self.optimizer: Any = torch.optim.AdamW(self.parameters.values(), lr=0.1, fused=True)
        self.learn()

    def learn(self) -> None:
        for parameter in self.parameters.values():
            parameter.grad = torch.arange(6.0).reshape(2, 3)
        self.optimizer.step()

    def save(self, run: Path, step: int, limit: int = 2, fingerprint: str = "f") -> None:
        facts = StateFacts(step=step, fingerprint=fingerprint, threads=1, files={})
        save_state(run, facts, self.parameters, self.optimizer, limit)


def names(run: Path) -> list[str]:
    return [path.name for path in states(run)]


def test_the_newest_are_kept(tmp_path: Path) -> None:
    bench = Bench(1.0)
    for step in (5, 10, 15, 1000000):
        bench.save(tmp_path, step)
    assert names(tmp_path) == ["step-000015", "step-1000000"]
    facts = newest_facts(tmp_path)
    assert facts is not None
    assert facts.step == 1000000


def test_what_is_restored_continues_bit_for_bit(tmp_path: Path) -> None:
    straight, stopped = Bench(1.0), Bench(1.0)
    stopped.save(tmp_path, 1)
    straight.learn()
    fresh = Bench(7.0)
    state = load_newest(tmp_path, "f", pytest.fail)
    assert state is not None
    restore(state, fresh.parameters, fresh.optimizer)
    fresh.learn()
    for name, parameter in straight.parameters.items():
        assert torch.equal(parameter, fresh.parameters[name])
        for key, value in straight.optimizer.state[parameter].items():
            assert torch.equal(value, fresh.optimizer.state[fresh.parameters[name]][key])


@pytest.mark.parametrize("file", [LORA, OPTIMIZER, "state.json"])
@pytest.mark.parametrize("how", ["cut", "missing", "bit", "empty"])
def test_a_damaged_state_falls_back_with_a_warning(tmp_path: Path, file: str, how: str) -> None:
    bench = Bench(1.0)
    bench.save(tmp_path, 10)
    bench.save(tmp_path, 20)
    path = tmp_path / "state" / "step-000020" / file
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        content[len(content) // 2] ^= 64
        path.write_bytes(content)
    warnings: list[str] = []
    state = load_newest(tmp_path, "f", warnings.append)
    assert state is not None
    if state.facts.step == 20:
        # a flipped bit in state.json may hit a figure that decides nothing
        assert (file, how) == ("state.json", "bit")
        return
    assert state.facts.step == 10
    assert len(warnings) == 1
    assert "step-000020 is passed over" in warnings[0]
    # the next state replaces the damaged one, whatever the limit
    bench.save(tmp_path, 12, limit=1)
    assert names(tmp_path) == ["step-000012"]


@pytest.mark.parametrize("file", [LORA, OPTIMIZER])
def test_what_is_exchanged_while_a_state_is_written_is_not_sealed(
    tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, real = Bench(1.0), Root.replacing
    bench.save(tmp_path, 10)

    @contextmanager
    def exchanged(root: Root, name: str, **more: Any) -> Iterator[BinaryIO]:
        with real(root, name, **more) as written:
            yield written
        if name.endswith(file):
            other = tmp_path / "state" / "step-000010" / file
            data = bytearray(other.read_bytes())
            data[-1] ^= 1
            (tmp_path / name).write_bytes(data)

    monkeypatch.setattr(Root, "replacing", exchanged)
    bench.save(tmp_path, 20)
    monkeypatch.undo()
    warnings: list[str] = []
    state = load_newest(tmp_path, "f", warnings.append)
    assert state is not None
    assert state.facts.step == 10
    assert "step-000020 is passed over" in warnings[0]


@pytest.mark.parametrize("noted", [False, True])
@pytest.mark.parametrize("step", [10, 20, 30])
def test_a_state_that_a_person_has_changed_is_put_aside(
    tmp_path: Path, step: int, noted: bool
) -> None:
    """As one of the same step, as a later one, and as one that is too old; also where its facts
    cannot be read any more."""
    bench = Bench(1.0)
    bench.save(tmp_path, 20)
    (tmp_path / "state" / "step-000020" / LORA).write_bytes(b"a week of merging")
    if noted:
        with (tmp_path / "state" / "step-000020" / "state.json").open("a") as file:
            file.write("# the best")
    bench.save(tmp_path, step, limit=1)
    assert names(tmp_path) == [f"step-{step:06d}"]
    kept = tmp_path / "state" / "other-step-000020-1" / LORA
    assert kept.read_bytes() == b"a week of merging"


def test_a_state_of_other_settings_is_not_taken(tmp_path: Path) -> None:
    Bench(1.0).save(tmp_path, 10, fingerprint="other")
    warnings: list[str] = []
    assert load_newest(tmp_path, "f", warnings.append) is None
    assert "other settings" in warnings[0]


def test_left_overs_of_a_killed_save_are_no_state(tmp_path: Path) -> None:
    bench = Bench(1.0)
    bench.save(tmp_path, 10)
    left = tmp_path / "state" / ".tmp-step-000020"
    left.mkdir()
    (left / LORA).write_bytes(b"half")
    assert names(tmp_path) == ["step-000010"]
    bench.save(tmp_path, 20)
    assert names(tmp_path) == ["step-000010", "step-000020"]
    assert not left.exists()


def test_what_is_no_number_is_not_saved(tmp_path: Path) -> None:
    bench = Bench(1.0)
    bench.save(tmp_path, 10)
    with torch.no_grad():
        bench.parameters["a.lora_A"][0, 0] = float("nan")
    with pytest.raises(
        HubtoolsError, match=r"Step 20 has left values .*a\.lora_A; it is not saved"
    ):
        bench.save(tmp_path, 20)
    assert names(tmp_path) == ["step-000010"]


def test_what_is_no_number_falls_back_to_the_older_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As earlier versions have saved it."""
    bench = Bench(1.0)
    bench.save(tmp_path, 10)
    bench.optimizer.state[bench.parameters["a.lora_A"]]["exp_avg"].fill_(float("inf"))
    monkeypatch.setattr(checkpoints, "refuse_non_finite", lambda *given: None)
    bench.save(tmp_path, 20)
    warnings: list[str] = []
    state = load_newest(tmp_path, "f", warnings.append)
    assert state is not None
    assert state.facts.step == 10
    assert "step-000020 is passed over" in warnings[0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9}),
        ("Adagrad", {}),
        ("Adadelta", {}),
        ("RAdam", {}),
        ("NAdam", {}),
        ("Adafactor", {}),
        ("AdamW", {"amsgrad": True}),
    ],
)
def test_any_optimizer_goes_on_bit_for_bit(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    """What it remembers is tensors plus JSON, figures in its groups included."""

    class Other(Bench):
        def __init__(self, value: float) -> None:
            super().__init__(value)
            kind = getattr(torch.optim, name)
            self.optimizer = kind(self.parameters.values(), lr=0.1, **options)
            self.optimizer.defaults["counted"] = 0.5
            self.optimizer.param_groups[0]["counted"] = 0.5
            self.learn()

    straight, stopped, fresh = Other(1.0), Other(1.0), Other(7.0)
    stopped.optimizer.param_groups[0]["counted"] = 0.75
    stopped.save(tmp_path, 1)
    state = load_newest(tmp_path, "f", pytest.fail)
    assert state is not None
    assert state.facts.optimizer["group/0/counted"] == 0.75
    restore(state, fresh.parameters, fresh.optimizer)
    assert fresh.optimizer.param_groups[0]["counted"] == 0.75
    straight.learn()
    fresh.learn()
    for key, parameter in straight.parameters.items():
        assert torch.equal(parameter, fresh.parameters[key])


def test_a_state_of_another_optimizer_does_not_fit(tmp_path: Path) -> None:
    bench, other = Bench(1.0), Bench(1.0)
    bench.save(tmp_path, 1)
    other.optimizer = torch.optim.SGD(other.parameters.values(), lr=0.1, momentum=0.9)
    state = load_newest(tmp_path, "f", pytest.fail)
    assert state is not None
    with pytest.raises(HubtoolsError, match="its optimizer has other layers"):
        restore(state, other.parameters, other.optimizer)
