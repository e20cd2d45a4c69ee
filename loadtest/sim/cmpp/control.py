"""The control endpoint of the CMPP gateway: HTTP on a port of its own, paths as the other simulators have them.

GET  /_sim/config        every switch; accounts (without secrets); rules
POST /_sim/config        switches by name, `account` by name, `rule`; all or nothing
POST /_sim/rules         one more rule; DELETE takes all away
GET  /_sim/ledger        the figures; ?doubles=no leaves out what has to sort (for polling)
GET  /_sim/ledger/rows   Parquet; ?format=ndjson, ?from=0&limit=100000; ?by=recipient: whole messages, not parts
POST /_sim/report        {"account": "spring", "msg_id": "16 hex digits", "mobile": "…", "status": "…"}
POST /_sim/mo            {"account": "spring", "mobile": "…", "msg": "…"}; also `to`, `msg_fmt`, `service`, `hex`
POST /_sim/phone         {"mobile": "…", "to": "…", "msg": "…"}: a phone of this gateway writes to a service anywhere
POST /_sim/repeat        {"account": "spring"}: every report that was delivered, once more
POST /_sim/terminate     {"account": "spring"}: end its sessions, as the switch `terminate` says
POST /_sim/outage        {"seconds": 5}: reset every connection and close the port, for this time (real seconds)
POST /_sim/reset         forget the ledger and what waits; {"all": true}: also what was set
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import orjson
from aiohttp import web

from dispatcher.config.mistakes import converted
from dispatcher.errors import ConfigError, UserError
from loadtest.sim import config as configuration
from loadtest.sim.cmpp.accounts import Account
from loadtest.sim.cmpp.faults import rule
from loadtest.sim.cmpp.gateway import Gateway
from loadtest.sim.control_values import NDJSON, PARQUET, json_object, outage_s, rows_asked

OF_ONE_ACCOUNT: Final = ("account", "limit", "per_s", "unit", "limit_used", "active_s", "window_max", "outstanding_max")


class Control:
    """What can be asked of and done to a running gateway; the paths call the same methods as Python does."""

    def __init__(self, gateway: Gateway, outage: Callable[[float], None]) -> None:
        self._gateway = gateway
        self._outage = outage

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """One request; a user's mistake is a 400 with its sentence."""
        path, _, query = request.raw_path.partition("?")
        asked = dict(parse_qsl(query))
        try:
            body = await request.read()
            return self._route(request.method, path.removeprefix("/_sim"), asked, json_object(body))
        except UserError as error:
            return _json({"error": str(error)}, 400)

    def _route(self, method: str, path: str, asked: dict[str, str], given: dict[str, Any]) -> web.Response:
        gateway = self._gateway
        match method, path:
            case "GET", "/config":
                return _json(self.describe())
            case "POST", "/config":
                self.configure(given)
                return _json(self.describe())
            case "POST", "/rules":
                gateway.rules.add(given)
                return _json(self.describe()["rules"])
            case "DELETE", "/rules":
                gateway.rules.replace([])
                return _json([])
            case "GET", "/ledger":
                return _json(self.totals(asked.get("doubles") != "no"))
            case "GET", "/ledger/rows":
                return self._rows(asked)
            case "POST", "/report":
                gateway.phones.made_report(self._account(given), given)
                return _json({"status": 0})
            case "POST", "/mo":
                return _json({"statuses": [0] * gateway.phones.write(self._account(given), given)})
            case "POST", "/phone":
                if gateway.network is None:
                    raise ConfigError("this gateway has no network behind it. Use /_sim/mo with an account.")
                return _json({"parts": gateway.network.write(given)})
            case "POST", "/repeat":
                return _json({"reports": gateway.phones.repeat(self._account(given))})
            case "POST", "/terminate":
                return _json({"sessions": self.terminate(self._account(given))})
            case "POST", "/outage":
                return _json({"down_s": self.outage(given.get("seconds", 5.0))})
            case "POST", "/reset":
                self.reset(bool(given.get("all")))
                return _json({"reset": True})
        return _json({"error": f"no {method} /_sim{path}. See docs/SIMULATORS.md for what there is."}, 404)

    def describe(self) -> dict[str, Any]:
        """Everything that can be set, with what it is set to; no secrets."""
        gateway = self._gateway
        accounts = {
            name: {
                k: v
                for k, v in msgspec.to_builtins(account.config).items()
                if k not in ("pswd", "receiver_pswd", "agent")
            }
            for name, account in gateway.accounts.items()
        }
        return {
            "vendor": "cmpp",
            "switches": gateway.switches.describe(),
            "accounts": accounts,
            "rules": gateway.rules.shown(),
        }

    def configure(self, given: dict[str, Any]) -> None:
        """Switches by name, `account` by name (new ones too), `rule` as the new list of rules."""
        gateway = self._gateway
        given = dict(given)
        accounts = converted(given.pop("account", {}), dict[str, dict[str, Any]], "account")
        rules = given.pop("rule", None)
        known = {name: account.config for name, account in gateway.accounts.items()}
        remote = gateway.config.allow_remote
        made = {name: configuration.account(name, table, remote, known.get(name)) for name, table in accounts.items()}
        made_rules = None if rules is None else [rule(each) for each in converted(rules, list[Any], "rule")]
        gateway.switches.update(given)
        if made_rules is not None:
            gateway.rules.rules = made_rules
        if "clock_scale" in given:
            gateway.clock.rescale(gateway.switches.clock_scale)
        if "clock_start" in given:
            gateway.clock.set(gateway.switches.clock_start)
        for name, config in made.items():
            account = gateway.accounts.get(name)
            if account is None:
                gateway.accounts[name] = Account(len(gateway.accounts), config, gateway.switches.judge_idle_s)
            else:
                account.reconfigure(config, gateway.switches.judge_idle_s)
        if "judge_idle_s" in given:
            for account in gateway.accounts.values():
                account.judge.idle_s = gateway.switches.judge_idle_s
        gateway.settings_changed()
        gateway.retime()

    def totals(self, doubles: bool = True) -> dict[str, Any]:
        """The figures of the accounts, and summed."""
        gateway = self._gateway
        accounts = {
            name: account.figures() | gateway.ledger.figures(account.place, doubles)
            for name, account in gateway.accounts.items()
        }
        summed: dict[str, Any] = {}
        for figures in accounts.values():
            for name, value in figures.items():
                if isinstance(value, dict):
                    summed[name] = dict(Counter(summed.get(name, {})) + Counter(value))
                elif name not in OF_ONE_ACCOUNT:
                    summed[name] = summed.get(name, 0) + value
        return summed | {
            "vendor": "cmpp",
            "accounts": accounts,
            "strangers": dict(gateway.strangers),
            "connections_open": len(gateway.sessions),
            **({} if gateway.network is None else {"network": gateway.network.figures()}),
            "limit_used": min((each["limit_used"] for each in accounts.values() if each["limit_used"]), default=None),
            "reports_waiting": gateway.phones.waiting + summed.get("waiting", 0),
            "in_work": sum(session.in_work for session in gateway.sessions),
        }

    def _rows(self, asked: dict[str, str]) -> web.Response:
        start, limit = rows_asked(asked)
        ledger, names = self._gateway.ledger, list(self._gateway.accounts)
        whole = asked.get("by") == "recipient"
        table = ledger.recipients(names).slice(start, limit) if whole else ledger.frame(names, start, limit)
        buffer = io.BytesIO()
        if asked.get("format", "parquet") == "ndjson":
            table.write_ndjson(buffer)
            return web.Response(body=buffer.getvalue(), content_type=NDJSON)
        table.write_parquet(buffer)
        return web.Response(body=buffer.getvalue(), content_type=PARQUET)

    def terminate(self, account: Account) -> int:
        """End its sessions; how many."""
        sessions = list(account.sessions)
        for session in sessions:
            session.terminate()
        return len(sessions)

    def outage(self, seconds: Any) -> float:
        """Die for some real seconds; this endpoint does not."""
        down_s = outage_s(seconds)
        self._outage(down_s)
        return down_s

    def reset(self, everything: bool = False) -> None:
        """Forget what happened; with `everything` also what was set."""
        gateway = self._gateway
        gateway.reset()
        if everything:
            gateway.switches.forget()
            gateway.switches.update(gateway.config.switches)
            gateway.rules.replace(gateway.config.rules)
            gateway.clock.rescale(gateway.switches.clock_scale)
            gateway.clock.set(gateway.switches.clock_start)
            gateway.settings_changed()
            gateway.retime()

    def _account(self, given: dict[str, Any]) -> Account:
        name, accounts = str(given.get("account", "")), self._gateway.accounts
        if name not in accounts:
            raise ConfigError(f"there is no simulated account {name!r}. Possible: {', '.join(accounts)}.")
        return accounts[name]


def _json(value: Any, status: int = 200) -> web.Response:
    body = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    return web.Response(body=body, status=status, content_type="application/json")
