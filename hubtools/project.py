"""A project: `hubtools.toml`, the environment and the command line, merged and checked.

Precedence: command line, environment, file, default.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from hubtools.environment import PATHS, path_from_here, said_in
from hubtools.errors import UsageError
from hubtools.files import StrPath
from hubtools.layout import PROJECT_FILE, WORK_DIR
from hubtools.models.rows import Target
from hubtools.models.targets import chosen_target, size_of
from hubtools.project_file import find_file, line_of, merge_file, read_source, table_of
from hubtools.rooted import fence, keep_same, unfence
from hubtools.settings import (
    SECTIONS,
    DatasetSettings,
    EvaluateSettings,
    ModelSettings,
    PruneSettings,
    PushSettings,
    RulesSettings,
    SampleSettings,
    Section,
    TrainSettings,
)
from hubtools.tinypeople import bundled


class Project(Section):
    """A whole `hubtools.toml`."""

    dataset: DatasetSettings = Field(default_factory=DatasetSettings)
    rules: RulesSettings = Field(default_factory=RulesSettings)
    train: TrainSettings = Field(default_factory=TrainSettings)
    samples: SampleSettings = Field(default_factory=SampleSettings)
    evaluate: EvaluateSettings = Field(default_factory=EvaluateSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    prune: PruneSettings = Field(default_factory=PruneSettings)
    push: PushSettings = Field(default_factory=PushSettings)

    _root: Path = PrivateAttr(default_factory=Path)
    _file: Path | None = PrivateAttr(default=None)
    # paths that neither the command line nor the environment has said
    _unsaid: dict[tuple[str, str], Any] = PrivateAttr(default_factory=dict)
    # licences as they were written, by section
    _licenses: dict[str, Any] = PrivateAttr(default_factory=dict)
    # what the command line, or the caller of a function, has said
    _overrides: dict[tuple[str, str], Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _trigger_is_one_line(self) -> Project:
        trigger = self.dataset.trigger
        if trigger is not None and (not trigger.strip() or "\n" in trigger):
            raise ValueError("dataset.trigger must be a non-empty single line")
        return self

    @property
    def root(self) -> Path:
        """Folder that relative paths in the settings are relative to."""
        return self._root

    @property
    def file(self) -> Path | None:
        """The `hubtools.toml` that was read, if there was one."""
        return self._file

    @property
    def given(self) -> frozenset[str]:
        """Settings that the command line, or the caller of a function, names: `samples.steps`.
        Those of the file and the environment are not among them."""
        return frozenset(f"{section}.{key}" for section, key in self._overrides)

    @property
    def notes(self) -> list[str]:
        """Sentences on values that are read otherwise than they are written."""
        read = {name: getattr(self, name).license for name in self._licenses}
        return [
            f"{name}.license: {said} is read as {read[name]}, as the Hub spells it."
            for name, said in self._licenses.items()
            if said != read[name]
        ]

    def elsewhere(self, folder: Path) -> Project:
        """The project in `folder`, with what this one was given."""
        return load_project(folder, self._overrides)

    def of_folder(self, folder: Path) -> Project:
        """This project if `folder` lies in it, else what was said beside its file."""
        beside = self._file is not None and not self.is_own(folder)
        return Project().with_settings(self._overrides) if beside else self

    def with_settings(self, overrides: Mapping[tuple[str, str], Any]) -> Project:
        """This project with other settings {(section, key): value}; paths in them are relative to
        the current folder. Raises `UsageError` for a value that cannot be."""
        values = self.model_dump(exclude_unset=True)
        for (section, key), value in overrides.items():
            values.setdefault(section, {})[key] = path_from_here(section, key, value)
        origins = {at: ".".join(at) if at[1] == "repo" else at[1] for at in overrides}
        try:
            other = Project.model_validate(values)
        except ValidationError as error:
            raise _as_usage_error(error, self._file, "", origins) from None
        other._root, other._file = self._root, self._file
        other._unsaid = {at: was for at, was in self._unsaid.items() if at not in overrides}
        other._overrides = self._overrides | dict(overrides)
        typed = {section: v for (section, key), v in overrides.items() if key == "license"}
        other._licenses = self._licenses | typed
        return other

    def at(self, relative: str) -> Path:
        """A path from the settings, made absolute against the project's folder."""
        return self._root / Path(relative).expanduser()

    def is_own(self, path: Path) -> bool:
        """True for a path that lies inside the project's folder, links followed."""
        return path.resolve().is_relative_to(self._root.resolve())

    def to_change(self, section: str, key: str) -> Path:
        """The path of a setting, for a command that writes, moves or deletes there.

        A file may have come with its folder from somebody else, so it (or a link in the folder)
        opens no place outside to that. Raises `UsageError` for such a path, unless the command
        line, the environment or the caller of the library has set it.
        """
        value = getattr(getattr(self, section), key)
        path = self.at(value)
        keep_same(path)
        if not self._only_in_file(section, key):
            unfence(path)
            return path
        if self.is_own(path):
            fence(path, self._root)  # it may be exchanged from now on
            return path
        raise self._leads_out(section, key, value, "nothing is changed there")

    def to_draw_from(self, section: str, key: str, name: str, so: str = "drawn") -> Path | None:
        """The file or folder `name` of a setting, for what is made from it (`so`), and may be
        published then; None if there is none. One that the command line names may lie here or in
        the project. Raises `UsageError` as `to_change`, whether there is something or not.
        """
        if self._only_in_file(section, key):
            path = self.at(name)
            if not self.is_own(path):
                raise self._leads_out(section, key, name, f"nothing is {so} from it")
            return path if path.exists() else None
        return next((one for one in (Path(name), self.at(name)) if one.exists()), None)

    def _only_in_file(self, section: str, key: str) -> bool:
        """Whether neither the command line, the environment nor the caller has set it."""
        value = getattr(getattr(self, section), key)
        return (section, key) in self._unsaid and self._unsaid[section, key] == value

    def _leads_out(self, section: str, key: str, value: str, so: str) -> UsageError:
        path = self.at(value)
        where = f"{self._file}: {section}.{key} is" if self._file else f"{section}.{key} is"
        end = Path(os.path.normpath(path))  # no link outside is told
        end = path.resolve() if end.is_relative_to(self._root) else end
        return UsageError(
            f"{where} {value!r}, which leads out of the project's folder to {end};"
            f" {so} because a file says so.",
            hint=_say_it(section, key, end),
            code="bad-setting",
        )

    @property
    def dataset_dir(self) -> Path:
        """Folder of the pictures."""
        return self.at(self.dataset.path)

    @property
    def leads_out(self) -> bool:
        """Whether its file alone names a dataset outside of its folder: that is only looked at."""
        return self._only_in_file("dataset", "path") and not self.is_own(self.dataset_dir)

    @property
    def dataset_to_change(self) -> Path:
        """Folder of the pictures, for a command that changes it; raises as `to_change`."""
        return self.to_change("dataset", "path")

    @property
    def run_to_change(self) -> Path:
        """Run folder, for a command that changes it; raises as `to_change`."""
        return self.to_change("train", "output_dir")

    @property
    def run_to_train(self) -> Path:
        """Run folder, for training, which fills it with pictures. Raises as `to_change`, and where
        those would be taken for pictures of the dataset."""
        run = self.run_to_change
        if self._in_dataset(run):
            better = f"{WORK_DIR}/runs/{run.name if run != self.dataset_dir else 'lora'}"
            where = f" (train.output_dir of {self._file})" if self._file else ""
            raise UsageError(
                f"The run folder {run}{where} lies in the dataset {self.dataset_dir}, which would"
                " take the run's samples for its own pictures.",
                hint=f"set it to {better}, which no loader reads (hubtools.toml, or --output-dir),"
                " and move a run there that has begun",
                code="bad-setting",
            )
        return run

    def place_for(self, name: str) -> Path:
        """Where pictures that are drawn go if nobody says where: the folder `name` of the project,
        or of its `.hubtools` if the first would be part of the dataset."""
        place = self._root / name
        return self._root / WORK_DIR / name if self._in_dataset(place) else place

    def _in_dataset(self, place: Path) -> bool:
        """True if a loader of the dataset's folder would read `place` too."""
        place, dataset = place.resolve(), self.dataset_dir.resolve()
        if not place.is_relative_to(dataset):
            return False
        below = place.relative_to(dataset)
        return not any(part.startswith((".", "__")) for part in below.parts)

    @property
    def base(self) -> str | None:
        """The base model: an absolute path if there is a folder or file of that name, else the Hub
        id, with @ and the revision if one is set."""
        name, revision = self.train.pretrained_model_name_or_path, self.train.revision
        if not name:
            return None
        place = self.placed(name)
        is_id = place == name and not Path(name).is_absolute()
        return f"{name}@{revision}" if is_id and revision else place

    def placed(self, name: str) -> str:
        """A base model by its name: the absolute path of a folder or file that is called so, else
        that of the base that hubtools brings (`tiny-people`), else the name, which is a Hub id."""
        path = self.at(name)
        return str(path if path.exists() else bundled(name) or name)

    @property
    def target(self) -> Target | None:
        """The kind of model that the pictures are for; None if nothing tells."""
        return chosen_target(self.dataset.target, self.base)

    @property
    def resolution(self) -> int:
        """Side of the training crop in pixels: what is set, else the target's own size."""
        return self.train.resolution or size_of(self.target)

    @property
    def baseline(self) -> Path | None:
        """File of findings that are known, if there is to be one."""
        return self.at(self.rules.baseline) if self.rules.baseline else None

    def rules_of(self, wing: Literal["D", "T", "C", "P"]) -> dict[str, Any]:
        """[rules] as far as it speaks of the rules of one wing: `select`, `ignore`,
        `per_file_ignores` and `baseline`. Rules of which `select` names none are all applied; a
        prefix that no wing has is given to D, whose book refuses it."""

        def own(prefixes: Sequence[str]) -> list[str]:
            others = "TCP" if wing == "D" else ""
            return [
                prefix
                for prefix in prefixes
                if (prefix[:1].upper() not in others if others else prefix[:1].upper() == wing)
            ]

        by_file = {glob: own(ids) for glob, ids in self.rules.per_file_ignores.items()}
        return {
            "select": own(self.rules.select),
            "ignore": own(self.rules.ignore),
            "per_file_ignores": {glob: ids for glob, ids in by_file.items() if ids},
            "baseline": self.baseline,
        }

    @property
    def rule_choice(self) -> dict[str, Any]:
        """[rules] as arguments of `dataset.validate.validate`."""
        return self.rules_of("D")

    @property
    def judged_by(self) -> dict[str, Any]:
        """All that decides on the verdict on this project's dataset, as arguments of `validate`
        and of `plan_fix`."""
        return self.rule_choice | {
            "settings": self.dataset,
            "resolution": self.resolution,
            "base": self.base,
        }

    @property
    def published(self) -> dict[str, Any]:
        """What of a run folder is published, as arguments of `publish.classify.classify`."""
        return self.prune.model_dump(exclude={"dtype"}) | {"adapters": self.model.adapters}

    @property
    def run_dir(self) -> Path:
        """Run folder."""
        return self.at(self.train.output_dir)


def _say_it(section: str, key: str, path: Path) -> str:
    place = shlex.quote(str(path))
    return (
        f"if you mean that place, say so yourself: --{key.replace('_', '-')} {place} where the"
        f" command has this option, or HUBTOOLS_{section.upper()}_{key.upper()}={place}"
    )


def schema() -> dict[str, Any]:
    """JSON schema of `hubtools.toml` (draft 2020-12), with a title and an `$schema` entry."""
    result = Project.model_json_schema()
    result.pop("description", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **result,
        "title": PROJECT_FILE,
    }


def load_project(
    path: StrPath | None = None,
    overrides: Mapping[tuple[str, str], Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    required: bool = False,
) -> Project:
    """Read settings from `path` (a file, or a folder that holds `hubtools.toml`, or a
    `pyproject.toml` with [tool.hubtools]; default the current folder, or the nearest above it that
    has one), then the environment, then `overrides` {(section, key): value}.

    Paths given by the environment or by `overrides` are relative to the current folder, those in
    the file to the file's folder. Raises `UsageError` with the file and line of the first mistake.
    `required`: a missing file is an error too.
    """
    file = find_file(None if path is None else Path(path), required)
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    source = ""
    if file is not None:
        source = read_source(file)
        merge_file(values, source, file)
        if values["train"].get("allow_pickle"):
            raise UsageError(
                f"{file}: train.allow_pickle cannot be set in a file, which may have come with the"
                " folder.",
                hint="give --allow-pickle, or set HUBTOOLS_TRAIN_ALLOW_PICKLE=1, if you mean it",
                code="bad-setting",
            )
    origins: dict[tuple[str, str], str] = {}
    for section, key, variable, value in said_in(os.environ if environ is None else environ):
        values[section][key] = path_from_here(section, key, value)
        origins[section, key] = variable
    for (section, key), value in (overrides or {}).items():
        values[section][key] = path_from_here(section, key, value)
        # several sections have a repository; which of them is meant, its option alone does not say
        typed = f"--{key.replace('_', '-')}"
        origins[section, key] = f"{section}.repo" if key == "repo" else typed
    try:
        project = Project.model_validate(values)
    except ValidationError as error:
        raise _as_usage_error(error, file, source, origins) from None
    keep_same(root := file.parent if file else Path.cwd())
    project._root = root.resolve()
    project._file, project._overrides = file, dict(overrides or {})
    project._licenses = {
        name: said["license"] for name, said in values.items() if "license" in said
    }
    project._unsaid = {
        (section, key): getattr(getattr(project, section), key)
        for section, key in (
            *PATHS,
            *(("dataset", "other_folders"), ("samples", "validation_images")),
            ("train", "init_from"),
        )
        if (section, key) not in origins
    }
    return project


def _as_usage_error(
    error: ValidationError,
    file: Path | None,
    source: str,
    origins: Mapping[tuple[str, str], str],
) -> UsageError:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    given = first.get("input")
    if len(location) < 2:
        return UsageError(f"{file or 'The settings'}: {message}.", code="bad-setting")
    section, key = location[0], location[1]
    origin = origins.get((section, key))
    if origin is None and file is not None:
        origin = f"{file}:{line_of(source, *table_of(file), section, key)}: {section}.{key}"
    shown = f", not {given!r}" if isinstance(given, (str, int, float, bool)) else ""
    return UsageError(f"{origin or f'{section}.{key}'} {message}{shown}.", code="bad-setting")
