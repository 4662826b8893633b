"""Rehearse the published bases of every family, and its tiny one, and keep what was found in
`hubtools/models/outlines.json` (see hubtools/models/outlines.py).

    python tools/make_outlines.py [NAME ...]

With names (`SDXL`, or `tiny flux`) only these are rehearsed anew. Of a denoiser of many equal
blocks three and four of each kind are rehearsed, which tells what more of them take; the whole one
then once in every mode. Half an hour for all.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import math
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from hubtools.files import json_within
from hubtools.models import outlines
from hubtools.models.blank import blank_component, bytes_of, in_precision
from hubtools.models.families.protocol import BaseInfo, family_of
from hubtools.models.families.tinies import BUILDERS, build_tiny
from hubtools.models.loading import left_out
from hubtools.models.lookup import texts_of
from hubtools.models.quantised import quantisable
from hubtools.models.registry import SUPPORTED
from hubtools.models.rehearsal import rehearse, rehearse_training
from hubtools.quiet import hush
from hubtools.settings import TrainSettings
from hubtools.training.adapter import add_lora
from hubtools.training.choices import completed
from hubtools.training.layers import shares
from hubtools.training.prepare import with_controls

Point = tuple[int, int, int, int]  # units of width and height, pictures, rank
LETTERS = "whbr"
ROOT = Path(__file__).resolve().parents[1]
OWN = {"the demo's": ROOT / "hubtools/tinypeople/tiny-people"}

# Where it is measured, and where what was found is tried.
MEASURED: list[Point] = [*itertools.product((1, 2), (1,), (1, 2), (4, 8))]
LONGER: list[Point] = [*itertools.product((1, 2), (3,), (1, 2), (4, 8))]
LARGER: list[Point] = [*itertools.product((3,), (1,), (1, 2), (4, 8))]
TRIED: list[Point] = [(3, 2, 3, 4), (16, 16, 1, 8), (24, 16, 4, 64), (64, 64, 1, 4)]
# Where another part of the base takes most at small sizes: units of the sides from which on it is
# measured, and the highest rank of which it is tried there.
LARGE, HIGH = 8, 256
BLOCKS, FEW = ("num_layers", "num_single_layers", "n_layers"), 3
AREA, SIDES, SQUARE = ["", "wh"], ["", "w", "h", "wh"], ["", "wh", "wwhh"]


def at(term: str, point: Point) -> int:
    return math.prod(point[LETTERS.index(letter)] for letter in term)


def solved(terms: list[str], values: dict[Point, int]) -> dict[str, int] | None:
    """The polynomial of these terms through all points, with whole factors; None if there is
    none."""
    rows = [[Fraction(at(term, p)) for term in terms] + [Fraction(v)] for p, v in values.items()]
    for column in range(len(terms)):
        pivot = next((i for i in range(column, len(rows)) if rows[i][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [number / rows[column][column] for number in rows[column]]
        for i, row in enumerate(rows):
            if i != column and row[column]:
                rows[i] = [a - row[column] * b for a, b in zip(row, rows[column], strict=True)]
    found = {term: row[-1] for term, row in zip(terms, rows, strict=False) if row[-1]}
    if any(row[-1] for row in rows[len(terms) :]):
        return None
    if any(factor.denominator != 1 for factor in found.values()):
        return None
    return {term: int(factor) for term, factor in found.items()}


Found = dict[str, int] | list[dict[str, int]]


def polynomial(
    measure: Callable[[Point], int],
    kinds: Sequence[list[str]],
    by: int = 1,
    least: int = 1,
    *,
    alone: bool = False,
) -> Found | None:
    """What `measure` answers, as a polynomial of one of these kinds, or as two: of a picture alone,
    whose tensors are not copied to be as many as the batch, and of several. `alone`: whatever the
    batch and rank. Sides are multiples of `by` units, from
    `least` on."""
    measured: dict[Point, int] = {}

    def at_points(points: list[Point]) -> dict[Point, int]:
        for point in points:
            if point not in measured:
                with suppress(ValueError):  # larger than the base can be
                    measured[point] = measure(point)
        return {point: measured[point] for point in points if point in measured}

    for sides in kinds:
        points = [*MEASURED, *(p for p in TRIED if min(p[:2]) >= by * least)]
        points += LARGER if sides is SQUARE else LONGER if sides is SIDES else []
        points = [
            point
            if point in TRIED
            else (by * (point[0] + least - 1), by * (point[1] + least - 1), *point[2:])
            for point in points
        ]
        if alone:
            points = list(dict.fromkeys((*point[:2], 1, 1) for point in points))
        more = ("",) if alone else ("", "b", "r", "br")
        terms = [letters + side for letters in more for side in sides]
        if found := solved(terms, at_points(points)):
            return found
        if alone:
            continue
        single = list(dict.fromkeys((*p[:2], 1, p[3]) for p in points))
        several = list(dict.fromkeys((*p[:2], p[2] + n, p[3]) for p in points for n in (1, 2)))
        first = solved(
            [letters + side for letters in ("", "r") for side in sides], at_points(single)
        )
        if first and (second := solved(terms, at_points(several))):
            return [first, second]
    return None


def usual_of(library: str, kind: str) -> dict[str, Any]:
    """What a class takes for given, as JSON."""
    import diffusers
    import transformers

    if library == "diffusers":
        takes = inspect.signature(getattr(diffusers, kind).__init__).parameters
        given = {key: one.default for key, one in takes.items() if key != "self"}
        given = {k: None if v is inspect.Parameter.empty else v for k, v in given.items()}
    else:
        given = getattr(transformers, kind).config_class().to_dict()
    return outlines.telling(json.loads(json.dumps(given)), kind)


def outline(folder: Path, work: Path) -> Iterator[tuple[str, str, Any]]:
    """(table, key, entry) of the parts of a base."""
    family = family_of(folder, folder.name)
    info = with_controls(family.info(folder, None), [])
    yield (
        "denoisers",
        outlines.denoiser_key(folder, family.prefix, info),
        denoiser(folder, family, work),
    )
    yield "vaes", outlines.vae_key(folder, info), vae(folder, family, info)
    support = SUPPORTED[info.family]
    for name in texts_of(support):
        if "encoder" in name and name not in left_out(folder, support):
            numbers = bytes_of(blank_component(folder, name), 1)
            yield "texts", outlines.component_key(folder, name), numbers


Counts = dict[str, int]


def counts_of(config: dict[str, Any], usual: dict[str, Any]) -> Counts:
    """How many equal blocks a denoiser has, by what its configuration calls them."""
    said = usual | config
    found: Counts = {name: said[name] for name in BLOCKS if isinstance(said.get(name), int)}
    if dual := len(said.get("dual_attention_layers") or ()):
        found["dual"] = dual
        found["num_layers"] -= dual
    return {} if min(found.values(), default=0) <= FEW else found


def with_counts(config: dict[str, Any], counts: Counts) -> dict[str, Any]:
    """A configuration with other numbers of blocks."""
    changed = config | counts
    if dual := changed.pop("dual", 0):
        changed["dual_attention_layers"] = list(range(dual))
        changed["num_layers"] += dual
    return changed


def shorter(folder: Path, prefix: str, work: Path) -> list[tuple[int, Path]]:
    """(factor, base): what the base in `folder` takes is the sum of what these take. Itself, unless
    it has many equal blocks."""
    config = json_within(folder / prefix / "config.json")
    kind = json_within(folder / "model_index.json")[prefix]
    counts = counts_of(config, usual_of(*kind))
    if not counts:
        return [(1, folder)]
    few = dict.fromkeys(counts, FEW)
    more = {name: counts[name] - FEW for name in counts}
    found = [(1 - sum(more.values()), few)]
    found += [(more[name], few | {name: FEW + 1}) for name in counts]
    made = []
    for number, (factor, wanted) in enumerate(found):
        copy = work / f"{folder.name} {number}"
        shutil.copytree(folder, copy)
        text = json.dumps(with_counts(config, wanted))
        (copy / prefix / "config.json").write_text(text, "utf-8")
        made.append((factor, copy))
    return made


class Rehearser:
    """Passes of a denoiser by precision, mode and point, each made once."""

    def __init__(self, folder: Path, family: Any) -> None:
        self.folder, self.family = folder, family
        self.info = with_controls(family.info(folder, None), [])
        self.made: dict[tuple[Any, int], Any] = {}
        self.passes: dict[Any, tuple[int, int]] = {}

    def blank(self, dtype: Any, rank: int) -> Any:
        """(denoiser, bytes of its own, parameters of its LoRA)"""
        if (dtype, rank) not in self.made:
            model = self.family.blank_denoiser(self.folder).requires_grad_(False)
            in_precision(model, dtype)
            weights = bytes_of(model)
            settings = completed(TrainSettings(rank=rank), self.info)
            self.made[dtype, rank] = model, weights, add_lora(model, settings, float(rank))
        return self.made[dtype, rank]

    def __call__(self, dtype: Any, checkpointing: bool, point: Point) -> tuple[int, int]:
        """Bytes and floating point operations."""
        key = dtype, checkpointing, point
        if key not in self.passes:
            width, height, count, rank = point
            size = (width * outlines.UNIT, height * outlines.UNIT)
            model = self.blank(dtype, rank)[0]
            found = rehearse_training(
                model,
                lambda: self.family.rehearse_denoiser(model, self.info, size, count),
                dtype,
                checkpointing=checkpointing,
            )
            self.passes[key] = found.bytes, found.flops
        return self.passes[key]


def denoiser(folder: Path, family: Any, work: Path) -> dict[str, Any]:
    """Rehearsed in every mode and rank."""
    import torch

    whole = Rehearser(folder, family)
    parts = [
        (factor, whole if one == folder else Rehearser(one, family))
        for factor, one in shorter(folder, family.prefix, work)
    ]
    blank = whole.blank

    def passed(dtype: Any, checkpointing: bool, point: Point) -> tuple[int, int]:
        """Bytes and operations of the whole."""
        found = [(factor, part(dtype, checkpointing, point)) for factor, part in parts]
        held, flops = (sum(factor * one[i] for factor, one in found) for i in (0, 1))
        return held, flops

    def held(dtype: Any, checkpointing: bool, point: Point) -> int:
        return passed(dtype, checkpointing, point)[0]

    weights = {"single": blank(torch.float32, 4)[1], "half": blank(torch.bfloat16, 4)[1]}
    modes = {
        name + more: (dtype, checkpointing)
        for name, dtype in (("single", torch.float32), ("half", torch.bfloat16))
        for more, checkpointing in (("", False), ("-checkpointing", True))
    }
    best: dict[str, Any] = {"kept": {}}
    for by, least in ((1, 1), (1, 2), (2, 1)):
        flops = polynomial(lambda p: passed(torch.float32, False, p)[1], (AREA, SQUARE), by, least)
        if flops is None:
            continue
        kept = {}
        for mode, (dtype, checkpointing) in modes.items():
            found = polynomial(
                partial(held, dtype, checkpointing),
                (AREA, SQUARE, SIDES),
                by,
                least,
            )
            if found is not None:
                kept[mode] = found
        if len(kept) > len(best["kept"]):
            best = {"kept": kept, "flops": flops, "by": by, "least": least}
        if len(kept) == len(modes):
            break
    for mode, (dtype, checkpointing) in modes.items():
        if best.get("by") == 1 and mode not in best["kept"]:
            measure = partial(held, dtype, checkpointing)
            found = polynomial(measure, (AREA,), 1, LARGE)
            corner = (LARGE, LARGE, 1, HIGH)
            if isinstance(found, dict) and measure(corner) == sum(
                factor * at(term, corner) for term, factor in found.items()
            ):
                best["kept"][mode] = found
                best.setdefault("within", {})[mode] = [LARGE, HIGH]
    if len(parts) > 1:
        least = best.get("by", 1) * best.get("least", 1)
        for name, (dtype, checkpointing) in modes.items():
            point = (2 * least, least, 2, 4)
            if whole(dtype, checkpointing, point) != passed(dtype, checkpointing, point):
                raise SystemExit(f"{name}: its blocks are not all alike")
    print(f"  {best.get('by')}, {best.get('least')}: {', '.join(best['kept'])}", flush=True)
    shapes = {n: tuple(p.shape) for n, p in blank(torch.float32, 4)[2].items()}
    pairs = Counter(
        (shapes[name.replace("lora_A", "lora_B")][0], shape[1])
        for name, shape in shapes.items()
        if "lora_A" in name
    )
    layers = [[wide, deep, number] for (wide, deep), number in sorted(pairs.items())]
    sorts = [
        [one.sort, one.layers, one.parameters // 4] for one in shares(blank(torch.float32, 4)[0])
    ]
    entry = {"layers": layers, "sorts": sorts, "weights": weights} | fewer(folder, family) | best
    return entry | largest(lambda side: passed(torch.float32, False, (side, side, 1, 4)))


def fewer(folder: Path, family: Any) -> dict[str, list[int]]:
    """How many numbers and rows the layers have that can be quantised."""
    found = [layer.weight.shape for _, layer in quantisable(family.blank_denoiser(folder))]
    return {"fewer": [sum(map(math.prod, found)), sum(rows for rows, _ in found)]}


def largest(works: Callable[[int], Any]) -> dict[str, int]:
    """{"most": units of the longest side}; nothing where it is 64, the longest there is."""
    for side in range(64, 0, -1):
        with suppress(ValueError):
            works(side)
            return {} if side == 64 else {"most": side}
    raise SystemExit("it has no size")


def vae(folder: Path, family: Any, info: BaseInfo) -> dict[str, Any] | None:
    """Rehearsed at several sizes, a picture at a time."""
    import torch

    model = blank_component(folder, "vae")

    def held(decode: bool, point: Point) -> int:
        size = (point[0] * outlines.UNIT, point[1] * outlines.UNIT)
        return rehearse(
            lambda: family.rehearse_vae(model, info, size, decode=decode), torch.float32
        ).bytes

    found = {}
    for name, decode in (("encoding", False), ("decoding", True)):
        factors = polynomial(partial(held, decode), (AREA, SIDES), alone=True)
        if factors is None:
            print(f"  vae {name}: no polynomial", flush=True)
            return None
        found[name] = factors
    return {"numbers": bytes_of(model, 1), **found}


def folders(work: Path, wanted: list[str]) -> Iterator[tuple[str, Path]]:
    """Configurations of the bases by name."""
    for family in BUILDERS:
        if not wanted or f"tiny {family}" in wanted:
            yield f"tiny {family}", build_tiny(family, work / f"tiny {family}")
    yield from ((name, folder) for name, folder in OWN.items() if not wanted or name in wanted)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    for name, files in importlib.import_module("family_plans").BASES.items():
        if not wanted or name in wanted:
            for file, content in files.items():
                (work / name / file).parent.mkdir(parents=True, exist_ok=True)
                (work / name / file).write_text(json.dumps(content), "utf-8")
            yield name, work / name


def write(table: dict[str, Any]) -> None:
    """Write the table, a line an entry, and have it read anew."""
    parts = []
    for name, entries in sorted(table.items()):
        rows = (
            f"  {json.dumps(k)}: {json.dumps(v, sort_keys=True)}"
            for k, v in sorted(entries.items())
        )
        parts.append(f"{json.dumps(name)}: {{\n" + ",\n".join(sorted(rows)) + "\n}")
    outlines.TABLE.write_text("{\n" + ",\n".join(parts) + "\n}\n", "utf-8")
    outlines.table.cache_clear()


def main() -> None:
    """Rehearse, and write the table."""
    hush()
    wanted = sys.argv[1:]
    table: dict[str, Any] = {"usual": {}, "denoisers": {}, "vaes": {}, "texts": {}}
    if wanted and outlines.TABLE.is_file():
        table = json.loads(outlines.TABLE.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as work:
        for name, folder in folders(Path(work), wanted):
            print(name, flush=True)
            for part, said in json_within(folder / "model_index.json").items():
                if isinstance(said, list) and (folder / part / "config.json").is_file():
                    table["usual"][said[1]] = usual_of(*said)
            write(table)
            for kind, key, entry in outline(folder, Path(work)):
                if entry is not None:
                    table[kind][key] = entry
            write(table)


if __name__ == "__main__":
    main()
