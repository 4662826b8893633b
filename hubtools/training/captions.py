"""The captions that a picture is trained with: those it has, with their tags in other orders if
that is asked for. All of them are encoded beforehand; a step draws one."""

from __future__ import annotations

from collections.abc import Sequence

from hubtools.dataset.text.trigger import has_word
from hubtools.models.seeds import seed_of
from hubtools.train_settings import TrainSettings

_ALL = 1 << 63  # what `seed_of` stays below


def texts_of(
    captions: Sequence[str], settings: TrainSettings, trigger: str | None
) -> tuple[str, ...]:
    """The texts of which a step draws one, each as likely: a function of captions and seed."""
    if not (settings.shuffle_caption or settings.caption_tag_dropout_rate):
        return tuple(captions)
    return tuple(
        arranged(caption, number, settings, trigger)
        for caption in captions
        for number in range(settings.caption_variants)
    )


def arranged(caption: str, number: int, settings: TrainSettings, trigger: str | None) -> str:
    """The variant `number` of a caption of tags: the first `keep_tokens` stay where they are, and
    one with the trigger is neither moved nor left out."""
    separator = settings.caption_separator
    tags = [tag.strip() for tag in caption.split(separator) if tag.strip()]
    fixed = [
        place < settings.keep_tokens or (trigger is not None and has_word(tag, trigger))
        for place, tag in enumerate(tags)
    ]
    of = (settings.seed, caption, number)
    free = [place for place, stays in enumerate(fixed) if not stays]
    order = free
    if settings.shuffle_caption:
        order = sorted(free, key=lambda place: seed_of("tag", *of, place))
    moved = dict(zip(free, order, strict=True))
    least = settings.caption_tag_dropout_rate * _ALL
    kept = [
        tags[moved.get(place, place)]
        for place in range(len(tags))
        if fixed[place] or seed_of("tag-dropout", *of, moved[place]) >= least
    ]
    spaced = any(letter.isspace() for letter in separator)
    joined = separator if spaced else f"{separator} "
    return joined.join(kept)
