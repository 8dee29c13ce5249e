"""A run can be watched: curves and a sheet of dreams beside the truth."""

import cv2

from wmenv.train import collect as collecting
from wmenv.train import onlooker
from wmenv.train.collect import Source, collect
from wmenv.train.loop import TrainConfig, train
from wmenv.train.onlooker import SHOWN, Onlooker


def test_a_run_leaves_curves_and_sheets(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "SHARD", 6)
    monkeypatch.setattr(onlooker, "SHEET_SECONDS", 0.0)
    collect(Source("gridrooms"), tmp_path / "data", 6, workers=1)
    model = {"channels": 16, "depth": 1, "heads": 2, "hidden": 16}
    plain = {"compile": False, "bf16": False, "batch": 2, "time": 2, "tell_steps": 1, "threads": 1, "steps": 2}
    folders = {"data": str(tmp_path / "data"), "out": str(tmp_path / "run")}
    config = TrainConfig.model_validate({"model": model, **plain, **folders})
    train(config, watch=Onlooker(tmp_path / "run"))
    sheet = cv2.imread(str(tmp_path / "run" / "sheet-000002.png"))
    assert sheet.shape[1] == len(SHOWN) * (112 + 2)
    assert sheet.std() > 10, "a sheet shows something"
    assert list((tmp_path / "run" / "tensorboard").iterdir())
