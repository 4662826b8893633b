"""Which files of a run folder are worth publishing, and why.

`classify` only looks; `apply` in `trash` moves what is not worth publishing, and was written by a
trainer (see `trainers`), to `.hubtools/trash/<time>/`; `undo` brings it back. Nothing is deleted.
What hubtools does not know is neither published nor moved.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from hubtools.cardlinks import mentioned_files
from hubtools.files import StrPath, human_bytes, sha256_of
from hubtools.frontmatter import parse
from hubtools.layout import (
    CARD,
    CHECKPOINTS_DIR,
    EVALUATION,
    EVALUATION_CHART,
    EVALUATION_DIR,
    IMAGES_DIR,
    LOSS_CHART,
    METRICS,
    PEFT_CONFIG,
    PROJECT_FILE,
    RUN_MANIFEST,
    SAMPLES_DIR,
    SNAPSHOTS_DIR,
    SPACE_DIR,
    STATE_DIR,
)
from hubtools.lorafile.companions import companions
from hubtools.lorafile.look import words_for
from hubtools.lorafile.made_of import MadeOf
from hubtools.models.registry import COMPONENTS
from hubtools.rooted import Root
from hubtools.runfolders.checkpoints import chosen, steps_of
from hubtools.runfolders.main_file import matches, the_lora
from hubtools.runfolders.trainers import (
    MAX_MANIFEST,
    recognised,
    refuse_places,
    wrote,
)
from hubtools.runfolders.tree import files_below
from hubtools.weights import Header, Holds, read_header

# An unknown file larger than this is not decided silently.
ASK_FROM_BYTES = 10_000_000


class Verdict(StrEnum):
    """What becomes of a file."""

    KEEP = "keep"  # goes to the Hub
    DROP = "drop"  # stays here, or goes to the trash
    ASK = "ask"  # nobody knows: the user decides


@dataclass(frozen=True)
class Half:
    """What `apply` writes in place of a LoRA of full precision: in `dtype` (fp16, bf16)."""

    dtype: str
    bytes: int
    sha256: str
    made_of: MadeOf


@dataclass(frozen=True)
class Item:
    """A file of the run folder with its verdict. `target` differs from `path` where a checkpoint's
    LoRA is published as the run's; with `half` it is written in half precision there, and the
    file itself goes to the trash."""

    path: str  # relative, with /
    bytes: int
    verdict: Verdict
    reason: str
    target: str | None = None
    # whether the trainer is known to write such a file there, or the user named it (--drop)
    known: bool = False
    half: Half | None = None

    @property
    def bytes_sent(self) -> int:
        """Of what goes to the Hub."""
        return self.bytes if self.half is None else self.half.bytes

    @property
    def word(self) -> str:
        """What `prune` does with it: keep, drop, ask, or let it stay unpublished."""
        return self.verdict.value if self.known or self.verdict is not Verdict.DROP else "stay"

    @property
    def moves(self) -> bool:
        """True if `apply` moves it to the trash: it is not published, and it is no mystery."""
        return self.verdict is Verdict.DROP and self.known


@dataclass(frozen=True)
class PrunePlan:
    """All files of a run folder, each with a verdict, sorted by path."""

    root: Path
    items: tuple[Item, ...]
    weights: str  # the one LoRA file that is published

    def of(self, verdict: Verdict) -> tuple[Item, ...]:
        """The items with this verdict."""
        return tuple(item for item in self.items if item.verdict is verdict)

    @property
    def kept(self) -> tuple[Item, ...]:
        """What goes to the Hub."""
        return self.of(Verdict.KEEP)

    @property
    def dropped(self) -> tuple[Item, ...]:
        """What does not."""
        return self.of(Verdict.DROP)

    @property
    def moved(self) -> tuple[Item, ...]:
        """What `apply` moves to the trash."""
        return tuple(item for item in self.items if item.moves)

    @property
    def left(self) -> tuple[Item, ...]:
        """What is neither published nor moved: hubtools does not know what it is."""
        return tuple(item for item in self.dropped if not item.known)

    @property
    def asks(self) -> tuple[Item, ...]:
        """What the user has to decide."""
        return self.of(Verdict.ASK)

    @property
    def halved(self) -> tuple[Item, ...]:
        """What `apply` writes in half precision."""
        return tuple(item for item in self.kept if item.half is not None)

    @property
    def bytes_kept(self) -> int:
        """Bytes that go to the Hub."""
        return sum(item.bytes_sent for item in self.kept)

    @property
    def bytes_moved(self) -> int:
        """Bytes that `apply` moves to the trash."""
        return sum(item.bytes for item in self.moved)

    @property
    def bytes_dropped(self) -> int:
        """Bytes that do not."""
        return sum(item.bytes for item in self.dropped)


def classify(
    root: StrPath,
    *,
    keep_checkpoints: str = "none",
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    adapters: Sequence[str] = (),
    sha256: Callable[[str], str | None] | None = None,
) -> PrunePlan:
    """Judge every file below the run folder `root`; `keep` and `drop` are patterns (fnmatch, on
    relative paths or file names) that overrule the rules. `keep_checkpoints` (none, last, best,
    all, a number) keeps LoRA files of earlier steps too. `adapters` are LoRA files at the top that
    belong to the release too. `sha256` knows the hashes of files whose bytes are elsewhere.

    Weight files are judged by their headers, not their names. Exactly one LoRA is kept at the top
    level; if there is none there, the newest checkpoint's LoRA is kept under the usual name.
    Raises `HubtoolsError` if the folder is no place to prune or holds no LoRA.
    """
    path = Path(root)
    refuse_places(path)
    run = recognised(path)
    with Root(path) as opened:
        files = files_below(opened)
        regular = [name for name, facts in files if stat.S_ISREG(facts.st_mode)]
        headers = {
            name: read_header(path / name) for name in regular if name.endswith(".safetensors")
        }
        steps = steps_of(opened, headers)
        weights, target = the_lora(opened, headers, steps, drop, adapters)
        shown = _referenced(opened)
        beside = {one.file for one in companions(headers, weights, adapters)}

        def is_it(name: str, digest: str) -> bool:
            """Whether a LoRA is the one with this hash, or was made of it."""
            made_of = MadeOf.of(headers[name].metadata)
            if made_of is not None and made_of.sha256 == digest:
                return True
            return (sha256(name) if sha256 else sha256_of(path / name)) == digest

        asked = chosen(opened, keep_checkpoints, steps, weights, is_it)
    items = []
    for name, facts in files:
        size = facts.st_size if stat.S_ISREG(facts.st_mode) else 0
        if name == weights:
            what = words_for(headers[name])
            reason = (
                f"the {what}" if target is None else f"the newest {what}; published as {target}"
            )
            items.append(Item(name, size, Verdict.KEEP, reason, target))
            continue
        verdict, reason = _verdict(name, facts, headers.get(name), shown)
        moved = None
        if name in beside and name in adapters:
            verdict, reason = Verdict.KEEP, f"another {words_for(headers[name])} of this release"
        elif name in asked:
            verdict, reason = Verdict.KEEP, _checkpoint(steps[name], keep_checkpoints)
            # at the top loaders would not know which of several to take
            moved = None if "/" in name else f"{CHECKPOINTS_DIR}/{name}"
        known = run is not None and wrote(run, name)
        if matches(name, drop):
            verdict, reason, known = Verdict.DROP, "dropped as asked", True
        elif matches(name, keep) and stat.S_ISREG(facts.st_mode):
            verdict, reason = _kept(name, verdict, reason)
        target_of = moved if verdict is Verdict.KEEP else None
        items.append(Item(name, size, verdict, reason, target_of, known))
    return PrunePlan(path, tuple(_without_copies(path, items, weights)), target or weights)


def _kept(name: str, verdict: Verdict, reason: str) -> tuple[Verdict, str]:
    if verdict is Verdict.DROP and reason == _SECRET:
        return verdict, f"{_SECRET}; --keep does not publish it"
    return Verdict.KEEP, "kept as asked"


def _checkpoint(step: int | None, asked: str) -> str:
    of = "an earlier step" if step is None else f"step {step}"
    return f"the LoRA at {of}, " + ("the best of all, kept" if asked == "best" else "kept as asked")


_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_PICKLES = (".bin", ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill")

# (pattern on the relative path, reason); first match decides. All of them are dropped.
_LEFTOVERS: tuple[tuple[str, str], ...] = (
    (rf"{STATE_DIR}/", "state for resuming; not needed to use the LoRA"),
    (r"(^|/)optimizer[^/]*\.(bin|pt|safetensors)$", "optimizer state; only for resuming"),
    (r"(^|/)scheduler[^/]*\.(bin|pt)$", "state of the learning rate; only for resuming"),
    (r"(^|/)(random_states|rng_state|sampler|dl_state_dict|scaler)[^/]*$", "only for resuming"),
    (r"(^|/)(training_args\.bin|trainer_state\.json|training_state\.json)$", "only for resuming"),
    (r"(^|/)pytorch_model_fsdp[^/]*/", "state of a sharded training; only for resuming"),
    (r"-state/", "state for resuming (sd-scripts)"),
    (r"(^|/)(logs?|runs|wandb|mlruns|tensorboard|lightning_logs)/", "training logs"),
    (r"(tfevents|(^|/)hparams\.ya?ml$|\.log$|(^|/)nohup\.out$)", "training logs"),
    (r"(^|/)(\.cache|__pycache__|\.ipynb_checkpoints|__MACOSX|\.git)/", "left by other programs"),
    (r"(^|/)(\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*)$", "left by other programs"),
    (r"(^|/)(\.tmp-[^/]*|[^/]*\.(tmp|part|incomplete|lock|swp))$", "an unfinished file"),
    (r"(^|/)\.git(ignore|attributes|modules)$", "the Hub would obey it; not part of a release"),
    (r"\.npz$", "cached latents"),
    (rf"(^|/)({'|'.join(COMPONENTS)})/", "a copy of the base model"),
    (r"^(model_index\.json|scheduler/)", "a copy of the base model"),
)
_SECRET = "may hold a secret"
_SECRETS = re.compile(r"(^|/)(\.env[^/]*|[^/]*\.(pem|key)|token|credentials[^/]*)$", re.IGNORECASE)
_KEPT_NAMES = {
    RUN_MANIFEST: "the facts of the run",
    PROJECT_FILE: "the settings of the run",
    CARD: "the model card",
    PEFT_CONFIG: "the adapter's configuration",
}


def _verdict(
    name: str, facts: os.stat_result, header: Header | None, shown: frozenset[str]
) -> tuple[Verdict, str]:
    size = facts.st_size
    if stat.S_ISLNK(facts.st_mode):
        return Verdict.DROP, "a symbolic link; links are never followed"
    if not stat.S_ISREG(facts.st_mode):
        return Verdict.DROP, "no regular file"
    if _SECRETS.search(name):  # before all else: whatever links to it does not make it public
        return Verdict.DROP, _SECRET
    if name in _KEPT_NAMES:
        return Verdict.KEEP, _KEPT_NAMES[name]
    if "/" not in name and name.upper().startswith(("LICENSE", "LICENCE", "NOTICE")):
        return Verdict.KEEP, "the licence"
    if name in shown:
        return Verdict.KEEP, "shown on the card"
    for pattern, reason in _LEFTOVERS:
        if re.search(pattern, name):
            return Verdict.DROP, reason
    if header is not None:
        return _weights_verdict(name, size, header)
    if name.endswith(_PICKLES):
        return Verdict.DROP, "a pickle; it can run code when it is opened"
    if name.startswith(f"{SAMPLES_DIR}/"):
        return Verdict.DROP, f"of the samples; the card shows copies of pictures, in {IMAGES_DIR}/"
    if name.startswith(f"{SPACE_DIR}/"):
        return Verdict.DROP, "of the Space that --space pushes by itself"
    if name.startswith(f"{EVALUATION_DIR}/"):
        return Verdict.DROP, "a picture that was only measured"
    if name == EVALUATION:
        return Verdict.KEEP, "what was measured"
    if name == EVALUATION_CHART:
        return Verdict.DROP, "figures that were measured; the card does not show them"
    if name in (METRICS, LOSS_CHART):
        return Verdict.DROP, "the training curve; the card does not show it"
    if size > ASK_FROM_BYTES:
        return Verdict.ASK, f"unknown, and {human_bytes(size)} large"
    if name.endswith(_PICTURES):
        return Verdict.DROP, "a picture the card does not show"
    return Verdict.DROP, "not part of a release"


def _weights_verdict(name: str, size: int, header: Header) -> tuple[Verdict, str]:
    large = human_bytes(size)
    match header.holds:
        case Holds.FULL_WITH_LORA:
            return Verdict.DROP, (
                f"{large}: the frozen base with the LoRA inside; not needed to use or publish it"
            )
        case Holds.OPTIMIZER:
            return Verdict.DROP, "optimizer state; only for resuming"
        case Holds.LORA | Holds.LYCORIS if name.startswith(f"{SNAPSHOTS_DIR}/"):
            return Verdict.DROP, "the LoRA at an earlier step (--keep-checkpoints keeps it)"
        case Holds.LORA | Holds.LYCORIS:
            what = words_for(header)
            return Verdict.DROP, (
                f"another {what} file; a repository has exactly one (--adapters names those that"
                " belong to it)"
            )
        case Holds.EMBEDDING if "/" not in name:
            return Verdict.KEEP, "embeddings of new words; they belong to the LoRA"
        case Holds.EMBEDDING:
            return Verdict.DROP, "embeddings of new words, of another step"
        case Holds.DAMAGED:
            return Verdict.DROP, "a damaged weight file"
        case _:
            return Verdict.DROP, f"{large}: a whole model; not needed to use or publish the LoRA"


def _referenced(root: Root) -> frozenset[str]:
    """Relative paths of files that the card may show or link to."""
    if not root.is_file(CARD):
        return frozenset()
    text = root.read(CARD, MAX_MANIFEST).decode("utf-8", "replace")
    matter = parse(text)
    return mentioned_files(text, matter.body, matter.data)


def _without_copies(root: Path, items: list[Item], weights: str) -> list[Item]:
    """Drop kept files that are byte for byte another kept one (the LoRA itself stays)."""
    seen: dict[tuple[int, str], str] = {}
    result = []
    sizes = Counter(item.bytes for item in items if item.verdict is Verdict.KEEP)
    for item in sorted(items, key=lambda item: item.path != weights):
        if item.verdict is Verdict.KEEP and item.bytes > 0 and sizes[item.bytes] > 1:
            key = (item.bytes, sha256_of(root / item.path))
            if key in seen and item.path.endswith(".safetensors"):
                item = replace(item, verdict=Verdict.DROP, reason=f"the same as {seen[key]}")
            else:
                seen.setdefault(key, item.path)
        result.append(item)
    return sorted(result, key=lambda item: item.path)
