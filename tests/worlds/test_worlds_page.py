"""What `docs/worlds.md` shows was run, and its tables list what there is."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from wmenv.testing import CLAUSES, check_world
from wmenv.testing.clauses import meaning
from wmenv.worlds.broken.world import FAULTS, KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "worlds.md").read_text("utf-8")
WORLD, TESTS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def page():
    """The names that the code on the page defines, the world first, then its tests."""
    names = {"__name__": "page"}
    exec(WORLD + TESTS, names)
    return names


def test_the_world_on_the_page_keeps_the_contract(page):
    report = check_world(page["Sea"]())
    assert report.ok, str(report)


@pytest.mark.parametrize("clause", CLAUSES)
def test_the_tests_on_the_page_run(page, clause):
    page["test_the_sea_keeps_the_contract"](clause)


def test_the_clauses_on_the_page_are_the_clauses_of_the_kit():
    for name in CLAUSES:
        assert f"| `{name}` | {meaning(name)} |" in PAGE


def test_the_faults_on_the_page_are_those_that_can_be_planted():
    for name, what in FAULTS.items():
        strengths = ", ".join(f"`{part.name}={part.default:g}`" for part in fields(KINDS[name]))
        assert f"| `{name}` | {what} | {strengths} |" in PAGE


def test_a_lie_is_answered_in_the_words_on_the_page(page):
    liar = page["Sea"]()
    liar.spec = liar.spec.with_(reward="env")
    [broken] = check_world(liar).broken
    assert f"{broken.clause}: {broken.detail}" in PAGE
