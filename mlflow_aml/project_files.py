"""Which files of a project are uploaded to Azure ML: no secrets, no local state."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pathspec import PathSpec

from mlflow_aml.errors import AzureMLError

MEGABYTE = 1_000_000
LIMIT_BYTES = 100 * MEGABYTE
# As Azure's own clients do: the second file counts only where the first is missing.
IGNORE_FILES = (".amlignore", ".gitignore")
# Never uploaded, whatever an ignore file says, in upper or lower case; the user is told.
SECRETS = (
    "config.json",
    "config.json.*",
    ".azureml/",
    "aml_config/",
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.pem",
    "*.pfx",
    "*.p12",
    "*.ppk",
    "*.key",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.keytab",
    ".ssh/",
    ".gnupg/",
    ".aws/",
    ".azure/",
    ".kube/",
    "kubeconfig",
    "*.kubeconfig",
    ".docker/",
    "**/.config/gcloud/",
    "**/.config/gh/",
    "**/.config/rclone/",
    "**/.config/hub",
    "rclone.conf",
    ".netrc",
    "_netrc",
    ".git-credentials",
    ".pypirc",
    ".npmrc",
    ".databrickscfg",
    ".boto",
    ".s3cfg",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".vault-token",
    ".kaggle/",
    "kaggle.json",
    ".huggingface/",
    ".terraform/",
    "*.tfstate",
    "*.tfstate.*",
    "*.tfvars",
    "*.tfvars.json",
    "secrets.toml",
    "secrets.yaml",
    "secrets.yml",
    "secrets.json",
    "credentials.json",
    "client_secret*.json",
    "application_default_credentials.json",
    "service_account*.json",
    "service-account*.json",
)
# Never uploaded either, but silently: local runs, rows of tables, environments, caches.
STATE = (
    "mlruns/",
    "mlartifacts/",
    "*.db",
    "*.db-*",
    "*.sqlite",
    "*.sqlite-*",
    "*.sqlite3",
    "*.sqlite3-*",
    "*.rejected.csv",
    "*.part",
    ".git",
    ".hg",
    ".svn",
    ".venv/",
    "venv/",
    "node_modules/",
    "__pycache__/",
    ".*_cache/",
    ".ipynb_checkpoints/",
    "*.egg-info/",
)


@dataclass(frozen=True)
class ProjectFiles:
    """The files to upload, relative to the project, with their sizes in bytes.

    `added` holds files that the job adds to the project's own. `left_out` names files that may be
    secrets or link out of the project, `linked` those that have another name outside of it.
    """

    project: Path
    sizes: Mapping[PurePosixPath, int]
    left_out: Sequence[str] = ()
    linked: Sequence[str] = ()
    added: Mapping[PurePosixPath, bytes] = field(default_factory=dict)

    @property
    def names(self) -> list[PurePosixPath]:
        """Names of all files, those that are added too."""
        return [*self.sizes, *self.added]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values()) + sum(map(len, self.added.values()))

    def read(self, name: PurePosixPath) -> bytes:
        """Return the content of a file."""
        return self.added[name] if name in self.added else (self.project / name).read_bytes()

    def __contains__(self, path: Path) -> bool:
        """Return whether an absolute, resolved path is uploaded: a file, or a folder of files."""
        if not path.is_relative_to(self.project):
            return False
        name = PurePosixPath(path.relative_to(self.project).as_posix())
        return any(name == file or name in file.parents for file in self.sizes)


@dataclass
class _Walk:
    """One pass over a project; it remembers the files left out, to find hard links to them."""

    project: Path
    ignored: PathSpec
    secret: PathSpec
    state: PathSpec
    left_out: list[str] = field(default_factory=list)
    inodes: set[tuple[int, int]] = field(default_factory=set)
    """Of the files that are left out: a hard link to one of them is left out too."""

    def files(self) -> Iterator[PurePosixPath]:
        """Yield the files that no rule leaves out by their name or their link's target."""
        for folder, folders, files in os.walk(self.project):
            here = PurePosixPath(Path(folder).relative_to(self.project).as_posix())
            folders[:] = sorted(name for name in folders if self._enters(here / name))
            for name in sorted(files):
                if self._takes(here / name):
                    yield here / name

    def _enters(self, folder: PurePosixPath) -> bool:
        name = f"{folder}/".lower()
        if self.secret.match_file(name):
            self.left_out.append(f"{folder}/")
            self._remember(*(path for path in (self.project / folder).rglob("*")))
            return False
        return not (self.state.match_file(name) or self.ignored.match_file(f"{folder}/"))

    def _takes(self, file: PurePosixPath) -> bool:
        path = self.project / file
        target = path.resolve()
        if not target.is_file():
            return False
        if self.ignored.match_file(str(file)):
            self._remember(path)
            return False
        if not target.is_relative_to(self.project):
            # It may lead to data or secrets that must not leave this machine.
            self.left_out.append(f"{file} (a link out of the project)")
            return False
        names = [str(file).lower(), target.relative_to(self.project).as_posix().lower()]
        if any(self.secret.match_file(name) for name in names):
            self.left_out.append(str(file))
            self._remember(path)
            return False
        if any(self.state.match_file(name) for name in names):
            self._remember(path)
            return False
        return not self.ignored.match_file(names[1])

    def _remember(self, *paths: Path) -> None:
        for path in paths:
            if path.is_file() and path.stat().st_nlink > 1:
                self.inodes.add(_inode(path.stat()))


def list_files(project: Path) -> ProjectFiles:
    """List what would be uploaded of a project folder."""
    project = project.resolve()
    walk = _Walk(
        project,
        PathSpec.from_lines("gitwildmatch", _ignore_lines(project)),
        PathSpec.from_lines("gitwildmatch", SECRETS),
        PathSpec.from_lines("gitwildmatch", STATE),
    )
    sizes, linked = {}, {}
    for name in list(walk.files()):
        status = (project / name).stat()
        if _inode(status) in walk.inodes:
            walk.left_out.append(f"{name} (a link to a file that is left out)")
            continue
        sizes[name] = status.st_size
        if status.st_nlink > 1:
            linked[name] = status
    if linked:
        at_home = _secrets_at_home(walk.secret)
        for name in [name for name, status in linked.items() if _inode(status) in at_home]:
            walk.left_out.append(f"{name} (a link to {at_home[_inode(linked.pop(name))]})")
            del sizes[name]
    inside = Counter(_inode(status) for status in linked.values())
    elsewhere = [str(name) for name, each in linked.items() if each.st_nlink > inside[_inode(each)]]
    return ProjectFiles(project, sizes, walk.left_out, elsewhere)


def _secrets_at_home(secret: PathSpec) -> dict[tuple[int, int], Path]:
    """Find the files in the user's home that would be left out: hard links may lead to them."""
    found: dict[tuple[int, int], Path] = {}
    # What may not be looked at cannot be linked to either.
    with suppress(OSError, RuntimeError):
        home = Path.home()
        for top in (*home.iterdir(), *(home / ".config").glob("*")):
            name = top.relative_to(home).as_posix()
            if secret.match_file(f"{name}/" if top.is_dir() else name):
                inside = top.rglob("*") if top.is_dir() else [top]
                found |= {_inode(path.stat()): path for path in inside if path.is_file()}
    return found


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _ignore_lines(project: Path) -> Sequence[str]:
    for name in IGNORE_FILES:
        path = project / name
        if path.is_file():
            return path.read_text(encoding="utf-8").splitlines()
    return ()


def check_size(files: ProjectFiles, limit: int = LIMIT_BYTES) -> None:
    """Stop an upload that is too large, and say which folders weigh most."""
    if files.size <= limit:
        return
    weights: Counter[str] = Counter()
    for name, size in files.sizes.items():
        weights[f"{name.parts[0]}/" if len(name.parts) > 1 else name.parts[0]] += size
    heaviest = ", ".join(
        f"{name} {size / MEGABYTE:,.1f} MB" for name, size in weights.most_common(3)
    )
    raise AzureMLError(
        f"the project has {files.size / MEGABYTE:,.1f} MB to upload, expected at most "
        f"{limit / MEGABYTE:,.0f} MB; most of it: {heaviest}; name in {IGNORE_FILES[0]} what the "
        "job does not need"
    )
