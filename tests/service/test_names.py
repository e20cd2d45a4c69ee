"""What `dispatcher` offers to Python, and that naming it imports nothing that is not used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dispatcher


@pytest.mark.parametrize("name", dispatcher.__all__)
def test_every_name_is_there(name: str) -> None:
    found = getattr(dispatcher, name)
    assert found.__name__ == name
    assert found.__doc__
    assert name in dir(dispatcher)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = dispatcher.no_such_name


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    script = "import sys, dispatcher; print([name for name in sys.modules if name.startswith('dispatcher.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
