"""Runs the uv that requirements/setup.txt pins. Usage: VENV/bin/python scripts/pinned_uv.py ARGUMENTS OF UV

pip's part is to install that one file, by its hash and without dependencies: every pip does this alike, whatever was
released since. uv does not read pip's configuration, so this script passes it on: indexes, certificates, proxies.
What the user set for uv in the environment has precedence.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

SETUP_PINS = Path(__file__).parents[1] / "requirements" / "setup.txt"
CONFIG_LINE = re.compile(r"(?P<section>[^.\s]+)\.(?P<option>[\w-]+)=(?P<value>['\"].*)")
# pip looks an option up in this order.
SECTIONS = (":env:", "install", "global")

INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def pip_options(listing: str) -> dict[str, str]:
    """The options in the output of `pip config list`, as `pip install` sees them."""
    found = [match.groupdict() for match in map(CONFIG_LINE.fullmatch, listing.splitlines()) if match]
    return {
        line["option"]: str(ast.literal_eval(line["value"]))
        for section in reversed(SECTIONS)
        for line in found
        if line["section"] == section
    }


def uv_variables(pip: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that tell uv what `pip` says, except those that `environment` sets already."""
    variables = {}
    if not any(environment.get(name) for name in INDEX_VARIABLES):
        variables["UV_DEFAULT_INDEX"] = pip.get("index-url", "")
        variables["UV_INDEX"] = " ".join(pip.get("extra-index-url", "").split())
        # pip takes a release from any of its indexes; the hash says which file it is.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if not any(environment.get(name) for name in CERTIFICATE_VARIABLES):
        certificates = pip.get("cert") or environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE", "")
        variables["SSL_CERT_DIR" if Path(certificates).is_dir() else "SSL_CERT_FILE"] = certificates
    # pip ignores a folder that does not exist; uv fails on it.
    links = [link for link in pip.get("find-links", "").split() if "://" in link or Path(link).exists()]
    variables |= {
        "UV_FIND_LINKS": ",".join(links),
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("timeout") or pip.get("default-timeout", ""),
        "UV_NO_CACHE": "1" if is_on(pip.get("no-cache-dir")) else "",
        "SSL_CLIENT_CERT": pip.get("client-cert", ""),
        "HTTP_PROXY": pip.get("proxy", ""),
        "HTTPS_PROXY": pip.get("proxy", ""),
        # pip's "auto" asks keyring only where it finds one, which uv cannot do.
        "UV_KEYRING_PROVIDER": "subprocess" if pip.get("keyring-provider") in {"import", "subprocess"} else "",
    }
    return {name: value for name, value in variables.items() if value and not environment.get(name)}


def is_on(value: str | None) -> bool:
    return (value or "").strip().lower() in {"1", "true", "yes", "y", "on", "t"}


def main(arguments: list[str]) -> int:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    pins = ["--require-hashes", "--no-deps", "--only-binary=:all:", "-r", str(SETUP_PINS)]
    installed = subprocess.run([*pip, "install", "--quiet", *pins], check=False)
    if installed.returncode != 0:
        print("setup: pip could not install uv; see the lines above.", file=sys.stderr)
        return 1
    listing = subprocess.run(
        [*pip, "config", "list"],
        env={**os.environ, "PIP_QUIET": "0", "PIP_VERBOSE": "0"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    options = pip_options(listing)
    os.environ.update(uv_variables(options, os.environ))
    no_index = ["--no-index"] if is_on(options.get("no-index")) else []
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    os.execv(uv, [str(uv), *arguments, *no_index])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
