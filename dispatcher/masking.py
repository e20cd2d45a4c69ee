"""How somebody else may repeat our secrets: an error page that shows the request shows them as they were escaped in it.

Pure. Weak spot: a page that escapes twice, or breaks lines within a secret, is not seen through.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote, quote_plus

from dispatcher.vendors.reading.escapes import url_encoded

MASKED: Final = "***"
BEGUN_CHARS_MIN: Final = 4
"""The shortest beginning of a secret, or spelling of one, that is masked: shorter ones stand everywhere."""

_UNREADABLE: Final = "\ufffd"
_ESCAPE: Final = re.compile("%[0-9A-F]{2}")


def spellings(secret: str) -> tuple[str, ...]:
    """The secret as it is, and escaped for a URL (UTF-8, GBK), JSON, HTML, or read in a wrong charset; longest first.

    Just the secret where it holds nothing that is ever escaped.
    """
    long = {each for each in _spellings(secret) if len(each) >= BEGUN_CHARS_MIN and each.strip(_UNREADABLE)}
    return tuple(sorted({secret, *long}, key=lambda each: (-len(each), each)))


def _spellings(secret: str) -> Iterator[str]:
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
    for ascii_only in (True, False):
        written = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield from (written, written.replace("/", "\\/"))
    for charset in ("utf-8", "gbk"):
        try:
            raw = secret.encode(charset)
        except UnicodeEncodeError:
            continue
        java = url_encoded(secret, charset)
        for escaped in (java, java.replace("+", "%20"), quote(raw), quote(raw, safe=""), quote_plus(raw)):
            yield escaped
            yield _ESCAPE.sub(lambda found: found[0].lower(), escaped)
        for errors in ("replace", "backslashreplace"):
            yield raw.decode("utf-8", errors)
        yield raw.decode("latin-1")


def without(text: str, known: Sequence[str], *, cut: bool = False) -> str:
    """The text with `***` for each of these spellings. `cut`: it ends somewhere, so the last may only have begun."""
    for spelling in known:
        text = text.replace(spelling, MASKED)
    if cut:
        for spelling in known:
            for length in range(len(spelling) - 1, BEGUN_CHARS_MIN - 1, -1):
                if text.endswith(spelling[:length]):
                    return text[:-length] + MASKED
    return text
