"""What the name beside a value says: whether it is that of a key, a token or a password, so that
the value is secret if chance drew it.

Of a name that ends in `key` the word before that decides: a service or a cipher has keys that are
secret, a table, a cache or a picture has keys that are not. Of any other word the value decides.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from enum import Enum

from hubtools.leaks import languages
from hubtools.leaks.guesses import (
    SHORTEST,
    entropy,
    is_drawn,
    is_hash,
    is_hex,
    is_mixed,
    is_placeholder,
    is_uuid,
    looks_random,
)
from hubtools.patterns import regex


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WORDS = ("key", "token", "secret", "auth", "authorization", "credential", "credentials", "webhook")
PASSWORDS = (
    *("password", "passwd", "passphrase", "passwort", "pwd", "pass", "passcode", "pw", "psw"),
    *("kennwort", "mot de passe", "contraseña", "senha", "wachtwoord", "hasło", "пароль"),
    *(
        "密码",
        "密碼",
        "パスワード",
        "비밀번호",
        "口令",
        "暗証番号",
        "암호",
        "รหัสผ่าน",
        "पासवर्ड",
        "پسورد",
    ),
    *(
        "parola d'ordine",
        "parola d’ordine",
        "parola",
        "parolă",
        "şifre",
        "sifre",
        "lösenord",
        "losenord",
        "heslo",
        "jelszó",
        "jelszo",
    ),
    *("salasana", "parool", "slaptažodis", "lozinka", "geslo", "adgangskode", "passord"),
    *("haslo", "contrasenya", "kata sandi", "mật khẩu", "mat khau", "парола", "лозинка"),
    *("κωδικός πρόσβασης", "κωδικός", "συνθηματικό", "סיסמה", "סיסמא", "كلمة المرور", "كلمة السر"),
    *("رمز عبور", "گذرواژه"),
)
# What stands before `key` where the value is secret, also as the end of a longer word.
_STRONG = (
    "api", "auth", "access", "secret", "service", "account", "client", "private", "encryption",
    "signing", "master", "admin", "hub", "hf", "huggingface", "wandb", "comet", "civitai",
    "openai", "replicate", "aws", "azure", "gcp", "kaggle", "neptune", "clearml",
    "subscription", "application", "deploy", "bot", "my", "rapidapi", "unsplash", "pexels",
    "pixabay", "flickr", "danbooru", "gelbooru", "pixiv", "modal", "roboflow", "ideogram",
    "bfl", "leonardo", "prodia", "groq", "gemini", "anthropic", "deepseek", "dashscope",
    "minio", "rclone", "fal", "runpod", "mistral", "cohere", "together", "elevenlabs",
    "stability", "deepl", "datadog", "sentry", "mlflow", "storage", "service_role", "service-role",
    "servicerole",
)  # fmt: skip
# The same, as a whole word: of ciphers and signatures, of programs and their sessions, of services.
_KNOWN = _words(
    "aes aes128 aes192 aes256 ai21 airtable aleph algolia alibaba amplitude apify app appkey appwrite assemblyai"
    " baseten bedrock bing blowfish brave brevo bugsnag cerebras chacha20 cipher clerk clickup cloudconvert cloudflare"
    " cloudinary coinbase comfy comfyui contentful cookie crypt crypto csrf datarobot decrypt decryption deepgram"
    " deepinfra digitalocean discord docker dropbox duffel e2b ecdsa ed25519 encrypt exa fastly fernet figma firebase"
    " firecrawl fireworks freepik fullstory gcs giphy gitea github gitlab google grafana grok helicone heroku hmac"
    " hmac256 honeycomb hubspot hyperbolic ikm imgbb imgur intercom ipinfo jina jira jwe jwk jwt kek klaviyo kling"
    " krea labelbox lambdalabs langfuse langsmith lemonfox licence license linode livekit logfire mailchimp"
    " mailersend mailgun mailjet mapbox meilisearch midjourney mixpanel moonshot nacl nebius netlify newrelic ngrok"
    " notion novita nvidia oauth okta ollama onesignal openrouter openweather openweathermap otp pagerduty paypal"
    " pepper perplexity photoroom pinata pinecone plaid portkey posthog postman psk pulumi pusher qdrant razorpay"
    " readwise recraft redis remini resend rollbar rsa runway runwayml salsa20 sambanova sas scraperapi segmind"
    " sendgrid serp serpapi serper session shodan shopify signature siliconflow slack snowflake spotify ssl"
    " stabilityai stream stripe suno supabase supervisely symmetric synthesia tavily telegram tinify tinypng tls tmdb"
    " totp twilio twitch twitter typesense unseal upscayl upstash vastai vault vercel vertex virustotal voyage vpn"
    " wallet weaviate webflow webhook wep wifi wireguard wpa x25519 xai yandex youtube zapier zendesk zhipu"
)
# What keys that anybody may know belong to: rows, caches, texts and pictures, pianos, users.
_OPEN = _words(
    "accelerator accession actor additional album alias allowed alt alternate anchor animal anime annotation answer"
    " any apt arg args argument array arrow article artifact artist artwork asset atom attr attribute attrs author"
    " avatar badge base batch bbox bibtex bin binding bird bit blob block board body book bookmark bool both branch"
    " brand build building bundle byte cache cached call caption car card career case cat category celebrity cell"
    " change changed char character chart check checkpoint checksum child chord chunk chunked citation cite"
    " city class clip cloth clue clustering code col collection color colour column comic command comment commit"
    " common compare component composite compound concept container context control coord copy correlation count"
    " country cp crate create crop ctrl cur cursor custom dark dataset dataverse date day dedup dedupe def"
    " default del delete dep dependency depth dict dictionary diff digest dim dir directory dish distinct doc door"
    " down draft drawing duplicate each edge element else embed embedding emoji empty end enter entity entry enum env"
    " episode equality error esc escape etag event exam example expected external extra fabric face fact family"
    " feature fee fetch field figure file filename film filter final finding fingerprint first fit fk flag flower"
    " folder font food for foreign format found frame from frozen full func function gallery garment gene genre geo"
    " get gif gpg graph grid group grouping guess gui guid has hash hashed hat hdr head header help hidden high"
    " history hit home hot house hyper hyperparameter i18n icon id idempotency ident identifier identity ids idx ignore"
    " image images img import in include index info init inner input instruction int integrity intent interval invalid inventory"
    " is issue item items iter job join json keep kernel key keyed keyframe keypoint kind kwarg l10n label landmark lang"
    " language last latent layer leading leaf left lemma letter level library light like line linear link linked list"
    " load loader local locale location lock log logo long lookup lora loss low lower macro major manga map mapped mapping"
    " mark markdown mask match matching material max md5 media meme memo memory menu merge mesh meta metadata method"
    " metric mid middle migration min minor missing mock mode model month mouse move movie multi music musical name"
    " named natural nested next no non none not null num number numeric obj object observation of offset on"
    " one only op optimizer option order ordering origin original other out outer outfit output package page"
    " pagination painting pair panel paper paragraph param parameter params parent parquet part partial partition"
    " patch path pathway patient pattern perceptual permission person pgp phase phash phone photo phrase piano pic"
    " picture piece pipeline pixel pk place plain plant plot plugin poem point polygon pos pose post pref preference"
    " prefix press pretrained prev preview primary print problem process prompt prop property protobuf pub"
    " public publishable quality quantity query question queue random range rank rate raw recipe record recording"
    " redirect reducer reel ref reference related render report request required res resize resource response result"
    " return revision right rnn role route routing row rpm rule run s3 safe sample sampled sampler scene schedule"
    " schema score screen script search season second secondary section seen segment select semantic sensor sentence"
    " sep sequence series set setting settings sha sha1 sha256 sha512 shader shape shard sheet shift short shot show sibling"
    " side signal single size sketch skill sku slice slot slug snapshot solution some song sort sorted sorting sound"
    " source space span speaker spec special split spreadsheet sprite src ssh start stat state stats status stem step"
    " sticker stock story str street string struct study style sub subkey submission subtitle suffix suite sum summary"
    " surrogate survey switch symbol sync synonym tab table tag target task temp template tensor tensors term text"
    " texture that the thread thumb thumbnail thumbprint tick ticket tier tile time timestamp title tmp to toggle"
    " token tokenizer tool topic trace track tracking train trait transaction transform translation translator tree"
    " trigger triple true tuple tweet txn type types unique unit unknown up update upper uri url usage username utt"
    " utterance uuid val valid validation value var variable variant vec vector vehicle verb verification verify"
    " verifying version vid video view viewer visible vocab voice walk watch weight weights widget window with word"
    " wrong xref yaml year your zip"
)
# The same, but not where the name is one of a variable of the environment.
_OF_RECORDS = _words(
    "backup current new old previous bucket channel cluster config content customer data database db device disk document domain form game"
    " global host instance main manifest message module mount namespace node notebook org owner peer policy pool"
    " product profile project region registry release remote repo repository room shop site store subject team user"
    " volume worker workflow"
)
# Two of them that Azure writes on keys of 64 bytes.
_OF_AZURE = ("primary", "secondary")
_OF_64_BYTES = 88
_AZURE = regex(r"[A-Za-z0-9+/]{86}==\Z")
# Whole names of variables and headers. Of the words above, those that services are named after
# (Azure Functions, Google Maps): they tell in such a name, unlike what is stored or looked up.
_VARIABLE = regex(r"(?<![A-Za-z0-9_.-])[A-Z][A-Z0-9_]*_\Z")
_HEADER_NAME = regex(r"(?i)(?<![\w-])x-(?:[a-z0-9]+-)+\Z")
_SERVICES = _words("face functions language maps translator")
# The same, beside the name of a service; the first two alone tell beside other than hexadecimal digits.
_SERVED = _words("search token batch event function places")
_ALONE = _words("search token")
# Two words that are one name: of Azure, and of keys that sign and encrypt cookies.
_PAIRS = frozenset({("event", "grid"), ("securecookie", "hash"), ("securecookie", "block")})
_ENDS_SERVED = frozenset({"s3", *_SERVICES, *_SERVED, *(last for _, last in _PAIRS)})
_CAMEL = regex(r"[A-Z]?[a-z0-9]+\Z|[A-Z0-9]+\Z")
_OPTION = regex(r"(?i)(?:(?<![\w-])--|\bx-)[\w-]{1,40}\Z")  # `--foo-key`, `X-Foo-Key`
_SPLIT = regex(r"[^a-z0-9]+")
_OF_CHANCE = 32
_MIXED = regex(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9+/_-]{32,}={0,2}\Z")
_ALNUM = string.ascii_letters + string.digits
_PARTS = ("_", ".", "-", " ")
_LAST = 24  # characters of a name's end
# Tokens that nobody is hurt by.
_WEAK = regex(
    r"(?i)(?:page|next|sync|continuation|cursor|pad|eos|bos|unk|mask|sep|cls|trigger|instance|class)[_. -]?\Z"
)
_CLOUD = regex(r"(?i)aws|secret|s3|storage")


def _ending_in(words: tuple[str, ...]) -> re.Pattern[str]:
    return regex(
        rf"(?i)({'|'.join(words)})(?:e?s)?(?:[ _.-]?(?:\d{{1,2}}|v\d|value|prod|dev|live|data|hex|b64|base64))?\Z"
    )


_ENDS = _ending_in((*WORDS, *PASSWORDS))
_ENDS_IN_ASCII = _ending_in((*WORDS, *(word for word in PASSWORDS if word.isascii())))
_ENDING = 28  # characters of the longest word and of what may stand behind it
_SOLID = regex(r"[A-Za-z0-9]{16,}")
# Letters that what nobody knows by its name must have, if no name of a variable says what it is:
# more than identifiers have (KSUID: 27).
_LONG = 30


def _bare(before: str) -> str:
    return before[-_LAST:-1] if before[-1:] in _PARTS else before[-_LAST:]


def _is_strong(bare: str) -> bool:
    return bare.lower().endswith(_STRONG)


def _is_known(bare: str) -> bool:
    return _last(bare).lower() in _KNOWN


def _last(bare: str) -> str:
    """The word that a name ends in: `baz` of `foo_baz` and of `fooBaz`, as it is spelt."""
    word = bare[len(bare.rstrip(_ALNUM)) :]
    if word.islower() or word.isupper():
        return word
    found = _CAMEL.search(word)
    return found[0] if found else word


class _Kind(Enum):
    """Whose key a name speaks of."""

    ACCOUNT = "of an account or a service"
    CIPHER = "of a cipher, a program or a session"
    VARIABLE = "of nobody knows what, in a variable of the environment, an option or a header"
    UNKNOWN = "of nobody knows what"
    SERVED = "of a service whose name has another meaning, in a variable or a header"
    MAYBE_SERVED = "the same, where hexadecimal digits are a hash at least as often"
    STORAGE = "of storage, in a variable; else the path of an object, or its hash"
    OPEN = "of rows, caches, pictures: anybody may know it"


def _kind(before: str, key: str) -> _Kind:
    """What a name that ends in `before` and `key` (as it is spelt) speaks of."""
    bare = _bare(before)
    if _is_strong(bare):
        return _Kind.ACCOUNT
    if _is_known(bare):
        return _Kind.CIPHER
    return _unlisted(before, key) or _served(before, key) or _Kind.OPEN


def _unlisted(before: str, key: str) -> _Kind | None:
    """For a name whose last word is neither known for secret keys nor for open ones."""
    sign = before[-1:]
    variable = sign == "_" and key.isupper()
    if sign.isalnum():
        if not (key[:1].isupper() and key[1:].islower()):
            return None  # `monkey`
        word = _last(before[-_LAST:])
    elif sign and sign in "_.-":
        word = _last(before[-_LAST:-1])
        variable = variable or (sign == "-" and _OPTION.search(before) is not None)
    else:
        blanks = before.rstrip(" \t")
        alone = key.isupper() and (not blanks or blanks.endswith(("\n", "export")))
        return _Kind.UNKNOWN if alone else None
    word = word.lower()
    plain = word.rstrip("0123456789")
    if not plain or ((len(plain) < 2 or plain in _OF_RECORDS) and not variable):
        return None
    if _OPEN & {word, plain, plain.removesuffix("s")}:
        return None
    return _Kind.VARIABLE if variable else _Kind.UNKNOWN


def _served(before: str, key: str) -> _Kind | None:
    """For the whole name of a variable in capitals, or of a header, that ends in what a service is
    named after."""
    sign = "_" if key.isupper() else "-"
    word = _last(before[-_LAST:-1]).lower()
    if before[-1:] != sign or word not in _ENDS_SERVED:
        return None
    whole = (_VARIABLE if sign == "_" else _HEADER_NAME).search(before[-60:])
    if whole is None:
        return None
    *others, last = _SPLIT.split(whole[0].lower().rstrip("_-"))
    if last == "s3":
        return _Kind.STORAGE if sign == "_" else _Kind.MAYBE_SERVED
    if last in _SERVICES or (others and (others[-1], last) in _PAIRS):
        return _Kind.SERVED
    if last not in _SERVED:
        return None
    if any(word in _KNOWN or word in _STRONG for word in others):
        return _Kind.SERVED
    return _Kind.MAYBE_SERVED if last in _ALONE else None


def may_tell(before: str, key: str = "key") -> bool:
    """Whether a value behind a name that ends in `before` and `key` (as it is spelt) may be secret:
    it is one of an account or a cipher, or nobody knows that it is open."""
    return _kind(before, key) is not _Kind.OPEN


def is_key(before: str, key: str, value: str, *, assigned: bool) -> bool:
    """Whether `value` is secret beside a name that ends in `before` and `key`. `assigned`: the
    name and the value have an equals sign between them, so it is no record."""
    kind = _kind(before, key)
    if kind is _Kind.UNKNOWN and assigned:
        kind = _Kind.VARIABLE
    if _TELLS[kind](before, key, value):
        return True
    if kind in _OF_SERVICES or kind is _Kind.OPEN:
        return _is_of_azure(before, value)
    return False


def _is_of_chance(value: str) -> bool:
    """Whether a value is long enough for what services give, and chance drew it."""
    return len(value) >= _OF_CHANCE and is_drawn(value)


def _is_mixed_or_hex(value: str) -> bool:
    return is_hex(value) or _MIXED.match(value) is not None


def _is_of_azure(before: str, value: str) -> bool:
    if len(value) < _OF_64_BYTES:
        return False
    last = before[-12:].lower().rstrip("_.- ")
    return last.endswith(_OF_AZURE) and _AZURE.match(value) is not None


_OF_SERVICES = (_Kind.SERVED, _Kind.MAYBE_SERVED, _Kind.STORAGE)
# What a value must be, beside (before, key) of each kind, to be secret.
_TELLS: dict[_Kind, Callable[[str, str, str], bool]] = {
    _Kind.ACCOUNT: lambda before, key, value: looks_random(value),
    _Kind.CIPHER: lambda before, key, value: is_drawn(value) or (key.isupper() and is_uuid(value)),
    _Kind.VARIABLE: lambda before, key, value: is_drawn(value),
    _Kind.UNKNOWN: lambda before, key, value: (
        len(value) >= _LONG and not is_hex(value) and is_drawn(value)
    ),
    _Kind.SERVED: lambda before, key, value: _is_of_chance(value) and _is_mixed_or_hex(value),
    _Kind.MAYBE_SERVED: lambda before, key, value: (
        _is_of_chance(value) and not is_hex(value) and _MIXED.match(value) is not None
    ),
    _Kind.STORAGE: lambda before, key, value: (
        _is_of_chance(value) and not is_hex(value) and is_cloud_secret(before, value)
    ),
    _Kind.OPEN: lambda before, key, value: False,
}


def is_open(before: str) -> bool:
    """True if what stands before a telling word says that nobody is hurt by the value."""
    return _WEAK.search(before) is not None


def is_cloud_secret(name: str, value: str) -> bool:
    """Whether this is a secret access key of AWS: 40 characters of base64 beside such a name."""
    return (
        len(value) == 40
        and _CLOUD.search(name) is not None
        and re.fullmatch(r"[A-Za-z0-9/+]{40}", value) is not None
        and not is_hex(value)
        and not is_placeholder(value)
        and entropy(value) > 3.5
    )


def beside(name: str, value: str | None, *, assigned: bool = False) -> str | None:
    """What `value` is if `name` ends in a word that tells; None if it is nothing. Without a value:
    what it might be. `assigned`: as of `is_key`."""
    ending = name[-_ENDING:]
    found = (_ENDS_IN_ASCII if ending.isascii() else _ENDS).search(ending)
    if found is None:
        return languages.beside(name, value)
    word = found[1].lower()
    before = name[: len(name) - len(ending) + found.start()][-60:]
    if word in PASSWORDS:
        if not is_alone(word, before):
            return None
        chosen = value is None or (is_mixed(value) and not is_hash(value))
        return "a password beside its name" if chosen else None
    if is_open(before) or (value is not None and len(value) < SHORTEST):
        return None
    if word == "token" and value is not None and found[0].lower().startswith("tokens"):
        solid = _SOLID.search(value)  # tokens of a text are words
        if solid is None or not any(c.isdigit() for c in solid[0]):
            return None
    if word == "key":
        if value is None:
            chosen = may_tell(before, found[1])
        else:
            chosen = is_key(before, found[1], value, assigned=assigned)
    else:
        chosen = value is None or looks_random(value)
    if value is not None and (word != "key" or chosen) and is_cloud_secret(name, value):
        return "an AWS secret key"
    return "a key beside its name" if chosen else None


# Short words that others end in, and what may stand right before them in a name.
_SHORT = ("pass", "pwd", "pw", "psw")
_JOINED = regex(
    r"(?i)(?<![a-z])(?:root|rootbind|bind|db|my|user|admin|wifi|ftp|sql|ldap|sudo|login|require|remote|smtp|imap|proxy|store|vpn|redis)\Z"
)


def is_alone(word: str, before: str) -> bool:
    """Whether a word for a password is one behind `before`, and not the end of another word."""
    if word not in _SHORT or not before[-1:].isalpha():
        return True
    return _JOINED.search(before) is not None
