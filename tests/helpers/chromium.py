"""Headless Chromium for tests of pages, and what is wrong with how a page looks."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

A4 = 688
"""Pixels between the margins of a printed page."""
PHONE = 390


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return headless Chromium, or skip."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if not found:
        pytest.skip("needs Chromium: install it, or set CHROMIUM to its path")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def overflowing(page: Any) -> list[str]:
    """Return what runs off its place sideways: the page, a table, a box that scrolls, a cell."""
    found: list[str] = page.evaluate(
        """() => {
          const wrong = [], width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth > width) wrong.push("the page");
          for (const box of document.querySelectorAll(".wide, .tiles, .strip, figure")) {
            if (box.checkVisibility() && box.scrollWidth > box.clientWidth + 1)
              wrong.push(box.className + ": " + box.innerText.slice(0, 40));
          }
          for (const cell of document.querySelectorAll("td, th, .tile, img")) {
            const at = cell.getBoundingClientRect();
            if (cell.checkVisibility() && (at.right > width + 1 || at.left < 0))
              wrong.push(cell.tagName + ": " + cell.innerText);
          }
          return wrong;
        }"""
    )
    return found


def faint(page: Any, least: float = 4.5) -> list[str]:
    """Return texts whose contrast with what is behind them is less (WCAG 2.2, 1.4.3)."""
    found: list[str] = page.evaluate(
        """(least) => {
          const parts = (color) => color.match(/[\\d.]+/g).map(Number);
          const light = (color) => {
            const [r, g, b] = parts(color).slice(0, 3).map((value) => {
              const share = value / 255;
              return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const behind = (element) => {
            for (let at = element; at; at = at.parentElement) {
              const color = getComputedStyle(at).backgroundColor;
              const [, , , opacity = 1] = parts(color);
              if (opacity > 0) return color;
            }
            return "rgb(255, 255, 255)";
          };
          const wrong = [];
          let seen = 0;
          for (const element of document.querySelectorAll("body *")) {
            const text = [...element.childNodes].filter((node) => node.nodeType === 3)
              .map((node) => node.data.trim()).join("");
            if (!text || !element.checkVisibility() || element.matches("style, script, title"))
              continue;
            seen += 1;
            const style = getComputedStyle(element);
            const ink = light(element.closest("svg") ? style.fill : style.color);
            const paper = light(behind(element));
            const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            if (ratio < least) wrong.push(ratio.toFixed(2) + ": " + text.slice(0, 40));
          }
          if (seen < 20) wrong.push("only " + seen + " texts were looked at");
          return wrong;
        }""",
        least,
    )
    return found


def printed(page: Any) -> tuple[int, list[str]]:
    """Return how many A4 pages it prints on, and what runs off them."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4, "height": 1000})
    wrong = overflowing(page)
    pdf = page.pdf(format="A4", print_background=False)
    return len(re.findall(rb"/Type\s*/Page\b", pdf)), wrong


def looks_wrong(page: Any) -> list[str]:
    """Return what is wrong with an open page on a telephone, and in the dark, and printed."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    wrong = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        wrong += [f"{scheme}: {each}" for each in faint(page)]
    wrong += [f"desk: {each}" for each in overflowing(page)]
    page.set_viewport_size({"width": PHONE, "height": 844})
    wrong += [f"telephone: {each}" for each in overflowing(page)]
    pages, clipped = printed(page)
    wrong += [f"print: {each}" for each in clipped]
    wrong += [f"print in the dark: {each}" for each in faint(page)]
    if not 1 <= pages <= 12:
        wrong.append(f"print: {pages} pages")
    return wrong


def tabbed_to(page: Any, selector: str) -> bool:
    """Go on by the Tab key until what ``selector`` names has the focus; tell whether it came."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(what) => document.activeElement.matches(what)", selector):
            return True
    return False
