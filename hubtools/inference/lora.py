"""Which LoRA files names mean."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath, leads_out, open_regular, sha256_of, written
from hubtools.hub.download import fetched, model_info
from hubtools.hub.errors import is_not_cached, is_unreachable
from hubtools.hub.names import repository_named
from hubtools.layout import LORA_WEIGHTS, RUN_MANIFEST, SNAPSHOTS_DIR, step_name
from hubtools.lorafile.faults import faults_of
from hubtools.lorafile.look import look
from hubtools.lorafile.made_of import MadeOf
from hubtools.lorafile.provenance import (
    Beside,
    Stated,
    base_model_of,
    base_named,
    base_of_card,
    header_facts,
    stated_in,
    trigger_of_card,
)
from hubtools.manifest import RunManifest, runs_below
from hubtools.modelfiles import SAFE, is_pickled, unread
from hubtools.models.merged import merged_into
from hubtools.models.targets import target_of
from hubtools.nearest import as_path
from hubtools.tensornames import part_of
from hubtools.weights import Holds, read_header


@dataclass(frozen=True)
class LoraFile:
    """A LoRA that exists on this disk. `rank` is that of its first layer."""

    path: Path
    sha256: str
    rank: int
    step: int | None  # training step, if the file or its run says so
    source: str  # what the user typed
    base_model: str | None = None  # of its run, card or header, where none is named
    trigger: str | None = None  # from its run or its card
    name: str = ""  # fit to be published: Hub id, run folder's or file's name
    of_text: bool = False  # it changes a text encoder, too
    of_hub: bool = False  # `name` is the id of its repository
    made_of: str | None = None  # SHA-256 of the file of full precision that it was made of
    stated: Stated = ()  # by its card on the Hub: `stated_in`

    def within(self, base: StrPath) -> float | None:
        """At which weight the weights of a merged base hold it; None if they do not."""
        merged = merged_into(base)
        return next((merged[one] for one in (self.sha256, self.made_of) if one in merged), None)


@dataclass(frozen=True)
class WeightedLora:
    """A LoRA and its own strength; a shot's `lora_weight` multiplies it."""

    file: LoraFile
    weight: float = 1.0


def said_by(loras: Sequence[WeightedLora], weight: float) -> tuple[tuple[str, float], ...]:
    """(SHA-256, strength) of those that change what text encoders answer, at a shot's `weight`."""
    found = ((lora.file, lora.weight * weight) for lora in loras)
    return tuple((file.sha256, strength) for file, strength in found if file.of_text and strength)


# Only a number behind the last colon is a weight: neither C:\loras\a nor owner/name has one.
_WEIGHTED = re.compile(r"(?P<source>.+):(?P<weight>[+-]?(?:\d+(?:\.\d*)?|\.\d+))")


def parse_lora(text: str) -> tuple[str, float]:
    """(`source`, weight) of `source:0.8`; the weight is 1 if none is given."""
    match = _WEIGHTED.fullmatch(text)
    if match is None or Path(text).expanduser().exists():
        return text, 1.0
    return match["source"], float(match["weight"])


def resolve_loras(
    texts: Sequence[str], *, weight_name: str | None = None, step: int | None = None
) -> tuple[WeightedLora, ...]:
    """Find every LoRA of `texts`, each `source` or `source:weight`. `step` is for the one that is a
    run folder, `weight_name` for when there is but one.

    Raises what `resolve_lora` raises, and `UsageError` if one is given twice or if it is not clear
    which of them `step` or `weight_name` means.
    """
    parsed = [parse_lora(text) for text in texts]
    runs = [source for source, _ in parsed if is_run(source)]
    if step is not None and len(runs) != 1:
        raise UsageError(
            f"A training step was given, and {'several run folders' if runs else 'no run folder'}.",
            hint="a step is a snapshot that a run keeps; its file can be given as well",
        )
    if weight_name is not None and len(parsed) > 1:
        raise UsageError(
            "A weight file's name was given, and several LoRAs.", hint="give the files themselves"
        )
    found: list[WeightedLora] = []
    for source, weight in parsed:
        wanted = step if source in runs else None
        file = resolve_lora(source, weight_name=weight_name, step=wanted)
        if any(file.sha256 == other.file.sha256 for other in found):
            raise UsageError(
                f"The LoRA {source} is given twice.", hint="give it once, with the sum as weight"
            )
        found.append(WeightedLora(file, weight))
    return tuple(found)


def resolve_lora(
    source: str,
    *,
    revision: str | None = None,
    weight_name: str | None = None,
    step: int | None = None,
) -> LoraFile:
    """Find the LoRA `source`: a run folder (`step` chooses a snapshot), a .safetensors file, or a
    Hub repository `owner/name` (`owner/name@revision`; also as `hf://` or the address of its page).

    Raises `HubtoolsError` if there is none, if there are several and none is the obvious one, or
    if the file holds no LoRA.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return _in_run(_file(path, source, None, None))
    if path.is_dir():
        return _folder(path, source, weight_name, step)
    if source.endswith(SAFE) or is_pickled(source):  # no repository is called so
        raise HubtoolsError(
            f"There is no file {source}.",
            hint="check the name, and the folder in which this is typed",
            code="file-not-found",
            missing=source,
        )
    if "://" in source:
        address, _, at = source.partition("@")
        source = repository_named(address, "model", read=True) + (f"@{at}" if at else "")
    if path.is_absolute() or source.startswith((".", "~")) or source.count("/") != 1:
        raise UsageError(
            f"The LoRA {source!r} is neither a file, nor a run folder, nor a Hub id.",
            hint="give runs/<name>, a .safetensors file or owner/name",
            missing=path,
        )
    repo, _, at = source.partition("@")
    return _hub(repo, revision or at or None, weight_name, source)


def _folder(folder: Path, source: str, weight_name: str | None, step: int | None) -> LoraFile:
    manifest = None
    if (folder / RUN_MANIFEST).is_file():
        manifest = RunManifest.read(folder)
    if step is not None:
        path = _snapshot(folder, step)
    else:
        names = [path.name for path in written(folder, "*.safetensors")]
        path = folder / choose_weights(names, weight_name, str(folder))
        step = manifest.steps_done if manifest else None
    if leads_out(folder, path.relative_to(folder).as_posix()):
        raise HubtoolsError(
            f"{path} is a link that leads out of {folder}; a folder's files are opened in it only.",
            hint=f"if you know what it leads to, name it: --lora {shlex.quote(str(path))}",
            code="link-refused",
        )
    found = replace(_file(path, source, step, None), name=folder.absolute().name)
    if manifest is None:
        return _in_run(found)
    return replace(found, base_model=manifest.base_model.named, trigger=manifest.dataset.trigger)


def check_loras(loras: Sequence[WeightedLora], base: str, note: Callable[[str], None]) -> None:
    """Raise `HubtoolsError` for a LoRA that would not draw as it is meant to with the pipeline at
    `base` (a folder or Hub id): before anything heavy is loaded. What draws all the same, as a LoRA
    that changes nothing, is noted."""
    target = target_of(base)
    for lora in loras:
        path = lora.file.path
        if lora.weight and (weight := lora.file.within(base)) is not None:
            note(
                f"{base} has the LoRA {lora.file.source} in its weights already, at {weight:g}; it"
                " is added once more."
            )
        held = look(partial(open_regular, path), path.stat().st_size)
        for fault in faults_of(held, target, place=str(path), base_id=base):
            said = f"The LoRA {lora.file.source} is not drawn with as it is meant: {fault.text}."
            if fault.kind in ("zero", "part"):
                note(said)
                continue
            raise HubtoolsError(said, hint=fault.hint, code="not-supported")


def is_run(source: str) -> bool:
    """True for a folder that keeps LoRAs of several training steps, or may."""
    folder = Path(source).expanduser()
    return (folder / RUN_MANIFEST).is_file() or (folder / SNAPSHOTS_DIR).is_dir()


def _snapshot(folder: Path, step: int) -> Path:
    found = sorted((folder / SNAPSHOTS_DIR).glob(f"*-{step_name(step).replace('-', '')}*"))
    if not found:
        there = snapshots_of(folder)
        raise HubtoolsError(
            f"{folder} has no snapshot of step {step}.",
            hint=f"there are: {', '.join(map(str, there))}"
            if there
            else "the run kept no snapshots",
            code="nothing-there",
        )
    return found[0]


def snapshots_of(folder: Path) -> list[int]:
    """Training steps of which the run folder keeps a LoRA, in order."""
    names = (path.stem for path in written(folder / SNAPSHOTS_DIR, "*.safetensors"))
    return sorted(int(match[1]) for name in names if (match := re.search(r"-step(\d+)$", name)))


def _in_run(file: LoraFile) -> LoraFile:
    """A file inside a run folder knows what the run knows of base and trigger; any other what its
    card tells, peft's configuration and its header."""
    run = run_of(file.path)
    if run is None:
        trigger = Beside.of(file.path.parent).trigger
        return replace(file, base_model=base_model_of(file.path), trigger=trigger)
    return replace(file, base_model=run.base_model.named, trigger=run.dataset.trigger)


def run_of(file: Path) -> RunManifest | None:
    """Of the run folder in which the weight file lies, as its own or as a snapshot; None if it lies
    in none, or in one that cannot be read."""
    parent = file.absolute().parent
    for folder in (parent, parent.parent):
        if (folder / RUN_MANIFEST).is_file():
            try:
                return RunManifest.read(folder)
            except HubtoolsError:
                return None  # the run's own commands tell of it; the weights are whole
    return None


def _hub(repo: str, revision: str | None, weight_name: str | None, source: str) -> LoraFile:
    base = trigger = None
    stated: Stated = ()
    has_run = True  # unless the Hub says otherwise
    try:
        info = model_info(repo, revision)
    except Exception as error:
        if not is_unreachable(error):
            raise
        offline = True
        weight_name = weight_name or LORA_WEIGHTS
    else:
        offline = False
        there = [n for n in info.files if n.endswith(".safetensors") and "/" not in n]
        weight_name = choose_weights(there, weight_name, repo)
        base, trigger = base_of_card(info.card), trigger_of_card(info.card)
        stated = stated_in(info.card)
        has_run = RUN_MANIFEST in info.files
    try:
        file = fetched(repo, weight_name, revision=revision, local_only=offline)
    except FileNotFoundError as error:
        if not is_not_cached(error):
            raise
        raise HubtoolsError(
            f"{repo} has no {weight_name} in the local cache, and the Hub cannot be reached.",
            hint="go online once, or give a file",
            code="hub-unreachable",
            missing=as_path(repo),
        ) from error
    if has_run and base is None and (run := _run_there(repo, revision, offline)) is not None:
        base, trigger = _named_by(run), trigger or run.dataset.trigger
    if base is None:
        base = header_facts(read_header(file).metadata).base_model
    found = _file(file, source, None, base)
    return replace(found, trigger=trigger, name=repo, of_hub=True, stated=stated)


def _run_there(repo: str, revision: str | None, offline: bool) -> RunManifest | None:
    """The facts of the run that was pushed with a LoRA; None if there are none to be read."""
    try:
        path = fetched(repo, RUN_MANIFEST, revision=revision, local_only=offline)
        return RunManifest.of(path)
    except FileNotFoundError as error:
        if not is_not_cached(error):
            raise
    except HubtoolsError:
        pass  # a run of another program, or a damaged one; the weights are whole
    return None


def _named_by(run: RunManifest) -> str | None:
    """The base of a run that somebody else may have written: an id, or the one that comes with
    hubtools; never a path."""
    return base_named(run.base_model.named)


def choose_weights(names: list[str], wanted: str | None, where: str) -> str:
    """The weight file among top-level `names`: `wanted`, else the usual name, else the only one.

    diffusers takes whichever comes first in the listing; that is not good enough here.
    """
    if wanted is not None:
        if wanted not in names:
            raise HubtoolsError(
                f"{where} has no file {wanted}.",
                hint=f"it has: {', '.join(names) or 'none'}",
                code="file-not-found",
            )
        return wanted
    if LORA_WEIGHTS in names:
        return LORA_WEIGHTS
    if len(names) == 1:
        return names[0]
    if not names:
        raise HubtoolsError(
            f"{where} holds no LoRA: there is no .safetensors file at its top level.",
            hint=f"it holds runs: give one of them, such as {shlex.quote(str(runs[0]))}"
            if (runs := runs_below(Path(where)))
            else "train first, or give the file itself",
            code="nothing-there",
        )
    here = [shlex.quote(str(Path(where) / name)) for name in names] if Path(where).is_dir() else []
    raise HubtoolsError(
        f"{where} holds several weight files and none is called {LORA_WEIGHTS}.",
        hint=f"give the one that you mean: {', '.join(here)}"
        if here
        else f"choose with --weight-name: {', '.join(map(shlex.quote, names))}",
        code="wrong-kind",
    )


def _file(path: Path, source: str, step: int | None, base: str | None) -> LoraFile:
    if is_pickled(path.name):
        raise HubtoolsError(
            f"The LoRA {path} is a pickle, which can run code; hubtools opens .safetensors only.",
            hint="ask for the LoRA as .safetensors, or convert it on a machine without secrets",
            code="unsafe-file",
        )
    header = read_header(path)
    if header.holds is Holds.DAMAGED:
        raise unread(path, header.problem)
    if header.holds is Holds.LYCORIS:
        raise HubtoolsError(
            f"{path} is no LoRA but one of its relatives (LoHa, LoKr, OFT), and hubtools draws with"
            " LoRAs.",
            hint=f"`hubtools inspect {shlex.quote(str(path))}` tells what reads it",
            code="wrong-kind",
        )
    if header.rank is None:
        raise HubtoolsError(
            f"{path} holds no LoRA: none of its {len(header.tensors)} tensors is one.",
            hint="a full model is a base, not a LoRA: give it as --base-model",
            code="nothing-there",
        )
    parts = map(part_of, header.tensors)
    made_of = MadeOf.of(header.metadata)
    return LoraFile(
        path, sha256_of(path), header.rank, step, source, base_model=base, name=path.name,
        of_text=any(part is not None and part.of_text for part in parts),
        made_of=made_of.sha256 if made_of else None,
    )  # fmt: skip
