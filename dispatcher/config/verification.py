"""`[verification]`: what codes look like and how often they may be tried, on all streams and on single ones."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dispatcher.config.mistakes import check_values, converted
from dispatcher.config.places import resolved, table_of
from dispatcher.core.messages.template import TemplateBroken, parse
from dispatcher.core.verification import SECRET_BYTES_MIN, CodeRules
from dispatcher.errors import ConfigError
from dispatcher.vendors.seam.vendor import Secret

VARIABLES: Final = ("code", "minutes")
"""The placeholders of a text with a code."""


class StreamCodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What differs on one stream; None: as in `[verification]`."""

    length: int | None = None
    alphabet: str | None = None
    valid_for_s: int | None = None
    codes_per_hour_max: int | None = None
    tries_max: int | None = None
    text: str | None = None


class VerificationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rules of codes, the text that carries one, and the secret of their keyed hashes.

    `text` is for streams without a text of their own. Without a `secret` there is one in a file beside the data.
    """

    secret: Secret | None = None
    length: int = CodeRules().length
    alphabet: str = CodeRules().alphabet
    valid_for_s: int = CodeRules().valid_for_s
    codes_per_hour_max: int = CodeRules().codes_per_hour_max
    tries_max: int = CodeRules().tries_max
    text: str = ""
    streams: dict[str, StreamCodes] = {}

    def rules(self, stream: str) -> CodeRules:
        """The rules on this stream."""
        own = self.streams.get(stream, StreamCodes())
        return CodeRules(**{name: _first(getattr(own, name), getattr(self, name)) for name in _RULES})

    def text_of(self, stream: str) -> str:
        """The text on this stream, unless the stream has one; "": none is configured."""
        return str(_first(self.streams.get(stream, StreamCodes()).text, self.text))

    def check(self) -> str | None:
        """One sentence that names a wrong key, or None."""
        if self.secret is not None and len(self.secret.encode()) < SECRET_BYTES_MIN:
            return f"secret must have at least {SECRET_BYTES_MIN} characters: write a random one."
        for stream in ("", *self.streams):
            where = f"streams.{stream}: " if stream else ""
            if wrong := self.rules(stream).broken():
                return f"{where}{wrong}."
            if wrong := _text_fault(self.text_of(stream)):
                return f"{where}text: {wrong}."
        return None


_RULES: Final = CodeRules.__struct_fields__


def read_verification(value: Any, path: str) -> tuple[VerificationConfig, str]:
    """The section, and why its secret is missing ("": it is not). Raises ConfigError."""
    where = f"{path}: [verification]"
    fields = dict(table_of(value, where))
    unset = ""
    try:
        if "secret" in fields:
            fields["secret"] = resolved(fields["secret"], f"{where} secret", path)
    except ConfigError as error:
        unset = str(error)
        del fields["secret"]
    fields = {key: each if key == "secret" else resolved(each, f"{where} {key}", path) for key, each in fields.items()}
    found = converted(fields, VerificationConfig, where, _secret)
    check_values(fields, where)
    if wrong := found.check():
        raise ConfigError("{where} {wrong}", where=where, wrong=wrong)
    return found, unset


def _text_fault(text: str) -> str | None:
    """What is wrong with a text that is to carry a code; "" is no text."""
    if not text:
        return None
    try:
        names = parse(text).names
    except TemplateBroken as error:
        return str(error)
    if "code" not in names:
        return "it needs {code} where the code stands"
    unknown = [name for name in names if name not in VARIABLES]
    return f"there is no {{{unknown[0]}}}, only {{code}} and {{minutes}}" if unknown else None


def _first(own: Any, common: Any) -> Any:
    return common if own is None else own


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError("expected a text in quotes, or ${NAME}")
