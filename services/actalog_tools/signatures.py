"""A signature as a pydantic model: what a model of a provider may send, and nothing else."""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic.fields import FieldInfo

from actalog_tools.fingerprints import innermost

SPECIAL = frozenset({"idempotency_key", "fencing_token", "session_state", "run_context"})


class BadFunction(TypeError):
    """The callable cannot be described; the message names it and its parameter."""


class Signature(NamedTuple):
    """`model` has a field for each parameter in `names`; `always` must be given even when the
    caller left them out; `special` are what the platform gives."""

    model: type[BaseModel]
    names: Mapping[str, str]  # field -> parameter
    always: frozenset[str]
    special: frozenset[str]


def read(function: Callable[..., Any], told: Mapping[str, str], *, name: str) -> Signature:
    """The signature of a callable; `told` describes its parameters.

    Raises:
        BadFunction: see there.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise BadFunction(f"{name} has no signature that can be read: {error}") from error
    extra, fields, names = "forbid", dict[str, Any](), dict[str, str]()
    always: set[str] = set()
    special: set[str] = set()
    for at, one in enumerate(one for one in parameters if one.name not in _bound(function)):
        match one.kind:
            case inspect.Parameter.VAR_KEYWORD:
                extra = "allow"
                continue
            case inspect.Parameter.VAR_POSITIONAL | inspect.Parameter.POSITIONAL_ONLY:
                star = "*" * (one.kind is inspect.Parameter.VAR_POSITIONAL)
                raise BadFunction(
                    f"{name}: parameter {star}{one.name} cannot be given by name, as models do"
                )
            case _:
                pass
        if one.name in SPECIAL:
            special.add(one.name)
            continue
        # Fields have names of their own: a parameter may be called `schema` or `_x`.
        field = f"p{at}"
        names[field] = one.name
        fields[field], needed = _field(function, one, told.get(one.name), name)
        if needed:
            always.add(field)
    model = create_model(
        "Arguments",
        __config__=ConfigDict(extra=extra, coerce_numbers_to_str=True, validate_by_name=False),  # type: ignore[typeddict-item]
        **fields,
    )  # fmt: skip
    return Signature(model, names, frozenset(always), frozenset(special))


def _bound(function: object) -> frozenset[str]:
    """Keywords that a partial gives already."""
    if not isinstance(function, functools.partial):
        return frozenset()
    return frozenset(function.keywords)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def _field(
    function: object, one: inspect.Parameter, told: str | None, name: str
) -> tuple[tuple[Any, Any], bool]:
    """(annotation, default) as create_model wants them, and whether it is always given."""
    if one.annotation is inspect.Parameter.empty:
        raise BadFunction(
            f"{name}: parameter {one.name!r} has no annotation; write its type, e.g."
            f" `{one.name}: str`"
        )
    annotation = _resolved(function, one, name)
    default: Any = one.default
    admits_none = default is inspect.Parameter.empty and _admits_none(annotation)
    if default is inspect.Parameter.empty:
        default = None if admits_none else ...
    _check(annotation, one.name, name)
    described = any(
        isinstance(part, FieldInfo) and part.description
        for part in (
            *(get_args(annotation) if get_origin(annotation) is Annotated else ()),
            default,
        )
    )
    about: dict[str, Any] = {} if described or not told else {"description": told}
    if isinstance(default, FieldInfo):
        annotation, default = _spelled(annotation, default)
    return (Annotated[annotation, Field(alias=one.name, **about)], default), (
        admits_none or isinstance(one.default, FieldInfo)
    )


def _spelled(annotation: Any, field: FieldInfo) -> tuple[Any, Any]:
    """`x: int = Field(3, ge=1)` as `x: Annotated[int, Field(ge=1)] = 3`."""
    default: Any = ... if field.is_required() else field.get_default(call_default_factory=True)
    parts = [*field.metadata]
    if field.description:
        parts.append(Field(description=field.description))
    for part in parts:
        annotation = Annotated[annotation, part]
    return annotation, default


def _resolved(function: object, one: inspect.Parameter, name: str) -> Any:
    """The annotation, also where it is written as text."""
    code = innermost(function)
    holder = types.SimpleNamespace(__annotations__={one.name: one.annotation})
    closure: dict[str, Any] = {}
    if inspect.isfunction(code):
        closure = dict(inspect.getclosurevars(code).nonlocals)
    try:
        hints = typing.get_type_hints(
            holder, getattr(code, "__globals__", {}), closure, include_extras=True
        )
    except Exception as error:
        raise BadFunction(
            f"{name}: the annotation of parameter {one.name!r} cannot be resolved ({error});"
            " define what it names at the top of a module"
        ) from error
    return hints[one.name]


def _admits_none(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _admits_none(get_args(annotation)[0])
    return annotation is None or type(None) in get_args(annotation)


def _check(annotation: Any, parameter: str, name: str) -> None:
    """A type that has no JSON form is told with its parameter, not by pydantic's stack."""
    try:
        TypeAdapter(annotation).json_schema()
    except Exception as error:
        said = str(error).splitlines()[0]
        raise BadFunction(
            f"{name}: parameter {parameter!r} has a type that no JSON can be read as ({said})"
        ) from error
