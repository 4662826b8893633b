"""Settings files of other trainers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.journey.init import init
from hubtools.journey.trainers.reading import read_config
from hubtools.project import load_project
from tests.typed import typed

Draw = Callable[..., Path]

# As its examples are: job and process, lists of tables, "[trigger]" in prompts.
AI_TOOLKIT = """
job: extension
config:
  name: my_lora
  process:
    - type: sd_trainer
      device: cuda:0
      trigger_word: p3r5on
      network: {type: lora, linear: 32, linear_alpha: 16}
      save: {dtype: float16, save_every: 250, max_step_saves_to_keep: 4}
      datasets:
        - folder_path: images
          caption_ext: txt
          caption_dropout_rate: 0.05
          resolution: [512, 768]
      train:
        batch_size: 2
        steps: 2000
        gradient_accumulation_steps: 4
        lr: 4e-4
        optimizer: adamw8bit
        noise_scheduler: flowmatch
        gradient_checkpointing: true
      model: {name_or_path: black-forest-labs/FLUX.1-dev, is_flux: true, quantize: true}
      sample:
        sample_every: 250
        prompts: ["[trigger] holding a sign", "a bear"]
        guidance_scale: 4
        sample_steps: 20
        seed: 42
        neg: ""
"""
KOHYA = """
pretrained_model_name_or_path = "stabilityai/stable-diffusion-xl-base-1.0"
train_data_dir = "img"
output_dir = "/home/jane/out"
network_module = "networks.lora"
network_dim = 64
network_alpha = 32
unet_lr = 0.0002
max_train_steps = 3000
resolution = "1024,1024"
min_snr_gamma = 5
lr_scheduler = "cosine"
mixed_precision = "bf16"
enable_bucket = true
caption_dropout_rate = 0.1
noise_offset = 0.0357
optimizer_type = "AdamW8bit"
seed = 42
"""


@pytest.fixture
def folder(tmp_path: Path, draw_pictures: Draw) -> Path:
    for name in ("images", "img"):
        (draw_pictures(tmp_path / "their" / name, 2) / "metadata.jsonl").unlink()
    (tmp_path / "their" / "job.yaml").write_text(AI_TOOLKIT)
    (tmp_path / "their" / "lora.toml").write_text(KOHYA)
    return tmp_path / "their"


def test_ai_toolkit(folder: Path, tmp_path: Path) -> None:
    made = init(tmp_path / "ours", source=folder / "job.yaml")
    assert made.pictures == 2
    project = load_project(tmp_path / "ours")
    train = project.train
    assert (train.rank, train.lora_alpha, train.learning_rate) == (32, 16, 4e-4)
    assert (train.train_batch_size, train.gradient_accumulation_steps) == (2, 4)
    assert (train.max_train_steps, train.snapshot_steps, train.validation_steps) == (2000, 250, 250)
    assert (train.caption_dropout, train.resolution) == (0.05, 512)
    assert train.gradient_checkpointing
    assert train.pretrained_model_name_or_path == "black-forest-labs/FLUX.1-dev"
    assert project.dataset.trigger == "p3r5on"
    assert project.samples.prompts == ["p3r5on holding a sign", "a bear"]
    assert (project.samples.guidance, project.samples.steps, project.samples.seed) == (4, 20, 42)
    (left,) = made.left
    assert "train.optimizer" not in left
    assert train.optimizer == "adamw-8bit"
    assert "model.quantize" in left


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_kohya(ending: str, folder: Path, tmp_path: Path) -> None:
    file = folder / "lora.toml"
    if ending == "json":
        import tomllib

        values = tomllib.loads(KOHYA) | {"save_every_n_steps": 0, "vae": "", "resolution": 1024}
        file = folder / "lora.json"
        file.write_text(json.dumps(values))
    made = init(tmp_path / "ours", source=file)
    train = load_project(tmp_path / "ours").train
    assert (train.rank, train.lora_alpha, train.learning_rate) == (64, 32, 2e-4)
    assert (train.max_train_steps, train.resolution, train.snr_gamma) == (3000, 1024, 5)
    assert (train.mixed_precision, train.aspect_ratio_buckets) == ("bf16", True)
    assert (train.noise_offset, train.caption_dropout, train.seed) == (0.0357, 0.1, 42)
    assert train.output_dir == "runs/ours"
    text = (tmp_path / "ours" / "hubtools.toml").read_text()
    assert "jane" not in text
    assert "network_module" in made.left[0]
    assert "optimizer_type" not in made.left[0]
    assert train.optimizer == "adamw-8bit"


def test_optimizers_of_others_come_with_their_arguments(tmp_path: Path) -> None:
    file = tmp_path / "lora.toml"
    file.write_text(
        'optimizer_args = ["decouple=True", "weight_decay=0.05", "betas=0.9,0.99", "d_coef = 2",'
        ' "d0=1e-5"]\noptimizer_type = "Prodigy"\nlr_scheduler_num_cycles = 2\n'
    )
    found = read_config(file)
    assert found.values["train"] == {
        "prodigy_decouple": True, "adam_weight_decay": 0.05, "adam_beta1": 0.9, "adam_beta2": 0.99,
        "prodigy_d_coef": 2, "optimizer": "prodigy", "lr_num_cycles": 2,
    }  # fmt: skip
    assert found.left == ["optimizer_args.d0"]
    file.write_text(
        'optimizer_args = ["relative_step=False", "scale_parameter=True"]\n'
        'optimizer_type = "Adafactor"\n'
    )
    found = read_config(file)
    assert (found.values["train"], found.left) == (
        {"optimizer": "adafactor"}, ["optimizer_args.scale_parameter"],
    )  # fmt: skip
    file.write_text('optimizer_type = "Lion"\nseed = 3\noptimizer_args = ["__import__(1)", "[" ]')
    found = read_config(file)
    assert found.values["train"] == {"seed": 3}
    assert found.left[0] == "optimizer_type (Lion)"
    job = tmp_path / "job.yaml"
    job.write_text(
        "config: {process: [{train: {optimizer: AdamWScheduleFree, optimizer_params: {weight_decay:"
        " 0.1, betas: [0.95, 0.99]}, ema_config: {use_ema: true, ema_decay: 0.99}}}]}"
    )
    assert read_config(job).values["train"] == {
        "optimizer": "schedule-free", "adam_weight_decay": 0.1, "adam_beta1": 0.95,
        "adam_beta2": 0.99, "use_ema": True, "ema_decay": 0.99,
    }  # fmt: skip


def test_tables_of_a_dataset_config_are_read(tmp_path: Path) -> None:
    file = tmp_path / "data.toml"
    file.write_text(
        "[general]\nshuffle_caption = true\n[[datasets]]\nresolution = 768\nbatch_size = 3\n"
        '[[datasets.subsets]]\nimage_dir = "img"\nnum_repeats = 10\n'
    )
    found = read_config(file)
    (one,) = found.sets
    assert (one.folder, one.repeats) == ("img", 10)
    assert found.values["train"] == {
        "shuffle_caption": True, "resolution": 768, "train_batch_size": 3,
    }  # fmt: skip
    assert not found.left


CONVOLUTIONS = {"target_modules": ["all-linear", "conv"], "rank_pattern": {"conv": 8}}


@pytest.mark.parametrize(
    ("name", "text", "train", "left"),
    [
        (
            "a.toml",
            'network_dim = 16\nnetwork_args = ["conv_dim=8", "conv_alpha=4", "dora_wd=True", "x"]',
            {"rank": 16, "alpha_pattern": {"conv": 4}, "use_dora": True, **CONVOLUTIONS},
            ["network_args x"],
        ),
        ("a.json", '{"network_dim": 4, "conv_dim": 8}', {"rank": 4, **CONVOLUTIONS}, []),
        (
            "a.toml",
            'network_dim = 4\nnetwork_args = "algo=lokr conv_dim=many"',
            {"rank": 4},
            ["conv_dim (many)", "network_args algo"],
        ),
        (
            "a.yaml",
            "config: {process: [{network: {type: dora, linear: 4, conv: 8, conv_alpha: 0.5}}]}",
            {"rank": 4, "alpha_pattern": {"conv": 0.5}, "use_dora": True, **CONVOLUTIONS},
            [],
        ),
        (
            "a.yaml",
            "config: {process: [{network: {type: lokr, linear: 4}}]}",
            {"rank": 4},
            ["network.type (lokr)"],
        ),
    ],
)
def test_kinds_of_loras(
    tmp_path: Path, name: str, text: str, train: dict[str, object], left: list[str]
) -> None:
    (tmp_path / name).write_text(text)
    found = read_config(tmp_path / name)
    assert found.values["train"] == train
    assert sorted(found.left) == left


def test_a_value_that_ours_would_not_take_is_left(tmp_path: Path) -> None:
    file = tmp_path / "lora.toml"
    file.write_text("network_dim = 100000\nlr_scheduler = 'rex'\nseed = 3\n")
    found = read_config(file)
    assert found.values == {"train": {"seed": 3}}
    assert found.left == ["network_dim (100000)", "lr_scheduler (rex)"]


def test_a_folder_elsewhere_is_not_believed(folder: Path, tmp_path: Path) -> None:
    other = folder.parent / "private"
    other.mkdir()
    (folder / "images" / "picture0.png").rename(other / "mine.png")
    for named in (str(other), "../private", "link"):
        (folder / "link").unlink(missing_ok=True)
        (folder / "link").symlink_to(other)
        (folder / "job.yaml").write_text(
            AI_TOOLKIT.replace("folder_path: images", f"folder_path: {named}")
        )
        with pytest.raises(HubtoolsError, match="no folder of pictures in") as raised:
            init(tmp_path / "ours", source=folder / "job.yaml")
        assert "--pictures" in str(raised.value.hint)
    assert not (tmp_path / "ours").exists()
    made = init(tmp_path / "ours", source=folder / "job.yaml", pictures=other)
    assert made.pictures == 1


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.yaml", "- 1\n- 2\n", "no settings file of a trainer"),
        ("a.yaml", "a: 1\n", "no settings file of a trainer"),
        ("a.yaml", "config: {process: []}\n", "no settings file of a trainer"),
        ("a.yaml", "a: [\n", "cannot be read as YAML"),
        ("a.toml", "a = \n", "cannot be read as TOML"),
        ("a.json", "[" * 100_000, "cannot be read as JSON"),
        ("a.json", '{"network_dim": ', "cannot be read as JSON"),
        ("a.yaml", "config: &a [*a]\n", "cannot be read as YAML"),
    ],
)
def test_other_files_are_refused(name: str, text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(HubtoolsError, match=why):
        read_config(tmp_path / name)


def test_the_command_line(folder: Path, tmp_path: Path) -> None:
    done = typed("init", "ours", "--from", folder / "job.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Of ai-toolkit these have no place here" in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("a.toml", 'train_data_dir = "img"\nresolution = "wide"', "resolution (wide)"),
        ("a.json", '{"train_data_dir": "img", "resolution": [1e400]}', "resolution (inf)"),
        ("a.toml", f'train_data_dir = "img"\nlr_scheduler = "{"z" * 9000}"', "zzz...)"),
        (
            "a.yaml",
            'config: {process: [{trigger_word: "a\\nb", datasets: [{folder_path: img}]}]}',
            "trigger_word (a\nb)",
        ),
    ],
)
def test_values_that_cannot_be_are_told_and_left(
    name: str, text: str, left: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    found = read_config(tmp_path / name)
    assert found.left[0].endswith(left)
    assert len(found.left[0]) < 100
    assert not found.values


@pytest.mark.parametrize("folder", ["a\\u0000b", "~nobody.of.that.name/x", "a" * 5000])
def test_folders_that_cannot_be(folder: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(f'{{"train_data_dir": "{folder}"}}')
    done = typed("init", "new", "--from", file, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "name no folder of pictures" in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_mark_at_the_beginning_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf" + b"network_dim = 8")
    assert read_config(tmp_path / "a.toml").values == {"train": {"rank": 8}}


def test_other_files_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(HubtoolsError, match="no settings file of a trainer"):
        read_config(tmp_path / "a.png")
