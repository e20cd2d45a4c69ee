"""How commands are installed and what they import is looked at in processes that are started as users start them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import warm_start


@pytest.fixture(autouse=True)
def _started_as_ever() -> Iterator[None]:
    with warm_start.suspended():
        yield
