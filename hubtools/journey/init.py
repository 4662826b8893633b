"""`init`: a project folder that validates at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hubtools.dataset.folder.appearing import open_own, read_own
from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Listing, walk
from hubtools.dataset.metadata import read_metadata
from hubtools.dataset.metadata.roles import names_file, names_files
from hubtools.dataset.metadata.sidecars import decoded_all
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath, write_text
from hubtools.journey.configs import Config, folder_of, read_config
from hubtools.journey.kohya import Kohya, read_kohya
from hubtools.layout import PROJECT_FILE, WORK_DIR
from hubtools.limits import SIDECAR
from hubtools.models.registry import EXAMPLE_BASE
from hubtools.project import load_project
from hubtools.project_file import to_toml
from hubtools.rooted import Root
from hubtools.settings import SECTIONS

DATASET = "dataset"
_MOST = 10_000_000  # bytes of a .gitignore
_SHOWN = 100  # settings of another trainer that are told by name

_EXAMPLE: dict[str, dict[str, Any]] = {
    "dataset": {
        "path": DATASET,
        "caption_column": "prompt",
        "trigger": "(lora-misato-token)",
        "license": "cc0-1.0",
        "rights": "synthetic",
        "people": "invented",
        "how_made": "Pictures and captions were drawn and written by the same program, from one"
        " description of each.",
        "rights_note": "Drawn by a program that comes with hubtools; the character is invented.",
        "plan": "subject",
    },
    "train": {
        "pretrained_model_name_or_path": EXAMPLE_BASE,
        "output_dir": "runs/misato",
    },
    "samples": {
        "prompts": [
            "(lora-misato-token), front view, portrait, smiling, white background",
            "(lora-misato-token) in food ad, billboard sign, 90s, anime, plain background",
        ],
        "negative_prompt": "deformed, distorted, disfigured, poorly drawn, bad anatomy, blurry",
        "seed": 1234567,
        "steps": 50,
        "guidance": 6.0,
        "scheduler": "euler_a",
    },
}


@dataclass(frozen=True)
class Made:
    """A project that was made: its folder, what is in its dataset, and where that came from."""

    root: Path
    pictures: int
    source: str  # example, folder, here, kohya
    without_caption: tuple[str, ...] = ()
    left: tuple[str, ...] = ()  # sentences on what was not taken over


def init(
    folder: StrPath,
    *,
    example: bool = False,
    source: Path | None = None,
    pictures: Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    force: bool = False,
) -> Made:
    """Make a project in `folder`: hubtools.toml, a dataset, .gitignore.

    `source`: a folder of pictures to copy; captions come from its metadata, or from .txt files
    beside the pictures. Of a project of sd-scripts (kohya) its pictures to learn are taken, with
    repeats, trigger and class word; pictures of the class, samples and weights are left. Or a
    settings file (`configs`) of another trainer, and `pictures` the folder.
    `example`: the built-in pictures (also without `source`, if the folder holds no pictures yet).
    `settings` {section: {key: value}} go into hubtools.toml. Originals are never touched. Raises
    `HubtoolsError` if a project is there already and not `force`.
    """
    folder = Path(folder)
    file = folder / PROJECT_FILE
    if file.exists() and not force:
        raise HubtoolsError(
            f"{file} exists already.",
            hint="give another folder, or --force to write it anew",
            code="file-exists",
        )
    if folder.exists() and not folder.is_dir():
        raise HubtoolsError(f"{folder} is a file.", hint="give a folder", code="file-exists")
    here = None if source is not None or example else _pictures_here(folder)
    if here is None and (folder / DATASET).is_symlink():
        raise HubtoolsError(
            f"{folder / DATASET} is a symbolic link; pictures are not copied through it.",
            hint="remove it, or give another folder",
            code="link-refused",
        )
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    config = None
    if source is not None and source.is_file():
        config = read_config(source)
        source = pictures or folder_of(source, config)
    without: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    if source is not None:
        listing = walk(source)
        kohya = None
        if not listing.metadata:
            kohya = read_kohya([entry.name for entry in listing.pictures], listing.names)
        count, column, without = _copy(source, listing, folder / DATASET, kohya, force)
        values["dataset"] |= {"path": DATASET, "caption_column": column}
        kind = "folder"
        if kohya is not None:
            kind, left = "kohya", _left(kohya)
            for section, said in kohya.settings.items():
                values[section] |= said
    elif here is not None:
        count, column = here[1], here[2]
        values["dataset"] |= {"path": here[0], "caption_column": column}
        kind = "here"
    else:
        from hubtools.journey.example import write_example

        _refuse_to_mix(folder / DATASET, force)
        count = len(write_example(folder / DATASET))
        for section, content in _EXAMPLE.items():
            values[section] |= content
        kind = "example"
    # no loader reads what begins with a dot: a run's samples are no pictures of the dataset
    runs = f"{WORK_DIR}/runs" if values["dataset"]["path"] == "." else "runs"
    values["train"].setdefault("output_dir", f"{runs}/{folder.resolve().name}")
    if config is not None:
        for section, said in config.values.items():
            values[section] |= said
        left = (*left, *_without_place(config))
    for section, given in (settings or {}).items():
        values[section] |= given
    write_text(file, _commented(values))
    _ignore(folder)
    load_project(folder)  # what was written can be read
    return Made(folder, count, kind, without, left)


def _without_place(config: Config) -> tuple[str, ...]:
    if not config.left:
        return ()
    names = [one[:200] for one in sorted(config.left)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    shown = ", ".join(names[:_SHOWN])
    return (f"Of {config.trainer} these have no place here: {shown}{more}.",)


def _left(kohya: Kohya) -> tuple[str, ...]:
    said = []
    if kohya.classes:
        said.append(
            f"Pictures of the class are left in {', '.join(kohya.classes)}: prior preservation,"
            " which is set, learns from the base's own answers."
        )
    if kohya.others:
        said.append(f"Other pictures are left in {', '.join(kohya.others)}.")
    return tuple(said)


def _pictures_here(folder: Path) -> tuple[str, int, str] | None:
    """(relative path, number of pictures, caption column) of pictures that lie here already."""
    for name in (DATASET, "."):
        place = folder / name
        if place.is_dir():
            pictures = walk(place).pictures
            if pictures:
                return name, len(pictures), _caption_column(place)
    return None


def _caption_column(folder: Path) -> str:
    """The column of the metadata that looks like captions: a usual name, else the first text."""
    for entry in walk(folder).metadata:
        found = read_metadata(folder, entry)
        texts = [
            column
            for column in found.columns
            if not (names_file(column) or names_files(column))
            and any(isinstance(r.values.get(column), str) for r in found.rows)
        ]
        for usual in ("text", "prompt", "caption"):
            if usual in texts:
                return usual
        if texts:
            return texts[0]
    return "text"


def _refuse_to_mix(dataset: Path, force: bool) -> None:
    if dataset.is_dir() and any(dataset.iterdir()) and not force:
        raise HubtoolsError(
            f"{dataset} is not empty; the example would mix with what is there.",
            hint="give another folder, or --force",
            code="file-exists",
        )


def _copy(
    source: Path, listing: Listing, target: Path, kohya: Kohya | None, force: bool
) -> tuple[int, str, tuple[str, ...]]:
    """Copy pictures and captions; give (pictures, caption column, pictures without a caption)."""
    if not listing.pictures:
        raise HubtoolsError(
            f"{source} holds no pictures.",
            hint=f"known endings: {', '.join(sorted(PICTURE_ENDINGS)[:8])}, ...",
            code="nothing-there",
        )
    _refuse_to_mix(target, force)
    odd = next((one.name for one in listing.pictures if not one.name.isprintable()), None)
    if odd is not None and any("\ud800" <= letter <= "\udfff" for letter in odd):
        raise HubtoolsError(
            f"{source} holds a file whose name is not in UTF-8: {odd}.",
            hint="rename it; metadata.jsonl could not name it",
            code="file-not-usable",
        )
    pictures = [
        entry for entry in listing.pictures if kohya is None or kohya.is_training(entry.name)
    ]
    beside = {entry.name: _beside(entry.name, listing.names) for entry in pictures}
    texts = {}
    for sidecar in beside.values() if not listing.metadata else ():
        if sidecar in listing.names:
            texts[sidecar] = read_own(source, sidecar, SIDECAR)
    # before anything is copied: a caption that cannot be read would be lost
    decoded = decoded_all(source, texts, hint=f"save it as UTF-8: `hubtools fix {source}`")
    with Root(target.parent, create=True) as above, above.inside(target.name, create=True) as root:
        for entry in (*pictures, *listing.metadata):
            with open_own(source, entry.name) as file, root.replacing(entry.name) as copy:
                shutil.copyfileobj(file, copy)
        if listing.metadata:
            return len(pictures), _caption_column(source), ()
        lines, without = [], []
        for entry in pictures:
            caption = " ".join(decoded.get(beside[entry.name], "").split())
            if not caption and kohya is not None:
                caption = kohya.words(entry.name)
            if not caption:
                without.append(entry.name)
            line = {"file_name": entry.name, "text": caption}
            lines.append(json.dumps(line, ensure_ascii=False))
        root.write("metadata.jsonl", ("\n".join(lines) + "\n").encode())
    return len(pictures), "text", tuple(without)


def _beside(name: str, names: Collection[str]) -> str:
    """The file that holds the caption of a picture: its name with .txt, or .caption."""
    places = [PurePosixPath(name).with_suffix(end).as_posix() for end in (".txt", ".caption")]
    return next((place for place in places if place in names), places[0])


def _commented(values: Mapping[str, Mapping[str, Any]]) -> str:
    """hubtools.toml with what is set, and what is most often set next as comments."""
    hints = {
        "dataset": ("repo", "trigger", "license", "rights", "rights_note", "people",
                    "how_made", "plan"),
        "rules": ("ignore", "per_file_ignores", "baseline"),
        "train": (
            "pretrained_model_name_or_path", "resolution", "max_train_steps", "learning_rate",
            "rank", "train_batch_size", "mixed_precision", "validation_steps",
        ),
        "samples": ("prompts", "negative_prompt", "steps", "guidance", "scheduler", "seed"),
        "evaluate": ("num_images", "in_ship"),
        "model": ("repo", "license"),
        "prune": ("keep_checkpoints",),
        "push": ("private", "pr", "tag"),
    }  # fmt: skip
    examples: dict[tuple[str, str], Any] = {
        ("dataset", "repo"): "owner/name",
        ("dataset", "trigger"): "(lora-name-token)",
        ("dataset", "license"): "cc-by-4.0",
        ("dataset", "rights"): "own",
        ("dataset", "plan"): "subject",
        ("dataset", "people"): "agreed",
        ("dataset", "how_made"): "Photographed for this data set; captions by hand.",
        ("dataset", "rights_note"): "Who made the pictures, who agreed, where it is written.",
        ("rules", "ignore"): ["D304"],
        ("rules", "per_file_ignores"): {"old/*": ["D304"]},
        ("rules", "baseline"): "hubtools-baseline.json",
        ("train", "pretrained_model_name_or_path"): EXAMPLE_BASE,
        ("train", "resolution"): 512,
        ("train", "max_train_steps"): 1000,
        ("train", "validation_steps"): 250,
        ("samples", "prompts"): ["a photo of (lora-name-token), front view"],
        ("samples", "negative_prompt"): "blurry",
        ("model", "repo"): "owner/name",
        ("model", "license"): "creativeml-openrail-m",
        ("push", "tag"): "v1",
    }
    lines = ["# Settings of this project. `hubtools schema` lists all; unknown keys are errors."]
    for section, model in SECTIONS.items():
        lines += ["", f"[{section}]"]
        given = {key: value for key, value in values[section].items() if value is not None}
        lines += to_toml({section: given}).splitlines()[1:]
        for key in hints[section]:
            if key in given:
                continue
            field = model.model_fields[key]
            value = examples.get((section, key), field.get_default(call_default_factory=True))
            text = to_toml({section: {key: value}}).splitlines()[-1]
            lines.append(f"# {text}  # {field.description}")
    return "\n".join(lines) + "\n"


def _ignore(folder: Path) -> None:
    name = ".gitignore"
    with Root(folder) as root:
        if root.is_link(name):
            return  # somebody shares it between projects
        text = root.read(name, _MOST) if root.exists(name) else b""
        there = [line.strip() for line in text.splitlines()]
        wanted = (b"runs/", f"{WORK_DIR}/".encode())
        missing = [line for line in wanted if line not in there]
        if missing:
            before = text if text.endswith(b"\n") or not text else text + b"\n"
            root.write(name, before + b"\n".join(missing) + b"\n")
