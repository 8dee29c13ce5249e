"""What the conformance kit found out about one world, clause by clause. Knows nothing of how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from wmenv.errors import ConformanceError

MARKS = {True: "ok", False: "BROKEN", None: "-"}


class Finding(NamedTuple):
    """One clause: kept (True), broken (False), or one that does not apply to this world (None); and why."""

    clause: str
    ok: Literal[True, False, None]
    detail: str


@dataclass(frozen=True)
class Report:
    """All findings about one world."""

    world: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no clause is broken."""
        return not self.broken

    @property
    def broken(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.ok is False)

    def raise_if_broken(self) -> None:
        """`ConformanceError` with every broken clause, if there is one."""
        if self.broken:
            lines = "\n".join(f"  {finding.clause}: {finding.detail}" for finding in self.broken)
            raise ConformanceError(
                f"world {self.world!r} breaks {len(self.broken)} of the contract's clauses:\n{lines}"
            )

    def __str__(self) -> str:
        width = max(len(finding.clause) for finding in self.findings)
        return "\n".join(f"{f.clause:<{width}}  {MARKS[f.ok]:<6}  {f.detail}" for f in self.findings)
