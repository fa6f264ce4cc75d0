"""What is wrong with a message, without a word of what it said: that may be anybody's text."""

from collections.abc import Sequence

from pydantic import ValidationError

from actalog_core.errors import Undecodable

MOST = 3  # fields that are named
MOST_NAMES = 20


def misfit(what: str, error: ValidationError) -> Undecodable:
    """`tool.run: arguments: Input should be a valid string`, to be raised `from None`: a traceback
    would tell what the cause says, and that has the values."""
    told = error.errors(include_url=False, include_input=False, include_context=False)
    fields = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in told[:MOST])
    more = f" and {len(told) - MOST} more" if len(told) > MOST else ""
    return Undecodable(f"{what}: {fields}{more}")


def some(names: Sequence[str]) -> str:
    """The first of them, and how many there are beside; "nothing" for none."""
    more = len(names) - MOST_NAMES
    told = ", ".join(names[:MOST_NAMES]) or "nothing"
    return f"{told} and {more} more" if more > 0 else told
