"""Python for a card, whose every text is a literal."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence

from hubtools.cards.escape import python_literal
from hubtools.lorafile.companions import Companion, adapter_name
from hubtools.manifest import SampleRecord
from hubtools.models.rows import Support

_FETCHES = "from huggingface_hub import hf_hub_download"
_READS = "from safetensors.torch import load_file"


def snippet(
    base: str | None,
    repo: str | None,
    weights: str,
    record: SampleRecord | None,
    trigger: str | None,
    support: Support | None = None,
    beside: Sequence[Companion] = (),
) -> str:
    """Python that draws the first picture of the gallery with stock diffusers; empty if the base
    has no public name. `support`: of the base's family. `beside`: files that are loaded with the
    LoRA: further adapters, embeddings of new words."""
    if base is None:
        return ""
    prompt = record.prompt if record else (trigger or "")
    lines = ["import torch"]
    lines.append("from diffusers import DiffusionPipeline")
    given = [one.file for one in record.control_images] if record else []
    scheduler = scheduler_of(record)
    if scheduler is not None:
        lines[-1] = f"from diffusers import DiffusionPipeline, {scheduler[0]}"
    dtype = precision(record, support)
    half = f", torch_dtype=torch.{dtype}" if dtype else ""
    # some take a picture first
    named = "prompt=" if support is not None and support.denoiser == "transformer" else ""
    if given:
        lines.append("from diffusers.utils import load_image")
    lines += imports_of(beside, repo)
    lines += ["", f"pipeline = DiffusionPipeline.from_pretrained({python_literal(base)}{half})"]
    if scheduler is not None:
        lines.append(
            f"pipeline.scheduler = {scheduler[0]}.from_config("
            f"pipeline.scheduler.config{scheduler[1]})"
        )
    lines.append('pipeline.to("cuda" if torch.cuda.is_available() else "cpu")')
    place, file = python_literal(repo or "."), python_literal(weights)
    lines += loading(beside, place, file, weights)
    if record is not None and record.prompt_weights:
        lines += [
            "# hubtools reads brackets as weights and long prompts to their end. Stock diffusers",
            "# does not, and draws another picture than `hubtools generate` has drawn.",
        ]
    more = "" if prompt else "  # what to draw"  # of no trigger and no picture nobody knows one
    lines += ["image = pipeline(", f"    {named}{python_literal(prompt)},{more}"]
    if (negative := _negative(record, support)) is not None:
        lines.append(f"    negative_prompt={python_literal(negative)},")
    if given:  # several are a list
        pictures = ", ".join(f"load_image({python_literal(name)})" for name in given)
        lines.append(f"    image={pictures if len(given) == 1 else f'[{pictures}]'},")
    if record is not None:
        lines += [
            f"    num_inference_steps={record.steps},",
            f"    {support.guidance if support else 'guidance_scale'}={record.guidance:g},",
            *rescaled(record, "    "),
            f"    width={record.width},",
            f"    height={record.height},",
            f'    generator=torch.Generator("cpu").manual_seed({record.seed}),',
        ]
    always = support.always if support is not None and record is not None else ()
    lines += [f"    {name}={value}," for name, value in always]
    lines += [").images[0]", 'image.save("picture.png")']
    return "\n".join(lines)


def in_repository(code: str, repo: str) -> str:
    """The same Python, made without a repository, as it is with one."""
    place = python_literal(repo)
    code = re.sub(r"(\bload_(?:lora_weights|textual_inversion))\('\.',", rf"\1({place},", code)
    code, fetched = re.subn(
        r"(?m)^(embeddings = load_file)\((['\"].*)\)$", rf"\1(hf_hub_download({place}, \2))", code
    )
    return code.replace(_READS, f"{_FETCHES}\n{_READS}") if fetched else code


def rescaled(record: SampleRecord | None, indent: str) -> list[str]:
    """The argument that brings the contrast back, if it was."""
    if record is None or not record.guidance_rescale:
        return []
    return [f"{indent}guidance_rescale={record.guidance_rescale:g},"]


def imports_of(beside: Sequence[Companion], repo: str | None) -> list[str]:
    """What `loading` needs beside diffusers."""
    if not any(None not in one.tokens for one in beside if one.kind == "embedding"):
        return []
    return [*([_FETCHES] if repo else []), _READS]


def adapters_of(beside: Sequence[Companion], weights: str) -> list[str]:
    """Names of all adapters of a release, that of the LoRA first."""
    return [adapter_name(weights), *(one.name for one in beside if one.kind == "adapter")]


def loading(
    beside: Sequence[Companion], place: str, file: str, weights: str, *, named: bool = False
) -> list[str]:
    """Loading of the LoRA and of all that belongs to it; `named`: under the names of `adapters_of`
    also where it is alone."""
    adapters = [one for one in beside if one.kind == "adapter"]
    first = f"pipeline.load_lora_weights({place}, weight_name={file}"
    lines = []
    if not adapters and not named:
        lines.append(f"{first})")
    else:  # each by a name, or the last one alone would act
        names = adapters_of(beside, weights)
        lines.append(f"{first}, adapter_name={python_literal(names[0])})")
        lines += [
            f"pipeline.load_lora_weights({place}, weight_name={python_literal(one.file)},"
            f" adapter_name={python_literal(one.name)})"
            for one in adapters
        ]
        lines.append(f"pipeline.set_adapters({python_literal(names)})")
    for one in beside:
        if one.kind == "embedding":
            lines += _words(one, place)
    return lines


def _words(one: Companion, place: str) -> list[str]:
    """The new words of an embedding, for each text encoder."""
    file = python_literal(one.file)
    if None in one.tokens:
        word = python_literal(one.tokens[None][1][0])
        return [f"pipeline.load_textual_inversion({place}, weight_name={file}, token={word})"]
    where = file if place == "'.'" else f"hf_hub_download({place}, {file})"
    lines = [f"embeddings = load_file({where})"]
    for parts, (key, words) in one.tokens.items():
        assert parts is not None
        lines += [
            "pipeline.load_textual_inversion(",
            f"    embeddings[{python_literal(key)}], token={python_literal(list(words))},",
            f"    text_encoder=pipeline.{parts[0]}, tokenizer=pipeline.{parts[1]},",
            ")",
        ]
    return lines


def scheduler_of(record: SampleRecord | None) -> tuple[str, str] | None:
    """(class, options as they follow a first argument) of the scheduler that a picture was drawn
    with, as Python; None for the base's own. A record is a file like any other: what is no name of
    a class is not passed on as code."""
    if (
        record is None
        or record.scheduler == "default"
        or not _is_name(record.scheduler_class)
        or not all(_is_name(key) for key in record.scheduler_options)
    ):
        return None
    options = "".join(f", {k}={python_literal(v)}" for k, v in record.scheduler_options.items())
    return record.scheduler_class, options


def precision(record: SampleRecord | None, support: Support | None) -> str | None:
    """The half precision to open the base in, which it was drawn in or is too large without."""
    if support is not None and support.denoiser == "transformer":
        return "bfloat16"
    if record is not None and record.dtype in ("bfloat16", "float16"):
        return record.dtype
    return None


def _negative(record: SampleRecord | None, support: Support | None) -> str | None:
    """The negative prompt that the base's pipelines are given."""
    told = record.negative_prompt if record else None
    if support is None:
        return told
    said = support.words([""], [told]).get("negative_prompt")
    return said[0] if said else None


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier() and not keyword.iskeyword(text)
