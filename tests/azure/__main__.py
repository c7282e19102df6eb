"""Start a loopback workspace by hand: `python -m tests.azure`."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from pathlib import Path

from tests.azure.loopback import LoopbackWorkspace
from tests.azure.storage import StorageUnavailableError


def main() -> int:
    """Start the workspace, print what to type in another terminal, and stay until Ctrl-C."""
    # Without a handler SIGTERM would end this process and leave the servers to their guards.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with LoopbackWorkspace() as workspace:
            _tell(workspace)
            while True:
                time.sleep(3600)
    except StorageUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return 0


def _tell(workspace: LoopbackWorkspace) -> None:
    home = workspace.folder / "home"
    home.mkdir()
    config = workspace.write_config(workspace.folder)
    variables = {**workspace.variables(), "HOME": str(home)}
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in variables.items())
    script = workspace.folder / "env.sh"
    script.write_text(exports)
    sys.stdout.write(
        "A loopback Azure ML workspace is up. In another terminal, in the project folder:\n\n"
        f"{exports}"
        f"cp {config} {Path('config.json')}\n\n"
        f"(or: source {script}; HOME is a private one because azureml-core keeps caches there)\n"
        f"The tracking URI is {workspace.names.tracking_uri}\n"
        f"Computes: {', '.join(workspace.names.computes)}. Ctrl-C ends it all.\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
