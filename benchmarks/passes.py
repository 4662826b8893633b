"""One pass over a folder of pictures, as a program of its own: `python passes.py PASS FOLDER`.

Each prints a number on its last line: pictures looked at, or whatever it counts. The peers' passes
run in the peers' environments, so that nothing but the standard library is imported above.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

PROCESSES = 2


def files(folder: Path) -> list[Path]:
    """The pictures, sorted."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))


def scan(folder: Path) -> int:
    """hubtools' engine: everything that `validate` knows of a picture."""
    from hubtools.dataset.folder.listing import walk
    from hubtools.dataset.scan.scanning import scan as pictures

    entries = walk(folder).pictures
    # The same two processes for all, on any machine.
    return len(pictures(folder, entries, workers=PROCESSES))


def copies(folder: Path) -> int:
    """hubtools' engine and the search for copies."""
    from hubtools.dataset.copies.search import groups_below
    from hubtools.dataset.folder.listing import walk
    from hubtools.dataset.scan.scanning import scan as pictures

    table = pictures(folder, walk(folder).pictures, workers=PROCESSES)
    return len(groups_below(folder, table, radius=6, turns=False, workers=PROCESSES))


def again(folder: Path) -> int:
    """hubtools' engine where nothing has changed."""
    from hubtools.dataset.folder.listing import walk
    from hubtools.dataset.scan.scanning import scan as pictures

    return len(pictures(folder, walk(folder).pictures))


def daft(folder: Path) -> int:
    """hubtools' engine, its pictures handed out by daft to threads of one process."""
    from hubtools.dataset.folder.listing import walk
    from hubtools.dataset.scan.daft_engine import by_daft
    from hubtools.dataset.scan.scanning import scan as pictures

    return len(pictures(folder, walk(folder).pictures, engine=by_daft, remember=False))


def _decoded(path: Path) -> int:
    """The least that proves a file whole and leaves something to look at."""
    data = path.read_bytes()
    if path.suffix == ".jpg":
        import simplejpeg

        simplejpeg.decode_jpeg(data, "GRAY", min_height=128, min_width=128)
        return 1
    try:
        from kornia_rs.io import decode_image_png_u8
    except ImportError:
        import io

        from PIL import Image

        Image.open(io.BytesIO(data)).load()
        return 1
    width, height = (int.from_bytes(data[n : n + 4], "big") for n in (16, 20))
    decode_image_png_u8(data, (height, width), "rgb")
    return 1


def floor(folder: Path) -> int:
    """Reading and decoding alone, in two processes."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        return sum(pool.imap_unordered(_decoded, files(folder), chunksize=64))


def pillow(folder: Path) -> int:
    """Pillow's load, in one process."""
    from PIL import Image

    for path in files(folder):
        with Image.open(path) as picture:
            picture.load()
    return len(files(folder))


def datasets(folder: Path) -> int:
    """`datasets`: every row decoded."""
    from datasets import load_dataset

    rows = load_dataset("imagefolder", data_dir=str(folder), split="train")
    return sum(row["image"].width > 0 for row in rows)


def _row(row: dict[str, object]) -> dict[str, object]:
    return {"width": row["image"].width}  # type: ignore[attr-defined]


def datasets_map(folder: Path) -> int:
    """`datasets`: every row decoded by `map` in two processes."""
    from datasets import load_dataset

    rows = load_dataset("imagefolder", data_dir=str(folder), split="train")
    return len(rows.map(_row, num_proc=PROCESSES, remove_columns=rows.column_names))


def imagededup(folder: Path) -> int:
    """imagededup's perceptual hash of every picture, and nothing else."""
    import torch

    # it imports torchvision, of which CPU builds of torch lack the operators; none is called
    operators = torch.library.Library("torchvision", "DEF")
    operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from imagededup.methods import PHash

    return len(PHash().encode_images(image_dir=str(folder), num_enc_workers=PROCESSES))


def cleanvision(folder: Path) -> int:
    """cleanvision's default issues."""
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder))
    lab.find_issues(n_jobs=PROCESSES, verbose=False)
    return len(lab.issues)


def search(count: str) -> int:
    """Near pairs among hashes, of which one in a hundred has a neighbour."""
    import numpy as np

    from hubtools.dataset.copies.hamming import near_pairs

    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, int(count), dtype=np.uint64)
    planted = int(count) // 100
    hashes[:planted] = hashes[planted : 2 * planted]
    for _ in range(4):
        hashes[:planted] ^= np.uint64(1) << random.integers(0, 64, planted, dtype=np.uint64)
    return len(near_pairs(hashes, 4)[0])


def metadata(folder: Path) -> int:
    """All records read and checked by the rules on metadata."""
    from hubtools.dataset.validate import validate

    return int(validate(folder, select=["D1"]).facts["rows"])


def main() -> None:
    """Run the pass that the command line names."""
    name, what = sys.argv[1:]
    run = globals()[name]
    print(run(what if name == "search" else Path(what)))


if __name__ == "__main__":
    main()
