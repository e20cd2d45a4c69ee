"""What a light command may import: people ask for help and for campaigns many times a day, and wait for it each time.

Named are modules, not times: what is heavy (numpy, polars, an HTTP client …) costs more than all the rest together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
[hours]
marketing = "00:00-24:00"
[log]
url = "sqlite:log.db"
[store]
url = "sqlite:results.db"
[account.batch-a]
vendor = "batch-a"
url = "http://127.0.0.1:9"
account = "demo"
pswd = "secret"
[account.cosms]
vendor = "cosms"
url = "http://127.0.0.1:9"
corp_id = "1"
login_name = "demo"
password = "secret"
[account.hezhong]
vendor = "hezhong"
url = "http://127.0.0.1:9"
userid = "1"
username = "demo"
password = "secret"
[account.guodu]
vendor = "guodu"
url = "http://127.0.0.1:9"
oper_id = "demo"
oper_pass = "secret"
"""

HEAVY = {
    "aiohttp", "aiokafka", "attr", "cryptography", "fastexcel", "httptools", "numpy", "orjson", "polars", "pygments",
    "structlog", "uvloop", "xlsxwriter",
}  # fmt: skip
"""No light command may import one of these."""

DRAWING = {"rich"}
"""Only what draws may import these."""

OURS = {
    "dispatcher.drivers", "dispatcher.log.kafka", "dispatcher.store.export", "dispatcher.suppression.list",
    "loadtest.sim.server", "producers.lists", "producers.webhooks",
}  # fmt: skip
"""Parts of ours that no light command may import."""

LIGHT = [
    (["--help"], HEAVY | OURS | DRAWING | {"dispatcher.config.file", "dispatcher.log", "dispatcher.store"}),
    (["--version"], HEAVY | OURS | DRAWING | {"dispatcher.config", "dispatcher.log", "dispatcher.store"}),
    (["campaign", "list"], HEAVY | OURS | {"dispatcher.config.file", "dispatcher.vendors"}),
    (["campaign", "list", "--json"], HEAVY | OURS | DRAWING | {"dispatcher.config.file", "dispatcher.vendors"}),
    (["campaign", "show", "may"], HEAVY | OURS),
    (["campaign", "pause", "may", "--json"], HEAVY | OURS | DRAWING | {"dispatcher.config.file", "dispatcher.vendors"}),
    (["campaign", "weight", "may", "2", "--json"], HEAVY | OURS | DRAWING | {"dispatcher.vendors"}),
    (["campaign", "schedule", "june", "--off", "--json"], HEAVY | OURS | DRAWING | {"dispatcher.vendors"}),
    (["campaign", "show", "june", "--json"], HEAVY | OURS | DRAWING | {"dispatcher.vendors"}),
    (["account", "list"], HEAVY | OURS),
]

SCRIPT = """
import json, sys
from dispatcher.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with an account of every vendor, and a campaign whose records are in the results."""
    made = tmp_path_factory.mktemp("light")
    (made / "dispatcher.toml").write_text(CONFIG, "utf-8")
    (made / "list.txt").write_text("13800138000\n13800138001\n", "ascii")
    launch = ["campaign", "launch", "list.txt", "--text", "hi", "--route", "batch-a,cosms", "--id", "may", "--yes"]
    run(made, *launch)
    run(made, "campaign", "draft", "list.txt", "--text", "hi", "--route", "cosms", "--id", "june")
    run(made, "campaign", "list")
    return made


@pytest.mark.parametrize(("words", "barred"), LIGHT, ids=[" ".join(words) for words, _ in LIGHT])
def test_a_light_command_imports_nothing_heavy(folder: Path, words: list[str], barred: set[str]) -> None:
    imported = json.loads(run(folder, *words).stderr.splitlines()[-1])
    heavy = {module for module in imported for name in barred if module == name or module.startswith(f"{name}.")}
    assert not heavy


def test_importing_the_package_for_a_launch_from_python_stays_light(folder: Path) -> None:
    script = "import sys, dispatcher; dispatcher.LaunchRequest; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    assert not HEAVY & set(done.stdout.split())


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCHER_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done
