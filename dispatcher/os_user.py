"""The person at the terminal, for records of orders."""

from __future__ import annotations

import getpass
import os


def os_user() -> str:
    """The name of the operating system's account, or its number if it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # containers have such accounts
        return f"uid {os.getuid()}"
