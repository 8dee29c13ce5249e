"""The conformance kit: does a world keep the contract, clause by clause?

>>> from wmenv.testing import check_world
>>> from wmenv.worlds.pan import PanWorld
>>> check_world(PanWorld(), steps=4).ok
True

For pytest, parametrise over `CLAUSES` and call `check_clause`, so that each clause is a test of its own.
"""

from wmenv.testing.clauses import CLAUSES
from wmenv.testing.report import Finding, Report
from wmenv.testing.trial import Trial
from wmenv.testing.verdict import check_clause, check_world

__all__ = ["CLAUSES", "Finding", "Report", "Trial", "check_clause", "check_world"]
