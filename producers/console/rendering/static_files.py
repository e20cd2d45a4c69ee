"""The console's files that never change while it runs: read once, named by their hash, kept by browsers for ever."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Final

from producers.web.answers import ReadyAnswer

FOLDER: Final = Path(__file__).parents[1] / "static"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The files that are served, by their suffix."""
_ALWAYS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable"}


class StaticFiles:
    """All files of a folder. `version` is the hash of all of them, so they find each other by relative addresses."""

    def __init__(self, folder: Path = FOLDER) -> None:
        files = {each.name: each.read_bytes() for each in sorted(folder.iterdir()) if each.suffix in TYPES}
        whole = hashlib.sha256(b"".join(name.encode() + content for name, content in files.items()))
        self.version = whole.hexdigest()[:12]
        self._plain = {name: _answer(name, content, packed=False) for name, content in files.items()}
        self._packed = {name: _answer(name, content, packed=True) for name, content in files.items()}

    def path(self, name: str) -> str:
        """Where a file is served, without the prefix. Raises KeyError for an unknown one."""
        if name not in self._plain:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    def answer(self, name: str, accepts: str) -> ReadyAnswer | None:
        """The file of this name, packed if the client accepts that."""
        return (self._packed if "gzip" in accepts else self._plain).get(name)


def _answer(name: str, content: bytes, *, packed: bool) -> ReadyAnswer:
    headers = dict(_ALWAYS, Vary="Accept-Encoding")
    if packed:
        content = gzip.compress(content, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return ReadyAnswer(200, content, TYPES[Path(name).suffix], headers=headers)
