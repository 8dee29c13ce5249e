"""Worlds by name."""

from __future__ import annotations

import sys

import pytest

from wmenv.contract import World
from wmenv.errors import CheckpointError, OptionError, UnknownWorldError
from wmenv.worlds.catalog import load_world, world_names

NEED_FILES = ["diamond", "oasis"]


def test_every_built_in_name_is_a_world():
    for name in world_names().keys() - set(NEED_FILES):
        assert isinstance(load_world(name), World)


@pytest.mark.parametrize("name", NEED_FILES)
def test_a_world_of_files_asks_for_them(name):
    with pytest.raises(CheckpointError, match="needs path="):
        load_world(name)


def test_the_same_name_and_settings_are_the_same_world():
    assert load_world("pan") is load_world("pan")
    assert load_world("pan", noise=2.0) is not load_world("pan")


def test_any_module_and_factory_is_a_name():
    assert load_world("wmenv.worlds.pan:PanWorld").spec == load_world("pan").spec


def test_a_fault_is_planted_by_name():
    assert "frozen" in load_world("pan+frozen").spec.name
    assert load_world("pan").spec.name == "pan"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pann", "Did you mean 'pan'"),
        ("nowhere:World", "cannot be imported"),
        ("wmenv.worlds.pan:Pam", "no such name"),
        ("pann+frozen", "Did you mean 'pan'"),
    ],
)
def test_an_unknown_name_is_refused(name, told):
    with pytest.raises(UnknownWorldError, match=told):
        load_world(name)


def test_what_a_worlds_own_module_lacks_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "half_a_world.py").write_text("import what_is_not_installed")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_is_not_installed"):
        load_world("half_a_world:World")


@pytest.fixture
def announced(tmp_path, monkeypatch):
    """An installed package that announces worlds in its metadata; `announced(code)` is what it holds."""

    def install(code: str) -> None:
        facts = tmp_path / "harbour-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: harbour\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text("[wmenv.worlds]\nharbour = harbour:World\npan = harbour:World\n")
        (tmp_path / "harbour.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "harbour", raising=False)

    return install


def test_an_installed_package_adds_a_name_and_takes_none_of_ours(announced):
    announced("from wmenv.worlds.pan import PanWorld\n\n\ndef World(noise=0.0):\n    return PanWorld(noise=noise)\n")
    assert world_names()["harbour"] == "harbour:World"
    assert load_world("harbour", noise=1.0).spec.name == "pan"
    assert "frozen" in load_world("harbour+frozen", noise=2.0).spec.name
    assert world_names()["pan"] == "wmenv.worlds.pan:PanWorld"


@pytest.mark.parametrize(
    ("code", "error", "told"),
    [
        ("World = dict", UnknownWorldError, "gives a dict, which is no world: no spec, open, advance, revive"),
        ("World = 3", OptionError, "cannot be built with no settings: 3 is not a callable"),
        ("def World(path): ...", OptionError, "missing a required argument: 'path'"),
        ("Word = 3", UnknownWorldError, "no such name"),
    ],
)
def test_a_package_that_announces_no_world_is_told_so(announced, code, error, told):
    announced(code)
    with pytest.raises(error, match=told):
        load_world("harbour")


def test_a_setting_that_a_world_has_not_is_refused():
    with pytest.raises(OptionError, match="unexpected keyword argument 'nois'"):
        load_world("pan", nois=2.0)
