"""Sentences as values: English by str(), the task's language by said(), the same after a pickle and after JSON."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from dispatcher.core.schedule.hours import HoursBroken
from dispatcher.errors import ConfigError, Conflict, DispatcherError, NotFound, UserError
from dispatcher.i18n import language_is
from dispatcher.process.service_process import ServiceAnswer
from dispatcher.sentences import Sentence
from dispatcher.service.people.directory import SignInRefused

WEIGHT = Sentence("the weight {weight} must be 1 to {max}.", weight=2000, max=1000)
NO_CAMPAIGN = NotFound('there is no draft "{id}".', id="may", do="See: dispatcher campaign show {id}")
HOURS = UserError(
    "{about}: {error}.", about="--between", error=HoursBroken("{hour}:{minute} is no time", hour=25, minute=1)
)
COUNTED = Sentence("{n:,} recipient", many="{n:,} recipients", n=2000)


@pytest.mark.parametrize(
    ("sentence", "english"),
    [
        (WEIGHT, "the weight 2000 must be 1 to 1000."),
        (NO_CAMPAIGN, 'there is no draft "may". See: dispatcher campaign show may'),
        (HOURS, "--between: 25:1 is no time."),
        (UserError("{error} Try again.", error=NO_CAMPAIGN), f"{NO_CAMPAIGN} Try again."),
        (UserError("braces {as they} are"), "braces {as they} are"),
        (UserError('the text "{text}" has {{name}}', text="{text} {0}"), 'the text "{text} {0}" has {name}'),
        (COUNTED, "2,000 recipients"),
        (Sentence("{n:,} recipient", many="{n:,} recipients", n=1), "1 recipient"),
        (Sentence("{file!r} is {size:>4}", file="a b", size=1), "'a b' is    1"),
        (ConfigError(Sentence("{path}: {error}", path="x", error=OSError("no"))), "x: no"),
    ],
)
def test_a_sentence_is_english_by_str(sentence: Sentence | DispatcherError, english: str) -> None:
    assert str(sentence) == english


def test_what_to_type_in_a_shell_is_said_to_a_shell_only() -> None:
    assert NO_CAMPAIGN.said() == 'there is no draft "may".'
    assert NO_CAMPAIGN.said(do=True) == str(NO_CAMPAIGN)
    outer = Conflict("{error} It was not started.", error=NO_CAMPAIGN)
    assert outer.said() == 'there is no draft "may". It was not started.'


def test_what_a_mistake_is_about_is_a_value_that_a_skin_names() -> None:
    assert HOURS.about == "--between"
    assert HOURS.said(name={"--between": "hours"}.__getitem__) == "hours: 25:1 is no time."
    assert UserError("{error}.", error=UserError("too long", about="--name")).about == "--name"
    assert NO_CAMPAIGN.about == ""


@pytest.mark.parametrize("carried", [pickle.dumps, copy.copy, lambda error: type(error)(*error.args)])
@pytest.mark.parametrize("error", [HOURS, NO_CAMPAIGN, SignInRefused("wait {seconds} s", 3.0, seconds=4)])
def test_an_error_survives_pickling_and_copying(error: DispatcherError, carried: object) -> None:
    made = carried(error)  # type: ignore[operator]
    again = pickle.loads(made) if isinstance(made, bytes) else made
    assert (type(again), again.sentence, again.about) == (type(error), error.sentence, error.about)
    assert str(again) == str(error)


def test_a_sentence_is_the_same_after_json() -> None:
    for sentence in (WEIGHT, HOURS.sentence, NO_CAMPAIGN.sentence, COUNTED, Sentence("{x}", x=Sentence("y"))):
        again = Sentence.of_json(json.loads(json.dumps(sentence.as_json())))
        assert again == sentence
        assert str(again) == str(sentence)
    assert Sentence.of_json(WEIGHT.as_json()) != COUNTED


def test_an_error_of_a_service_in_its_own_process_keeps_its_values() -> None:
    import msgspec

    answer = msgspec.json.decode(
        msgspec.json.encode(ServiceAnswer(error="user", sentence=HOURS.sentence.as_json())), type=ServiceAnswer
    )
    assert Sentence.of_json(answer.sentence).about == "--between"


def test_an_error_is_equal_to_itself_only_and_keeps_its_cause() -> None:
    with pytest.raises(UserError) as raised:
        try:
            raise HoursBroken("they are empty")
        except ValueError as error:
            raise UserError("{error}.", error=error) from error
    assert isinstance(raised.value.__cause__, HoursBroken)
    assert UserError("a") != UserError("a")
    assert repr(UserError("{a}", a=1)) == "UserError('1')"


def test_in_another_language_the_text_is_translated_and_the_values_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"{about}: {error}.": "{about}：{error}。", "{hour}:{minute} is no time": "{hour}:{minute} 不是时间"}
    monkeypatch.setattr("dispatcher.sentences._", lambda text: known.get(text, text))
    assert HOURS.said() == "--between：25:1 不是时间。"
    assert str(HOURS) == "--between: 25:1 is no time."
    with language_is("zh"):
        assert str(COUNTED) == "2,000 recipients"
