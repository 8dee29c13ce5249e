"""Worlds by name."""

from __future__ import annotations

import pytest

from wmenv.contract import World
from wmenv.errors import CheckpointError, UnknownWorldError
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
