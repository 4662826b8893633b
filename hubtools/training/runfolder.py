"""The run folder: whose it is, what a run must share with an earlier one to continue it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import json_bytes, json_value
from hubtools.findings import plural
from hubtools.layout import (
    CARD,
    EVALUATION_DIR,
    IMAGES_DIR,
    LORA_WEIGHTS,
    LOSS_CHART,
    METRICS,
    PROJECT_FILE,
    PUSHED,
    RUN_LOCK,
    RUN_MANIFEST,
    SAMPLES_DIR,
    SNAPSHOTS_DIR,
    STATE_DIR,
    WORK_DIR,
)
from hubtools.limits import JSON_FILE
from hubtools.manifest import LoraFacts, RunManifest
from hubtools.project import Project
from hubtools.project_file import to_toml
from hubtools.rooted import Root
from hubtools.rooted.outputs import keeping, note_written, sums_written
from hubtools.summed import is_summed_text, summed_text
from hubtools.training.found_states import WAYS_ON, newest_facts, states
from hubtools.training.identity import differences, fingerprint, identity, options_of
from hubtools.training.recipe import ENDLESS
from hubtools.trust import SEAL, ForeignState, have_key, is_sealed, seal
from hubtools.whereabouts import from_here

_A_MINUTE = 60.0  # s; a write takes its file's name sooner
_OURS = {
    CARD,
    IMAGES_DIR,
    LORA_WEIGHTS,
    LOSS_CHART,
    METRICS,
    PROJECT_FILE,
    RUN_LOCK,
    RUN_MANIFEST,
    SAMPLES_DIR,
    SNAPSHOTS_DIR,
    STATE_DIR,
}
_LEFT_ALONE = {CARD, IMAGES_DIR}  # a training writes neither
_STEPS, _WARMUP = "max_train_steps", "lr_warmup_steps"


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def is_complete(run_dir: Path, manifest: RunManifest) -> bool:
    """True if the run says that it is finished and its LoRA still is the file it left."""
    if manifest.status != "finished" or manifest.lora is None:
        return False
    with Root(run_dir) as root:
        there = root.is_file(LORA_WEIGHTS)
        return there and root.sha256(LORA_WEIGHTS) == manifest.lora.sha256


def _finish(manifest: RunManifest) -> dict[str, Any]:
    """What the end of a run is sealed over; the rest of `run.json` is only told."""
    return {
        "run": fingerprint(identity(manifest, manifest.processes)),
        "steps": manifest.steps_done,
        "lora": manifest.lora.sha256 if manifest.lora else None,
    }


def seal_finish(run_dir: Path, manifest: RunManifest) -> None:
    """Mark `manifest` as that of a run that this user has finished (see `trust`)."""
    manifest.seal = seal(run_dir, RUN_MANIFEST, _finish(manifest), anywhere=True)[SEAL]


def with_lora(run_dir: Path, manifest: RunManifest, lora: LoraFacts) -> RunManifest:
    """The same run with another file for its LoRA; one that this user has finished stays theirs."""
    new = manifest.model_copy(update={"lora": lora})
    sealed = _finish(manifest) | {SEAL: manifest.seal}
    if is_sealed(run_dir, RUN_MANIFEST, sealed, anywhere=True):
        seal_finish(run_dir, new)
    return new


def refuse_foreign_finish(run_dir: Path, manifest: RunManifest, trust_state: bool) -> None:
    """Raise `ForeignState` if somebody else has finished this run, whose LoRA would then be taken
    for one that was trained here; with `trust_state` it is this user's from now on."""
    sealed = _finish(manifest) | {SEAL: manifest.seal}
    if is_sealed(run_dir, RUN_MANIFEST, sealed, anywhere=True):
        return
    if not trust_state:
        raise ForeignState(
            run_dir / RUN_MANIFEST,
            f"make the run count as finished ({plural(manifest.steps_done, 'step')}), so that its"
            " LoRA is taken for the one that you train",
            hint=WAYS_ON,
        )
    seal_finish(run_dir, manifest)
    manifest.write(run_dir)


def earlier_run(run_dir: Path) -> RunManifest | None:
    """The run that this folder holds, if any. Raises `HubtoolsError` for a folder that is no run
    folder but not empty either, so that nothing of the user's is ever written over: files that are
    called as those of a run may be anybody's."""
    if run_dir.exists() and not run_dir.is_dir():
        raise HubtoolsError(
            f"{run_dir} is a file.", hint="--output-dir another folder", code="file-exists"
        )
    if (run_dir / RUN_MANIFEST).is_file():
        with suppress(HubtoolsError):
            return RunManifest.read(run_dir)
    if not run_dir.is_dir():
        return None
    # without a readable run.json a LoRA or states make it a run, which `refuse_if_unknown` judges
    ours = _OURS if has_progress(run_dir) else _LEFT_ALONE
    foreign = sorted(
        path.name + (" (a symbolic link)" if path.is_symlink() else "")
        for path in run_dir.iterdir()
        if path.name not in ours and not path.name.startswith(".")
    )
    if foreign:
        raise HubtoolsError(
            f"{run_dir} is not empty and no run folder: it holds {', '.join(foreign[:3])}.",
            hint="give an empty or a new folder: --output-dir runs/<name>",
            code="file-exists",
        )
    return None


def has_progress(run_dir: Path) -> bool:
    """True if starting afresh would lose something."""
    return bool(states(run_dir)) or (run_dir / LORA_WEIGHTS).exists()


def refuse_if_unknown(run_dir: Path, digest: str) -> None:
    """Raise `HubtoolsError` unless the newest state of a folder without `run.json` says itself
    that it belongs to the run with this fingerprint."""
    facts = newest_facts(run_dir)
    if facts is None or facts.fingerprint != digest:
        what = "a LoRA" if facts is None else "states of a run"
        raise HubtoolsError(
            f"{run_dir} holds {what}, but no readable {RUN_MANIFEST} says of which settings.",
            hint="`hubtools train --no-resume` moves it aside and starts afresh,"
            " --output-dir leaves it alone",
            code="wrong-kind",
        )


def extends(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """True if the new run is the old one with more steps, and the old steps are the first ones of
    it: its learning rate does not hang on where it ends."""
    return _longer(old, new) == {_STEPS} and new.get("lr_scheduler") in ENDLESS


def _longer(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    """What differs between a run and one of more steps; nothing if it has not more."""
    less, more = old.get(_STEPS), new.get(_STEPS)
    if not (isinstance(less, int) and isinstance(more, int) and less < more):
        return set()
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def _refuse_longer(run_dir: Path, old: dict[str, Any], new: dict[str, Any], done: bool) -> None:
    """Raise `HubtoolsError` if more steps are asked for than the run was planned with, and those
    that it has done are none of theirs."""
    changed = _longer(old, new) - {_STEPS}
    if not _longer(old, new) or changed - {_WARMUP}:
        return
    steps, more = old[_STEPS], new[_STEPS]
    if new["lr_scheduler"] in ENDLESS:
        raise HubtoolsError(
            f"{from_here(run_dir)} came to its learning rate in {old[_WARMUP]:,} steps, and"
            f" a run of {more:,} steps would in {new[_WARMUP]:,}.",
            hint=f"--{_WARMUP.replace('_', '-')} {old[_WARMUP]} makes it go on as it was",
            code="file-changed",
        )
    shown = from_here(run_dir)
    place = shlex.quote(shown)
    other = shlex.quote(f"{shown}-more")
    on = f"`--init-from {place} --output-dir {other} --max-train-steps {more - steps}` goes on"
    raise HubtoolsError(
        f"{shown} is a run of {plural(steps, 'step')}; the learning rate of its schedule"
        f" ({new['lr_scheduler']}) falls until the last: they are not the first of {more:,}.",
        hint=(
            f"`--max-train-steps {steps}` takes it as it is; {on} from its weights; "
            if done
            else f"`--max-train-steps {steps}` goes on with it; "
        )
        + "`hubtools train --no-resume` moves it aside and trains all of them",
        code="file-changed",
    )


def refuse_if_changed(run_dir: Path, old: dict[str, Any], new: dict[str, Any], done: bool) -> None:
    """Raise `HubtoolsError` if the run in this folder is not the one that is asked for; `done`: it
    is finished."""
    _refuse_longer(run_dir, old, new, done)
    changed = differences(old, new)
    if changed:
        shown = ", ".join(changed[:5]) + (", ..." if len(changed) > 5 else "")
        raise HubtoolsError(
            f"{from_here(run_dir)} holds a run that differs in {shown}; it cannot be"
            " continued with that.",
            hint="`hubtools train --no-resume` moves it aside and starts afresh,"
            " --output-dir leaves it alone, or go back to its settings"
            + (f": {words}" if (words := options_of(old, new)) else ""),
            code="file-changed",
        )


def stateless(run_dir: Path, steps: int) -> HubtoolsError:
    """What to raise about a finished run that is to go on, and has no state left to go on from."""
    shown = from_here(run_dir)
    place, other = shlex.quote(shown), shlex.quote(f"{shown}-more")
    return HubtoolsError(
        f"{shown} is finished and has no state left to go on to {steps:,} steps from.",
        hint=f"`--init-from {place} --output-dir {other}` starts a run from its weights;"
        " `hubtools train --no-resume` moves it aside and trains all of them",
        code="nothing-there",
    )


def move_aside(run_dir: Path) -> Path:
    """Rename the folder to `<name>.old-<time>`; answers the new place."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    target = run_dir.with_name(f"{run_dir.name}.old-{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = run_dir.with_name(f"{run_dir.name}.old-{stamp}-{number}")
    with Root(run_dir.parent) as parent:
        parent.rename(run_dir.name, target.name)
    return target


def know_lora(run_dir: Path, earlier: RunManifest) -> None:
    """Have the LoRA of a finished run that is to go on known by the sum in its `run.json`: one that
    somebody has changed since is then kept where it is written over (`written_lora`)."""
    if earlier.lora is None:
        return
    with Root(run_dir) as root:
        if LORA_WEIGHTS not in sums_written(root):  # one written since is known better
            note_written(root, LORA_WEIGHTS, earlier.lora.sha256)


def keep_ledger(aside: Path, run_dir: Path) -> None:
    """What was pushed from a run that was moved aside counts as pushed from the run that takes its
    place: it is the next version of the same repository. Nothing if this user pushed nothing."""
    with Root(aside) as root:
        if not root.is_file(PUSHED):
            return
        try:
            content = json_value(root.read(PUSHED, JSON_FILE))
        except (ValueError, RecursionError):
            return
        if not is_sealed(root.path, PUSHED, content):
            return
    with Root(run_dir, create=True) as root:
        root.write_new(PUSHED, json_bytes(seal(root.path, PUSHED, content)))


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Keep a second training out of the folder. The lock ends with the process, however it ends.

    Raises `HubtoolsError` if another process holds it, or what is noted of the run could not be
    sealed. No lock on Windows.
    """
    have_key()
    with Root(run_dir, create=True) as root, ExitStack() as stack:
        try:
            stack.enter_context(root.holding(RUN_LOCK, remove=True))
        except BlockingIOError:
            raise HubtoolsError(
                f"Another training is writing into {run_dir}.",
                hint="wait for it, stop it, or give another --output-dir",
                code="busy",
            ) from None
        _check_kinds(root)
        for folder in ("", SNAPSHOTS_DIR, SAMPLES_DIR, IMAGES_DIR, EVALUATION_DIR):
            if not folder or root.is_folder(folder):
                root.sweep(folder, older_than=_A_MINUTE)  # other commands may write just now
        yield


def _check_kinds(root: Root) -> None:
    """Raise `HubtoolsError` if a folder, or none, stands where the run writes a file, or makes a
    folder: it would find out hours later. A link, or a pipe in the place of a file, is replaced."""
    for name in (LORA_WEIGHTS, LOSS_CHART, METRICS, PROJECT_FILE, RUN_MANIFEST):
        if root.is_folder(name):
            raise HubtoolsError(
                f"{root.path / name} is a folder, and a run writes a file of this name.",
                hint="move it away, or give another --output-dir",
                code="file-exists",
            )
    for name in (SAMPLES_DIR, SNAPSHOTS_DIR, STATE_DIR, WORK_DIR):
        link = root.is_link(name) and name != WORK_DIR
        if root.exists(name) and not root.is_folder(name) and not link:
            raise HubtoolsError(
                f"{root.path / name} is no folder, and a run makes a folder of this name.",
                hint="move it away, or give another --output-dir",
                code="file-exists",
            )


_MODELS = ("embeddings", "picture_encoder", "prompt_judge")  # a Hub id, or a folder here


def _without_places(project: Project, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without models that are folders of this machine."""

    def is_place(name: str) -> bool:
        path = Path(name).expanduser()
        return path.is_absolute() or name.startswith(".") or (project.root / path).exists()

    return {
        key: value
        for key, value in settings.items()
        if key not in _MODELS or value is None or not is_place(value)
    }


def write_settings(
    run_dir: Path,
    project: Project,
    manifest: RunManifest,
    prompts: Sequence[str],
    note: Callable[[str], None] = lambda sentence: None,
) -> None:
    """`hubtools.toml` of the run: every setting resolved, nothing that names a place on this
    machine. Base and dataset appear by their Hub ids, if they have any. One that somebody has
    changed since is kept in `.hubtools/replaced` of the run and told to `note`."""
    start = manifest.started_from
    train = manifest.train | {"revision": manifest.base_model.revision}
    if start is not None:
        train["init_from"] = start.repo  # of another there is no name to find it by
    text = to_toml(
        {
            "dataset": _without_places(
                project, project.dataset.model_dump(exclude={"path", "other_folders"})
            )
            | {"repo": manifest.dataset.repo, "revision": manifest.dataset.revision},
            "train": {"pretrained_model_name_or_path": manifest.base_model.named, **train},
            "samples": project.samples.model_dump(exclude={"validation_images"})
            | {"prompts": list(prompts)},
            "evaluate": _without_places(
                project, project.evaluate.model_dump(exclude={"held_out"}, exclude_defaults=True)
            ),
            "model": project.model.model_dump(),
            "push": project.push.model_dump(),
        }
    )
    with Root(run_dir) as root:
        check = keeping(root, PROJECT_FILE, is_summed_text, note)
        root.write(PROJECT_FILE, summed_text(text, "# ").encode("utf-8"), check=check)
