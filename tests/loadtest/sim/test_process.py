"""The simulator in its own process: started, used, ended, and what it says when it cannot."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import pytest

from dispatcher.errors import ConfigError, PortInUse
from loadtest.sim.process import spawn

ROOT = Path(__file__).resolve().parents[3]
BODY = b"account=spring&pswd=secret&mobile=13800138000,13900139000&msg=hello&needstatus=true"
EVENT_LOOPS = ["asyncio", "uvloop"]


@contextmanager
def simulate(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "loadtest.sim.command", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


@pytest.mark.parametrize("loop", EVENT_LOOPS)
def test_a_spawned_simulator_serves_is_set_and_asked_and_ends(loop: str) -> None:
    with spawn({"account": {"spring": {}}}, loop=loop) as sim:
        with urlopen(f"{sim.url}/msg/HttpBatchSendSM", BODY) as answer:
            assert b",0\n" in answer.read()
        sim.configure(max_chars=4)
        with urlopen(f"{sim.url}/msg/HttpBatchSendSM", BODY) as answer:
            assert answer.read().endswith(b",106")
        assert sim.rows()["accepted"].to_list() == [True, True, False, False]
        assert sim.totals()["numbers_accepted"] == 2
        assert "double_texts" not in sim.totals(doubles=False)
        with pytest.raises(ConfigError, match="no switch 'colour'"):
            sim.configure(colour="red")
        sim.add_rule(code="104")
        assert sim.describe()["rules"][0]["code"] == "104"
        sim.top_up("spring", 5)
        assert sim.repeat("spring") == 0
        sim.reset()
        assert sim.totals()["requests"] == 0
        os.kill(sim.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(sim.pid, 0)


@pytest.mark.parametrize("loop", EVENT_LOOPS)
def test_both_event_loops_can_reset_and_cut_off(loop: str) -> None:
    with spawn({"account": {"spring": {}}}, loop=loop) as sim:
        for fault in ("reset", "half_answer", "close"):
            sim.configure(rule=[{"fault": fault}])
            with pytest.raises((ConnectionError, HTTPException)):
                urlopen(f"{sim.url}/msg/HttpBatchSendSM", BODY).read()
        assert sim.totals()["faults"] == {"reset": 1, "half_answer": 1, "close": 1}


@pytest.mark.parametrize("loop", EVENT_LOOPS)
def test_reports_are_pushed_to_another_process(loop: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/r"
        account = {"report_url": url, "inbound_url": url}
        with spawn(
            {"report_delay_min_s": 0, "report_delay_mean_s": 0, "account": {"spring": account}}, loop=loop
        ) as sim:
            urlopen(f"{sim.url}/msg/HttpBatchSendSM", BODY).close()
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(4096).startswith(b"GET /r?receiver=&pswd=&msgid=")
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_a_configuration_that_cannot_be_used_is_raised_here() -> None:
    with pytest.raises(ConfigError, match="no simulated vendor 'pigeon'"), spawn({"vendor": "pigeon"}):
        pass


def test_a_port_in_use_is_raised_here_and_said_on_the_command_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(PortInUse, match=f"{address} is taken by another program"), spawn({"listen": address}):
            pass
        with simulate("--listen", address) as child:
            assert child.wait(60) == 2
            assert child.stderr is not None
            said = child.stderr.read()
            assert "is taken by another program" in said
            assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_greets_in_plain_words_and_ends_cleanly(number: signal.Signals) -> None:
    with simulate("--listen", "127.0.0.1:0") as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        assert first.startswith("A simulated vendor (batch, edition A) listens on http://127.0.0.1:")
        url = first.split()[-1]
        assert urlopen(f"{url}/_sim/ledger").status == 200
        child.send_signal(number)
        rest = child.stdout.read()
        assert child.wait(60) == 0
        assert child.stderr is not None
        errors = child.stderr.read()
        assert "account demo: 500 messages in any 1 s" in rest
        assert rest.endswith("Stopped.\n")
        assert errors == ""


def test_a_vendor_may_be_named_as_the_configuration_of_the_dispatcher_names_it() -> None:
    with simulate("--vendor", "batch-a", "--listen", "127.0.0.1:0") as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("A simulated vendor (batch, edition A) listens on")
        child.send_signal(signal.SIGINT)
        child.stdout.read()


def test_the_line_it_tells_to_try_works() -> None:
    with simulate("--listen", "127.0.0.1:0") as child:
        assert child.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(child.stdout.readline())
        url = lines[0].split()[-1]
        data = next(line.split("'")[1] for line in lines if "-d 'account=" in line)
        with urlopen(f"{url}/msg/HttpBatchSendSM", data.encode()) as answer:
            assert b",0\n" in answer.read()


def test_a_simulator_whose_parent_died_ends() -> None:
    program = (
        "import os, sys\n"
        "from loadtest.sim.process import spawn\n"
        "with spawn({'account': {'spring': {}}}) as sim:\n"
        "    print(sim.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    pid = int(done.stdout)
    # Its standard input is closed; it ends by itself, and whoever inherited it reaps it.
    for _ in range(2000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            break
        if state == "Z":
            break
        time.sleep(0.01)
    else:
        pytest.fail("the child still runs")
