"""A small base with random weights of each family, to test a machine with and hubtools itself."""

from __future__ import annotations

import importlib
from pathlib import Path

# By the family's name in manifests: `module:function` beside this file.
BUILDERS: dict[str, str] = {
    "stable-diffusion": "tiny:build_tiny_pipeline",
    "stable-diffusion-xl": "tiny_sdxl:build_tiny_sdxl",
    "sd3": "tiny_sd3:build_tiny_sd3",
    "flux": "tiny_flow:build_tiny_flux1",
    "flux2": "tiny_flow:build_tiny_flux2_klein",
    "z-image": "tiny_flow:build_tiny_z_image",
    "qwen-image": "tiny_flow:build_tiny_qwen_image",
    "krea2": "tiny_krea2:build_tiny_krea2",
    "chroma": "tiny_chroma:build_tiny_chroma",
    "lumina2": "tiny_gemma:build_tiny_lumina2",
    "sana": "tiny_gemma:build_tiny_sana",
}


def build_tiny(family: str, folder: Path) -> Path:
    """Write the tiny base of a family to `folder` and return it. Megabytes, and about a second."""
    module, _, name = BUILDERS[family].partition(":")
    build = getattr(importlib.import_module(f"hubtools.models.families.{module}"), name)
    found: Path = build(folder)
    return found
