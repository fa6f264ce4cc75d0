"""Canonical bytes and hashes (protocol 11): RFC 8785, length-prefixed hashing, keyed digests."""

import hashlib
import hmac
import struct
from collections.abc import Iterable, Sequence
from typing import cast

import orjson

MAX_INTEGER = 2**53 - 1
length = struct.Struct(">Q").pack
"""How a part's length stands before it, where parts are hashed together."""


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of plain JSON data.

    Our keys are ASCII and our numbers integers within 2^53 - 1, for which orjson's sorted
    output is what RFC 8785 asks for (a test compares it with an independent implementation).

    Raises:
        TypeError: floats, integers out of range, lone surrogates, or keys beyond ASCII.
    """
    _check(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)


# Most of what there is: nothing to look at, or orjson looks (at integers).
_PLAIN = frozenset({str, int, bool, type(None)})


def _check(value: object) -> None:
    """Of what orjson would write, refuse floats and keys beyond ASCII. Every event is looked at."""
    items: Iterable[object]
    if isinstance(value, dict):
        mapping = cast("dict[str, object]", value)
        if not _all_ascii(mapping):
            raise TypeError(f"keys are ASCII text, and not all of {list(mapping)!r} are")
        items = mapping.values()
    elif isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
    elif isinstance(value, float):
        raise TypeError("own numbers are integers; carry foreign JSON as text")
    else:
        return
    for item in items:
        if type(item) not in _PLAIN:
            _check(item)


def _all_ascii(keys: Iterable[str]) -> bool:
    try:
        return "".join(keys).isascii()
    except TypeError:  # one is no text
        return False


def framed(part: bytes) -> bytes:
    """A part with its length before it."""
    return length(len(part)) + part


def sha256_parts(*parts: bytes) -> bytes:
    """sha256 over length-prefixed parts, so that no two lists of parts have the same input."""
    return hashlib.sha256(b"".join(map(framed, parts))).digest()


def content_digest(data: bytes) -> str:
    """`sha256:<hex>`, for our own text (prompt parts, definitions)."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def keyed_digest(key: bytes, data: bytes) -> str:
    """`hmac:<hex>`, for outside content: a plain hash of a card number can be guessed."""
    return "hmac:" + hmac.new(key, data, hashlib.sha256).hexdigest()


def clean_text(text: str) -> str:
    """Text of models and tools: NUL and lone surrogates become U+FFFD (protocol 11.1)."""
    if text.isascii() and "\x00" not in text:
        return text
    return (
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")
    )
