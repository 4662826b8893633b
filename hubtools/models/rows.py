"""What a row of the table of model families says: the text encoders, licences, layers of adapters
and what hubtools does with it."""

from __future__ import annotations

from typing import Literal, NamedTuple

TargetName = Literal[
    "sd15", "sd2", "sdxl", "sd3", "flux", "flux2", "z-image", "qwen-image", "krea2", "chroma",
    "lumina2", "sana", "pixart", "hidream", "kolors",
]  # fmt: skip


class Encoder(NamedTuple):
    """A text encoder: `window` tokens at once, `marks` of which are not the caption's. `folder` of
    the pipeline holds its tokenizer; `models` are its classes in transformers."""

    name: str
    window: int
    marks: int = 1
    folder: str = "tokenizer"
    models: tuple[str, ...] = ()

    @property
    def room(self) -> int:
        """Tokens a caption may have."""
        return self.window - self.marks


class LicenseRow(NamedTuple):
    """The licence of bases whose Hub id, in lower case, matches `pattern`. `id` None: their card
    and their licence contradict each other, or the terms are their own."""

    pattern: str
    id: str | None
    kind: Literal["permissive", "openrail", "restricted", "unknown"]
    source: str
    name: str | None = None  # for `other`
    link: str | None = None  # for `other`


class Support(NamedTuple):
    """What hubtools can draw with and train: the family's name in manifests and tags, the classes
    of pipelines it opens, and `module:class` that implements `families.protocol.Family`.

    `denoiser` is the name of that component, `divisor` what the sides of a picture are multiples
    of, in pixels. `guidance` is what the pipelines call the scale of guidance; `negative`: they
    read a negative prompt; `unsaid` is what they are given where there is none; `optional` are
    components that a base may do without, if its `model_index.json` says so; `always` is what a
    call is given besides, whatever is drawn. `early`: text encoders of which nothing behind the
    last layer but one is read."""

    name: str
    title: str
    pipelines: tuple[str, ...]
    place: str
    denoiser: str
    divisor: int
    guidance: str = "guidance_scale"
    negative: bool = True
    unsaid: str | None = None
    optional: tuple[str, ...] = ()
    always: tuple[tuple[str, bool], ...] = ()
    early: tuple[str, ...] = ()

    def words(self, prompts: list[str], negatives: list[str | None]) -> dict[str, list[str] | None]:
        """What a call of a pipeline takes for prompts and negative prompts."""
        said: dict[str, list[str] | None] = {"prompt": prompts}
        if self.negative:
            filled = [self.unsaid if negative is None else negative for negative in negatives]
            texts = [negative for negative in filled if negative is not None]
            said["negative_prompt"] = [negative or "" for negative in filled] if texts else None
        return said


class Loader(NamedTuple):
    """diffusers' loader of adapters. `encoders`: text encoders it reads LoRAs of, as names begin.
    `kohya` and `native`: it converts the names of sd-scripts, and those that begin with
    `diffusion_model.`. `strict`: it refuses a file in which one name has no "lora" in it.
    `comfyui`: the names that it reads are known to ComfyUI too."""

    encoders: tuple[str, ...] = ()
    kohya: bool = False
    native: bool = False
    wrapped: tuple[str, ...] = ()  # layers whose `base_model.model.` it takes off
    own_layers: tuple[str, ...] = ()  # of kohya's files only these
    strict: bool = True
    comfyui: bool = True


class Layers(NamedTuple):
    """What files of adapters call the layers of a model, in diffusers and in the original code.

    `names` are patterns of the path of a layer, from its beginning; `texts` what stands before a
    layer of these models' text encoders. `widths` are what goes into a block's attention, and
    `captions` what goes into the cross-attention of a UNet, in the published weights. A pattern, a
    beginning or a width speaks for all rows that name it, and against the others."""

    names: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()
    captions: tuple[int, ...] = ()
    loader: Loader = Loader()


class Denoiser(NamedTuple):
    """What the configuration of this component says that others have to agree with: `draws`, how
    many channels, which the VAE decodes; `reads`, how wide the words of the one text encoder are
    (unless it has `projects`). `blocks`: it lists its blocks, its size and its channels."""

    name: str
    blocks: bool = False
    draws: str | None = None
    reads: str | None = None
    projects: str | None = None


class Target(NamedTuple):
    """A kind of model. `size` in pixels, of a square picture; `encoders` from narrow to wide.

    `denoiser` is the name of its component, `channels` are those of its latents, `components` the
    folders of its pipeline besides denoiser, VAE and scheduler. A pipeline belongs to the row if
    its class begins with one of `classes` (the longest beginning of all rows decides) and, where
    rows share that, its denoiser's configuration has the value of `marker`. `ids` are patterns of
    Hub ids, in lower case, with the size if it is another; `distilled` patterns of those that were
    taught to draw in a few steps, each with the base to train on instead. `layers`: how files of
    adapters call what they change in these models.
    """

    name: TargetName
    title: str
    size: int
    encoders: tuple[Encoder, ...]
    denoiser: str
    channels: int
    components: tuple[str, ...]
    classes: tuple[str, ...]
    ids: tuple[tuple[str, int | None], ...]
    licenses: tuple[LicenseRow, ...] = ()
    marker: tuple[str, object] | None = None
    support: Support | None = None
    distilled: tuple[tuple[str, str], ...] = ()
    layers: Layers = Layers()
