"""Weights & Biases: the run on its site, or in the run folder where that cannot be reached."""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import read_within
from hubtools.rooted import Root
from hubtools.training.trackers.kinds import About, Event, Reported, values_of
from hubtools.training.trackers.noted import FAREWELL, Note, waited

_PATIENCE = 20.0  # seconds for its site to answer

# What `./wandb/settings` may say: a stranger's could name a server, which is sent the user's key.
_HARMLESS = {"mode", "disabled", "project"}
_LONGEST = 1 << 16  # bytes of it


def check_settings_here() -> None:
    """Raise `HubtoolsError` if wandb would read settings of the working directory, which may be
    somebody else's project, that are more than harmless."""
    for folder in ("wandb", ".wandb"):
        path = Path(folder, "settings")
        if not os.path.lexists(path):
            continue
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(read_within(path, _LONGEST).decode("utf-8"))
            named = {key for section in parser.values() for key in section}
        except (OSError, ValueError, configparser.Error, HubtoolsError):
            named = {"what cannot be read"}
        if odd := sorted(named - _HARMLESS):
            raise HubtoolsError(
                f"{path} of the working directory says {odd[0][:100]}, and whoever wrote it would"
                " decide where W&B sends the run and your key",
                hint="put it into ~/.config/wandb/settings if it is yours, and remove it here",
            )


def check_place(root: Root, folder: str) -> None:
    """Raise `HubtoolsError` unless what wandb writes lands in `folder` of the run in `root`: it
    follows links there, and removes what it finds under the names of its own."""
    if root.exists(dotted := f"{folder}/.wandb") or root.is_link(dotted):
        raise HubtoolsError(
            f"{root.path / dotted} is there, which wandb would write into",
            hint=f"remove it; what wandb writes of a run lies in {folder}/wandb",
        )
    root.mkdir(f"{folder}/wandb")


class Wandb:
    """Scalars, samples and the settings. What it finds out by itself (host, user, command line,
    code, git, packages, environment) is turned off."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn

    def begin(self, root: Root, about: About) -> Reported:
        """Open the run, or the one of the same id again; without network, offline. Raises
        `HubtoolsError` where settings in the working directory, or links in the run folder, would
        lead it elsewhere."""
        check_settings_here()
        if not os.environ.get("WANDB_DIR"):
            check_place(root, about.folder)
        self._note = Note(root, f"{about.folder}/wandb-reported.json", about.id)
        self._run = self._open(root, about)
        return self._note.reported

    def _open(self, root: Root, about: About) -> Any:
        import wandb

        offline = os.environ.get("WANDB_MODE") in ("offline", "dryrun")
        folder = os.environ.get("WANDB_DIR") or str(root.path / about.folder)
        for mode in ["offline"] if offline else [os.environ.get("WANDB_MODE"), "offline"]:
            try:
                return wandb.init(
                    project=about.project,
                    name=about.name,
                    id=about.id,
                    resume="allow",
                    dir=folder,
                    config=about.settings,
                    settings=self._settings(wandb, mode, folder),
                )
            except Exception as error:
                if mode == "offline":
                    raise
                why = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
                self._warn(
                    f"W&B does not take the run ({why}); it is logged offline, and `wandb sync"
                    f" {quote(str(folder))}/wandb/offline-run-*{about.id}` sends it."
                )
        raise AssertionError

    def _settings(self, wandb: Any, mode: str | None, folder: str) -> Any:
        wanted = {
            "mode": mode,
            "root_dir": folder,
            "console": "off",
            "silent": True,
            "init_timeout": _PATIENCE,
            "disable_git": True,
            "disable_code": True,
            "save_code": False,
            "disable_job_creation": True,
            "x_disable_meta": True,
            "x_disable_stats": True,
            "x_disable_machine_info": True,
            "x_save_requirements": False,
            "host": "",
            "program": "",
        }
        known = wandb.Settings.model_fields
        return wandb.Settings(**{k: v for k, v in wanted.items() if k in known and v is not None})

    def log(self, events: Sequence[Event]) -> None:
        """Hand them over; noted first, so that none is told twice."""
        import wandb

        self._note.take(events)
        for step, values in values_of(events, wandb.Image):
            self._run.log(values, step=step)

    def end(self, status: str) -> None:
        """Wait for what is left to be sent, but not for ever."""
        code = 0 if status == "finished" else 1
        if not waited(lambda: self._run.finish(code)):
            self._warn(
                f"W&B has not taken all of the run within {FAREWELL:.0f} seconds; `wandb sync"
                " --sync-all` in the run's folder sends the rest."
            )
