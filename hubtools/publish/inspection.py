"""What a weight file is, for whom, and what it gives away: the answer of `inspect FILE`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.dataset.folder.loras import holds_lora
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath, leads_out, open_regular, written
from hubtools.inference.lora import resolve_lora, run_of
from hubtools.layout import LORA_WEIGHTS
from hubtools.leaks import hide
from hubtools.lorafile.faults import faults_of
from hubtools.lorafile.look import Weights, look
from hubtools.lorafile.provenance import base_model_of, header_facts
from hubtools.modelfiles import SAFE, is_pickled
from hubtools.publish.contents import Kind, scan
from hubtools.publish.private import told_by_header
from hubtools.weights import Holds


@dataclass(frozen=True)
class WeightInspection:
    """A weight file that was looked at. `wrong`: sentences on what would go wrong; `tells`: what
    its header gives away."""

    path: Path
    weights: Weights
    wrong: tuple[str, ...]
    tells: tuple[str, ...]
    base_model: str | None = None  # that its run, its repository, its card or its header names
    repository: str | None = None  # it was asked for by this name of the Hub

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON. Counts are of tensors; strengths are alpha / rank, each once."""
        held = self.weights
        found: dict[str, Any] = {
            "file": str(self.path),
            "kind": held.kind,
            "bytes": held.bytes,
            "tensors": len(held.header.tensors),
            "dtypes": list(held.dtypes),
        }
        if held.is_adapter:
            found |= {
                "format": held.format,
                "families": list(held.families),
                "base_model": self.base_model,
                "strange_widths": list(held.strange_widths),
                "prefixes": list(held.prefixes),
                "text_encoder_only": held.text_only,
                "ranks": list(held.ranks),
                "alphas": list(held.alphas),
                "header_alphas": held.header_alphas,
                "targets": list(held.targets),
                "diffusers": _taken(held.taken(), held.strengths(header=True)),
                "comfyui": _taken(held.taken_by_comfyui(), held.strengths(header=False)),
                "missing_halves": list(held.halved),
                "zero_up": len(held.idle),
            }
        if held.values is not None:
            found["not_finite"] = list(held.values.broken)
        return found | {"wrong": list(self.wrong), "tells": list(self.tells)}


def _taken(names: frozenset[str], strengths: tuple[float, ...]) -> dict[str, Any]:
    return {"tensors": len(names), "strengths": list(strengths)}


def is_weights(path: StrPath | None) -> bool:
    """True for what `inspect` takes for weights: a weight file, a folder of a LoRA, or a Hub id
    that is no folder."""
    if path is None:
        return False
    if (folder := Path(path).expanduser()).is_dir():
        return holds_lora(folder)
    name = str(path)
    if "://" in name:
        return True
    if name.endswith(SAFE) or is_pickled(name):
        return True
    return name.count("/") == 1 and not name.startswith((".", "~", "/")) and not Path(name).exists()


def inspect_weights(source: StrPath) -> WeightInspection:
    """Look at a .safetensors file, or at the LoRA of a Hub repository, without torch. Raises
    `HubtoolsError` if there is none; a pickle is named and not opened."""
    path = Path(source).expanduser()
    if path.is_dir() and not (path / LORA_WEIGHTS).is_file():
        files = written(path, f"*{SAFE}")
        if len(files) > 1:
            raise UsageError(
                f"{path} holds {len(files)} weight files.",
                hint=f"look at one: hubtools inspect {shlex.quote(str(files[0]))}",
            )
        if files and not leads_out(path, files[0].name):
            path = files[0]  # whatever it is
    base = repository = None
    if not str(path).endswith(SAFE) and not is_pickled(str(path)):
        found = resolve_lora(str(source))
        path, base = found.path, found.base_model
        repository = found.name if found.of_hub else None
    if is_pickled(path.name):
        raise HubtoolsError(
            f"{path} is a pickle, which can run code; hubtools opens .safetensors only.",
            hint="ask for it as .safetensors, or convert it on a machine without secrets",
            code="unsafe-file",
        )
    try:
        size = path.stat().st_size
        held = look(lambda: open_regular(path), size)
        with open_regular(path) as opened:
            leaks = list(scan(path.name, opened, size))
    except FileNotFoundError:
        raise HubtoolsError(
            f"There is no {path}.", hint="check the name", code="file-not-found", missing=path
        ) from None
    wrong = [fault.text for fault in faults_of(held)]
    if held.header.holds is Holds.DAMAGED:
        wrong.append(f"it is damaged: {held.header.problem}")
    tells = [
        f"a {leak.kind.value}: {leak.what if leak.kind is Kind.SECRET else hide(leak.what)}"
        for leak in leaks
    ]
    tells += [text for text, _ in told_by_header(held.header.metadata)]
    run = run_of(path) if held.is_adapter else None
    told = base_model_of(path) if held.is_adapter else header_facts(held.header.metadata).base_model
    base = base or (run and run.base_model.named) or told
    return WeightInspection(path, held, tuple(wrong), tuple(dict.fromkeys(tells)), base, repository)
