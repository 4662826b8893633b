"""Pictures that lie beside a LoRA which was not trained here: what its trainer has drawn with it.

Taken are those in the folders that trainers draw samples into. Pictures anywhere else may be what
it was trained on, which is nobody's to publish but their owner's.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubtools.cards.model_card import GALLERY_LIMIT
from hubtools.parameters import parameters_in
from hubtools.patterns import regex
from hubtools.rooted import Root

FOLDERS = ("samples", "sample", "validation_images")
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
# NAME_e000010_00_..., NAME_000500_00_... (sd-scripts), TIME__000000500_0 (ai-toolkit),
# step_500_... (SimpleTuner)
_STEP = regex(r"(?:.*_)?(?:e(\d{6})_\d\d_.*|(\d{6})_\d\d_.*|_(\d{9})_\d+|step_(\d{1,9})_.*)")
# What names a LoRA to A1111 and its kin, and is a word to all others.
_NETWORK = regex(r"<(?:lora|lyco|hypernet):[^<>]{1,200}>\s*,?")
_MOST = 100_000  # bytes of a prompt
_BEHIND = regex(r"\n(?:Negative prompt|Steps): ")
_LONGEST = 1_000  # letters of one that is shown


@dataclass(frozen=True)
class Drawn:
    """A picture: its folder, its name in it, and the prompt if anything tells it."""

    folder: str
    file: str
    prompt: str | None


def drawn_in(root: Root, trigger: str | None) -> list[Drawn]:
    """The pictures of the last step that drew any, those with the trigger in their prompt first."""
    for folder in FOLDERS:
        if not root.is_folder(folder):
            continue
        names = [
            name
            for name in root.list(folder)
            if name.lower().endswith(_ENDINGS) and root.is_file(f"{folder}/{name}")
        ]
        if not names:
            continue
        found = [Drawn(folder, n, _prompt(root, f"{folder}/{n}")) for n in _last(names)]
        found.sort(key=lambda one: (trigger or "") not in (one.prompt or ""))
        return found
    return []


def _last(names: list[str]) -> list[str]:
    steps = {name: _step(name) for name in names}
    last = max((step for step in steps.values() if step is not None), default=None)
    return [name for name in sorted(names) if steps[name] == last][:GALLERY_LIMIT]


def _step(name: str) -> int | None:
    found = _STEP.fullmatch(name.rpartition(".")[0])
    return None if found is None else int(next(filter(None, found.groups())))


def _prompt(root: Root, name: str) -> str | None:
    """What lies beside the picture as a text, else what the picture says it was drawn with."""
    beside = f"{name.rpartition('.')[0]}.txt"
    if root.is_file(beside):
        text = root.read(beside, _MOST).decode("utf-8", "replace")
    else:
        with root.open(name) as file:
            text = _BEHIND.split(parameters_in(file), maxsplit=1)[0]
    line = " ".join(_NETWORK.sub(" ", text).split()).removesuffix(",").rstrip()
    return line if 0 < len(line) <= _LONGEST else None
