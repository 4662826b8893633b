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
from typing import TYPE_CHECKING, Any

from hubtools.inference.prompts import Reading, read_prompt
from hubtools.models.registry import CLIP, TEXT_ENCODERS

if TYPE_CHECKING:
    from torch import Tensor

    from hubtools.inference.shots import Shot

# A window is cut behind a comma, else behind a word, if there is one among its last tokens.
_LOOK_BACK = 20


@dataclass(frozen=True)
class _Token:
    id: int
    weight: float
    comma: bool
    ends_word: bool


def can_weigh(pipeline: Any) -> bool:
    """True for pipelines with one CLIP text encoder and no other."""
    encoders = [getattr(pipeline, name, None) for name in TEXT_ENCODERS]
    kinds = [type(encoder).__name__ for encoder in encoders if encoder is not None]
    return kinds == [CLIP.model] and getattr(pipeline, "tokenizer", None) is not None


class Closed:
    """Stands where a text encoder was that is let go: pipelines ask for its precision, and draw in
    it."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype


class Prompts:
    """The prompts of one `draw`, read once each. Valid while the text encoder stays as it is."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.tokenizer = getattr(pipeline, "tokenizer", None)
        self.able = can_weigh(pipeline)
        self._empty: Tensor | None = None
        self.closed: Closed | None = None  # once `keep` is done
        self._windows: dict[tuple[str, tuple[str, ...]], list[list[_Token]] | None] = {}
        self._encoded: dict[tuple[str, bool, tuple[str, ...]], Tensor] = {}

    def keep(self, shots: Sequence[Shot]) -> None:
        """Encode all that `shots` say and hold it in memory, so that the text encoder can be let
        go; `move` says where it is wanted then."""
        for shot in shots:
            for text in (shot.prompt, shot.negative_prompt or ""):
                key = (text, shot.prompt_weights, shot.literals)
                if key not in self._encoded:
                    self._encoded[key] = self._embed(text, shot).cpu()
        self._empty = self._window([]).cpu()
        self.closed = Closed(self.pipeline.text_encoder.dtype)
        self.pipeline = None

    def move(self, device: Any) -> Prompts:
        """What is kept is wanted on `device` from now on."""
        self._encoded = {key: value.to(device) for key, value in self._encoded.items()}
        self._empty = self._empty.to(device) if self._empty is not None else None
        return self

    def forget(self) -> None:
        """The text encoder has changed (another LoRA, another weight)."""
        self._encoded.clear()

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
        texts = (shot.prompt, shot.negative_prompt or "")
        return max(self._count(text, shot) for text in texts)

    def embeddings(self, shots: Sequence[Shot]) -> dict[str, Tensor]:
        """`prompt_embeds` and `negative_prompt_embeds` for a call of the pipeline, each of shape
        (pictures, 77 x windows, width). Every prompt is encoded alone, so that a picture does not
        depend on its neighbours; all shots must have the same number of windows."""
        import torch

        count = self.windows(shots[0])
        positive = [self._padded(shot.prompt, shot, count) for shot in shots]
        negative = [self._padded(shot.negative_prompt or "", shot, count) for shot in shots]
        return {
            "prompt_embeds": torch.cat(positive),
            "negative_prompt_embeds": torch.cat(negative),
        }

    def _count(self, text: str, shot: Shot) -> int:
        windows = self._split(text, shot.literals) if shot.prompt_weights else None
        return 1 if windows is None else len(windows)

    def _padded(self, text: str, shot: Shot, count: int) -> Tensor:
        import torch

        key = (text, shot.prompt_weights, shot.literals)
        if key not in self._encoded:
            self._encoded[key] = self._embed(text, shot)
        short = count - self._count(text, shot)
        if not short:
            return self._encoded[key]
        return torch.cat([self._encoded[key], *[self._nothing()] * short], dim=1)

    def _embed(self, text: str, shot: Shot) -> Tensor:
        import torch

        windows = self._split(text, shot.literals) if shot.prompt_weights else None
        if windows is None:
            # exactly what diffusers does with the words as they stand
            with torch.no_grad():
                plain: Tensor = self.pipeline.encode_prompt(
                    text, self.pipeline._execution_device, 1, False
                )[0]
            return plain
        return torch.cat([self._window(window) for window in windows], dim=1)

    def _nothing(self) -> Tensor:
        """A window without words."""
        return self._window([]) if self._empty is None else self._empty

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

    def _window(self, tokens: Sequence[_Token]) -> Tensor:
        """Embeddings of one window, (1, 77, width)."""
        import torch

        words = self._encode([token.id for token in tokens])
        if all(token.weight == 1 for token in tokens):
            return words
        empty = self._encode([]).float()
        weights = torch.ones(1, words.shape[1], 1, device=words.device)
        weights[0, 1 : len(tokens) + 1, 0] = torch.tensor([token.weight for token in tokens])
        moved = (empty + weights * (words.float() - empty)).to(words.dtype)
        return torch.where(weights == 1, words, moved)

    def _encode(self, ids: Sequence[int]) -> Tensor:
        import torch

        tokenizer, encoder = self.pipeline.tokenizer, self.pipeline.text_encoder
        device = self.pipeline._execution_device
        used = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
        padding = int(tokenizer.model_max_length) - len(used)
        row = torch.tensor([[*used, *[tokenizer.pad_token_id] * padding]], device=device)
        mask = None
        if getattr(encoder.config, "use_attention_mask", False):
            mask = torch.tensor([[1] * len(used) + [0] * padding], device=device)
        with torch.no_grad():
            states: Tensor = encoder(row, attention_mask=mask)[0]
        return states.to(encoder.dtype)


def tokens_of(tokenizer: Any, reading: Reading) -> list[_Token]:
    """All tokens of a prompt with the weight of the words they belong to."""
    tokens = []
    for fragment in reading.fragments:
        ids = tokenizer(fragment.text, add_special_tokens=False, truncation=False).input_ids
        for number, name in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True):
            ends = name.endswith("</w>")
            tokens.append(_Token(number, fragment.weight, name == ",</w>", ends))
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


def _foreign_notation(prompt: str) -> list[str]:
    """Notation of AUTOMATIC1111's web UI that is not about weights and is not known here."""
    import re

    if match := re.search(r"<(lora|lyco|hypernet):[^<>]+>", prompt):
        return [f"{match[0]!r} is read as words; give LoRAs with --lora NAME:WEIGHT."]
    if match := re.search(r"\[[^\[\]]*:[^\[\]]*:[\d.]+\]", prompt):
        return [f"{match[0]!r} is no change of words on the way here; it only lowers their weight."]
    return []
