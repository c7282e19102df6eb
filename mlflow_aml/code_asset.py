"""The project's files as a code asset: reused if the workspace has their hash, else uploaded."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlflow_aml.console import say, warn
from mlflow_aml.errors import FAILURE, AzureMLError
from mlflow_aml.key_detector import keys_in_files
from mlflow_aml.mask import masked
from mlflow_aml.project_files import MEGABYTE, ProjectFiles
from mlflow_aml.resource_manager import ResourceManager
from mlflow_aml.stray_files import stray_files

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.storage.blob import ContainerClient

# Azure's name for the hash scheme that `content_hash` implements.
HASH_VERSION = "202208"
UPLOADS_AT_ONCE = 8
WARNINGS_SHOWN = 10


def content_hash(files: ProjectFiles) -> str:
    """Hash names, sizes and contents as Azure's clients and service do.

    azure-ai-ml, `_utils/_asset_utils.py:_get_file_list_content_hash`: the number of files, then
    `#name#size` of each, sorted by lower-case name, then all contents in the same order.
    """
    names = sorted(files.names, key=lambda name: str(name).lower())
    result = hashlib.sha256(str(len(names)).encode())
    for name in names:
        result.update(f"#{name}#{len(files.read(name))}".encode())
    for name in names:
        result.update(files.read(name))
    return result.hexdigest()


def code_id(azure: ResourceManager, files: ProjectFiles) -> str:
    """Return the id of the code asset with these files; uploads them unless Azure has them."""
    digest = content_hash(files)
    # Any name will do: Azure looks for the hash among all code of the workspace.
    name = str(uuid.uuid4())
    known = azure.find(f"/codes/{name}/versions", hash=digest, hashVersion=HASH_VERSION)
    for asset in (known or {}).get("value", []):
        say(f"code: already in the workspace ({len(files.names)} files)")
        return str(asset["id"])
    _say_what(files)
    place = azure.post(
        f"/codes/{name}/versions/1/startPendingUpload",
        {"pendingUploadType": "TemporaryBlobReference"},
    )["blobReferenceForConsumption"]
    _upload(place["credential"]["sasUri"], name, files)
    asset = azure.put(
        f"/codes/{name}/versions/1",
        {
            "properties": {
                "codeUri": f"{place['blobUri'].rstrip('/')}/{name}",
                "isAnonymous": True,
                "properties": {"hash_sha256": digest, "hash_version": HASH_VERSION},
            }
        },
    )
    return str(asset["id"])


def _say_what(files: ProjectFiles) -> None:
    if files.left_out:
        say(f"not uploaded: {_some(files.left_out)}")
    found = list(keys_in_files(files))
    for name, line, kind in found[:WARNINGS_SHOWN]:
        warn(
            f"{name}, line {line} looks like a secret ({kind}) and is uploaded; Ctrl-C, and name "
            "the file in .amlignore, if it is one"
        )
    if len(found) > WARNINGS_SHOWN:
        warn(f"{len(found) - WARNINGS_SHOWN} more lines look like secrets")
    stray = stray_files(files)
    if stray:
        sizes = [f"{name} ({files.sizes[name] / MEGABYTE:,.1f} MB)" for name in stray]
        warn(
            f"uploaded too, though no code of the project: {_some(sizes)}; name in .amlignore what "
            "the job does not need"
        )
    if files.linked:
        warn(
            f"{_some(files.linked)} also has a name outside the project (a hard link) and is "
            "uploaded; Ctrl-C, and name the file in .amlignore, if it is a secret"
        )
    say(f"to upload: {len(files.names)} files, {files.size / MEGABYTE:,.1f} MB")


def _some(names: Sequence[str]) -> str:
    more = len(names) - WARNINGS_SHOWN
    return ", ".join(names[:WARNINGS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _upload(container: str, folder: str, files: ProjectFiles) -> None:
    from azure.core.exceptions import AzureError
    from azure.storage.blob import ContainerClient, ExponentialRetry

    # By default, the library waits 15 s before its first retry.
    retry = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=6)
    try:
        with (
            ContainerClient.from_container_url(container, retry_policy=retry) as client,
            ThreadPoolExecutor(UPLOADS_AT_ONCE) as threads,
        ):
            for _ in threads.map(partial(_put, client, folder, files), files.names):
                pass
    except AzureError as error:
        raise AzureMLError(
            f"could not upload the project to the workspace's storage ({_said(error)}); check the "
            "network and HTTPS_PROXY, or that the storage lets this machine in, and try again",
            exit_code=FAILURE,
        ) from None


def _said(error: AzureError) -> str:
    """Return the storage's code and sentence; of other errors the text holds a signed address."""
    code = getattr(error, "error_code", None)
    if code is None:
        return type(error).__name__
    # The library's own codes are members of an enumeration.
    code = getattr(code, "value", code)
    sentence = masked(str(error.message)).partition("\n")[0]
    return f"{code}: {sentence.removeprefix(f'({code}) ')}"


def _put(client: ContainerClient, folder: str, files: ProjectFiles, name: PurePosixPath) -> None:
    from azure.core.exceptions import ResourceExistsError

    # Only this upload writes here: an existing blob is from a request whose answer was lost.
    with suppress(ResourceExistsError):
        client.upload_blob(f"{folder}/{name}", files.read(name), overwrite=False)
