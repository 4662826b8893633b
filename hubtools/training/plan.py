"""The plan of a run, told before anything heavy happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.dataset.text.trigger import replace_word
from hubtools.findings import RuleBook
from hubtools.manifest import StartedFrom
from hubtools.models.device import Processor
from hubtools.models.families.batches import REFERENCE_SIDE
from hubtools.models.families.protocol import BaseInfo
from hubtools.models.registry import SUPPORTED
from hubtools.settings import DatasetSettings, SampleSettings
from hubtools.training.captions import texts_of
from hubtools.training.layers import Share
from hubtools.training.memory import Memory
from hubtools.training.optimizer_kinds import kind_of
from hubtools.training.recipe import Recipe
from hubtools.training.texts import trained_of

if TYPE_CHECKING:
    from hubtools.dataset.examples import Example
    from hubtools.dataset.text.tokens import TokenCounter


TRAIN_RULES: RuleBook[TrainPlan] = RuleBook()

# Bytes a tensor takes in the header of its file, at most: names are long.
_HEADER = 256


@dataclass(frozen=True)
class TrainPlan:
    """Everything known before the weights are loaded. Bytes of files, pixels of pictures."""

    recipe: Recipe
    base: BaseInfo
    base_name: str
    base_prediction_type: str
    dataset: DatasetSettings
    samples: SampleSettings
    examples: Sequence[Example]
    sizes: Sequence[tuple[int, int]]
    prompts: Sequence[str]
    device: str
    run_dir: Path
    lora_parameters: int
    bytes_free: int
    counter: TokenCounter | None = None  # of the base's widest text encoder
    resumes_at: int = 0
    lora_tensors: int = 0
    lora_shares: Sequence[Share] = ()
    optimizer_bytes: int = 0  # what the optimizer remembers, and an average
    started_from: StartedFrom | None = None
    cache_bytes_free: int | None = None  # None: the cache lies on the run's disk
    sample_controls: Sequence[tuple[Path, ...]] = ()  # for each prompt, what its pictures are of
    memory: Memory | None = None  # None: not reckoned
    memory_free: int | None = None  # of the GPU; None: there is none
    processor: Processor | None = None  # None: nothing is known of it
    held_out: Sequence[Example] = ()  # not trained on
    held_out_sizes: Sequence[tuple[int, int]] = ()

    def prior_caption(self, caption: str) -> str:
        """A caption that asks for anybody but the subject, in the same view, place and so on."""
        given, trigger = self.recipe.settings.class_prompt, self.dataset.trigger
        if given is not None:
            return given
        return replace_word(caption, trigger, self.dataset.class_noun) if trigger else caption

    @property
    def trained_texts(self) -> tuple[str, ...]:
        """Text encoders that are trained."""
        return trained_of(self.base, self.recipe.settings)

    @property
    def keeps_texts(self) -> bool:
        """Whether there are text encoders whose answers are cached: those that are not trained."""
        return not self.trained_texts or self.trained_texts != self.base.texts

    def texts(self, example: Example) -> tuple[str, ...]:
        """The captions of which a step draws one."""
        return texts_of(example.texts, self.recipe.settings, self.dataset.trigger)

    @cached_property
    def encoded_captions(self) -> frozenset[str]:
        """All that are encoded: those that steps draw, the empty one, and what the base is kept
        to."""
        texts = {text for example in self.examples for text in self.texts(example)}
        if self.recipe.settings.keeps_answers:
            texts |= {self.prior_caption(text) for text in texts}
        return frozenset(texts | {""})

    @property
    def lora_bytes(self) -> int:
        """One LoRA file: float32, and a header."""
        return self.lora_parameters * 4 + self.lora_tensors * _HEADER

    @property
    def state_bytes(self) -> int:
        """One state: the LoRA and what the optimizer remembers of it."""
        settings = self.recipe.settings
        tensors = (kind_of(settings).tensors + settings.use_ema) * self.lora_tensors
        return self.lora_bytes + self.optimizer_bytes + tensors * _HEADER

    @property
    def states(self) -> int:
        """States on disk at most."""
        written = self.recipe.steps // self.recipe.checkpoint_every + 1
        return min(written, self.recipe.settings.checkpoints_total_limit)

    @property
    def snapshots(self) -> int:
        """Publishable copies along the way."""
        return self.recipe.steps // self.recipe.snapshot_every

    @property
    def divisor(self) -> int:
        """What sides must be multiples of, in pixels."""
        support = SUPPORTED.get(self.base.family)
        return max(self.base.latent_factor, support.divisor if support else 1)

    @property
    def tokens(self) -> int:
        """Tokens of a flow base's picture."""
        return int((self.recipe.resolution // self.divisor) ** 2)

    @property
    def sample_size(self) -> int:
        """Side of a sample."""
        return self.samples.size or self.recipe.resolution

    @property
    def pictures(self) -> int:
        """Samples the run draws, the baseline before the first step included."""
        if not self.recipe.sample_every:
            return 0
        moments = 1 + -(-self.recipe.steps // self.recipe.sample_every)
        return moments * len(self.prompts)

    @property
    def cache_bytes(self) -> int:
        """Latents of every picture and one embedding a caption, as the family caches them."""
        recipe, factor = self.recipe, self.base.latent_factor
        flips = 2 if recipe.settings.random_flip else 1
        crops = recipe.settings.crops_per_image
        sizes = [recipe.buckets.size(item) for item in range(len(recipe.buckets.of))] * crops
        cells = flips * sum((width // factor) * (height // factor) for width, height in sizes)
        cells += len(self.held_out) * (recipe.resolution // factor) ** 2
        given = {one.controls for one in self.examples} if self.base.controls[1] else set()
        # as large as they may be
        cells += flips * sum(map(len, given)) * (REFERENCE_SIDE // factor) ** 2
        captions = len(self.encoded_captions) + len(self.held_out) if self.keeps_texts else 0
        if self.base.sees:  # at most: each with the pictures that it is said of
            captions *= flips * len(given)
        headers = (flips * (len(sizes) + len(given)) + captions) * 2 * _HEADER
        return cells * self.base.cell_bytes + captions * self.base.caption_bytes + headers

    @property
    def bytes_needed(self) -> int:
        """What the run may add to the disk of its folder: one state more than it keeps, since the
        oldest goes only when the newest is whole."""
        picture = self.sample_size**2 * 3
        return (
            (self.states + 1) * self.state_bytes
            + (self.snapshots + 2) * self.lora_bytes
            + self.pictures * picture
            + self.recipe.steps * 160
        )
