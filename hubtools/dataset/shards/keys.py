"""Names of files in a WebDataset, which is cut at the first dot of each."""

from __future__ import annotations

# Words that name the part a picture has in its row, and no picture of its own.
ROLES = frozenset(
    [
        "mask", "masks", "matte", "cond", "condition", "conditioning", "control", "source", "src",
        "input", "ref", "reference", "before", "after", "target", "output", "edited", "original",
        "hint", "guide", "image", "img", "picture", "depth", "canny", "pose", "seg", "edge", "left",
        "right", "front", "back",
    ]
)  # fmt: skip


def names_role(part: str) -> bool:
    """True for `mask` and `mask_2`."""
    return part.lower().split("_")[0] in ROLES


def undotted(name: str) -> str:
    """The name with which the file is a row of its own: `photo-1.png` for `photo.1.png`. What says
    its part in the row stays: `a-1.mask.png` for `a.1.mask.png`."""
    folder, slash, base = name.rpartition("/")
    first, *middle, ending = base.split(".")
    kept: list[str] = []
    while middle and names_role(middle[-1]):
        kept.insert(0, middle.pop())
    if not middle or not first:
        return name
    return folder + slash + "-".join([first, *middle]) + "." + ".".join([*kept, ending])
