"""Words in: a closed vocabulary of lower-case words, and the fixed slots in which typed text enters the stream.

A word the model never met becomes `<new>`; a sentence that is mostly new words is for the model to refuse, not for
this file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

PAD, NEW = 0, 1
RESERVED = ("<pad>", "<new>")


class Vocabulary:
    """Numbers for words.

    >>> Vocabulary(("ball", "red")).encode("A red, RED ball!", slot=6).tolist()
    [1, 3, 3, 2, 0, 0]
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = (*RESERVED, *words)
        self._number = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str | None, slot: int) -> np.ndarray:
        """(slot,) int64 numbers; longer text is cut, so callers count the words of what people type."""
        numbers = [self._number.get(word, NEW) for word in split_words(text or "")][:slot]
        return np.array(numbers + [PAD] * (slot - len(numbers)), np.int64)


def split_words(text: str) -> list[str]:
    """Lower-case words and numbers of any script, so that what nobody taught is a new word; punctuation is dropped.

    >>> split_words("'The lights', 关灯!")
    ['the', 'lights', '关灯']
    """
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower())
