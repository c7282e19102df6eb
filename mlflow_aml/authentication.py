"""Login of this process in the form that azureml-core and azureml-mlflow both take.

Importing this module imports azureml-core: it is done where a workspace is opened, nowhere else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from azureml.core.authentication import Audience, TokenAuthentication

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

    from mlflow_aml.login import Login

# azureml-core 1.61 asks the network for a cloud's addresses when it is not told its name.
DEFAULT_CLOUD = "AzureCloud"


class LoginAuthentication(TokenAuthentication):  # type: ignore[misc]
    """Give azureml-core tokens by audience, and azureml-mlflow by scope.

    azureml-core 1.61's own class serves the first only, though `get_mlflow_tracking_uri` hands it
    to the second.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        cloud = os.environ.get("AZUREML_CURRENT_CLOUD") or DEFAULT_CLOUD
        super().__init__(self._token_for_resource, cloud)

    def get_token(self, *scopes: Any, **options: Any) -> AccessToken | str:
        """Return a token: its text for an `Audience`, an `AccessToken` for scopes."""
        if not scopes or isinstance(scopes[0], Audience):
            text: str = super().get_token(*scopes)
            return text
        return self._login.get_token(*scopes, **options)

    def _token_for_resource(self, resource: str) -> str:
        token: str = self._login.get_token(f"{resource}/.default").token
        return token
