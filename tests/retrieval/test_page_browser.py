"""The page in a real browser: headless Chromium, as a listener uses it."""

import json
import os
import re

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from index_samples import TAGS, make_index
from page_browser import all_of, button, in_browser, one, open_page, said, until, wait_for
from page_samples import BAD_TAG, served
from retrieval.song_index import IndexedSong

pytestmark = in_browser
HOLD_MAP = """
const ask = window.fetch;
window.fetch = (target) => target === "map"
  ? new Promise((go) => { window.letMap = () => go(ask(target)); }) : ask(target);
"""


def test_search_listen_and_go_on_from_a_song(browser, address):
    open_page(browser, address)
    assert "Give words" in said(browser)
    one(browser, "#words").send_keys("jazz, sad", Keys.ENTER)
    wait_for(browser, "10 songs for jazz, sad")
    assert len(all_of(browser, "#hits li")) == 10
    assert one(browser, "#hits .tags").text in ("jazz", "sad")
    close = one(browser, "#hits .close").text
    assert re.fullmatch(r"similarity \d\.\d\d\s+jazz -?\d\.\d\d\s+sad -?\d\.\d\d", close)
    first, second, *_ = all_of(browser, "audio")
    first.send_keys(Keys.SPACE)
    until(browser, lambda _: first.get_property("currentTime") > 0.3)
    second.send_keys(Keys.SPACE)
    until(browser, lambda _: second.get_property("currentTime") > 0.1)
    assert first.get_property("paused")  # one song at a time
    name = one(browser, "#hits .title").text
    button(browser, f"more like {name}").click()
    wait_for(browser, f"like {name}")
    assert name not in [title.text for title in all_of(browser, "#hits .title")]
    assert "like=" in browser.current_url and "words=jazz" in browser.current_url
    worse = one(browser, "#hits .title").text
    button(browser, f"less like {worse}").click()
    wait_for(browser, f"not like {worse}")
    shared = browser.current_url
    seen = [title.text for title in all_of(browser, "#hits .title")]
    browser.back()
    wait_for(browser, f"sad, like {name}.")
    browser.get("about:blank")
    open_page(browser, shared)
    wait_for(browser, f"10 songs for jazz, sad, like {name}, not like {worse}")
    assert [title.text for title in all_of(browser, "#hits .title")] == seen
    assert one(browser, "#words").get_property("value") == "jazz, sad"
    button(browser, f"remove: like {name}").click()
    wait_for(browser, f"10 songs for jazz, sad, not like {worse}")


def test_what_is_typed_and_played_stays(browser, address):
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": HOLD_MAP})
    browser.get(f"{address}?words=jazz")
    wait_for(browser, "10 songs for jazz.")
    words, sound = one(browser, "#words"), one(browser, "#hits audio")
    sound.send_keys(Keys.SPACE)
    until(browser, lambda _: sound.get_property("currentTime") > 0)
    words.send_keys(", sad")
    until(browser, lambda _: browser.execute_script("return window.letMap && (letMap(), true)"))
    one(browser, "#map[data-labels]")
    one(browser, "#more").click()
    wait_for(browser, "20 songs for jazz.")
    assert len(all_of(browser, "#hits > li")) == 20 and "top=20" in browser.current_url
    first_new = browser.find_element(By.CSS_SELECTOR, "#hits > li:nth-child(11)")
    assert browser.switch_to.active_element == first_new
    assert browser.execute_script("return scrollY") > 0
    assert words.get_property("value") == "jazz, sad" and not sound.get_property("paused")
    searches = "return performance.getEntriesByType('resource').map(({ name }) => name)"
    assert sum("/search?" in name for name in browser.execute_script(searches)) == 2
    name = one(browser, "#hits .title").text
    button(browser, f"more like {name}").click()  # what is typed joins in
    wait_for(browser, f"10 songs for jazz, sad, like {name}.")
    browser.back()
    wait_for(browser, "20 songs for jazz.")


def test_names_stay_text(browser, address):
    open_page(browser, f"{address}?words=jazz&top=24")
    wait_for(browser, "24 songs")
    assert BAD_TAG in [tags.text for tags in all_of(browser, "#hits .tags")]
    assert one(browser, "#hits .title").text.startswith("<b>Ann</b>")
    browser.get(f"{address}?words=<img src=x onerror=document.title='run'>:2")
    wait_for(browser, f"10 songs for {BAD_TAG}:2")
    open_page(browser, f"{address}?words=<script>document.title='run'</script>")
    wait_for(browser, "Nothing was searched: “<script>document.title='run'</script>” is no tag")
    assert button(browser, BAD_TAG).text == BAD_TAG
    assert all_of(browser, "img, b, main script") == []
    assert browser.title == "Songs by words"


def test_by_keyboard_alone(browser, address):
    open_page(browser, address)
    active = browser.switch_to.active_element
    assert active.get_attribute("id") == "words"
    active.send_keys("sa")
    options = one(browser, "#tags").find_elements(By.TAG_NAME, "option")
    assert [option.get_attribute("value") for option in options] == ["sad"]
    active.send_keys("d, bl")
    options = one(browser, "#tags").find_elements(By.TAG_NAME, "option")
    assert [option.get_attribute("value") for option in options] == ["sad, Blues"]
    active.clear()
    active.send_keys("sad", Keys.ENTER)
    wait_for(browser, "10 songs for sad")
    until(browser, lambda _: browser.switch_to.active_element.get_attribute("id") == "found")

    def press_tab_until(holds):
        for _ in range(100):
            browser.switch_to.active_element.send_keys(Keys.TAB)
            if holds(browser.switch_to.active_element):
                return browser.switch_to.active_element
        raise AssertionError("never reached")

    press_tab_until(lambda active: active.tag_name == "audio").send_keys(Keys.SPACE)
    until(browser, lambda _: all_of(browser, "audio")[0].get_property("currentTime") > 0)
    press_tab_until(lambda active: active.text == "more like this").send_keys(Keys.ENTER)
    wait_for(browser, "10 songs for sad, like")
    canvas = press_tab_until(lambda active: active.get_attribute("id") == "map")
    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP, "+", Keys.ENTER)
    until(browser, lambda _: one(browser, "#playing audio").get_property("currentTime") > 0)
    assert one(browser, "#here").text == one(browser, "#playing audio").accessible_name
    canvas.send_keys("0", Keys.SHIFT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    tag = one(browser, "#here").text
    assert tag in [BAD_TAG, *TAGS]
    canvas.send_keys(Keys.ENTER)
    until(browser, lambda _: tag in said(browser).partition("for ")[2].strip(".").split(", "))


def test_tags_with_commas(browser):
    with served(make_index(4, tags=["r&b, soul", "soul", "jazz"])) as port:
        open_page(browser, f"http://127.0.0.1:{port}/?words=soul:-1")
        wait_for(browser, "only what to keep away from")
        button(browser, "r&b, soul").click()
        wait_for(browser, "4 songs for soul:-1, r&b, soul.")
        words = one(browser, "#words")
        assert words.get_property("value") == "soul:-1, r&b, soul"
        for typed, expected in {
            "jazz, r&b, s": ["jazz, r&b, soul"],
            "soul": ["r&b, soul", "soul"],
        }.items():
            words.clear()
            words.send_keys(typed)
            options = all_of(browser, "#tags option")
            assert [option.get_attribute("value") for option in options] == expected
        for typed, tag, asked in (  # compared as a search does, whether searched before or not
            ("soul:-1, R&B,SOUL", "r&b, soul", "soul:-1, R&B, SOUL"),
            ("R&B, soul", "soul", "R&B, soul, soul"),
            ("JAZZ ,soul:2", "soul", "JAZZ, soul:2, soul"),
            ("JAZZ", "jazz", "JAZZ"),
        ):
            words.clear()
            words.send_keys(typed)
            click_on_tag(browser, tag)
            wait_for(browser, f"4 songs for {asked}.")


def boxes(browser):
    return json.loads(one(browser, "#map").get_attribute("data-labels"))


def test_map(browser, address):
    open_page(browser, address)
    labels = boxes(browser)
    assert len(labels) >= 4
    assert_apart(labels)
    click_on_tag(browser, "jazz")
    wait_for(browser, "10 songs for jazz")
    before = boxes(browser)
    one(browser, "#in").click()
    assert boxes(browser) != before
    assert_apart(boxes(browser))
    one(browser, "#all").click()
    assert boxes(browser) == before
    for start, end in ((40, 120), (120, 40)):
        pinch(browser, start, end)
        places = [(box["x"], box["y"]) for box in boxes(browser)]
        is_as_before = np.allclose(places[:4], [(box["x"], box["y"]) for box in before[:4]])
        assert is_as_before == (end == 40)
    assert "10 songs for jazz." in said(browser)  # no finger clicked
    assert browser.execute_script("return visualViewport.scale") == 1


def pinch(browser, *wide):
    """Put two fingers on the map, as far apart as the first number says, and move them."""
    place = browser.execute_script("return document.querySelector('#map').getBoundingClientRect()")
    left, top, width, height = (place[name] for name in ("x", "y", "width", "height"))
    for kind, apart in zip(("touchStart", "touchMove"), wide, strict=True):
        xs = (left + width / 2 - apart, left + width / 2 + apart)
        fingers = [{"x": x, "y": top + height / 2, "id": number} for number, x in enumerate(xs)]
        told = {"type": kind, "touchPoints": fingers}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", told)
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def assert_apart(labels):
    for number, a in enumerate(labels):
        for b in labels[:number]:
            is_beside = a["x"] >= b["x"] + b["width"] or b["x"] >= a["x"] + a["width"]
            assert is_beside or a["y"] >= b["y"] + b["height"] or b["y"] >= a["y"] + a["height"]


def click_on_tag(browser, tag):
    label = next(box for box in boxes(browser) if box["tag"] == tag)
    canvas = one(browser, "#map")
    browser.execute_script("arguments[0].scrollIntoView()", canvas)
    corner = browser.execute_script("return arguments[0].getBoundingClientRect()", canvas)
    actions = webdriver.ActionChains(browser)
    x, y = label["x"] + label["width"] / 2, label["y"] + label["height"] / 2
    actions.w3c_actions.pointer_action.move_to_location(corner["x"] + x, corner["y"] + y).click()
    actions.perform()


def test_playlist_is_downloaded(browser, address, tmp_path):
    open_page(browser, f"{address}?words=sad&top=3")
    wait_for(browser, "3 songs")
    one(browser, "#playlist").click()
    file = tmp_path / "songs.m3u8"
    until(browser, lambda _: file.is_file() and os.path.getsize(file))
    assert file.read_text().count(f"{address}audio/") == 3


def assert_nothing_is_cut_off(browser, width):
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    for shown in all_of(browser, "#hits button, audio, #words, canvas"):
        place = shown.rect
        assert place["width"] > 30 and place["x"] >= 0 and place["x"] + place["width"] <= width


@pytest.mark.parametrize("width", [320, 1200])
def test_nothing_is_cut_off(browser, address, width):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    open_page(browser, f"{address}?words=jazz, sad")
    wait_for(browser, "10 songs")
    assert_nothing_is_cut_off(browser, width)
    tag, song = "g" * 300, IndexedSong("i" * 300, "a" * 300, "t" * 300)
    songs = [song, *(song._replace(song_id=f"S{number}") for number in range(3))]
    with served(make_index(4, songs, tags=[tag, "jazz"])) as port:
        open_page(browser, f"http://127.0.0.1:{port}/?words={tag}, jazz&like={song.song_id}")
        wait_for(browser, "3 songs")
        one(browser, "#map").send_keys(Keys.ARROW_RIGHT)
        until(browser, lambda _: one(browser, "#here").text.startswith("aaa"))
        assert_nothing_is_cut_off(browser, width)
        browser.get(f"http://127.0.0.1:{port}/?words={'a' * 3000}")
        wait_for(browser, "is too long")
        assert_nothing_is_cut_off(browser, width)
