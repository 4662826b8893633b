"""What texts of a language look like, for those that ask which encoding they are in.

The lists of common characters are short on purpose: they need not know a language, only tell it
from what comes of reading its bytes in a wrong encoding.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from hubtools.patterns import regex

_MARKS = frozenset(
    "“”‘’„‚«»‹›–—…·•°№′″§©®™×¿¡\xa0，。、：；！？（）《》〈〉「」『』【】〔〕～・ー々\u3000"
)
_WORD = regex(r"[^\W\d_]+")
_HIGH = regex(r"[^\x00-\x7f]+")
_RUN = regex(r"[A-Za-z]?[^\x00-\x7f]+[A-Za-z]?")


@dataclass(frozen=True)
class Weight:
    """What an encoding makes of a text. `ordinary`: share of its characters that the language
    uses; `score`: how common they are, 1 for a usual text; `enough`: to be sure of it."""

    codec: str
    title: str
    text: str
    ordinary: float
    score: float
    enough: bool
    said: str


@dataclass(frozen=True)
class EastAsian:
    """An encoding of Chinese, Japanese or Korean. `common` are characters of which a usual text
    has the share `usual`."""

    codec: str
    title: str
    language: str
    known: Callable[[str], bool]
    common: frozenset[str]
    usual: float
    needs: Callable[[str], bool] = lambda text: True

    def ordinary(self, text: str) -> float:
        """Share of the characters beyond ASCII that the language uses; 1 if there are none."""
        marks = [mark for mark in text if mark > "\x7f"]
        good = sum(
            mark in _MARKS or "\uff01" <= mark <= "\uff5e" or self.known(mark) for mark in marks
        )
        return good / len(marks) if marks else 1.0

    def weigh(self, text: str) -> Weight | None:
        """None for a text that is nothing in this language."""
        marks = [mark for mark in text if mark > "\x7f"]
        wide = (mark for mark in marks if not "\uff01" <= mark <= "\uff5e")
        letters = [mark for mark in wide if mark not in _MARKS]
        if not letters or not any(len(run) > 1 for run in _HIGH.findall(text)):
            return None
        runs = _RUN.findall(text)
        glued = sum(run[0].isascii() or run[-1].isascii() for run in runs)
        good = sum(map(self.known, letters)) + len(marks) - len(letters)
        ordinary = good / len(marks)
        if ordinary < 0.9:
            return None
        share = sum(mark in self.common for mark in letters) / len(letters)
        enough = (
            ordinary >= 0.97
            and len(letters) >= 6
            and len(set(letters)) >= 5
            and share >= 0.5 * self.usual
            and 3 * glued <= len(runs)
            and self.needs(text)
        )
        said = (
            f"read so, {good} of {len(marks)} characters are ordinary {self.language} ones,"
            f" {round(100 * share)} % of them among the commonest"
        )
        score = min(1.0, share / self.usual) * max(0.0, 1 - 8 * (1 - ordinary))
        return Weight(self.codec, self.title, text, ordinary, score, enough, said)


@dataclass(frozen=True)
class Alphabet:
    """An encoding of a script with letters of its own: `common` are its ten commonest."""

    codec: str
    title: str
    language: str
    first: str
    last: str
    common: frozenset[str]
    usual: float

    def weigh(self, text: str) -> Weight | None:
        """None for a text that is nothing in this language."""
        letters = bad = often = 0
        distinct: set[str] = set()
        for token in text.split():
            if token.isascii():
                continue
            words = [word for word in _WORD.findall(token) if not word.isascii()]
            size = sum(map(len, words)) or len(token)
            letters += size
            odd = any(
                mark > "\x7f" and not mark.isalpha() and mark not in _MARKS
                and not self.first <= mark <= self.last
                for mark in token
            )  # fmt: skip
            if odd or not words or not all(map(self._is_word, words)):
                bad += size
            often += sum(mark in self.common for word in words for mark in word.lower())
            distinct.update(*words)
        if not letters:
            return None
        ordinary = 1 - bad / letters
        if ordinary < 0.9:
            return None
        share = often / letters
        enough = (
            ordinary >= 0.97 and letters >= 8 and len(distinct) >= 5 and share >= 0.72 * self.usual
        )
        said = (
            f"read so, {letters} letters make {self.language} words, {round(100 * share)} % of them"
            " its ten commonest"
        )
        score = min(1.0, share / self.usual) * max(0.0, 1 - 8 * (1 - ordinary))
        return Weight(self.codec, self.title, text, ordinary, score, enough, said)

    def _is_word(self, word: str) -> bool:
        cased = word.islower() or word.istitle() or word.isupper() or word == word.swapcase()
        return cased and all(self.first <= mark <= self.last for mark in word)


@lru_cache(maxsize=1 << 16)
def _lead(mark: str, codec: str) -> int:
    try:
        data = mark.encode(codec)
    except UnicodeEncodeError:
        return 0
    return data[0] if len(data) == 2 else 0


def _simplified(mark: str) -> bool:
    return 0xB0 <= _lead(mark, "gb2312") <= 0xD7


def _traditional(mark: str) -> bool:
    return "\u4e00" <= mark <= "\u9fff" and 0xA4 <= _lead(mark, "big5") <= 0xC6


def _kana(mark: str) -> bool:
    return "\u3041" <= mark <= "\u3096" or "\u30a1" <= mark <= "\u30fc"


def _japanese(mark: str) -> bool:
    return _kana(mark) or 0xB0 <= _lead(mark, "euc_jp") <= 0xCF


def _korean(mark: str) -> bool:
    return "\uac00" <= mark <= "\ud7a3" and 0xB0 <= _lead(mark, "euc_kr") <= 0xC8


def _has_kana(text: str) -> bool:
    return 5 * sum(map(_kana, text)) >= sum(mark > "\u3000" for mark in text)


_BOTH = (
    "的一是在不了有和人中大上我以要他用生到作地出就分成可主年同工也能下子而方多定行法所民得十三之等部度家力"
    "如水化高自二理起小物加量都制使本去把性好它合因由其些然前外天政四日那社事平形相全表重新正心反你明看原又"
    "利比或但第向道命此只意建月公很情者最立代想已通提直程展五果料象位入常文次品式活特件求老基流路少山接知角"
    "期根放西被必先回取南色光保北百七海口金思受什共改清己美再更切打白教速花安身真具每目至走示完八名才科信米"
    "整空元今集土步石段界林且影低持音布容近千周素半青灰黑紫粉棕橙猫狗草女男孩手站坐穿衣服裙帽窗桌椅背景正短"
)
_SIMPLIFIED = frozenset(
    _BOTH + "这为个国时来们说产种后学经进着电里现实两体机当点从业应开还对发动会过面间样与关各线内数"
    "气变条没结问无军长头资边级图统较将组见计别她运红黄蓝绿颜猫鸟鱼树脸发门伞街画风笔侧笑张双带东车马节话"
    "传记连断阳湖云雨雪春夏秋冬照片背侧视镜细节"
)
_TRADITIONAL = frozenset(
    _BOTH + "這為個國時來們說產種後學經進著電裡現實兩體機當點從業應開還對發動會過面間樣與關各線內數"
    "氣變條沒結問無軍長頭資邊級圖統較將組見計別她運紅黃藍綠顏貓鳥魚樹臉髮門傘街畫風筆側笑張雙帶東車馬節話"
    "傳記連斷陽湖雲雨雪春夏秋冬照片背側視鏡細節"
)
_KOREAN = frozenset(
    "이다는을가에의고하은로를한도지서기사자리어나인시대그아정해수들스장보있으부라일마상전여제주구조원과관동유공"
    "경비면소신모안위국오화드선트체세생중간란록검얀흰빨파노초우산양문집무꽃람남진성된운와위앉머옷색바"
)
_KANA = frozenset(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FD))))

EAST_ASIAN = (
    EastAsian("gb18030", "GBK", "Chinese", _simplified, _SIMPLIFIED, 0.6,
              lambda text: not any(map(_kana, text))),
    EastAsian("cp950", "Big5", "Chinese", _traditional, _TRADITIONAL, 0.6),
    EastAsian("cp932", "Shift-JIS", "Japanese", _japanese, _KANA, 0.5, _has_kana),
    EastAsian("euc_jp", "EUC-JP", "Japanese", _japanese, _KANA, 0.5, _has_kana),
    EastAsian("cp949", "EUC-KR", "Korean", _korean, _KOREAN, 0.6),
)  # fmt: skip

_RUSSIAN = frozenset("оеаинтсрвл")
_GREEK = frozenset("αοιετσνηυρςάίόέή")
_HEBREW = frozenset("יוהלאתרבשמ")
_ARABIC = frozenset("ايلمنوتربةهد")
_THAI = frozenset("านรอกเงมยล่้วดท")
ALPHABETS = (
    Alphabet("cp1251", "Windows-1251", "Cyrillic", "Ѐ", "џ", _RUSSIAN, 0.62),
    Alphabet("koi8_u", "KOI8", "Cyrillic", "Ѐ", "ґ", _RUSSIAN, 0.62),
    Alphabet("cp866", "DOS 866", "Cyrillic", "Ѐ", "џ", _RUSSIAN, 0.62),
    Alphabet("iso8859_5", "ISO 8859-5", "Cyrillic", "Ѐ", "џ", _RUSSIAN, 0.62),
    Alphabet("mac_cyrillic", "Macintosh Cyrillic", "Cyrillic", "Ѐ", "џ", _RUSSIAN, 0.62),
    Alphabet("cp1253", "Windows-1253", "Greek", "Ά", "ώ", _GREEK, 0.78),
    Alphabet("iso8859_7", "ISO 8859-7", "Greek", "Ά", "ώ", _GREEK, 0.78),
    Alphabet("cp1255", "Windows-1255", "Hebrew", "\u05b0", "ת", _HEBREW, 0.68),
    Alphabet("cp1256", "Windows-1256", "Arabic", "ء", "ے", _ARABIC, 0.68),
    Alphabet("cp874", "Windows-874", "Thai", "ก", "๛", _THAI, 0.6),
)

# --- Latin letters -------------------------------------------------------------------------------

_QUOTES = "‘’“”–—…«»¡¿•\xa0"
_SIGNS = "°§£€©®™·ºª´²³½¼×"
_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞŠŽŒŸßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿšžœ"
_FEW = regex(f"[{_QUOTES}]{{0,3}}(?:[{_LETTERS}]{{0,2}}|[{_SIGNS}])[{_QUOTES}]{{0,3}}")
_ALONE = frozenset("àéèêóòúíáöåæøÀÉÈÊÓÒÚÍÁÖÅÆØ")  # letters that are words


@dataclass(frozen=True)
class _Latin:
    """A language in Latin letters: short words that captions in it have, letters beyond ASCII."""

    codec: str
    title: str
    language: str
    words: frozenset[str]
    letters: frozenset[str]


def _latin(codec: str, title: str, language: str, words: str, letters: str) -> _Latin:
    both = frozenset(letters + letters.upper()) - {"S"}
    return _Latin(codec, title, language, frozenset(words.split()), both)


_WESTERN = ("cp1252", "Windows-1252")
_CENTRAL = ("cp1250", "Windows-1250")
_LATIN = (
    _latin(*_WESTERN, "French", "un une de la le les des avec sur dans du aux est qui femme homme"
           " rouge bleu fille chat deux sous devant en une son se", "àâæçéèêëîïôœùûüÿ"),
    _latin(*_WESTERN, "Spanish", "un una de la el los las con en del por para y muy mujer hombre"
           " rojo azul se su sobre", "áéíñóúü"),
    _latin(*_WESTERN, "Italian", "un una di la il lo gli le con in che nel della uno donna uomo"
           " gatto su del rosso", "àèéìíòóùú"),
    _latin(*_WESTERN, "Portuguese", "um uma de com em do da no na mulher homem para os as sobre"
           " vermelho azul", "áàâãçéêíóôõú"),
    _latin(*_WESTERN, "German", "ein eine einen einem einer der die das dem den mit auf und von im"
           " in ist vor frau mann hund katze am an rot blau", "äöüß"),
    _latin(*_WESTERN, "Dutch", "een de het van op met en in is vrouw man hond kat voor", "éëïóöü"),
    _latin(*_WESTERN, "Scandinavian", "en et ein ei med av på och og i som er är ett den det till"
           " kvinna mand kvinde mann", "åäöøæé"),
    _latin(*_CENTRAL, "Polish", "na z w i o do jest oraz pod nad przy po kobieta kot pies dom"
           " czerwony niebieski stoi siedzi", "ąćęłńóśźż"),
    _latin(*_CENTRAL, "Czech", "na v s a u z je ve ze po pod nad pes jako stoji sedi",
           "áčďéěíňóřšťúůýžľĺŕôä"),
    _latin(*_CENTRAL, "Hungarian", "egy a az piros kutya macska van fekete fehér kék zöld áll ül",
           "áéíóöőúüű"),
    _latin(*_CENTRAL, "Croatian", "na u i s je sa iz od kod pod za crvena pas", "čćđšž"),
    _latin(*_CENTRAL, "Romanian", "un o de la cu pe din in si fata", "ăâîşţ"),
    _latin("cp1254", "Windows-1254", "Turkish", "bir ve ile bu kedi mavi beyaz siyah olan için"
           " duran çok kadın adam masa", "çğıiöşüâîû"),
)  # fmt: skip
_SAID = frozenset(_QUOTES + _SIGNS)
# Where these read the same bytes as other letters, Windows-1252 is one of several.
_OTHERS = ("cp1250", "cp1254", "cp1257")


def weigh_western(data: bytes) -> Weight | None:
    """Windows-1252 (and Latin-1), or Windows-1250 or -1254 where the words say so."""
    counts: list[tuple[int, bool, _Latin, str]] = []
    for one in _LATIN:
        text = data.decode(one.codec, "replace")
        count = len(one.words & set(re.findall(r"[^\W\d_]+", text.lower())))
        own = {mark for mark in text if mark > "\x7f"} - _SAID
        counts.append((count, own <= one.letters and _in_words(text), one, text))
    text = data.decode("cp1252", "replace")
    western = _is_western(text)
    fits = sorted((found for found in counts if found[0] and found[1]), key=lambda f: -f[0])
    if fits and fits[0][0] > 1:
        count, _, best, said = fits[0]
        sure = all(other[3] == said or other[0] < count for other in fits)
        if best.codec == "cp1250":  # ISO 8859-2 has most of its letters elsewhere
            sure = sure and count > 2 and data.decode("iso8859_2", "replace") == said
        if sure or best.codec != "cp1252":
            why = f"{count} of its words are {best.language}, and so are all its letters"
            return Weight(best.codec, best.title, said, 1.0, 1.0, sure, why)
    if not western:
        return None
    same = all(data.decode(codec, "replace") == text for codec in _OTHERS)
    against = not fits and any(count > 1 for count, *_ in counts)
    number = sum(mark > "\x7f" for mark in text)
    why = f"read so, {number} letters and signs stand as in Latin words"
    if not same:
        why += ", as they do in others of Windows' encodings"
    return Weight(*_WESTERN, text, 1.0, 1.0, same and not against, why)


_INSIDE = regex(r"[^\W\d_][“”–—•…«»¡¿§©®°£€´ªº][^\W\d_]")
_APOSTROPHE = regex(r"([^\W\d_]+)[’‘]([^\W\d_]+)")
_ENDS = frozenset({"s", "t", "d", "m", "ll", "re", "ve", "clock", "em"})


def _in_words(text: str) -> bool:
    """False for signs inside words, as letters of DOS and old Macintoshes come out."""
    if _INSIDE.search(text) or re.search(r"[^\W\d_]§", text):
        return False
    return all(
        after.lower() in _ENDS if len(before) > 2 else before.lower() != "ni" or after != "a"
        for before, after in _APOSTROPHE.findall(text)
    )


def _is_western(text: str) -> bool:
    """True for letters that stand as in Western European words: one or two beyond ASCII together,
    beside plain ones. Bytes of other scripts come in runs, or are other signs."""
    if "\ufffd" in text or not _in_words(text):
        return False
    for run in _HIGH.findall(text):
        if _FEW.fullmatch(run) is None:
            return False
    for match in _WORD.finditer(text):
        word = match[0]
        if word.isascii():
            continue
        if not any(mark.isascii() for mark in word) and word not in _ALONE:
            return False
        if not (word.isupper() or all(m.isascii() or m.islower() for m in word[1:])):
            return False
    return True
