"""Fixtures of the page's tests in a browser."""

from page_browser import address, browser

__all__ = ["address", "browser"]
