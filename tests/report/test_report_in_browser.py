"""The report as a real browser shows it, in both themes, wide and narrow."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from steps.model.evaluation import Evaluation, Trained
from steps.model.gate import Decision
from steps.report import train_report as report
from tests.report.test_report import origin_of

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DARK = "--blink-settings=preferredColorScheme=0"
# No page of a report is shorter, so that the lowest pixels are still of the page.
HEIGHT = 2600

pytestmark = pytest.mark.slow


def browser_path() -> str | None:
    """Find a Chromium on the PATH."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="module")
def browser() -> str:
    found = browser_path()
    if found is None and os.environ.get("REQUIRE_CHROMIUM") == "1":
        pytest.fail("REQUIRE_CHROMIUM is set, but there is no Chromium on the PATH")
    if found is None:
        pytest.skip("no Chromium on the PATH")
    return found


@pytest.fixture(scope="module")
def page(
    evaluation: Evaluation, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "report"
    report.write(folder, evaluation, Decision(), origin_of(trained))
    return folder / report.NAME


@pytest.mark.parametrize("width", [500, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_report_is_drawn_in_the_theme_of_the_reader(
    browser: str, page: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    picture = tmp_path / "shot.png"
    command = [browser, *FLAGS, *([DARK] if dark else []), f"--user-data-dir={tmp_path / 'home'}"]
    command += [f"--window-size={width},{HEIGHT}", f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    pixels = matplotlib.image.imread(picture)[:, :, :3]
    assert pixels.shape[:2] == (HEIGHT, width)
    light = pixels.mean(axis=2)
    margin = np.median(light)
    assert margin < 0.2 if dark else margin > 0.9
    # Text and figures are there, in colour, down to the end of the shot.
    for part in np.array_split(light, 4):
        assert np.abs(part - margin).max() > 0.5
    saturation = pixels.max(axis=2) - pixels.min(axis=2)
    assert (saturation > 0.3).mean() > 0.001
