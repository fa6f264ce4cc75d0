"""Session state as operations in a recorded order (protocol 10), never as a whole document."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import TypeAdapter

from actalog_contracts.runs import StateOp
from actalog_core.canonical import clean_text

_OPS = TypeAdapter(tuple[StateOp, ...])


def read_ops(text: str) -> tuple[StateOp, ...]:
    """The operations of a `SessionOp`: a JSON array of StateOp."""
    return _OPS.validate_json(text)


def write_ops(ops: Iterable[StateOp]) -> str:
    """The JSON array that a `SessionOp` has."""
    return _OPS.dump_json(tuple(ops), exclude_none=True).decode()


def apply(state: dict[str, Any], op: StateOp) -> None:
    """Change the state by one operation; one that does not fit what is there changes nothing."""
    value = None if op.value is None else json.loads(op.value)
    match op.op, state.get(op.key):
        case "set", _:
            state[op.key] = value
        case "delete", _:
            state.pop(op.key, None)
        case "increment", (int() | float() | None) as before if isinstance(value, (int, float)):
            state[op.key] = (before or 0) + value
        case "append", list() | None:
            state[op.key] = [*(state.get(op.key) or []), value]
        case _:
            pass


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[StateOp, ...]:
    """What turns one state into the other, key by key, so that others' keys are left alone. A
    list that only grew is appended to: what others append meanwhile stays. Lone surrogates become
    U+FFFD (protocol 11.1): what a tool has read elsewhere may have them, and no event can.

    Raises:
        TypeError: a key of `after` is no text, or a value has no JSON form; the message names it.
    """
    after = {_key(key): value for key, value in after.items()}
    ops: list[StateOp] = []
    for key in sorted({*before, *after}):
        if key not in after:
            ops.append(StateOp(op="delete", key=key))
            continue
        text = _json(key, after[key])
        if key in before and text == _json(key, before[key]):
            continue
        more = _appended(before.get(key), json.loads(text))
        if more:
            ops += [StateOp(op="append", key=key, value=_json(key, one)) for one in more]
        else:
            ops.append(StateOp(op="set", key=key, value=text))
    return tuple(ops)


def _appended(before: Any, after: Any) -> list[Any]:
    """What a list grew by; compared as text, because 1 equals True and is not the same."""
    if not (type(before) is list and type(after) is list):
        return []
    old, new = cast(list[Any], before), cast(list[Any], after)
    same = _json("", new[: len(old)]) == _json("", old)
    return new[len(old) :] if same else []


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"session_state has the key {key!r}, which is no text")
    return clean_text(key)


def _json(key: str, value: Any) -> str:
    try:
        return clean_text(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"session_state[{key!r}] has no JSON form: {error}") from error
