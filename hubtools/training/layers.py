"""Which layers of a model get a LoRA, and of which rank and alpha."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from typing import TYPE_CHECKING, Any, Literal

from hubtools.errors import UsageError
from hubtools.models.quantised import is_in_block
from hubtools.settings import TrainSettings

if TYPE_CHECKING:
    from torch import nn

PRESETS = ("attention", "all-linear", "conv")
"""Words for layers of the blocks of any model: linear ones of attentions, all linear ones,
convolutions."""

# How patterns of layers of text encoders begin.
_TEXTS = ("text_encoder", "^text_encoder")
ADAPTER = "default"  # as peft calls the one that is trained
Sort = Literal["attention", "other linear", "convolution", "text encoder"]
# A UNet's `attentions` are whole blocks, with an `attn1` in them.
_ATTENTION = re.compile(r"attn\d*|\w+_attn|(?!attentions)attention\w*")


@dataclass(frozen=True)
class Size:
    """Rank and alpha of a layer."""

    rank: int
    alpha: float


def sort_of(name: str, layer: nn.Module) -> Sort | None:
    """What a layer of a block is; None for what is in no block, or takes no LoRA."""
    from torch import nn

    if not is_in_block(name):
        return None
    if isinstance(layer, nn.Linear):
        within = any(map(_ATTENTION.fullmatch, name.split(".")[:-1]))
        return "attention" if within else "other linear"
    return "convolution" if _takes(layer) else None


def chosen_layers(model: nn.Module, settings: TrainSettings, alpha: float) -> dict[str, Size]:
    """The layers that `settings.target_modules` names, in the model's order, each with the rank and
    alpha that the settings have for it; `alpha` is that of all. Where no alpha is set, each layer's
    is its rank. Raises `UsageError` for a name that no layer has."""
    layers = dict(model.named_modules())
    found: set[str] = set()
    for target in settings.target_modules:
        found |= _named(target, layers, "target_modules")
    return _sizes(layers, found, settings, alpha, of_texts=False)


def chosen_text_layers(
    layers: Mapping[str, nn.Module], settings: TrainSettings, alpha: float
) -> dict[str, Size]:
    """The same of text encoders that are trained, by names as files have them: all of these
    `layers`, with ranks and alphas of the patterns that begin with text_encoder."""
    return _sizes(layers, set(layers), settings, alpha, of_texts=True)


def _sizes(
    layers: Mapping[str, nn.Module],
    chosen: set[str],
    settings: TrainSettings,
    alpha: float,
    *,
    of_texts: bool,
) -> dict[str, Size]:
    def own(pattern: Mapping[str, float]) -> dict[str, float]:
        if not settings.train_text_encoder:
            return dict(pattern)
        return {k: v for k, v in pattern.items() if k.startswith(_TEXTS) == of_texts}

    ranks = _by_pattern(own(settings.rank_pattern), layers, chosen, "rank_pattern")
    alphas = _by_pattern(own(settings.alpha_pattern), layers, chosen, "alpha_pattern")
    sizes = {}
    for name in layers:
        if name in chosen:
            rank = int(ranks.get(name, settings.rank))
            usual = alpha if settings.lora_alpha is not None else rank
            sizes[name] = Size(rank, float(alphas.get(name, usual)))
    return sizes


@dataclass(frozen=True)
class Share:
    """What layers of one sort and rank have of a LoRA. `sort` None: they are in no block."""

    sort: Sort | None
    rank: int
    layers: int
    parameters: int


def shares(model: nn.Module, *, text: bool = False) -> tuple[Share, ...]:
    """The LoRA of a model that has one, by sort and rank, the most layers first; `text`: it is a
    text encoder."""
    found: dict[tuple[Sort | None, int], list[int]] = {}
    for name, layer in model.named_modules():
        if rank := getattr(layer, "r", {}).get(ADAPTER):
            sort: Sort | None = "text encoder"
            key = sort if text else sort_of(name, layer.get_base_layer()), rank
            own = sum(one.numel() for name, one in layer.named_parameters() if "lora_" in name)
            found.setdefault(key, []).append(own)
    made = (Share(sort, rank, len(own), sum(own)) for (sort, rank), own in found.items())
    return tuple(sorted(made, key=lambda share: -share.layers))


def share_words(parts: Sequence[Share]) -> str:
    """Of layers of several sorts or ranks: how many of each, and their parameters."""
    found = _together(parts)
    if len(found) < 2:
        return ""
    kinds = {
        "attention": "in attentions", "other linear": "other linear", "convolution": "convolutions",
        "text encoder": "in text encoders", None: "outside the blocks",
    }  # fmt: skip
    return ", ".join(
        f"{share.layers} {kinds[share.sort]}, rank {share.rank} ({share.parameters:,} parameters)"
        for share in found
    )


def _together(parts: Sequence[Share]) -> list[Share]:
    """Those of one sort and rank as one: a base may have several text encoders."""
    found: dict[tuple[Sort | None, int], Share] = {}
    for one in parts:
        so_far = found.get((one.sort, one.rank))
        found[one.sort, one.rank] = (
            one
            if so_far is None
            else replace(
                one,
                layers=one.layers + so_far.layers,
                parameters=one.parameters + so_far.parameters,
            )
        )
    return list(found.values())


def _by_pattern(
    pattern: Mapping[str, float], layers: Mapping[str, Any], among: set[str], setting: str
) -> dict[str, float]:
    """{layer: number}; of several patterns that fit a layer, the last."""
    numbers: dict[str, float] = {}
    for key, number in pattern.items():
        fit = _named(key, layers, setting) & among
        if not fit:
            raise UsageError(
                f"{setting}: {key!r} fits no layer that gets a LoRA.",
                hint="name the layers in target_modules too",
                code="bad-setting",
            )
        numbers |= dict.fromkeys(fit, number)
    return numbers


def _named(word: str, layers: Mapping[str, nn.Module], setting: str) -> set[str]:
    """The layers that a word means: a preset, a layer's name or its end, or a pattern of that."""
    fits = _test(word)
    found = {name for name, layer in layers.items() if name and fits(name, layer)}
    taken = {name for name in found if _takes(layers[name])}
    if taken:
        return taken
    if found and word not in PRESETS:
        kind = type(layers[min(found)]).__name__
        raise UsageError(
            f"{setting}: {word!r} is a {kind}, which takes no LoRA; linear layers and convolutions"
            " do.",
            hint=f"those within it: '{word.rstrip('.*')}.*'",
            code="bad-setting",
        )
    usual = [part for part in ("to_k", "to_q", "to_v", "to_out.0") if _ends(part, layers)]
    counted = Counter(name.rpartition(".")[2] for name, one in layers.items() if _takes(one))
    more = [name for name, _ in counted.most_common() if not name.isdigit() and name not in usual]
    whose = "a text encoder" if word.startswith(_TEXTS) and not usual else "the denoiser"
    raise UsageError(
        f"{setting}: no layer of {whose} is called {word!r}."
        if word not in PRESETS
        else f"{setting}: the denoiser's blocks have no layers of the kind {word}.",
        hint=f"it has {', '.join([*usual, *more][:6])}; words for many: {', '.join(PRESETS)}",
        code="bad-setting",
    )


def _test(word: str) -> Callable[[str, nn.Module], bool]:
    if word == "all-linear":
        return lambda name, layer: sort_of(name, layer) in ("attention", "other linear")
    if word in PRESETS:
        wanted = {"attention": "attention", "conv": "convolution"}[word]
        return lambda name, layer: sort_of(name, layer) == wanted
    whole, plain = word.startswith("^"), word.removeprefix("^")
    if "*" in plain:
        # brackets and question marks are letters: a pattern has stars only
        pattern = re.compile(translate(plain.replace("[", "[[]").replace("?", "[?]")))
        if whole:
            return lambda name, layer: pattern.match(name) is not None
        return lambda name, layer: any(pattern.match(end) for end in _endings(name))
    if whole:
        return lambda name, layer: name == plain
    return lambda name, layer: f".{name}".endswith(f".{plain}")


def _endings(name: str) -> Iterable[str]:
    """`a.b.c`, `b.c`, `c`."""
    while name:
        yield name
        name = name.partition(".")[2]


def _ends(word: str, layers: Iterable[str]) -> bool:
    return any(f".{name}".endswith(f".{word}") for name in layers)


def _takes(layer: nn.Module) -> bool:
    from torch import nn

    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return layer.groups == 1  # of others peft asks for ranks that their groups divide
    return isinstance(layer, nn.Linear)
