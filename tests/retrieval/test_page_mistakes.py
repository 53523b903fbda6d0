"""The page in a real browser, where something goes wrong: words, names, the server, the network."""

from selenium.webdriver.common.keys import Keys

from index_samples import make_index
from page_browser import all_of, button, in_browser, one, open_page, said, until, wait_for
from page_samples import served

pytestmark = in_browser


def value(browser, box="#words"):
    return one(browser, box).get_property("value")


def test_a_tag_stands_in_place_of_a_word_that_is_refused(browser, address):
    open_page(browser, address)
    words = one(browser, "#words")
    words.send_keys("sad, jaz:2", Keys.ENTER)
    wait_for(browser, "“jaz” is no tag")
    proposed = one(browser, "#proposed button")
    assert proposed.text == "jazz"
    proposed.click()
    wait_for(browser, "10 songs for sad, jazz:2.")
    assert value(browser) == "sad, jazz:2" and not all_of(browser, "#proposed button")
    one(browser, "#not").send_keys("blus", Keys.ENTER)
    wait_for(browser, "“blus” is no tag")
    one(browser, "#proposed button").click()
    wait_for(browser, "10 songs for sad, jazz:2, not Blues.")
    browser.get(f"{address}?words=xyzzyq")
    wait_for(browser, "is no tag")
    until(browser, lambda _: button(browser, "sad")).click()
    wait_for(browser, "10 songs for sad.")
    assert value(browser) == "sad"


def test_what_is_half_typed_is_replaced_or_left_out(browser, address):
    open_page(browser, address)
    one(browser, "#words").send_keys("jazz, Blu")
    button(browser, "Blues").click()
    wait_for(browser, "10 songs for jazz, Blues.")
    one(browser, "#words").send_keys(", vio")
    name = one(browser, "#hits .title").text
    button(browser, f"more like {name}").click()
    wait_for(browser, f"10 songs for jazz, Blues, like {name}. “vio” is not known here, and was")
    assert value(browser) == "jazz, Blues" and "vio" not in browser.current_url
    one(browser, "#words").send_keys(", vio", Keys.ENTER)  # songs keep their names
    wait_for(browser, "“vio” is no tag")
    assert one(browser, "#asked .name").text == f"like {name}"


def test_the_same_search_is_one_page_to_go_back_to(browser, address):
    open_page(browser, address)
    one(browser, "#words").send_keys("sad", Keys.ENTER)
    wait_for(browser, "10 songs for sad.")
    length = browser.execute_script("return history.length")
    for _ in range(2):
        one(browser, "#words").send_keys(Keys.ENTER)
        until(browser, lambda _: browser.switch_to.active_element == one(browser, "#found"))
    assert browser.execute_script("return history.length") == length
    browser.get(f"{address}?words=sad&words=jazz")
    wait_for(browser, "10 songs for sad, jazz.")
    assert value(browser) == "sad, jazz"
    browser.get(f"{address}?not=sad")
    wait_for(browser, "nothing is asked for: give some words")


def test_what_plays_goes_on_in_another_answer(browser, address):
    open_page(browser, f"{address}?words=jazz")
    wait_for(browser, "10 songs for jazz.")
    sound = all_of(browser, "#hits audio")[3]
    name = sound.accessible_name
    browser.execute_script("arguments[0].loop = true", sound)  # however slow the machine is
    sound.send_keys(Keys.SPACE)
    until(browser, lambda _: sound.get_property("currentTime") > 0)
    other = one(browser, "#hits .title").text
    button(browser, f"more like {other}").click()
    wait_for(browser, f"10 songs for jazz, like {other}.")
    assert not sound.get_property("paused") and sound.accessible_name == name
    meters = all_of(browser, "#hits li:first-child meter")
    labels = [meter.accessible_name for meter in meters]
    assert labels == ["similarity", "jazz", f"like {other}"]
    assert one(browser, "#playlist").size["height"] >= 24
    assert "jazz:2" in one(browser, "#hint").text


HOLD_SEARCH = """
const ask = window.fetch;
window.fetch = (target, ...more) => window.isOff ? Promise.reject(new TypeError("off"))
  : target.startsWith("search") && window.isHeld
  ? new Promise((go) => { window.letGo = () => go(ask(target)); }) : ask(target, ...more);
"""


def test_a_slow_and_a_silent_server_are_told(browser, address):
    open_page(browser, f"{address}?words=jazz")
    wait_for(browser, "10 songs for jazz.")
    browser.execute_script(HOLD_SEARCH + "window.isHeld = true")
    one(browser, "#words").send_keys(", sad", Keys.ENTER)
    wait_for(browser, "Searching")
    assert one(browser, "#hits").get_attribute("aria-busy") == "true"
    browser.execute_script("window.isHeld = false; window.letGo()")
    wait_for(browser, "10 songs for jazz, sad.")
    assert one(browser, "#hits").get_attribute("aria-busy") is None
    browser.execute_script("window.isOff = true")
    one(browser, "#more").click()
    until(browser, lambda _: "does not answer" in one(browser, "#more-said").text)
    assert len(all_of(browser, "#hits li")) == 10 and "10 songs" in said(browser)
    browser.execute_script("window.isOff = false")
    one(browser, "#more").click()
    wait_for(browser, "20 songs for jazz, sad.")
    assert one(browser, "#more-said").text == ""


def test_a_song_that_could_not_be_loaded_can_be_played_later(browser, address):
    open_page(browser, f"{address}?words=jazz")
    wait_for(browser, "10 songs for jazz.")
    blocked = {"urls": ["*/audio/*"]}
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", blocked)
    sound = one(browser, "#hits audio")
    sound.send_keys(Keys.SPACE)
    until(browser, lambda _: "server does not answer" in one(browser, "#hits .silent").text)
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    sound.send_keys(Keys.SPACE)
    until(browser, lambda _: sound.get_property("currentTime") > 0)
    assert not all_of(browser, ".silent")
    browser.get_log("browser")  # what was blocked is told there


def test_all_else_goes_on_without_tags_and_map(browser, address):
    source = """const ask = window.fetch; window.fetch = (target) =>
      target.startsWith("search") ? ask(target) : Promise.reject(new TypeError("off"));"""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    browser.get(f"{address}?words=jazz")
    wait_for(browser, "10 songs for jazz.")
    for place in ("#about", "#here"):
        until(browser, lambda _, at=place: "The server does not answer" in one(browser, at).text)


def test_who_allows_no_scripts_is_told_so(browser, address):
    says = "This page needs JavaScript to show songs"
    open_page(browser, address)
    assert says not in one(browser, "body").text
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(address)
    assert says in one(browser, "body").text


def test_words_from_right_to_left_turn_nothing_round(browser):
    word = "שלום"
    with served(make_index(4, tags=[word, "jazz"])) as port:
        open_page(browser, f"http://127.0.0.1:{port}/?words={word}, jazz")
        wait_for(browser, f"4 songs for {word}, jazz.")
        names = all_of(browser, "#hits li:first-child .close bdi, #hits li:first-child meter")
        lefts = [name.rect["x"] for name in names]
        assert [name.text for name in names[::2]] == ["similarity", word, "jazz"]
        assert lefts == sorted(lefts)
