"""The command: a slip is one red line that says what to do, and beyond this machine there is a token."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from wmenv.cli import app


def live(*arguments: str):
    return CliRunner().invoke(app, ["live", *arguments])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pann"], "Did you mean 'pan'?"),
        (["pan", "--rule", "roms=3"], "Did you mean 'rooms'?"),
        (["pan", "--rule", "rooms=0"], "greater than 0"),
    ],
)
def test_a_slip_is_named(arguments, says):
    result = live(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.parametrize(("host", "token"), [("127.0.0.1", None), ("0.0.0.0", "open sesame")])
def test_only_another_address_than_this_machines_has_a_token(host, token, monkeypatch):
    served = []
    monkeypatch.setenv("WMENV_TOKEN", "open sesame")
    monkeypatch.setattr("wmenv.live.server.serve", lambda app, host, port: served.append((host, port)))
    result = live("pan", "--host", host, "--port", "8765")
    assert served == [(host, 8765)]
    assert ("?token=open sesame" in result.stdout) is (token is not None)
