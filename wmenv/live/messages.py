"""What a page may say to the server. A message that does not fit its model is refused, with the field named."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from wmenv.errors import ProtocolError
from wmenv.worlds.remote.schema import MOST_NUMBERS, Natural, Number, Part

Role = Literal["move", "direct"]
Action = int | Annotated[list[Number], Field(max_length=MOST_NUMBERS)]
Text = Annotated[str, Field(max_length=500)]
Name = Annotated[str, Field(max_length=64)]


class Hello(Part):
    """Who is there, by a secret that only that tab knows, and the room it wants to see, if any."""

    kind: Literal["hello"]
    visitor: Annotated[str, Field(min_length=16, max_length=64)]
    room: Name | None = None


class Act(Part):
    """One step with this action; the picture that shows it repeats `id`."""

    kind: Literal["act"]
    action: Action
    id: Natural


class Hold(Part):
    """From now on every step has this action, until another or null."""

    kind: Literal["hold"]
    action: Action | None


class Direct(Part):
    """Text that changes the world from now on; receipts repeat `id`."""

    kind: Literal["direct"]
    text: Text
    id: Natural


class Pace(Part):
    """Whether the world runs on, and how fast."""

    kind: Literal["pace"]
    paused: bool | None = None
    fps: Annotated[float, Field(ge=1, le=60, allow_inf_nan=False)] | None = None


class Step(Part):
    """A single step, while the world is paused."""

    kind: Literal["step"]


class Begin(Part):
    """A new scene, on a branch of its own."""

    kind: Literal["begin"]
    seed: Natural
    template: Name | None = None
    prompt: Text | None = None


class Look(Part):
    """Show me a moment again; null is now."""

    kind: Literal["look"]
    branch: Natural | None
    step: Natural


class Branch(Part):
    """Go on from this moment, on a new branch."""

    kind: Literal["branch"]
    branch: Natural
    step: Natural


class Go(Part):
    """Go on from the end of this branch."""

    kind: Literal["go"]
    branch: Natural


class Rename(Part):
    """Call a branch something."""

    kind: Literal["name"]
    branch: Natural
    name: Name


class Remove(Part):
    """Forget a branch."""

    kind: Literal["remove"]
    branch: Natural


class Compare(Part):
    """Run the end of this branch beside the current one, with the same actions; null ends that."""

    kind: Literal["compare"]
    branch: Natural | None


class Ghost(Part):
    """Show the real environment beside the generated one, or no more."""

    kind: Literal["ghost"]
    on: bool


class Passes(Part):
    """How often the network looks at each frame from now on."""

    kind: Literal["passes"]
    passes: Annotated[int, Field(ge=1, le=16)]


class Give(Part):
    """Let somebody else move or direct, or take what nobody does."""

    kind: Literal["role"]
    role: Role
    to: Natural


class Want(Part):
    """Whether this page plays sound."""

    kind: Literal["want"]
    sound: bool


AnyMessage = (
    Hello | Act | Hold | Direct | Pace | Step | Begin | Look | Branch | Go | Rename | Remove | Compare | Ghost
    | Passes | Give | Want
)  # fmt: skip
_messages: TypeAdapter[AnyMessage] = TypeAdapter(Annotated[AnyMessage, Field(discriminator="kind")])


def message_of(text: str) -> AnyMessage:
    """The message in a line of JSON; `ProtocolError` names the first field that does not fit."""
    try:
        return _messages.validate_json(text)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ProtocolError(f"{place or 'message'}: {first['msg']}.") from None


def told(kind: str, **facts: Any) -> dict[str, Any]:
    """A message to a page."""
    return {"kind": kind, **facts}
