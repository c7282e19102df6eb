"""No secret reaches a job: whoever sees a job in its workspace can read its texts."""

from __future__ import annotations

import re

from mlflow_aml.console import warn
from mlflow_aml.errors import AzureMLError
from mlflow_aml.key_detector import holds_key, is_placeholder
from mlflow_aml.mask import holds_login, masked, query_names

# What names of queries call a secret, as whole words: `X-Amz-Signature`, `api_key`, but no keyword.
_IN_QUERY = re.compile(
    r"(?<![a-z])(?:sig|signature|token|secret|password|passwd|pwd|key|credentials?|code"
    r"|(?:api|access|account|auth|shared|subscription)[_-]?(?:key|token))(?![a-z])",
    re.IGNORECASE,
)
# As names of parameters and variables; `key` alone is a column as often as not.
_NAME = re.compile(
    r"(?:^|.*[_-])(?:passw(?:or)?d|pwd|passphrase|secret|(?:(?:access|api|auth)[_-]?)?token"
    r"|credentials?|(?:account|access|api|private|secret|storage|subscription)[_-]?key)",
    re.IGNORECASE,
)
_NO_SECRETS = ("", "none", "auto", "latest", "true", "false")


def check_no_secret(what: str, name: str, text: str) -> None:
    """Raise an AzureMLError if the text of a parameter or variable for a job holds a secret.

    Warn if only its name says so. `what` is what the message calls it.
    """
    if holds_login(text) or any(map(_IN_QUERY.search, query_names(text))):
        raise AzureMLError(
            f"{what}: expected an address without a login or signature, since all who can see the "
            f"job can read it, found '{masked(text)}'; register the place as a datastore, which "
            "keeps the login, and give azureml://datastores/<store>/paths/<path>"
        )
    if holds_key(text):
        raise AzureMLError(
            f"{what}: expected no password or key, since all who can see the job can read it, "
            "found one; keep it in the workspace's key vault, and let the job ask for it there"
        )
    if _NAME.fullmatch(name) and _may_be_one(text):
        warn(
            f"{what}: all who can see the job can read its text; if it is a secret, Ctrl-C, keep "
            "it in the workspace's key vault, and let the job ask for it there"
        )


def _may_be_one(text: str) -> bool:
    """Tell whether a text may be a secret: no number, no yes or no, no word for one."""
    is_number = text.replace(".", "", 1).isdigit() and len(text) < 6
    return not (is_number or is_placeholder(text) or text.lower() in _NO_SECRETS)
