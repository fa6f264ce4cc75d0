"""Simple rules over English text, for the demo model: words, ids, names, statements of fact."""

import re

FILLERS = """
a about again all also an and any are as at be been but by can could did do does for from get give
had has have hello help her hey hi him his how i if in into is it its just know like look me my
need no not now of on one or our out please right see should so some tell thank thanks that the
their them then there these they this to too up us want was we were what when where which who why
will with would yes you your
"""
STOP = frozenset(FILLERS.split())
WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
# Groups of digits beside each other are a card or a telephone, and no order.
IDENTIFIER = re.compile(
    r"(?<![\w.+])(?<!\d )#?((?:[A-Z]{1,5}-)?\d{3,10}(?:-\d{1,4})?)(?![\w@]| \d)"
)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
QUOTED = re.compile(r"[\"“«]([^\"”»]{1,80})[\"”»]")
PLACE = re.compile(r"\b(?:in|to|from|at|for)\s+((?:[A-Z][\w'-]+)(?:\s+[A-Z][\w'-]+)*)")
NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w'-]+")  # a capital letter inside a sentence
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
FACT = re.compile(
    r"\b(?:my name is|call me|i am|i'm|i\u2019m|i live|i prefer|i like|i love|i work|i always|i never"
    r"|my favou?rite|remember that)\b",
    re.IGNORECASE,
)
SPEAKER = re.compile(r"^(?:\[user\]|(?:user|human|customer)\s*:)\s*", re.IGNORECASE)
ANY_SPEAKER = re.compile(
    r"^(?:\[[^\]\n]+\]|(?:user|human|customer|assistant|tool)\s*:)", re.IGNORECASE
)
BACKWARDS = re.compile(r"\b(?:it|its|that|this|same|again|them)\b|^and\b", re.IGNORECASE)


def stem(word: str) -> str:
    """A word without its English ending, so that ship, ships, shipped and shipping meet."""
    low = word.lower()
    for ending in ("ing", "ies", "ed", "es", "s", "e", "y"):
        if low.endswith(ending) and len(low) - len(ending) >= 3:
            low = low[: -len(ending)]
            break
    return low[:-1] if len(low) > 3 and low[-1] == low[-2] else low


def stems(text: str) -> set[str]:
    """The words that carry meaning; `order_status` counts as two."""
    found = WORD.findall(text.replace("_", " "))
    return {stem(word) for word in found if word.lower() not in STOP}


def content(text: str) -> str:
    """The text without the words that carry none: what one would type into a search box."""
    return " ".join(word for word in WORD.findall(text) if word.lower() not in STOP)


def facts(text: str) -> list[str]:
    """The sentences in which a person says something about themselves; questions are none."""
    told = (SPEAKER.sub("", sentence).strip() for sentence in SENTENCE.split(text))
    return [one for one in told if FACT.search(one) and not one.endswith("?")]


def spoken(text: str) -> str:
    """What the person said in a conversation that is shown as text; a plain text as it is."""
    told: list[str] = []
    mine = False
    for line in text.splitlines():
        if ANY_SPEAKER.match(line):
            mine = SPEAKER.match(line) is not None
        if mine:
            told.append(SPEAKER.sub("", line))
    return "\n".join(told) or text


def short(text: str, limit: int) -> str:
    """The text in one line, cut at so many code points."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
