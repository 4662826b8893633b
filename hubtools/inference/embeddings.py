"""Prompts to embeddings for CLIP families: weights applied, and read to the end.

Weights: ComfyUI's rule (comfy/sd1_clip.py, `encode_token_weights`). A token's embedding z moves on
the line from the empty prompt's embedding e at its place: `e + w * (z - e)`. Weight 1 is exactly z,
0 is as if nothing were said there, and the distance grows evenly with w. AUTOMATIC1111's rule
(multiply z, then scale all to the old mean) was not taken: it changes every other token as well,
and divides by a mean that is near zero for some encoders.

Length: CLIP reads windows of 77 positions, 75 of them for words. A longer prompt is cut into
windows, each with its own begin and end, whose embeddings stand one behind the other; the denoiser
attends to any number (AUTOMATIC1111's way; so does sd-scripts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.inference.controls import opened
from hubtools.inference.prompts import Reading, read_prompt
from hubtools.models.families.protocol import DrawsFromPictures, family_for
from hubtools.models.lookup import support_of, widest_of
from hubtools.models.registry import CLIP, SUPPORTED, TEXT_ENCODERS
from hubtools.models.rows import Encoder

if TYPE_CHECKING:
    from torch import Tensor

    from hubtools.inference.shots import Shot

# A window is cut behind a comma, else behind a word, if there is one among its last tokens.
_LOOK_BACK = 20


@dataclass(frozen=True)
class _Token:
    id: int
    name: str
    weight: float
    comma: bool
    ends_word: bool


def can_weigh(pipeline: Any) -> bool:
    """True for pipelines whose text encoders are CLIP and nothing else, with one vocabulary; not
    where another may stand behind them."""
    support = support_of(type(pipeline).__name__)
    if support is not None and widest_of(support) is not CLIP:
        return False
    parts = _text_parts(pipeline)
    kinds = {type(encoder).__name__ for _, encoder in parts if encoder is not None}
    tokenizers = [tokenizer for tokenizer, encoder in parts if encoder is not None]
    if not kinds or not kinds <= set(CLIP.models) or None in tokenizers:
        return False
    return len({len(tokenizer) for tokenizer in tokenizers}) == 1


def _text_parts(pipeline: Any) -> list[tuple[Any, Any]]:
    """(tokenizer, text encoder) of a pipeline, either perhaps None."""
    return [
        (
            getattr(pipeline, name.replace("text_encoder", "tokenizer"), None),
            getattr(pipeline, name, None),
        )
        for name in TEXT_ENCODERS
    ]


class Closed:
    """Stands where a text encoder was that is let go: pipelines ask for its precision, and draw in
    it, and for its configuration."""

    def __init__(self, encoder: Any) -> None:
        self.dtype, self.config = encoder.dtype, encoder.config


Said = tuple[tuple[str, float], ...]
"""What has changed the text encoders: (SHA-256, weight) of each LoRA; nothing, if it is empty."""

_Key = tuple[str | None, bool, bool, tuple[str, ...], tuple[Path, ...], Said]

Words = dict[str, "Tensor"]
"""What text encoders answer to a prompt, see `Family.words`."""

# The states, one after the other; the rest is a sum of all, of which a prompt has one.
_STATES = "prompt_embeds"


class Prompts:
    """The prompts of one or several `draw`, read once each; anew under a LoRA that changes a text
    encoder (`under`)."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.family = family_for(pipeline)
        self.tokenizer = getattr(pipeline, "tokenizer", None)
        self.able = can_weigh(pipeline)
        self._said: Said = ()
        self._device: Any = None
        self._empty: dict[Said, Words] = {}
        self._closed: dict[str, Closed] = {}
        self._windows: dict[tuple[str, tuple[str, ...]], list[list[_Token]] | None] = {}
        self._encoded: dict[_Key, Words] = {}

    def under(self, said: Said) -> Prompts:
        """The same prompts, as text encoders answer that `said` has changed."""
        self._said = said
        return self

    def read(self, shots: Sequence[Shot], dtype: Any = None) -> None:
        """Encode all that `shots` say and hold it in memory. `dtype` is that of the denoiser, if
        what no CLIP says is to be kept in it."""
        for shot in shots:
            for text, negative in ((shot.prompt, False), (self._negative(shot), True)):
                key = self._key(text, negative, shot)
                if key not in self._encoded:
                    self._encoded[key] = _to(
                        self._embed(text, shot, negative), "cpu", None if self.able else dtype
                    )
        if self.able and self._said not in self._empty:
            self._empty[self._said] = _to(self._window([]), "cpu")

    def keep(self, shots: Sequence[Shot] = (), dtype: Any = None) -> None:
        """`read` them too, and no more: the text encoders can be let go. `move` says where the
        answers are wanted then."""
        self.read(shots, dtype)
        encoders = {name: getattr(self.pipeline, name, None) for name in TEXT_ENCODERS}
        self._closed = {
            name: Closed(encoder) for name, encoder in encoders.items() if encoder is not None
        }
        self.pipeline = None

    @property
    def kept(self) -> bool:
        """True once `keep` is done."""
        return self.pipeline is None

    def close(self, pipeline: Any) -> None:
        """Tell `pipeline`, which has no text encoders, of those that were let go."""
        for name, closed in self._closed.items():
            setattr(pipeline, name, closed)

    def move(self, device: Any) -> Prompts:
        """What is kept is wanted on `device` from now on."""
        self._device = device
        return self

    def _key(self, text: str | None, negative: bool, shot: Shot) -> _Key:
        return (text, negative, shot.prompt_weights, shot.literals, shot.controls, self._said)

    def _negative(self, shot: Shot) -> str | None:
        """The negative prompt, where the pipeline reads one; what it takes where there is none."""
        support = SUPPORTED[self.family.name]
        if not support.negative:
            return None
        return support.unsaid if shot.negative_prompt is None else shot.negative_prompt

    def applied(self, shot: Shot) -> bool | None:
        """None if the shot's prompts are the same words either way; else whether its brackets are
        weights and its words read to the end."""
        if not self.able:
            return None
        texts = [shot.prompt, shot.negative_prompt or ""]
        if all(self._split(text, shot.literals) is None for text in texts):
            return None
        return shot.prompt_weights

    def windows(self, shot: Shot) -> int:
        """How many windows of the text encoder prompt and negative prompt take."""
        return max(self._count(text, shot) for text in (shot.prompt, shot.negative_prompt))

    def alike(self, shot: Shot) -> tuple[Any, ...]:
        """Equal for shots whose words can stand in one batch without changing each other."""
        if self.able:
            return (self.windows(shot),)
        if not self.kept:
            return (shot.negative_prompt is None,)
        texts = ((shot.prompt, False), (self._negative(shot), True))
        said = [self._encoded[self._key(text, negative, shot)] for text, negative in texts]
        return tuple((name, *value.shape) for words in said for name, value in words.items())

    def embeddings(self, shots: Sequence[Shot]) -> dict[str, Any]:
        """What a call of the pipeline takes in place of the words of `shots`: `prompt_embeds` and
        `negative_prompt_embeds`, each of shape (pictures, 77 x windows, width), and what else the
        family has. Every prompt is encoded alone, so that a picture does not depend on its
        neighbours; all shots must have the same number of windows."""
        count = self.windows(shots[0]) if self.able else 1
        said = _together([self._padded(shot.prompt, shot, count, negative=False) for shot in shots])
        unsaid = _together(
            [self._padded(self._negative(shot), shot, count, True) for shot in shots]
        )
        words = said | {f"negative_{name}": value for name, value in unsaid.items()}
        return self.family.call_words(_to(words, self._device) if self.kept else words)

    def _count(self, text: str | None, shot: Shot) -> int:
        windows = self._split(text or "", shot.literals) if shot.prompt_weights else None
        return 1 if windows is None else len(windows)

    def _padded(self, text: str | None, shot: Shot, count: int, negative: bool) -> Words:
        key = self._key(text, negative, shot)
        if key not in self._encoded:
            self._encoded[key] = self._embed(text, shot, negative)
        found = self._encoded[key]
        short = count - self._count(text, shot) if self.able else 0
        if not short:
            return found
        # what was not said goes on so
        return _behind([found, *[found if text is None else self._nothing()] * short])

    def _embed(self, text: str | None, shot: Shot, negative: bool) -> Words:
        import torch

        windows = None
        if text is not None and self.able and shot.prompt_weights:
            windows = self._split(text, shot.literals)
        if windows is None:
            # exactly what diffusers does with the words as they stand
            encode = self.family.negative_words if negative else self.family.words
            with torch.no_grad():
                seen = self._seen(text, shot)
                return encode(self.pipeline, text) if seen is None else seen
        return _behind([self._window(window) for window in windows])

    def _seen(self, text: str | None, shot: Shot) -> Words | None:
        """With the pictures in view that the shot is made from, if the text encoder is shown
        them."""
        if not shot.controls or not isinstance(self.family, DrawsFromPictures):
            return None
        return self.family.seen_words(self.pipeline, text, opened(shot.controls))

    def _nothing(self) -> Words:
        """A window without words."""
        return self._empty[self._said] if self.kept else self._window([])

    def _split(self, text: str, literals: tuple[str, ...]) -> list[list[_Token]] | None:
        """The text's windows; None if one window of the words as they stand says the same."""
        key = (text, literals)
        if key not in self._windows:
            reading = read_prompt(text, literals)
            windows = split(tokens_of(self.tokenizer, reading), self.room)
            plain = reading.text == text and not reading.weighted and len(windows) == 1
            self._windows[key] = None if plain else windows
        return self._windows[key]

    @property
    def room(self) -> int:
        """Tokens of words that one window takes (75)."""
        assert self.tokenizer is not None
        return int(self.tokenizer.model_max_length) - 2

    def _window(self, tokens: Sequence[_Token]) -> Words:
        """One window, states of shape (1, 77, width). Only they are weighed, not the sum that some
        families have beside them: ComfyUI does so too."""
        import torch

        said = self._encode([token.name for token in tokens])
        if all(token.weight == 1 for token in tokens):
            return said
        words = said[_STATES]
        empty = self._encode([])[_STATES].float()
        weights = torch.ones(1, words.shape[1], 1, device=words.device)
        weights[0, 1 : len(tokens) + 1, 0] = torch.tensor([token.weight for token in tokens])
        moved = (empty + weights * (words.float() - empty)).to(words.dtype)
        return said | {_STATES: torch.where(weights == 1, words, moved)}

    def _encode(self, tokens: Sequence[str]) -> Words:
        import torch

        with torch.no_grad():
            return self.family.clip_window(self.pipeline, tokens)


def _to(words: Words, device: Any, dtype: Any = None) -> Words:
    return {
        name: value.to(device, dtype if value.is_floating_point() else None)
        for name, value in words.items()
    }


def _behind(windows: Sequence[Words]) -> Words:
    """Windows one behind the other; of what sums up a text the first window's, as in ComfyUI."""
    import torch

    return windows[0] | {_STATES: torch.cat([window[_STATES] for window in windows], dim=1)}


def _together(prompts: Sequence[Words]) -> Words:
    """Prompts as a batch."""
    import torch

    return {name: torch.cat([prompt[name] for prompt in prompts]) for name in prompts[0]}


def tokens_of(tokenizer: Any, reading: Reading) -> list[_Token]:
    """All tokens of a prompt with the weight of the words they belong to."""
    tokens = []
    for fragment in reading.fragments:
        ids = tokenizer(fragment.text, add_special_tokens=False, truncation=False).input_ids
        for number, name in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True):
            ends = name.endswith("</w>")
            tokens.append(_Token(number, name, fragment.weight, name == ",</w>", ends))
    return tokens


def split(tokens: Sequence[_Token], room: int) -> list[list[_Token]]:
    """Cut into windows of at most `room` tokens, at least one window."""
    windows = []
    rest = list(tokens)
    while len(rest) > room:
        places = range(room, max(0, room - _LOOK_BACK), -1)
        cut = next((p for p in places if rest[p - 1].comma), None) or next(
            (p for p in places if rest[p - 1].ends_word), room
        )
        windows.append(rest[:cut])
        rest = rest[cut:]
    return [*windows, rest]


def prompt_notes(
    pipeline: Any, prompt: str, *, weights: bool = True, literals: Sequence[str] = ()
) -> list[str]:
    """What this pipeline will not read as it may be meant; empty if all is well. `weights`: the
    setting samples.prompt_weights."""
    reading = read_prompt(prompt, literals)
    notes = _foreign_notation(prompt)
    able = can_weigh(pipeline)
    if reading.weighted and not (weights and able):
        why = "this model cannot weigh words" if not able else "prompt weights are turned off"
        notes.append(f"The prompt's brackets and their numbers are read as words: {why}.")
    elif weights and able:
        if reading.loose:
            notes.append("The prompt has a bracket without its partner; it is read as text.")
        extreme = [f for f in reading.fragments if not -1 <= f.weight <= 2]
        if extreme:
            notes.append(
                f"{extreme[0].text.strip()!r} has the weight {extreme[0].weight:g};"
                " beyond 0.5 to 1.5 pictures fall apart."
            )
    support = None if able else support_of(type(pipeline).__name__)
    if support is not None and getattr(pipeline, (widest := widest_of(support)).folder, None):
        return [*notes, *_unread(pipeline, prompt, widest)]
    tokenizer = getattr(pipeline, "tokenizer", None)
    if tokenizer is None:
        return notes
    room = int(tokenizer.model_max_length) - 2
    if weights and able:
        count = len(tokens := tokens_of(tokenizer, reading))
        if count > room:
            windows = len(split(tokens, room))
            notes.append(f"The prompt has {count} tokens; it is read in {windows} windows.")
        return notes
    ids = tokenizer(prompt, truncation=False).input_ids
    if len(ids) > room + 2:
        cut = tokenizer.decode(ids[room + 1 : -1]).strip()
        notes.append(f"The prompt has {len(ids) - 2} tokens, {room} fit; unread: {cut!r}.")
    return notes


def _unread(pipeline: Any, prompt: str, encoder: Encoder) -> list[str]:
    """What the widest text encoder of a pipeline that takes no weights cuts off."""
    tokenizer = getattr(pipeline, encoder.folder)
    ids = tokenizer(prompt, add_special_tokens=False, truncation=False).input_ids
    if len(ids) <= encoder.room:
        return []
    cut = tokenizer.decode(ids[encoder.room :]).strip()
    return [f"The prompt has {len(ids)} tokens, {encoder.room} fit; unread: {cut!r}."]


def _foreign_notation(prompt: str) -> list[str]:
    """Notation of AUTOMATIC1111's web UI that is not about weights and is not known here."""
    import re

    if match := re.search(r"<(lora|lyco|hypernet):[^<>]+>", prompt):
        return [f"{match[0]!r} is read as words; give LoRAs with --lora NAME:WEIGHT."]
    if match := re.search(r"\[[^\[\]]*:[^\[\]]*:[\d.]+\]", prompt):
        return [f"{match[0]!r} is no change of words on the way here; it only lowers their weight."]
    return []
