"""Projects of other trainers become ours: pictures, captions, repeats, masks, classes, settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubtools.errors import HubtoolsError
from hubtools.journey.init import init
from hubtools.journey.trainers.simpletuner import from_env
from hubtools.project import Project, load_project
from tests.drawing import write_pictures
from tests.typed import typed


def pictures(folder: Path, *names: str) -> None:
    """Pictures of these names, and beside each a text where there is one: name=text."""
    for name in names:
        stem, _, text = name.partition("=")
        drawn = folder.parent / "drawn"
        write_pictures(drawn, 1, size=(16, 16))
        path = folder / f"{stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        (drawn / "picture0.png").rename(path)
        for file in drawn.iterdir():
            file.unlink()
        drawn.rmdir()
        path.write_bytes(path.read_bytes() + name.encode())  # no two are the same file
        if text:
            path.with_suffix(".txt").write_text(text)


def taken(tmp_path: Path, source: Path, **options: Any) -> tuple[Project, list[dict[str, Any]]]:
    """(the project that is made of a source, its records)."""
    init(tmp_path / "ours", source=source, **options)
    text = (tmp_path / "ours" / "dataset" / "metadata.jsonl").read_text()
    return load_project(tmp_path / "ours"), [json.loads(line) for line in text.splitlines()]


def said(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {row["file_name"]: row["text"] for row in rows}


# --- OneTrainer ----------------------------------------------------------------------------------

ONETRAINER: dict[str, Any] = {
    "__version": 7, "training_method": "LORA", "model_type": "STABLE_DIFFUSION_XL_10_BASE",
    "workspace_dir": "workspace/run", "cache_dir": "workspace-cache/run",
    "base_model_name": "stabilityai/stable-diffusion-xl-base-1.0",
    "concept_file_name": "training_concepts/concepts.json",
    "sample_definition_file_name": "training_samples/samples.json",
    "learning_rate": 0.0003, "learning_rate_scheduler": "COSINE",
    "learning_rate_warmup_steps": 200.0, "epochs": 40, "batch_size": 2, "resolution": "768",
    "gradient_checkpointing": "ON", "lora_rank": 32, "lora_alpha": 16.0, "masked_training": True,
    "unmasked_weight": 0.1, "loss_weight_fn": "MIN_SNR_GAMMA", "loss_weight_strength": 5.0,
    "aspect_ratio_bucketing": True, "ema": "GPU", "optimizer": {
        "optimizer": "PRODIGY", "beta1": 0.9, "beta3": None, "d_coef": 2.0, "fused": False},
}  # fmt: skip


def concept(path: str, **more: Any) -> dict[str, Any]:
    source = more.pop("source", "sample")
    text = {"prompt_source": source, "prompt_path": more.pop("prompts", "")}
    return {"name": path, "path": path, "enabled": True, "text": text, "image": {}, **more}


@pytest.fixture
def onetrainer(tmp_path: Path) -> Path:
    root = tmp_path / "onetrainer"
    pictures(root / "data" / "dog", "a=zwx dog\nzwx dog, again", "b=zwx dog, sitting")
    pictures(root / "data" / "dog", "a-masklabel", "b-masklabel", "deep/c=not taken")
    pictures(root / "data" / "hat", "a red hat")
    pictures(root / "data" / "coat", "x", "y")
    (root / "prompts.txt").write_text("a zwx coat\n\nphoto of a zwx coat\n")
    pictures(root / "data" / "dogs", "any=a dog")
    pictures(root / "data" / "off", "z")
    pictures(root / "workspace" / "run" / "samples", "sample")
    (root / "training_concepts").mkdir()
    (root / "training_samples").mkdir()
    (root / "training_presets").mkdir()
    concepts = [
        concept("data/dog", balancing=3.0),
        concept("/workspace/OneTrainer/data/hat", source="filename", loss_weight=0.5),
        concept("data/coat", source="concept", prompts="prompts.txt", balancing=0.5),
        concept("data/dogs", type="PRIOR_PREDICTION"),
        concept("data/off", enabled=False),
        concept("data/off", type="VALIDATION"),
    ]
    (root / "training_concepts" / "concepts.json").write_text(json.dumps(concepts))
    (root / "training_samples" / "samples.json").write_text('[{"prompt": "zwx dog on a hill"}]')
    (root / "config.json").write_text(json.dumps(ONETRAINER))
    return root


def test_onetrainer(onetrainer: Path, tmp_path: Path) -> None:
    project, rows = taken(tmp_path, onetrainer)
    assert said(rows) == {
        "dog/a.png": ["zwx dog", "zwx dog, again"],
        "dog/b.png": ["zwx dog, sitting"],
        "hat/a red hat.png": ["a red hat"],
        "coat/x.png": ["a zwx coat", "photo of a zwx coat"],
        "coat/y.png": ["a zwx coat", "photo of a zwx coat"],
    }
    masks = {row["file_name"]: row["mask_file_name"] for row in rows}
    assert masks["dog/a.png"] == "mask/dog/a.png"
    assert masks["coat/x.png"] is None
    assert project.dataset.picture_repeats == {"coat/*": 0.5, "dog/*": 3, "hat/*": 1}
    assert project.dataset.picture_weights == {"hat/*": 0.5}
    train = project.train
    assert (train.rank, train.lora_alpha, train.learning_rate) == (32, 16, 3e-4)
    assert (train.num_train_epochs, train.train_batch_size, train.resolution) == (40, 2, 768)
    assert (train.lr_scheduler, train.lr_warmup_steps, train.snr_gamma) == ("cosine", 200, 5)
    assert (train.unmasked_weight, train.class_data_dir) == (0.1, "class")
    assert (train.optimizer, train.use_ema, train.prodigy_d_coef) == ("prodigy", True, 2)
    assert train.gradient_checkpointing
    assert train.aspect_ratio_buckets
    assert project.samples.prompts == ["zwx dog on a hill"]
    assert not [path for path in (tmp_path / "ours").rglob("*") if "sample" in path.name]


def test_onetrainer_says_what_it_leaves(onetrainer: Path, tmp_path: Path) -> None:
    done = typed("init", "ours", "--from", onetrainer / "config.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "copied from the OneTrainer project" in done.stdout
    assert "and 1 picture of the class" in done.stdout
    assert "data/off is for validation, and is left" in done.stderr
    assert "data/off is switched off, and is left" in done.stderr
    assert "ema" not in done.stderr
    assert "optimizer" not in done.stderr
    assert "model_type" in done.stderr


def test_concepts_alone(onetrainer: Path, tmp_path: Path) -> None:
    file = onetrainer / "training_concepts" / "concepts.json"
    with pytest.raises(HubtoolsError, match="name no folder of pictures"):
        init(tmp_path / "ours", source=file)
    _, rows = taken(tmp_path, file, pictures=onetrainer)
    assert len(rows) == 5


# --- SimpleTuner ---------------------------------------------------------------------------------


def backend(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "type": "local", "instance_data_dir": f"datasets/{name}", "crop": True,
        "resolution": 1024, "resolution_type": "pixel_area", "cache_dir_vae": f"cache/vae/{name}",
        "caption_strategy": "textfile", "metadata_backend": "discovery", **more,
    }  # fmt: skip


BACKENDS = [
    backend("dog", repeats=9, caption_strategy="instanceprompt", instance_prompt="zwx dog"),
    backend("named", caption_strategy="filename", prepend_instance_prompt=True,
            instance_prompt="zwx", conditioning_data="depth"),
    backend("lines", repeats=0),
    backend("dogs", is_regularisation_data=True),
    backend("table", caption_strategy="parquet", parquet={
        "path": "datasets/table/t.parquet", "filename_column": "id", "caption_column": "words",
        "fallback_caption_column": "tags", "identifier_includes_extension": False}),
    backend("depth", dataset_type="conditioning", conditioning_type="controlnet"),
    backend("off", disabled=True),
    {"id": "far", "type": "aws", "aws_bucket_name": "b"},
    {"id": "text", "type": "local", "dataset_type": "text_embeds", "cache_dir": "cache/text"},
]  # fmt: skip
SIMPLETUNER = {
    "--data_backend_config": "config/multidatabackend.json", "--model_family": "flux",
    "--pretrained_model_name_or_path": "black-forest-labs/FLUX.1-dev", "--lora_rank": 16,
    "--max_train_steps": 3000, "--num_train_epochs": 0, "--learning_rate": "1e-4",
    "--train_batch_size": 2, "--gradient_checkpointing": "true", "--seed": 42,
    "--caption_dropout_probability": 0.1, "--mixed_precision": "bf16", "--resolution": 1024,
    "--resolution_type": "pixel_area", "--validation_prompt": "zwx dog on a hill",
    "--validation_steps": 200, "--validation_guidance": 3.0, "--output_dir": "output/models",
    "--optimizer": "adamw_bf16", "--snr_gamma": 0,
}  # fmt: skip


@pytest.fixture
def simpletuner(tmp_path: Path) -> Path:
    root = tmp_path / "simpletuner"
    data = root / "datasets"
    pictures(data / "dog", "a=not this", "b")
    pictures(data / "named", "a_red_hat")
    pictures(data / "depth", "a_red_hat")
    pictures(data / "lines", "x=one\ntwo")
    pictures(data / "dogs", "d=a dog")
    pictures(data / "table", "t1", "t2")
    pictures(data / "off", "o")
    pictures(root / "output" / "validation_images", "v")
    columns = {"id": ["t1", "t2"], "words": ["in a table", None], "tags": ["-", "else"]}
    pq.write_table(pa.table(columns), data / "table" / "t.parquet")
    (root / "config").mkdir()
    (root / "config" / "config.json").write_text(json.dumps(SIMPLETUNER))
    (root / "config" / "multidatabackend.json").write_text(json.dumps(BACKENDS))
    return root


def test_simpletuner(simpletuner: Path, tmp_path: Path) -> None:
    project, rows = taken(tmp_path, simpletuner)
    assert said(rows) == {
        "dog/a.png": ["zwx dog"],
        "dog/b.png": ["zwx dog"],
        "named/a_red_hat.png": ["zwx a red hat"],
        "lines/x.png": ["one", "two"],
        "table/t1.png": ["in a table"],
        "table/t2.png": ["else"],
    }
    controls = {row["file_name"]: row["control_file_name"] for row in rows}
    assert controls["named/a_red_hat.png"] == "control/named/a_red_hat.png"
    assert controls["dog/a.png"] is None
    # it counts how often more
    assert project.dataset.picture_repeats["dog/*"] == 10
    assert project.dataset.picture_repeats["lines/*"] == 1
    train = project.train
    assert (train.rank, train.learning_rate, train.max_train_steps) == (16, 1e-4, 3000)
    assert (train.num_train_epochs, train.snr_gamma, train.resolution) == (None, None, 1024)
    assert (train.caption_dropout, train.mixed_precision, train.seed) == (0.1, "bf16", 42)
    assert (train.class_data_dir, train.validation_steps) == ("class", 200)
    assert project.samples.prompts == ["zwx dog on a hill"]
    assert (tmp_path / "ours" / "class" / "dogs" / "d.png").is_file()


def test_simpletuner_by_its_shell_settings(simpletuner: Path, tmp_path: Path) -> None:
    (simpletuner / "config" / "config.json").unlink()
    (simpletuner / "config" / "config.env").write_text(
        "# settings\nexport MODEL_NAME='some/base'\nexport MAX_NUM_STEPS=500  # not many\n"
        'export DATALOADER_CONFIG="config/multidatabackend.json"\nexport MIN_SNR_GAMMA=5\n'
        "export HUB_MODEL_NAME=$TRACKER_PROJECT_NAME\nexport LR_WARMUP_STEPS=$((1 / 10))\n"
        "export USE_GRADIENT_CHECKPOINTING=true\nexport X=$(touch made)\n"
    )
    project, rows = taken(tmp_path, simpletuner)
    assert len(rows) == 6
    train = project.train
    assert (train.pretrained_model_name_or_path, train.max_train_steps) == ("some/base", 500)
    assert (train.snr_gamma, train.gradient_checkpointing) == (5, True)


def test_a_shell_is_never_asked(tmp_path: Path) -> None:
    assert from_env("export A=`id`\nexport B='x y'\nC=$HOME\nexport D=\"open\nE=1 2") == {
        "a": "`id`", "b": "x y",
    }  # fmt: skip


# --- EveryDream ----------------------------------------------------------------------------------


@pytest.fixture
def everydream(tmp_path: Path) -> Path:
    root = tmp_path / "everydream"
    data = root / "input"
    pictures(data, "a man in a hat_001", "a man in a hat_002=from a text")
    pictures(data / "often", "a zwx dog, sitting_1", "tagged_7")
    (data / "often" / "multiply.txt").write_text("2.5\n")
    (data / "often" / "tagged_7.yaml").write_text(
        "main_prompt: a zwx dog\ntags:\n- tag: running\n  weight: 2\n- grass\nmultiply: 4\n"
    )
    pictures(data / "style", "q", "r")
    (data / "style" / "local.yaml").write_text("main_prompt: in zwx style\nmultiply: 0.5\n")
    pictures(root / "logs" / "samples", "s_1")
    (root / "train.json").write_text(
        json.dumps(
            {
                "data_root": "/mnt/q/input", "resume_ckpt": "some/base", "max_epochs": 30,
                "batch_size": 4, "lr": 1.5e-6, "cond_dropout": 0.04, "flip_p": 0.5,
                "resolution": 512, "seed": -1, "logdir": "logs", "grad_accum": 1,
                "zero_frequency_noise_ratio": 0.02, "rated_dataset": False, "clip_skip": 2,
            }
        )
    )  # fmt: skip
    return root


def test_everydream(everydream: Path, tmp_path: Path) -> None:
    project, rows = taken(tmp_path, everydream)
    assert said(rows) == {
        "a man in a hat_001.png": "a man in a hat",
        "a man in a hat_002.png": "from a text",
        "often/a zwx dog, sitting_1.png": "a zwx dog, sitting",
        "often/tagged_7.png": "a zwx dog, running, grass",
        "style/q.png": "in zwx style",
        "style/r.png": "in zwx style",
    }
    # in one folder they differ: a column
    assert project.dataset.repeats_column == "repeats"
    assert [row["repeats"] for row in rows] == [1.0, 1.0, 2.5, 4.0, 0.5, 0.5]
    train = project.train
    assert (train.num_train_epochs, train.train_batch_size, train.resolution) == (30, 4, 512)
    assert (train.caption_dropout, train.noise_offset, train.random_flip) == (0.04, 0.02, True)
    # that of a whole model is none of a LoRA
    assert train.learning_rate != 1.5e-6


def test_a_folder_of_its_kind_is_told_by_its_names(everydream: Path, tmp_path: Path) -> None:
    done = typed("init", "ours", "--from", everydream / "input", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "6 pictures to learn copied from the EveryDream project" in done.stdout


# --- musubi-tuner, sd-scripts, ai-toolkit --------------------------------------------------------


def test_musubi_tuner(tmp_path: Path) -> None:
    root = tmp_path / "musubi"
    pictures(root / "images", "a=put a hat on", "b=take it off")
    pictures(root / "before", "a", "b")
    pictures(root / "listed", "c", "d", "e", "e2")
    (root / "cache").mkdir()
    listed = [
        {"image_path": "listed/c.png", "caption": "in a list", "control_path": "listed/d.png"},
        {"image_path": "/elsewhere/listed/e.png", "caption": "too",
         "control_path_0": "listed/d.png", "control_path_1": "listed/e2.png"},
        {"image_path": "/etc/passwd", "caption": "no"},
    ]  # fmt: skip
    (root / "list.jsonl").write_text("".join(json.dumps(one) + "\n" for one in listed))
    (root / "data.toml").write_text(
        '[general]\nresolution = [960, 544]\ncaption_extension = ".txt"\nbatch_size = 1\n'
        'enable_bucket = true\n[[datasets]]\nimage_directory = "images"\nnum_repeats = 2\n'
        'control_directory = "before"\ncache_directory = "cache"\n'
        '[[datasets]]\nimage_jsonl_file = "list.jsonl"\ncache_directory = "cache"\n'
    )
    project, rows = taken(tmp_path, root / "data.toml")
    assert [row["text"] for row in rows] == ["put a hat on", "take it off", "in a list", "too"]
    for row in rows:
        assert (tmp_path / "ours" / "dataset" / row["control_file_name"]).is_file()
    assert rows[0]["control_2_file_name"] is None
    assert rows[3]["control_2_file_name"] is not None
    assert len(list((tmp_path / "ours" / "dataset").rglob("*.png"))) == 8
    assert project.dataset.picture_repeats["images/*"] == 2
    assert (project.train.resolution, project.train.aspect_ratio_buckets) == (960, True)


def test_subsets_of_sd_scripts(tmp_path: Path) -> None:
    root = tmp_path / "kohya"
    pictures(root / "one", "a=zwx dog, here", "b")
    pictures(root / "two", "c")
    pictures(root / "reg", "r")
    (root / "two.json").write_text(json.dumps({"/x/two/c": {"caption": "zwx dog, of a table"}}))
    (root / "data.toml").write_text(
        '[general]\nshuffle_caption = true\n[[datasets]]\nresolution = 512\n'
        '[[datasets.subsets]]\nimage_dir = "one"\nclass_tokens = "zwx dog"\nnum_repeats = 5\n'
        '[[datasets.subsets]]\nimage_dir = "two"\nmetadata_file = "two.json"\n'
        '[[datasets.subsets]]\nimage_dir = "reg"\nclass_tokens = "dog"\nis_reg = true\n'
    )  # fmt: skip
    project, rows = taken(tmp_path, root / "data.toml")
    assert said(rows) == {
        "one/a.png": "zwx dog, here", "one/b.png": "zwx dog", "two/c.png": "zwx dog, of a table",
    }  # fmt: skip
    assert project.dataset.picture_repeats == {"one/*": 5, "two/*": 1}
    assert (project.dataset.trigger, project.dataset.class_noun) == ("zwx", "dog")
    assert project.train.class_data_dir == "class"


def test_datasets_of_ai_toolkit(tmp_path: Path) -> None:
    root = tmp_path / "toolkit"
    pictures(root / "a", "x=[trigger] sitting", "y")
    pictures(root / "b", "x")
    pictures(root / "masks", "x", "y")
    pictures(root / "reg", "z=a person")
    (root / "job.yaml").write_text(
        "config: {process: [{trigger_word: zwx, datasets: [\n"
        "{folder_path: a, mask_path: masks, num_repeats: 3, default_caption: 'a [trigger]'},\n"
        "{folder_path: b, default_caption: plain}, {folder_path: gone},\n"
        "{folder_path: reg, is_reg: true}]}]}\n"
    )
    made = init(tmp_path / "ours", source=root / "job.yaml")
    text = (tmp_path / "ours" / "dataset" / "metadata.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert said(rows) == {"a/x.png": "zwx sitting", "a/y.png": "a zwx", "b/x.png": "plain"}
    assert [row["mask_file_name"] for row in rows] == ["mask/a/x.png", "mask/a/y.png", None]
    assert made.left == ("There is no gone here: its pictures are left.",)
    assert (made.pictures, made.classes) == (3, 1)


# --- killed --------------------------------------------------------------------------------------


def test_what_a_killed_run_left_is_gone_on_with(simpletuner: Path, tmp_path: Path) -> None:
    made = init(tmp_path / "ours", source=simpletuner)
    whole = {path: path.read_bytes() for path in (tmp_path / "ours").rglob("*") if path.is_file()}
    for gone in (
        ["hubtools.toml"],
        ["hubtools.toml", ".gitignore", "dataset/metadata.jsonl"],
        ["hubtools.toml", "dataset/metadata.jsonl", "dataset/dog/a.png", "class/dogs/d.png"],
    ):
        for name in gone:
            (tmp_path / "ours" / name).unlink()
        again = init(tmp_path / "ours", source=simpletuner)
        assert again.pictures == made.pictures
        assert {path: path.read_bytes() for path in whole} == whole


def test_what_somebody_else_put_there_stays(simpletuner: Path, tmp_path: Path) -> None:
    init(tmp_path / "ours", source=simpletuner)
    (tmp_path / "ours" / "hubtools.toml").unlink()
    for name in ("dataset/metadata.jsonl", "dataset/dog/a.png", "dataset/mine.png"):
        place = tmp_path / "ours" / name
        was = place.read_bytes() if place.exists() else None
        place.write_bytes(b"mine")
        with pytest.raises(HubtoolsError, match=f"not empty; {name.removeprefix('dataset/')}"):
            init(tmp_path / "ours", source=simpletuner)
        assert place.read_bytes() == b"mine"
        place.unlink()
        if was is not None:
            place.write_bytes(was)


# --- settings of strangers -----------------------------------------------------------------------


def test_what_is_hidden_or_no_picture_is_not_taken(tmp_path: Path) -> None:
    source = tmp_path / "theirs"
    pictures(source / "img", "a")
    pictures(source / ".private", "b")
    (source / "notes.pdf").write_text("mine")
    pictures(tmp_path / "outside", "c")
    rows = [
        {
            "image_path": "img/a.png",
            "control_path": "notes.pdf",
            "control_path_2": ".private/b.png",
        },
        {"image_path": "notes.pdf", "caption": "x"},
        {"image_path": ".private/b.png", "caption": "x"},
        {"image_path": "../outside/c.png", "caption": "x"},
        {"image_path": str(tmp_path / "outside/c.png"), "caption": "x"},
        *({"image_path": f"x{number}/../img/a.png", "caption": "x"} for number in range(50)),
    ]
    (source / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (source / ".history").write_text("words")
    config = {"datasets": [{"image_jsonl_file": "t.jsonl"}], "general": {"resolution": [64, 64]}}
    (source / "config.json").write_text(json.dumps(config))
    _, found = taken(tmp_path, source / "config.json")
    assert [row["file_name"] for row in found] == ["a.png"]
    assert [row.get("control_file_name") for row in found] == [None]
    assert not list((tmp_path / "ours").rglob("*.pdf"))


@pytest.mark.parametrize(
    ("backends", "said"),
    [
        ([{"id": "a", "type": "local", "instance_data_dir": "img/" * 30_000}], "no folder"),
        ([{"id": str(n), "type": "local", "instance_data_dir": "img"} for n in range(201)], "201"),
        ([{"id": "a", "type": "local", "instance_data_dir": ".private"}], "no folder"),
    ],
    ids=["a path of many parts", "very many sets", "a hidden folder"],
)
def test_sets_that_are_none(tmp_path: Path, backends: list[dict[str, Any]], said: str) -> None:
    source = tmp_path / "theirs"
    pictures(source / "img", "a")
    pictures(source / ".private", "b")
    (source / "multidatabackend.json").write_text(json.dumps(backends))
    with pytest.raises(HubtoolsError, match=said):
        init(tmp_path / "ours", source=source / "multidatabackend.json")


@pytest.mark.parametrize("ending", ["...", "a/b", "\0", ""])
def test_endings_that_no_file_has(tmp_path: Path, ending: str) -> None:
    pictures(tmp_path / "img", "a=words")
    datasets = [{"folder_path": "img", "caption_ext": ending}]
    content = {"config": {"process": [{"datasets": datasets, "train": {"lr": 0.1}}]}}
    (tmp_path / "theirs.yaml").write_text(json.dumps(content))
    _, found = taken(tmp_path, tmp_path / "theirs.yaml")
    assert said(found) == {"a.png": "words"}


def test_what_no_setting_can_hold_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", "a=tok, a hat")
    process = {
        "type": "sd_trainer",
        "datasets": [{"folder_path": str(tmp_path / "mine"), "caption_ext": "txt"}],
        "sample": {"prompts": ["a to\0k"]},
    }
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"job": "extension", "config": {"process": [process]}}))
    with pytest.raises(HubtoolsError, match=r"job\.json: samples\.prompts holds a NUL"):
        init(tmp_path / "ours", source=file)
    assert not (tmp_path / "ours").exists()
