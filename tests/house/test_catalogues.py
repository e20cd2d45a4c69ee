"""Every text for people is translated: the catalogues are those of the source, complete, compiled, nothing guessed."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
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


def values(text: str) -> set[str]:
    return set(re.findall(r"(?<!\{)\{\w*[^{}]*\}|%\(\w+\)\w", text))


@pytest.mark.parametrize("text", ["{n:,} rows", "{name} is {state}", "{n} of {{ and }}"])
def test_values_are_found_in_a_text(text: str) -> None:
    assert values(text) == set(re.findall(r"\{\w.*?\}", text))
