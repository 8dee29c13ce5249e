"""Episodes by the hundred thousand: numbered, the same whoever makes them, safe to kill, readable by others.

`wmenv.rollout(...)` makes a data set; `wmenv.rollout.dataset` reads one.
"""

from __future__ import annotations

import sys
import types
from typing import Any


def __getattr__(name: str) -> Any:
    """What users call, imported when it is first asked for."""
    if name == "rollout":
        from wmenv.rollout.run import rollout

        return rollout
    if name == "Dataset":
        from wmenv.rollout.dataset import Dataset

        return Dataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _CallablePackage(types.ModuleType):
    """`wmenv.rollout` names both this package and the function; whichever of the two one gets hold of can be called."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        return self.rollout(*args, **settings)


sys.modules[__name__].__class__ = _CallablePackage
