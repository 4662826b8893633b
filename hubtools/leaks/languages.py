"""Words for keys, tokens and secrets in other languages than English, and what a value beside one
is.

A word for a key means one of a door, a text or a piano as often. So a value behind it counts only
if chance drew it, and digits of a hash only where nothing but the word stands before them; behind
`API key`, `access key` and `secret key` in these languages a value is judged as behind `api_key`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator

from hubtools.leaks.guesses import is_drawn, is_hex, looks_random
from hubtools.leaks.marks import by_mark, words_in
from hubtools.patterns import regex

# Words for a key; those that other words end in (`enclave`) count where no letter is before them.
_JOINED_KEYS = (
    *(
        "schlüssel",
        "schluessel",
        "sleutel",
        "nyckel",
        "nøgle",
        "nøkkel",
        "avain",
        "kulcs",
        "anahtar",
    ),
    *("キー", "鍵", "키", "열쇠", "مفتاح", "מפתח", "कुंजी", "คีย์", "กุญแจ", "钥匙", "鑰匙", "钥"),
)
_APART_KEYS = (
    *(
        "clé",
        "clef",
        "cle api",
        "cle_api",
        "cle-api",
        "clave",
        "llave",
        "chave",
        "chiave",
        "klucz",
        "klíč",
    ),
    *("ключ", "khóa", "khoá", "kunci", "κλειδί", "κλειδι", "cheie", "cheia"),
)
_KEYS = frozenset((*_JOINED_KEYS, *_APART_KEYS))
# Words for a key of a cipher, a token, a secret: no door has one.
_SURE = (
    *(
        "密钥",
        "密鑰",
        "金钥",
        "金鑰",
        "秘钥",
        "秘鑰",
        "秘密鍵",
        "令牌",
        "權杖",
        "权杖",
        "凭证",
        "憑證",
        "トークン",
    ),
    *(
        "シークレット",
        "토큰",
        "시크릿",
        "токен",
        "секрет",
        "jeton",
        "geheimnis",
        "geheim",
        "secreto",
        "segredo",
    ),
    *(
        "segreto",
        "sekret",
        "tajemství",
        "hemlighet",
        "hemmelighe",
        "salaisuus",
        "belirte",
        "rahasia",
    ),
    *(
        "رمز",
        "توكن",
        "السر",
        "אסימון",
        "טוקן",
        "סוד",
        "टोकन",
        "โทเค็น",
        "โทเคน",
        "διακριτικό",
        "μυστικό",
    ),
    *("titok", "mã thông báo", "mã truy cập", "bí mật", "credencial", "credenziali"),
    *(
        "token api",
        "token de api",
        "token de acceso",
        "token de acesso",
        "token di accesso",
        "token d'accès",
    ),
    *("token d’accès", "token dostępu"),
)
_APART = frozenset((*_APART_KEYS, *(word for word in _SURE if word.isascii())))
LANGUAGES = (*_JOINED_KEYS, *_APART_KEYS, *_SURE)
"""All of these words, in small letters."""
_ALL = frozenset(LANGUAGES)
_IN_ASCII = by_mark(
    (word for word in LANGUAGES if word.isascii()), ("kl", "ku", "sl", "ck", "ch", "av", "cre")
)
_IN_ALL = by_mark(LANGUAGES, ("кл", "キ", "钥", "鑰", "密", "ü", "é", "ø", "kl", "ku", "ch", "av"))

# What makes a word for a key one for an API key, an access key or a secret key: before, behind.
_STRONG_BEFORE = regex(
    r"(?:api|апи|эпи|एपीआई|acc[eè]s|access|zugriffs?|zugangs?|client|service|toegangs?|åtkomst|adgangs?|tilgangs?"
    r"|geheime?[nrs]?|secret|hemliga?|hemmelige?|salai\w{2,4}|sitzungs|sessions?|(?:ver|ent)schlüsselungs|master|soukrom[ýy]|krypterings?|pääsy|käyttö\w{0,8}|gizli|erişim|privat\w{0,3}|privé|tajn[yý]|titkos|hozzáférési"
    r"|секретн\w{2}|секретний|закрыт\w{2}|закритий|приватн\w{2}|доступ[ау]?|μυστικό|ιδιωτικό"
    r"|アクセス|シークレット|サービス|秘密|私有|访问|訪問|存取|私|認証|暗号化?|署名|加密|签名|簽名|認證|认证|암호화|액세스|접근|비밀|개인|인증|गुप्त|एक्सेस|ลับ"
    r"|openai|anthropic|hugging ?face|hf|wandb|aws|azure|google|github|gitlab|stripe|replicate|civitai|openrouter|deepl)"
    r"[\s_-]?\Z"
)
_STRONG_BEHIND = (
    r"(?:api|апи|एपीआई|acc[eè]s|access|acceso|acesso|accesso|secr[eè]te?|secret[ao]|segret[ao]|priv[ée]e?|privad[ao]|privata"
    r"|доступ[ау]?|шифрования|шифрування|подписи|chiffrement|cifrado|cifrad[oa]|criptografia|cifratura|encriptación|session|sesión|sessão|sessione|szyfrowania|šifrování|dostępu|prywatny|tajny|přístupu|přístupový|acces|secretă|privată|akses|rahasia|truy cập|bí mật|riêng"
    r"|الوصول|السري|واجهة|גישה|סודי|πρόσβασης|เข้าถึง|ลับ"
    r"|openai|anthropic|hugging ?face|hf|wandb|aws|azure|google|github|gitlab|stripe|replicate|civitai|openrouter|deepl)"
)
_OF = r"(?:(?:de la|de l['’]|de|d['’]|di|do|da|del|dell['’]|du|für|fuer|zur?|pour|для|к|do|pro|pentru|til|för|for|voor|untuk|van)[ _]?)?"
_BEHIND = rf"(?:[ _-]{_OF}(?P<strong>{_STRONG_BEHIND})(?:[ _-]\w{{1,12}})?(?!\w)|[ _-]{_OF}[^\W\d_]{{1,20}}){{0,3}}"
# Keys that everybody may know.
_OPEN = regex(
    r"(?i)publi[ckqe]|públic|pubblic|pública|öffentlich|offentlig|julkinen|openbar|veřejn|открыт|публичн|відкрит|公开|公開|公\s?\Z|공개|genel|عام|ציבורי"
)
# What says that a value is a hash.
_HASHED = regex(
    r"(?i)md5|sha\d?|hash|хеш|хэш|sum|prüf|somme|校验|校驗|ハッシュ|해시|指纹|指紋|отпечат|fingerprint|crc|etag|uuid|\bid\b"
)
_MINE = regex(
    r"[\s>#*+\-_`•·]*(?:\d{1,2}[.)]\s+)?(?:mein\w{0,2}|notre|ma|mon|mi|mio|minha|meu|la|le|il|el|a|o|de[rnm]?|die|das|min|mijn|mój|můj|мой|мій|наш"
    r"|moja|我的|私の|내|나의|mea|benim)?\s*\Z",
    re.IGNORECASE,
)
_ENDS = regex(
    rf"(?i)(?P<word>{'|'.join(sorted(map(re.escape, LANGUAGES), key=len, reverse=True))})\w{{0,2}}{_BEHIND}\Z"
)
_ENDING = 48  # characters of a word and of what may stand behind it
_LONG = 30  # characters that a value must have where other words stand beside one for a key
WHAT = "a key beside its name"


def there(lower: str, among: Collection[str] | None = None) -> list[str]:
    """Those of the words that are in a text in small letters, and `among` these (None: any)."""
    return words_in(lower, _IN_ASCII if lower.isascii() else _IN_ALL, among)


_RUN = regex(r"[a-z0-9+/=_~.-]{16,}")
_SOME = b"\1" * 16
_OF_RUN = bytes(c < 128 and (chr(c).isalnum() or chr(c) in "+/=_~.-") for c in range(256))
_BEFORE, _AFTER = 500, 1500  # letters around a word in which its value must stand


def places(lower: str, among: Collection[str] | None = None) -> dict[str, list[int]]:
    """Where each of the words is in a text in small letters, if what may be a value is near; of
    those `among` (None: any). Linear in the text."""
    if _SOME not in lower.encode("ascii", "replace").translate(_OF_RUN):
        return {}
    found = there(lower, among)
    if not found:
        return {}
    runs = [run.start() for run in _RUN.finditer(lower)]
    near: dict[str, list[int]] = {}
    for word in found:
        chosen, place = [], lower.find(word)
        while place >= 0:
            run = bisect_left(runs, place - _BEFORE)
            if run == len(runs):
                break
            if runs[run] <= place + _AFTER and _is_word(word, lower[max(0, place - 1) : place]):
                chosen.append(place)
            place = lower.find(word, place + len(word))
        if chosen:
            near[word] = chosen
    return near


def is_name(cell: str) -> bool:
    """Whether a cell ends in a word for a key that opens no door, a token or a secret."""
    ending = cell[-_ENDING:].lower().rstrip()
    if not there(ending) or (found := _ENDS.search(ending)) is None or _OPEN.search(cell):
        return False
    before = ending[: found.start()]
    told = found["word"] not in _KEYS or found["strong"] is not None
    return _is_word(found["word"], before) and (told or _STRONG_BEFORE.search(before) is not None)


def beside(name: str, value: str | None) -> str | None:
    """What `value` is if `name` ends in one of the words; None if it is nothing. Without a value:
    what it might be."""
    ending = name[-_ENDING:].lower()
    if not there(ending) or (found := _ENDS.search(ending)) is None:
        return None
    before = name[: len(name) - len(ending) + found.start()].lower()
    if not _is_word(found["word"], before):
        return None
    strong = found["strong"] is not None
    if value is None:
        return None if _OPEN.search(name[-80:]) else WHAT
    return WHAT if _tells(found["word"], before, value, strong, alone=False) else None


def _is_word(word: str, before: str) -> bool:
    """Whether it is no end of another word."""
    return not before[-1:].isalpha() or word not in _APART


def _tells(word: str, before: str, value: str, strong: bool, *, alone: bool) -> bool:
    """Whether `value` is secret beside the word; `alone`: it stands beside nothing else, in no
    record."""
    if _OPEN.search(before[-24:]):
        return False
    strong = strong or _STRONG_BEFORE.search(before[-24:]) is not None
    if word not in _KEYS and not strong:
        return is_drawn(value) and (not is_hex(value) or _HASHED.search(before[-24:]) is None)
    if strong:
        return looks_random(value)
    if not is_drawn(value):
        return False
    return alone or (len(value) >= _LONG and not is_hex(value))


def keys(
    text: str, words: dict[str, list[int]], form: re.Pattern[str]
) -> Iterator[tuple[int, str]]:
    """(place, value) of everything secret that stands behind one of the words, as `form` says;
    `words`: where each is. Linear in the text."""
    for word, places in words.items():
        if word in _ALL:
            yield from _behind(text, places, word, form)


def _behind(
    text: str, places: list[int], word: str, form: re.Pattern[str]
) -> Iterator[tuple[int, str]]:
    end = 0
    for place in places:
        if place < end:
            continue
        match = form.match(text, place + len(word))
        if match is None:
            continue
        end, start = match.end(), match.start("value")
        value = match["value"].rstrip(".:")
        between = text[place + len(word) : start]
        if _OPEN.search(between):
            continue
        line = text[max(0, text.rfind("\n", 0, place) + 1, place - 60) : place]
        alone = _is_alone(text, line, between, start, value)
        if _tells(word, line.lower(), value, match["strong"] is not None, alone=alone):
            yield start, value


# Between a name and its value in sentences.
_SAID = r"\s{0,4}(?:ist|lautet|est|es|è|é|is|är|er|on|to|jest|je|это|є|adalah|là|είναι|este|:?—|–|是|为|為|は|는|은)[\s:：]{0,4}"
_PLAIN = regex(rf"\w{{0,2}}(?:\s?[^\w\s\"'<>|]{{0,2}}[:=：＝»—–]|{_SAID})\s?[«\"'`„“”「『]?\s?\Z")


def _is_alone(text: str, line: str, between: str, start: int, value: str) -> bool:
    """Whether nothing but the word and a sign stands before a value, in a line that is none of a
    list of hashes."""
    end = start + len(value)
    if (
        _MINE.fullmatch(line) is None
        or _PLAIN.match(between) is None
        or _ENDED.match(text, end) is None
    ):
        return False
    if not is_hex(value):
        return True
    around = text[max(0, start - 400) : start] + "\n" + text[end : end + 400]
    return all(len(other[0]) != len(value) for other in _HEXES.finditer(around))


_ENDED = regex(r"[\s.,;:!\"'`»”」』]{0,9}(?:[\n\r#]|\Z)")
_HEXES = regex(r"(?<!\w)[0-9a-fA-F]{32,128}(?!\w)")


_VALUE = r"[^\s\"'`\\,;<>(){}\[\]|«»“”„「」『』、。，；]{16,400}"


def form(sign: str) -> re.Pattern[str]:
    """What stands behind one of the words: what the key is for, a sign (`sign`, a pattern) or a
    word for "is", the value."""
    return regex(
        rf"(?i:\w{{0,2}}{_BEHIND}(?: ?[(（][^()（）\n]{{1,30}}[)）])?)(?:{sign}|{_SAID})"
        rf"(?:[«„“”「『‚‹]\s?)?(?P<value>{_VALUE})"
    )
