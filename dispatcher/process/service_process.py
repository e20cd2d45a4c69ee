"""A service of `dispatcher.services` called in a process of its own: heavy work must not stall a loop with lanes.

`call_service` starts `python -m dispatcher.process.service_process`. Standard input has the call as JSON, standard
output the answer; what else the service prints goes to standard error. If the caller is cancelled, the process is
killed: a service that is called like this must survive that, as launches do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from importlib.metadata import entry_points
from typing import Any, Final, Literal

import msgspec

from dispatcher.errors import (
    ConfigError,
    Conflict,
    DispatcherError,
    EmptyInput,
    InputError,
    NotFound,
    ServiceFailed,
    ServiceUnavailable,
    TextError,
    UserError,
)
from dispatcher.sentences import Sentence

GROUP: Final = "dispatcher.services"
_MISTAKES: Final = {
    each.__name__: each for each in (ConfigError, Conflict, EmptyInput, InputError, NotFound, TextError, UserError)
}


class ServiceCall(msgspec.Struct, frozen=True):
    """Which service, by the configuration in which file, with which arguments besides its session."""

    service: str
    config: str
    arguments: dict[str, Any]


class ServiceAnswer(msgspec.Struct, frozen=True):
    """What the service returned, or the sentence of its error as JSON: of a user's mistake, one that may pass, another.

    `kind`: the class of a user's mistake.
    """

    result: Any = None
    error: Literal["", "user", "passing", "other"] = ""
    kind: str = ""
    sentence: dict[str, Any] = {}


async def call_service(service: str, config: str, **arguments: Any) -> Any:
    """The service's result, as JSON has it.

    Raises UserError, ServiceUnavailable if the same call may work later, ServiceFailed.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dispatcher.process.service_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await process.communicate(msgspec.json.encode(ServiceCall(service, config, arguments)))
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        answer = msgspec.json.decode(said, type=ServiceAnswer)
    except msgspec.MsgspecError:
        raise ServiceFailed(
            "the process of {service} ended without an answer ({end})", service=service, end=_end(process.returncode)
        ) from None
    sentence = Sentence.of_json(answer.sentence)
    match answer.error:
        case "user":
            raise _MISTAKES.get(answer.kind, UserError)(sentence)
        case "passing":
            raise ServiceUnavailable(sentence)
        case "other":
            raise ServiceFailed(sentence)
    return answer.result


def _end(code: int | None) -> str:
    return f"exit code {code}" if code is None or code >= 0 else f"signal {-code}"


async def _answer(call: ServiceCall) -> ServiceAnswer:
    from dispatcher.service.session import open_session

    [found] = entry_points(group=GROUP, name=call.service)
    try:
        async with open_session(call.config) as session:
            return ServiceAnswer(await found.load()(session, **call.arguments))
    except UserError as error:
        return ServiceAnswer(error="user", kind=type(error).__name__, sentence=error.sentence.as_json())
    except DispatcherError as error:
        return ServiceAnswer(error="passing" if error.retryable else "other", sentence=error.sentence.as_json())


def main() -> None:
    """Answer one call."""
    answer_to = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    call = msgspec.json.decode(sys.stdin.buffer.read(), type=ServiceCall)
    answer = msgspec.json.encode(asyncio.run(_answer(call)))
    with os.fdopen(answer_to, "wb") as out:
        out.write(answer)


if __name__ == "__main__":
    main()
