"""What a clause is: a function whose docstring says what is demanded, and whose body asks a world for it.

A clause returns what it found worth saying, raises `ConformanceError` if the world breaks it, and `NotApplicable` if
the world's spec says that there is nothing to ask.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from wmenv.errors import ConformanceError
from wmenv.testing.trial import Trial

Clause = Callable[[Trial], str]
CLAUSES: dict[str, Clause] = {}


class NotApplicable(Exception):  # noqa: N818 - no error: an answer
    """The world's spec says that it lacks what this clause is about."""


def clause(check: Clause) -> Clause:
    """List a clause under the name of its function."""
    CLAUSES[check.__name__] = check
    return check


def demand(kept: Any, complaint: str) -> None:
    if not kept:
        raise ConformanceError(complaint)


def only_if(applies: Any, reason: str) -> None:
    if not applies:
        raise NotApplicable(reason)


def demand_error(kind: type[Exception], call: Callable[[], Any], asked: str) -> None:
    """Demand that `call` is refused with that error."""
    try:
        call()
    except kind:
        return
    except Exception as problem:
        raise ConformanceError(
            f"{asked} should raise {kind.__name__}, raised {type(problem).__name__}: {problem}"
        ) from problem
    raise ConformanceError(f"{asked} should raise {kind.__name__}, and passed.")


def meaning(name: str) -> str:
    """What the clause called `name` demands, in a sentence."""
    return inspect.cleandoc(CLAUSES[name].__doc__ or "")
