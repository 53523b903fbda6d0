"""A browser for the tests of the page, headless Chromium, and what they ask of it."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from page_samples import served, sounding_index

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = ("headless", "no-sandbox", "disable-gpu", "disable-background-networking")

in_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="no chromium and chromedriver: apt-get install chromium chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with served(sounding_index(tmp_path_factory.mktemp("page"))) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def browser(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, "window-size=1200,900", f"user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield opened
    complaints = [entry["message"] for entry in opened.get_log("browser")]
    opened.quit()
    # What a query is refused for is also told by the browser.
    assert [one for one in complaints if "400 (Bad Request)" not in one] == []


def until(browser, holds):
    return WebDriverWait(browser, 30).until(holds)


def all_of(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser, selector):
    return until(browser, lambda _: all_of(browser, selector))[0]


def said(browser):
    return one(browser, "#said").text


def open_page(browser, address):
    """Open an address and wait until the map is drawn, which comes last."""
    browser.get(address)
    one(browser, "#map[data-labels]")


def wait_for(browser, text):
    until(browser, lambda _: text in said(browser))


def button(browser, label):
    buttons = all_of(browser, "button")
    return next(one for one in buttons if one.get_attribute("aria-label") == label)
