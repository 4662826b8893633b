"""The pictures of docs/cards.md and docs/publishing.md: cards on the embedded Hub's pages, and what
a push says. `python tools/card_pictures.py PROJECT` takes a finished project, such as that of
`hubtools demo`, and a headless Chromium; nothing of the project is changed.
"""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parents[1] / "docs"
CARD = 760  # pixels of a page of 1100 that the card takes
MOST = 150_000  # bytes of a picture
MODEL, PICTURES = "me/finetuned-misato", "me/misato-pictures"
_PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 22px; background: #17191e; color: #d8dce3;
  font: 14px/1.45 "DejaVu Sans Mono", monospace; white-space: pre-wrap }}
b {{ color: #8fd18a; font-weight: normal }}
</style>{}"""


def shot(address: str, size: tuple[int, int], folder: Path) -> Image.Image:
    """A page as a browser of that size shows it."""
    file = folder / "shot.png"
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--virtual-time-budget=4000", f"--window-size={size[0]},{size[1]}",
        f"--screenshot={file}", address,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    with Image.open(file) as picture:
        return picture.convert("RGB")


def without_margin(picture: Image.Image) -> Image.Image:
    """Cut off below the last line that is not background."""
    background = Image.new("RGB", picture.size, picture.getpixel((2, picture.height - 2)))  # type: ignore[arg-type]
    from PIL import ImageChops

    box = ImageChops.difference(picture, background).getbbox()
    return picture.crop((0, 0, picture.width, min(picture.height, box[3] + 16))) if box else picture


def keep(picture: Image.Image, name: str, width: int) -> None:
    """As a JPEG of `width` pixels and no more than `MOST` bytes."""
    height = round(picture.height * width / picture.width)
    small = picture.resize((width, height), Image.Resampling.LANCZOS)
    for quality in range(88, 30, -6):
        small.save(DOCS / name, quality=quality, optimize=True)
        if (DOCS / name).stat().st_size <= MOST:
            break
    print(f"{name}: {width}x{height}, {(DOCS / name).stat().st_size:,} bytes")


def beside(pictures: Sequence[Image.Image], gap: int = 24) -> Image.Image:
    """Pictures of one height side by side."""
    width = sum(one.width for one in pictures) + gap * (len(pictures) - 1)
    whole = Image.new("RGB", (width, max(one.height for one in pictures)), "white")
    left = 0
    for one in pictures:
        whole.paste(one, (left, 0))
        left += one.width + gap
    return whole


def columns(page: Image.Image, count: int) -> list[Image.Image]:
    """A long page in so many pieces; those below the first without what stands beside the card."""
    tall = -(-page.height // count)
    wide = [page.width, *[CARD] * (count - 1)]
    tops = range(0, count * tall, tall)
    return [page.crop((0, top, right, top + tall)) for top, right in zip(tops, wide, strict=True)]


def typed(folder: Path, environ: dict[str, str], *words: str) -> str:
    """A command and what it says, as HTML."""
    done = subprocess.run(
        [sys.executable, "-m", "hubtools", *words],
        cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.rstrip().splitlines() if "/" * 3 not in line]
    said = "\n".join(html.escape(line) for line in lines)
    return f"<b>$ hubtools {html.escape(' '.join(words))}</b>\n{said}\n\n"


def main() -> None:
    project = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        work = folder / "project"
        shutil.copytree(project, work)
        for state in work.rglob(".hubtools"):
            shutil.rmtree(state)
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        environ |= {
            "HF_TOKEN": "hf_local", "HF_HOME": f"{folder}/hf", "HF_HUB_DISABLE_XET": "1",
            "HUBTOOLS_CACHE": f"{folder}/cache", "HUBTOOLS_CONFIG": f"{folder}/config",
            "COLUMNS": "104",
        }  # fmt: skip
        serve = [sys.executable, "-m", "hubtools.localhub", "--root", f"{folder}/hub"]
        hub = subprocess.Popen(serve, env=environ, stdout=subprocess.PIPE, text=True)
        try:
            assert hub.stdout is not None
            url = json.loads(hub.stdout.readline())["url"]
            environ["HF_ENDPOINT"] = url
            run = next(path.parent.relative_to(work) for path in work.glob("runs/*/run.json"))
            typed(work, environ, "card", "--renew")
            typed(work, environ, "push", "dataset", PICTURES)
            said = typed(
                work, environ, "push", str(run), MODEL, "--collection", "Misato", "--dry-run"
            )
            said += typed(work, environ, "push", str(run), MODEL, "--collection", "Misato")
            said += typed(work, environ, "push", str(run), MODEL, "--undo", "--dry-run")
            page = folder / "page.html"
            page.write_text(_PAGE.format(said.replace(url, "https://huggingface.co")))
            keep(without_margin(shot(page.as_uri(), (980, 1600), folder)), "push.jpg", 900)
            for name, at, count in (
                ("card", MODEL, 2),
                ("dataset-card", f"datasets/{PICTURES}", 3),
            ):
                page_of = without_margin(shot(f"{url}/{at}", (1100, 6400), folder))
                keep(beside(columns(page_of, count)), f"{name}.jpg", 1200)
        finally:
            hub.terminate()
            hub.wait()


if __name__ == "__main__":
    main()
