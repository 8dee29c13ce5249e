"""What users of generated worlds complain of, as checks in plain words, answered from what the probes found.

A check says "yes" or "no" with the figures it rests on, or that it was not watched for long enough, or cannot be asked.
Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wmenv.bench.headline import probe_score
from wmenv.bench.probe import Finding, counted
from wmenv.bench.probes.prompted import lifetimes
from wmenv.bench.probes.soak import Soak
from wmenv.bench.suite import Run

YES, NO, TOO_SHORT, CANNOT = ("yes", "no", "not watched that long", "cannot be asked")
ENOUGH = 0.9  # share of scenes, or of looks, from which on the answer is yes
CONTACT = 0.5  # share of an approach that a thing must stop
DRIFT = 2.0  # usual deviations
WAITS = (("5 s", 5), ("1 min", 60), ("10 min", 600))


@dataclass(frozen=True)
class Check:
    """A sentence a user would say, whether it holds here, and the figures behind the answer."""

    says: str
    answer: str
    because: str


def complaints(run: Run) -> list[Check]:
    """Every check on a run."""
    checks = [_still_there(run, words, seconds) for words, seconds in WAITS]
    questions: Sequence[tuple[str, str, Callable[[Run, Finding], tuple[str, str]]]] = (
        ("the scene does not return to its start", "P4", _does_not_return),
        ("it stops when told", "S1", _stops),
        ("what you added can be bumped into", "P11", _bumped_into),
        ("minute ten looks like minute one", "P10", _looks_the_same),
        ("it is still the same place and character", "P10", _same_place),
        ("commands are obeyed", "P5", _obeyed),
    )
    for says, probe_id, answer in questions:
        checks.append(_asked(run, says, probe_id, answer))
    return checks


def _asked(run: Run, says: str, probe_id: str, answer: Callable[[Run, Finding], tuple[str, str]]) -> Check:
    asked = run.of(probe_id)
    if asked is None:
        return Check(says, CANNOT, f"{probe_id} was not among the probes")
    if not counted(asked.finding.scenes) and probe_id != "P11":
        return Check(says, CANNOT, asked.finding.scenes[0]["reason"])
    return Check(says, *answer(run, asked.finding))


def _still_there(run: Run, words: str, seconds: int) -> Check:
    def answer(run: Run, finding: Finding) -> tuple[str, str]:
        followed = [scene for scene in finding.scenes if scene.get("follow")]
        if not followed:
            return NO, "nothing that was asked for appeared"
        steps, watched = seconds * run.stage.fps, finding.facts["watched_steps"]
        share = lifetimes(finding.scenes).at(min(steps, watched)) * len(followed) / len(finding.scenes)
        because = f"{share:.0%} of what was asked for was there after {min(steps, watched) / run.stage.fps:.3g} s"
        if share < ENOUGH:
            return NO, because
        return (YES if watched >= steps - 1 else TOO_SHORT), because

    return _asked(run, f"what you add is still there after {words}", "P5", answer)


def _does_not_return(run: Run, finding: Finding) -> tuple[str, str]:
    score = probe_score(run.of("P4").probe, finding.scenes)  # type: ignore[union-attr]
    because = f"places left were found again with J = {score:.2f} at the longest absence"
    return (YES if score >= ENOUGH else NO), because


def _stops(run: Run, finding: Finding) -> tuple[str, str]:
    share = probe_score(run.of("S1").probe, finding.scenes)  # type: ignore[union-attr]
    return (
        YES if share >= ENOUGH else NO
    ), f"still within {finding.facts['grace_steps']} steps in {share:.0%} of scenes"


def _bumped_into(run: Run, finding: Finding) -> tuple[str, str]:
    contact = finding.facts.get("contact")
    if contact is None:
        return CANNOT, finding.facts.get("contact_why_not") or finding.scenes[0]["reason"]
    low, high = finding.facts["contact_ci"]
    because = f"things stopped {contact:.0%} ({low:.0%} to {high:.0%}) of the approach; a heuristic"
    return (YES if contact >= CONTACT else NO), because


def _looks_the_same(run: Run, finding: Finding) -> tuple[str, str]:
    drift, length = finding.facts["drift_z"], finding.facts["length_steps"]
    if drift is None:
        return NO, "the view could not be brought back to one place"
    seconds = length / run.stage.fps
    because = f"drift of {drift:.2g} usual deviations in {seconds:.3g} s, most in {finding.facts['drifts_in']}"
    if drift >= DRIFT:
        return NO, because
    return (YES if seconds >= 600 else TOO_SHORT), because


def _same_place(run: Run, finding: Finding) -> tuple[str, str]:
    asked = run.of("P10")
    assert asked is not None, "the soak was asked about but not run"
    assert isinstance(asked.probe, Soak), f"P10 is {asked.probe!r}"
    kept = asked.probe.identity(finding.scenes)
    return (YES if kept >= ENOUGH else NO), f"recognised among others at {kept:.0%} of visits"


def _obeyed(run: Run, finding: Finding) -> tuple[str, str]:
    follow, seconds = finding.facts["follow"], finding.facts["onset_s"]
    when = "" if seconds is None else f", after {seconds:.2g} s"
    return (YES if follow >= ENOUGH else NO), f"{follow:.0%} of directions showed{when}"
