"""Files that people write by hand: read whole, but never more than such a file has, whatever stands at the path."""

from __future__ import annotations

import errno
import os
import tomllib
from os import PathLike
from pathlib import Path
from typing import Any, Final

from dispatcher.errors import ConfigError

BYTES_MAX: Final = 4 << 20


def read_small(path: str | PathLike[str]) -> str:
    """The text of a small UTF-8 file or pipe. Raises OSError, also for what is too large, and UnicodeDecodeError."""
    try:
        with Path(path).open("rb", buffering=0) as file:
            found = bytearray()
            while piece := file.read(BYTES_MAX + 1 - len(found)):
                found += piece
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error), os.fspath(path)) from error
    if len(found) > BYTES_MAX:
        raise OSError(errno.EFBIG, f"it has more than {BYTES_MAX >> 20} MiB", os.fspath(path))
    return found.decode("utf-8-sig")


def read_toml(path: str | PathLike[str]) -> dict[str, Any]:
    """The tables of a TOML file. Raises ConfigError."""
    try:
        return tomllib.loads(read_small(path))
    except OSError as error:
        raise ConfigError("{path}: cannot be read ({reason}).", path=path, reason=error.strerror) from error
    except UnicodeDecodeError as error:
        raise ConfigError("{path}: cannot be read, as it is not UTF-8. Save it as UTF-8.", path=path) from error
    except (ValueError, RecursionError) as error:  # of the first, an integer with thousands of digits is no TOML error
        raise ConfigError(
            "{path}: not valid TOML: {reason}.", path=path, reason=str(error).partition(";")[0]
        ) from error
