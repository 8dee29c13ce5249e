"""The sentences that direct GridRooms: what can be said, in how many ways, and what each sentence commands.

Every event has training templates and held-out ones; a held-out template is understood like any other and is never
said while training data is made, though all its words are. Knows nothing of what is in view or of the simulator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np

from wmenv.sources.gridrooms.tasks import TASKS
from wmenv.sources.gridrooms.tiles import COLOURS, THINGS

MOST_WORDS = 16

Words = dict[str, tuple[str, ...]]  # the ways to say a name


@dataclass(frozen=True)
class Command:
    """What a sentence asks for. An empty `colour` means any; `shade` is the colour that something takes on."""

    event: str
    kind: str = ""
    colour: str = ""
    place: str = ""
    shade: str = ""


@dataclass(frozen=True)
class Phrases:
    """The ways to say one event: `training` ones, and `held_out` ones that only tests say."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]


COLOUR_WORDS: Words = {colour: (colour,) for colour in COLOURS} | {
    "red": ("red", "crimson"),
    "purple": ("purple", "violet"),
    "yellow": ("yellow", "golden"),
    "grey": ("grey", "gray"),
}
KIND_WORDS: Words = {
    "key": ("key",),
    "ball": ("ball", "sphere"),
    "box": ("box", "crate"),
    "door": ("door", "gate"),
}
PLACE_WORDS: Words = {
    "ahead": ("ahead", "right ahead", "in front", "in front of you"),
    "two ahead": ("two ahead", "two steps ahead", "two steps in front of you"),
    "ahead left": ("ahead and left", "ahead to the left", "ahead on the left", "in front to the left"),
    "ahead right": ("ahead and right", "ahead to the right", "ahead on the right", "in front to the right"),
}

# {thing}, {target} and {door} name something in view, with or without its colour
EVENTS: dict[str, Phrases] = {
    "appear": Phrases(
        (
            "a {colour} {kind} appears {place}",
            "{place} a {colour} {kind} appears",
            "put a {colour} {kind} {place}",
            "place a {colour} {kind} {place}",
            "there is now a {colour} {kind} {place}",
            "add a {colour} {kind} {place}",
            "let a {colour} {kind} appear {place}",
            "make a {colour} {kind} appear {place}",
            "now there is a {colour} {kind} {place}",
        ),
        (
            "{place} there is now a {colour} {kind}",
            "now a {colour} {kind} appears {place}",
            "now put a {colour} {kind} {place}",
        ),
    ),
    "vanish": Phrases(
        (
            "the {thing} vanishes",
            "the {thing} disappears",
            "remove the {thing}",
            "take the {thing} away",
            "make the {thing} vanish",
            "let the {thing} disappear",
            "the {thing} is gone",
            "now the {thing} is gone",
            "take away the {thing}",
        ),
        ("now the {thing} vanishes", "make the {thing} disappear", "now take the {thing} away"),
    ),
    "recolour": Phrases(
        (
            "the {target} turns {shade}",
            "the {target} becomes {shade}",
            "make the {target} {shade}",
            "paint the {target} {shade}",
            "turn the {target} {shade}",
            "the {target} is now {shade}",
            "change the {target} to {shade}",
            "let the {target} become {shade}",
            "now the {target} is {shade}",
        ),
        ("now the {target} turns {shade}", "let the {target} turn {shade}", "now paint the {target} {shade}"),
    ),
    "open": Phrases(
        (
            "the {door} opens",
            "open the {door}",
            "let the {door} open",
            "make the {door} open",
            "the {door} is open now",
            "now the {door} is open",
            "the {door} swings open",
            "swing the {door} open",
            "the {door} is now open",
        ),
        ("now the {door} opens", "now open the {door}", "let the {door} swing open"),
    ),
    "close": Phrases(
        (
            "the {door} closes",
            "close the {door}",
            "shut the {door}",
            "let the {door} close",
            "make the {door} close",
            "the {door} is closed now",
            "now the {door} is closed",
            "the {door} swings shut",
            "the {door} is now closed",
        ),
        ("now the {door} closes", "now shut the {door}", "let the {door} swing shut"),
    ),
    "lock": Phrases(
        (
            "the {door} locks",
            "lock the {door}",
            "let the {door} lock",
            "make the {door} lock",
            "the {door} is locked now",
            "now the {door} is locked",
            "the {door} locks itself",
            "shut and lock the {door}",
            "the {door} is now locked",
        ),
        ("now the {door} locks", "now lock the {door}", "close and lock the {door}"),
    ),
    "dark": Phrases(
        (
            "the lights go out",
            "lights out",
            "turn the lights off",
            "switch off the lights",
            "it gets dark",
            "night falls",
            "make it dark",
            "the light goes out",
            "it becomes dark",
            "now it is dark",
            "let it become dark",
            "turn off the lights",
        ),
        (
            "now the lights go out",
            "switch the lights off",
            "now it gets dark",
            "now the light goes out",
        ),
    ),
    "light": Phrases(
        (
            "the lights come on",
            "lights on",
            "turn the lights on",
            "switch on the lights",
            "it gets bright",
            "day breaks",
            "make it bright",
            "the light comes on",
            "it becomes bright",
            "now it is bright",
            "let it become bright",
            "turn on the lights",
        ),
        (
            "now the lights come on",
            "switch the lights on",
            "now it gets bright",
            "now the light comes on",
        ),
    ),
    "agent": Phrases(
        (
            "you turn {shade}",
            "you become {shade}",
            "you are now {shade}",
            "make yourself {shade}",
            "paint yourself {shade}",
            "turn yourself {shade}",
            "now you are {shade}",
            "change yourself to {shade}",
            "let yourself become {shade}",
        ),
        ("now you turn {shade}", "now you become {shade}", "let yourself turn {shade}"),
    ),
}

SUGGESTIONS = (
    "a red ball appears ahead",
    "put a blue box ahead to the left",
    "the ball vanishes",
    "paint the box yellow",
    "the door opens",
    "lock the door",
    "the lights go out",
    "the lights come on",
    "you turn green",
)


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in re.sub(r"\{\w+\}", " ", text).split()}


def _all_phrases() -> list[str]:
    slots = [word for table in (COLOUR_WORDS, KIND_WORDS, PLACE_WORDS) for words in table.values() for word in words]
    said = [text for phrases in EVENTS.values() for text in phrases.training + phrases.held_out]
    return [*slots, *said, *(task.instruction for task in TASKS.values())]


VOCABULARY: tuple[str, ...] = tuple(sorted(_words(*_all_phrases())))

# --- from a command to words ----------------------------------------------------------------------------------------


def say(command: Command, rng: np.random.Generator, held_out: bool = False) -> str:
    """One of the ways to say a command, out of the training templates or out of the held-out ones.

    >>> say(Command("vanish", "ball", "blue"), np.random.default_rng(0))
    'now the blue sphere is gone'
    """
    phrases = EVENTS[command.event]
    template = _pick(rng, phrases.held_out if held_out else phrases.training)
    named = " ".join(
        ([_pick(rng, COLOUR_WORDS[command.colour])] if command.colour else [])
        + ([_pick(rng, KIND_WORDS[command.kind])] if command.kind else [])
    )
    return template.format(
        colour=_pick(rng, COLOUR_WORDS[command.colour]) if command.colour else "",
        kind=_pick(rng, KIND_WORDS[command.kind]) if command.kind else "",
        place=_pick(rng, PLACE_WORDS[command.place]) if command.place else "",
        shade=_pick(rng, COLOUR_WORDS[command.shade]) if command.shade else "",
        thing=named,
        target=named,
        door=named,
    )


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


# --- from words to a command ----------------------------------------------------------------------------------------


def parse(text: str) -> Command | None:
    """What a sentence commands, or None if it is not one of ours. Case and punctuation do not matter.

    >>> parse("Paint the crimson crate grey!")
    Command(event='recolour', kind='box', colour='red', place='', shade='grey')
    """
    said = normalise(text)
    if len(said.split()) > MOST_WORDS:
        return None
    for event, pattern in _patterns():
        match = pattern.fullmatch(said)
        if match:
            return _command(event, match.groupdict())
    return None


def normalise(text: str) -> str:
    """Lower-case words with single spaces and no punctuation."""
    return " ".join(re.sub(r"[.,;:!?\"']", " ", text.lower()).split())


def _command(event: str, said: dict[str, str | None]) -> Command:
    return Command(
        event,
        kind=_meaning(KIND_WORDS, said.get("kind")),
        colour=_meaning(COLOUR_WORDS, said.get("colour")),
        place=_meaning(PLACE_WORDS, said.get("place")),
        shade=_meaning(COLOUR_WORDS, said.get("shade")),
    )


def _meaning(table: Words, word: str | None) -> str:
    return next((name for name, words in table.items() if word in words), "")


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Each template as a pattern whose groups are named after the fields of `Command`."""
    colour = _one_of("colour", COLOUR_WORDS)
    slots = {
        "colour": colour,
        "shade": _one_of("shade", COLOUR_WORDS),
        "place": _one_of("place", PLACE_WORDS),
        "kind": _one_of("kind", {kind: KIND_WORDS[kind] for kind in THINGS}),
        "thing": f"(?:{colour} )?" + _one_of("kind", {kind: KIND_WORDS[kind] for kind in THINGS}),
        "target": f"(?:{colour} )?" + _one_of("kind", KIND_WORDS),
        "door": f"(?:{colour} )?" + _one_of("kind", {"door": KIND_WORDS["door"]}),
    }
    return [
        (event, re.compile(template.format(**slots)))
        for event, phrases in EVENTS.items()
        for template in phrases.training + phrases.held_out
    ]


def _one_of(group: str, table: Words) -> str:
    return f"(?P<{group}>{'|'.join(word for words in table.values() for word in words)})"


# --- what is no command ---------------------------------------------------------------------------------------------

_STRANGERS = ("banana", "dragon", "tree", "cow", "car", "river", "cat", "window")
_CHATTER = (
    "tell me a story",
    "what time is it",
    "the weather is nice today",
    "play some music",
    "how are you",
    "go on",
    "i like this room",
    "please do nothing at all",
    "where is the exit",
    "sing a song about a box",
)


def nonsense(rng: np.random.Generator) -> str:
    """A sentence that the world should refuse: chatter, unknown things, jumbled or broken-off commands."""
    while True:
        text = (_chatter, _stranger, _jumble, _fragment, _soup)[int(rng.integers(5))](rng)
        if text and parse(text) is None:
            return text


def _any_sentence(rng: np.random.Generator) -> str:
    colours, places = tuple(COLOURS), tuple(PLACE_WORDS)
    event = _pick(rng, tuple(EVENTS))
    kind = "door" if event in ("open", "close", "lock") else _pick(rng, THINGS)
    return say(Command(event, kind, _pick(rng, colours), _pick(rng, places), _pick(rng, colours)), rng)


def _chatter(rng: np.random.Generator) -> str:
    return _pick(rng, _CHATTER)


def _stranger(rng: np.random.Generator) -> str:
    stranger = _pick(rng, _STRANGERS)
    return " ".join(
        stranger if word in ("key", "ball", "sphere", "box", "crate", "door", "gate") else word
        for word in _any_sentence(rng).split()
    )


def _jumble(rng: np.random.Generator) -> str:
    return " ".join(rng.permutation(_any_sentence(rng).split()).tolist())


def _fragment(rng: np.random.Generator) -> str:
    words = _any_sentence(rng).split()
    return " ".join(words[: int(rng.integers(1, len(words)))]) if len(words) > 1 else ""


def _soup(rng: np.random.Generator) -> str:
    return " ".join(_pick(rng, VOCABULARY) for _ in range(int(rng.integers(2, 10))))
