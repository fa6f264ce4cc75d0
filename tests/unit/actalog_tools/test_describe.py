"""A callable as a model sees it."""

import enum
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from actalog_tools.functions import BadFunction, describe


class Address(BaseModel):
    """Where it goes."""

    street: str
    title: str = Field(default="", description="How to address them.")


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Point:
    x: int
    y: int = 0


def schema(function: Callable[..., Any]) -> dict[str, Any]:
    return json.loads(describe(function).parameters)


def test_name_description_and_parameters_come_from_signature_and_docstring():
    def order_status(order_id: str, verbose: bool = False) -> str:
        """Where an order is now.

        Also when it was sent.

        Args:
            order_id: The number on the invoice,
                without blanks.
            verbose (bool): Say more.

        Returns:
            A sentence.
        """
        return order_id * verbose

    spec = describe(order_status)
    assert spec.name == "order_status"
    assert spec.description == "Where an order is now.\n\nAlso when it was sent."
    assert json.loads(spec.parameters) == {
        "type": "object",
        "properties": {
            "order_id": {
                "type": "string", "description": "The number on the invoice, without blanks.",
            },
            "verbose": {"type": "boolean", "default": False, "description": "Say more."},
        },
        "required": ["order_id"],
        "additionalProperties": False,
    }  # fmt: skip


def test_what_has_no_parameters_is_an_empty_object():
    def now() -> str:
        return ""

    assert schema(now) == {"type": "object", "properties": {}, "additionalProperties": False}
    assert describe(now).description == ""


def test_types_of_all_kinds_have_a_schema():
    def place(
        address: Address,
        size: Size,
        how: Literal["post", "courier"],
        items: list[dict[str, int]],
        note: Optional[str],  # noqa: UP045
        amount: float = 1,
        at: Point = Point(1),  # noqa: B008
        tags: tuple[str, ...] = (),
        limit: Annotated[int, Field(ge=1, description="At most so many.")] = 3,
        page: int = Field(1, ge=1, description="Which page."),
        anything: Any = None,
        without_json: object = object(),
    ) -> None: ...

    told = schema(place)
    properties = told["properties"]
    assert told["required"] == ["address", "size", "how", "items"]
    assert properties["how"] == {"enum": ["post", "courier"], "type": "string"}
    assert properties["limit"] == {
        "default": 3, "description": "At most so many.", "minimum": 1, "type": "integer",
    }  # fmt: skip
    assert properties["page"] == {
        "default": 1, "description": "Which page.", "minimum": 1, "type": "integer",
    }  # fmt: skip
    assert properties["items"]["items"]["additionalProperties"] == {"type": "integer"}
    assert properties["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    address = told["$defs"]["Address"]
    assert address["properties"]["title"]["description"] == "How to address them."
    assert "title" not in address
    assert "default" not in properties["without_json"]


def test_parameters_may_have_names_that_pydantic_keeps_for_itself():
    def odd(schema: str, _x: int, model_config: int, json: str, title: str, copy: str) -> None: ...

    told = json.loads(describe(odd).parameters)
    assert list(told["properties"]) == ["schema", "_x", "model_config", "json", "title", "copy"]


def test_what_the_platform_gives_is_not_offered():
    def refund(order_id: str, idempotency_key: str, session_state: dict, run_context) -> None: ...  # type: ignore[no-untyped-def]

    spec = describe(refund)  # pyright: ignore[reportUnknownArgumentType]
    assert list(json.loads(spec.parameters)["properties"]) == ["order_id"]
    assert spec.special == {"idempotency_key", "session_state", "run_context"}
    assert spec.wants_key


def test_annotations_as_text_are_read_and_those_of_what_the_platform_gives_are_not():
    def ship(where: "Address", run_context: "Nowhere") -> "Neither": ...  # type: ignore[name-defined]  # noqa: F821

    assert "Address" in schema(ship)["$defs"]  # pyright: ignore[reportUnknownArgumentType]


UNTYPED: Any = [
    (lambda order_id: order_id, "'order_id' has no annotation"),  # pyright: ignore
    (len, "cannot be given by name"),
    (lambda *ids: ids, r"\*ids cannot be given by name"),  # pyright: ignore
]


@pytest.mark.parametrize(("function", "said"), UNTYPED)
def test_what_a_model_could_not_call_is_told_with_its_parameter(
    function: Callable[..., Any], said: str
):
    with pytest.raises(BadFunction, match=said):
        describe(function)


def test_a_type_without_a_json_form_is_told_with_its_parameter():
    class Connection: ...

    def query(sql: str, connection: Connection) -> None: ...

    with pytest.raises(BadFunction, match=r"query: parameter 'connection' has a type"):
        describe(query)


def test_an_annotation_that_names_nothing_is_told_with_its_parameter():
    def query(sql: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(BadFunction, match=r"query: the annotation of parameter 'sql'.*Nowhere"):
        describe(query)  # pyright: ignore[reportUnknownArgumentType]


def test_methods_objects_partials_and_wrapped_functions_are_read():
    class Desk:
        def find(self, order_id: int) -> str:
            """Find it."""
            return str(order_id)

        async def __call__(self, name: str) -> str:
            """Ask."""
            return name

    def find(shop: str, order_id: int) -> str:
        """Find it."""
        return shop * order_id

    @functools.wraps(find)
    def wrapped(*args: Any, **kwargs: Any) -> str:
        return find(*args, **kwargs)

    assert list(schema(Desk().find)["properties"]) == ["order_id"]
    assert (describe(Desk()).description, list(schema(Desk())["properties"])) == ("Ask.", ["name"])
    assert list(schema(functools.partial(find, shop="a"))["properties"]) == ["order_id"]
    assert list(schema(functools.partial(find, "a"))["properties"]) == ["order_id"]
    assert list(schema(wrapped)["properties"]) == ["shop", "order_id"]
    assert describe(wrapped).name == "find"


def test_keyword_parameters_of_any_name_are_offered():
    def search(query: str, **filters: str) -> None: ...

    assert schema(search)["additionalProperties"] is True


def test_reST_fields_describe_parameters_too():
    def find(order_id: str) -> None:
        """Find it.

        :param order_id: The number,
            as printed.
        :returns: Nothing.
        """

    spec = describe(find)
    assert spec.description == "Find it."
    assert schema(find)["properties"]["order_id"]["description"] == "The number, as printed."


def numpy_style(order_id: str, a: int, b: int, *, note: str = "") -> str:
    """Look an order up.

    It may take a moment.

    Parameters
    ----------
    order_id : str
        The number: as it stands
        on the invoice.
    a, b : int, optional
        Where to look.

    Other Parameters
    ----------------
    note
        Kept beside it.

    Returns
    -------
    str
        Where it is.
    """
    return order_id


def test_numpys_style_describes_parameters_too():
    spec = describe(numpy_style)
    assert spec.description == "Look an order up.\n\nIt may take a moment."
    assert {name: one.get("description") for name, one in schema(numpy_style)["properties"].items()} == {
        "order_id": "The number: as it stands on the invoice.", "a": "Where to look.",
        "b": "Where to look.", "note": "Kept beside it.",
    }  # fmt: skip


def test_a_type_with_brackets_in_brackets_is_no_part_of_the_description():
    def look(where: str, near: tuple[int, int]) -> str:
        """Look.

        Args:
            where (str): Anywhere.
            near (tuple(int, int), optional): A place.
        """
        return where

    assert [one["description"] for one in schema(look)["properties"].values()] == [
        "Anywhere.", "A place.",
    ]  # fmt: skip


def test_a_parameter_entry_may_hold_colons_and_other_sections_do_not_count():
    def find(when: str) -> None:
        """Find it.

        Args:
            when: A time,
                like this: 12:00.

        Raises:
            when: never.
        """

    assert schema(find)["properties"]["when"]["description"] == "A time, like this: 12:00."


def test_the_fingerprint_is_that_of_the_source():
    def make(text: str) -> Callable[..., Any]:
        space: dict[str, Any] = {}
        exec(f"def f(a: int) -> str:\n    return {text!r}", space)  # noqa: S102
        return space["f"]

    def one(a: int) -> str:
        return "one"

    assert describe(one).fingerprint == describe(one).fingerprint
    assert describe(one).fingerprint.startswith("sha256:")
    assert describe(one).fingerprint == describe(functools.partial(one)).fingerprint
    assert describe(make("x")).fingerprint == describe(make("x")).fingerprint  # without source
    assert describe(make("x")).fingerprint != describe(make("y")).fingerprint
    assert describe(one).fingerprint != describe(make("x")).fingerprint
