"""Unfinished new campaigns: the uploaded list and the answers so far, in a private folder each, until they are drafts.

So a reload loses nothing, and another person can go on. A folder that nobody touched for a month is removed.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from dispatcher.clock import now_ms
from dispatcher.config.places import Places
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.private_files import make_folder, written_whole
from producers.console.folders import console_folder, remove_older
from producers.lists.inspection import ListInspection

KEPT_S: Final = 30 * 86_400.0
ANSWERS: Final = "answers.json"
LIST: Final = "list"
SET_ASIDE: Final = "set_aside.csv"
NAME_CHARS_MAX: Final = 100
_TOKEN_BYTES: Final = 12
_TOKEN_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class ListChoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where in the file the list is, as far as a person said so; as `Choice` of producers/lists/columns.py."""

    column: int | None = None
    sheet: str | None = None
    header_row: int | None = None
    hidden_rows: str | None = None
    encoding: str | None = None


class CampaignForm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A new campaign so far. `terms` are those of a `LaunchRequest` as JSON; `start`: when it starts by itself.

    `list_name`: what the person calls the uploaded file; or `list_of` is the draft whose list it has. `found`: what is
    in the list by the `choice`. `campaign`: the id that it gets, that of the draft that it changes.
    """

    form: str
    by: str
    changed_ms: int
    list_name: str = ""
    list_bytes: int = 0
    list_of: str = ""
    choice: ListChoice = ListChoice()
    found: ListInspection = ListInspection()
    terms: dict[str, Any] = {}
    start: str = ""
    campaign: str = ""
    cloned_from: str = ""

    @property
    def has_list(self) -> bool:
        """Whether its list can be used."""
        return bool(self.list_of) or (bool(self.list_name) and not self.found.mistake and self.found.recipients > 0)

    @property
    def text(self) -> str:
        """The text so far."""
        return str(self.terms.get("text", ""))

    @property
    def step(self) -> str:
        """The first step that is not done."""
        if not self.has_list:
            return "list"
        return "when" if self.text else "text"


class Forms:
    """The unfinished campaigns of this configuration."""

    def __init__(self, places: Places) -> None:
        self._places: Final = places

    def all(self) -> list[CampaignForm]:
        """Every one, the last changed first. Blocks."""
        folder = self._folder()
        remove_older(folder, KEPT_S)
        found = [self._read(entry) for entry in folder.iterdir() if (entry / ANSWERS).is_file()]
        return sorted((each for each in found if each is not None), key=lambda each: -each.changed_ms)

    def new(
        self,
        by: str,
        *,
        terms: dict[str, Any] | None = None,
        cloned_from: str = "",
        list_of: str = "",
        campaign: str = "",
        recipients: int = 0,
        columns: Sequence[str] = (),
    ) -> CampaignForm:
        """A new one. `list_of` is a draft with so many `recipients` and these variables."""
        from producers.lists.inspection import ColumnSample

        found = ListInspection(
            rows=recipients,
            recipients=recipients,
            columns=tuple(ColumnSample(number=at, name=name, samples=()) for at, name in enumerate(columns, 1)),
        )
        form = CampaignForm(
            form=secrets.token_urlsafe(_TOKEN_BYTES),
            by=by,
            changed_ms=now_ms(),
            terms=terms or {},
            cloned_from=cloned_from,
            list_of=list_of,
            campaign=campaign,
            found=found,
        )
        make_folder(self._folder() / form.form)
        return self.keep(form)

    def get(self, form: str) -> CampaignForm:
        """Raises UserError if there is none. Blocks."""
        found = self._read(self._folder() / form) if set(form) <= _TOKEN_CHARACTERS else None
        if found is None:
            raise UserError(_("This unfinished campaign is not there any more. Begin a new one."))
        return found

    def keep(self, form: CampaignForm) -> CampaignForm:
        """Write it down; returns it with its time of change. Blocks."""
        form = msgspec.structs.replace(form, changed_ms=now_ms())
        with written_whole(self._folder() / form.form / ANSWERS) as file:
            file.write(msgspec.json.encode(form))
        return form

    def take_list(self, form: CampaignForm, uploaded: Path) -> None:
        """Keep an uploaded file as the list of a form. Blocks."""
        target = self._place_of_list(form)
        try:
            uploaded.replace(target)
        except OSError:  # it was uploaded to another file system
            shutil.copyfile(uploaded, target)
        target.chmod(0o600)

    def write_list(self, form: CampaignForm, text: str) -> None:
        """Keep pasted numbers as the list of a form. Blocks."""
        with written_whole(self._place_of_list(form)) as file:
            file.write(text.encode("utf-8", "replace"))

    def list_path(self, form: CampaignForm) -> Path:
        """Where its list is: under the name that the person knows, because plans show it."""
        name = "".join(each if each.isprintable() and each not in "/\\" else "_" for each in form.list_name)
        return self._folder() / form.form / LIST / (name.strip(". ")[:NAME_CHARS_MAX] or LIST)

    def set_aside_path(self, form: CampaignForm) -> Path:
        """Where the rows are that are not texted."""
        return self._folder() / form.form / SET_ASIDE

    def remove(self, form: CampaignForm) -> None:
        """Forget it and its list. Blocks."""
        shutil.rmtree(self._folder() / form.form, ignore_errors=True)

    def _place_of_list(self, form: CampaignForm) -> Path:
        """Where its list goes, without the one before."""
        place = self.list_path(form)
        shutil.rmtree(place.parent, ignore_errors=True)
        make_folder(place.parent)
        return place

    def _folder(self) -> Path:
        return console_folder(self._places, "forms")

    def _read(self, folder: Path) -> CampaignForm | None:
        try:
            return msgspec.json.decode((folder / ANSWERS).read_bytes(), type=CampaignForm)
        except (OSError, msgspec.MsgspecError):
            return None
