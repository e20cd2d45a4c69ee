"""Vendors by tag: what `[account.NAME] vendor = "…"` may name.

A vendor of this package is a line in BUILT_IN. A vendor of another package is an entry point of the group
`dispatcher.vendors`: its name is the tag, its value the class. Each is imported on first use, so a broken package stops
only its own users. A tag of BUILT_IN always means the vendor of this package.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from dispatcher.errors import ConfigError
from dispatcher.vendors.seam.vendor import Vendor

GROUP: Final = "dispatcher.vendors"

BUILT_IN: Final = {
    "batch-a": "dispatcher.vendors.batch.edition_a:BatchA",
    "batch-b": "dispatcher.vendors.batch.edition_b:BatchB",
    "cosms": "dispatcher.vendors.cosms.vendor:Cosms",
    "hezhong": "dispatcher.vendors.hezhong.vendor:Hezhong",
    "guodu": "dispatcher.vendors.guodu.vendor:Guodu",
    "cmpp": "dispatcher.vendors.cmpp.vendor:Cmpp",
}


def tags() -> list[str]:
    """The tags of all installed vendors, even if they cannot be imported."""
    return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=GROUP))})


@cache
def find(tag: str) -> type[Vendor] | None:
    """The vendor of this tag; None if it is not installed. Raises ConfigError if its package is broken."""
    if tag in BUILT_IN:
        own: type[Vendor] = EntryPoint(tag, BUILT_IN[tag], GROUP).load()
        return own
    entries = entry_points(group=GROUP, name=tag)
    packages = sorted({entry.dist.name if entry.dist else entry.value for entry in entries})
    if len(packages) > 1:
        raise ConfigError(
            'vendor "{tag}" is in the packages {packages}. Uninstall all of them but one.',
            tag=tag,
            packages=", ".join(packages),
        )
    return next((_checked(entry, packages[0]) for entry in entries), None)


@cache
def known(tag: str) -> type[Vendor] | None:
    """As `find`, to explain what was sent before: also None if the vendor's package is broken."""
    try:
        return find(tag)
    except ConfigError:
        return None


def _checked(entry: EntryPoint, package: str) -> type[Vendor]:
    try:
        kind = entry.load()
    except Exception as error:  # another package's code: it may raise anything
        raise ConfigError(_broken(entry, package, f"{type(error).__name__}: {error}")) from error
    if not isinstance(kind, type) or not issubclass(kind, Vendor):
        raise ConfigError(_broken(entry, package, f"{entry.value} is not a Vendor class"))
    if kind.__struct_config__.tag != entry.name:
        raise ConfigError(_broken(entry, package, f'{entry.value} has the tag "{kind.__struct_config__.tag}"'))
    missing = [name for name in ("codes", "report_codes") if not hasattr(kind, name)]
    if missing:
        raise ConfigError(_broken(entry, package, f"{entry.value} has no {missing[0]}"))
    return kind


def _broken(entry: EntryPoint, package: str, why: str) -> str:
    return f'vendor "{entry.name}" cannot be used: the package {package} is broken ({why}). Update or uninstall it.'
