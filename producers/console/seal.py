"""Values that a page carries and its reader may not see: a phone number in the form of a masked row."""

from __future__ import annotations

from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from dispatcher.errors import UserError
from dispatcher.i18n import _


class Seal:
    """Encrypts with a key of this process, so a page from before a restart is too old."""

    def __init__(self) -> None:
        self._key: Final = Fernet(Fernet.generate_key())

    def close(self, text: str) -> str:
        """The text, sealed."""
        return self._key.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text again. Raises UserError if it was not sealed here."""
        try:
            return self._key.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise UserError(_("This page is too old. Load it again.")) from error
