"""What is sent with a message reaches its model: uploaded, by address, as a blob, and once more in
the session's next run."""

import base64
from typing import Any

import httpx2
import pytest

from actalog_llm.media import mime_of
from actalog_llm.prompt.messages import Attached
from tests.acceptance.site import Site

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(100)]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
LARGE = b"\x89PNG\r\n\x1a\n" + bytes(300_000)  # more than travels in a message


async def posted(site: Site, agent: str, text: str, **more: Any) -> dict[str, Any]:
    form = {"message": text, "stream": "false", **more.pop("form", {})}
    async with httpx2.AsyncClient(base_url=site.http, timeout=30) as http:
        answer = await http.post(f"/agents/{agent}/runs", data=form, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def said(site: Site, text: str) -> list[Any]:
    """The contents of the user's messages that the model was sent with this question."""
    (request,) = site.requests(text)
    messages: list[dict[str, Any]] = request.body["messages"]
    return [one["content"] for one in messages if one["role"] == "user"]


def as_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


async def test_an_uploaded_image_is_seen_and_again_in_the_session_s_next_run(site: Site):
    form = {"session_id": "seeing"}
    first, second = "What is in the picture?", "And in which colour?"
    files = [("files", ("cat.png", PNG, "image/png")), ("files", ("map.png", LARGE, "image/png"))]
    told = await posted(site, "support", first, form=form, files=files)
    assert told["status"] == "COMPLETED"
    shown = [{"type": "image_url", "image_url": {"url": as_url(data)}} for data in (PNG, LARGE)]
    whole = [*shown, {"type": "text", "text": first}]
    assert said(site, first) == [whole]
    await posted(site, "support", second, form=form)
    assert said(site, second) == [whole, second]


async def test_another_provider_has_it_in_its_own_form(site: Site):
    question = "What does the paper say?"
    files = [("files", ("a.pdf", b"%PDF-1.7 x", "application/pdf"))]
    await posted(site, "claude", question, files=files)
    ((document, text),) = said(site, question)
    assert (document["type"], document["title"], text["text"]) == ("document", "a.pdf", question)
    assert document["source"]["media_type"] == mime_of(Attached("file", "", filename="a.pdf"))


async def test_what_a_model_does_not_take_ends_the_run_and_is_named(site: Site):
    media = [{"type": "image", "url": "https://example.org/a.png"},
             {"type": "video", "url": "https://example.org/a.mp4"}]  # fmt: skip
    told = await site.outside.ask(
        target="plain", input="Watch this.", run_id="watched", session_id="watched", media=media
    )
    assert told["status"] == "failed"
    assert "media.1: chat completions take no video by address" in told["error"]["message"]
    assert site.requests("Watch this.") == []
