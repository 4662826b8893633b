"""Made-up keys and tokens beside their names in other languages than English, and what stands
beside a word for a key and is none."""

from __future__ import annotations

import hashlib
import random
import string
import uuid
from collections.abc import Iterator

LETTERS = string.ascii_letters + string.digits

# What a value stands behind, in notes: of an API key, an access key, a token, a secret.
NAMES: dict[str, tuple[str, ...]] = {
    "de": ("API-Schlüssel: ", "Schlüssel = ", "Zugriffsschlüssel: ", "Zugangstoken: ", "geheimer Schlüssel: ", "Der API-Schlüssel lautet ", "Client-Geheimnis: ", "Sitzungsschlüssel: "),
    "fr": ("clé API : ", "clé secrète: ", "Clé d'accès : ", "Ma clé d’API est ", "clé : « ", "jeton d'accès : ", "cle_api=", "jeton d’authentification : ", "clé de chiffrement : "),
    "es": ("clave de API: ", "clave: ", "clave secreta = ", "clave de acceso: ", "llave de API: ", "secreto: "),
    "pt": ("chave de API: ", "chave: ", "chave de acesso = ", "chave secreta: ", "segredo: "),
    "it": ("chiave API: ", "chiave di accesso: ", "chiave segreta = ", "chiave = "),
    "nl": ("API sleutel: ", "API-sleutel = ", "toegangssleutel: ", "geheime sleutel: "),
    "pl": ("klucz API: ", "klucz dostępu: ", "tajny klucz = ", "token dostępu: "),
    "cs": ("klíč API: ", "API klíč = ", "přístupový token: ", "tajný klíč: "),
    "sv": ("api nyckel: ", "API-nyckel = ", "åtkomstnyckel: ", "hemlig nyckel: "),
    "da": ("API-nøgle: ", "adgangsnøgle = ", "hemmelig nøgle: "),
    "no": ("API-nøkkel: ", "tilgangsnøkkel = ", "hemmelig nøkkel: "),
    "fi": ("API-avain: ", "salainen avain = ", "pääsyavain: "),
    "tr": ("API anahtarı: ", "anahtar: ", "gizli anahtar = ", "erişim anahtarı: ", "erişim belirteci: "),
    "ru": ("ключ API: ", "API-ключ = ", "токен: ", "ключ доступа: ", "секретный ключ: ", "секрет = ", "Мой ключ — ", "ключ: "),
    "uk": ("ключ API: ", "токен доступу: ", "секретний ключ = ", "ключ доступу: "),
    "zh": ("密钥: ", "API密钥：", "令牌: ", "访问密钥＝", "访问令牌：", "密鑰：", "金鑰: ", "API密钥是", "存取權杖："),
    "ja": ("API キー: ", "APIキー：", "トークン: ", "アクセスキー＝", "秘密鍵：", "シークレット: ", "APIキーは「", "ＡＰＩキー：", "APIｷｰ: ", "暗号化キー: "),
    "ko": ("API 키: ", "토큰: ", "액세스 키 = ", "비밀 키：", "시크릿: ", "액세스 토큰: "),
    "ar": ("مفتاح API: ", "مفتاح الوصول: ", "رمز الوصول: ", "المفتاح السري = "),
    "he": ("מפתח API: ", "מפתח גישה = ", "אסימון: ", "מפתח סודי: "),
    "hi": ("API कुंजी: ", "एपीआई कुंजी = ", "टोकन: ", "गुप्त कुंजी: "),
    "vi": ("khóa API: ", "khóa truy cập = ", "khóa bí mật: ", "mã thông báo: "),
    "id": ("kunci API: ", "kunci akses = ", "kunci rahasia: "),
    "th": ("คีย์ API: ", "กุญแจ API = ", "โทเค็น: "),
    "el": ("κλειδί API: ", "κλειδί πρόσβασης = ", "μυστικό κλειδί: ", "διακριτικό: "),
    "hu": ("API-kulcs: ", "API kulcs = ", "hozzáférési kulcs: ", "titkos kulcs: "),
    "ro": ("cheie API: ", "cheie de acces = ", "cheia secretă: ", "jeton: "),
}  # fmt: skip
# The same in other forms than a line; K: 32 letters and digits, H: 32 hexadecimal digits.
FORMS: dict[str, str] = {
    "json": '{{"API-Schlüssel": "{H}"}}',
    "json in russian": '{{"ключ_api": "{K}", "имя": "x"}}',
    "yaml": "clé_api: '{H}'\n",
    "yaml list": "API密钥:\n  - {K}\n",
    "heading": "## Clé API\n\n```\n{H}\n```\n",
    "heading in chinese": "# API 密钥\n\n`{K}`\n",
    "heading in russian": "## Ключ API\n{H}\n",
    "python": 'ключ_api = "{H}"\n',
    "cell": "| API-Schlüssel | {K} |\n",
    "cell of a table": "name;wert\nZugriffsschlüssel;{K}\n",
    "column": "Dienst;API-Schlüssel\nOpenAI;{H}\n",
    "column in french": "nom,clé API,note\nOpenAI,{K},x\n",
    "column in russian": "имя,ключ API\nx,{H}\n",
    "column in chinese": "名称,API密钥\nx,{K}\n",
    "column of markdown": "| Dienst | API-Schlüssel |\n|---|---|\n| x | {H} |\n",
    "bold": "**Clé API :** `{H}`\n",
    "quotation": "Clé API : « {K} »\n",
    "arrow": "clé API » {H}\n",
    "japanese quotation": "APIキー：「{K}」\n",
    "remark": "API-Schlüssel (nur lesen): {H}\n",
    "openai": "OpenAI-Schlüssel: {K}\n",
    "clé openai": "clé OpenAI : {K}\n",
    "item": "- ключ: {K}\n- замок: синий\n",
    "xml": "<Schlüssel>{K}</Schlüssel>",
    "sentence": "photo de la porte, ma clé d'API est {K}, merci\n",
    "in captions": "ein Haus\nein Baum\nAPI-Schlüssel: {H}\nein Hund\n",
}
# D, E: MD5, F: SHA-256, U: a UUID, N: a file's name, I: an identifier (KSUID), W: words.
NEAR: tuple[str, ...] = (
    "Bild,Schlüssel\na.png,{D}\nb.png,{E}", "файл,ключ\na.png,{D}", "| 图片 | 钥匙 |\n|---|---|\n| a | {D} |",
    "图片,主键\na.png,{D}", "файл;первичный ключ\na.png;{D}", "image,clé publique\na.png,{K}",
    "ein Schlüssel auf einem Tisch: {N}", "Schlüssel: alt, rostig, auf Holz", "Schlüssel: {U}",
    "Bildschlüssel: {D}", "primärer Schlüssel: {D}", "Schlüssel: {D}\nSchloss: {E}",
    "Schlüssel (MD5): {D}", '{{"Schlüssel": "{D}", "Bild": "{N}"}}', "Schlüssel;{D}\nSchloss;{E}",
    "öffentlicher Schlüssel: {K}", "Schlüsselwörter: Haus, Baum, {N}", "Schlüsselbild: {D}",
    "Fremdschlüssel = {D}", "Cacheschlüssel: {F}", "ein Schlüssel, {D}.png", "Schlüssel {D}",
    "clé : {U}", "une clé sur une table : {N}", "mots-clés : maison, {N}", '{{"clé": "{F}"}}',
    "clé primaire : {D}", "clé publique : {K}", "clé de l'image : {D}", "clé,{D}", "clé : {N}",
    "la clé de la maison est rouge-et-bleue-2024", "une clé à molette : outil_2024_01_05_0001",
    "llave: {N}", "una llave vieja {D}", "palabras clave: {N}", "clave primaria: {D}",
    "clave pública: {K}", "enclave: {F}", "MRENCLAVE = {F}", "conclave: {D}", "clave: {U}",
    "chave de fenda: {N}", "chave estrangeira: {D}", "palavras-chave: casa, {N}",
    "chiave inglese: {N}", "chiave primaria: {D}", "parole chiave: {N}", "chiave: {U}",
    "sleutel: {N}", "sleutelwoorden: huis {N}", "klucz: {N}", "klucz do zamku: {D}",
    "słowa kluczowe: {N}", "klíč: {U}", "nyckel: {N}", "nøgle: {U}", "avain: {N}", "kulcs: {N}",
    "anahtar: {N}", "anahtar kelimeler: {N}", "birincil anahtar: {D}",
    "ключ: {N}", "ключ {D}", "ключ.png {D}", "ключ.png: {D}", "ключ: {D}\nзамок: {E}",
    "ключ: {U}", "ключ изображения: {D}", "первичный ключ: {D}", "ключ кэша = {F}",
    '{{"ключ": "{D}", "файл": "{N}"}}', "ключ\t{D}", "{D}  ключ.png", "контрольная сумма, ключ: {F}",
    "открытый ключ: {K}", "публичный ключ API: {K}", "ключевые слова: дом, {N}", "ключ от дома, {N}",
    "девушка держит ключ: портрет_2024_01_05", "хеш ключа: {F}", "ключ: {I} в таблице картинок",
    "токен: слово", "секрет: дом у реки 1987", "секрет: {N}", "токен: {U}",
    "鍵: {N}", "鍵の写真 {D}", "キー: {U}", "キーボード: {N}", "スキー：{N}", "主キー: {D}",
    '{{"キー": "{D}"}}', "キー：{D}\n値：{E}", "公開鍵: {K}", "鍵を持つ女性、{D}.png",
    "钥匙: {N}", "一把旧钥匙 {D}", "钥匙：一把旧的，{N}", "公钥: {K}", "主键: {D}", "关键词：{N}",
    "密钥: 房子的", "密钥: {U}", "校验和密钥md5: {D}", "令牌: {N}", "钥匙,{D}", '{{"钥匙": "{F}"}}',
    "열쇠: {N}", "키: 180cm, {N}", "키워드: {N}", "토큰: {U}", "열쇠 사진 {D}", "기본 키: {D}",
    "مفتاح: {N}", "مفتاح قديم {D}", "מפתח: {N}", "מפתח ישן {D}", "कुंजी: {N}", "पुरानी कुंजी {D}",
    "chìa khóa: {N}", "từ khóa: {N}", "khóa chính: {D}", "kata kunci: {N}", "kunci: {U}",
    "กุญแจ: {N}", "กุญแจเก่า {D}", "κλειδί: {N}", "λέξεις-κλειδιά: {N}", "cheie: {N}", "cuvinte cheie: {N}",
    "jeton: {N}", "geheim: {N}", "un jeton rouge 2024", "titok: {U}", "rahasia: {N}", "sekret: {U}",
    "API-Schlüssel: <hier eintragen>", "clé API : votre_cle_api_ici", "ключ API: ${{API_KEY}}",
    "API密钥：请填写", "APIキー：xxxxxxxxxxxxxxxxxxxxxxxx", "API 키: ********************",
    "clave de API: os.environ['CLAVE']", "chave de API: YOUR_API_KEY_HERE_1234",
)  # fmt: skip


def _values(r: random.Random) -> dict[str, str]:
    def digest(name: str) -> str:
        return hashlib.new(name, r.randbytes(8), usedforsecurity=False).hexdigest()

    return {
        "K": "aB3" + "".join(r.choice(LETTERS) for _ in range(29)),
        "H": "7f" + "".join(r.choice("0123456789abcdef") for _ in range(30)),
        "D": digest("md5"),
        "E": digest("md5"),
        "F": digest("sha256"),
        "U": str(uuid.UUID(int=r.getrandbits(128))),
        "N": f"IMG_{r.randrange(10**8):08d}_{r.randrange(10**6):06d}.jpg",
        "I": "".join(r.choice(LETTERS) for _ in range(27)),
    }


def planted_in_languages(seed: int = 21) -> Iterator[tuple[str, str, bytes]]:
    """(name of the case, what gives it away, file)."""
    r = random.Random(seed)
    for language, names in NAMES.items():
        for name in names:
            for letter in "KH":
                value = _values(r)[letter]
                yield f"{language}: {name}{letter}", value, f"{name}{value}\n".encode()
    for what, text in FORMS.items():
        values = _values(r)
        letter = "K" if "{K}" in text else "H"
        yield f"{what} in a language", values[letter], text.format(**values).encode()


def near_in_languages(seed: int = 22) -> Iterator[str]:
    """What is no secret: pictures of keys, rows, hashes, placeholders."""
    r = random.Random(seed)
    for text in NEAR:
        for _ in range(3):
            yield text.format(**_values(r))
