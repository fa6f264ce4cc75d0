"""Where sections of a docstring begin and end, whatever stands in them."""

from actalog_tools.docstrings import parse
from actalog_tools.functions import describe


def test_a_line_further_in_goes_on_whatever_it_looks_like():
    told = parse("Do.\n\nArgs:\n    x: The first.\n        note: of two.\n    y: The other.")
    assert told.parameters == {"x": "The first. note: of two.", "y": "The other."}


def test_a_section_of_numpy_is_none_without_its_line():
    assert parse("Look.\n\nReturns").description == "Look.\n\nReturns"
    told = parse(
        "Look.\n\nParameters\n----------\nx : int\n    One.\n\nReturns\n-------\ny\n    Two."
    )
    assert told.parameters == {"x": "One."}


def test_a_description_is_offered_in_the_letters_that_it_has():
    def measure(größe: int) -> int:
        """Measure."""
        return größe

    assert "größe" in describe(measure).parameters
