"""Every text for people is translated: the catalogues are those of the source, complete, compiled, nothing guessed."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from string import Formatter
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def script() -> ModuleType:
    loader = SourceFileLoader("catalogues", str(ROOT / "scripts" / "catalogues"))
    spec = spec_from_loader("catalogues", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_text_is_translated_and_the_catalogues_are_compiled() -> None:
    files, missing = script().updated()
    assert not missing
    committed = {file: file.read_bytes() for kind in ("*.po", "*.mo") for file in (ROOT / "dispatcher").rglob(kind)}
    changed = sorted(str(file.relative_to(ROOT)) for file in files.keys() ^ committed.keys())
    changed += sorted(str(file.relative_to(ROOT)) for file in files if committed.get(file, files[file]) != files[file])
    assert not changed, "run scripts/catalogues"


def test_a_translation_has_the_same_values_in_it() -> None:
    catalogues = script()
    wrong = []
    for area in catalogues.AREAS:
        for message in catalogues.read(area):
            texts = message.id if isinstance(message.id, tuple) else (message.id,)
            strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
            if message.id and values(texts[-1]) != values(strings[0]):
                wrong.append(message.id)
    assert not wrong


@functools.cache
def errors() -> list[tuple[str, ast.Call]]:
    """(where, call) of every sentence of the source."""
    catalogues = script()
    classes = catalogues.sentence_classes()
    assert {"UserError", "LogDamaged", "HoursBroken", "SignInRefused", "Sentence"} <= classes
    files = [file for name in catalogues.WORDED for file in (ROOT / name).rglob("*.py")]
    return [(str(file.relative_to(ROOT)), call) for file in files for call in catalogues.sentences(file, classes)]


def test_the_text_of_an_error_is_a_literal_with_the_values_that_it_is_given() -> None:
    assert [f"{where}:{call.lineno}: {why}" for where, call in errors() for why in faults_of(call)] == []


NOT_VALUES = {"about", "do", "many"}


def faults_of(call: ast.Call) -> Iterator[str]:
    """What keeps a sentence from being translated."""
    text, given = call.args[0], {each.arg or "" for each in call.keywords}
    if isinstance(text, ast.JoinedStr | ast.BinOp | ast.IfExp):
        yield "its text is put together: write a literal with {name} and give name=…"
    texts = [text, *(each.value for each in call.keywords if each.arg in ("do", "many"))]
    literals = [str(each.value) for each in texts if isinstance(each, ast.Constant)]
    if len(literals) != len(texts) or "" in given or not given - {"do"}:
        return
    named = {name for each in literals for name in names(each)}
    if named - NOT_VALUES != given - NOT_VALUES:
        yield f"{sorted(named ^ given)} is in the text or among the values only"


def names(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]


@pytest.mark.parametrize(
    ("source", "is_wrong"),
    [
        ('UserError(f"no {id}")', True),
        ('UserError("no " + id)', True),
        ('UserError("no {id}", name=id)', True),
        ('UserError("no {id}", id=id, name=id)', True),
        ('UserError("no {id}", id=id, do="See {id} and {other}")', True),
        ('UserError("no {id} for {about}", id=id, about="--name", do="See {id}.")', False),
        ('UserError("as {it} is")', False),
        ("UserError(sentence)", False),
    ],
)
def test_an_error_that_cannot_be_translated_is_found(source: str, is_wrong: bool) -> None:
    call = ast.parse(source, mode="eval").body
    assert isinstance(call, ast.Call)
    assert bool(list(faults_of(call))) is is_wrong


def test_the_translation_of_a_sentence_can_be_filled() -> None:
    catalogues = script()
    known = {message.id: message.string for area in catalogues.AREAS for message in catalogues.read(area)}
    filled = [call for _, call in errors() if {each.arg for each in call.keywords} - {"do"}]
    texts = {text for call in filled for text in catalogues.texts_of_sentence(call) if isinstance(text, str)}
    assert [text for text in texts if set(names(text)) != set(names(known[text]))] == []


def values(text: str) -> set[str]:
    return set(re.findall(r"(?<!\{)\{\w*[^{}]*\}|%\(\w+\)\w", text))


@pytest.mark.parametrize("text", ["{n:,} rows", "{name} is {state}", "{n} of {{ and }}"])
def test_values_are_found_in_a_text(text: str) -> None:
    assert values(text) == set(re.findall(r"\{\w.*?\}", text))
