"""Which languages captions are in, by the words and letters that one language has.

Evidence only: a caption counts for a language if it has two of its small words, and more of them
than of any other's, or letters that no other language is written in. Lists of tags, names and
single words tell nothing, and count for none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hubtools.patterns import regex

NAMES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
_SMALL = {
    "ar": "في من على مع إلى هذا هذه التي الذي أو عن",
    "cs": "na v s a je ve ze po pod nad před který která u",
    "da": "en et og på med af som er i til den det ved iført kvinde mand",
    "de": "der die das den dem ein eine einen einem einer mit und auf von im ist vor am zum zur in"
    " hat trägt",
    "en": "the a an of with and in is on her his at wearing from by to over under against that"
    " their",
    "es": "el la los las un una con de del y en por para sobre se su que al lleva",
    "fa": "در از با به که این است یک را روی",
    "fi": "ja on jossa kanssa hän joka taustalla yllään päällä vieressä",
    "fr": "le la les un une des du de et avec dans sur est qui aux son sa devant en au porte",
    "hu": "a az egy és van aki előtt mellett alatt felett visel",
    "id": "dan di yang dengan dari sebuah seorang pada memakai ke ini",
    "it": "il lo la gli le un uno una con di e del della nel nella in che su dei alla indossa",
    "nl": "de het een van met op en in is voor aan draagt bij die naast onder",
    "no": "en et og på med av som er i til den det ved iført ei kvinne mann",
    "pl": "na w z i do jest oraz pod nad przy ze we która który się o",
    "pt": "o a os as um uma com de do da no na e em para que sobre seu sua ao veste",
    "ro": "un o cu și de la din pe în care este lângă poartă",
    "ru": "и в на с из под над у по за к от который которая в со"
    " фоне женщина мужчина девушка человек стоит сидит",
    "sv": "en ett och på med av som är i till den det vid bär kvinna",
    "tr": "bir ve ile bu için olan üzerinde giyen çok önünde",
    "uk": "і в на з із та у що за під над який яка до від"
    " тлі жінка чоловік дівчина людина стоїть сидить",
    "vi": "một và của với trong trên người là có mặc đang",
}
_BY_WORD: dict[str, tuple[str, ...]] = {}
for _code, _words in _SMALL.items():
    for _word in set(_words.split()):
        _BY_WORD[_word] = (*_BY_WORD.get(_word, ()), _code)
_LETTERS = (
    ("ja", regex(r"[\u3041-\u3096\u30a1-\u30fa]")),
    ("ko", regex(r"[\uac00-\ud7a3]")),
    ("zh", regex(r"[\u4e00-\u9fff]")),  # after kana: Japanese has these too
    ("el", regex(r"[\u03b1-\u03c9\u03ac-\u03ce]")),
    ("he", regex(r"[\u05d0-\u05ea]")),
    ("th", regex(r"[\u0e01-\u0e2e]")),
)
_WORD = regex(r"[^\W\d_]+")
_MOST = 4000  # letters of a caption that are read
_SHARE = 0.1  # of the captions that are read, for a language to be named


@dataclass(frozen=True)
class Spoken:
    """A language and how many captions show it."""

    code: str  # ISO 639-1
    captions: int

    @property
    def name(self) -> str:
        """In English."""
        return NAMES[self.code]


def language_of(caption: str) -> str | None:
    """The language that the words of a caption tell; None if they tell none, or several alike."""
    text = caption[:_MOST].lower()
    letters = sum(mark.isalpha() for mark in text)
    for code, script in _LETTERS:
        if 2 * len(script.findall(text)) >= max(4, letters) or (
            code == "ja" and len(script.findall(text)) >= 2
        ):
            return code
    found = Counter(code for word in set(_WORD.findall(text)) for code in _BY_WORD.get(word, ()))
    first = found.most_common(2)
    if not first or first[0][1] < 2 or (len(first) > 1 and first[1][1] == first[0][1]):
        return None
    return first[0][0]


def languages_of(captions: Iterable[str]) -> tuple[tuple[Spoken, ...], int]:
    """(the languages of the captions, the commonest first; how many captions there are). None is
    named that fewer than two captions show, or that only one in ten does, and none at all where
    most captions tell nothing."""
    found: Counter[str | None] = Counter(map(language_of, captions))
    total = found.total()
    read = total - found.pop(None, 0)
    if 2 * read < total:
        return (), total
    named = ((code, count) for code, count in found.most_common() if code is not None)
    return tuple(
        Spoken(code, count) for code, count in named if count >= 2 and count >= _SHARE * read
    ), total
