"""Axes of a grid as they are typed: `scheduler=euler_a,dpmpp_2m`, `seed=0..3`,
`lora_weight=0:1:0.25`, `prompt.style=Monet,Picasso,plain`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from hubtools.errors import UsageError
from hubtools.findings import nouns
from hubtools.inference.schedulers import check_name
from hubtools.models.registry import DIVISOR

MOST_VALUES = 500  # of one axis; more is a slip of the finger

ALL = "all"
FINAL = "final"

# Slowest to change first: a snapshot is read from disk, a weight touches every layer, a size or a
# scheduler is a call of its own, the rest costs nothing.
NAMES = (
    "step", "lora_weight", "size", "scheduler", "steps", "guidance", "negative_prompt", "prompt",
    "seed",
)  # fmt: skip
_ALSO = {
    "checkpoint": "step",
    "snapshot": "step",
    "sampler": "scheduler",
    "guidance_scale": "guidance",
    "num_inference_steps": "steps",
    "weight": "lora_weight",
}
_PART = re.compile(r"prompt\.([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Value:
    """A place on an axis: what it stands for and what is written at it."""

    value: int | float | str | tuple[int, int] | None  # None: the finished LoRA (of step)
    label: str


@dataclass(frozen=True)
class Axis:
    """`name` is one of NAMES, or `prompt.NAME` for the `{NAME}` of a prompt."""

    name: str
    values: tuple[Value, ...]

    @property
    def part(self) -> str | None:
        """NAME of `prompt.NAME`."""
        match = _PART.fullmatch(self.name)
        return match[1] if match else None

    @property
    def title(self) -> str:
        """In words, for people."""
        return self.part or {"lora_weight": "LoRA", "step": "training step"}.get(
            self.name, self.name.replace("_", " ")
        )


def parse_axis(text: str) -> Axis:
    """Read `name=values`. Raises `UsageError` for an unknown name and for values that are none."""
    name, equals, rest = text.partition("=")
    name = name.strip().replace("-", "_")
    name = _ALSO.get(name, name)
    if not equals:
        raise UsageError(f"{text!r} is no axis.", hint='write name=values, e.g. "seed=0..3"')
    if name not in NAMES and not _PART.fullmatch(name):
        near = difflib.get_close_matches(name, NAMES, n=1)
        raise UsageError(
            f"There is no axis {name!r}.",
            hint=f"did you mean {near[0]}?"
            if near
            else f"there are: {', '.join(NAMES)} and prompt.NAME, which fills {{NAME}}",
        )
    values = _READ.get(name, _parts)(name, rest)
    if not values:
        example = _EXAMPLES.get(name, f"{name}=Monet,Picasso")
        raise UsageError(f"The axis {name} has no values.", hint=f'e.g. --x "{example}"')
    if len(values) > MOST_VALUES:
        raise UsageError(
            f"The axis {name} has {len(values):,} values; {MOST_VALUES} are the most.",
            hint="take larger steps",
        )
    twice = [value.label for index, value in enumerate(values) if value in values[:index]]
    if twice:
        raise UsageError(f"The axis {name} has {twice[0]!r} twice.", hint="leave one out")
    return Axis(name, tuple(values))


_EXAMPLES = {
    "step": "step=500,1000,final",
    "lora_weight": "lora_weight=0:1:0.25",
    "size": "size=512,512x768",
    "scheduler": "scheduler=euler_a,dpmpp_2m",
    "steps": "steps=10,20,30",
    "guidance": "guidance=1:9:2",
    "negative_prompt": "negative_prompt=|blurry, deformed",
    "prompt": "prompt=a dog|a cat",
    "seed": "seed=0..3",
}

_LABELS: dict[str, Callable[[str], str]] = {
    "seed": lambda text: f"seed {text}",
    "steps": lambda text: f"{text} {nouns(int(text), 'step')}",
    "guidance": lambda text: f"guidance {text}",
    "lora_weight": lambda text: "base" if float(text) == 0 else f"LoRA {text}",
    "step": lambda text: f"step {text}",
}


def _numbers(name: str, text: str) -> list[Decimal]:
    """`1,2`, `0..3` (both ends belong to it) and `0:1:0.25` (begin:end:by), mixed at will."""
    numbers: list[Decimal] = []
    for item in _split(text, ","):
        try:
            if match := re.fullmatch(r"(-?\d+)\.\.(-?\d+)", item):
                numbers += _range(name, Decimal(match[1]), Decimal(match[2]), Decimal(1))
            elif ":" in item:
                begin, end, by = (_decimal(part) for part in item.split(":"))
                numbers += _range(name, begin, end, by)
            else:
                numbers.append(_decimal(item))
        except (InvalidOperation, ValueError):
            raise UsageError(
                f"{item!r} is no value of the axis {name}.",
                hint=f'numbers, 0..3 and 0:1:0.25 are, e.g. "{_EXAMPLES[name]}"',
            ) from None
    return numbers


def _decimal(text: str) -> Decimal:
    number = Decimal(text.strip())
    if not number.is_finite() or abs(number) > Decimal(2**63):
        raise ValueError(text)
    return number


def _range(name: str, begin: Decimal, end: Decimal, by: Decimal) -> list[Decimal]:
    if by == 0 or (end - begin) * by < 0:
        raise UsageError(
            f"The range {begin}:{end}:{by} of the axis {name} never arrives.",
            hint=f'begin:end:by, e.g. "{_EXAMPLES[name]}"',
        )
    count = int((end - begin) / by) + 1
    if count > MOST_VALUES:
        raise UsageError(
            f"The axis {name} has {count:,} values; {MOST_VALUES} are the most.",
            hint="take larger steps",
        )
    return [begin + by * index for index in range(count)]


def _label(name: str, number: Decimal) -> str:
    return _LABELS[name](f"{number.normalize():f}")


def _integers(name: str, text: str) -> list[Value]:
    least = 1 if name == "steps" else 0
    numbers = _numbers(name, text)
    for number in numbers:
        if number != int(number) or number < least:
            raise UsageError(
                f"{number} is no value of the axis {name}.",
                hint=f"whole numbers from {least} are",
            )
    return [Value(int(number), _label(name, number)) for number in numbers]


def _floats(name: str, text: str) -> list[Value]:
    numbers = _numbers(name, text)
    if name == "guidance" and any(number < 0 for number in numbers):
        raise UsageError("guidance cannot be negative.", hint="from 1 (none) to about 15")
    return [Value(float(number), _label(name, number)) for number in numbers]


def _steps_of_training(name: str, text: str) -> list[Value]:
    """Numbers, `final` and `all`; `all` is filled in once the run is known."""
    values = []
    for item in _split(text, ","):
        if item == ALL:
            values.append(Value(ALL, ALL))
        elif item == FINAL:
            values.append(Value(None, FINAL))
        else:
            values += _integers(name, item)
    return values


def step_value(step: int) -> Value:
    """The place of a training step."""
    return Value(step, _LABELS["step"](str(step)))


def _sizes(name: str, text: str) -> list[Value]:
    values = []
    for item in _split(text, ","):
        match = re.fullmatch(r"(\d+)(?:[x×](\d+))?", item)
        width, height = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        fits = not (width % DIVISOR or height % DIVISOR)
        if not (fits and 32 <= min(width, height) <= max(width, height) <= 4096):
            raise UsageError(
                f"{item!r} is no size of a picture.",
                hint=f"a side is a multiple of {DIVISOR} from 32 to 4096, e.g. 512 or 512x768",
            )
        values.append(Value((width, height), f"{width}x{height}"))
    return values


def _schedulers(name: str, text: str) -> list[Value]:
    names = _split(text, ",")
    for item in names:
        check_name(item)
    return [Value(item, item) for item in names]


def _prompts(name: str, text: str) -> list[Value]:
    """Whole prompts, separated by `|`, since they are full of commas."""
    if not text.strip():
        return []
    values = [_words(part.strip()) for part in text.split("|")]
    if name == "negative_prompt":
        return [
            replace(v, label=f"negative: {v.label}" if v.value else "no negative prompt")
            for v in values
        ]
    return values


def _parts(name: str, text: str) -> list[Value]:
    """Words for a place in the prompt, separated by commas, or by `|` if there is one (then spaces
    and commas are part of them, and nothing at all is a value too)."""
    if "|" in text:
        return [_words(part) for part in text.split("|")]
    return [_words(part) for part in _split(text, ",")]


def _words(text: str) -> Value:
    return Value(text, " ".join(text.split()).strip(" ,") or "(nothing)")


def _split(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


_READ: dict[str, Callable[[str, str], list[Value]]] = {
    "step": _steps_of_training,
    "lora_weight": _floats,
    "size": _sizes,
    "scheduler": _schedulers,
    "steps": _integers,
    "guidance": _floats,
    "negative_prompt": _prompts,
    "prompt": _prompts,
    "seed": _integers,
}
