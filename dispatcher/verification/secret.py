"""The secret of the keyed hashes of codes: from the configuration, else from a private file beside the data.

All processes that make or check codes need the same one. The file is made at the first use, with mode 0600; several
machines need the secret in their configuration.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from dispatcher.config.file import Config
from dispatcher.core.verification import CodeKeys
from dispatcher.errors import ConfigError
from dispatcher.log.opening import data_folder
from dispatcher.private_files import first_written, make_folder

FILE: Final = "verification.key"
RANDOM_BYTES: Final = 32
_HEX: Final = re.compile(rb"[0-9a-f]{64}\n?")


def code_keys(config: Config) -> CodeKeys:
    """The keys of this configuration. Raises ConfigError."""
    if config.unset_verification:
        raise ConfigError(config.unset_verification)
    configured = config.verification.secret
    if configured is not None:
        return CodeKeys(configured.encode())
    path = data_folder(config.log.url, config.store.url) / FILE
    try:
        make_folder(path.parent)
        content = first_written(path, secrets.token_hex(RANDOM_BYTES).encode() + b"\n")
    except OSError as error:
        raise ConfigError(
            "the secret of verification codes cannot be kept in {path} ({reason}). Make the folder "
            "writable, or write [verification] secret.",
            path=path,
            reason=error.strerror or error,
        ) from error
    if not _HEX.fullmatch(content):
        raise ConfigError(
            "{path} does not hold the secret of verification codes (64 hexadecimal digits). Restore it; or delete it, "
            "which makes all codes that were sent invalid.",
            path=path,
        )
    return CodeKeys(bytes.fromhex(content.decode().strip()))
