"""Every error of the dispatcher, with its policy as values; callers never inspect messages.

    DispatcherError                    exit code 1
    ├── UserError                      exit code 2: the user's mistake, one plain sentence with what to do
    │   ├── ConfigError                dispatcher.toml, a missing secret, an unknown account
    │   ├── NotFound                   there is nothing of this id
    │   ├── Conflict                   it is in a state that does not allow this
    │   ├── InputError                 a list, a column, a file that cannot be used
    │   │   └── EmptyInput             a list without rows
    │   └── TextError                  a text the vendor cannot carry
    ├── LogError                       the log failed
    │   ├── LogUnavailable             cannot be reached, or a file cannot be opened      retryable
    │   ├── LogTimeout                 an append may or may not have been written         retryable, uncertain
    │   ├── LogFull                    the disk (or quota) is full; nothing was written   retryable
    │   ├── LogDamaged                 a record is missing or is not what was written
    │   └── LogNewer                   written by a newer release                         exit code 2
    ├── StoreError                     the results store failed (it can be rebuilt from the log)
    │   └── StoreBusy                  another process writes to it                       retryable
    ├── ServiceFailed                  a service in a process of its own failed
    │   └── ServiceUnavailable         for a reason that may pass                         retryable
    └── PortInUse                      a listening address is taken                       exit code 2

Adapters raise nothing else: tests/log and tests/store fail on an error that is not mapped.
"""

from __future__ import annotations

from typing import ClassVar

from dispatcher.sentences import WordedError


class DispatcherError(WordedError):
    """Base of the tree. `exit_code` is the command's; `retryable`: the same call may work later.

    `NotFound('there is no campaign "{id}".', id=campaign, do="See: dispatcher campaign list")`: its message is a
    sentence with values (dispatcher.sentences). `about` names the option that a mistake is about.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False


class UserError(DispatcherError):
    """The user's mistake: the message says what happened, to what, and what to do."""

    exit_code = 2


class ConfigError(UserError):
    """The configuration cannot be used."""


class NotFound(UserError):
    """There is nothing of this id."""


class Conflict(UserError):
    """What is asked for is not possible in the state that something has now."""


class InputError(UserError):
    """A list of numbers, or a column of it, cannot be used. `sheets`: the sheets of a workbook, to choose from."""

    sheets: tuple[str, ...] = ()


class EmptyInput(InputError):
    """A list of numbers is empty."""


class TextError(UserError):
    """A text that the vendor's charset or limits cannot carry."""


class LogError(DispatcherError):
    """The log failed."""


class LogUnavailable(LogError):
    """The broker or the file cannot be reached."""

    retryable = True


class LogTimeout(LogError):
    """An append was not confirmed in time: it may be in the log, or get there later."""

    retryable = True


class LogFull(LogError):
    """No space: nothing was written."""

    retryable = True


class LogDamaged(LogError):
    """A record is missing, or its bytes are not those that were written."""


class LogNewer(LogError):
    """The log, or a record of it, was written by a newer release."""

    exit_code = 2


class StoreError(DispatcherError):
    """The results store failed; `dispatcher store rebuild` makes a new one from the log."""


class StoreBusy(StoreError):
    """Another process writes to this store: a dispatcher, or a command that brings the store up to date."""

    retryable = True


class ServiceFailed(DispatcherError):
    """A service that was called in a process of its own failed, or that process ended without an answer."""


class ServiceUnavailable(ServiceFailed):
    """The same call may work later."""

    retryable = True


class PortInUse(DispatcherError):
    """A listening address is taken by another program."""

    exit_code = 2
