"""The JavaScript client shows what the world shows, and goes on when the connection breaks."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import wmenv.serve
from tests.serve.serving import serving
from wmenv.contract import Direction, Start
from wmenv.worlds.pan import PanWorld

CLIENT = Path(wmenv.serve.__file__).with_name("client.js")
PROGRAM = """
import { Client, ServerRefusal, pack, unpack } from "./client.mjs";

const seen = [];
const sum = (bytes) => bytes.reduce((all, byte, place) => (all * 31 + byte + place) % 1000003, 7);
const client = new Client(process.argv[2], { token: "t0ken" });
const { world } = await client.ready;
const opened = await client.open([{}, { template: world.templates[0] }], [5, 6], { codec: "raw" });
const names = opened.shown.map(({ session }) => session);
seen.push(opened.shown.map(({ frames }) => sum(frames[0])));
for (let step = 1; step <= 8; step += 1) {
  if (step === 3) await client.direct(names[0], world.suggestions[0], { ticket: "wish" });
  const asked = client.advance(names.map((session, row) => ({ session, step, action: row })), { codec: "raw" });
  if (step % 3 === 0) client.socket.close();
  const answer = await asked;
  seen.push(answer.shown.map(({ frames }) => sum(frames[0])));
  if (step === 3) seen.push(answer.shown[0].receipt);
}
const { blobs } = await client.save([names[0]]);
const [moved] = (await client.revive(blobs[0], 8)).sessions;
const refused = await client.advance([{ session: moved.session, step: 5, action: 0 }]).catch((problem) => problem);
const small = await client.advance([{ session: moved.session, step: 9, action: 0 }], { codec: "png" });
const again = unpack(pack({ op: "x" }, [new Uint8Array([1, 2]), new Uint16Array([770])]).buffer);
client.close();
const late = await client.status().catch((problem) => problem.code);
console.log(JSON.stringify({
  seen, late, code: refused.code, named: refused instanceof ServerRefusal,
  png: [...small.shown[0].frames[0].slice(1, 4)], blobs: again.blobs.map((blob) => [...blob]),
}));
"""


@pytest.fixture
def node():
    program = shutil.which("node")
    if program is None:
        pytest.skip("there is no node here")
    return [program, "--experimental-websocket", "--no-warnings"]


def checksum(frame):
    total = 7
    for place, byte in enumerate(frame.tobytes()):
        total = (total * 31 + byte + place) % 1000003
    return total


def test_it_walks_directs_and_goes_on_after_a_break(node, tmp_path):
    shutil.copy(CLIENT, tmp_path / "client.mjs")
    (tmp_path / "walk.mjs").write_text(PROGRAM)
    world = PanWorld()
    with serving(world, token="t0ken") as server:
        ran = subprocess.run([*node, "walk.mjs", server.url], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        counts = server.now()
    found = json.loads(ran.stdout)
    receipt = found["seen"].pop(4)
    assert (receipt["ticket"], receipt["applied_at"], receipt["text"]) == ("wish", 3, world.spec.suggestions[0])
    assert found["seen"] == [[checksum(frame) for frame in frames] for frames in film(world)]
    assert counts["steps"] == 8 * 2 + 1
    assert found["code"] == "ProtocolError"
    assert found["named"]
    assert found["late"] == "Closed"
    assert bytes(found["png"]) == b"PNG"
    assert found["blobs"] == [[1, 2], [2, 3]]


def film(world):
    state, outcome = world.open([Start(), Start(template=world.spec.templates[0])], [5, 6])
    yield outcome.frames
    for step in range(1, 9):
        wish = Direction(world.spec.suggestions[0]) if step == 3 else None
        state, outcome = world.advance(state, np.array([0, 1]), [wish, None])
        yield outcome.frames
