"""What an event sounds like: a bank of short tones cut into frames, so a step's sound follows from event ids.

A tone may ring on over the frames after its event; a frame is the sum of what rings in it. Tones begin and end at
silence, so the stream has no clicks at frame borders. Knows nothing of the simulator.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RATE = 8000
FPS = 20
SAMPLES = RATE // FPS
RING = 3  # frames a tone may last

SOUNDS = ("turn", "step", "bump", "door", "pickup", "drop", "success")

# notes (Hz) played one after another, seconds in all, loudness of full scale
_TONES: dict[str, tuple[tuple[float, ...], float, float]] = {
    "turn": ((1200.0,), 0.02, 0.03),
    "step": ((180.0,), 0.045, 0.14),
    "bump": ((90.0, 70.0), 0.12, 0.30),
    "door": ((300.0, 400.0, 300.0), 0.15, 0.20),
    "pickup": ((523.0, 784.0), 0.12, 0.20),
    "drop": ((523.0, 349.0), 0.12, 0.20),
    "success": ((659.0, 784.0, 1047.0), 0.15, 0.25),
}


def _tone(notes: tuple[float, ...], seconds: float, loudness: float) -> np.ndarray:
    """RING * SAMPLES int16: one running phase through all notes, swelling and fading to exact silence."""
    length = round(seconds * RATE)
    pitch = np.repeat(notes, -(-length // len(notes)))[:length]
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    t = np.linspace(0, 1, length)
    swell = np.minimum(1, t * seconds / 0.005) * (1 - t) ** 1.5
    wave = np.zeros(RING * SAMPLES)
    wave[:length] = np.sin(phase) * swell
    return np.round(wave * loudness * 32767).astype(np.int16)


SOUND_BANK = np.stack([_tone(*_TONES[name]) for name in SOUNDS]).reshape(len(SOUNDS), RING, SAMPLES)


def mix(recent: Sequence[Sequence[int]]) -> np.ndarray:
    """One frame of PCM, (SAMPLES,) int16, from the event ids of this step, the one before, and so on."""
    frame = np.zeros(SAMPLES, np.int32)
    for age, events in enumerate(recent[:RING]):
        for event in events:
            frame += SOUND_BANK[event, age]
    return frame.clip(-32768, 32767).astype(np.int16)


def soundtrack(steps: Sequence[Sequence[int]]) -> np.ndarray:
    """(T, SAMPLES) int16: the sound of a whole episode from the event ids of its steps."""
    return np.stack([mix([steps[t - age] for age in range(min(RING, t + 1))]) for t in range(len(steps))])
