"""The README's pictures: train on a real server, and photograph MLflow's pages and the report.

    python -m tests.screenshots          # writes docs/img/*.png; needs Chromium

Chromium is spoken to by its DevTools protocol, through aiohttp: a page of MLflow is not drawn
when it is loaded, so a picture waits for what it is to show.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from mlflow.tracking import MlflowClient
from PIL import Image

from tests.report.test_report_in_browser import FLAGS, browser_path
from tests.server import mlflow_server

PROJECT = Path(__file__).resolve().parents[1]
PICTURES = PROJECT / "docs" / "img"
EXPERIMENT = "diabetes"
COMMANDS = (
    ("main",),
    ("train", "--max_depth=3"),
    ("train", "--estimator=extra_trees"),
    ("train", "--estimator=linear", "--metric=f1"),
    ("compare", "--runs=latest:4"),
)
SECONDS_TO_DRAW = 30.0
# Colours of a picture: enough for a page, and a fifth of the file.
COLOURS = 128
MOST_BYTES = 150_000
# The plus signs in front of runs that have child runs (mlflow 3.15).
EXPAND = '[data-component-id*="runnamecellrenderer"]'


@dataclass
class Page:
    """One tab of a browser."""

    socket: aiohttp.ClientWebSocketResponse
    number: int = field(default=0)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser, and wait for the answer."""
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": params})
        while True:
            answer = await self.socket.receive_json()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    async def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    async def wait_for(self, text: str) -> None:
        """Wait until the page shows a text."""
        for _ in range(int(SECONDS_TO_DRAW / 0.2)):
            if await self.run(f"document.body?.innerText.includes({json.dumps(text)})"):
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"the page did not show {text!r}")

    async def click(self, selector: str) -> None:
        """Click on the last element that a CSS selector finds, if there is one."""
        await self.run(f"[...document.querySelectorAll({json.dumps(selector)})].at(-1)?.click()")
        await asyncio.sleep(1)

    async def type_into(self, selector: str, text: str) -> None:
        """Type into the element that a CSS selector finds."""
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.call("Input.insertText", text=text)
        await asyncio.sleep(2)

    async def open(self, address: str, size: tuple[int, int], text: str) -> None:
        """Load a page in a window of a size, and wait until it shows a text."""
        width, height = size
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        # From one place within MLflow's pages to another nothing would be loaded.
        await self.call("Page.navigate", url="about:blank")
        await self.call("Page.navigate", url=address)
        await self.wait_for(text)
        await asyncio.sleep(2)

    async def save(self, name: str, box: tuple[int, int, int, int] | None = None) -> None:
        """Write what the window shows, or a part of it, to docs/img."""
        shot = await self.call("Page.captureScreenshot", format="png")
        with Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as picture:
            small = picture.convert("RGB").crop(box or (0, 0, *picture.size)).quantize(COLOURS)
        target = PICTURES / f"{name}.png"
        small.save(target, optimize=True)
        assert target.stat().st_size < MOST_BYTES, f"{target} is too large"


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Page]:
    """Start Chromium with a profile of its own, and open a tab."""
    process = subprocess.Popen(
        [
            browser_path() or "chromium",
            *FLAGS,
            f"--user-data-dir={folder}",
            "--remote-debugging-port=0",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file = folder / "DevToolsActivePort"
        while not port_file.exists():
            await asyncio.sleep(0.1)
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.put(f"http://127.0.0.1:{port}/json/new") as answer:
                address = (await answer.json())["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.terminate()
        process.wait()


def train(server: str, folder: Path) -> None:
    """Make the runs to show, as one would at first."""
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": server,
        "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
        "PYTHONPATH": str(PROJECT),
    }
    (folder / "data").symlink_to(PROJECT / "data")
    for step, *parameters in COMMANDS:
        command = [sys.executable, "-m", f"steps.{step}", *parameters]
        subprocess.run(command, check=True, cwd=folder, env=environment)


async def photograph(server: str, folder: Path) -> None:
    """Take all pictures."""
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    trained = [run for run in runs if run.data.tags.get("step") == "train"]
    compared = next(run for run in runs if run.data.tags.get("step") == "compare")
    pages = f"{server}/#/experiments/{experiment.experiment_id}/runs"
    model = "workflowType=machine_learning"
    async with browser(folder / "browser") as page:
        charts = f"{pages}?compareRunsMode=CHART&{model}"
        await page.open(charts, (1500, 760), "Model metrics")
        await page.click('[aria-label="Close"]')
        await page.type_into('[placeholder="Search metric charts"]', "test_")
        await page.save("mlflow-charts")
        await page.open(f"{pages}?{model}", (1500, 760), "matching runs")
        # Open main, and then the train run in it.
        for _ in range(2):
            await page.click(EXPAND)
        await page.save("mlflow-runs")
        await page.open(f"{pages}/{trained[1].info.run_id}?{model}", (1100, 1180), "Description")
        await page.save("mlflow-run")
        chosen = json.dumps([run.info.run_id for run in trained], separators=(",", ":"))
        among = json.dumps([experiment.experiment_id])
        address = f"{server}/#/compare-runs?runs={chosen}&experiments={among}&{model}"
        await page.open(address, (1500, 1200), "Parallel Coordinates Plot")
        await page.save("mlflow-compare")
        for theme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": theme}
            await page.call("Emulation.setEmulatedMedia", features=[feature])
            ending = "" if theme == "light" else "-dark"
            report = client.download_artifacts(trained[0].info.run_id, "report.html", str(folder))
            await page.open(Path(report).as_uri(), (1060, 1415), "ROC curve")
            await page.save(f"report{ending}")
        await page.call("Emulation.setEmulatedMedia", features=[])
        comparison = client.download_artifacts(compared.info.run_id, "comparison.html", str(folder))
        await page.open(Path(comparison).as_uri(), (1400, 1100), "Comparison")
        await page.save("comparison")


def main() -> None:
    """Train and photograph in a new folder."""
    with tempfile.TemporaryDirectory() as created, mlflow_server(Path(created) / "s") as server:
        folder = Path(created)
        train(server, folder)
        asyncio.run(photograph(server, folder))


if __name__ == "__main__":
    main()
