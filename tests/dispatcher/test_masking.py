"""Whatever somebody else's page repeats of a request, our secrets are not in it."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.masking import BEGUN_CHARS_MIN, Masker, spellings
from dispatcher.vendors.reading.escapes import url_encoded

AWKWARD = "s3cr+t%&=汉 ~*/\"<\\'"
PAGES = [
    ("as it is", lambda secret: secret),
    ("in a form", lambda secret: urlencode({"password": secret})),
    ("in a form in GBK", lambda secret: urlencode({"password": secret}, encoding="gbk")),
    ("in a URL", lambda secret: quote(secret)),
    ("in a URL in GBK", lambda secret: quote(secret, encoding="gbk")),
    ("as Java escapes it", lambda secret: url_encoded(secret, "gbk")),
    (
        "with small hex digits",
        lambda secret: re.sub("%..", lambda found: found[0].lower(), quote_plus(secret)),
    ),
    ("in JSON", lambda secret: json.dumps({"OperPass": secret})),
    ("in JSON with its characters", lambda secret: json.dumps({"OperPass": secret}, ensure_ascii=False)),
    ("in JSON with escaped slashes", lambda secret: json.dumps({"OperPass": secret}).replace("/", "\\/")),
    ("in HTML", html.escape),
    ("in GBK, read as UTF-8", lambda secret: secret.encode("gbk").decode("utf-8", "replace")),
    ("in GBK, its bytes shown", lambda secret: secret.encode("gbk").decode("utf-8", "backslashreplace")),
    ("in UTF-8, read as Latin-1", lambda secret: secret.encode().decode("latin-1")),
]


@pytest.mark.parametrize("page", [page[1] for page in PAGES], ids=[page[0] for page in PAGES])
@pytest.mark.parametrize("secret", ["hunter22", AWKWARD])
def test_a_secret_is_found_however_it_is_repeated(page, secret):
    masker = Masker([secret])
    text = f"oops: {page(secret)} is wrong"
    for said in (masker.text(text), masker.raw(text.encode()).decode()):
        assert "hunter" not in said
        assert "s3cr" not in said
        assert "***" in said


def test_a_secret_that_is_never_escaped_has_one_spelling():
    assert spellings("hunter22") == ("hunter22",)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_every_secret_is_one_of_its_spellings_and_no_other_is_so_short_that_it_stands_everywhere(secret):
    found = spellings(secret)
    assert secret in found
    assert all(len(each) >= BEGUN_CHARS_MIN for each in found if each != secret)
    assert list(map(len, found)) == sorted(map(len, found), reverse=True)


@pytest.mark.parametrize("length", range(BEGUN_CHARS_MIN, len(quote_plus(AWKWARD))))
def test_what_is_cut_within_a_secret_does_not_show_how_it_begins(length):
    text = "password=" + quote_plus(AWKWARD)[:length]
    assert Masker([AWKWARD]).text(text, cut=True) == "password=***"


def test_what_is_whole_keeps_an_end_that_only_looks_like_a_beginning():
    assert Masker(["hunter22"]).text("no such hunt") == "no such hunt"


@pytest.mark.parametrize("written", ["HUNTER 22", "hunter+22", "%68unter%2022", "h%75NTER%2022", "hunter%2B22"])
def test_a_secret_is_found_in_any_case_and_with_any_character_escaped(written):
    found = "***" if written != "hunter%2B22" else written
    assert Masker(["hunter 22"]).text(f"pswd={written}&x") == f"pswd={found}&x"
    assert Masker(["hunter 22"]).raw(f"pswd={written}&x".encode()) == f"pswd={found}&x".encode()


def test_without_secrets_nothing_changes():
    assert (Masker([]).text("all"), Masker([""]).raw(b"all"), Masker(["pswd"]).text("")) == ("all", b"all", "")
