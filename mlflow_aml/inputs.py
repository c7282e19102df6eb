"""Where a job's data come from: the submission writes it into a variable, and the job reads it.

The service mounts the data, so a job's command sees paths only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

VARIABLE = "MLFLOW_AML_INPUTS"
_ASSET = re.compile(r"/data/(?P<name>[^/]+)/versions/(?P<version>[^/]+)$")


def as_variable(addresses: Mapping[str, str]) -> str:
    """Write the addresses of inputs, by parameter, as the text of the variable."""
    return json.dumps(addresses)


def address_of_input(parameter: str, environ: Mapping[str, str]) -> str | None:
    """Return the address of a job's input, or None if it is none; an asset as `azureml:name:1`."""
    address = json.loads(environ.get(VARIABLE, "{}")).get(parameter)
    if address is None:
        return None
    asset = _ASSET.search(address)
    return f"azureml:{asset['name']}:{asset['version']}" if asset else str(address)
