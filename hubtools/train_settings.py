"""The section [train] of the settings (see settings.py)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from hubtools.models.families.noise import Density, HuberSchedule, LossType
from hubtools.setting_types import (
    TRAIN_GROUPS,
    AlphaByLayer,
    InsideRun,
    LrScheduler,
    Optimizer,
    RankByLayer,
    RepoId,
    Section,
    Share,
    StepRules,
    TrackerName,
    option,
)


class TrainSettings(Section):
    """Hyperparameters of the LoRA."""

    groups: ClassVar[dict[str, str]] = TRAIN_GROUPS

    pretrained_model_name_or_path: str | None = option(
        None,
        "Base pipeline: Hub id, local folder, a .safetensors file with a whole model, or"
        " tiny-people, the small base that comes with hubtools.",
        "base_model",
    )
    base_model_repo: RepoId | None = option(
        None, "Hub id of the base, for the card, when the base is a local folder or file."
    )
    base_config: str | None = option(
        None,
        "Pipeline (Hub id or folder) from which a base in one file takes its configuration and the"
        " parts that it lacks; default the published one of its kind.",
    )
    revision: str | None = option(None, "Branch, tag or commit of the base.")
    variant: str | None = option(None, "Weight variant of the base, e.g. fp16.")
    output_dir: str = option("runs/lora", "Run folder to write.")
    resolution: int | None = option(
        None,
        "Side of the training crop in pixels; default the size that the target (else the base"
        " model) was made for.",
        ge=32,
        le=4096,
    )
    resolutions: list[Annotated[int, Field(ge=32, le=4096)]] = option(
        [],
        "Further resolutions that each picture is trained at as well, in steps of their own; those"
        " that would enlarge it are left out.",
    )
    aspect_ratio_buckets: bool = option(
        False,
        "Train each picture in its own shape, with as many pixels as a square of the resolution,"
        " rather than cut to a square; nothing is enlarged.",
        "enable_bucket",
    )
    bucket_reso_steps: int | None = option(
        None,
        "Pixels by which the sides of aspect ratio buckets differ; default 64, or an eighth of a"
        " resolution below 256. Less cuts off less, more fills larger batches.",
        ge=8,
        le=1024,
    )
    center_crop: bool = option(
        True, "Crop the centre of the picture; otherwise a random place that stays the same."
    )
    crops_per_image: int = option(
        1,
        "With a random crop: places of each picture that are cached, of which every step draws"
        " one.",
        ge=1,
        le=64,
    )
    random_flip: bool = option(
        False, "Also train on mirrored pictures (bad for asymmetric subjects)."
    )
    image_interpolation_mode: Literal["lanczos", "bicubic", "bilinear", "nearest"] = option(
        "lanczos", "Filter for resizing."
    )
    max_train_samples: int | None = option(None, "Use only the first N pictures.", ge=1)
    repeats: int = option(1, "How often a picture appears in one epoch.", ge=1)
    caption_dropout: float | None = option(
        None,
        "Share of steps trained with an empty caption; default 0.05, and 0 for bases that are drawn"
        " without guidance.",
        ge=0,
        le=1,
    )
    shuffle_caption: bool = option(
        False, "Captions of tags: put the tags in another order each time (see caption_variants)."
    )
    keep_tokens: int = option(
        0,
        "Tags at the beginning that are neither moved nor dropped; nor is one with the trigger.",
        ge=0,
    )
    caption_separator: str = option(",", "What stands between tags.", min_length=1)
    caption_tag_dropout_rate: float = option(
        0.0, "Share of the tags that is left out each time.", ge=0, le=1
    )
    caption_variants: int = option(
        8,
        "Orders and choices of a caption's tags that are cached, of which every step draws one.",
        ge=1,
        le=256,
    )
    train_batch_size: int = option(1, "Pictures in one forward pass.", ge=1)
    gradient_accumulation_steps: int = option(1, "Forward passes in one optimizer step.", ge=1)
    num_train_epochs: int | None = option(
        None, "Passes over the pictures; max_train_steps overrules it.", ge=1
    )
    max_train_steps: int | None = option(
        None, "Optimizer steps; default 100 a picture, at least 600, at most 2000.", "steps", ge=1
    )
    learning_rate: float | None = option(
        None,
        "Peak learning rate; default 1e-4, for schedule-free 3e-4, for muon 5e-4, and for prodigy,"
        " which multiplies it by what it finds, 1.",
        "lr",
        gt=0,
    )
    scale_lr: bool = option(
        False, "Multiply the learning rate by batch, accumulation and processes."
    )
    lr_scheduler: LrScheduler | None = option(
        None,
        "Shape of the learning rate over the run; default cosine, and constant_with_warmup for the"
        " optimizer schedule-free.",
    )
    lr_warmup_steps: int | None = option(
        None,
        "Optimizer steps of linear warm-up; default 5 % of the run (0 for constant,"
        " piecewise_constant and the optimizer prodigy).",
        ge=0,
    )
    lr_num_cycles: int = option(3, "Cosine waves of cosine_with_restarts.", ge=1)
    lr_power: float = option(1.0, "Power of the polynomial schedule.", gt=0)
    lr_step_rules: StepRules | None = option(
        None,
        "Steps of piecewise_constant: 1:500,0.1:1000,0.01 is the whole learning rate before step"
        " 500, a tenth before 1000, then a hundredth.",
    )
    snr_gamma: float | None = option(
        None,
        "min-SNR weighting of the loss (arXiv:2303.09556); default 5 for bases that predict noise,"
        " none for others; 0 turns it off.",
        ge=0,
    )
    debiased_estimation_loss: bool = option(
        False,
        "Debiased weighting of the loss instead of min-SNR (arXiv:2310.08442; not for flow bases).",
    )
    loss_type: LossType = option(
        "l2",
        "How far an answer is from its target: squared, or pseudo-Huber, which forgives outliers.",
    )
    huber_schedule: HuberSchedule | None = option(
        None,
        "How the threshold of huber and smooth_l1 falls with noise (arXiv:2403.16728); default"
        " snr.",
    )
    huber_c: float | None = option(
        None, "Threshold of huber and smooth_l1 in pure noise; default 0.1.", gt=0, le=1
    )
    unmasked_weight: float = option(
        0.0,
        "Where pictures have masks (dataset.mask_column): how much an error outside counts, 1 as"
        " much as inside.",
        ge=0,
        le=1,
    )
    noise_offset: float = option(
        0.0, "Strength of per-channel offset noise (not for flow bases).", ge=0
    )
    multires_noise_iterations: int = option(
        0,
        "Noise of so many sizes laid over one another, instead of offset noise; 6 to 10 are usual"
        " (not for flow bases).",
        ge=0,
        le=16,
    )
    multires_noise_discount: float | None = option(
        None, "Strength of each size of that noise as a share of the last; default 0.3.", gt=0, le=1
    )
    input_perturbation: float = option(
        0.0,
        "More noise in what the base sees than in what it is to answer, as a share; 0.1 is usual"
        " (arXiv:2301.11706).",
        ge=0,
        le=1,
    )
    timestep_density: Density | None = option(
        None,
        "Flow bases: how moments between picture and noise are drawn; default logit_normal, more of"
        " them in the middle.",
    )
    timestep_mean: float | None = option(
        None, "Mean of the logit-normal density; default 0. Above it: more noise."
    )
    timestep_deviation: float | None = option(
        None, "Deviation of the logit-normal density; default 1.", gt=0
    )
    timestep_shift: float | None = option(
        None,
        "Flow bases: how far moments are shifted towards noise; default as the base's scheduler"
        " does, for some by the picture's size. 1: not at all.",
        gt=0,
        le=1000,
    )
    prediction_type: Literal["epsilon", "v_prediction"] | None = option(
        None, "Prediction type of the base; default: as its scheduler says."
    )
    rank: int = option(16, "Rank of the LoRA matrices.", ge=1, le=1024)
    lora_alpha: float | None = option(None, "LoRA alpha; default the rank.", "alpha", gt=0)
    lora_dropout: float = option(0.0, "Dropout inside the LoRA.", ge=0, lt=1)
    target_modules: list[str] = option(
        [],
        "Layers of the denoiser that get a LoRA: names, ends of names, patterns with stars"
        " (up_blocks.*.to_q), or attention, all-linear, conv; default those of the base's family.",
    )
    rank_pattern: RankByLayer = option(
        {},
        "Ranks of some of those layers, named as in target_modules: conv = 4; of several that fit"
        " the last. On the command line: LAYERS:RANK.",
    )
    alpha_pattern: AlphaByLayer = option({}, "Alphas of some of those layers, in the same way.")
    use_rslora: bool = option(
        False,
        "Rank-stabilised LoRA: divide alpha by the root of the rank, not by the rank"
        " (arXiv:2312.03732).",
    )
    use_dora: bool = option(
        False,
        "DoRA: learn how large each output of a layer is apart from its direction"
        " (arXiv:2402.09353). Slower, and a file that fewer programs read.",
    )
    init_from: str | None = option(
        None,
        "Start from the weights of this LoRA: a run folder, .safetensors file or Hub id; of the"
        " same family, layers and ranks.",
        "network_weights",
    )
    train_text_encoder: bool = option(
        False,
        "Train a LoRA of the text encoders too, where the base has CLIPs: on their attentions, of"
        " the same rank; ranks of their own: --rank-pattern 'text_encoder*:4'.",
    )
    text_encoder_lr: float | None = option(
        None,
        "Peak learning rate of the text encoders' LoRA; default a twentieth of learning_rate, and"
        " for prodigy the same.",
        gt=0,
    )
    with_prior_preservation: bool = option(
        False,
        "Prior preservation: half of each batch trains on captions without the trigger, so that the"
        " base's own pictures of the class stay as they are.",
    )
    class_data_dir: str | None = option(
        None,
        "With prior preservation: folder of pictures of the class, of which as many are trained on"
        " as of the subject; their captions are class_prompt, else those of their metadata."
        " Default: no pictures, but the base's own answers.",
    )
    prior_loss_weight: float = option(1.0, "Weight of the prior preservation loss.", ge=0)
    class_prompt: str | None = option(
        None,
        "Caption for prior preservation; default: each picture's caption with dataset.class_noun in"
        " place of the trigger, or those of the pictures of the class.",
    )

    @property
    def keeps_answers(self) -> bool:
        """Whether the base's own answers are what prior preservation learns from: it has no
        pictures of the class."""
        return self.with_prior_preservation and self.class_data_dir is None

    optimizer: Optimizer = option(
        "adamw",
        "AdamW (fused), the same in 8 bits, Adafactor, Prodigy (finds its step size), schedule-free"
        " AdamW (averages instead of a schedule) or Muon.",
    )
    adam_beta1: float = option(0.9, "beta1 of AdamW and its kin.", ge=0, lt=1)
    adam_beta2: float = option(0.999, "beta2 of AdamW and its kin.", ge=0, lt=1)
    adam_weight_decay: float = option(1e-2, "Weight decay, of every optimizer.", ge=0)
    adam_weight_decay_text_encoder: float | None = option(
        None, "Weight decay of the text encoders' LoRA; default adam_weight_decay.", ge=0
    )
    adam_epsilon: float = option(1e-8, "epsilon of AdamW and its kin.", gt=0)
    prodigy_beta3: float | None = option(
        None, "Prodigy: beta of what finds its step size; default the root of beta2.", ge=0, lt=1
    )
    prodigy_d_coef: float = option(
        1.0, "Prodigy: factor of the step size that it finds; 0.5 to 2 are usual.", gt=0
    )
    prodigy_decouple: bool = option(True, "Prodigy: weight decay as AdamW's.")
    prodigy_use_bias_correction: bool = option(True, "Prodigy: Adam's bias correction.")
    prodigy_safeguard_warmup: bool | None = option(
        None,
        "Prodigy: a warm-up does not count in the step size it finds; default where there is one.",
    )
    use_ema: bool = option(
        False,
        "Publish and draw with an exponential moving average of the LoRA, not with its last step.",
    )
    ema_decay: float | None = option(
        None, "Decay of that average at most; default 0.9999. It is smaller at first.", gt=0, lt=1
    )
    max_grad_norm: float = option(1.0, "Gradient norm to clip at; 0 turns clipping off.", ge=0)
    mixed_precision: Literal["auto", "no", "fp16", "bf16"] = option(
        "auto", "Precision of the frozen base; auto is bf16 (else fp16) on a GPU, none on a CPU."
    )
    quantize: Literal["nf4", "int8", "fp8"] | None = option(
        None,
        "Hold the layers of the frozen base's blocks in 4.5 bits a number (nf4) or in 8 (int8,"
        " fp8), so that a larger base fits; the LoRA stays in float32.",
    )
    gradient_checkpointing: bool = option(
        False, "Use less memory, and about half as much time again."
    )
    gradient_checkpointing_interval: int = option(
        1,
        "With gradient checkpointing: compute every Nth block only again; more is less saved.",
        ge=1,
        le=64,
    )
    compile_blocks: bool = option(
        False,
        "Compile the base's repeated blocks (torch.compile), in place of cuda_graph.",
        "compile",
    )
    fsdp: bool = option(
        False,
        "Several GPUs: each holds a share of the base only, so that a larger one fits; no samples.",
    )
    attention: Literal["auto", "flash", "efficient", "cudnn", "math"] = option(
        "auto",
        "Kernel of PyTorch's attention in the steps; auto: the fastest that can, often flash.",
    )
    enable_xformers_memory_efficient_attention: bool = option(
        False, "Use xformers instead of PyTorch's own attention.", "xformers"
    )
    cuda_graph: bool = option(
        True,
        "Record a training step as a CUDA graph and replay it: faster where the GPU waits for"
        " Python (not with gradient checkpointing, dropout or several GPUs).",
    )
    allow_tf32: bool = option(True, "TF32 matrix products on Ampere and later.")
    checkpointing_steps: int | None = option(
        None, "Save state for resuming every N steps; default 250.", ge=1
    )
    checkpoints_total_limit: int = option(2, "States to keep.", ge=1)
    allow_pickle: bool = option(
        False,
        "Open pickled weights (.bin), which can run code. Not accepted in a file: give it each"
        " time.",
    )
    snapshot_steps: int | None = option(
        None, "Keep a publishable copy of the LoRA every N steps; default with the samples.", ge=1
    )
    validation_steps: int | None = option(
        None,
        "Draw samples every N steps; default an eighth of the run, at least 100; 0 never.",
        "sample_steps",
        ge=0,
    )
    validation_split: Share = option(
        0.0,
        "Pictures that are not trained on: a share of them (below 1), or how many. Their loss, on"
        " the same noise each time, is measured whenever samples are drawn.",
    )
    report_to: list[Literal["tensorboard", "wandb", "trackio", "all", "none"]] = option(
        [],
        "Trackers that follow the run as well; repeat the option. all: those whose package is"
        " installed. metrics.jsonl has everything with none of them.",
        "log_with",
    )
    logging_dir: InsideRun = option(
        "logs", "Folder in the run folder for what TensorBoard reads and W&B keeps."
    )
    tracker_project_name: TrackerName = option(
        "hubtools", "Project of the run in W&B and trackio.", "log_tracker_name", "wandb_project"
    )
    tracker_run_name: TrackerName | None = option(
        None, "Name of the run in W&B and trackio; default the run folder's.", "wandb_run_name"
    )
    seed: int = option(0, "Seed of initial weights, data order, noise and crops.", ge=0)
    price_per_hour: float | None = option(
        None, "What an hour of the machine costs: told with the time that is left.", "price", ge=0
    )
    num_threads: int | None = option(None, "CPU threads; default the cores that are free.", ge=1)
