"""Mutants of a corpus, the same for the same seed: for where no coverage guides."""

import random
from collections.abc import Iterator, Sequence

WORDS = (
    b"\x00", b"\r", b"\n\n", b"\xff", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xef\xbb\xbf", b'"',
    b"\\", b"\\u0000", b"\\ud800", b"\\udc00", b"{", b"}", b"[", b"]", b":", b",", b"null", b"true",
    b"NaN", b"1e400", b"-0", b"9007199254740993", b"18446744073709551616", b"data: ", b"event: ",
    b"[DONE]", b"" , b"[" * 120, b'"index":-1', b'"type":"error"',
)  # fmt: skip
MOST = 8  # changes to one mutant


def mutants(corpus: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Endless. The corpus itself comes first."""
    yield from corpus
    chance = random.Random(seed)
    while True:
        data = bytearray(chance.choice(corpus))
        for _ in range(chance.randint(1, MOST)):
            _change(data, chance, corpus)
        yield bytes(data)


def _change(data: bytearray, chance: random.Random, corpus: Sequence[bytes]) -> None:
    at = chance.randint(0, len(data))
    until = min(len(data), at + chance.choice((1, 1, 2, 4, 16, 64)))
    match chance.randrange(7):
        case 0 if at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        case 1:
            del data[at:until]
        case 2:
            data[at:at] = data[at:until]
        case 3:
            data[at:until] = chance.choice(WORDS)
        case 4:
            data[at:at] = chance.choice(WORDS)
        case 5:  # a piece of another one
            other = chance.choice(corpus)
            begin = chance.randint(0, len(other))
            data[at:until] = other[begin : begin + chance.choice((4, 16, 64))]
        case _:
            del data[at:]
