"""Run clauses against a world: one, which raises, or all, which reports."""

from __future__ import annotations

from wmenv.contract import World
from wmenv.errors import ConformanceError
from wmenv.testing.clauses import CLAUSES, NotApplicable
from wmenv.testing.report import Finding, Report
from wmenv.testing.trial import Trial


def check_world(world: World, *, steps: int = 8, seed: int = 0, tolerance: int = 2) -> Report:
    """Ask `world` for every clause of the contract, with runs of `steps` steps and three rows.

    `tolerance` is how far, in grey levels, a pixel may differ between batches of different shapes.
    """
    trial = Trial(world, steps, seed, tolerance)
    return Report(world.spec.name, tuple(examine(trial, name) for name in CLAUSES))


def check_clause(world: World, clause: str, *, steps: int = 8, seed: int = 0, tolerance: int = 2) -> Finding:
    """Ask for one clause; `ConformanceError`, which names it, if the world breaks it."""
    finding = examine(Trial(world, steps, seed, tolerance), clause)
    if finding.ok is False:
        raise ConformanceError(f"world {world.spec.name!r} breaks {clause}: {finding.detail}")
    return finding


def examine(trial: Trial, clause: str) -> Finding:
    """The finding on one clause; an error that the clause did not ask for breaks it too."""
    try:
        return Finding(clause, True, CLAUSES[clause](trial))
    except NotApplicable as reason:
        return Finding(clause, None, str(reason))
    except ConformanceError as complaint:
        return Finding(clause, False, str(complaint))
    except Exception as problem:  # a world on trial may fail in any way; the report says in which
        return Finding(clause, False, f"raised {type(problem).__name__}: {problem}")
