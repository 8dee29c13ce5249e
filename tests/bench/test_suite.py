"""The asking: outcomes kept apart, runs that go on where they stopped, one report, and a leaderboard that grows."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.fakes import CountingWorld
from wmenv.bench.cli import bench
from wmenv.bench.complaints import CANNOT, TOO_SHORT, YES, complaints
from wmenv.bench.headline import headline
from wmenv.bench.plots import line_plot, picture
from wmenv.bench.probe import GATE_FAILED, SCORED, UNSUPPORTED
from wmenv.bench.probes.determinism import Determinism
from wmenv.bench.probes.idle import Idle
from wmenv.bench.probes.interaction import Interaction
from wmenv.bench.probes.look_away import LookAway
from wmenv.bench.probes.observer import Observer
from wmenv.bench.probes.pace import Pace
from wmenv.bench.probes.place import Place
from wmenv.bench.probes.prompted import Prompted
from wmenv.bench.probes.snapshot import Snapshot
from wmenv.bench.probes.soak import Soak
from wmenv.bench.probes.stopping import Stopping
from wmenv.bench.record import enter, record_of, write_json
from wmenv.bench.report import write_report
from wmenv.bench.suite import DRIFT, FULL, QUICK, Suite, run_suite
from wmenv.contract import ActionTable
from wmenv.worlds.broken import BrokenWorld
from wmenv.worlds.pan import PanWorld

SHORT = Suite((LookAway((0, 20)), Place(5)), scenes=3)


class Without:
    """A world that says it lacks something."""

    def __init__(self, world, **lacking):
        self._world, self.spec = world, world.spec.with_(**lacking)

    def __getattr__(self, name):
        return getattr(self._world, name)


@pytest.fixture(scope="module")
def whole_run():
    probes = (
        LookAway((0, 20)),
        Prompted(40),
        Soak(100, 50),
        Determinism(8),
        Stopping(),
        Idle(60),
        Observer(40),
        Snapshot(4, 4, 4),
        Interaction(),
    )
    return run_suite("", PanWorld(dynamic=6), Suite(probes, scenes=3))


def score_of(run, probe_id):
    asked = run.of(probe_id)
    return asked.probe.score([scene for scene in asked.finding.scenes if scene["outcome"] != UNSUPPORTED])


@pytest.mark.parametrize("probe_id", ["P1", "S1", "P7", "P9", "P11"])
def test_a_true_world_passes_the_probes_that_are_no_axis(whole_run, probe_id):
    assert score_of(whole_run, probe_id) > 0.8


def test_a_moving_world_goes_on_unseen_and_a_paused_one_does_not(whole_run):
    assert whole_run.of("P8").finding.tally[SCORED] + whole_run.of("P8").finding.tally[UNSUPPORTED] == 3


def test_what_a_world_lacks_is_unsupported_and_what_it_fails_is_a_failed_gate():
    silent = run_suite("", Without(PanWorld(), directions=False), SHORT)
    assert silent.of("P6").finding.tally == {SCORED: 0, GATE_FAILED: 0, UNSUPPORTED: 3}
    assert headline(silent, 10)["edit"].estimate is None
    stuck = run_suite("", BrokenWorld(PanWorld(), "frozen"), SHORT)
    assert stuck.of("P4").finding.tally == {SCORED: 0, GATE_FAILED: 3, UNSUPPORTED: 0}
    assert headline(stuck, 10)["revisit"].estimate == 0.0


def test_a_world_that_shows_nothing_is_degenerate_and_scores_nothing():
    class Grey(Without):
        """Whatever happens, the picture is grey."""

        def open(self, starts, seeds):
            state, outcome = self._world.open(starts, seeds)
            return state, grey(outcome)

        def advance(self, state, actions, directions):
            state, outcome = self._world.advance(state, actions, directions)
            return state, grey(outcome)

    def grey(outcome):
        from dataclasses import replace

        return replace(outcome, frames=np.full_like(outcome.frames, 128))

    run = run_suite("", Grey(PanWorld()), SHORT)
    assert run.stage.scale.degenerate
    assert headline(run, 10).minimum.estimate == 0.0
    assert "degenerate" in run.of("P4").finding.scenes[0]["reason"]


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    first = run_suite("", PanWorld(), SHORT, folder=tmp_path)
    again = run_suite("", PanWorld(), SHORT, folder=tmp_path)
    assert first.row_steps > 0
    assert again.row_steps == 0
    assert again.of("P4").finding.scenes == json.loads(json.dumps(first.of("P4").finding.scenes))
    longer = run_suite("", PanWorld(), Suite((LookAway((0, 21)),), scenes=3), folder=tmp_path)
    assert longer.row_steps > 0, "another setting is another measurement"


def test_a_world_whose_code_has_changed_is_measured_anew(tmp_path, monkeypatch):
    file = tmp_path / "slower_sea.py"
    monkeypatch.syspath_prepend(tmp_path)
    written = "from wmenv.worlds.pan import PanWorld\n\nclass Sea(PanWorld):\n    pass\n"
    for text, new in ((written, True), (written, False), (written + "# calmer\n", True)):
        file.write_text(text)
        sea = importlib.import_module("slower_sea").Sea
        world = BrokenWorld(sea(), "lag")
        run = run_suite("", world, SHORT, folder=tmp_path / "findings")
        assert (run.row_steps > 0) == new


def test_another_process_finds_what_was_found(tmp_path):
    """Sets have another order in every process."""
    code = (
        "from wmenv.bench.suite import key_of; from wmenv.bench.stage import Stage; "
        "from wmenv.worlds.pan import PanWorld; print(key_of(Stage(PanWorld(), [0, 1])))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(keys) == 1


def test_a_world_whose_actions_are_fields_is_asked_what_it_can_be():
    box = ActionTable(("pull", "turn"), noop=(0.0, 0.0), kind="box", low=(-1.0, 0.0), high=(1.0, 10.0))
    nothing_does_nothing = ActionTable(("left", "right"))
    suite = Suite((LookAway((0,)), Pace(length=8, warm_up=1)), scenes=12)
    assert run_suite("", CountingWorld(actions=nothing_does_nothing), suite).of("L3") is not None
    run = run_suite("", CountingWorld(actions=box), suite)
    assert run.of("L3").finding.scenes[-1]["outcome"] == "scored"
    assert np.isfinite([scene["missed"] for scene in run.of("L3").finding.scenes]).all()
    assert run.of("P4").finding.scenes[0]["outcome"] == "unsupported"


def test_failures_keep_their_pictures_on_disk(tmp_path):
    run = run_suite("", BrokenWorld(PanWorld(), "forgets_unseen"), SHORT, folder=tmp_path)
    again = run_suite("", BrokenWorld(PanWorld(), "forgets_unseen"), SHORT, folder=tmp_path)
    sheet, kept = run.of("P4").finding.sheets[0], again.of("P4").finding.sheets[0]
    assert (sheet.title, list(sheet.labels), sheet.broke) == (kept.title, list(kept.labels), kept.broke)
    assert all((a == b).all() for a, b in zip(sheet.frames, kept.frames, strict=True))


def test_progress_grows_to_one():
    shares = []
    run_suite("", PanWorld(), SHORT, progress=lambda what, share, left: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_complaints_are_answered_in_plain_words(whole_run):
    answers = {check.says: check.answer for check in complaints(whole_run)}
    assert answers["it stops when told"] in (YES, "no")
    assert answers["the scene does not return to its start"] == YES
    assert answers["what you add is still there after 10 min"] == TOO_SHORT
    assert answers["what you added can be bumped into"] == CANNOT
    assert answers["minute ten looks like minute one"] != YES, "it was not watched for ten minutes"


def test_one_file_holds_the_whole_report(whole_run, tmp_path):
    broken = run_suite("", BrokenWorld(PanWorld(), "forgets_unseen"), SHORT)
    records = [record_of(run, draws=10) for run in (whole_run, broken)]
    sheets = {run.name: [s for asked in run.asked for s in asked.finding.sheets] for run in (whole_run, broken)}
    write_report(tmp_path / "report.html", records, sheets)
    page = (tmp_path / "report.html").read_text()
    assert "pan+forgets_unseen" in page
    assert "data:image/png;base64," in page
    assert "<svg" in page
    assert "class=broke" in page
    assert 'src="http' not in page
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", page), re.IGNORECASE)


def test_json_and_leaderboard_hold_plain_values(whole_run, tmp_path):
    record = record_of(whole_run, draws=10)
    write_json(tmp_path / "bench.json", [record])
    read = json.loads((tmp_path / "bench.json").read_text())[0]
    assert read["headline"]["axes"]["revisit"]["estimate"] == 1.0
    assert read["probes"][0]["hash"] == LookAway((0, 20)).spec.hash
    for _ in range(2):
        enter(tmp_path / "board.jsonl", record)
    lines = [json.loads(line) for line in (tmp_path / "board.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["pan", "pan"]
    assert lines[0]["probes"]["P4"] == LookAway((0, 20)).spec.hash


def test_every_probe_says_what_it_asks():
    for suite in (FULL, QUICK, DRIFT):
        for probe in suite.probes:
            assert probe.question.endswith("?") or "heuristic" in probe.question, probe.id
    assert len({probe.id for probe in FULL.probes}) == len(FULL.probes)


def test_plots_and_pictures_stand_alone():
    curve = {"x": [0, 10], "y": [1.0, 0.5], "x_label": "steps", "y_label": "there"}
    assert line_plot({"a <b>": curve, "c": {**curve, "stairs": True}}).count("<polyline") == 2
    assert "<b>" not in line_plot({"a <b>": curve})
    assert picture(np.zeros((8, 8, 3), np.uint8)).startswith('<img width="16"')


def test_the_command_writes_report_json_and_leaderboard(tmp_path, monkeypatch):
    monkeypatch.setattr("wmenv.bench.suite.QUICK", SHORT)
    out = tmp_path / "bench"
    shown = CliRunner().invoke(bench, ["persistence", "--world", "pan", "--quick", "--out", str(out)])
    assert shown.exit_code == 0, shown.output
    assert {path.name for path in out.iterdir()} >= {"report.html", "bench.json", "leaderboard.jsonl"}
