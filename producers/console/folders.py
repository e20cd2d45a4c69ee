"""Where the console keeps private files of people: unfinished campaigns with their lists, and exports."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Final

from dispatcher.config.places import Places
from dispatcher.private_files import make_folder

FOLDER: Final = "console"


def console_folder(places: Places, name: str) -> Path:
    """A private folder beside the results (or, without a file of results, beside the configuration). Raises OSError."""
    scheme, _, place = places.store.url.partition(":")
    beside = Path(place).parent if scheme == "sqlite" and place else Path(places.path).parent
    folder = beside / FOLDER / name
    make_folder(folder)
    return folder


def remove_older(folder: Path, age_s: float) -> None:
    """Remove what nobody touched for so long. Raises OSError."""
    for entry in folder.iterdir():
        if time.time() - entry.stat().st_mtime > age_s:
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
