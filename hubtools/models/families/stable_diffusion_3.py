"""Stable Diffusion 3 and 3.5. Three text encoders: states of two CLIPs side by side, filled up with
zeros to the width of T5, before the states of T5, padding and all, since the denoiser attends to
it. T5 may be left out; zeros stand for it then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.models.families.batches import Tensors
from hubtools.models.families.clip import TOKENS, clip_rows, clip_tokens, states_and_sum
from hubtools.models.families.configs import bytes_of, config, vae_factor
from hubtools.models.families.flow import FlowFamily, FlowModel, published
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import ATTENTION, BaseInfo, Sampling
from hubtools.models.loading import left_out

if TYPE_CHECKING:
    import torch
    from torch import Tensor


_CLIP, _T5 = 77, 256
_THIRD = "text_encoder_3"


class StableDiffusion3Model(FlowModel):
    """A loaded Stable Diffusion 3 pipeline."""

    cells_a_token = 4

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """`embeds` (1, 77 + 256, width), `pooled` (1, sums of both CLIPs)."""
        embeds, pooled = _encoded(self.pipeline, caption, device)
        return {"embeds": embeds, "pooled": pooled}

    def tokens(self, caption: str) -> dict[str, Tensor]:
        """Of both CLIPs; T5 is not trained."""
        return clip_tokens(self.pipeline, caption, 2)

    def read(self, captions: Tensors) -> Tensors:
        """With the states of both CLIPs before those of T5, and their sums; of a base without T5
        nothing is kept, and zeros stand for its states."""
        import torch
        from torch.nn.functional import pad

        if TOKENS not in captions:
            return captions
        states, sums = states_and_sum(clip_rows(self.pipeline, captions, 2))
        words = pad(states, (0, self.denoiser.config.joint_attention_dim - states.shape[-1]))
        told = captions.get("embeds")
        if told is None:
            embeds = pad(words, (0, 0, 0, _T5))
        else:
            embeds = torch.cat([words, told[:, words.shape[1] :].to(words.dtype)], dim=1)
        return {"embeds": embeds, "pooled": torch.cat(sums, dim=-1)}

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """Clock 1000 s."""
        answer: Tensor = self.denoiser(
            hidden_states=latents,
            timestep=1000 * s,
            encoder_hidden_states=captions["embeds"],
            pooled_projections=captions["pooled"],
            return_dict=False,
        )[0]
        return answer


class StableDiffusion3(FlowFamily):
    """The family."""

    row = "sd3"
    denoiser = "SD3Transformer2DModel"
    model = StableDiffusion3Model

    def text_dtype(self, folder: Path) -> str:
        """That of T5; of the first CLIP where there is none."""
        absent = left_out(folder, self.support)
        return published(folder, "text_encoder" if _THIRD in absent else _THIRD)

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes it; what is not said is an empty text."""
        device = next(pipeline.text_encoder.parameters()).device
        embeds, pooled = _encoded(pipeline, text or "", device)
        return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """States of all three, and the sums of both CLIPs."""
        return {
            "embeds": (_CLIP + _T5, config.joint_attention_dim),
            "pooled": (config.pooled_projection_dim,),
        }

    def sampling(self, folder: Path) -> Sampling:
        """As the model cards do: 3.5 norms its queries, 3.5 medium has blocks of two attentions."""
        transformer = config(folder, "transformer/config.json")
        if not transformer.get("qk_norm"):
            return Sampling(28, 7.0)
        return Sampling(40, 4.5) if transformer.get("dual_attention_layers") else Sampling(28, 3.5)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """The LoRA goes on the joint attention, but for the queries of the last block's words:
        nothing reads their answers."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        dtype = self.text_dtype(folder)
        states = (_CLIP + _T5) * int(transformer.get("joint_attention_dim") or 4096)
        pooled = int(transformer.get("pooled_projection_dim") or 2048)
        factor = vae_factor(vae)
        joint = range(int(transformer.get("num_layers") or 18) - 1)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=factor * int(transformer.get("sample_size") or 128),
            latent_factor=factor,
            caption_tokens=_CLIP if _THIRD in left_out(folder, self.support) else _T5,
            cell_bytes=2 * 4 * int(vae.get("latent_channels") or 16),
            caption_bytes=(states + pooled) * bytes_of(dtype),
            targets=(
                *(f"attn.{name}" for name in (*ATTENTION, "add_k_proj", "add_v_proj")),
                *(
                    f"transformer_blocks.{block}.attn.{name}"
                    for block in joint
                    for name in ("add_q_proj", "to_add_out")
                ),
            ),
            shift=shift,
            text_dtype=dtype,
        )


def _encoded(pipeline: Any, text: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """What `encode_prompt` makes of a text, (1, 77 + 256, width) and (1, both sums). It asks the
    denoiser how wide zeros are to be where T5 is left out, so they are put there here."""
    import torch
    from torch.nn.functional import pad

    if pipeline.text_encoder_3 is not None:
        embeds, _, pooled, _ = pipeline.encode_prompt(
            text, None, None, device=device, do_classifier_free_guidance=False
        )
        return embeds, pooled
    if pipeline.transformer is not None:
        width = int(pipeline.transformer.config.joint_attention_dim)
    else:  # it is let go, or not opened yet
        told = config(Path(pipeline.name_or_path), "transformer/config.json")
        width = int(told.get("joint_attention_dim") or 4096)
    read = [
        pipeline._get_clip_prompt_embeds(text, device=device, clip_model_index=number)
        for number in (0, 1)
    ]
    states = torch.cat([states for states, _ in read], dim=-1)
    words = pad(states, (0, width - states.shape[-1]))
    return pad(words, (0, 0, 0, _T5)), torch.cat([pooled for _, pooled in read], dim=-1)
