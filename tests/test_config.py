"""Configs: what overrides what, and how each mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmenv.config import Config
from wmenv.errors import ConfigError


class Optimiser(Config):
    rate: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)


class Training(Config):
    steps: int = 100
    optimiser: Optimiser = Optimiser()
    phases: tuple[Optimiser, ...] = ()


@pytest.fixture
def yaml_file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "training.yaml"
        path.write_text(text)
        return path

    return write


def test_a_file_overrides_the_defaults_and_set_overrides_the_file(yaml_file):
    path = yaml_file("steps: 5\noptimiser: {rate: 0.5}\n")
    config = Training.load(path, ["optimiser.rate=1e-3", "optimiser.betas=[0.5, 0.6]"])
    assert config == Training(steps=5, optimiser=Optimiser(rate=0.001, betas=(0.5, 0.6)))


def test_an_empty_file_means_the_defaults(yaml_file):
    assert Training.load(yaml_file("# nothing\n")) == Training() == Training.load()


def test_a_config_cannot_be_changed_after_it_is_made():
    with pytest.raises(ValueError, match="frozen"):
        Training().steps = 3


@pytest.mark.parametrize(
    ("override", "owner", "nearest"),
    [
        ("stpes=3", "Training", "steps"),
        ("optimiser.rat=3", "Optimiser", "rate"),
        ("phases=[{ratee: 1}]", "Optimiser", "rate"),
    ],
)
def test_an_unknown_key_names_its_nearest_neighbour(override, owner, nearest):
    with pytest.raises(ConfigError, match=f"{owner} has no key .* Did you mean '{nearest}'"):
        Training.load(overrides=[override])


def test_every_mistake_is_reported_at_once_with_its_file(yaml_file):
    path = yaml_file("steps: many\noptimizer: {}\n")
    with pytest.raises(ConfigError) as caught:
        Training.load(path)
    assert "Training.steps" in str(caught.value)
    assert "'many'" in str(caught.value)
    assert "Did you mean 'optimiser'" in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("override", ["steps", "=3", ".steps=3", "optimiser..rate=3"])
def test_a_malformed_override_is_refused(override):
    with pytest.raises(ConfigError, match=r"key=value"):
        Training.load(overrides=[override])


def test_a_value_is_not_a_group():
    with pytest.raises(ConfigError, match="'steps' is the value 3, not a group"):
        Training.load(overrides=["steps=3", "steps.warm=1"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("steps: [1\n", "not valid YAML"),
        ("steps: 1\nsteps: 2\n", "'steps' stands here twice"),
        ("- steps\n", "should map keys to values"),
        ("steps: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    ],
)
def test_a_damaged_file_is_named(yaml_file, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        Training.load(yaml_file(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml.*No such file"):
        Training.load(tmp_path / "absent.yaml")
