"""Values: classes of data that nobody changes once they are made."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """`dataclass(frozen=True, slots=True)`, whose promise the type checker keeps: a class that
    keeps it itself takes four times as long to make one, and a run makes some fifty."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
