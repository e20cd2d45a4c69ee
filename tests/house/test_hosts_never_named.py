"""No file of the project names a vendor's printed host or a package registry.

The names are put together here from pieces, so that this file does not name them either.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Printed in the vendors' documents: a configuration, fixture or example that could reach one of these is a defect.
VENDOR_HOSTS = [
    ("cosms", "cn"),
    ("guodulink", "net"),
    ("61", "172", "246", "37"),
    ("39", "105", "107", "78"),
    ("120", "26", "66", "24"),
    ("222", "73", "117", "158"),
    ("221", "179", "172", "68"),
    ("124", "251", "7", "68"),
]

# Where packages come from is the machine's business: pins and build files must work with any mirror.
REGISTRY_HOSTS = [
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("crates", "io"),
    ("proxy", "golang", "org"),
    ("repo", "maven", "apache", "org"),
    ("repo1", "maven", "org"),
    ("central", "sonatype", "com"),
    ("deb", "debian", "org"),
    ("security", "debian", "org"),
    ("registry-1", "docker", "io"),
]


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Every file that is in the repository or would get into it with `git add .`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("pieces", VENDOR_HOSTS + REGISTRY_HOSTS, ids="-".join)
def test_no_file_names_the_host(pieces: tuple[str, ...], files: list[Path]) -> None:
    needle = ".".join(pieces).encode()
    assert [str(file.relative_to(ROOT)) for file in files if needle in file.read_bytes().lower()] == []


def test_the_search_sees_the_files_of_every_package(files: list[Path]) -> None:
    assert {"schemas", "dispatcher", "producers", "consumers", "loadtest", "tests"} <= {
        file.relative_to(ROOT).parts[0] for file in files
    }


def test_the_search_sees_itself(files: list[Path]) -> None:
    assert Path(__file__) in files
