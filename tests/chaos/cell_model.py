"""What the model of the cells says: one tool after the other, then an answer."""

import json

from actalog_testing.scripted import Reply, Request, ToolUse

TOOLS = ("book", "charge", "look_up", "refund")
SLOWLY = "slowly"
FACTS = ("likes tea", "lives in Graz")


class Model:
    """A question is `Order NAME`; with `slowly` in it, each piece of the answer to its second turn
    takes seconds, when it is asked for the first time."""

    def __init__(self) -> None:
        self.slow: set[str] = set()

    def answer(self, request: Request) -> Reply:
        if not request.tools:
            return _remembering(request)
        said = list(request.messages)
        at = max(number for number, one in enumerate(said) if one.role == "user")
        turn = sum(one.role == "tool" for one in said[at:])
        order = said[at].text.split()[1]
        offered = [name for name in TOOLS if name in {one.name for one in request.tools}]
        delay_ms = self._delay_ms(said[at].text, turn)
        if turn < len(offered):
            call = ToolUse(offered[turn], {"order": order})
            return Reply("I look.", tool_calls=[call], delay_ms=delay_ms)
        return Reply(f"Order {order} is done.", delay_ms=delay_ms)

    def _delay_ms(self, asked: str, turn: int) -> float:
        if SLOWLY not in asked or turn != 1 or asked in self.slow:
            return 5
        self.slow.add(asked)
        return 1_800


def _remembering(request: Request) -> Reply:
    if any('"operations"' in one.text for one in request.messages):
        return Reply(json.dumps({"operations": [{"op": "add", "text": one} for one in FACTS]}))
    return Reply(json.dumps({"summary": "An order was placed.", "topics": []}))
