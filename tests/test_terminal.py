"""The terminal: frames as text, and keys through a real pseudo-terminal."""

from __future__ import annotations

import os

import numpy as np
import pytest

from wmenv.errors import UnsupportedError
from wmenv.terminal import Terminal, fitted, half_blocks

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")


@pytest.fixture
def typing(monkeypatch):
    """Makes a pseudo-terminal our standard input; gives the end that a person types into."""
    person, ours = os.openpty()
    with os.fdopen(ours) as file:
        monkeypatch.setattr("sys.stdin", file)
        yield lambda text: os.write(person, text.encode())
    os.close(person)


def test_every_pair_of_rows_is_one_line():
    text = half_blocks(np.zeros((5, 7, 3), np.uint8))
    assert text.count("\n") == 2
    assert text.count("▀") == 3 * 7


@pytest.mark.parametrize("shape", [(56, 56), (360, 640), (1080, 1920), (10, 500)])
def test_a_frame_is_thinned_until_it_fits(shape):
    height, width, _ = fitted(np.zeros((*shape, 3), np.uint8), columns=80, lines=24).shape
    assert width <= 80
    assert height <= 48


def test_a_small_frame_is_left_alone():
    assert fitted(np.zeros((40, 80, 3), np.uint8), columns=80, lines=24).shape == (40, 80, 3)


def test_keys_come_without_return_and_the_latest_counts(typing, capsys):
    with Terminal() as terminal:
        assert terminal.pressed(0) is None
        typing("w")
        assert terminal.pressed(1) == "w"
        typing("wd\x1b[A")
        assert terminal.pressed(1) == "ArrowUp"
        assert terminal.pressed(0) is None


def test_a_frame_is_drawn_and_the_cursor_given_back(typing, capsys):
    with Terminal() as terminal:
        terminal.show(np.zeros((4, 4, 3), np.uint8), "what is here")
    shown = capsys.readouterr().out
    assert "▀" in shown
    assert "what is here" in shown
    assert shown.rstrip().endswith("\x1b[?25h")


def test_a_line_is_asked_for_and_keys_go_on(typing, capsys):
    with Terminal() as terminal:
        typing("night falls\n")
        assert terminal.ask("direct: ") == "night falls"
        typing("a")
        assert terminal.pressed(1) == "a"


def test_without_a_terminal_it_says_what_to_use(monkeypatch, tmp_path):
    with open(os.devnull) as file:
        monkeypatch.setattr("sys.stdin", file)
        with pytest.raises(UnsupportedError, match="--script"), Terminal():
            pass
