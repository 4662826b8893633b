"""Which base model a name means: a local pipeline folder, a file, or a repository on the Hub."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError, UsageError
from hubtools.hub.download import fetched, model_info, snapshot_of
from hubtools.hub.errors import as_sentence, is_no_repository, is_not_cached, is_unreachable
from hubtools.modelfiles import Pickled, check_pipeline, is_pickled, read_json
from hubtools.models.configs import check_configs
from hubtools.models.lookup import is_flow, support_of
from hubtools.models.registry import MOVED, SUPPORTED, TARGETS, TRY_OFFLINE
from hubtools.models.rows import Support
from hubtools.models.singles import SingleFile, ids_meant, single_file
from hubtools.models.unpacking import CONFIGS, lacking, unpack, unpacked_folder
from hubtools.nearest import as_path

# Set in model_index.json by `tiny.build_tiny_pipeline`, so that nobody takes noise for a result.
RANDOM_WEIGHTS_KEY = "_hubtools_random_weights"

_PIPELINE_FILE = "model_index.json"

# What pipelines of these endings are for, where it is no drawing from words alone.
_PURPOSES = (
    ("InstructPix2PixPipeline", "it changes pictures as it is told"),
    ("InpaintPipeline", "it is an inpainting model"),
    ("InpaintPipelineLegacy", "it is an inpainting model"),
    ("Img2ImgPipeline", "it draws over pictures that are there, as a refiner does"),
    ("EditPipeline", "it changes pictures as it is told"),
    ("EditPlusPipeline", "it changes pictures as it is told"),
    ("KontextPipeline", "it changes pictures as it is told"),
    ("LayeredPipeline", "it takes pictures apart into layers"),
    ("FillPipeline", "it is an inpainting model"),
    ("ReduxPipeline", "it varies pictures"),
    ("ControlPipeline", "it is led by control pictures"),
    ("ControlNetPipeline", "it is led by control pictures"),
    ("UpscalePipeline", "it enlarges pictures"),
    ("Depth2ImgPipeline", "it draws over the depth of a picture"),
)
_DISTILLED = ("SprintPipeline", "SprintImg2ImgPipeline")


@dataclass(frozen=True)
class Base:
    """A base model that exists. `path_or_id` is what `from_pretrained` takes."""

    id: str | None  # Hub id; for a local folder the one it is `known_as`, if any
    path_or_id: str
    revision: str | None  # commit hash on the Hub; None for a local folder
    local: bool
    random_weights: bool
    family: str
    prediction_type: str
    variant: str | None = None
    files: tuple[str, ...] = ()  # of the repository; empty if local or if the Hub is not reached
    allow_pickle: bool = False  # the user has asked for pickled weights to be opened
    single: Single | None = None  # the file that the folder is unpacked from

    @property
    def support(self) -> Support:
        """The registry's entry of its family."""
        return SUPPORTED[self.family]

    @property
    def shown(self) -> str:
        """What people call it: its id, else its folder or file."""
        return self.id or (str(self.single.file.path) if self.single else self.path_or_id)

    @property
    def name(self) -> str:
        """Its id, else the last part of its path."""
        return self.id or Path(self.shown).name


@dataclass(frozen=True)
class Single:
    """A base in a single file, and the pipeline that has what the file lacks."""

    file: SingleFile
    like: Base


def resolve_base(
    name: str,
    *,
    revision: str | None = None,
    variant: str | None = None,
    known_as: str | None = None,
    config: str | None = None,
    notify: Callable[[str], None] = lambda sentence: None,
    allow_pickle: bool = False,
) -> Base:
    """Find the base model `name`: a folder with model_index.json or a .safetensors file with a
    whole model (`known_as`: the id under which others find it on the Hub), else a Hub id.
    `config`: the pipeline, as `name` of a folder or the Hub, that such a file takes its
    configuration and what it lacks from; default the published one of its kind, of which `notify`
    is told. `allow_pickle`: pickled weights will be opened.

    If the Hub answers that a base does not exist whose owner withdrew it, the repository of the
    same name of those who keep it is used (`registry.MOVED`) and `notify` is told. Without a
    connection the cached copy is used. Raises `HubtoolsError` if there is neither, or if
    the pipeline's family is not supported.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return replace(_local_base(folder, known_as, variant), allow_pickle=allow_pickle)
    if folder.is_file():
        return _single_base(folder, known_as, config, notify)
    check_name(name)
    return replace(_hub_base(name, revision, variant, notify), allow_pickle=allow_pickle)


def check_name(name: str) -> None:
    """Raises `UsageError` for a base's name that is no folder, no file and can be no Hub id."""
    path = Path(name).expanduser()
    if path.is_dir() or path.is_file():
        return
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        raise UsageError(
            f"The base model {name!r} is neither a folder, nor a file, nor a Hub id.",
            hint=f"{ids_meant(name)}; {TRY_OFFLINE}",
            missing=path,
        )


def _local_base(folder: Path, known_as: str | None, variant: str | None) -> Base:
    index = folder / _PIPELINE_FILE
    if not index.is_file():
        raise HubtoolsError(
            f"{folder} is no diffusers pipeline: it has no {_PIPELINE_FILE}.",
            hint="give the folder that holds model_index.json and a folder for each component, or"
            " the .safetensors file of a whole model",
            code="wrong-kind",
        )
    content = read_json(index)
    return Base(
        known_as,
        str(folder.absolute()),
        None,
        True,
        bool(content.get(RANDOM_WEIGHTS_KEY)),
        _family(content, str(folder)),
        _prediction_type(read_json(folder / "scheduler" / "scheduler_config.json")),
        variant or only_variant(_weights_in(folder)),
    )


def _single_base(
    path: Path, known_as: str | None, config: str | None, notify: Callable[[str], None]
) -> Base:
    file = single_file(path)
    said = config or file.like
    try:
        like = resolve_base(said, notify=notify)
    except Exception as error:
        why = error if isinstance(error, HubtoolsError) else as_sentence(error)
        if why is None:
            raise
        raise HubtoolsError(
            f"{path} takes its configuration from {said}, which cannot be had: {why.message}",
            hint=f"{why.hint}; or " * bool(why.hint)
            + "name a pipeline of its kind with --base-config (a folder or a Hub id)",
            code=why.code,
        ) from error
    if like.support is not TARGETS[file.target].support:
        raise UsageError(
            f"{path} is a model of {TARGETS[file.target].title}, and {said}, which it is to take"
            f" its configuration from, is one of {like.support.title}.",
            hint="give another --base-config, or leave it out",
            code="bad-setting",
        )
    folder = unpacked_folder(file, _snapshot(like, CONFIGS), like.revision)
    absent = lacking(file, folder)
    notify(
        f"{path.name} is a model of {TARGETS[file.target].title}; its configuration"
        f"{''.join(f', {name}' for name in absent)} and tokenizers are those of {said}."
    )
    return replace(
        like,
        id=known_as,
        path_or_id=str(folder),
        revision=None,
        local=True,
        prediction_type=_prediction_type(read_json(folder / "scheduler" / "scheduler_config.json")),
        variant=None,
        files=(),
        single=Single(file, like),
    )


def _hub_base(
    name: str, revision: str | None, variant: str | None, notify: Callable[[str], None]
) -> Base:
    files: tuple[str, ...] = ()
    try:
        files = model_info(name, revision).files
    except Exception as error:
        beginning, keeper = MOVED
        if is_no_repository(error) and name.startswith(beginning):
            moved = f"{keeper}/{name.split('/')[1]}"
            notify(f"{name} is no longer on the Hub; using the same weights from {moved}.")
            return _hub_base(moved, revision, variant, notify)
        if not is_unreachable(error):
            raise
        offline = True
    else:
        offline = False
        if _PIPELINE_FILE not in files:
            raise HubtoolsError(
                f"{name} is no diffusers pipeline: it has no {_PIPELINE_FILE}.",
                hint="give the repository of a whole pipeline, not of a single model or a LoRA",
                code="wrong-kind",
            )

    try:
        # by branch, so that the cache notes which commit the branch is at
        index = fetched(name, _PIPELINE_FILE, revision=revision, local_only=offline)
        commit = index.parent.name  # .../snapshots/<commit>/model_index.json
        plan = "scheduler/scheduler_config.json"
        scheduler = fetched(name, plan, revision=commit, local_only=offline)
    except FileNotFoundError as error:
        if not is_not_cached(error):
            raise
        raise HubtoolsError(
            f"{name} is not in the local cache, and the Hub cannot be reached.",
            hint=f"go online once, or give a local folder as the base model; {TRY_OFFLINE}",
            code="hub-unreachable",
            missing=as_path(name),
        ) from error
    content = read_json(index)
    return Base(
        name,
        name,
        commit,
        False,
        bool(content.get(RANDOM_WEIGHTS_KEY)),
        _family(content, name),
        _prediction_type(read_json(scheduler)),
        variant or only_variant(files or _weights_in(index.parent)),
        files,
    )


def fetch_base(base: Base) -> Path:
    """Folder with the base's files, downloaded if need be: safetensors only, one variant only.

    Raises `Pickled` if a part of it has no other weights than pickled ones, unless they were asked
    for, and `HubtoolsError` if loading it would run code that came with it or if its configuration
    contradicts itself."""
    folder = _snapshot(base, _patterns(base))
    if base.single is not None:
        single = base.single
        unpack(single.file, folder, lambda parts: fetch_base(_only(single.like, parts)), base.shown)
    check_base(base, folder)
    return folder


def check_base(base: Base, folder: Path) -> None:
    """Raises as `fetch_base` does for what its folder holds."""
    check_pipeline(folder, base.shown, allow_pickle=base.allow_pickle)
    check_configs(folder, base.shown)


def configs_of(base: Base) -> Path:
    """Folder with the base's configuration files and tokenizers; weights are not fetched."""
    return _snapshot(base, ("model_index.json", "*/*config.json", "tokenizer*/tokenizer.json"))


def _snapshot(base: Base, patterns: Iterable[str] | None) -> Path:
    """The folder with the files of the base that `patterns` name; None: with all."""
    if base.local:
        return Path(base.path_or_id)
    return snapshot_of(
        base.path_or_id,
        revision=base.revision,
        patterns=None if patterns is None else list(patterns),
        local_only=not base.files,
    )


def _only(base: Base, parts: Collection[str]) -> Base:
    """The base with no weights to fetch but those of these components."""
    files = [name for name in base.files if name.split("/")[0] in parts or "/" not in name]
    return replace(base, files=tuple(files))


def as_folder(base: Base) -> Base:
    """The same base as a folder of this machine, fetched (see `fetch_base`): what opens its parts
    one after the other asks the Hub once."""
    return replace(base, local=True, path_or_id=str(fetch_base(base)))


def _patterns(base: Base) -> list[str] | None:
    """What to fetch: files of the components that the pipeline names. None: what the cache has.
    Nothing is fetched of a base that is refused."""
    if base.local or not base.files:
        return None
    path = fetched(base.path_or_id, _PIPELINE_FILE, revision=base.revision)
    parts = read_json(path).keys()
    files = [name for name in base.files if "/" not in name or name.split("/")[0] in parts]
    if not base.allow_pickle:
        for name in wanted_files(files, base.variant, pickled=True):
            part, _, file = name.rpartition("/")
            if is_pickled(file) and part in parts:
                raise Pickled(f"{base.path_or_id}/{part}", file)
    return wanted_files(files, base.variant, pickled=base.allow_pickle) or None


_SUFFIXES = (".json", ".txt", ".model", ".md", ".jinja")


def wanted_files(names: list[str], variant: str | None, *, pickled: bool = False) -> list[str]:
    """Of a repository's files, those `from_pretrained` needs: per component the safetensors of
    `variant` if there are any, else the plain safetensors, else, if asked for, pickled weights."""
    wanted = []
    folders = {name.rsplit("/", 1)[0] for name in names if "/" in name}
    for folder in sorted(folders):
        here = [name for name in names if name.rsplit("/", 1)[0] == folder]
        wanted += [name for name in here if name.endswith(_SUFFIXES)]
        for ending in (".safetensors", ".bin") if pickled else (".safetensors",):
            weights = [name for name in here if name.endswith(ending)]
            plain = [name for name in weights if not _variant_of(name)]
            chosen = [name for name in weights if variant and _variant_of(name) == variant] or plain
            if chosen:
                wanted += chosen
                break
    return wanted + [n for n in names if "/" not in n and n.endswith((".json", ".md", ".txt"))]


def only_variant(names: Iterable[str]) -> str | None:
    """The variant that a base's safetensors are of, where a component has them in no other way:
    `fp16` of a base in half precision alone. None if plain ones are there, or several variants."""
    found: dict[str, set[str | None]] = {}
    for name in names:
        folder, slash, file = name.rpartition("/")
        if slash and file.endswith(".safetensors"):
            found.setdefault(folder, set()).add(_variant_of(file))
    lacking = {one for kinds in found.values() if None not in kinds for one in kinds}
    return lacking.pop() if len(lacking) == 1 else None


def _weights_in(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.glob("*/*.safetensors")]


def _variant_of(name: str) -> str | None:
    """`fp16` of `model.fp16.safetensors` and of `model.fp16-00001-of-00002.safetensors`."""
    parts = name.rsplit("/", 1)[-1].split(".")
    return parts[-2].split("-")[0] if len(parts) > 2 else None


def _family(index: dict[str, Any], name: str) -> str:
    kind = str(index.get("_class_name", "an unnamed pipeline"))
    support = support_of(kind)
    if support is None:
        raise refusal(name, kind)
    return support.name


def _why_not(pipeline: str) -> str:
    """Why a pipeline of this class, which `support_of` does not know, is not opened: the end of a
    sentence; empty if there is nothing more to say."""
    return next((why for ending, why in _PURPOSES if pipeline.endswith(ending)), "")


def refusal(shown: str, kind: str, do: str = "use") -> HubtoolsError:
    """What to say of a base that is a pipeline of a class that hubtools does not know; `do` is what
    was to be done with it."""
    why = _why_not(kind)
    if why:
        return HubtoolsError(
            f"{shown} is a {kind}: {why}, and hubtools trains and draws with models that draw from"
            " words alone.",
            hint="take the text-to-image model of the same version",
            code="not-supported",
        )
    if kind.endswith(_DISTILLED):
        return HubtoolsError(
            f"{shown} is a {kind}: it was distilled to few steps on a clock of its own, on which"
            " hubtools does not train.",
            hint="take the model that it was distilled from",
            code="not-supported",
        )
    known = [f"{name} ({each.title})" for each in SUPPORTED.values() for name in each.pipelines]
    return HubtoolsError(
        f"{shown} is a {kind}, which hubtools cannot {do} yet.",
        hint=f"supported pipelines: {', '.join(known)}",
        code="not-supported",
    )


def _prediction_type(config: dict[str, Any]) -> str:
    return "flow" if is_flow(config) else str(config.get("prediction_type") or "epsilon")
