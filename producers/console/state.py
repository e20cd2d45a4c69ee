"""What all pages of one process share: the open dispatcher, the people, what is watched."""

from __future__ import annotations

from dispatcher.config.file import Config
from dispatcher.service.account_states import AccountWatch
from dispatcher.service.people.directory import Directory
from dispatcher.service.reports.today import TodayCounts
from dispatcher.service.session import Session
from producers.console.exports import Exports
from producers.console.live import Live
from producers.console.seal import Seal
from producers.console.unfinished import Forms


class ConsoleState:
    """Made by `open_site`; see producers/console/site.py."""

    def __init__(self, config: Config, session: Session, people: Directory, live: Live) -> None:
        self.config = config
        self.session = session
        self.people = people
        self.live = live
        self.accounts = AccountWatch()
        self.today = TodayCounts()
        self.exports = Exports()
        self.seal = Seal()
        self.forms = Forms(config)
