"""The page's map in a real browser: what a pointer, the wheel and the window's size do to it."""

import json

import pytest
from selenium import webdriver

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
    corner = browser.execute_script(
        "return document.querySelector('#map').getBoundingClientRect().toJSON()"
    )
    actions = webdriver.ActionChains(browser)
    mouse = actions.w3c_actions.pointer_action
    mouse.move_to_location(round(corner["x"] + 1 + x), round(corner["y"] + 1 + y))
    return actions, mouse


def song_apart(browser):
    """The song that is farthest from all tags, so that a click is for it."""
    songs, tags = browser.execute_script(PLACES)
    return max(songs, key=lambda song: min(abs(song[0] - t[0]) + abs(song[1] - t[1]) for t in tags))


@pytest.mark.parametrize("size", [(1280, 900), (320, 568)])
def test_what_the_map_plays_is_in_view(browser, address, size):
    told = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)
    open_page(browser, address)
    x, y, _ = song_apart(browser)
    actions, mouse = pointer(browser, x, y)
    mouse.click(button=2)
    actions.perform()
    assert not browser.find_elements("css selector", "#playing audio")
    actions, mouse = pointer(browser, x, y)
    mouse.click()
    actions.perform()
    place = browser.execute_script(
        "return document.querySelector('#playing audio').getBoundingClientRect().toJSON()"
    )
    assert place["top"] >= 0 and place["bottom"] <= size[1]
    assert one(browser, "#playing p").text == one(browser, "#here").text != ""
    assert one(browser, "#here").size["width"] == 1  # read aloud, not shown twice


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
    told = {"width": 1000, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)
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
