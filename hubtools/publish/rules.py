"""P rules: what must be right before a single byte is sent."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from hubtools.cardforms import form_problem
from hubtools.cardlinks import NOWHERE, loaded_from_here
from hubtools.findings import Problem, Severity
from hubtools.layout import CARD, LORA_WEIGHTS, PROJECT_FILE
from hubtools.licensing.advice import card_command, command_of, derived_license, missing_license
from hubtools.licensing.ids import (
    license_of_pictures,
    problems_of_pictures,
)
from hubtools.limits import IN_FOLDER, IN_REPO, LARGE_FILE, TOO_LARGE_FILE, crowded_folders
from hubtools.publish import leak_rules as leak_rules
from hubtools.publish import private as private
from hubtools.publish import weight_rules as weight_rules
from hubtools.publish.book import PUBLISH_RULES as PUBLISH_RULES
from hubtools.publish.release import Release, ReleaseFile
from hubtools.weights import Holds
from hubtools.whereabouts import from_here

_SETTINGS = 1_000_000  # bytes of hubtools.toml
_PICKLES = (".bin", ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")


@PUBLISH_RULES.rule("P103", "A file would run code when opened", Severity.ERROR)
def pickle(release: Release) -> Iterator[Problem]:
    """.bin, .pt, .ckpt and .pkl files are pickles: opening one runs whatever code is in it. The Hub
    marks such repositories as unsafe.

    Fix: publish safetensors only.
    """
    for file in release.files:
        if any(name.lower().endswith(_PICKLES) for name in file.names):
            yield Problem(
                "a pickle runs code when it is opened", "leave it out (--drop)", file.name
            )


def _top_weights(release: Release) -> list[ReleaseFile]:
    return [f for f in release.files if "/" not in f.name and f.name.endswith(".safetensors")]


@PUBLISH_RULES.rule("P104", "There is no LoRA at the top level", Severity.ERROR)
def no_lora(release: Release) -> Iterator[Problem]:
    """`load_lora_weights("owner/name")` looks for a .safetensors file at the top of the
    repository.

    Fix: train first, or put the file there.
    """
    if release.repo_type != "model":
        return
    if not any("/" not in file.name and held.is_adapter for file, held in release.weights):
        yield Problem(
            "no LoRA file lies at the top level: nobody could load it",
            f"put {LORA_WEIGHTS} there",
        )


@PUBLISH_RULES.rule("P105", "Several weight files at the top level", Severity.ERROR)
def many_loras(release: Release) -> Iterator[Problem]:
    """Without the usual name diffusers takes whichever comes first in the listing, and says so only
    in a log line. Where one has the usual name, or the others belong to the release, it is a
    warning.

    Fix: publish one; others belong into a folder.
    """
    weights = _top_weights(release)
    if any(file.name == LORA_WEIGHTS for file in weights):
        # embeddings of pivotal tuning lie beside their LoRA; diffusers takes the usual name
        beside = {f.name for f, held in release.weights if held.header.holds is Holds.EMBEDDING}
        weights = [file for file in weights if file.name not in beside]
        weights = [file for file in weights if file.name not in release.adapters]
    if release.repo_type == "model" and len(weights) > 1:
        named = sum(file.name not in release.adapters for file in weights) <= 1
        others = [file.name for file in weights if file.name != LORA_WEIGHTS]
        yield Problem(
            f"{len(weights)} weight files at the top level:"
            f" {', '.join(file.name for file in weights)}",
            "publish one; put the others into a folder",
            others[0],
            severity=Severity.WARNING if named or len(others) < len(weights) else None,
        )


@PUBLISH_RULES.rule("P106", "diffusers would not find the weight file", Severity.ERROR)
def weight_name(release: Release) -> Iterator[Problem]:
    """When diffusers looks for a LoRA it passes by names with "checkpoint", "optimizer" or
    "scheduler" in them; if nothing is left it fails with "list index out of range".

    Fix: rename the file.
    """
    for file in _top_weights(release):
        found = [w for w in ("checkpoint", "optimizer", "scheduler") if w in file.name.lower()]
        if found and release.repo_type == "model":
            yield Problem(
                f"diffusers passes by names with {found[0]!r} in them", "rename it", file.name
            )


@PUBLISH_RULES.rule("P107", "There is no card", Severity.WARNING)
def no_card(release: Release) -> Iterator[Problem]:
    """Without README.md the page is empty, and nobody knows licence, base model or trigger.

    Fix: `hubtools card FOLDER`, of a dataset, a run, or a LoRA from elsewhere: it then says what
    it could not know.
    """
    if not any(file.name == CARD for file in release.files):
        yield Problem(
            "the repository would have no card", f"{card_command(release.root)} writes one", CARD
        )


@PUBLISH_RULES.rule("P108", "The card names no licence", Severity.WARNING)
def no_license(release: Release) -> Iterator[Problem]:
    """Without a licence nobody may use what you publish. Of a model that is an error, as C301 of
    its card is: it is made of a base, whose licence says what may be done with it. Front matter
    that cannot be read is an error too.

    Fix: `hubtools card FOLDER --license ID`, of a dataset `--dataset-license ID`; or set
    model.license or dataset.license in hubtools.toml.
    """
    front = release.front
    if front is None:
        return
    if front.error:
        yield Problem(
            f"the card's front matter cannot be read: {front.error}; the Hub refuses it",
            "correct the YAML",
            CARD,
            front.line,
            severity=Severity.ERROR,
        )
    else:
        yield from missing_license(release.root, release.repo_type, front.data)


@PUBLISH_RULES.rule("P152", "The Hub refuses the card", Severity.ERROR)
def refused_card(release: Release) -> Iterator[Problem]:
    """A commit is refused as a whole if a value of its card's front matter is not of the Hub's
    form: a tag that YAML reads as a number, the name of a language in place of its code, results of
    an evaluation without a task. What `hubtools card --check` tells of it, at the same line.

    Fix: write what the finding says; the values that the Hub takes are in its documentation of
    cards.
    """
    for violation, line in release.unfit:
        if violation.refused:
            yield form_problem(violation, line, release.root)


@PUBLISH_RULES.rule("P154", "The card's code names no repository", Severity.WARNING)
def code_of_here(release: Release) -> Iterator[Problem]:
    """`load_lora_weights(".")` finds the LoRA in this folder, and nothing where a reader runs it.
    While no repository is known, `hubtools card` writes that, and `load_dataset("OWNER/NAME")` of a
    dataset. A push names the repository in the code that `hubtools card` wrote, if nobody changed
    it.

    Fix: `hubtools card FOLDER --repo OWNER/NAME`, or set model.repo or dataset.repo in
    hubtools.toml. In code of your own, write the repository there.
    """
    text = release.card
    at = loaded_from_here(text) if text is not None else None
    if text is not None and at is not None:
        of_dataset = release.repo_type == "dataset"
        yield Problem(
            "the card's code names no repository: nobody but you would load the"
            f" {'pictures' if of_dataset else 'LoRA'}",
            f"{card_command(release.root, '--repo', release.repo or NOWHERE)} writes it into code"
            " that hubtools wrote, and so does the push; in code of your own, write it there",
            CARD,
            text.count("\n", 0, at) + 1,
        )


@PUBLISH_RULES.rule("P149", "The licence promises more than the base model's", Severity.ERROR)
def license_derived(release: Release) -> Iterator[Problem]:
    """A LoRA is a derivative of its base, whose licence says what may be made of it: OpenRAIL use
    restrictions must travel, others must be passed on by name. The same as C304 of a card. Who was
    given the right to another licence says how in license_details (the setting
    model.license_reason); then this is told and stops nothing. That is a note.

    Fix: `hubtools card FOLDER --license ID` with the base's licence.
    """
    front = release.front
    if release.repo_type == "model" and front is not None and not front.error:
        yield from derived_license(release.root, front.data, 1)


@PUBLISH_RULES.rule("P151", "The licence promises more than the pictures'", Severity.WARNING)
def license_pictures(release: Release) -> Iterator[Problem]:
    """Pictures under a non-commercial licence make a LoRA that not everybody may use as they like,
    and -nd licences allow nothing to be made of them. The same as C310 of a card: what the run's
    hubtools.toml says of the dataset is compared with the card. (Policy, not legal advice.)

    Fix: take a licence that is as strict as the pictures', or ask those who made them.
    """
    front = release.front
    if release.repo_type != "model" or front is None or front.error:
        return
    for file in release.files:
        if file.name == PROJECT_FILE:
            with release.open(file) as opened:
                pictures = license_of_pictures(opened.read(_SETTINGS))
            for problem, fix in problems_of_pictures(pictures, front.data):
                yield Problem(problem, fix, CARD, 1)


@PUBLISH_RULES.rule("P109", "A file is a Git LFS pointer", Severity.ERROR)
def lfs_pointer(release: Release) -> Iterator[Problem]:
    """The file was never fetched from its git repository; what would be published is a note of
    130 bytes that says where the real one is.

    Fix: `git lfs pull`.
    """
    for file, told in release.readings:
        if told.pointer:
            yield Problem("this is a Git LFS pointer, not the file", "`git lfs pull`", file.name)


@PUBLISH_RULES.rule("P110", "A file is too large", Severity.ERROR)
def too_large(release: Release) -> Iterator[Problem]:
    """The Hub takes at most 500 GB a file and advises 200 GB. Of more than 200 GB it is a warning,
    of more than 500 GB an error.

    Fix: split it.
    """
    for file in release.files:
        if file.bytes > LARGE_FILE:
            yield Problem(
                "the file is larger than 200 GB",
                "split it",
                file.name,
                severity=None if file.bytes > TOO_LARGE_FILE else Severity.WARNING,
            )


def _shard(release: Release) -> str:
    shards = release.root.with_name(f"{release.root.name}-shards")
    return command_of("shard", release.root, "--to", quote(from_here(shards)))


@PUBLISH_RULES.rule("P111", "A folder has too many files", Severity.ERROR)
def too_many(release: Release) -> Iterator[Problem]:
    """The Hub rejects more than 10,000 entries in one folder, after everything has been uploaded.

    Fix: `hubtools shard` packs pictures; or spread the files over sub-folders.
    """
    for folder, count in crowded_folders(file.name for file in release.files).items():
        yield Problem(
            f"{folder or 'the top level'} has {count:,} files and folders; the Hub takes"
            f" {IN_FOLDER:,}",
            f"pack them with {_shard(release)}, or spread them over sub-folders"
            if release.repo_type == "dataset"
            else "spread them over sub-folders",
            folder or None,
        )


@PUBLISH_RULES.rule("P148", "There are more files than a repository should have", Severity.WARNING)
def too_many_in_all(release: Release) -> Iterator[Problem]:
    """The Hub advises against more than 100,000 files in a repository: beyond, pushing, listing and
    loading take hours, and commits fail.

    Fix: `hubtools shard` packs pictures into files of about a gigabyte.
    """
    if len(release.files) > IN_REPO:
        yield Problem(
            f"{len(release.files):,} files; the Hub advises against more than {IN_REPO:,}",
            f"pack them with {_shard(release)}, and push the folder of shards",
        )


@PUBLISH_RULES.rule("P115", "A weight file is damaged", Severity.ERROR)
def damaged_weights(release: Release) -> Iterator[Problem]:
    """The header of a .safetensors file cannot be read, or its tensors are not the bytes that are
    there: it was cut off while it was written, or made to deceive.

    Fix: write it again.
    """
    for file, held in release.weights:
        if held.header.holds is Holds.DAMAGED:
            yield Problem(
                f"the weight file is damaged: {held.header.problem}", "write it again", file.name
            )
