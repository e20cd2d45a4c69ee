"""The configuration: typed, every mistake a sentence that names the key, and no secret in any of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatcher.config.callbacks import CallbackConfig
from dispatcher.config.file import Config, InboundConfig, LanesConfig, WebConfig, load, parse
from dispatcher.config.places import LogConfig, StoreConfig
from dispatcher.config.verification import VerificationConfig
from dispatcher.errors import ConfigError
from dispatcher.vendors.batch.edition_a import BatchA
from dispatcher.vendors.registry import BUILT_IN, find
from dispatcher.vendors.seam.vendor import Flow, HttpVendor

EXAMPLE = Path(__file__).parents[2] / "dispatcher.example.toml"
ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "s3cret-pw"}


def with_account(**keys: Any) -> Config:
    return parse({"account": {"spring": ACCOUNT | keys}}, "dispatcher.toml")


def test_an_empty_file_is_the_defaults_and_no_accounts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)
    (tmp_path / "dispatcher.toml").touch()
    config = load()
    assert (config.log, config.store, config.web) == (LogConfig(), StoreConfig(), WebConfig())
    assert config.accounts == {}


def test_without_a_file_it_is_said_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)
    with pytest.raises(ConfigError, match=re.escape(f"there is no dispatcher.toml in {tmp_path}.")):
        load()
    monkeypatch.setenv("DISPATCHER_CONFIG", "other.toml")
    with pytest.raises(ConfigError, match=re.escape("other.toml: no such file, but $DISPATCHER_CONFIG names it")):
        load()


def test_a_file_as_windows_editors_save_it_is_read(tmp_path):
    (tmp_path / "bom.toml").write_bytes(b'\xef\xbb\xbf[web]\r\nlisten = "127.0.0.1:1"\r\n')
    assert load(tmp_path / "bom.toml").web.listen == "127.0.0.1:1"


def test_a_file_becomes_typed_values(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        """
        [log]
        url = "kafka://127.0.0.1:9092"
        [web]
        listen = "127.0.0.1:0"
        [account.spring]
        vendor = "batch-a"
        url = "http://127.0.0.1:9101"
        account = "demo"
        pswd = "s3cret-pw"
        flow = { limit = 500 }
        timeout_s = 10
        send_hours = [8, 21]
        """,
        encoding="utf-8",
    )
    config = load(file)
    spring = config.account("spring")
    assert isinstance(spring, BatchA)
    assert (config.log.url, config.web.listen) == ("kafka://127.0.0.1:9092", "127.0.0.1:0")
    assert (spring.tag, spring.flow, spring.timeout_s, spring.send_hours) == ("batch-a", Flow(500), 10.0, (8, 21))
    assert spring.pswd == "s3cret-pw"


def test_the_environment_names_the_file_where_the_command_does_not(tmp_path, monkeypatch):
    file = tmp_path / "mine.toml"
    file.write_text('[web]\nlisten = "127.0.0.1:1"\n')
    monkeypatch.setenv("DISPATCHER_CONFIG", str(file))
    assert load().web.listen == "127.0.0.1:1"


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("SPRING_PSWD", "from-env")
    (tmp_path / "secret").write_text("from-file\n")
    assert with_account(pswd="${SPRING_PSWD}").account("spring").pswd == "from-env"  # type: ignore[attr-defined]
    assert with_account(pswd=f"${{file:{tmp_path / 'secret'}}}").account("spring").pswd == "from-file"  # type: ignore[attr-defined]
    assert with_account(pswd="a-${SPRING_PSWD}-z").account("spring").pswd == "a-from-env-z"  # type: ignore[attr-defined]


FOUR: dict[str, Any] = {
    "account": {
        "spring": ACCOUNT | {"pswd": "${NO_SPRING_PSWD}"},
        "summer": ACCOUNT | {"pswd": "${SUMMER_PSWD}", "push_pswd": "${file:/no/such/file}"},
        "winter": ACCOUNT | {"url": "${NO_WINTER_URL}"},
        "autumn": ACCOUNT,
    }
}

NEEDED: list[tuple[Any, str | None]] = [
    # whose secrets a command needs, and the one whose lack stops it
    ("none", None),
    ([], None),
    (["autumn"], None),
    (["autumn", "nobody"], None),
    (["spring"], "[account.spring] pswd: the environment variable NO_SPRING_PSWD is not set"),
    (["autumn", "summer"], "[account.summer] push_pswd: the secret file /no/such/file cannot be read"),
    (["winter"], "[account.winter] url: the environment variable NO_WINTER_URL is not set"),
    ("all", "[account.spring] pswd"),
]


@pytest.mark.parametrize(("secrets", "sentence"), NEEDED, ids=lambda value: str(value))
def test_a_missing_secret_stops_only_those_who_need_it(monkeypatch, secrets, sentence):
    monkeypatch.setenv("SUMMER_PSWD", "there")
    if sentence is not None:
        with pytest.raises(ConfigError, match=re.escape(sentence)):
            parse(FOUR, "dispatcher.toml", secrets=secrets)
        return
    config = parse(FOUR, "dispatcher.toml", secrets=secrets)
    assert sorted(config.accounts) == ["autumn", "spring", "summer", "winter"]
    assert sorted(config.unset) == ["spring", "summer", "winter"]
    assert config.account("autumn").url == "http://127.0.0.1:9101"


def test_an_account_without_its_secret_can_be_looked_at_but_not_be_used():
    config = parse(FOUR, "dispatcher.toml", secrets="none")
    assert config.accounts["spring"].limits.numbers_max == 50_000
    with pytest.raises(ConfigError, match="NO_SPRING_PSWD is not set"):
        config.account("spring")


def test_other_mistakes_in_an_account_with_a_missing_secret_are_still_reported():
    with pytest.raises(ConfigError, match="did you mean flow"):
        parse({"account": {"spring": ACCOUNT | {"pswd": "${NO_SUCH}", "flwo": 1}}}, "dispatcher.toml", secrets="none")


def test_a_missing_value_of_the_log_stops_everybody():
    with pytest.raises(ConfigError, match=re.escape("[log] url: the environment variable NO_SUCH_NAME is not set")):
        parse({"log": {"url": "${NO_SUCH_NAME}"}}, "dispatcher.toml", secrets="none")


def test_a_secret_is_not_printed_with_its_account():
    config = with_account(push_pswd="s3cret-push")
    assert "s3cret" not in repr(config)
    assert "s3cret" not in str(config.accounts)


# --- mistakes --------------------------------------------------------------------------------------------------------

MISTAKES = [
    # name, the account's keys, what the sentence must say
    ("a missing variable", {"pswd": "${NO_SUCH_NAME}"},
     "pswd: the environment variable NO_SUCH_NAME is not set"),
    ("a missing secret file", {"pswd": "${file:/no/such/file}"},
     "pswd: the secret file /no/such/file cannot be read"),
    ("a number for a secret",    {"pswd": 5},                            "pswd: expected a text in quotes"),
    ("an unknown vendor", {"vendor": "batch-z"},
     'vendor = "batch-z" is not known; write one of: '),
    ("a list for a vendor",      {"vendor": ["batch-a"]},                "is not known"),
    ("a misspelt key",           {"flwo": {"limit": 5}},                 "there is no key flwo (did you mean flow?)"),
    ("an unknown key inside",    {"flow": {"limit": 5, "burst": 9}},     "there is no key burst in flow"),
    ("a word for a number", {"flow": {"limit": "fast"}},
     "flow.limit must be a whole number, not a text in quotes"),
    ("an unknown unit",          {"flow": {"limit": 5, "unit": "sms"}},
     "flow.unit must be one of: messages, parts, requests"),
    ("a misspelt key inside",    {"flow": {"limt": 5}},                  "no key limt in flow (did you mean limit?)"),
    ("no limit inside",          {"flow": {"per_s": 1}},                 "flow.limit is missing"),
    ("a number for a table", {"flow": 500},
     "flow must be a table in { }, not a whole number"),
    ("a text for a number", {"timeout_s": "5"},
     "timeout_s must be a number, not a text in quotes"),
    ("a text in a list",         {"send_hours": ["8", 21]},              "send_hours[0] must be a whole number"),
    ("a flow of nothing",        {"flow": {"limit": 0}},                 "flow needs a limit of 1 or more"),
    ("a window of nothing",      {"flow": {"limit": 5, "per_s": 0}},     "per_s above 0"),
    ("one hour",                 {"send_hours": [8]},                    "send_hours must be a list of 2, not of 1"),
    ("hours that do not follow", {"send_hours": [21, 8]},                "send_hours must be [FROM, TO]"),
    ("an hour 25",               {"send_hours": [8, 25]},                "send_hours must be [FROM, TO]"),
    ("no time",                  {"timeout_s": 0},                       "timeout_s must be above 0"),
    ("not a number of seconds",  {"timeout_s": float("nan")},            "timeout_s must be above 0"),
    ("no requests under way",    {"inflight_max": 0},                    "inflight_max must be 1 or more"),
    ("no attempts",              {"attempts_max": 0},                    "attempts_max must be 1 or more"),
    ("given up before it began", {"give_up_after_s": -1.0},              "give_up_after_s must be 0 or more"),
    ("too many in a request",    {"numbers_per_request": 60_000},        "numbers_per_request must be 1 to 50000"),
    ("a URL without a host",     {"url": "http://"},                     "url must be"),
    ("a URL of another kind",    {"url": "ftp://127.0.0.1"},             "url must be"),
    ("a URL with a query",       {"url": "http://127.0.0.1/?account=x"}, "url must be"),
    ("a URL with a password",    {"url": "http://me:pw@127.0.0.1"},      "url must be"),
    ("a URL with a broken port", {"url": "http://127.0.0.1:x"},          "url must be"),
    ("a price of nothing",       {"price": {"default": "free"}},         'price: "free" is not an amount in CNY'),
    ("no usual price",           {"price": {"telecom": "0.05"}},         "price.default is missing"),
    ("an empty price",           {"price": {"default": ""}},             "price.default must be an amount in CNY"),
    ("a price that is a number", {"price": {"default": 0.05}},           "price.default must be a text in quotes"),
    ("a misspelt carrier", {"price": {"default": "1", "teleco": "2"}},
     "there is no key teleco in price (did you mean telecom?)"),
    ("a price without a day", {"price": [{"default": "1"}, {"default": "2"}]},
     "price: of several prices each but the first needs its first day"),
    ("prices in a wrong order",
     {"price": [{"from": "2027-01-01", "default": "1"}, {"from": "2026-01-01", "default": "2"}]},
     "price: write the prices in the order of their days"),
    ("no price at all",          {"price": []},                          "price.default must be an amount in CNY"),
    ("a vendor's own rule",      {"text_chars_max": 537},                "raise text_chars_hard_max"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "words"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_in_an_account_is_a_sentence_that_names_file_account_and_key(keys, words):
    with pytest.raises(ConfigError) as error:
        with_account(**keys)
    sentence = str(error.value)
    assert sentence.startswith("dispatcher.toml: [account.spring]")
    assert words in sentence
    assert sentence.endswith(".")
    assert "s3cret" not in sentence


@pytest.mark.parametrize("key", ["url", "account", "pswd", "vendor"])
def test_a_key_that_must_be_written_is_named_if_it_is_missing(key):
    account = {name: value for name, value in ACCOUNT.items() if name != key}
    with pytest.raises(ConfigError, match=f"{key} is missing"):
        parse({"account": {"spring": account}}, "dispatcher.toml")


TABLES: list[tuple[dict[str, Any], str]] = [
    ({"webb": {}}, "[webb] is not a known section"),
    ({"log": "sqlite:x"}, "[log] must be a table"),
    ({"log": {"uri": "x"}}, "[log]: there is no key uri (did you mean url?)"),
    ({"web": {"listen": 8080}}, "[web]: listen must be a text in quotes, not a whole number"),
    ({"web": {"waiting_max": 0}}, "[web]: waiting_max must be 1 or more"),
    ({"lanes": {"drain_s": 0}}, "[lanes]: drain_s must be above 0"),
    ({"lanes": {"intent_ttl_s": "5 s"}}, "[lanes]: intent_ttl_s"),
    ({"account": []}, "[account] must be a table"),
    ({"account": {"spring": 5}}, "[account.spring] must be a table"),
    ({"account": {"two words": ACCOUNT}}, "a name is letters, digits"),
    ({"account": {"": ACCOUNT}}, "a name is letters, digits"),
]


@pytest.mark.parametrize(("table", "words"), TABLES, ids=[row[1] for row in TABLES])
def test_a_mistake_anywhere_else_is_a_sentence_too(table, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        parse(table, "dispatcher.toml")


def test_a_file_that_cannot_be_used_is_named_with_what_to_do(tmp_path):
    broken, binary = tmp_path / "broken.toml", tmp_path / "binary.toml"
    broken.write_text("[log\n")
    binary.write_bytes(b"\xff\xfe")
    for path, words in (
        (tmp_path / "none.toml", "no such file. Correct --config, or begin one: dispatcher init"),
        (broken, "not valid TOML"),
        (binary, "cannot be read, as it is not UTF-8"),
        (tmp_path, "cannot be read (Is a directory)"),
    ):
        with pytest.raises(ConfigError, match=re.escape(words)) as error:
            load(path)
        assert str(path) in str(error.value)


def test_an_account_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ConfigError, match=r'account "sprnig" is not in dispatcher\.toml \(accounts there: spring\)'):
        with_account().account("sprnig")


def test_an_empty_password_is_no_password():
    with pytest.raises(ConfigError, match="pswd is empty"):
        with_account(pswd="")


# --- tables apart ----------------------------------------------------------------------------------------------------

AGENT = {"username": "boss", "operator": "ann", "secret_key": "${AGENT_SECRET}", "des_key": "8 bytes!"}


def batch(config: Config) -> BatchA:
    spring = config.account("spring")
    assert isinstance(spring, BatchA)
    return spring


def test_a_secret_that_only_commands_of_their_own_use_stops_nothing_else(monkeypatch):
    monkeypatch.delenv("AGENT_SECRET", raising=False)
    config = with_account(agent=AGENT)
    assert (batch(config).agent, config.unset) == (None, {})
    assert (
        "[account.spring] agent.secret_key: the environment variable AGENT_SECRET is not set"
        in (config.unset_tables["spring", "agent"])
    )
    monkeypatch.setenv("AGENT_SECRET", "s3cret-agent")
    config = with_account(agent=AGENT)
    agent = batch(config).agent
    assert agent is not None
    assert agent.secret_key == "s3cret-agent"
    assert config.unset_tables == {}
    assert {"s3cret-pw", "s3cret-agent", "8 bytes!"} == set(config.account("spring").secrets())
    assert "s3cret-agent" not in repr(config)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"des_key": "short"}, "agent: des_key must have 8 bytes, it has 5"),
        ({"operator": ""}, "agent: operator is empty"),
        ({"secret": "x"}, "there is no key secret in agent"),
        ({"username": 5}, "agent.username must be a text in quotes"),
    ],
)
def test_a_table_of_an_account_is_checked_by_name(keys, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        with_account(agent=AGENT | {"secret_key": "x"} | keys)


# --- the example -----------------------------------------------------------------------------------------------------

OPTIONAL = re.compile(r"^#(?=\w+ = |\[(?:account|routes|callbacks)\.\w+\]$)", re.MULTILINE)
NO_DEFAULT = {
    "secret",
    "streams",
    "flow",
    "numbers_per_request",
    "send_hours",
    "receiver",
    "push_pswd",
    "push_key",
    "agent",
    "health_token",
    "price",
    "opt_out_footer",
    "signature",
}


@pytest.fixture
def secrets(monkeypatch):
    monkeypatch.setenv("SPRING_PSWD", "s3cret-pw")
    monkeypatch.setenv("SPRING_PUSH_PSWD", "s3cret-push")
    for name in set(re.findall(r"\$\{([A-Z_]+)\}", EXAMPLE.read_text(encoding="utf-8"))) - {"NAME"}:
        monkeypatch.setenv(name, "s3cretDK" if "DES" in name else "s3cret-words-of-ours")
    monkeypatch.setenv("SHOP_CALLBACK_SECRET", "whsec_" + "c2VjcmV0" * 4)


def test_an_invalid_opt_out_word_is_a_mistake():
    with pytest.raises(ConfigError, match=r'\[inbound\] opt_out_words: the opt-out word "!" has no letter'):
        parse({"inbound": {"opt_out_words": ["TD", "!"]}}, "dispatcher.toml")


@pytest.mark.usefixtures("secrets")
def test_the_example_is_a_configuration_with_one_account():
    config = load(EXAMPLE)
    assert list(config.accounts) == ["spring"]
    assert msgspec.structs.replace(config, accounts={}) == parse({}, str(EXAMPLE))


@pytest.mark.usefixtures("secrets")
def test_the_example_with_every_key_uncommented_is_a_configuration():
    config = parse(tomllib.loads(OPTIONAL.sub("", EXAMPLE.read_text(encoding="utf-8"))), "all")
    assert config.accounts["spring"].flow
    assert config.routes["national"].accounts == ("spring", "summer")


SECTIONS = [
    ("log", LogConfig),
    ("store", StoreConfig),
    ("web", WebConfig),
    ("inbound", InboundConfig),
    ("lanes", LanesConfig),
    ("verification", VerificationConfig),
]


SECTIONS += [("account", BatchA), ("callbacks", CallbackConfig)]


@pytest.mark.parametrize(("section", "kind"), SECTIONS, ids=lambda value: str(value))
def test_the_example_shows_every_key_with_its_default(section, kind):
    table = tomllib.loads(OPTIONAL.sub("", EXAMPLE.read_text(encoding="utf-8")))[section]
    shown = table[{"account": "spring", "callbacks": "shop"}[section]] if section in ("account", "callbacks") else table
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    assert set(shown) - {"vendor"} == set(fields)
    for name, field in fields.items():
        if not field.required and name not in NO_DEFAULT:
            assert msgspec.convert(shown[name], field.type) == field.default, name


@pytest.mark.parametrize("kind", [find(tag) for tag in BUILT_IN], ids=list(BUILT_IN))
def test_the_example_shows_every_vendors_own_keys_with_their_defaults(kind):
    table = tomllib.loads(OPTIONAL.sub("", EXAMPLE.read_text(encoding="utf-8")))["account"]
    (shown,) = [account for account in table.values() if account["vendor"] == kind.__struct_config__.tag]
    common = {field.name: field.default for field in msgspec.structs.fields(HttpVendor)}
    own = [field for field in msgspec.structs.fields(kind) if field.default != common.get(field.name, msgspec.UNSET)]
    assert {field.name for field in own} | {"url"} <= set(shown)
    for field in own:
        if not field.required and field.name not in NO_DEFAULT:
            default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
            assert msgspec.convert(shown[field.name], field.type) == default, field.name


def test_every_vendor_is_registered_under_its_own_name():
    kinds = [find(tag) for tag in BUILT_IN]
    assert [kind.__struct_config__.tag for kind in kinds if kind is not None] == list(BUILT_IN)
    assert len(set(kinds)) == len(kinds)


def test_people_read_times_in_the_zone_of_the_display(tmp_path):
    from dispatcher.wording import clock

    (tmp_path / "a.toml").write_text("")
    (tmp_path / "b.toml").write_text('[display]\ntimezone = "UTC"\n')
    load(tmp_path / "b.toml")
    assert clock(1_800_000_000_000, named=True) == "2027-01-15 08:00:00 UTC"
    load(tmp_path / "a.toml")
    assert clock(1_800_000_000_000, named=True) == "2027-01-15 16:00:00 Asia/Shanghai"


def test_a_time_zone_that_is_not_known_is_an_error():
    with pytest.raises(ConfigError, match='timezone = "Shanghai" is not known on this machine'):
        parse({"display": {"timezone": "Shanghai"}}, "dispatcher.toml")
