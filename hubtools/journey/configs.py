"""Settings of other trainers in ours: a TOML or JSON file of sd-scripts (kohya) and its interfaces,
a YAML file of ai-toolkit."""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import json_value, read_within
from hubtools.frontmatter import load_yaml
from hubtools.limits import FRONT_MATTER
from hubtools.project import Project
from hubtools.project_file import to_toml
from hubtools.settings import SECTIONS

Values = dict[str, dict[str, Any]]
Setting = tuple[str, str]


def _same(value: Any) -> Any:
    return value


def _side(value: Any) -> Any:
    """512 of "512,512", "512x512" or [512, 768]: the first."""
    if isinstance(value, str):
        value = value.replace("x", ",").split(",")
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, str) and first.strip().isascii() and first.strip().isdigit():
        return int(first) if len(first) < 10 else first
    return first


def _precision(value: Any) -> Any:
    return value if value in ("no", "fp16", "bf16") else "auto"


def _velocity(value: Any) -> Any:
    return "v_prediction" if value is True else None


def _kind(value: Any) -> Any:
    """True for a DoRA; nothing is said by a plain LoRA; others ours does not take."""
    return {"dora": True, "lora": None, "locon": None}.get(str(value), value)


def _number(value: Any) -> Any:
    """8 of "8", as arguments are written."""
    whole = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10
    return int(value) if whole else value


# Of sd-scripts. A value of None is one that says nothing.
_KOHYA: dict[str, tuple[Setting, Callable[[Any], Any]]] = {
    **{
        name: (("train", name), _same)
        for name in (
            "pretrained_model_name_or_path", "learning_rate", "max_train_steps", "noise_offset",
            "train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "seed",
            "prior_loss_weight", "shuffle_caption", "keep_tokens", "loss_type", "huber_c",
            "huber_schedule", "debiased_estimation_loss", "max_grad_norm", "lr_warmup_steps",
            "multires_noise_iterations", "multires_noise_discount", "caption_tag_dropout_rate",
            "lr_scheduler",
        )
    },
    "network_dim": (("train", "rank"), _same),
    "network_alpha": (("train", "lora_alpha"), _same),
    "network_dropout": (("train", "lora_dropout"), _same),
    "unet_lr": (("train", "learning_rate"), _same),
    "max_train_epochs": (("train", "num_train_epochs"), _same),
    "epoch": (("train", "num_train_epochs"), _same),
    "batch_size": (("train", "train_batch_size"), _same),
    "resolution": (("train", "resolution"), _side),
    "max_resolution": (("train", "resolution"), _side),
    "min_snr_gamma": (("train", "snr_gamma"), lambda value: value or None),
    "ip_noise_gamma": (("train", "input_perturbation"), _same),
    "caption_dropout_rate": (("train", "caption_dropout"), _same),
    "enable_bucket": (("train", "aspect_ratio_buckets"), _same),
    "flip_aug": (("train", "random_flip"), _same),
    "mixed_precision": (("train", "mixed_precision"), _precision),
    "v_parameterization": (("train", "prediction_type"), _velocity),
    "save_every_n_steps": (("train", "snapshot_steps"), lambda value: value or None),
    "sample_every_n_steps": (("train", "validation_steps"), lambda value: value or None),
}  # fmt: skip

# Of ai-toolkit, below a process: section, key.
_AI_TOOLKIT: dict[tuple[str, str], tuple[Setting, Callable[[Any], Any]]] = {
    ("network", "linear"): (("train", "rank"), _same),
    ("network", "linear_alpha"): (("train", "lora_alpha"), _same),
    ("network", "dropout"): (("train", "lora_dropout"), _same),
    ("network", "type"): (("train", "use_dora"), _kind),
    ("model", "name_or_path"): (("train", "pretrained_model_name_or_path"), _same),
    ("train", "steps"): (("train", "max_train_steps"), _same),
    ("train", "lr"): (("train", "learning_rate"), _same),
    ("train", "batch_size"): (("train", "train_batch_size"), _same),
    ("train", "gradient_accumulation"): (("train", "gradient_accumulation_steps"), _same),
    ("train", "gradient_accumulation_steps"): (("train", "gradient_accumulation_steps"), _same),
    ("train", "gradient_checkpointing"): (("train", "gradient_checkpointing"), _same),
    ("train", "lr_scheduler"): (("train", "lr_scheduler"), _same),
    ("save", "save_every"): (("train", "snapshot_steps"), _same),
    ("sample", "sample_every"): (("train", "validation_steps"), _same),
    ("sample", "sample_steps"): (("samples", "steps"), _same),
    ("sample", "guidance_scale"): (("samples", "guidance"), _same),
    ("sample", "seed"): (("samples", "seed"), _same),
    ("sample", "neg"): (("samples", "negative_prompt"), lambda value: value or None),
    ("sample", "prompts"): (("samples", "prompts"), _same),
    ("datasets", "caption_dropout_rate"): (("train", "caption_dropout"), _same),
    ("datasets", "shuffle_tokens"): (("train", "shuffle_caption"), _same),
    ("datasets", "resolution"): (("train", "resolution"), _side),
    ("datasets", "flip_x"): (("train", "random_flip"), _same),
}


@dataclass
class Config:
    """What a file of another trainer says: sections of hubtools.toml, the folders of pictures that
    it names, and names of what has no place here."""

    trainer: str
    values: Values = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def take(self, setting: Setting, name: str, value: Any, said: Any = None) -> None:
        """Note a setting, unless our own would not take the value; `said` is what stands in the
        file, where that is another."""
        section, key = setting
        if value is None:
            return
        try:
            SECTIONS[section](**{key: value})
            Project.model_validate({section: {key: value}})
            tomllib.loads(to_toml({section: {key: value}}))
        except ValueError:  # pydantic's among them, and half characters, which no TOML holds
            shown = str(value if said is None else said)
            self.left.append(f"{name} ({shown if len(shown) <= 60 else shown[:60] + '...'})")
            return
        self.values.setdefault(section, {})[key] = value


def read_config(path: Path) -> Config:
    """Read the file at `path`. Raises `HubtoolsError` if it is none of those."""
    content = _content(path)
    if isinstance(content.get("config"), dict):
        return _ai_toolkit(path, content["config"])
    flat = dict(_flat(content))
    if not flat.keys() & (_KOHYA.keys() | {"train_data_dir", "image_dir"}):
        raise _unknown(path)
    return _kohya(flat)


def _content(path: Path) -> dict[str, Any]:
    data = read_within(path, FRONT_MATTER)
    try:
        if path.suffix == ".toml":
            found: Any = tomllib.loads(data.decode("utf-8-sig"))
        elif path.suffix == ".json":
            found = json_value(data.removeprefix(codecs.BOM_UTF8))
        elif path.suffix not in (".yaml", ".yml"):
            raise _unknown(path)
        else:
            found = load_yaml(data)
    except HubtoolsError:
        raise
    except Exception as error:  # whatever the reader's own is called
        raise HubtoolsError(
            f"{path} cannot be read as {path.suffix.lstrip('.').upper()}.",
            hint="is it whole?",
            code="file-damaged",
        ) from error
    if not isinstance(found, dict):
        raise _unknown(path)
    return found


def _unknown(path: Path) -> HubtoolsError:
    return HubtoolsError(
        f"{path} is no settings file of a trainer that is known here.",
        hint="known: sd-scripts and kohya_ss (.toml, .json), ai-toolkit (.yaml); or give the"
        " folder of pictures",
        code="wrong-kind",
    )


def _flat(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """All values of nested tables and lists of tables, by their own names."""
    for key, value in content.items():
        tables = value if isinstance(value, list) else [value]
        if tables and all(isinstance(one, dict) for one in tables):
            for one in tables:
                yield from _flat(one)
        else:
            yield str(key), value


_ARGUMENTS = "network_args"  # of sd-scripts: "conv_dim=8", "dora_wd=True"


def _network(flat: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """{argument: value} of the network, and the words that are none."""
    words = flat.get(_ARGUMENTS) or []
    if isinstance(words, str):
        words = words.split()
    pairs, left = {}, []
    for word in map(str, words if isinstance(words, list) else [words]):
        name, equals, value = word.partition("=")
        if equals:
            pairs[name.strip()] = value.strip().strip("\"'")
        else:
            left.append(word[:60])
    return pairs, left


def _take_kind(found: Config, said: Mapping[str, Any], conv: str, alpha: str, start: str) -> None:
    """Convolutions beside the other layers, with a rank and an alpha of their own (LoCon): `conv`
    and `alpha` are their names in `said`, which stand behind `start` in what is told."""
    rank, own = _number(said.get(conv)), _number(said.get(alpha))
    if not rank:
        return
    found.take(("train", "rank_pattern"), f"{start}{conv}", {"conv": rank}, rank)
    if "rank_pattern" in found.values.get("train", {}):
        found.take(("train", "target_modules"), f"{start}{conv}", ["all-linear", "conv"])
        if own:
            found.take(("train", "alpha_pattern"), f"{start}{alpha}", {"conv": own}, own)


def _kohya(flat: Mapping[str, Any]) -> Config:
    found = Config("sd-scripts")
    arguments, left = _network(flat)
    found.left += [f"{_ARGUMENTS} {word}" for word in left]
    _take_kind(found, {**flat, **arguments}, "conv_dim", "conv_alpha", "")
    for name, value in arguments.items():
        if name == "dora_wd":
            found.take(("train", "use_dora"), name, value.lower() == "true" or None)
        elif name not in ("conv_dim", "conv_alpha") and (name, value) != ("algo", "lora"):
            found.left.append(f"{_ARGUMENTS} {name[:60]}")
    for name, value in flat.items():
        if name in (_ARGUMENTS, "conv_dim", "conv_alpha"):
            continue
        if name in ("train_data_dir", "image_dir"):
            found.folders.append(str(value))
        elif name in _KOHYA:
            setting, convert = _KOHYA[name]
            # the interface writes what is not set as nothing or nought
            if value not in ("", 0, False) or name in ("noise_offset", "seed"):
                found.take(setting, name, convert(value))
        elif value not in ("", 0, False, None, []):
            found.left.append(name)
    return found


def _ai_toolkit(path: Path, config: Mapping[str, Any]) -> Config:
    processes = config.get("process")
    if not isinstance(processes, list) or not processes or not isinstance(processes[0], dict):
        raise _unknown(path)
    process = processes[0]
    found = Config("ai-toolkit")
    network = process.get("network")
    if isinstance(network, dict):
        _take_kind(found, network, "conv", "conv_alpha", "network.")
    found.take(("dataset", "trigger"), "trigger_word", process.get("trigger_word"))
    for section, tables in process.items():
        for table in tables if isinstance(tables, list) else [tables]:
            for key, value in table.items() if isinstance(table, dict) else ():
                if (section, key) == ("datasets", "folder_path"):
                    found.folders.append(str(value))
                elif section == "network" and key in ("conv", "conv_alpha"):
                    continue
                elif (section, key) in _AI_TOOLKIT:
                    setting, convert = _AI_TOOLKIT[section, key]
                    found.take(setting, f"{section}.{key}", convert(value))
                elif value not in ("", None, []):
                    found.left.append(f"{section}.{key}")
    prompts = found.values.get("samples", {}).get("prompts", [])
    trigger = found.values.get("dataset", {}).get("trigger")
    if prompts and trigger:
        found.values["samples"]["prompts"] = [one.replace("[trigger]", trigger) for one in prompts]
    return found


def folder_of(path: Path, config: Config) -> Path:
    """The folder of pictures that a file names, if it lies beside the file or below: what others
    wrote is not believed where it leads elsewhere. Raises `HubtoolsError`."""
    home = path.absolute().parent
    for name in config.folders:
        try:
            place = (home / Path(name.replace("\\", "/")).expanduser()).resolve()
            if place.is_dir() and place.is_relative_to(home.resolve()):
                return place
        except (OSError, ValueError, RuntimeError):  # no name that a file can have
            continue
    named = f"; it names {config.folders[0][:200]}" if config.folders else ""
    raise HubtoolsError(
        f"{path} names no folder of pictures beside it or below{named}.",
        hint=f"hubtools init NAME --from {path} --pictures FOLDER",
        code="nothing-there",
    )
