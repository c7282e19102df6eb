"""A real mlflow server: `python mlflow_server.py PORT BACKEND_STORE_URI ARTIFACT_ROOT`.

`mlflow server` serves the same application from a second process, and both import mlflow: that
takes twice the start-up time and memory.
"""

from __future__ import annotations

import os
import sys

import uvicorn
from mlflow.environment_variables import _MLFLOW_SGI_NAME
from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR
from mlflow.server.handlers import initialize_backend_stores


def main(port: str, backend_store_uri: str, artifact_root: str) -> None:
    os.environ[BACKEND_STORE_URI_ENV_VAR] = backend_store_uri
    os.environ[ARTIFACT_ROOT_ENV_VAR] = artifact_root
    os.environ[_MLFLOW_SGI_NAME.name] = "uvicorn"
    initialize_backend_stores(backend_store_uri, None, artifact_root)
    uvicorn.run(
        "mlflow.server.fastapi_app:app", host="127.0.0.1", port=int(port), log_level="warning"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
