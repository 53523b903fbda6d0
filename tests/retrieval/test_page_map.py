"""The page's map in a real browser: pointers, fingers, the wheel, the window's size, dark mode."""

import json

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from page_browser import in_browser, one, open_page, until, wait_for

pytestmark = in_browser

PLACES = """
return fetch("map").then((answer) => answer.json()).then(({ songs, tags }) => {
  const map = document.querySelector("#map");
  const { x, y, scale } = JSON.parse(map.dataset.view);
  const at = (one) => [map.clientWidth / 2 + (one[0] - x) * scale,
    map.clientHeight / 2 - (one[1] - y) * scale, one[2]];
  return [songs.map(at), tags.map(at)];
})
"""


def view(browser):
    return json.loads(one(browser, "#map").get_attribute("data-view"))


def pointer(browser, x, y):
    """Actions of a mouse that is over a place of the map."""
    browser.execute_script("document.querySelector('#map').scrollIntoView({block: 'center'})")
    corner = place_of(browser, "#map")
    actions = webdriver.ActionChains(browser)
    mouse = actions.w3c_actions.pointer_action
    mouse.move_to_location(round(corner["x"] + 1 + x), round(corner["y"] + 1 + y))
    return actions, mouse


def song_apart(browser):
    """The song that is farthest from all tags, so that a click is for it."""
    songs, tags = browser.execute_script(PLACES)
    return max(songs, key=lambda song: min(abs(song[0] - t[0]) + abs(song[1] - t[1]) for t in tags))


def resize(browser, width, height):
    told = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)


def place_of(browser, selector):
    return browser.execute_script(
        "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector
    )


@pytest.mark.parametrize("size", [(1280, 900), (320, 568)])
def test_what_the_map_plays_is_in_view(browser, address, size):
    resize(browser, *size)
    open_page(browser, address)
    x, y, _ = song_apart(browser)
    actions, mouse = pointer(browser, x, y)
    mouse.click(button=2)
    actions.perform()
    assert not browser.find_elements("css selector", "#playing audio")
    actions, mouse = pointer(browser, x, y)
    mouse.click()
    actions.perform()
    place = place_of(browser, "#playing audio")
    assert place["top"] >= 0 and place["bottom"] <= size[1]
    assert one(browser, "#playing p").text == one(browser, "#here").text != ""
    assert one(browser, "#here").size["width"] == 1  # read aloud, not shown twice


@pytest.mark.parametrize("size", [(1280, 500), (844, 390), (1280, 860), (1280, 900)])
def test_the_player_covers_nothing_and_moves_nothing(browser, address, size):
    resize(browser, *size)
    for query in ("", "?words=jazz"):
        open_page(browser, address + query)
        wait_for(browser, "10 songs for jazz" if query else "Give words")
        before = place_of(browser, "#map")
        one(browser, "#map").send_keys(Keys.ARROW_RIGHT, Keys.ENTER)
        browser.execute_script("scrollTo(0, 0)")
        one(browser, "#playing audio")
        assert place_of(browser, "#map")["height"] == before["height"]
        for y in (0, 200, 9999):
            browser.execute_script("scrollTo(0, arguments[0])", y)
            player = place_of(browser, "#playing")
            assert player["top"] >= 0 and player["bottom"] <= size[1]
            for other in ("#map", "#map-acts", "#found", "#hits"):
                assert not cover(player, place_of(browser, other)), (query, y, other)
            is_help_shown = one(browser, "#map-help").is_displayed()
            assert not (is_help_shown and cover(player, place_of(browser, "#map-help")))


def cover(a, b):
    """Whether two places share more than what rounding leaves."""
    wide = min(a["right"], b["right"]) - max(a["left"], b["left"])
    return wide > 1 and min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) > 1


PIXEL = """
const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
copy.drawImage(document.querySelector("#map"), ...arguments, 1, 1, 0, 0, 1, 1);
return [...copy.getImageData(0, 0, 1, 1).data];
"""


def test_the_map_follows_dark_mode(browser, address):
    open_page(browser, address)
    x, y, _ = browser.execute_script(PLACES)[1][0]  # the square of a tag
    for scheme, accent in {"dark": "#7db7f5", "light": "#0b5cad"}.items():
        told = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", told)
        colour = [*bytes.fromhex(accent[1:]), 255]
        until(browser, lambda _, colour=colour: browser.execute_script(PIXEL, x, y) == colour)


def test_one_finger_scrolls_the_page_and_leaves_the_map(browser, address):
    resize(browser, 844, 390)
    open_page(browser, address)
    browser.execute_script("scrollTo(0, 100)")
    whole, corner = view(browser), place_of(browser, "#map")
    start = [corner["x"] + 150, corner["y"] + 20]
    swipe(browser, start, [100, 0])
    assert (view(browser), scrolled(browser)) == (whole, 100)
    swipe(browser, start, [0, -100])
    until(browser, lambda _: scrolled(browser) > 130)
    assert view(browser) == whole and not browser.find_elements("css selector", "#playing audio")


def swipe(browser, start, by):
    """Put one finger down, move it in steps, and take it away."""
    places = [[start[axis] + by[axis] * step / 8 for axis in (0, 1)] for step in range(9)]
    for kind, (x, y) in zip(["touchStart", *["touchMove"] * 8], places, strict=True):
        told = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", told)
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def scrolled(browser):
    return browser.execute_script("return scrollY")


def test_map_keeps_its_place_and_its_squares_are_tags(browser, address):
    open_page(browser, address)
    whole = view(browser)
    browser.execute_script(
        "document.querySelector('#map').dispatchEvent(new WheelEvent('wheel', {deltaY: -500}))"
    )
    assert view(browser) == whole  # the page scrolls
    for _ in range(8):
        one(browser, "#in").click()
    near = view(browser)
    resize(browser, 1000, 700)
    until(browser, lambda _: one(browser, "#map").size["width"] < 500)
    assert view(browser)["scale"] == near["scale"]
    for _ in range(4):
        actions, mouse = pointer(browser, 20, 20)
        mouse.pointer_down()
        mouse.move_by(300, 200)
        mouse.pointer_up()
        actions.perform()
    width, height = (one(browser, "#map").size[side] for side in ("width", "height"))
    songs, _ = browser.execute_script(PLACES)
    assert any(0 < x < width and 0 < y < height for x, y, _ in songs)
    one(browser, "#all").click()
    x, y, tag = next(one for one in browser.execute_script(PLACES)[1] if one[2] == "jazz")
    actions, mouse = pointer(browser, x, y)
    mouse.click()
    actions.perform()
    wait_for(browser, f"songs for {tag}")
    assert one(browser, "#map").value_of_css_property("cursor") == "pointer"


@pytest.mark.parametrize("is_top", [True, False])
def test_no_label_is_cut_at_an_edge(browser, address, is_top):
    open_page(browser, address)
    width, height = map(one(browser, "#map").get_property, ("clientWidth", "clientHeight"))
    _, tags = browser.execute_script(PLACES)
    y = (min if is_top else max)(place[1] for place in tags)
    edge = 3 if is_top else height - 3
    actions, mouse = pointer(browser, width / 2, height / 2)
    mouse.pointer_down()
    mouse.move_by(0, round(edge - y))
    mouse.pointer_up()
    actions.perform()
    _, tags = browser.execute_script(PLACES)
    assert any(abs(place[1] - edge) < 2 for place in tags)
    labels = json.loads(one(browser, "#map").get_attribute("data-labels"))
    assert labels and all(0 <= box["y"] <= height - box["height"] for box in labels)
