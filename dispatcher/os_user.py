"""The person at the terminal, as records name who ordered something."""

from __future__ import annotations

import getpass
import os


def os_user() -> str:
    """The name of the account of the operating system, or its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # containers have such accounts
        return f"uid {os.getuid()}"
