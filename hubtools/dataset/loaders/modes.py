"""The four ways of reading, each from names to rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hubtools.causes import is_out_of_reach
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS, Listing
from hubtools.dataset.folder.splits import IGNORED, Splits, infer_splits
from hubtools.dataset.loaders import foldered, others
from hubtools.dataset.loaders.archives import module_inside
from hubtools.dataset.loaders.card import Config, Declared, declared
from hubtools.dataset.loaders.dropped_files import losses
from hubtools.dataset.loaders.endings import (
    ALLOWED,
    FOLDER_COLUMN,
    MODULE_OF,
    NOT_VOTING,
    endings_of,
    folder_endings,
    kept_names,
)
from hubtools.dataset.loaders.foldered import Options, Result
from hubtools.dataset.loaders.model import Broken, Loaded, LoadError, Mode, Outcome, Split
from hubtools.dataset.loaders.patterns import Names, resolve, translate
from hubtools.dataset.loaders.shards import ShardTables
from hubtools.dataset.loaders.source import Source
from hubtools.dataset.metadata import MetadataFile
from hubtools.layout import CARD, METADATA_NAMES, WORK_DIR

Files = dict[str, tuple[str, ...]]


def simulate(
    listing: Listing,
    metadata: Iterable[MetadataFile],
    sound: Iterable[str] = (),
    shards: ShardTables | None = None,
    troubled: Mapping[str, str] | None = None,
) -> tuple[Loaded, ...]:
    """What each `Mode` makes of the folder.

    `sound` are the names of pictures known to decode; any other file that a loader would open is
    opened with Pillow. Nothing else is read but the card and, where they outvote the pictures,
    side files. `shards` are those that were read already, and `troubled` says why pictures in them
    do not decode.
    """
    source = Source.of(listing, metadata, sound)
    source.shards = dict(shards or {})
    source.troubled = dict(troubled or {})
    ways = (
        _loaded(source, Mode.AUTO),
        _loaded(source, Mode.IMAGEFOLDER),
        _loaded(source, Mode.DIFFUSERS),
        _dreambooth(source),
    )
    if not shards:
        return ways
    return tuple(
        replace(way, module=None, reason=_FOLDERS, rule=None)
        if way.mode is not Mode.AUTO and way.outcome is Outcome.RAISES
        else way
        for way in ways
    )


_FOLDERS = "reads folders of loose pictures, not shards"


def simulate_path(
    listing: Listing,
    metadata: Iterable[MetadataFile],
    sound: Iterable[str] = (),
    *,
    card: str | None = None,
) -> Loaded:
    """What `Mode.AUTO` alone makes of the folder; see `simulate`. `card`: the text of its
    README.md, if it is to be another one than the one that is there."""
    return _loaded(replace(Source.of(listing, metadata, sound), card=card), Mode.AUTO)


def _loaded(source: Source, mode: Mode) -> Loaded:
    plan = _Plan(source)
    try:
        if not _globs(source):
            raise LoadError("the folder's own path has [ ] in it, which is taken for a pattern")
        results = plan.run(mode)
    except LoadError as error:
        return _answer(source, mode, plan, error)
    except OSError as error:
        if not is_out_of_reach(error):  # the loader would not meet it
            raise
        return Loaded(mode, plan.module, Outcome.RAISES, str(error))
    answers = [_answer(source, mode, plan, result) for result in results]
    first, *rest = sorted(answers, key=lambda answer: answer.outcome is Outcome.RAISES)
    if not rest:
        return first
    reason = "several metadata files disagree about the columns; which one decides is chance"
    return replace(
        first,
        outcome=Outcome.BY_CHANCE,
        reason=reason,
        alternatives=tuple(answers),
        rule="D212",
    )


def _answer(source: Source, mode: Mode, plan: _Plan, splits: Result) -> Loaded:
    if isinstance(splits, LoadError):
        failure = Outcome.RAISES if splits.sure else Outcome.MAY_RAISE
        return Loaded(mode, plan.module, failure, splits.reason, rule=splits.rule)
    module = plan.module or ""
    broken = sum(len(split.broken) for split in splits)
    outcome: Outcome = Outcome.LOADS
    reason: str | None = None
    if broken:
        first = next(split.broken[0] for split in splits if split.broken)
        outcome, reason = Outcome.ON_ACCESS, f"{first.name}: {first.reason}"
    elif module in FOLDER_COLUMN and module != "imagefolder":
        outcome, reason = Outcome.MAY_RAISE, f"whether {module} can decode the files is not tried"
    lost = losses(source, module, splits, plan.files, plan.chosen)
    return Loaded(mode, module, outcome, reason, tuple(splits), lost)


def _globs(source: Source) -> bool:
    """False if the path of the folder does not match itself as a pattern."""
    if source.listing.opener is not None:
        return True
    path = source.root.resolve().as_posix()
    if "[" not in path:
        return True
    try:
        return re.fullmatch(translate(path), path) is not None
    except (ValueError, re.error):
        return False


class _Plan:
    """One call, step by step; `module` and `files` are what was decided when it ended."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.module: str | None = None
        self.files: Files = {}  # as handed to the module
        self.chosen: Files = {}  # before endings were looked at

    def run(self, mode: Mode) -> list[Result]:
        """The splits (several results where chance decides). Raises `LoadError`."""
        if mode is Mode.AUTO:
            return self._auto()
        self.module = "imagefolder"
        if mode is Mode.IMAGEFOLDER:
            self.chosen = self._guessed(self.source.guessed)
        else:
            data = (n for n in self.source.visible if n.rpartition("/")[2] not in IGNORED)
            self.chosen = {"train": tuple(data)}
        self.files = self.chosen
        for names in self.files.values():
            for name in names:
                if "::" in name:
                    raise LoadError(f"{name}: '::' is taken for a path into an archive")
        return foldered.build(self.source, self.module, self.files, Options())

    def _guessed(self, splits: Splits) -> Files:
        if not any(splits.files.values()):
            raise LoadError("the folder holds no data files", rule="D120")
        for split, names in splits.files.items():
            if not re.fullmatch(r"\w+(\.\w+)*", split):
                raise LoadError(f"{names[0]}: {split!r} is no name for a split")
        return dict(splits.files)

    def _auto(self) -> list[Result]:
        card = self._card()
        first = card.configs[0] if card.configs else None
        found = self._patterns(first if first and first.patterns is not None else None)
        self.chosen = found
        allowed = {split: _allowed(names) for split, names in found.items()}
        if first and first.patterns is not None:
            for split, names in allowed.items():
                if not names:
                    patterns = ", ".join(first.patterns[split])
                    raise LoadError(
                        f"README.md: no data file matches {patterns} (split {split})", rule="D214"
                    )
        self.module = self._module(allowed)
        config = card.default
        if config is None:
            self.files = {split: _kept(names, self.module) for split, names in allowed.items()}
        else:
            self.chosen = self._patterns(config)
            self.files = {split: _allowed(names) for split, names in self.chosen.items()}
        results = self._build(config, card)
        self._check_sizes(card, config, results)
        return results

    def _card(self) -> Declared:
        if ".huggingface.yaml" in self.source.entries:
            raise LoadError(".huggingface.yaml adds to the card, and is not followed", sure=False)
        if self.source.card is not None:
            return declared(self.source.card)
        if CARD not in self.source.entries:
            return Declared()
        try:
            return declared(self.source.read(CARD).decode("utf-8"))
        except UnicodeDecodeError:
            raise LoadError("README.md is not UTF-8") from None

    def _patterns(self, config: Config | None) -> Files:
        """Split -> files, before endings are looked at."""
        if config is None:
            return self._guessed(self.source.guessed)
        names: Sequence[str] = self.source.names
        prefix = ""
        if config.folder:
            prefix = config.folder.strip("/") + "/"
            names = [n.removeprefix(prefix) for n in names if n.startswith(prefix)]
        if config.patterns is None:
            visible = set(self.source.visible)
            found = self._guessed(infer_splits(n for n in names if prefix + n in visible))
        else:
            known = Names(names)
            found = {
                split: tuple(n for pattern in patterns for n in resolve(pattern, known))
                for split, patterns in config.patterns.items()
            }
        return {split: tuple(prefix + n for n in inside) for split, inside in found.items()}

    def _module(self, files: Mapping[str, Sequence[str]]) -> str:
        modules = {split: infer_module(self.source, names) for split, names in files.items()}
        first = next(iter(modules.values()))
        if any(module != first for module in modules.values()):
            said = ", ".join(f"{split}: {module or 'none'}" for split, module in modules.items())
            raise LoadError(f"the splits would be read by different modules ({said})")
        if first is None:
            raise LoadError("no file has an ending that a module reads", rule="D120")
        return first

    def _build(self, config: Config | None, card: Declared) -> list[Result]:
        assert self.module is not None
        if self.module in FOLDER_COLUMN:
            options = Options()
            if config:
                names = config.metadata_names or METADATA_NAMES
                options = Options(config.drop_labels, config.drop_metadata, names)
            return foldered.build(self.source, self.module, self.files, options)
        try:
            if self.module in ("parquet", "webdataset"):
                if config and config.restricted:
                    reason = "README.md: columns, features and filters of a config"
                    raise LoadError(f"{reason} are not followed", sure=False)
                promised = card.features.get(_info_name(card.features, config))
                return [others.build_shards(self.source, self.module, self.files, promised)]
            return [others.build(self.source, self.module, self.files)]
        except LoadError as error:  # whatever it is, other files took the place of the pictures
            if self.module in ("parquet", "webdataset") and self.source.shards:
                raise
            special = config is None and self.source.guessed.reason == "special"
            rule = "D206" if special else "D207"
            raise LoadError(error.reason, sure=error.sure, rule=rule) from None

    def _check_sizes(self, card: Declared, config: Config | None, results: list[Result]) -> None:
        sizes = card.sizes or {}
        promised = sizes.get(_info_name(sizes, config))
        if promised is None or isinstance(results[0], LoadError):
            return
        counted = {split.name: split.rows for split in results[0]}
        if promised != counted:
            raise LoadError(
                f"README.md: dataset_info promises {_said(promised)}, and there are"
                f" {_said(counted)}",
                rule="D606",
            )


def _info_name(infos: Mapping[str, object], config: Config | None) -> str:
    """The name of the `dataset_info` that counts for a config."""
    if config:
        return config.name
    return next(iter(infos)) if len(infos) == 1 else "default"


def _said(counts: Mapping[str, int | None]) -> str:
    return ", ".join(f"{count} rows in {split}" for split, count in counts.items()) or "no splits"


def _base(name: str) -> str:
    """The file name as `datasets` sees it: what follows `::` is taken for an archive."""
    return name.split("::")[0].rpartition("/")[2]


def _allowed(names: Iterable[str]) -> tuple[str, ...]:
    """Without the files that have no ending of any module."""
    return tuple(
        name for name in names if any("." + p in ALLOWED for p in _base(name).split(".")[1:])
    )


def _kept(names: Iterable[str], module: str) -> tuple[str, ...]:
    """Only the files of a module: an ending of its own anywhere behind a dot of the path, at its
    end or before another dot."""
    endings, whole = endings_of(module), kept_names(module)

    def keeps(name: str) -> bool:
        if any(name.endswith(kept) for kept in whole):
            return True
        parts = name.split(".")[1:]
        last = len(parts) - 1
        return any(
            "." + part in endings and (n == last or n < last - 1 or parts[last] != "")
            for n, part in enumerate(parts)
        )

    return tuple(name for name in names if keeps(name))


def infer_module(source: Source, names: Sequence[str]) -> str | None:
    """The module of the most frequent ending, None if no ending has one.

    Every dot part of a name votes; metadata files only where nothing else does. Draws: tables
    first, then the alphabetically last ending.
    """
    votes = Counter(
        ("." + part.lower(), _base(name) in NOT_VOTING)
        for name in names
        for part in _base(name).split(".")[1:]
    )
    order = {".parquet": 7, ".lance": 6, ".vortex": 5, ".arrow": 4, ".jsonl": 3, ".json": 2}

    def rank(item: tuple[tuple[str, bool], int]) -> tuple[bool, int, int, str]:
        (ending, is_metadata), count = item
        return (not is_metadata, count, order.get(ending, int(ending == ".csv")), ending)

    for (ending, _), _ in sorted(votes.items(), key=rank, reverse=True):
        if ending in MODULE_OF:
            return MODULE_OF[ending]
        if ending == ".zip":
            return module_inside(source, list(names))
    return None


def _dreambooth(source: Source) -> Loaded:
    """`[Image.open(x) for x in Path(p).iterdir()]`: everything at the top must be a picture."""
    listing = source.listing
    tops = [name for name in source.listing.names if "/" not in name]
    inside = {name.partition("/")[0] for name in listing.names if "/" in name}
    stops = [
        Broken(0, name, "it is a folder")
        for name in sorted({*listing.folders, *listing.linked_folders, *inside})
        if "/" not in name
    ]
    broken: list[Broken] = []
    pictures = folder_endings("imagefolder") | PICTURE_ENDINGS | FOREIGN_ENDINGS
    # others first: one that is no picture is enough, and they are the likelier ones
    ordered = sorted(tops, key=lambda n: ("." + n.rpartition(".")[2].lower() in pictures, n))
    for name in ordered:
        if stops and name not in source.sound and len(stops) >= 20:
            break
        if reason := source.trouble(name, header_only=True):
            stops.append(Broken(0, name, reason))
        elif reason := source.trouble(name):
            broken.append(Broken(len(broken), name, reason))
    mode, module = Mode.DREAMBOOTH, None
    if stops:
        # whichever comes first: what people can mend is named before what hubtools keeps here
        first = min(stops, key=lambda stop: (stop.name == WORK_DIR, stop.name))
        whose = " that hubtools keeps and never publishes" if first.name == WORK_DIR else ""
        reason = f"{first.name}: {first.reason}{whose}"
        return Loaded(mode, module, Outcome.RAISES, reason)
    names = tuple(sorted(tops))
    rows = {name: row for row, name in enumerate(names)}
    broken = [Broken(rows[b.name], b.name, b.reason) for b in broken]
    split = Split("train", len(names), ("image",), ("image",), names, tuple(broken))
    if broken:
        reason = f"{broken[0].name}: {broken[0].reason}"
        return Loaded(mode, module, Outcome.ON_ACCESS, reason, (split,))
    return Loaded(mode, module, Outcome.LOADS, None, (split,))
