"""The data of a job: copy its inputs to its folder, and its outputs from there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loopback.names import Names
from loopback.resources import DATASTORES, DEFAULT_DATASTORE, Resources

_DATASTORE = re.compile(r"azureml://(?:.*/)?datastores/(?P<store>[^/]+)/paths/(?P<path>.*)$")


class Mounts:
    """Copy what the service would mount."""

    def __init__(self, names: Names, resources: Resources) -> None:
        self.names = names
        self.resources = resources
        self.published: dict[str, bytes] = {}
        """What is at addresses outside Azure."""

    async def mount(self, properties: dict[str, Any], job: str, folder: Path) -> dict[str, str]:
        """Copy the inputs in; return the text of each input and output in the command."""
        texts = {}
        for name, item in (properties.get("inputs") or {}).items():
            if item.get("jobInputType") == "literal":
                texts[f"inputs.{name}"] = str(item["value"])
            else:
                texts[f"inputs.{name}"] = str(await self._bring(item["uri"], folder / "in" / name))
        for name, _, path in self._outputs(properties, job, folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            if properties["outputs"][name].get("jobOutputType") != "uri_file":
                path.mkdir(exist_ok=True)
            texts[f"outputs.{name}"] = str(path)
        return texts

    async def keep_outputs(self, properties: dict[str, Any], job: str, folder: Path) -> None:
        """Copy out what the command has written to its outputs."""
        for _, (container, prefix), path in self._outputs(properties, job, folder):
            files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
            for file in files:
                below = "" if file == path else f"/{file.relative_to(path).as_posix()}"
                storage, session = self.resources.storage, self.resources.session
                await storage.put(session, f"{prefix}{below}", file.read_bytes(), container)

    async def _bring(self, uri: str, folder: Path) -> Path:
        if uri in self.published:
            folder.mkdir(parents=True)
            target = folder / uri.rpartition("/")[2]
            target.write_bytes(self.published[uri])
            return target
        container, prefix = self.locate(uri)
        storage, session = self.resources.storage, self.resources.session
        names = await storage.list(session, prefix, container)
        folder.mkdir(parents=True)
        if prefix in names:
            target = folder / prefix.rpartition("/")[2]
            target.write_bytes(await storage.get(session, prefix, container))
            return target
        below = [name for name in names if name.startswith(f"{prefix.rstrip('/')}/")]
        if not below:
            raise FileNotFoundError(f"there is nothing at {uri}")
        for name in below:
            target = folder / name.removeprefix(f"{prefix.rstrip('/')}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(await storage.get(session, name, container))
        return folder

    def locate(self, uri: str) -> tuple[str, str]:
        """Return the container and the path of an address in a datastore, or of a data asset."""
        if key := self.resources.find("data", uri):
            uri = self.resources.data[key]["dataUri"]
        found = _DATASTORE.match(uri)
        if found is None or found["store"] not in DATASTORES:
            raise FileNotFoundError(f"the workspace knows no data {uri}")
        return DATASTORES[found["store"]], found["path"]

    def _outputs(
        self, properties: dict[str, Any], job: str, folder: Path
    ) -> Iterator[tuple[str, tuple[str, str], Path]]:
        for name, item in (properties.get("outputs") or {}).items():
            default = f"azureml://datastores/{DEFAULT_DATASTORE}/paths/azureml/{job}/{name}"
            container, prefix = self.locate(item.get("uri") or default)
            prefix = prefix.rstrip("/")
            yield name, (container, prefix), folder / "out" / name / prefix.rpartition("/")[2]
