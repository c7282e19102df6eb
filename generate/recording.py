"""Record a real run in a terminal as the moving picture of the README.

    python -m generate.recording

It needs `npx` (Node.js), which fetches the program that draws the picture. Pauses are shortened,
and MLflow's own log lines are left out; nothing else is changed.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PICTURE = PROJECT / "docs" / "img" / "run.svg"
RENDERER = "svg-term-cli@2.1.1"
# What `mlflow run` needs of the project.
COPIED = ("MLproject", "conda.yaml", "data", "steps", "mlflow_aml")
COMMANDS = (
    "mlflow run . --env-manager local",
    "mlflow run . -e train -P max_depth=3 --env-manager local",
)
COLUMNS, ROWS = 100, 28
SECONDS_PER_KEY, LONGEST_PAUSE, LAST_PAUSE = 0.04, 1.2, 5.0
PROMPT = "\x1b[1;32m$\x1b[0m "


def main(arguments: list[str]) -> int:
    """Record the commands and draw the picture; with `play`, be what is recorded."""
    if arguments == ["play"]:
        play()
        return 0
    with tempfile.TemporaryDirectory(prefix="diabetes-") as created:
        folder = Path(created)
        for name in COPIED:
            source = PROJECT / name
            copy = shutil.copytree if source.is_dir() else shutil.copyfile
            copy(source, folder / name)
        cast = folder / "run.cast"
        cast.write_text(as_cast(record(folder)), encoding="utf-8")
        draw = ["npx", "--yes", RENDERER, "--in", str(cast), "--out", str(PICTURE), "--window"]
        subprocess.run([*draw, "--no-cursor"], check=True)
    return 0


def record(folder: Path) -> list[tuple[float, str]]:
    """Run the commands in a terminal of their own; return what appears, and when in seconds."""
    events: list[tuple[float, bytes]] = []

    def read(terminal: int) -> bytes:
        shown = os.read(terminal, 1 << 16)
        events.append((time.monotonic(), shown))
        return shown

    os.environ |= {"MLFLOW_LOGGING_LEVEL": "WARNING", "MLFLOW_DISABLE_TELEMETRY": "true"}
    os.environ["PYTHONPATH"] = str(PROJECT)
    sized = (
        f"stty cols {COLUMNS} rows {ROWS}; cd {folder}; exec {sys.executable} -m {__spec__.name}"
    )
    if os.waitstatus_to_exitcode(pty.spawn(["bash", "-c", f"{sized} play"], read)):
        raise RuntimeError("a command failed: see above")
    # The terminal carries the line ends, the drawing needs whole characters.
    return [(at, shown.decode(errors="replace")) for at, shown in events if shown]


def play() -> None:
    """Type the commands and run them, as a person would."""
    for command in COMMANDS:
        for shown in (PROMPT, *command, "\n"):
            sys.stdout.write(shown)
            sys.stdout.flush()
            time.sleep(SECONDS_PER_KEY)
        subprocess.run(command, shell=True, check=True)
    sys.stdout.write(PROMPT)


def as_cast(events: list[tuple[float, str]]) -> str:
    """Write events as an asciicast (version 2), no pause longer than LONGEST_PAUSE."""
    lines: list[object] = [{"version": 2, "width": COLUMNS, "height": ROWS}]
    before, clock = events[0][0], 0.0
    for at, shown in events:
        clock += min(at - before, LONGEST_PAUSE)
        lines.append([round(clock, 3), "o", shown])
        before = at
    lines.append([round(clock + LAST_PAUSE, 3), "o", " "])
    return "".join(json.dumps(line) + "\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
