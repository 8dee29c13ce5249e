"""Every way a user can be stopped, by name.

Each error finishes the reader's thought: what was asked, what was found, what to do. Broken promises of our own are
`assert`s and do not live here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class WmenvError(Exception):
    """The root of every error that wmenv raises on purpose."""


class ActionError(WmenvError, ValueError):
    """An action is not one that this world takes."""


class StartError(WmenvError, ValueError):
    """A world was asked to begin in a way it cannot."""


class OptionError(WmenvError, ValueError):
    """A reset or construction option is unknown or malformed."""


class DirectionError(WmenvError, ValueError):
    """A typed direction cannot be taken: no such ability, too long, or refused."""


class RewardError(WmenvError, ValueError):
    """A task or a judge gave something that is no reward."""


class UnsupportedError(WmenvError, NotImplementedError):
    """A world was asked for something its spec says it lacks."""


class LifecycleError(WmenvError, RuntimeError):
    """A call came at the wrong moment: before reset, after the end, after close."""


class StateConsumedError(LifecycleError):
    """A state was used after `advance` consumed it. Fork before you advance to keep a moment."""


class SnapshotError(WmenvError, ValueError):
    """A snapshot is damaged, or belongs to another world."""


class UnknownWorldError(WmenvError, KeyError):
    """No world answers to that name."""

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0]) if self.args else ""


class ConfigError(WmenvError, ValueError):
    """A configuration has an unknown key or a value of the wrong kind."""


class CheckpointError(WmenvError, ValueError):
    """A checkpoint is missing, damaged, foreign, or does not fit the model."""


class EpisodeFileError(WmenvError, ValueError):
    """An episode file is damaged or of another format."""


class LogError(WmenvError, OSError):
    """A log, video or episode could not be written."""


class RolloutError(WmenvError, RuntimeError):
    """A rollout cannot go on: its folder belongs to another one, or its workers keep dying."""


class AgentError(WmenvError, RuntimeError):
    """An agent outside wmenv, such as a language model behind an endpoint, gives no answer, or has spent its budget."""


class ProtocolError(WmenvError, ValueError):
    """A message does not fit the session protocol, or a step id does not follow."""


class BusyError(WmenvError, RuntimeError):
    """A server has no room for what was asked; the message names the limit, `retry_after_s` says when to ask again."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SessionError(WmenvError, LookupError):
    """Sessions or snapshots are not on the server, or not any more; `gone` names them."""

    def __init__(self, message: str, gone: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.gone = tuple(gone)


class RemoteError(WmenvError, ConnectionError):
    """A server of worlds cannot be reached, or has failed."""


class ConformanceError(WmenvError, AssertionError):
    """A world breaks a clause of the contract; the message names the clause."""


class MissingExtraError(WmenvError, ImportError):
    """An optional dependency is needed; the message names the extra that brings it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of an error about an unknown name: its nearest neighbour, then everything there is.

    >>> did_you_mean("fetsh", ["fetch", "reach"])
    "Did you mean 'fetch'? Known: fetch, reach."
    """
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
    return f"{hint}Known: {', '.join(known) or 'none'}."
