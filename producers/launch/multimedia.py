"""Multimedia messages: a folder of frames is read when a launch is planned, and uploaded right before it is committed.

An upload sends nothing to phones. A failed upload ends the launch before anything is on the log; a repeated launch
uploads again. Two launches are the same if the folder's content is the same, wherever it lies.
"""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path
from typing import Final

import msgspec

from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.drivers.http.driver import HttpDriver
from dispatcher.errors import DispatcherError, InputError, TextError, UserError
from dispatcher.i18n import _, plural
from dispatcher.vendors.seam.vendor import HttpVendor, Vendor

BYTES_ADVISED: Final = 50 * 1024
"""Phones may refuse more (vendors.md 1.5)."""

FILE_BYTES_MAX: Final = 10_000_000
FILES_MAX: Final = 1_000
NO_URL: Final = "http://127.0.0.1/frames.ini"
"""Stands for the vendor's URL when a text is checked before the upload."""


class Frames(msgspec.Struct, frozen=True):
    """The files of a multimedia message by name; `digest` (SHA-256, hex) is of their names and contents."""

    files: dict[str, bytes]
    digest: str

    @property
    def bytes(self) -> int:
        """Their size."""
        return sum(map(len, self.files.values()))

    def notes(self) -> list[str]:
        """Warnings for the launcher."""
        said = plural(
            "multimedia message of {n} file, {bytes:,} bytes",
            "multimedia message of {n} files, {bytes:,} bytes",
            len(self.files),
            bytes=self.bytes,
        )
        if self.bytes <= BYTES_ADVISED:
            return [_("{said}: uploaded to the vendor when the campaign is launched", said=said)]
        return [
            _(
                "{said}: phones may refuse more than {bytes_advised:,}; uploaded when the campaign is launched",
                said=said,
                bytes_advised=BYTES_ADVISED,
            )
        ]


def read_frames(folder: str | PathLike[str]) -> Frames:
    """The folder's files without those whose name begins with a dot. Raises InputError."""
    path = Path(folder)
    if not path.is_dir():
        raise InputError(
            "{path}: no such folder.",
            path=path,
            about="--frames",
            do="Give {about} a folder with the files 1.jpg, 1.txt, 2.jpg, …",
        )
    try:
        found = sorted(each for each in path.iterdir() if not each.name.startswith("."))
        if len(found) > FILES_MAX:
            raise InputError("{path} has {count:,} files: that is no message.", path=path, count=len(found))
        for each in found:
            if not each.is_file() or each.stat().st_size > FILE_BYTES_MAX:
                raise InputError(
                    "{each} is no file, or has over {max:,} bytes. Take it out.",
                    each=each,
                    max=FILE_BYTES_MAX,
                )
        files = {each.name: each.read_bytes() for each in found}
    except OSError as error:
        raise InputError("{path}: cannot be read ({reason}).", path=path, reason=error.strerror) from error
    if not files:
        raise InputError("{path} is empty. Put the frames there: 1.jpg, 1.txt, 2.jpg, …", path=path)
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(b"%d %s %d " % (len(name), name.encode(), len(content)) + content)
    return Frames(files, digest.hexdigest())


def check_frames(account: str, vendor: Vendor, frames: Frames) -> None:
    """Raises TextError if the account's vendor cannot make a message from them."""
    try:
        flow = vendor.publish(frames.files) if isinstance(vendor, HttpVendor) else None
    except TextError as error:
        raise TextError('account "{account}": {error}', account=account, error=error) from error
    if flow is None:
        raise UserError(
            'account "{account}": vendor {vendor} takes no uploads. Leave it out of the route.',
            account=account,
            vendor=vendor.tag,
        )
    flow.close()


async def publish(account: str, vendor: Vendor, frames: Frames) -> str:
    """Upload them; returns the URL to send. Raises UserError for a refusal, DispatcherError without an answer."""
    assert isinstance(vendor, HttpVendor)
    flow = vendor.publish(frames.files)
    assert flow is not None
    driver = HttpDriver(vendor, account)
    try:
        published = await driver.query(flow)
    finally:
        await driver.close()
    if not isinstance(published, Verdict):
        if published.verdict is None:
            return published.url
        published = driver.masked(published.verdict)
    why = vendor.codes.meaning(published.code) or published.warn or published.text
    mine = published.kind in (Kind.AUTH, Kind.REJECTED, Kind.CONTENT, Kind.BALANCE)
    raise (UserError if mine else DispatcherError)(
        f'account "{account}": the frames could not be uploaded ({published.code}: {why}). Nothing was launched.'
    )
