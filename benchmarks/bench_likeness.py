"""What a vision model finds of planted crops and marked copies, and what it takes for copies among
clean pictures (`dataset.embeddings`).

    python benchmarks/bench_likeness.py --model efficientnet-lite0 --clean 100 --each 20
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harness import keep
from pictures import scene
from PIL import Image, ImageDraw

from hubtools.dataset.copies.similarity import likely_copies
from hubtools.dataset.folder.listing import walk
from hubtools.journey.example import SHOTS
from hubtools.world import draw, sample

Change = Callable[[Image.Image, random.Random], Image.Image]


def _crop(share: float) -> Change:
    """A part, of which each side is that much shorter, at any place."""

    def cut(picture: Image.Image, rng: random.Random) -> Image.Image:
        width, height = (round(side * (1 - share)) for side in picture.size)
        x, y = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        return picture.crop((x, y, x + width, y + height))

    return cut


def _small_mark(picture: Image.Image, rng: random.Random) -> Image.Image:
    marked = picture.copy()
    place = (picture.width * rng.uniform(0.05, 0.5), picture.height * rng.uniform(0.1, 0.9))
    ImageDraw.Draw(marked).text(place, "(c) an agency", fill="white", font_size=picture.width // 22)
    return marked


def _large_mark(picture: Image.Image, rng: random.Random) -> Image.Image:
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    paint = ImageDraw.Draw(layer)
    for row in range(-1, 4):
        place = (picture.width * 0.05, picture.height * (0.27 * row + rng.uniform(0, 0.2)))
        paint.text(
            place, "STOCK STOCK STOCK", fill=(255, 255, 255, 140), font_size=picture.width // 10
        )
    return Image.alpha_composite(picture.convert("RGBA"), layer.rotate(20)).convert("RGB")


KINDS: dict[str, Change] = {
    "crop 10 %": _crop(0.1),
    "crop 20 %": _crop(0.2),
    "crop 30 %": _crop(0.3),
    "small mark": _small_mark,
    "mark all over": _large_mark,
}


def sets(clean: int) -> dict[str, list[Image.Image]]:
    """Pictures without copies among them, by what they show."""
    rng = random.Random(3)
    return {
        "scenes": [scene(number, 512, 384) for number in range(clean)],
        "drawn people": [draw(sample(rng).scene(), 256) for _ in range(clean)],
        "one character": [draw(shot.scene(), 256) for shot in SHOTS],
    }


def main() -> None:
    """Plant copies of every kind among the clean pictures, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--clean", type=int, default=100)
    parser.add_argument("--each", type=int, default=20)
    options = parser.parse_args()
    rows = []
    for name, pictures in sets(options.clean).items():
        # each original has one copy only: of many copies the next ones are copies too
        each = min(options.each, len(pictures) // len(KINDS))
        with tempfile.TemporaryDirectory() as scratch:
            root, rng = Path(scratch), random.Random(7)
            for number, picture in enumerate(pictures):
                picture.save(root / f"{number:03d}.png")
            kind_of = {}
            for number, kind in enumerate(list(KINDS) * each):
                kind_of[f"{number:03d}"] = kind
                KINDS[kind](pictures[number], rng).save(root / f"{number:03d}-copy.png")
            listing = walk(root)
            names = [entry.name for entry in listing.pictures]
            begun = time.process_time()
            pairs = [(p.one[:3], p.other[:3]) for p in likely_copies(listing, names, options.model)]
            spent = time.process_time() - begun
        hits = Counter(kind_of[one] for one, other in pairs if one == other)
        rows.append(
            {"set": name, "pictures": len(names)}
            | {kind: f"{hits[kind]}/{each}" for kind in KINDS}
            | {"false": sum(one != other for one, other in pairs)}
            | {"cpu_s_each": round(spent / len(names), 2)}
        )
    keep("likeness", rows)


if __name__ == "__main__":
    main()
