"""Words that tell are known in the code pages of before UTF-8, and words for a password in the
languages whose words for a key are known; a key of a service in a table, too."""

from __future__ import annotations

import io
import time

import pytest

from hubtools.publish.contents import Kind, scan

KEY = "aZ4kP9qLm2Xw7Rt5Yb8Nc3Vd6Hs1Jg0Q7rTb"
CHOSEN = "kqzt47RmW2xb"


def found(data: bytes, name: str = "notes.txt") -> set[str]:
    return {
        leak.secret for leak in scan(name, io.BytesIO(data), len(data)) if leak.kind is Kind.SECRET
    }


PAGES = {
    "пароль: {P}": ("cp1251", "koi8-r", "cp866", "iso8859-5"),
    "Пароль: {P}": ("cp1251", "koi8-r"),
    "ключ доступа: {K}": ("cp1251", "koi8-r", "cp866"),
    "密码：{P}": ("gbk", "gb18030", "gb2312"),
    "密钥：{K}": ("gbk",),
    "密碼：{P}": ("big5", "gbk"),
    "パスワード：{P}": ("shift-jis", "euc-jp", "iso2022_jp"),
    "비밀번호: {P}": ("euc-kr", "cp949"),
    "contraseña: {P}": ("latin-1", "cp1252"),
    "Schlüssel: {K}": ("latin-1", "cp1252", "cp1250"),
    "hasło: {P}": ("cp1250", "iso8859-2"),
    "şifre: {P}": ("cp1254", "iso8859-9"),
    "κωδικός: {P}": ("cp1253", "iso8859-7"),
    "סיסמה: {P}": ("cp1255",),
    "كلمة المرور: {P}": ("cp1256",),
    "รหัสผ่าน: {P}": ("cp874", "tis-620"),
    "lösenord: {P}": ("latin-1", "cp850", "mac-roman"),
    "API anahtarı: {K}": ("cp1254",),
    "parola d’ordine: {P}": ("cp1252",),
}


@pytest.mark.parametrize(
    ("text", "codec"), [(text, codec) for text, codecs in PAGES.items() for codec in codecs]
)
def test_a_word_tells_in_its_code_page(text: str, codec: str) -> None:
    value = CHOSEN if "{P}" in text else KEY
    line = text.format(P=CHOSEN, K=KEY)
    for whole in (line, f"notes\n\n{line}\nend\n"):
        data = whole.encode(codec)
        assert found(data) == {value}
    (leak,) = scan("a.txt", io.BytesIO(f"a\nb\n{line}\n".encode(codec)), 99)
    assert leak.line == 3


def test_it_is_found_in_a_long_text() -> None:
    words = "девушка у окна, утро, мягкий свет\n" * 3_000
    text = f"{words}ключ доступа: {KEY}\n{words}".encode("cp1251")
    (leak,) = scan("a.txt", io.BytesIO(text), len(text))
    assert (leak.secret, leak.line) == (KEY, 3_001)


@pytest.mark.parametrize(
    "word",
    [
        "şifre", "parola", "parolă", "lösenord", "heslo", "jelszó", "salasana", "adgangskode",
        "passord", "κωδικός πρόσβασης", "סיסמה", "كلمة المرور", "mật khẩu", "รหัสผ่าน", "पासवर्ड",
        "kata sandi", "пароль", "lozinka", "geslo", "slaptažodis", "口令", "암호",
    ],
)  # fmt: skip
def test_words_for_a_password(word: str) -> None:
    for text in (f"{word}: {CHOSEN}\n", f"{word.title()} = {CHOSEN}\n", f'"{word}": "{CHOSEN}"\n'):
        assert found(text.encode()) == {CHOSEN}
    for text in (f"{word}: hello\n", f"a photo of {word}, night, city\n", f"{word}\n"):
        assert not found(text.encode())


def test_captions_in_code_pages_are_left_alone() -> None:
    for text, codec in (
        ("Девушка у окна, ключ от двери, пароль на стене", "cp1251"),
        ("一位女士在窗边，钥匙，密码本 2024", "gbk"),
        ("窓辺の女性、鍵、パスワード 12345678", "shift-jis"),
        ("Ein Schlüssel im Schloß, Straße 12, Größe 40", "latin-1"),
        ("une clé, l'été, 1920x1080, modèle n° 12345678", "cp1252"),
        ("창가의 여인, 열쇠, 비밀번호 표지판", "euc-kr"),
    ):
        for n in (1, 40, 900):
            assert not found((f"{text}\n" * n).encode(codec))


def test_time_grows_with_a_text_in_a_code_page() -> None:
    line = "девушка у окна, ключ от двери, пароль: нет, мягкий свет, 35 мм\n"

    def seconds(times: int) -> float:
        data = (line * times).encode("cp1251")
        began = time.process_time()
        assert not found(data)
        return time.process_time() - began

    seconds(50)
    assert seconds(2_000) < 16 * seconds(250) + 0.3


@pytest.mark.parametrize("head", ["service,key", "Provider;Key", "site\tkeys", "name,service,key"])
def test_a_column_of_keys_of_services(head: str) -> None:
    mark = next(sign for sign in ",;\t" if sign in head)
    cells = [KEY if name.lower().startswith("key") else "openai" for name in head.split(mark)]
    assert found(f"{head}\n{mark.join(cells)}\n".encode(), "keys.csv") == {KEY}
    open_one = head.lower().replace("service", "picture").replace("provider", "picture")
    open_one = open_one.replace("site", "picture")
    digits = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    row = mark.join(digits if name.startswith("key") else "a" for name in open_one.split(mark))
    assert not found(f"{open_one}\n{row}\n".encode(), "keys.csv")


def test_a_pair_of_one_letter_each() -> None:
    assert found(f'[{{"k": "HF_TOKEN", "v": "{KEY}"}}]'.encode()) == {KEY}
    assert not found(b'[{"k": "trigger_token", "v": "sks_person"}, {"k": "n", "v": "1"}]')


def test_a_value_with_letters_of_a_page_is_told_once() -> None:
    """As it was read before, too: whoever has allowed it goes on."""
    data = 'Schlüssel für die Tür\npassword: "äöZt7kQ9pLm2Xw7Rt5Yb8N"\n'.encode("cp1252")
    assert found(data) == {"\ufffd\ufffdZt7kQ9pLm2Xw7Rt5Yb8N"}
