"""Command lines of other trainers."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.cli.other_trainers import OTHERS, SCRIPTS, translated
from hubtools.cli.train import command
from hubtools.errors import UsageError, missing_modules
from tests.typed import typed

KNOWN = frozenset(
    name.lstrip("-") for one in command.params for name in (*one.opts, *one.secondary_opts)
)
# All options of the scripts of diffusers' examples of August 2026, each once.
TEXT_TO_IMAGE = """
pretrained_model_name_or_path revision variant dataset_name dataset_config_name train_data_dir
image_column caption_column validation_prompt num_validation_images validation_epochs
max_train_samples output_dir cache_dir seed resolution center_crop random_flip train_batch_size
num_train_epochs max_train_steps gradient_accumulation_steps gradient_checkpointing learning_rate
scale_lr lr_scheduler lr_warmup_steps snr_gamma use_8bit_adam allow_tf32 dataloader_num_workers
adam_beta1 adam_beta2 adam_weight_decay adam_epsilon max_grad_norm push_to_hub hub_token
prediction_type hub_model_id logging_dir mixed_precision report_to local_rank checkpointing_steps
checkpoints_total_limit resume_from_checkpoint enable_xformers_memory_efficient_attention
noise_offset rank image_interpolation_mode
"""
MORE = """
adam_weight_decay_text_encoder aspect_ratio_buckets bnb_quantization_config_path cache_latents
caption_dropout class_data_dir class_labels_conditioning class_prompt complex_human_instruction
cond_image_column debug_loss do_edm_style_training do_fp8_training enable_npu_flash_attention
enable_vae_tiling final_validation_prompt fsdp_text_encoder guidance_scale instance_data_dir
instance_prompt logit_mean logit_std lora_alpha lora_blocks lora_dropout lora_layers lr_num_cycles
lr_power max_sequence_length mode_scale num_class_images offload optimizer output_kohya_format
pre_compute_text_embeddings precondition_outputs pretrained_text_encoder_4_name_or_path
pretrained_tokenizer_4_name_or_path pretrained_vae_model_name_or_path prior_generation_precision
prior_loss_weight prodigy_beta3 prodigy_decouple prodigy_safeguard_warmup
prodigy_use_bias_correction repeats sample_batch_size skip_final_inference system_prompt
text_encoder_lr text_encoder_out_layers text_encoder_use_attention_mask tokenizer_max_length
tokenizer_name train_text_encoder upcast_before_saving use_aspect_ratio_buckets use_dora
vae_encode_mode validation_guidance_scale validation_images validation_model_path
validation_num_inference_steps weighting_scheme with_prior_preservation
"""


@pytest.mark.parametrize("name", [*TEXT_TO_IMAGE.split(), *MORE.split()])
def test_every_option_of_the_scripts_is_taken_or_answered(name: str) -> None:
    plain = name.replace("_", "-")
    assert (plain in KNOWN) is (plain not in SCRIPTS)
    if plain in KNOWN:
        return
    line = [f"--{name}", "7", "--seed", "3"]
    if SCRIPTS[plain].refused:
        with pytest.raises(UsageError, match=f"--{name} is not taken.") as raised:
            translated(line, KNOWN)
        assert raised.value.hint
        return
    words, notes = translated(line, KNOWN)
    assert words[-2:] == ["--seed", "3"]
    assert bool(notes) is (len(words) == (2 if SCRIPTS[plain].value else 3)), words
    assert all(word.partition("=")[0].lstrip("-") in KNOWN for word in words if word[:2] == "--")


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_options_of_other_trainers_are_answered_with_ours(name: str) -> None:
    assert name not in KNOWN
    with pytest.raises(UsageError) as raised:
        translated([f"--{name.replace('-', '_')}=1"], KNOWN)
    named = [word.strip(",;") for word in str(raised.value.hint).split() if word[:2] == "--"]
    elsewhere = {"as", "dtype"}  # of export
    assert {word[2:] for word in named} <= KNOWN | elsewhere


def test_several_layers_are_named_one_by_one() -> None:
    assert translated(["--lora_layers", "to_q, to_k"], KNOWN)[0] == [
        "--target-modules=to_q",
        "--target-modules=to_k",
    ]


def test_values_and_flags_are_kept_apart() -> None:
    words, notes = translated(
        ["--push_to_hub", "--cache_dir=x", "--validation_prompt", "a dog", "--", "--cache_dir"],
        KNOWN,
    )
    assert words == ["--prompt=a dog", "--", "--cache_dir"]
    assert [note.split(":")[0] for note in notes] == ["--push_to_hub", "--cache_dir"]


@pytest.mark.parametrize(
    ("line", "words", "notes"),
    [
        ("--optimizer AdamW", "--optimizer=adamw", 0),
        (
            "--optimizer=prodigy --prodigy_decouple False",
            "--optimizer=prodigy --no-prodigy-decouple",
            0,
        ),
        ("--prodigy_decouple --rank 4", "--prodigy_decouple --rank 4", 0),
        ("--prodigy-safeguard-warmup=True", "--prodigy-safeguard-warmup", 0),
        ("--use_8bit_adam --optimizer adamW --rank 4", "--optimizer=adamw-8bit --rank 4", 0),
        ("--optimizer=AdamW --use-8bit-adam", "--optimizer=adamw-8bit", 0),
        ("--use_8bit_adam", "--optimizer=adamw-8bit", 0),
        ("--optimizer Prodigy --use_8bit_adam", "--optimizer=prodigy", 1),
        ("--optimizer lion", "--optimizer=lion", 0),
        ("--optimizer", "--optimizer", 0),
        ("-- --optimizer AdamW", "-- --optimizer AdamW", 0),
    ],
)
def test_optimizers_are_taken_as_the_scripts_write_them(line: str, words: str, notes: int) -> None:
    found, told = translated(line.split(), KNOWN)
    assert (found, len(told)) == (words.split(), notes)


@pytest.mark.parametrize(
    ("line", "words", "notes"),
    [
        # that of the scripts is what the base is told while it is trained
        ("--guidance_scale=3.5 --rank 4", "--rank 4", ["--guidance_scale"]),
        ("--guidance_scale 1", "", ["--guidance_scale"]),
        ("--guidance-scale 3.5 --guidance 2", "--guidance-scale 3.5 --guidance 2", []),
        (
            "--aspect_ratio_buckets=64,64;64,96",
            "--aspect-ratio-buckets",
            ["--aspect_ratio_buckets"],
        ),
        (
            "--aspect_ratio_buckets 672,1568;688,1504 --seed 3",
            "--aspect-ratio-buckets --seed 3",
            ["--aspect_ratio_buckets"],
        ),
        ("--aspect_ratio_buckets --seed 3", "--aspect_ratio_buckets --seed 3", []),
    ],
)
def test_what_the_scripts_mean_otherwise_is_told(line: str, words: str, notes: list[str]) -> None:
    found, told = translated(line.split(), KNOWN)
    assert found == words.split()
    assert [note.partition(":")[0] for note in told] == notes


# As the README of each script writes them, on a tiny base and a folder.
LINES = {
    "text_to_image": (
        "--resolution=64 --random_flip --train_batch_size=1 --num_train_epochs=2"
        " --checkpointing_steps=5000 --learning_rate=1e-04 --lr_scheduler=constant"
        " --lr_warmup_steps=0 --seed=42 --output_dir=run --report_to=wandb"
        " --dataloader_num_workers=8 --center_crop --max_grad_norm=1 --push_to_hub"
        " --hub_model_id=me/it --num_validation_images=4 --validation_epochs=10"
    ),
    "sdxl": (
        "--resolution=64 --random_flip --train_batch_size=1 --num_train_epochs=2"
        " --checkpointing_steps=500 --learning_rate=1e-04 --lr_scheduler=constant"
        " --lr_warmup_steps=0 --mixed_precision=no --seed=42 --output_dir=run --report_to=wandb"
        " --push_to_hub --train_text_encoder"
    ),
    "dreambooth": (
        "--instance_prompt=a_dog --resolution=64 --train_batch_size=1 --mixed_precision=no"
        " --gradient_accumulation_steps=4 --learning_rate=1e-4 --report_to=wandb"
        " --lr_scheduler=constant --lr_warmup_steps=0 --max_train_steps=500 --output_dir=run"
        " --validation_epochs=25 --seed=0 --push_to_hub --train_text_encoder"
        " --text_encoder_lr=5e-6 --adam_weight_decay_text_encoder=1e-3"
    ),
    "flux": (
        "--mixed_precision=no --resolution=64 --train_batch_size=1 --guidance_scale=1"
        " --gradient_accumulation_steps=4 --learning_rate=1e-4 --report_to=wandb"
        " --lr_scheduler=constant --lr_warmup_steps=0 --max_train_steps=500"
        " --validation_epochs=25 --seed=0 --push_to_hub --output_dir=run --cache_latents"
    ),
}


@pytest.mark.parametrize("script", LINES)
def test_command_lines_of_the_scripts_are_taken(
    script: str,
    tiny_base: Path,
    tiny_sdxl: Path,
    tiny_flux1: Path,
    pictures: Path,
    tmp_path: Path,
) -> None:
    bases = {"text_to_image": tiny_base, "sdxl": tiny_sdxl, "flux": tiny_flux1}
    base = bases.get(script, tiny_sdxl)
    data = "--instance_data_dir" if script in ("flux", "dreambooth") else "--train_data_dir"
    done = typed(
        "train", f"--pretrained_model_name_or_path={base}", f"{data}={pictures}",
        "--validation_prompt", "a photo of a dog", *LINES[script].split(), "--dry-run",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("T130" in done.stderr) == bool(missing_modules("wandb"))
    assert "The plan stands" in done.stdout + done.stderr
    texts = "--train_text_encoder" in LINES[script]
    assert ("text_encoder_2 are trained too" in done.stderr) is texts


@pytest.mark.parametrize("words", [["--cache_dir"], ["--local_rank", "--rank", "8"]])
def test_a_missing_value_swallows_nothing(words: list[str]) -> None:
    with pytest.raises(UsageError, match="needs a value"):
        translated(words, frozenset({"rank"}))
