"""`init`: a project folder that validates at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from hubtools.dataset.folder.listing import Listing, walk
from hubtools.dataset.folder.loras import holds_lora, refuse_lora
from hubtools.dataset.metadata.likely import likely_metadata
from hubtools.dataset.metadata.paired import paired_folders
from hubtools.dataset.pictures.reading import read_file
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath
from hubtools.journey.copying import (
    Aside,
    class_folder,
    copy_files,
    ignore_runs,
    lay_out,
    refuse_to_mix,
    repeats_of,
)
from hubtools.journey.kohya import read_kohya
from hubtools.journey.rolls import (
    check_pictures,
    foreign_pictures,
    is_packed,
    left_sentences,
    unentered,
)
from hubtools.journey.said import caption_column
from hubtools.journey.taking import haul_of
from hubtools.journey.trainers import everydream
from hubtools.journey.trainers.config import Captions, Config, PictureSet
from hubtools.journey.trainers.reading import config_in, read_config
from hubtools.journey.unpacking import unpack
from hubtools.layout import PROJECT_FILE, WORK_DIR
from hubtools.lorafile.provenance import hub_id
from hubtools.lorafile.trainer_files import trainer_file
from hubtools.models.registry import EXAMPLE_BASE
from hubtools.project import Project, load_project
from hubtools.project_file import fault_of, to_toml
from hubtools.rooted import Root
from hubtools.set_often import SET_OFTEN
from hubtools.settings import SECTIONS
from hubtools.whereabouts import from_here

DATASET = "dataset"
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
    source: str  # example, folder, here, empty, or the trainer that it comes from
    without_caption: tuple[str, ...] = ()
    left: tuple[str, ...] = ()  # sentences on what was not taken over
    classes: int = 0  # pictures of the class


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
    beside the pictures. Or the project folder or settings file of another trainer: its pictures to
    learn are taken with captions, repeats, masks and control pictures, those of the class go into
    `class`, settings are translated; samples, caches and weights are left. `pictures`: where the
    pictures lie that a settings file names.
    `example`: the built-in pictures. Without either, the pictures that the folder holds already; if
    there are none, the dataset is empty.
    `settings` {section: {key: value}} go into hubtools.toml. Originals are never touched; a run
    that was killed goes on. Raises `HubtoolsError` if a project is there already and not `force`;
    what that replaces is kept in .hubtools/replaced of the project.
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
    sections = (settings or {}).items()
    Project().with_settings({(name, key): keys[key] for name, keys in sections for key in keys})
    if source is not None and _is_there(source, folder):
        source = None  # nothing is to be copied
    here = None if source is not None or example else _pictures_here(folder)
    if here is None and (folder / DATASET).is_symlink():
        raise HubtoolsError(
            f"{folder / DATASET} is a symbolic link; pictures are not copied through it.",
            hint="remove it, or give another folder",
            code="link-refused",
        )
    aside = Aside(folder) if force else None
    with nullcontext() if aside is None else aside.telling():
        return _made(folder, source, pictures, here, settings or {}, example, aside)


def _made(
    folder: Path,
    source: Path | None,
    pictures: Path | None,
    here: tuple[str, int, str] | None,
    settings: Mapping[str, Mapping[str, Any]],
    example: bool,
    aside: Aside | None,
) -> Made:
    """`init` once it is clear that it may; `here`: what `_pictures_here` says, if it was asked."""
    file = folder / PROJECT_FILE
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    classes = 0
    without: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    if source is not None:
        home, listing, config = _opened(source, pictures)
        if config is not None:
            _check_settings(source, config.values)
        if listing is not None and is_packed(source, listing):
            count, column = unpack(source, folder / DATASET, aside=aside)
            values["dataset"] |= {"path": DATASET, "caption_column": column}
            kind = "folder"
        elif config is None:
            listing = listing or walk(home)
            count, column = _copy_as_it_is(home, listing, folder / DATASET, aside)
            left = tuple(unentered(listing))
            values["dataset"] |= {"path": DATASET, "caption_column": column}
            kind = "folder"
        else:
            count, classes, without, left = _take_over(home, config, folder, values, aside)
            kind = config.trainer
    elif here is not None:
        count, column = here[1], here[2]
        values["dataset"] |= {"path": here[0], "caption_column": column}
        kind = "here"
    elif not example:
        with Root(folder, create=True) as root:
            root.mkdir(DATASET)
        count, kind = 0, "empty"
        values["dataset"]["path"] = DATASET
    else:
        from hubtools.journey.example import TRIGGER, example_files, write_example

        trigger = str(settings.get("dataset", {}).get("trigger") or TRIGGER)
        if aside is None:
            refuse_to_mix(folder / DATASET, {}, example_files(trigger))
        else:
            for name in example_files(trigger):
                aside.keep(f"{DATASET}/{name}")
        count = len(write_example(folder / DATASET, trigger))
        for section, content in _EXAMPLE.items():
            values[section] |= content
        prompts = [one.replace(TRIGGER, trigger) for one in _EXAMPLE["samples"]["prompts"]]
        values["samples"]["prompts"] = prompts
        kind = "example"
    if kind in ("folder", "here"):
        left = (*left, *_said_beside(source or folder, settings, values))
    # no loader reads what begins with a dot: a run's samples are no pictures of the dataset
    runs = f"{WORK_DIR}/runs" if values["dataset"]["path"] == "." else "runs"
    values["train"].setdefault("output_dir", f"{runs}/{folder.resolve().name}")
    for section, given in settings.items():
        values[section] |= given
    ignore_runs(folder)
    text = _commented(values)
    if aside is not None:
        if not file.exists() or read_file(file) != text.encode():
            aside.keep(PROJECT_FILE)
        left = (*left, *aside.kept_sentences())
    with Root(folder) as root:  # last: where it is, the project is whole
        there = aside is not None and root.exists(PROJECT_FILE)  # with the same bytes
        root.write_over(PROJECT_FILE, text.encode(), text.encode() if there else None)
    load_project(folder)  # what was written can be read
    return Made(folder, count, kind, without, left, classes)


def _check_settings(source: Path, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `UsageError` for settings of another trainer that hubtools.toml cannot hold, before
    anything is made of them."""
    told = {(section, key): one for section, part in values.items() for key, one in part.items()}
    for (section, key), value in told.items():
        if fault := fault_of(value):
            raise UsageError(f"{source}: {section}.{key} {fault}.", code="bad-setting")
    try:
        Project().with_settings(told)
    except UsageError as error:
        raise UsageError(f"{source}: {error.message}", hint=error.hint, code=error.code) from None


def _said_beside(
    home: Path, given: Mapping[str, Mapping[str, Any]], values: dict[str, dict[str, Any]]
) -> Iterator[str]:
    """Take base and trigger that nobody has given from another trainer's settings that lie beside
    the pictures; sentences on them."""
    other = trainer_file(home)
    said = {
        ("train", "pretrained_model_name_or_path", "base"): hub_id(other.base) if other else None,
        ("dataset", "trigger", "trigger"): other.trigger if other else None,
    }
    for (section, key, name), value in said.items():
        if other is not None and value and key not in {*given.get(section, ()), *values[section]}:
            values[section][key] = value
            yield f"The {name} is {value}, as {other.file} says."


def _is_there(source: Path, folder: Path) -> bool:
    """Whether `source` is the project's own folder, whose pictures are its dataset as they lie.
    Raises `UsageError` where they are another trainer's, whose captions are written anew."""
    places = [place for place in (folder, folder / DATASET) if place.is_dir()]
    if not source.is_dir() or not any(source.samefile(place) for place in places):
        return False
    if is_packed(source, walk(source)):
        return False
    _, _, config = _opened(source, None)
    if config is not None and config.trainer != "folder":
        raise UsageError(
            f"{source} is a project of {config.trainer}: its pictures would lie there twice.",
            hint="give the new project a folder of its own:"
            f" hubtools init NAME --from {quote(from_here(source))}",
        )
    return True


def _opened(source: Path, pictures: Path | None) -> tuple[Path, Listing | None, Config | None]:
    """(folder, what is in it, what is to be taken of it); no config for a folder that is copied as
    it is, for it has metadata."""
    if source.is_file():
        if is_packed(source):
            return source, Listing(source.parent, ()), None
        config = read_config(source)
        home = pictures or source.absolute().parent
        if pictures is not None and sum(not one.of_class for one in config.sets) < 2:
            config.sets = [replace(one, folder=".") for one in config.sets if not one.of_class]
            config.sets = config.sets or [PictureSet(".", Captions.KOHYA)]
        return home, None, config
    listing = walk(source)
    found = config_in(source)
    if found is not None:
        return source, listing, found[1]
    if listing.metadata or is_packed(source, listing):
        return source, listing, None
    names = [entry.name for entry in listing.pictures]
    kohya = read_kohya(names, listing.names)
    if kohya is not None:
        return source, listing, Config("kohya", sets=[PictureSet(".", Captions.KOHYA)])
    if names and everydream.is_folder(names, listing.names):
        return source, listing, Config("EveryDream", sets=[PictureSet(".", Captions.EVERYDREAM)])
    if likely_metadata(listing):
        return source, listing, None
    refuse_lora(source)
    check_pictures(source, listing)
    pairs = paired_folders(names)
    said = [*left_sentences(source, listing), *([pairs.sentence] if pairs is not None else [])]
    return source, listing, Config("folder", sets=[PictureSet(".", pairs=pairs)], said=said)


def _take_over(
    home: Path, config: Config, folder: Path, values: dict[str, dict[str, Any]], aside: Aside | None
) -> tuple[int, int, tuple[str, ...], tuple[str, ...]]:
    """Copy what settings of others name, and note them; answers how many pictures to learn and of
    the class, those without a caption, and sentences on what is left."""
    haul = haul_of(home, config)
    files, rows = lay_out(haul.pictures)
    said = repeats_of(haul.pictures, rows)
    trained = class_folder(haul, folder, aside=aside)
    copy_files(files, folder / DATASET, rows, aside=aside)
    values["dataset"] |= {"path": DATASET, "caption_column": "text"} | haul.settings | said
    values["train"] |= trained
    if haul.weights:
        values["dataset"]["picture_weights"] = haul.weights
    for section, told in config.values.items():
        values[section] |= told
    without = tuple(row["file_name"] for row in rows if not row["text"])
    return len(rows), len(haul.classes), without, (*haul.left, *_without_place(config))


def _without_place(config: Config) -> tuple[str, ...]:
    if not config.left:
        return ()
    names = [one[:200] for one in sorted(set(config.left))]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    shown = ", ".join(names[:_SHOWN])
    return (f"Of {config.trainer} these have no place here: {shown}{more}.",)


def _pictures_here(folder: Path) -> tuple[str, int, str] | None:
    """(relative path, number of pictures, caption column) of pictures that lie here already."""
    for name in (DATASET, "."):
        place = folder / name
        if place.is_dir() and not holds_lora(place):
            pictures = walk(place).pictures
            if pictures:
                return name, len(pictures), caption_column(place, list(walk(place).metadata))
    return None


def _copy_as_it_is(
    source: Path, listing: Listing, target: Path, aside: Aside | None
) -> tuple[int, str]:
    """Copy pictures and their metadata; give (pictures, caption column)."""
    check_pictures(source, listing)
    taken = [*(one.name for one in listing.pictures), *foreign_pictures(listing)]
    names = [*taken, *(one.name for one in listing.metadata)]
    names += likely_metadata(listing)  # `fix` makes metadata of such a table
    copy_files({name: (source, name) for name in names}, target, None, aside=aside)
    return len(taken), caption_column(source, list(listing.metadata))


def _commented(values: Mapping[str, Mapping[str, Any]]) -> str:
    """hubtools.toml with what is set, and what is most often set next as comments."""
    trigger = values["dataset"].get("trigger") or "(lora-name-token)"
    examples: dict[tuple[str, str], Any] = {
        ("dataset", "repo"): "owner/name",
        ("dataset", "trigger"): trigger,
        ("dataset", "class_noun"): "dog",
        ("dataset", "license"): "cc-by-4.0",
        ("dataset", "rights"): "own",
        ("dataset", "plan"): "subject",
        ("dataset", "people"): "agreed",
        ("dataset", "how_made"): "Photographed for this dataset; captions by hand.",
        ("dataset", "rights_note"): "Who made the pictures, who agreed, where it is written.",
        ("rules", "ignore"): ["D304"],
        ("rules", "per_file_ignores"): {"old/*": ["D304"]},
        ("rules", "baseline"): "hubtools-baseline.json",
        ("train", "pretrained_model_name_or_path"): EXAMPLE_BASE,
        ("train", "resolution"): 512,
        ("train", "max_train_steps"): 1000,
        ("train", "learning_rate"): 1e-4,
        ("train", "validation_steps"): 250,
        ("samples", "prompts"): [f"a photo of {trigger}, front view"],
        ("samples", "negative_prompt"): "blurry",
        ("samples", "steps"): 30,
        ("samples", "guidance"): 7.5,
        ("model", "repo"): "owner/name",
        ("model", "license"): "creativeml-openrail-m",
        ("prune", "dtype"): "fp16",
        ("push", "tag"): "v1",
    }
    lines = ["# Settings of this project. `hubtools schema` lists all; unknown keys are errors."]
    for section, model in SECTIONS.items():
        lines += ["", f"[{section}]"]
        given = {key: value for key, value in values[section].items() if value is not None}
        lines += to_toml({section: given}).splitlines()[1:]
        for key in SET_OFTEN[section]:
            if key in given:
                continue
            field = model.model_fields[key]
            value = examples.get((section, key), field.get_default(call_default_factory=True))
            text = to_toml({section: {key: value}}).splitlines()[-1]
            lines.append(f"# {text}  # {field.description}")
    return "\n".join(lines) + "\n"
