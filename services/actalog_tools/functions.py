"""Callables as models of a provider see them: a schema, and arguments that are validated first."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from actalog_tools import docstrings, signatures
from actalog_tools.fingerprints import fingerprint, innermost
from actalog_tools.signatures import BadFunction, Signature

__all__ = ["ArgumentsRefused", "BadFunction", "FunctionSpec", "bind", "describe"]

MOST_SAID = 2_000  # code points of an error's text: a model needs the fault, not all its input
MOST_INPUT = 80
STRUCTURED = frozenset({"list_type", "dict_type", "model_type", "tuple_type", "set_type",
                        "model_attributes_type", "dataclass_type"})  # fmt: skip


class ArgumentsRefused(Exception):
    """The arguments do not fit; the message tells the model what to send instead."""


@dataclass(frozen=True)
class FunctionSpec:
    """A callable as it is offered. `parameters` is JSON Schema, as text."""

    name: str
    description: str
    parameters: str
    fingerprint: str
    signature: Signature = field(repr=False)

    @property
    def special(self) -> frozenset[str]:
        """What the platform gives it by name, of `signatures.SPECIAL`."""
        return self.signature.special

    @property
    def wants_key(self) -> bool:
        return "idempotency_key" in self.special


class _Schema(GenerateJsonSchema):
    """A default that has no JSON form is left out without a word; the function still has it."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None: ...


def describe(function: Callable[..., Any]) -> FunctionSpec:
    """Read a callable's name, docstring and signature.

    Raises:
        BadFunction: a parameter has no annotation, or one that JSON cannot be read as, or cannot
            be given by name; the message names it.
    """
    code = innermost(function)
    name: str = getattr(code, "__name__", type(function).__name__)
    told = docstrings.parse(getattr(code, "__doc__", None))
    signature = signatures.read(function, told.parameters, name=name)
    return FunctionSpec(
        name, told.description, _parameters(signature.model, name), fingerprint(function), signature
    )


def bind(spec: FunctionSpec, arguments: str, special: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a call: validated, with what the platform gives.

    Raises:
        ArgumentsRefused: they do not fit.
    """
    given = _parsed(spec.name, arguments)
    try:
        read = _validated(spec.signature.model, given)
    except ValidationError as error:
        raise ArgumentsRefused(_told(spec, error)) from error
    except Exception as error:  # of a validator that the author wrote
        said = f"The arguments of {spec.name} cannot be read: {type(error).__name__}: {error}"
        raise ArgumentsRefused(said[:MOST_SAID]) from error
    chosen = read.model_fields_set | spec.signature.always
    kwargs = {
        name: getattr(read, field)
        for field, name in spec.signature.names.items()
        if field in chosen
    }
    return kwargs | (read.model_extra or {}) | {name: special[name] for name in spec.special}


def _parameters(model: type[BaseModel], name: str) -> str:
    try:
        schema = model.model_json_schema(schema_generator=_Schema)
    except Exception as error:
        raise BadFunction(f"{name}: its parameters have no JSON Schema ({error})") from error
    whole: dict[str, Any] = {"type": "object", "properties": {}, **_untitled(schema)}
    return json.dumps(whole, ensure_ascii=False)


def _untitled(schema: Any) -> Any:
    """Without pydantic's titles, which repeat the names and cost tokens in every call."""
    match schema:
        case dict():
            kept: dict[str, Any] = {}
            for key, value in schema.items():  # pyright: ignore[reportUnknownVariableType]
                if key in ("properties", "$defs"):
                    kept[key] = {name: _untitled(one) for name, one in value.items()}  # pyright: ignore
                elif key in ("default", "const", "enum", "examples"):
                    kept[key] = value  # the author's own values, not schemas
                elif key != "title":
                    kept[key] = _untitled(value)
            return kept
        case list():
            return [_untitled(one) for one in schema]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return schema


def _parsed(name: str, arguments: str) -> dict[str, Any]:
    """Models also send nothing, null, and an object written as a string."""
    given: Any = arguments.strip() or "{}"
    try:
        for _ in range(2):
            if isinstance(given, str):
                given = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise ArgumentsRefused(f"The arguments of {name} are not JSON: {error}") from error
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise ArgumentsRefused(f"The arguments of {name} must be a JSON object.")
    return given  # pyright: ignore[reportUnknownVariableType]


def _validated(model: type[BaseModel], given: dict[str, Any]) -> BaseModel:
    """As JSON, so that dates, enums and tuples are read from what JSON has; a list or an object
    that was sent as a string is read as what it holds."""
    try:
        return model.model_validate_json(_text(given))
    except ValidationError as error:
        inner = {
            str(fault["loc"][0]) for fault in error.errors(include_url=False, include_context=False)
            if fault["type"] in STRUCTURED and isinstance(fault["input"], str) and fault["loc"]
        }  # fmt: skip
        opened = {name: _opened(given[name]) for name in inner if isinstance(given.get(name), str)}
        if not any(one is not None for one in opened.values()):
            raise
        return model.model_validate_json(_text({**given, **opened}))


def _text(given: Mapping[str, Any]) -> bytes:
    return json.dumps(given, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _opened(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _told(spec: FunctionSpec, error: ValidationError) -> str:
    lines = [f"The arguments of {spec.name} do not fit:"]
    for fault in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in fault["loc"]) or "arguments"
        lines.append(f"- {where}: {fault['msg']}{_given(fault)}")
    said = "\n".join(lines)[:MOST_SAID]
    schema = f"\nParameters: {spec.parameters}"
    return said + (schema if len(said) + len(schema) <= 2 * MOST_SAID else "")


def _given(fault: Any) -> str:
    if fault["type"] in ("missing", "json_invalid"):
        return ""
    text = json.dumps(fault["input"], ensure_ascii=False, default=str)
    return f" (given: {text if len(text) <= MOST_INPUT else text[:MOST_INPUT] + '...'})"
