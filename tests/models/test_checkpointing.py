"""Gradient checkpointing of some blocks: which, what is learned, and what it takes."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.checkpointing import EveryNth, checkpoint_blocks  # noqa: E402
from hubtools.models.rehearsal import rehearse_training  # noqa: E402


class Block(torch.nn.Module):
    """A layer whose answer is kept, and how often it was computed."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.passes = torch.nn.Linear(100, 100), 0

    def forward(self, x: Any) -> Any:
        self.passes += 1
        return torch.tanh(self.layer(torch.tanh(x)))


class Five(torch.nn.Module):
    """Five blocks, checkpointed as diffusers does."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(Block() for _ in range(5))
        self.work: Any = None

    def enable_gradient_checkpointing(self, work: Any = None) -> None:
        self.work = work or (
            lambda block, *args: torch.utils.checkpoint.checkpoint(
                block, *args, use_reentrant=False
            )
        )

    def disable_gradient_checkpointing(self) -> None:
        self.work = None

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = self.work(block, x) if self.work else block(x)
        return x


def gradients(every: int | None) -> tuple[list[Any], list[int]]:
    torch.manual_seed(0)
    module, given = Five(), torch.randn(10, 100)
    if every is not None:
        checkpoint_blocks(module, every)
    for _ in range(2):  # a block keeps its place
        module(given).square().sum().backward()
    return [one.grad for one in module.parameters()], [one.passes for one in module.blocks]


@pytest.mark.parametrize(
    ("every", "passes"),
    [(None, [2] * 5), (1, [4] * 5), (2, [4, 2, 4, 2, 4]), (3, [4, 2, 2, 4, 2]), (9, [4] + [2] * 4)],
)
def test_what_is_learned_is_the_same_whatever_is_computed_again(
    every: int | None, passes: list[int]
) -> None:
    plain, _ = gradients(None)
    found, computed = gradients(every)
    assert computed == passes
    assert all(torch.equal(one, other) for one, other in zip(plain, found, strict=True))


def test_memory_and_work_are_those_of_the_chosen_blocks() -> None:
    with torch.device("meta"):
        module, given = Five(), torch.empty(10, 100)

    def reckoned(every: int) -> Any:
        return rehearse_training(
            module, lambda: module(given), torch.float32, checkpointing=bool(every), every=every
        )

    tensor, product = 4 * 10 * 100, 2 * 10 * 100 * 100
    whole, all_of_them, other = (reckoned(every) for every in (0, 1, 2))
    # what goes into a layer and what comes out of its tanh, a block; blocks share none
    assert (whole.bytes, whole.flops, whole.again) == (5 * 2 * tensor, 5 * product, 0)
    # five inputs, and a block
    assert (all_of_them.bytes, all_of_them.again) == ((5 + 2) * tensor, 5 * product)
    # a chosen block's input is what the one before it keeps, but for that of the first
    assert (other.bytes, other.again) == ((1 + 2 * 2 + 2) * tensor, 3 * product)
    assert other.flops == whole.flops


def test_a_block_is_chosen_always_or_never() -> None:
    chosen, blocks = EveryNth(2), [Block() for _ in range(3)]
    assert [chosen(block) for block in blocks] == [True, False, True]
    assert [chosen(block) for block in reversed(blocks)] == [True, False, True]
    assert not chosen(blocks[1])


def test_a_denoiser_without_checkpointing_says_so() -> None:
    with pytest.raises(AttributeError):
        checkpoint_blocks(torch.nn.Linear(1, 1), 2)
