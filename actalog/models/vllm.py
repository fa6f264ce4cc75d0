"""vLLM."""

from typing import ClassVar

from actalog.models.base import Model


class VLLM(Model):
    """A model that vLLM serves; `base_url` says where."""

    __slots__ = ()
    provider: ClassVar[str] = "vllm"
    default_id: ClassVar[str] = ""
