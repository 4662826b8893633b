"""What somebody meant who named what is not there: an option, a setting, a file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path

# What other programs, or people, call options and settings: (words, names that they stand for, of
# which the first that is known counts).
_CALLED = (
    ("base model model_name model_path model_id ckpt checkpoint pipeline", "base_model model"),
    ("inference_steps sampling_steps num_steps n_steps ddim_steps", "num_inference_steps"),
    ("cfg cfg_scale scale true_cfg_scale", "guidance_scale"),
    ("negative neg_prompt n_prompt uncond", "negative_prompt"),
    ("width height image_size W H", "size resolution"),
    ("sampler sampler_name sampling_method", "scheduler"),
    ("lora_path lora_model lora_name lora_file lora_weights lora_model_id adapter", "lora"),
    ("lora_scale lora_strength lora_multiplier adapter_weights", "lora_weight"),
    ("num_images_per_prompt images_per_prompt n_iter n_samples batch_count count", "num_images"),
    ("out outdir out_dir output output_path", "output output_dir to"),
    ("epochs num_epochs max_epochs", "num_train_epochs"),
    ("dim lora_rank lora_dim network_dim r", "rank"),
    ("trigger_word trigger_words", "trigger"),
    ("data data_dir dataset dataset_dir dataset_path images train_dir", "train_data_dir from"),
    ("save_steps save_every save_every_steps", "snapshot_steps"),
    ("grad_accum grad_accumulation accumulation_steps", "gradient_accumulation_steps"),
    ("text_encoder train_te", "train_text_encoder"),
    ("flavor job jobs hardware cloud", "remote"),
    ("gpu cuda cpu mps", "device remote"),
    ("manual_seed generator", "seed"),
    ("precision torch_dtype fp16 bf16 half", "dtype mixed_precision"),
    ("commit_message", "message"),
    ("force replace", "overwrite"),
    ("check dry", "dry_run"),
)
_OTHERWISE = {word: names.split() for words, names in _CALLED for word in words.split()}

_MOST = 10_000  # names of a folder that are compared

# Paths that nobody has named but a file, which anybody may have written.
_UNTOLD: set[str] = set()


def keep_quiet(path: Path) -> None:
    """From now on `beside` tells nobody what lies beside this path, or beside what is below it."""
    _UNTOLD.update((_whole(path), os.path.realpath(path)))


def _whole(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (links stay, `..` does not)


def _is_untold(path: Path) -> bool:
    whole = Path(_whole(path))
    return bool(_UNTOLD) and not _UNTOLD.isdisjoint(map(str, (whole, *whole.parents)))


def candidates(word: str, known: Collection[str], cutoff: float = 0.6) -> list[tuple[int, str]]:
    """Names of `known` that `word` may stand for, the likeliest first, each with how that is known:
    0 other programs call it so, 1 it begins with `word` and goes on, 2 it is spelt nearly so
    (`cutoff`: how nearly, 0 to 1). Words in names are joined by `_`."""
    import difflib

    called = [name for name in _OTHERWISE.get(word, ()) if name in known]
    longer = sorted((one for one in known if one.startswith(f"{word}_")), key=lambda o: (len(o), o))
    spelt = difflib.get_close_matches(word, sorted(known), n=3, cutoff=cutoff)
    found: dict[str, int] = {}
    for how, names in enumerate((called, longer, spelt)):
        for name in names:
            found.setdefault(name, how)
    return [(how, name) for name, how in found.items()]


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The name that `word` most likely stands for; None if none is near."""
    found = candidates(word, list(known), cutoff)
    return found[0][1] if found else None


def as_path(name: str) -> str | None:
    """`name` if it reads OWNER/NAME, as a repository's does, and a folder OWNER is here; else
    None."""
    owner, slash, rest = name.partition("/")
    return name if slash and rest and Path(owner).is_dir() else None


def beside(missing: str | os.PathLike[str]) -> Path | None:
    """A path that is there, spelt nearly as one that is not: the first part that is missing is
    compared with what lies in its place. None if nothing is like it, it cannot be looked at, or
    only a file says it and it leads out of that file's folder (`keep_quiet`)."""
    import difflib

    path = Path(missing)
    rest: list[str] = []
    try:
        if os.path.lexists(path) or _is_untold(path):
            return None
        while path.name and not path.parent.is_dir():
            rest.insert(0, path.name)
            path = path.parent
        hidden = path.name.startswith(".")
        with os.scandir(path.parent) as entries:
            names = [one.name for one in islice(entries, _MOST)]
    except (OSError, ValueError):
        return None
    names = sorted(name for name in names if hidden or not name.startswith("."))
    near = difflib.get_close_matches(path.name, names, n=1)
    if not near:
        return None
    found = path.parent / near[0]
    whole = found.joinpath(*rest)
    return whole if rest and whole.exists() else found
