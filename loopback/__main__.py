"""Start a loopback workspace by hand: `python -m loopback`."""

from __future__ import annotations

import shlex
import signal
import sys
import time

from loopback import faults
from loopback.storage import StorageUnavailableError
from loopback.workspace import LoopbackWorkspace

_WHERE = {
    "tracking": faults.TRACKING,
    "upload": faults.BLOB_UPLOAD,
    "login": faults.LOGIN,
    "arm": faults.ARM,
}
_HELP = """\
Type here to make things go wrong, Ctrl-C to end:
  answer STATUS WHERE TIMES   answer the next TIMES requests to WHERE (tracking, upload, login, arm)
  lifetime SECONDS            of tokens issued from now on
  revoke | expire             refuse all tokens so far | refuse client secrets as expired
  die | clear                 cut all connections | all right again
"""


def main() -> int:
    """Start the workspace, print what to type in another terminal, and stay until Ctrl-C."""
    # Without a handler, SIGTERM would end this process and leave the servers to their guards.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with LoopbackWorkspace() as workspace:
            _tell(workspace)
            for line in sys.stdin:
                try:
                    _obey(workspace.faults, line.split())
                except (KeyError, ValueError):
                    sys.stdout.write(_HELP)
            while True:  # no terminal: nothing to read
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
        f"cp {config} config.json\n\n"
        f"The exports are also in {script}; HOME is private: Azure's clients keep caches there.\n"
        f"Tracking URI: {workspace.names.tracking_uri}\n"
        f"Computes: {', '.join(workspace.names.computes)}\n\n{_HELP}"
    )
    sys.stdout.flush()


def _obey(switches: faults.Faults, words: list[str]) -> None:
    match words:
        case ["answer", status, where, times]:
            switches.answer(int(status), _WHERE[where], times=int(times))
        case ["lifetime", seconds]:
            switches.token_lifetime = float(seconds)
        case ["revoke"]:
            switches.revoke_tokens()
        case ["expire"]:
            switches.refuse_secrets = True
        case ["die"]:
            switches.die()
        case ["clear"]:
            switches.clear()
        case _:
            raise ValueError(words)


if __name__ == "__main__":
    sys.exit(main())
