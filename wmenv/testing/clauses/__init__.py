"""The contract, one clause per function, a file for each thing that clauses are about."""

from wmenv.testing.clauses import promises, requests, rows, states
from wmenv.testing.clauses.clause import CLAUSES, NotApplicable, meaning

__all__ = ["CLAUSES", "NotApplicable", "meaning", "promises", "requests", "rows", "states"]
