"""What a pass of a model keeps in memory and how much it computes, found on the meta device: all
shapes are there, no number is. Seconds, whatever the size of the model.

Measured against a training of Stable Diffusion 1.5's shape on an NVIDIA H100 (512 pixels, bf16,
rank 16): 2.9 GB reckoned and 3.3 GB held at a batch of one, 6.4 and 7.1 GB at four.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hubtools.models.checkpointing import EveryNth

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from hubtools.models.families.protocol import BaseInfo

# What is held beyond what is reckoned: as measured on an H100, see above; and what the driver keeps
# for itself.
_SHARE, _REST = 1.1, 700_000_000


@runtime_checkable
class Rehearses(Protocol):
    """A family whose passes can be made without weights. Sizes (width, height) in pixels."""

    def rehearse_denoiser(
        self, denoiser: nn.Module, info: BaseInfo, size: tuple[int, int], count: int
    ) -> None:
        """A pass of the denoiser over `count` pictures, on its own device."""

    def rehearse_vae(
        self, vae: Any, info: BaseInfo, size: tuple[int, int], *, decode: bool
    ) -> None:
        """Encode or decode one picture."""


def held(reckoned: int) -> int:
    """What a GPU holds of what is reckoned."""
    return round(reckoned * _SHARE) + _REST


@dataclass(frozen=True)
class Pass:
    """Bytes that a forward pass keeps for the backward one, or holds at once where there is none;
    floating point operations of the forward pass, and of what gradient checkpointing computes
    `again`."""

    bytes: int
    flops: int
    again: int = 0


def rehearse_training(
    module: nn.Module,
    call: Callable[[], Any],
    dtype: torch.dtype,
    *,
    checkpointing: bool,
    every: int = 1,
) -> Pass:
    """A forward pass of `module`, a denoiser with its LoRA on the meta device, as mixed precision
    in `dtype` computes it (float32: none). `checkpointing`: as gradient checkpointing of every
    Nth block (N = `every`) does: of each its input is kept, and all of one block at a time."""
    import torch

    weights = {one.untyped_storage()._cdata for one in module.parameters()}
    kept, chosen, computing = _Kept(weights), EveryNth(every), _computing(dtype)
    largest = again = 0

    def checkpointed(block: Callable[..., Any], *args: Any) -> Any:
        nonlocal largest, again
        if not chosen(block):
            return block(*args)
        before = computing.flops
        for value in args:
            if isinstance(value, torch.Tensor):
                kept.keep(value)
        inside = _Kept(weights, kept)
        with torch.autograd.graph.saved_tensors_hooks(inside.keep, lambda value: value):
            answer = block(*args)
        largest, again = max(largest, inside.bytes), again + computing.flops - before
        return answer

    if checkpointing:
        module.enable_gradient_checkpointing(checkpointed)  # type: ignore[operator]
    training = module.training
    module.train()
    try:
        with (
            _quick(),
            computing,
            torch.autograd.graph.saved_tensors_hooks(kept.keep, lambda value: value),
        ):
            call()
    finally:
        module.train(training)
        if checkpointing:
            module.disable_gradient_checkpointing()  # type: ignore[operator]
    return Pass(kept.bytes + largest, computing.flops, again)


def rehearse(call: Callable[[], Any], dtype: torch.dtype) -> Pass:
    """A pass without gradients: what is held at once at most, weights left out."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    answer_of = _quick().answer

    class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
        """Bytes of the tensors that are there, now and at most."""

        now = peak = 0

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.seen: dict[int, Any] = {}
            self.given: dict[int, Any] = {}  # weights, of which views may be answered

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            for leaf in tree_leaves(args):
                if isinstance(leaf, torch.Tensor):
                    storage = leaf.untyped_storage()
                    if id(storage) not in self.seen:
                        self.given[id(storage)] = storage
            answer = answer_of(func, args, kwargs or {})
            for leaf in tree_leaves(answer):
                if isinstance(leaf, torch.Tensor):
                    self.count(leaf.untyped_storage())
            return answer

        def count(self, storage: Any) -> None:
            key, size = id(storage), storage.nbytes()
            if key in self.seen or key in self.given:
                return

            def gone(_: Any) -> None:
                if self.seen.pop(key, None) is not None:
                    self.now -= size

            self.seen[key] = weakref.ref(storage, gone)
            self.now += size
            self.peak = max(self.peak, self.now)

    live, computing = Live(), _computing(dtype)
    with live, computing, torch.no_grad():
        call()
    return Pass(live.peak, computing.flops)


def _quick() -> Any:
    """A mode in which the most frequent operations answer shapes: on the meta device PyTorch has
    them in Python, each of up to twenty others, which takes most of a pass."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    def layer_norm(given: Tensor, shape: Sequence[int], *_: Any) -> tuple[Tensor, ...]:
        rows = given.shape[: given.dim() - len(shape)] + (1,) * len(shape)
        facts = (given.new_empty(rows, dtype=torch.float32) for _ in range(2))
        return given.new_empty(given.shape), *facts

    def group_norm(given: Tensor, *options: Any) -> tuple[Tensor, ...]:
        _, _, pictures, _, _, groups, _ = options
        facts = (given.new_empty((pictures, groups)) for _ in range(2))
        return given.new_empty(given.shape), *facts

    def product(bias: Tensor, rows: Tensor, columns: Tensor, **_: Any) -> Tensor:
        return rows.new_empty((rows.shape[0], columns.shape[1]))

    def each(one: Any, other: Any, **_: Any) -> Tensor | None:
        if isinstance(other, torch.Tensor):
            alike = one.shape == other.shape and one.dtype == other.dtype
        else:
            alike = one.is_floating_point()
        return torch.empty_like(one) if alike else None

    aten = torch.ops.aten
    known: dict[Any, Callable[..., Any]] = {
        aten.native_layer_norm.default: layer_norm,
        aten.native_group_norm.default: group_norm,
        aten.addmm.default: product,
        **dict.fromkeys((aten.add.Tensor, aten.mul.Tensor, aten.div.Tensor), each),
    }

    class Quick(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def answer(self, func: Any, args: Any, kwargs: Any) -> Any:
            shapes = known.get(func)
            found = shapes(*args, **kwargs) if shapes and args[0].is_meta else None
            return func(*args, **kwargs) if found is None else found

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return self.answer(func, args, kwargs or {})

    return Quick()  # type: ignore[no-untyped-call]


class _Kept:
    """Storages that something is kept for, each counted once, but for those in `others`: numbers
    of storages, or what has them already."""

    def __init__(self, *others: Container[int]) -> None:
        self._others = others
        self._seen: dict[int, Any] = {}

    def keep(self, value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        number = storage._cdata
        if not any(number in other for other in (self._seen, *self._others)):
            self._seen[number] = storage  # held, so that nothing else takes its place
        return value

    def __contains__(self, number: object) -> bool:
        return number in self._seen

    @property
    def bytes(self) -> int:
        return sum(storage.nbytes() for storage in self._seen.values())


def _computing(dtype: torch.dtype) -> Any:
    """A mode that computes as autocast on a GPU does, which knows no meta device: products in
    `dtype`, norms in float32, attention without its matrix; and counts operations."""
    import torch
    import torch.nn.functional as F
    from torch.overrides import TorchFunctionMode

    products = {F.linear, F.conv2d, torch.conv2d, torch.matmul, torch.bmm, torch.baddbmm}
    norms = {F.group_norm, F.layer_norm, F.softmax}
    mixed = dtype != torch.float32

    class Attention(torch.autograd.Function):
        """Shapes of a fused attention: it keeps its inputs, its answer and a number a row; a mask
        as well, if there is one."""

        @staticmethod
        def forward(ctx: Any, query: Any, key: Any, value: Any, mask: Any) -> Any:
            answer = query.new_empty((*query.shape[:-1], value.shape[-1]))
            rows = query.new_empty(query.shape[:-1], dtype=torch.float32)
            ctx.save_for_backward(query, key, value, answer, rows, mask)
            return answer

    def cast(value: Any, to: Any) -> Any:
        floating = isinstance(value, torch.Tensor) and value.is_floating_point()
        return value.to(to) if floating else value

    class Computing(TorchFunctionMode):
        flops = 0

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            options = dict(kwargs or {})
            if func is F.scaled_dot_product_attention:
                names = ("query", "key", "value")
                given = [*args[:3], *(options[name] for name in names[len(args) :])]
                query, key, value = (cast(one, dtype) for one in given)
                mask = cast(args[3] if len(args) > 3 else options.get("attn_mask"), dtype)
                self.flops += 4 * query.numel() * key.shape[-2]
                return Attention.apply(query, key, value, mask)  # type: ignore[no-untyped-call]
            to = dtype if func in products else torch.float32 if func in norms else None
            if mixed and to is not None:
                args = [cast(value, to) for value in args]
                options = {name: cast(value, to) for name, value in options.items()}
            answer = func(*args, **options)
            if func is F.linear:
                self.flops += 2 * args[0].numel() * args[1].shape[0]
            elif func in (F.conv2d, torch.conv2d):
                self.flops += 2 * answer.numel() * args[1][0].numel()
            return answer

    return Computing()
