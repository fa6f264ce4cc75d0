"""Azure OpenAI."""

from typing import ClassVar

from actalog.models.base import Model


class AzureOpenAI(Model):
    """A deployment on Azure; `base_url` is its endpoint."""

    __slots__ = ()
    provider: ClassVar[str] = "azure"
    default_id: ClassVar[str] = ""
