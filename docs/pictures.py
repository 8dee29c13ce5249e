"""Makes the two pictures of the README with the shipped weights: `python docs/pictures.py [--seed 9]`.

`dream.webp` is a dream from its seed alone, told five things and walked through; `learned.png` are three held-out
walks, true above and dreamt below. Look at both before they are committed: they show what came.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import gymnasium as gym
import numpy as np

from wmenv.logs.video import enlarged, write_picture
from wmenv.models.checkpoint import load_stream
from wmenv.models.streaming import Streamer
from wmenv.sources.gridrooms.spec import FORWARD, RIGHT, STAY
from wmenv.train.onlooker import beside_the_truth
from wmenv.train.quality.report import held_out
from wmenv.worlds.learned import WEIGHTS

HERE = Path(__file__).parent
AWAY, BACK = "look away and walk off ...", "... and come back: it is still there"
SCRIPT: list[tuple[str, int]] = [  # what is typed, in quotes, or what is done
    ('"a red ball appears ahead"', STAY),
    *((AWAY, action) for action in (RIGHT, RIGHT, FORWARD, FORWARD)),
    *((BACK, action) for action in (RIGHT, RIGHT, FORWARD, FORWARD)),
    ('"paint the ball blue"', STAY),
    ('"the lights go out"', STAY),
    ('"the lights come on"', STAY),
    ('"the ball vanishes"', STAY),
]
TYPED_MS, WALKED_MS = 1600, 700
SCALE, STRIP = 6, 34  # how much larger frames are shown, and the height of what is written below


def dream(seed: int) -> cv2.Animation:
    """The script played from that seed, a caption under every frame."""
    env = gym.make("wmenv:wmenv/GridRooms-Explore-v0")
    frame, _ = env.reset(seed=seed)
    shown = [(frame, "a dream, from its seed alone")]
    for caption, action in SCRIPT:
        if caption.startswith('"'):
            env.unwrapped.direct(caption.strip('"'))
        frame, *_ = env.step(action)
        shown.append((frame, caption))
    env.close()
    film = cv2.Animation()
    film.frames = [_captioned(frame, caption)[:, :, ::-1].copy() for frame, caption in shown]
    film.durations = [WALKED_MS if caption in (AWAY, BACK) else TYPED_MS for _, caption in shown]
    return film


def _captioned(frame: np.ndarray, caption: str) -> np.ndarray:
    picture = np.pad(enlarged(frame, SCALE), ((0, STRIP), (0, 0), (0, 0)), constant_values=24)
    at = (8, len(picture) - STRIP // 2 + 5)
    return cv2.putText(picture, caption, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (235, 235, 235), 1, cv2.LINE_AA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--data", type=Path, default=Path("data/heldout"))
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args()
    cv2.imwriteanimation(str(asked.out / "dream.webp"), dream(asked.seed), [cv2.IMWRITE_WEBP_QUALITY, 101])  # lossless
    model, _ = load_stream(WEIGHTS / "gridrooms.safetensors")
    write_picture(asked.out / "learned.png", beside_the_truth(Streamer(model), held_out(asked.data, model.config)))


if __name__ == "__main__":
    main()
