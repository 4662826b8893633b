"""P112, P126 to P129: what the files of a release tell about people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from hubtools.dataset.pictures.private.texts import NAMES_OF_PEOPLE
from hubtools.findings import Problem, Severity, nouns, plural, shortened
from hubtools.licensing.advice import command_of
from hubtools.lorafile.faults import convert_command, faults_of
from hubtools.lorafile.look import Weights
from hubtools.publish.book import PUBLISH_RULES
from hubtools.publish.contents import Kind
from hubtools.publish.release import Release
from hubtools.weights import Holds
from hubtools.whereabouts import from_here

# Of a run's folder, or a model's, nothing but the pictures' metadata is to be touched; given as an
# argument, it would mean the pictures that its project is about.
_OF_MODEL = "`hubtools fix --path {} --select D701 --select D706 --select D712`"


def _fix(release: Release) -> str:
    if release.repo_type == "dataset":
        command = command_of("fix", release.root)
    else:
        command = _OF_MODEL.format(quote(from_here(release.root)))
    return f"{command} blanks it, and touches no pixel; what it cannot edit, leave out (--drop)"


def _noted(release: Release) -> frozenset[str]:
    """Pictures with a position, also in a comment or a note: P112 tells of them."""
    return frozenset(file.name for file, told in release.readings if told.private.gps)


def _private(release: Release, field: str) -> Iterator[tuple[str, Any, str, str]]:
    """(file, what it says, where in it, fix)."""
    for file, told in release.readings:
        if value := getattr(told.private, field):
            yield file.name, value, "", _fix(release)
    for leak in release.leaks:
        if leak.kind.value == field:
            name, _, inside = leak.place.partition("!/")
            yield name, leak.what, f" ({inside}, for one)", "clean what is in it, and pack it again"


@PUBLISH_RULES.rule(
    "P112", "A picture's metadata holds the place where it was taken", Severity.ERROR
)
def gps(release: Release) -> Iterator[Problem]:
    """The position in a photo's EXIF or XMP may be somebody's home. Read are pictures and films by
    their content, whatever they are called, also in shards, archives, tables and base64.

    Fix: `hubtools fix` blanks it, and touches no pixel; it says what it cannot edit: leave that
    out (--drop).
    """
    for name, _, where, fix in _private(release, "gps"):
        yield Problem(f"the picture holds a GPS position{where}", fix, name)


@PUBLISH_RULES.rule("P126", "A file beside the pictures holds personal data", Severity.ERROR)
def beside(release: Release) -> Iterator[Problem]:
    """Notes of Google Takeout hold positions, people and addresses; XMP, Apple's .AAE, tracks,
    films (the .MOV of a Live Photo) and others do so as well. They are found by what is in them,
    whatever they are called, in archives and tables too.

    Fix: `hubtools fix` takes them out of a dataset; else leave them out (--drop).
    """
    is_dataset = release.repo_type == "dataset"
    fix = f"{command_of('fix', release.root)} takes it out" if is_dataset else "leave it out"
    for file, told in release.readings:
        if told.beside is not None:
            yield Problem(f"the file is {told.beside}", fix, file.name)
    noted = _noted(release)
    for leak in release.leaks:
        if leak.kind is Kind.BESIDE and leak.place.partition("!/")[0] not in noted:
            name, _, inside = leak.place.partition("!/")
            yield Problem(f"within it, {inside} is {leak.what}", "pack it without that", name)


@PUBLISH_RULES.rule("P127", "A weight file tells about its training set", Severity.WARNING)
def header(release: Release) -> Iterator[Problem]:
    """Trainers write their settings into the header of a .safetensors file: names of folders and
    files, how often each word was used in the captions, notes. Folders are often called after a
    person. Everybody can read it, and pages such as Civitai show it.

    Example: ss_dataset_dirs = {"10_jane_doe": {"n_repeats": 10, "img_count": 24}}
    Fix: write the file again without it (kohya: `--no_metadata`), if it is not meant to be read.
    """
    for file, held in release.weights:
        said = list(told_by_header(held.header.metadata))
        grave = any(severe for _, severe in said)
        if said:
            yield Problem(
                f"its header tells {'; '.join(text for text, _ in said)}",
                f"{_without(held, file.source)}, if that is not meant to be read",
                file.name,
                severity=None if grave else Severity.INFO,
            )


def _without(held: Weights, place: Path) -> str:
    if held.header.holds is not Holds.LORA or faults_of(held):  # a fault says its own
        return "write it again without"
    return f"`{convert_command(held, str(place))}` writes it without"


def told_by_header(metadata: dict[str, str]) -> Iterator[tuple[str, bool]]:
    """(what a weight file's header tells of its training set, whether it is about the pictures)."""
    folders: dict[str, None] = {}
    for key in ("ss_dataset_dirs", "ss_reg_dataset_dirs", "ss_tag_frequency"):
        folders |= dict.fromkeys(_keys(metadata.get(key, "")))
    for key in ("ss_datasets", "ss_dataset_config", "dataset_config"):
        found = re.findall(r"\"(?:image_dir|metadata_file|folder_path)\"\s*:\s*\"([^\"]{1,300})",
                           metadata.get(key, ""))  # fmt: skip
        folders |= dict.fromkeys(found)
    if folders:
        names = ", ".join(repr(shortened(name)) for name in list(folders)[:3])
        more = f" and {len(folders) - 3} more" if len(folders) > 3 else ""
        yield f"the {nouns(len(folders), 'folder')} {names}{more}", True
    tags = sum(len(_keys(json.dumps(one))) for one in _values(metadata.get("ss_tag_frequency", "")))
    if tags:
        yield f"how often {plural(tags, 'word')} of the captions were used", True
    for key, what in (
        ("ss_training_comment", "a note"),
        ("ss_output_name", "the output's name"),
        ("modelspec.author", "an author"),
        ("ss_sd_model_name", "the name of the base file"),
        ("ss_vae_name", "the name of the VAE file"),
    ):
        value = metadata.get(key, "").strip()
        if value and value != "None":
            yield f"{what} {shortened(value)!r}", key == "ss_training_comment"


def _json(text: str) -> Any:
    try:
        return json.loads(text) if len(text) < 20_000_000 else None
    except (ValueError, RecursionError):
        return None


def _keys(text: str) -> list[str]:
    value = _json(text)
    return [str(key) for key in value] if isinstance(value, dict) else []


def _values(text: str) -> list[Any]:
    value = _json(text)
    return list(value.values()) if isinstance(value, dict) else []


@PUBLISH_RULES.rule(
    "P128", "A picture's metadata names people, a place or its owner", Severity.WARNING
)
def people(release: Release) -> Iterator[Problem]:
    """Names of people and their faces (XMP regions, persons of IPTC), of town and country, serial
    numbers and the owner's name are published with the picture. Names of people are an error.

    Fix: `hubtools fix` blanks them, and touches no pixel.
    """
    for field in ("people", "owner"):
        for name, said, where, fix in _private(release, field):
            grave = Severity.ERROR if NAMES_OF_PEOPLE in said else None
            yield Problem(f"the picture's metadata holds {said}{where}", fix, name, severity=grave)


@PUBLISH_RULES.rule("P129", "A table holds positions", Severity.WARNING)
def positions(release: Release) -> Iterator[Problem]:
    """Columns called latitude and longitude, or GeoJSON, say where pictures were taken, although
    nothing in the pictures does. Tables in archives, columns of shards, comments and notes in
    pictures are read as well.

    Example: metadata.jsonl: "latitude": 48.137, "longitude": 11.575
    Fix: take the columns out, or round them to whole degrees, if they are not meant to be read.
    """
    noted = _noted(release)
    for file, told in release.readings:
        if told.columns and told.beside is None:
            yield Problem(
                f"it holds positions: {shortened(told.columns)}",
                "take them out, if they are not meant to be read",
                file.name,
            )
    for leak in release.leaks:
        if leak.kind is Kind.PLACED and leak.place.partition("!/")[0] not in noted:
            name, _, inside = leak.place.partition("!/")
            yield Problem(
                f"it holds positions: {shortened(leak.what)}"
                + (f" (in {inside})" if inside else ""),
                "take them out, if they are not meant to be read",
                name,
            )
