"""What a card may say of a LoRA's header: numbers, known names and ids of the Hub."""

from __future__ import annotations

import pytest

from hubtools.lorafile.provenance import header_facts, hub_id, kept_of, trigger_offered

SD_SCRIPTS = {
    "ss_sd_model_name": "stabilityai/stable-diffusion-xl-base-1.0",
    "ss_resolution": "(1024, 768)",
    "ss_steps": "1600",
    "ss_epoch": "10",
    "ss_num_train_images": "240",
    "ss_learning_rate": "0.0001",
    "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit(weight_decay=0.1)",
    "ss_mixed_precision": "bf16",
    "ss_network_module": "networks.lora",
    "ss_dataset_dirs": '{"10_jane_doe": {"n_repeats": 10, "img_count": 24}}',
    "ss_output_name": "jane",
    "ss_training_comment": "of Jane",
}


def test_sd_scripts() -> None:
    told = header_facts(SD_SCRIPTS)
    assert told.base_model == "stabilityai/stable-diffusion-xl-base-1.0"
    assert told.resolution == 1024
    assert dict(told.rows) == {
        "written by": "sd-scripts",
        "steps": "1600",
        "epochs": "10",
        "pictures": "240",
        "resolution": "1024 x 768 px",
        "learning rate": "0.0001",
        "optimizer": "AdamW8bit",
        "precision": "bf16",
    }
    assert "jane" not in str(told).lower()


@pytest.mark.parametrize(
    "header",
    [
        SD_SCRIPTS,
        {"software": '{"name": "ai-toolkit"}', "training_info": '{"step": 2000, "epoch": 3}'},
        {"ot_config": '{"base_model_name": "me/base", "concepts": ["/home/jane"]}'},
        {"hubtools_step": "20"},
        {},
    ],
)
def test_what_is_kept_tells_the_same_and_no_more(header: dict[str, str]) -> None:
    kept = kept_of(header)
    assert "jane" not in str(kept).lower()
    told, again = (
        header_facts(header),
        header_facts(kept | {k: v for k, v in header.items() if k[:4] == "hubt"}),
    )
    assert (again.rows, again.base_model, again.resolution) == (
        told.rows, told.base_model, told.resolution,
    )  # fmt: skip
    assert header_facts(kept_of(header, "me/other")).base_model == "me/other"
    assert header_facts(kept_of(header, "./folder")).base_model == told.base_model


def test_ai_toolkit_onetrainer_and_hubtools() -> None:
    told = header_facts(
        {"software": '{"name": "ai-toolkit"}', "training_info": '{"step": 2000, "epoch": 3}'}
    )
    assert dict(told.rows) == {"written by": "ai-toolkit", "steps": "2000", "epochs": "3"}
    told = header_facts(
        {"ot_config": '{"base_model_name": "me/base", "concepts": ["/home/jane"]}',
         "modelspec.trigger_phrase": " zwx\ndog "}
    )  # fmt: skip
    assert (told.trainer, told.base_model, told.trigger) == ("OneTrainer", "me/base", "zwx dog")
    assert "jane" not in str(told)
    assert dict(header_facts({"hubtools_step": "20"}).rows) == {
        "written by": "hubtools",
        "steps": "20",
    }


@pytest.mark.parametrize(
    "header",
    [
        {"ss_steps": "many", "ss_resolution": "(1, 2", "ss_learning_rate": "nan"},
        {"ss_steps": "9" * 40, "ss_resolution": "99999x1", "ss_learning_rate": "-1"},
        {"training_info": "[" * 100_000, "ot_config": "[]", "software": '"x"'},
        {"training_info": '{"step": true}', "ss_optimizer": "/home/jane/my optimizer"},
        {"ss_mixed_precision": "/home/jane", "ss_seed": "-3"},
    ],
)
def test_what_is_not_of_its_form_is_passed_by(header: dict[str, str]) -> None:
    assert header_facts(header).numbers == ()


@pytest.mark.parametrize(
    ("text", "is_id"),
    [
        ("me/base", True), (" me/base ", True), ("models/base", False), ("/home/me/base", False),
        ("me/base.safetensors", False), ("me/base/unet", False), ("base", False), (None, False),
        ("Owner/Name", False), ("C:\\me/base", False), ("../base", False), ("me/b<script>", False),
    ],
)  # fmt: skip
def test_a_path_is_no_id(text: object, is_id: bool) -> None:
    assert (hub_id(text) is not None) is is_id


@pytest.mark.parametrize(
    ("header", "word", "why"),
    [
        ({"modelspec.trigger_phrase": "zwx"} | SD_SCRIPTS, "zwx", "calls 'zwx' the trigger"),
        (SD_SCRIPTS, "jane", "a folder called after 'jane'"),
        ({"ss_tag_frequency": '{"5_zwx dog": {"grass": 3}}'}, "zwx", "a folder called after"),
        (
            {
                "ss_dataset_dirs": '{"img": {"img_count": 3}}',
                "ss_tag_frequency": '{"img": {" zwx": 3, "grass": 2}}',
            },
            "zwx",
            "every caption that it was trained on had 'zwx'",
        ),
        ({"ss_dataset_dirs": '{"10_a dog": {}, "5_b dog": {}}'}, None, ""),
        ({"ss_dataset_dirs": '{"10_dog": {"img_count": "3"}, "x": 1}'}, None, ""),
        ({"ss_tag_frequency": '{"img": {"a": 3, "b": 3}, "c": [], "d": {"a": null}}'}, None, ""),
        ({}, None, ""),
    ],
)
def test_what_may_be_the_trigger_is_for_a_question(
    header: dict[str, str], word: str | None, why: str
) -> None:
    found = trigger_offered(header)
    assert (found[0] if found else None) == word
    assert why in (found[1] if found else "")
