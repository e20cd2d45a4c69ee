"""The configuration: one TOML file into typed structs. `dispatcher.example.toml` shows every key with its default.

Secrets are written as `${NAME}` and read from the environment, or `${file:PATH}` and read from a file. They are of
type Secret: never printed. Every mistake is a ConfigError that names the file, the key and what to do. Relative paths
are relative to the folder of the file.

Secrets are needed only where they are used: a command names its accounts (`secrets`); reading needs none. An account
with a missing secret is in `unset` and can be inspected, but `Config.account` refuses it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Collection
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec.structs import asdict, replace

from dispatcher.config.callbacks import CallbackConfig, read_callbacks
from dispatcher.config.mistakes import check_values, converted
from dispatcher.config.places import (
    Places,
    Seconds,
    beside,
    read_file,
    read_places,
    resolved,
    section,
    table_of,
)
from dispatcher.config.routes import Route, read_routes
from dispatcher.config.verification import VerificationConfig, read_verification
from dispatcher.core.caps import Cap, CapBroken, cap_of
from dispatcher.core.carriers import CARRIER_WORDS
from dispatcher.core.opt_out import WORDS, OptOutWords
from dispatcher.core.schedule.hours import Hours, HoursBroken, hours_of
from dispatcher.errors import ConfigError
from dispatcher.sentences import Sentence
from dispatcher.vendors import registry
from dispatcher.vendors.seam.vendor import HttpVendor, Secret, Vendor
from dispatcher.wording import show_times_in
from schemas.records import CampaignClass

ACCOUNT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

Secrets = Literal["all", "accounts", "none"] | Collection[str]
"""The accounts whose secrets must be present, "accounts" for every one, "all" for other sections too, or "none"."""

FromReports = Literal["blacklist", "no-such-number"]
"""A kind of report that may put its number on the suppression list."""

TOKEN_CHARS_MIN: Final = 16
PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")

Count = Annotated[int, msgspec.Meta(ge=1)]


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where vendors push to, and the bounds on what they and strangers may send.

    `certificate` and `key` are files; with them the server speaks TLS. `trusted_proxies` name the client's address.
    `share_port`: other processes may listen there, too. `health_token` opens the counts of /healthz, and /metrics.
    `pushes_per_s_max` and `waiting_max` are per account and kind of push (report, inbound). `strangers_share` is the
    share of the process's time for clients that have not proved who they are. `prefix` is the path under which a
    proxy shows this server; `user_header` is where a trusted proxy names the person that it has signed in. Who
    launches to more than `confirm_above` recipients in the console types their number.
    """

    listen: str = "127.0.0.1:8080"
    certificate: str = ""
    key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    share_port: bool = False
    health_token: Secret | None = None
    body_bytes_max: Count = 1_048_576
    held_bytes_max: Annotated[int, msgspec.Meta(ge=1_048_576)] = 67_108_864
    connections_max: Count = 8_192
    connections_per_address_max: Count = 2_048
    strangers_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05
    pushes_per_s_max: Count = 50_000
    waiting_max: Count = 20_000
    prefix: str = ""
    user_header: str = ""
    confirm_above: Annotated[int, msgspec.Meta(ge=0)] = 1_000

    def check(self) -> str | None:
        """One sentence that names a wrong key, or None."""
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                return f'trusted_proxies: "{proxy}" is no address and no network (127.0.0.1, 10.0.0.0/8).'
        if self.prefix and not PREFIX.fullmatch(self.prefix):
            return f'prefix = "{self.prefix}": write it as "/sms", with a slash before it and none behind it.'
        if self.user_header and not HEADER_NAME.fullmatch(self.user_header):
            return f'user_header = "{self.user_header}" is no name of a header (X-Forwarded-User).'
        if self.user_header and not self.trusted_proxies:
            return "user_header needs trusted_proxies: from anybody else that header proves nothing."
        if bool(self.certificate) != bool(self.key):
            return f"{'key' if self.certificate else 'certificate'} is missing: TLS needs both files."
        if self.health_token is not None and len(self.health_token) < TOKEN_CHARS_MIN:
            return f"health_token must have at least {TOKEN_CHARS_MIN} characters: write a random one."
        if self.held_bytes_max < self.body_bytes_max:
            return "held_bytes_max must not be less than body_bytes_max."
        return None


class ApiConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one token may ask of the HTTP API: requests per second, long requests at the same time, bytes of a list.

    `uploads` is the folder of lists that are not drafted yet; "": beside the results.
    """

    requests_per_s_max: Count = 5_000
    heavy_max: Count = 4
    upload_bytes_max: Count = 4_294_967_296
    uploads: str = ""


class InboundConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The messages that put their sender on the suppression list."""

    opt_out_words: tuple[str, ...] = WORDS

    @property
    def opt_outs(self) -> OptOutWords:
        """The words, ready to compare. Raises ConfigError if one is not a valid opt-out word."""
        try:
            return OptOutWords(self.opt_out_words)
        except ValueError as error:
            raise ConfigError("[inbound] opt_out_words: {error}.", error=error) from error


class SuppressionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which reports put their number on the suppression list."""

    from_reports: tuple[FromReports, ...] = ()


class HoursConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When campaigns of each class may be sent, in Asia/Shanghai, and to each carrier's numbers."""

    marketing: str = "08:00-20:00"
    notice: str = "00:00-24:00"
    code: str = "00:00-24:00"
    carriers: dict[str, str] = {}

    def of_class(self, campaign_class: CampaignClass) -> Hours:
        """The hours of this class. Raises HoursBroken."""
        return hours_of(getattr(self, campaign_class))

    def of_carrier(self, word: str) -> Hours:
        """The hours of the carrier with this word (core/carriers.py). Raises HoursBroken."""
        return hours_of(self.carriers.get(word, "00:00-24:00"))

    def check(self) -> str | None:
        """One sentence that names a wrong key, or None."""
        for word in self.carriers:
            if word not in CARRIER_WORDS:
                return f"[hours.carriers] {word} is no carrier; write one of: {', '.join(CARRIER_WORDS)}."
        named = [(f"[hours] {name}", getattr(self, name)) for name in get_args(CampaignClass)]
        named += [(f"[hours.carriers] {word}", text) for word, text in self.carriers.items()]
        for key, text in named:
            try:
                hours_of(text)
            except HoursBroken as error:
                return f"{key}: {error}."
        return None


class CapsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often the campaigns of each class may text one number, as "2 per 7 d"; "": as often as they like."""

    marketing: str = ""
    notice: str = ""
    code: str = ""

    def of(self, campaign_class: CampaignClass) -> Cap | None:
        """The cap of a class. Raises ConfigError."""
        text: str = getattr(self, campaign_class)
        try:
            return cap_of(text) if text else None
        except CapBroken as error:
            raise ConfigError(
                "[caps] {campaign_class}: {error}.", campaign_class=campaign_class, error=error
            ) from error


class AlertsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when on something is an alert: an account with a queue whose credit lasts for less than `credit_hours`."""

    credit_hours: Seconds = 2.0


class LanesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the lanes: an intent's time to live, the drain on an orderly stop, the distance of checkpoints."""

    intent_ttl_s: Seconds = 5.0
    drain_s: Seconds = 20.0
    checkpoint_every: Count = 2_000


class Config(Places, frozen=True, kw_only=True):
    """The whole configuration. `accounts` are the vendors by account name: the name is the lane.

    `unset` names the missing secret of accounts that were not requested; they cannot be used. `unset_tables` names that
    of (account, table) for tables that only their own commands use (`Vendor.optional_tables`); such a table is left
    out of the account. `unset_verification` says why the secret of `[verification]` is missing, `unset_callbacks` that
    of callbacks.
    """

    web: WebConfig
    lanes: LanesConfig
    accounts: dict[str, Vendor]
    unset: dict[str, str] = msgspec.field(default_factory=dict)
    inbound: InboundConfig = InboundConfig()
    api: ApiConfig = ApiConfig()
    suppression: SuppressionConfig = SuppressionConfig()
    routes: dict[str, Route] = msgspec.field(default_factory=dict)
    hours: HoursConfig = HoursConfig()
    caps: CapsConfig = CapsConfig()
    alerts: AlertsConfig = AlertsConfig()
    verification: VerificationConfig = VerificationConfig()
    unset_verification: str = ""
    unset_tables: dict[tuple[str, str], str] = msgspec.field(default_factory=dict)
    callbacks: dict[str, CallbackConfig] = msgspec.field(default_factory=dict)
    unset_callbacks: dict[str, str] = msgspec.field(default_factory=dict)

    def callback(self, name: str, *, ready: bool = True) -> CallbackConfig:
        """The callback of this name; `ready`: with its secret. Raises ConfigError if it, or that, is missing."""
        if ready and name in self.unset_callbacks:
            raise ConfigError(self.unset_callbacks[name])
        try:
            return self.callbacks[name]
        except KeyError:
            known = ", ".join(sorted(self.callbacks)) or Sentence("none")
            raise ConfigError(
                'callback "{name}" is not in {path} (callbacks there: {known}). '
                "Add [callbacks.{name}], or name one of those.",
                name=name,
                path=self.path,
                known=known,
            ) from None

    def http_account(self, name: str) -> HttpVendor:
        """As `account`, for what only vendors that speak HTTP have. Raises ConfigError."""
        vendor = self.account(name)
        if isinstance(vendor, HttpVendor):
            return vendor
        raise ConfigError(
            'account "{name}" is at vendor {vendor}, which does not speak HTTP. Name another one.',
            name=name,
            vendor=vendor.tag,
        )

    def account(self, name: str) -> Vendor:
        """The account of this name, ready for use. Raises ConfigError if it or its secret is missing."""
        if name in self.unset:
            raise ConfigError(self.unset[name])
        try:
            return self.accounts[name]
        except KeyError:
            known = ", ".join(sorted(self.accounts)) or Sentence("none")
            raise ConfigError(
                'account "{name}" is not in {path} (accounts there: {known}). '
                "Add [account.{name}], or name one of those.",
                name=name,
                path=self.path,
                known=known,
            ) from None


def load(path: str | os.PathLike[str] | None = None, *, secrets: Secrets = "all") -> Config:
    """The configuration in this file; default: $DISPATCHER_CONFIG, else `dispatcher.toml` here.

    From then on the process shows times in the zone of `[display]`. `secrets` are the accounts whose secrets are
    needed. Raises ConfigError, also if one of those is missing.
    """
    table, file = read_file(path)
    config = parse(table, file, secrets=secrets)
    show_times_in(config.display.zone)
    return config


def parse(table: dict[str, Any], path: str, *, secrets: Secrets = "all") -> Config:
    """The configuration in an already parsed TOML table; `path` is named in errors. Raises ConfigError."""
    places = read_places(table, path)
    accounts, unset = {}, {}
    unset_tables: dict[tuple[str, str], str] = {}
    for name, fields in table_of(table.get("account", {}), f"{path}: [account]").items():
        if not ACCOUNT_NAME.fullmatch(name):
            raise ConfigError(
                '{path}: [account.{name}]: a name is letters, digits, "_", "-" and ".".', path=path, name=name
            )
        accounts[name], missing = _account(name, fields, path, unset_tables)
        if missing is not None and (secrets in ("all", "accounts") or (secrets != "none" and name in secrets)):
            raise missing
        if missing is not None:
            unset[name] = str(missing)
    inbound = section(table, "inbound", InboundConfig, path)
    caps = section(table, "caps", CapsConfig, path)
    try:
        _ = inbound.opt_outs
        for campaign_class in get_args(CampaignClass):
            caps.of(campaign_class)
    except ConfigError as error:
        raise ConfigError("{path}: {error}", path=path, error=error) from error
    verification, unset_verification = read_verification(table.get("verification", {}), path)
    if unset_verification and secrets == "all":
        raise ConfigError(unset_verification)
    callbacks, unset_callbacks = read_callbacks(table.get("callbacks", {}), path)
    if unset_callbacks and secrets == "all":
        raise ConfigError(next(iter(unset_callbacks.values())))
    hours = section(table, "hours", HoursConfig, path)
    if wrong := hours.check():
        raise ConfigError("{path}: {wrong}", path=path, wrong=wrong)
    return Config(
        **asdict(places),
        web=_web(table, path, secrets),
        api=section(table, "api", ApiConfig, path),
        lanes=section(table, "lanes", LanesConfig, path),
        accounts=accounts,
        unset=unset,
        inbound=inbound,
        suppression=section(table, "suppression", SuppressionConfig, path),
        routes=read_routes(table.get("routes", {}), path, accounts),
        hours=hours,
        caps=caps,
        alerts=section(table, "alerts", AlertsConfig, path),
        verification=verification,
        unset_verification=unset_verification,
        unset_tables=unset_tables,
        callbacks=callbacks,
        unset_callbacks=unset_callbacks,
    )


def _web(table: dict[str, Any], path: str, secrets: Secrets) -> WebConfig:
    """[web], its files relative to the configuration; its token only if all secrets are requested (`run`)."""
    where = f"{path}: [web]"
    fields = dict(table_of(table.get("web", {}), where))
    if secrets != "all":
        fields.pop("health_token", None)
    fields = {key: resolved(value, f"{where} {key}", path) for key, value in fields.items()}
    web = converted(fields, WebConfig, where, _secret)
    check_values(fields, where)
    if wrong := web.check():
        raise ConfigError("{path}: [web] {wrong}", path=path, wrong=wrong)
    files = {name: beside(path, value) for name in ("certificate", "key") if (value := getattr(web, name))}
    return replace(web, **files)


def _account(
    name: str, fields: dict[str, Any], path: str, unset_tables: dict[tuple[str, str], str]
) -> tuple[Vendor, ConfigError | None]:
    """The account, and its missing secret, which stays in it as a reference."""
    where = f"{path}: [account.{name}]"
    tag = table_of(fields, where).get("vendor")
    try:
        kind = registry.find(tag) if isinstance(tag, str) else None
    except ConfigError as error:
        raise ConfigError("{where}: {error}", where=where, error=error) from error
    if kind is None:
        said = "vendor is missing" if tag is None else f'vendor = "{tag}" is not known'
        raise ConfigError(
            "{where}: {mistake}; write one of: {known}.", where=where, mistake=said, known=", ".join(registry.tags())
        )
    missing: ConfigError | None = None
    values = dict(fields)
    for key, value in fields.items():
        try:
            values[key] = resolved(value, f"{where} {key}", path)
        except ConfigError as error:
            if key in kind.optional_tables:
                unset_tables[name, key] = str(error)
                del values[key]
            else:
                missing = missing or error
    vendor: Vendor = converted(values, kind, where, _secret)
    wrong = vendor.check() if missing is None else None
    if wrong:
        raise ConfigError("{where}: {wrong}", where=where, wrong=wrong)
    check_values(values, where)
    return vendor, missing


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError("expected a text in quotes, or ${NAME}")
