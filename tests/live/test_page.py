"""The page in a real browser: walk, direct, see the effect, branch, compare, save, reload, wait in line, look on.

Needs Playwright and a Chromium of this machine (`apt-get install chromium`, or CHROMIUM=/path/to/it).
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from tests.live.visitor import live_server
from wmenv.episodes import Episode
from wmenv.worlds.source import SourceWorld

api = pytest.importorskip("playwright.sync_api", reason="the page is tested with Playwright: pip install playwright")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: apt-get install chromium, or set CHROMIUM to one"),
    pytest.mark.timeout(1200),
]

RIGHT, STAY = 1, 4
PATIENCE_MS = 120_000  # on a crowded machine everything takes its time
TIP = "live.room && live.room.branches.find((branch) => branch.id === live.room.current).tip"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with live_server("pan", rooms=32) as address:
        yield f"http://{address}/"


@pytest.fixture
def open_page(browser) -> Iterator:
    """Opens pages, each somebody of their own, and complains at the end about every error that any of them met."""
    contexts, errors = [], []

    def opened(address: str, script: str = "", **settings):
        contexts.append(
            browser.new_context(**({"viewport": {"width": 1280, "height": 900}, "bypass_csp": True} | settings))
        )
        contexts[-1].add_init_script(script)
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda problem: errors.append(str(problem)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        ours = address.partition("#")[0], "blob:"
        page.on("request", lambda asked: None if asked.url.startswith(ours) else errors.append(asked.url))
        page.goto(address)
        return page

    opened.errors = errors
    yield opened
    for context in contexts:
        context.close()
    assert not errors


def begun(page):
    """The page once its room is there, standing still at the beginning of its only branch, number 1."""
    page.wait_for_function(f"({TIP}) >= 0")
    page.click("#pause")
    page.wait_for_function("live.room.paused")
    page.click("#begin button.primary")
    page.wait_for_function("live.room.current === 1")
    page.click(".branch[data-branch='0'] button[title='Remove this branch']")
    page.wait_for_function("live.room.branches.length === 1")
    page.focus("#stage")
    return page


def pixels(page) -> str:
    return page.evaluate("document.querySelector('#views canvas').toDataURL()")


def changes_from(page, before: str) -> None:
    """Wait until the picture is another one; it is drawn with the browser's next frame."""
    page.wait_for_function(f"document.querySelector('#views canvas').toDataURL() !== {before!r}")


def tip(page) -> int:
    return page.evaluate(TIP)


def press(page, key: str) -> None:
    """A key while the world stands still: one step."""
    before = tip(page)
    page.keyboard.press(key)
    page.wait_for_function(f"({TIP}) === {before + 1}")


def walk(page, keys: str) -> None:
    for key in keys:
        press(page, key)


def test_keys_walk_and_the_picture_answers(open_page, address):
    page = begun(open_page(address))
    before = pixels(page)
    press(page, "ArrowRight")
    page.wait_for_function("live.instruments.keyToPixel.length === 1")
    changes_from(page, before)
    press(page, "a")
    page.wait_for_function("live.instruments.keyToPixel.length === 2")
    assert pixels(page) == before


def test_the_world_runs_and_pauses(open_page, address):
    page = open_page(address)
    page.wait_for_function(f"({TIP}) > 5")
    page.keyboard.press("p")
    page.wait_for_function("live.room.paused")
    stood = tip(page)
    page.keyboard.press(".")
    page.wait_for_function(f"({TIP}) === {stood + 1}")


def test_pixels_stay_squares_of_whole_device_pixels(open_page, address):
    page = begun(open_page(address, device_scale_factor=1.5))
    factor = page.evaluate("document.querySelector('#views canvas').getBoundingClientRect().width * 1.5 / 64")
    assert factor == pytest.approx(round(factor), abs=0.01)  # the layout has steps of 1/64 pixel
    assert factor >= 4


def test_what_is_directed_is_received_applied_and_seen(open_page, address):
    page = begun(open_page(address))
    before = pixels(page)
    page.keyboard.press("/")
    page.keyboard.type("night falls")
    page.keyboard.press("Enter")
    page.wait_for_selector("#receipts li[data-state=received]")
    page.keyboard.press("Escape")
    page.keyboard.press(".")
    line = page.wait_for_selector("#receipts li[data-state=applied]")
    assert "received at 0, applied at 1" in line.inner_text()
    changes_from(page, before)


def test_a_direction_that_is_not_understood_says_why(open_page, address):
    page = begun(open_page(address))
    page.fill("#direction", "make me a sandwich")
    page.press("#direction", "Enter")
    page.press("#direction", "Escape")
    page.keyboard.press(".")
    assert page.wait_for_selector("#receipts li[data-state=refused] span").inner_text().strip()


def test_typing_does_not_walk(open_page, address):
    page = begun(open_page(address))
    page.focus("#direction")
    page.keyboard.type("wasd")
    assert page.input_value("#direction") == "wasd"
    assert tip(page) == 0


def test_going_back_and_asking_what_if(open_page, address):
    page = begun(open_page(address))
    walk(page, "dddd")
    page.wait_for_function("live.timeline.shown.step === 4")
    page.keyboard.press(",")
    page.keyboard.press(",")
    page.wait_for_function("live.timeline.at?.step === 2")
    page.keyboard.press("b")
    page.wait_for_function("live.room.branches.length === 2")
    assert page.evaluate("live.room.branches[1].fork") == 2
    walk(page, "ss")
    assert page.locator(".branch").count() == 2
    page.click(".branch[data-branch='2'] button[title='Name this branch']")
    page.keyboard.type("down we go")
    page.keyboard.press("Enter")
    page.wait_for_function("live.room.branches[1].name === 'down we go'")


def test_two_branches_side_by_side(open_page, address):
    page = begun(open_page(address))
    walk(page, "dd")
    page.keyboard.press("b")
    page.wait_for_function("live.room.branches.length === 2")
    page.click("#chips button:has-text('night falls')")
    page.wait_for_selector("#receipts li[data-state=received]")
    page.focus("#stage")
    page.keyboard.press(".")
    page.wait_for_selector("#receipts li[data-state=applied]")
    page.click(".branch[data-branch='1'] button:has-text('Compare')")
    page.wait_for_function("live.room.twin === 1")
    assert page.locator("#views canvas[role=img]").count() == 2
    page.focus("#stage")
    press(page, "d")
    page.wait_for_function("Number.parseFloat(document.querySelector('#gauges .gauge:last-child b').textContent) > 50")


def saved(page, kind: str, folder: Path) -> Path:
    """Everything that was seen, as a file."""
    page.select_option("#kind", kind)
    with page.expect_download() as download:
        page.click("#save")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.mark.parametrize("kind", ["webm", "episode", "moment"])
def test_what_was_seen_can_be_saved(open_page, address, tmp_path, kind):
    page = begun(open_page(address))
    walk(page, "dddwww")
    path = saved(page, kind, tmp_path)
    if kind == "episode":
        assert Episode.load(path).actions.tolist() == [1, 1, 1, 2, 2, 2]
    elif kind == "webm":
        with zipfile.ZipFile(path) as archive:
            assert any(name.endswith(".webm") for name in archive.namelist())
    else:
        shown = pixels(page)
        walk(page, "ss")
        page.set_input_files("#file", path)
        page.wait_for_function("live.room.branches.length === 2")
        page.wait_for_function(f"document.querySelector('#views canvas').toDataURL() === {shown!r}")


def test_a_session_survives_a_reload(open_page, address):
    page = begun(open_page(address))
    walk(page, "ddd")
    shown, room = pixels(page), page.evaluate("live.room.room")
    page.reload()
    page.wait_for_function(f"({TIP}) === 3")
    page.wait_for_function(f"document.querySelector('#views canvas').toDataURL() === {shown!r}")
    assert page.evaluate("live.room.room") == room
    press(page, "d")


def test_who_is_invited_looks_on(open_page, address):
    anna = begun(open_page(address))
    ben = open_page(address + f"#room={anna.evaluate('live.room.room')}")
    ben.wait_for_function(f"({TIP}) === 0")
    ben.keyboard.press("d")
    ben.wait_for_selector("#toast:has-text('Somebody else moves here')")
    walk(anna, "dd")
    ben.wait_for_function(f"({TIP}) === 2")
    ben.wait_for_function(f"document.querySelector('#views canvas').toDataURL() === {pixels(anna)!r}")
    anna.click("#people-button")
    anna.click("button:has-text('let them direct')")
    ben.wait_for_function("live.room.may.direct && !live.room.may.move")


def test_the_second_visitor_waits_and_comes_in(open_page):
    with live_server("pan", rooms=1, grace_s=0.1) as address:
        anna, ben = open_page(f"http://{address}/"), open_page(f"http://{address}/")
        begun(anna)
        ben.wait_for_selector("#veil:has-text('You are next')")
        anna.close()
        ben.wait_for_function(f"({TIP}) >= 0")


def test_when_the_server_goes_the_page_says_what_to_do(open_page):
    with live_server("pan") as address:
        page = begun(open_page(f"http://{address}/"))
    page.wait_for_selector("#veil[data-shown]")
    assert "connection" in page.inner_text("#veil strong").lower()
    assert "goes on trying" in page.inner_text("#veil p")
    open_page.errors.clear()  # the browser complains of every attempt


def test_a_phone_shows_all_without_scrolling_sideways(open_page, address):
    page = begun(open_page(address, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    before = tip(page)
    page.tap("#hands button:has-text('right')")
    page.wait_for_function(f"({TIP}) === {before + 1}")


def test_a_finger_that_stays_goes_on_until_it_is_lifted(open_page, address, tmp_path):
    page = begun(open_page(address, has_touch=True))
    page.click("#pause")
    page.wait_for_function("!live.room.paused")
    at = page.locator("#hands button:has-text('right')").bounding_box()
    fingers = page.context.new_cdp_session(page)
    touched = {"x": at["x"] + at["width"] / 2, "y": at["y"] + at["height"] / 2}
    fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [touched]})
    page.wait_for_function(f"({TIP}) > {tip(page) + 12}")
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function(f"({TIP}) > {tip(page) + 12}")
    actions = Episode.load(saved(page, "episode", tmp_path)).actions.tolist()
    assert actions.count(RIGHT) >= 6
    assert actions[-6:] == [STAY] * 6


# --- gamepads --------------------------------------------------------------------------------------------------------

GAMEPAD = """
globalThis.pad = { index: 0, axes: [0, 0, 0, 0], buttons: Array.from({ length: 17 }, () => ({ pressed: false })) };
navigator.getGamepads = () => [globalThis.pad, null, null, null];
"""


@pytest.fixture
def open_with_pad(open_page) -> Callable:
    """Opens a page to which a gamepad is connected, that rests until it is told otherwise."""

    def opened(address: str):
        page = begun(open_page(address, script=GAMEPAD))
        page.evaluate("dispatchEvent(new Event('gamepadconnected'))")
        return page

    return opened


def pushed(page, change: str, back: str) -> None:
    """A short push of the gamepad while the world stands still: one step."""
    before = tip(page)
    page.evaluate(change)
    page.wait_for_function(f"({TIP}) === {before + 1}")
    page.evaluate(back)
    page.wait_for_function("!document.querySelector('#hands .down')")


def test_stick_cross_and_buttons_do_what_the_action_table_says(open_with_pad, tmp_path):
    with live_server("gridrooms-source") as address:
        page = open_with_pad(f"http://{address}/")
        pushed(page, "pad.axes[0] = -0.9", "pad.axes[0] = 0.1")
        pushed(page, "pad.axes[1] = -0.9", "pad.axes[1] = 0")
        pushed(page, "pad.buttons[15].pressed = true", "pad.buttons[15].pressed = false")
        pushed(page, "pad.buttons[0].pressed = true", "pad.buttons[0].pressed = false")
        assert page.inner_text("#hands button:has-text('pickup')").split() == ["pickup", "e", "A"]
        actions = Episode.load(saved(page, "episode", tmp_path)).actions.tolist()
        page.close()
    assert actions == [0, 2, 1, 3]


def test_a_stick_that_stays_goes_on_and_does_not_while_somebody_types(open_with_pad, address, tmp_path):
    page = open_with_pad(address)
    page.click("#pause")
    page.evaluate("pad.axes[0] = 0.9")
    page.wait_for_function(f"({TIP}) > 12")
    page.focus("#direction")
    typed_from = tip(page)
    page.wait_for_function(f"({TIP}) > {typed_from + 12}")
    actions = Episode.load(saved(page, "episode", tmp_path)).actions.tolist()
    assert actions.count(RIGHT) >= 6
    assert actions[typed_from + 6 : typed_from + 12] == [STAY] * 6


class Skiff(gym.Env):
    """Two fields that go both ways, shown as grey levels."""

    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    observation_space = gym.spaces.Box(0, 255, (16, 16, 3), np.uint8)

    def reset(self, **settings):
        super().reset(**settings)
        return np.zeros((16, 16, 3), np.uint8), {}

    def step(self, action):
        return np.full((16, 16, 3), 128 + 100 * action.mean(), np.uint8), 0.0, False, False, {}


def skiff() -> SourceWorld:
    return SourceWorld(Skiff)


def test_fields_that_go_both_ways_follow_the_sticks(open_with_pad, tmp_path):
    with live_server("tests.live.test_page:skiff") as address:
        page = open_with_pad(f"http://{address}/")
        for axes, shown in [([0.5, -1.0], "0.5,-1"), ([0.05, 0.0], "0,0")]:  # no stick rests in the very middle
            page.evaluate(f"pad.axes = {axes}")
            values = "[...document.querySelectorAll('#hands input')].map((slider) => slider.value)"
            page.wait_for_function(f"{values}.join() === '{shown}'")
            press(page, ".")
        actions = Episode.load(saved(page, "episode", tmp_path)).actions.tolist()
        page.close()
    assert actions == [[0.5, -1.0], [0.0, 0.0]]


# --- the page itself -------------------------------------------------------------------------------------------------


def test_nothing_on_the_page_moves_while_the_world_does(open_page, address):
    page = open_page(address)
    page.wait_for_function(f"({TIP}) > 2")
    page.evaluate(
        "() => { globalThis.shifts = 0; new PerformanceObserver((list) => { for (const shift of list.getEntries())"
        " globalThis.shifts += shift.value; }).observe({ type: 'layout-shift' }); }"
    )
    page.wait_for_function(f"({TIP}) > 60")
    assert page.evaluate("globalThis.shifts") < 0.01


def test_looking_back_moves_nothing_on_the_page(open_page, address):
    page = begun(open_page(address, viewport={"width": 1280, "height": 1400}))
    walk(page, "ddd")
    place = "document.querySelector('#tree').getBoundingClientRect().top"
    before = page.evaluate(place)
    page.keyboard.press(",")
    page.wait_for_selector("#resume:visible")
    assert page.evaluate(place) == before


@pytest.mark.parametrize("what", ["#chips button", "#people-button", "#fps", "summary >> nth=0"])
def test_whoever_clicks_goes_on_with_the_keys(open_page, address, what):
    page = begun(open_page(address))
    page.focus("#direction")
    page.click(what)
    page.wait_for_function("document.activeElement.id === 'stage'")


def test_a_menu_stays_open_until_something_is_chosen(open_page, address):
    page = begun(open_page(address))
    page.click("#kind")
    assert page.evaluate("document.activeElement.id") == "kind"
    page.select_option("#kind", "episode")
    page.wait_for_function("document.activeElement.id === 'stage'")


def test_whoever_tabs_stays_where_they_are(open_page, address):
    page = begun(open_page(address))
    page.focus("#people-button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#people:visible")
    assert page.evaluate("document.activeElement.id") == "people-button"


def test_the_whole_page_can_be_reached_by_keyboard(open_page, address):
    page = begun(open_page(address))
    page.focus("#help-button")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"stage", "pause", "fps", "direction", "branch", "scrub", "save", "template", "seed"} <= reached
