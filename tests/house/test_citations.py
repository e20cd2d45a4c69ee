"""Every citation leads somewhere: sections and AMB numbers of docs/vendors, pages of docs, headings, links, modules.

A citation looks like `vendors.md 3.1`, `AMB-BATCH-16 to 19`, `docs/ARCHITECTURE.md, "The lane"`, or a Markdown link.
What is not in the repository cannot be cited.
Weak spot: a number behind other words ("and every report value of 1.7") is not seen.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs" / "vendors.md"
PAGES = [INDEX, *sorted((ROOT / "docs" / "vendors").glob("*.md"))]
NOT_HERE = ["DESIGN" + ".md", "DESIGN" + "'s"]  # a plan that was never part of the repository

LIST = r"(?:(?:,| and| to) "  # what stands between the items of a list of citations
SECTIONS_CITED = re.compile(
    rf"\bvendors\.md,? (\d[\d.]*\d|\d)((?: \([^)]*\))?)((?:{LIST}\d+(?:\.\d+)*(?: \([^)]*\))?)*))"
)
NUMBERS_CITED = re.compile(rf"\bAMB-([A-Z]+)-(\d+)((?:{LIST}\d+(?![\d.]))*))")
ANNEXES_CITED = re.compile(r"\bAnnex(?:es)? ([A-Z])\b(?: and ([A-Z])\b)?")
PAGES_CITED = re.compile(r"\bdocs/[\w./-]*\w")
MODULES_CITED = re.compile(r"(?<![\w./-])((?:[\w-]+/)*[a-z0-9_]+\.py)\b")
HEADINGS_CITED = re.compile(r'\b([A-Z_]+)\.md, ("[^"]+"(?:(?:,| and) "[^"]+")*)')
LINKS = re.compile(r"\]\(([^)\s]*)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def tracked() -> list[Path]:
    """Every text file of the repository, or that would get into it with `git add .`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    names = [name for name in listed.split("\0") if Path(name).suffix in {".py", ".md", ".toml", ".yaml", ".sh", ""}]
    return [ROOT / name for name in names if (ROOT / name).is_file() and name != "tests/house/test_citations.py"]


def headings(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return HEADING.findall(text)


def anchor(heading: str) -> str:
    """The anchor that a Markdown viewer makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def vendor_headings() -> list[str]:
    return [heading for page in PAGES for heading in headings(page)]


SECTIONS = {m[1] for heading in vendor_headings() if (m := re.match(r"(\d+(?:\.\d+)?)\.? ", heading))}
NUMBERS = {m[1] for heading in vendor_headings() if (m := re.match(r"(AMB-[A-Z]+-\d+): ", heading))}
ANNEXES = {m[1] for heading in vendor_headings() if (m := re.match(r"Annex ([A-Z]): ", heading))}


def one_line(text: str) -> str:
    """Citations may be broken over lines of a comment, a docstring or a paragraph."""
    return re.sub(r"\s*\n\s*(?:#+ |> )?", " ", text)


def range_of(first: str, others: str) -> list[int]:
    """`16` and ` to 19`: 16, 17, 18, 19; `7` and `, 9, 10`: these three."""
    found = [int(first)]
    for between, number in re.findall(r"(,| and| to) (\d+)", others):
        found += range(found[-1] + 1, int(number) + 1) if between == " to" else [int(number)]
    return found


def cited_in_vendors(text: str) -> list[tuple[str, bool]]:
    """Each section, AMB number and annex that a text cites, and whether docs/vendors has it."""
    text = one_line(text)
    found = []
    for first, _, others in SECTIONS_CITED.findall(text):
        for section in [first, *re.findall(r"(?:,| and| to) (\d+(?:\.\d+)*)", re.sub(r"\([^)]*\)", "", others))]:
            found.append((f"vendors.md {section}", section in SECTIONS))
    for prefix, first, others in NUMBERS_CITED.findall(text):
        found += [(f"AMB-{prefix}-{n}", f"AMB-{prefix}-{n}" in NUMBERS) for n in range_of(first, others)]
    for letters in ANNEXES_CITED.findall(text):
        found += [(f"Annex {letter}", letter in ANNEXES) for letter in letters if letter]
    return found


def cited_in_docs(text: str) -> list[tuple[str, bool]]:
    """Each path in docs, and each heading of a page of docs, that a text cites, and whether it is there."""
    found = [(path, (ROOT / path).exists()) for path in PAGES_CITED.findall(text)]
    for page, quoted in HEADINGS_CITED.findall(one_line(text)):
        file = ROOT / "docs" / f"{page}.md"
        for heading in re.findall(r'"([^"]+)"', quoted):
            found.append((f'{page}.md, "{heading}"', file.is_file() and heading in headings(file)))
    return found


def cited_modules(text: str) -> list[tuple[str, bool]]:
    """Each Python file that a text cites, by its path or the end of it, and whether there is one."""
    return [(name, any(f"/{file}".endswith(f"/{name}") for file in NAMES)) for name in MODULES_CITED.findall(text)]


def linked(page: Path, text: str) -> list[tuple[str, bool]]:
    """Each link of a Markdown page to another place in the repository, and whether that place is there."""
    found = []
    for target in LINKS.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        there = file.exists() and (not fragment or fragment in map(anchor, headings(file)))
        found.append((target, there))
    return found


def dead(found: list[tuple[str, bool]]) -> list[str]:
    return [citation for citation, there in found if not there]


FILES = tracked()
NAMES = [file.relative_to(ROOT).as_posix() for file in [*FILES, Path(__file__)] if file.suffix == ".py"]


def test_every_citation_leads_somewhere() -> None:
    wrong = {}
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        found = cited_in_vendors(text) + cited_in_docs(text) + (linked(file, text) if file.suffix == ".md" else [])
        if file.relative_to(ROOT).parts[0] != "tests":  # tests name files that they make
            found += cited_modules(text)
        if dead(found):
            wrong[str(file.relative_to(ROOT))] = dead(found)
    assert wrong == {}


@pytest.mark.parametrize("name", NOT_HERE)
def test_nothing_cites_what_is_not_in_the_repository(name: str) -> None:
    assert [str(file.relative_to(ROOT)) for file in FILES if name in file.read_text(encoding="utf-8")] == []


def test_no_section_and_no_number_has_two_places() -> None:
    names = [m[0] for heading in vendor_headings() if (m := re.match(r"\d+(\.\d+)?\.? |AMB-[A-Z]+-\d+", heading))]
    assert len(names) == len(set(names))


def test_the_index_names_the_page_of_every_section() -> None:
    index = INDEX.read_text(encoding="utf-8")
    assert {f"vendors/{page.name}" for page in PAGES[1:]} <= {target for target, _ in linked(INDEX, index)}
    top = {section for section in SECTIONS if "." not in section}
    assert top == set(re.findall(r"(?:^\| |, )(\d+) ", index.partition("## The documents")[0], re.MULTILINE))


def test_the_search_finds_the_citations_of_the_project() -> None:
    found = [
        citation for file in FILES if file.suffix == ".py" for citation in cited_in_vendors(file.read_text("utf-8"))
    ]
    assert len(found) > 300
    assert {"vendors.md 0.2", "vendors.md 8.1", "AMB-BATCH-17", "AMB-GD-10", "Annex B"} <= {name for name, _ in found}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("see vendors.md 3.1, 3.2 and 4.4 (AMB-BATCH-16 to 19)", []),
        ("see vendors.md 3.9", ["vendors.md 3.9"]),
        ("see vendors.md 3.1 (103), 77 and 1.6", ["vendors.md 77"]),
        ("# polled (vendors.md\n    # 1.6, 1.99)", ["vendors.md 1.99"]),
        ("see vendors.md 5.3 to 5.66", ["vendors.md 5.66"]),
        ("AMB-BATCH-22 to 25", ["AMB-BATCH-24", "AMB-BATCH-25"]),
        ("AMB-GD-7, 9, 99", ["AMB-GD-99"]),
        ("AMB-OTHER-1", ["AMB-OTHER-1"]),
        ("Annexes A and E", ["Annex E"]),
        ("docs/NOTHING.md and docs/vendors/cosms.md", ["docs/NOTHING.md"]),
        ('See docs/LANE.md, "The lane".', []),
        ('See docs/ARCHITECTURE.md,\n    "The\n    attic".', ['ARCHITECTURE.md, "The attic"']),
        ('LANE.md, "The lane" and "The cellar"', ['LANE.md, "The cellar"']),
    ],
)
def test_a_citation_that_leads_nowhere_is_found(text: str, wrong: list[str]) -> None:
    assert dead(cited_in_vendors(text) + cited_in_docs(text)) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("see dispatcher/vendors/registry.py, vendors/registry.py and registry.py", []),
        ("see vendors/attic.py (attic.py)", ["vendors/attic.py", "attic.py"]),
        ("see dispatcher/registry.py", ["dispatcher/registry.py"]),
        ("write tests/e2e/test_every_code_NAME.py", []),
    ],
)
def test_a_module_that_is_not_there_is_found(text: str, wrong: list[str]) -> None:
    assert dead(cited_modules(text)) == wrong


@pytest.mark.parametrize(
    ("link", "there"),
    [
        ("vendors/cosms.md", True),
        ("vendors/cosms.md#13-md5-login", True),
        ("../README.md", True),
        ("#0-common-ground", True),
        ("vendors/cosm.md", False),
        ("vendors/cosms.md#13-md5", False),
        ("#attic", False),
    ],
)
def test_a_link_that_leads_nowhere_is_found(link: str, there: bool) -> None:
    assert linked(INDEX, f"[text]({link})") == [(link, there)]
