"""The scripted model server, which knows which of its answers were sent to the end."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from actalog_testing.scripted import Request, ScriptedServer
from actalog_testing.scripted.http import HttpRequest, HttpResponse, Step
from actalog_testing.scripted.script import Answer


class _Noted(list[Step]):
    """Steps that tell when the last was taken: who hangs up before takes no more."""

    def __init__(self, steps: Sequence[Step], whole: Callable[[], None]) -> None:
        super().__init__(steps)
        self._whole = whole

    def __iter__(self) -> Iterator[Step]:
        yield from super().__iter__()
        self._whole()  # what has no pauses is gone through twice
        self._whole = lambda: None


@dataclass(frozen=True, slots=True)
class _Watched(HttpResponse):
    whole: Callable[[], None] = lambda: None

    def steps(self) -> Sequence[Step]:
        return _Noted(HttpResponse.steps(self), self.whole)


class Models(ScriptedServer):
    """`whole` counts the answers that were sent to the end, by what was asked."""

    def __init__(self, script: Callable[[Request], Answer | None]) -> None:
        super().__init__(script=script, keep=100_000)
        self.whole: Counter[bytes] = Counter()

    def _answer(self, http: HttpRequest) -> HttpResponse:
        said = super()._answer(http)

        def whole() -> None:
            self.whole[http.body] += 1

        return _Watched(
            said.status, said.content_type, said.body, said.headers, said.before, said.chunked, whole
        )  # fmt: skip
