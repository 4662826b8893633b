"""A Space that draws with a LoRA: a small Gradio app, made of what its card says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from hubtools.cards.escape import code, hub_link, markdown, python_literal
from hubtools.cards.model_card import ModelCard
from hubtools.cards.model_facts import model_facts
from hubtools.cards.snippet import (
    adapters_of,
    imports_of,
    loading,
    precision,
    rescaled,
    scheduler_of,
)
from hubtools.errors import HubtoolsError, UsageError
from hubtools.findings import shortened
from hubtools.layout import CARD, SPACE_DIR
from hubtools.manifest import RunManifest, SampleRecord
from hubtools.models.registry import SUPPORTED
from hubtools.models.rows import Support
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.rooted.outputs import keep_replaced, note_written, sums_written
from hubtools.sums import sum_of

APP, REQUIREMENTS = "app.py", "requirements.txt"
# Whoever takes this line out of a file has it for his own.
MARK = "Made by `hubtools push --space`, and made anew by it while this line stands here."
SDK_VERSION = "6.31.0"  # of gradio
SPACES = "0.51.3"  # of the package that asks for a GPU
_MOST = 1_000_000  # bytes of a file that is compared
_EXAMPLES = 6
# Libraries that the app loads, in the versions of the training where it noted them. ZeroGPU has the
# version of torch that it supports.
_LIBRARIES = {"diffusers": "0.42.1", "transformers": "5.23.0", "peft": "0.21.2",
              "accelerate": "1.15.0"}  # fmt: skip
_VERSION = re.compile(r"\d{1,4}(?:\.\d{1,6}){1,3}")


@dataclass(frozen=True)
class Space:
    """The folder of a Space. `kept`: files in it that a person has made their own. `lora`: the
    repository that it draws with. `replaced`: where in the folder those lie that were made anew
    although somebody had changed them."""

    folder: Path
    files: Mapping[str, str]
    kept: tuple[str, ...]
    lora: str
    replaced: tuple[str, ...] = ()


def space_name(project: Project) -> str | None:
    """What a Space is called unless somebody says: as the LoRA, with `-demo` behind it."""
    return f"{project.model.repo}-demo" if project.model.repo else None


def write_space(run_dir: Path, project: Project, into: Path | None = None) -> Space:
    """Write the app, its requirements and its card into `RUN/space`, but for files there that a
    person has made their own; `into`: all of it elsewhere. Raises `HubtoolsError` if the run has no
    LoRA, its base no public name, or it draws from several pictures, and `UsageError` if no
    repository of the LoRA is set."""
    card, shown = model_facts(run_dir, project)
    if card.repo is None:
        raise UsageError(
            "The Space draws with a LoRA on the Hub, and no repository is set for it.",
            hint="set model.repo in hubtools.toml",
            code="bad-setting",
        )
    if card.base_model is None:
        raise HubtoolsError(
            "The base of this LoRA has no public name: a Space could not load it.",
            hint="set train.base_model_repo in hubtools.toml to the base's name on the Hub",
            code="bad-setting",
        )
    record = shown[0].record if shown else None
    if record is not None and len(record.control_images) > 1:
        raise HubtoolsError(
            "This LoRA draws from several pictures at once, which the app of --space cannot.",
            code="not-supported",
        )
    manifest = RunManifest.read(run_dir)
    support = SUPPORTED.get(manifest.base_model.family)
    files = {
        APP: app(card, record, support, manifest.base_model.revision),
        REQUIREMENTS: requirements(manifest.versions),
        CARD: readme(card),
    }
    own = run_dir / SPACE_DIR
    there = _own_files(own, files)
    files |= there
    replaced: list[str] = []
    with Root(into or own, create=True) as root:
        for name, text in files.items():
            if name in there and into is None:
                continue
            was = root.read(name, _MOST) if root.exists(name) else None
            if was != text.encode():
                if was is not None and sum_of(was) != sums_written(root).get(name):
                    replaced.append(keep_replaced(root, name))
                root.write_over(name, text.encode(), was)
            if into is None:
                note_written(root, name, sum_of(text.encode()))
    return Space(own, files, tuple(there), card.repo, tuple(replaced))


def _own_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The files in it that a person has made their own."""
    if not folder.is_dir():
        return {}
    found = {}
    with Root(folder) as root:
        for name in names:
            if root.exists(name):
                text = root.read(name, _MOST).decode("utf-8", "replace")
                if MARK not in text:
                    found[name] = text
    return found


def requirements(versions: Mapping[str, str]) -> str:
    """Pinned to what the LoRA was trained with."""
    lines = [f"# {MARK}", f"spaces=={SPACES}", "torch"]
    for name, usual in _LIBRARIES.items():
        noted = str(versions.get(name, "")).partition("+")[0]
        lines.append(f"{name}=={noted if _VERSION.fullmatch(noted) else usual}")
    return "\n".join([*lines, "safetensors", "sentencepiece", ""])


def readme(card: ModelCard) -> str:
    """The card of the Space."""
    front = {
        "title": shortened(card.title, 60),
        "emoji": "🎨",
        "colorFrom": "yellow",
        "colorTo": "pink",
        "sdk": "gradio",
        "sdk_version": SDK_VERSION,
        "app_file": APP,
        "pinned": False,
        **({"license": card.license.id} if card.license is not None else {}),
        "short_description": shortened(f"Draw with the LoRA {card.title}", 60),
        "models": [card.repo, card.base_model],
        "suggested_hardware": "zero-a10g",
    }
    if card.dataset_repo:
        front["datasets"] = [card.dataset_repo]
    written = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)
    word = f" Write {code(card.trigger)} into the prompt." if card.trigger else ""
    return (
        f"---\n{written}---\n<!-- {MARK} -->\n"
        f"# {markdown(card.title)}\n\n"
        f"Draws with the LoRA {hub_link(card.repo)} on {hub_link(card.base_model)}.{word}\n\n"
        f"{card.license_sentence}\n"
    )


def app(
    card: ModelCard, record: SampleRecord | None, support: Support | None, revision: str | None
) -> str:
    """The app. Every text of the card is a literal in it."""
    scheduler = scheduler_of(record)
    given = bool(record and record.control_images)
    dtype = precision(record, support)
    negative = support is None or support.negative
    guidance = support.guidance if support else "guidance_scale"
    always = support.always if support else ()
    side = card.resolution or 512
    width, height = (record.width, record.height) if record else (side, side)
    names = ["prompt", *(["negative_prompt"] if negative else []), *(["picture"] if given else [])]
    names += ["seed", "steps", "guidance", "weight"]
    classes = f"DiffusionPipeline, {scheduler[0]}" if scheduler else "DiffusionPipeline"
    load = "".join(
        [f", revision={python_literal(revision)}" if revision else "",
         f", torch_dtype=torch.{dtype}" if dtype else ""]
    )  # fmt: skip
    first = card.samples[0].prompt if card.samples else (card.trigger or "")
    examples = [[sample.prompt] for sample in card.samples[:_EXAMPLES]]
    adapters = adapters_of(card.companions, card.weights)
    lines = [
        f"# {MARK}",
        '"""Draws with a LoRA. On ZeroGPU each drawing asks for a GPU."""',
        "",
        "import random",
        "",
        "import gradio as gr",
        "import spaces",
        "import torch",
        f"from diffusers import {classes}",
        *imports_of(card.companions, card.repo),
        "",
        f"LORA = {python_literal(card.repo)}",
        "",
        f"pipeline = DiffusionPipeline.from_pretrained({python_literal(card.base_model)}{load})",
        *(
            [
                f"pipeline.scheduler = {scheduler[0]}.from_config(",
                f"    pipeline.scheduler.config{scheduler[1]}",
                ")",
            ]
            if scheduler
            else []
        ),
        *loading(card.companions, "LORA", python_literal(card.weights), card.weights, named=True),
        'pipeline.to("cuda" if torch.cuda.is_available() else "cpu")',
        "",
        "",
        "@spaces.GPU",
        f"def draw({', '.join(names)}):",
        "    if seed is None or seed < 0:",
        "        seed = random.randrange(2**31)",
        f"    pipeline.set_adapters({python_literal(adapters)}, [float(weight)] * {len(adapters)})",
        "    image = pipeline(",
        "        prompt=prompt,",
        *(["        negative_prompt=negative_prompt or None,"] if negative else []),
        *(["        image=picture,"] if given else []),
        "        num_inference_steps=int(steps),",
        f"        {guidance}=float(guidance),",
        *rescaled(record, "        "),
        f"        width={width},",
        f"        height={height},",
        '        generator=torch.Generator("cpu").manual_seed(int(seed)),',
        *(f"        {name}={value!r}," for name, value in always),
        "    ).images[0]",
        "    return image, int(seed)",
        "",
        "",
        f"with gr.Blocks(title={python_literal(card.title)}) as demo:",
        f"    gr.Markdown({python_literal(_intro(card))})",
        "    with gr.Row():",
        "        with gr.Column():",
        f'            prompt = gr.Textbox({python_literal(first)}, label="Prompt", lines=3)',
    ]
    if negative:
        said = python_literal(card.negative_prompt or "")
        lines.append(f'            negative_prompt = gr.Textbox({said}, label="Negative prompt")')
    if given:
        lines.append('            picture = gr.Image(type="pil", label="From this picture")')
    steps, scale = (record.steps, record.guidance) if record else (28, 5.0)
    weight = card.samples[0].lora_weight if card.samples else 1.0
    seed = record.seed if record else -1
    lines += [
        '            button = gr.Button("Draw", variant="primary")',
        '            with gr.Accordion("More", open=False):',
        (
            f'                seed = gr.Number({seed}, label="Seed (-1: another each time)",'
            " precision=0)"
        ),
        f'                steps = gr.Slider(1, {max(50, steps)}, {steps}, step=1, label="Steps")',
        (
            f"                guidance = gr.Slider(0, {max(15.0, scale):g}, {scale:g},"
            ' label="Guidance")'
        ),
        (
            f"                weight = gr.Slider(0, {max(2.0, weight):g}, {weight:g},"
            ' label="Weight of the LoRA")'
        ),
        "        with gr.Column():",
        '            image = gr.Image(label="Picture", format="png")',
        '            drawn = gr.Number(label="Seed of this picture", precision=0)',
        *([f"    gr.Examples({python_literal(examples)}, [prompt])"] if examples else []),
        f"    gr.on([button.click, prompt.submit], draw, [{', '.join(names)}], [image, drawn])",
        "",
        'if __name__ == "__main__":',
        "    demo.launch()",
    ]
    return "\n".join(lines) + "\n"


def _intro(card: ModelCard) -> str:
    word = f" Write {code(card.trigger)} into the prompt." if card.trigger else ""
    return (
        f"# {markdown(card.title)}\n\nDrawn with the LoRA {hub_link(card.repo)} on"
        f" {hub_link(card.base_model)}.{word}"
    )
