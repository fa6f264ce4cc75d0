"""Images, sound and files that `run` is given, as a task says them."""

from pathlib import Path
from typing import Any

import pytest

from actalog.errors import BadCall
from actalog.media import Audio, File, Image, Video, as_task
from actalog.run.runner import Options


def test_each_is_said_with_where_it_is(tmp_path: Path):
    (tmp_path / "note.txt").write_bytes(b"hello")
    options = Options(
        images=[Image(url="https://example.org/a.png"), Image(content=b"bytes", filename="b.png")],
        audio=[Audio(content=b"a", mime_type="audio/wav")], videos=[Video(url="https://v")],
        files=[File(filepath=tmp_path / "note.txt"), File(filepath=str(tmp_path / "note.txt"), filename="n")],
    )  # fmt: skip
    assert options.media() == [
        {"type": "image", "url": "https://example.org/a.png"},
        {"type": "image", "data": "Ynl0ZXM=", "filename": "b.png"},
        {"type": "audio", "data": "YQ==", "mime_type": "audio/wav"},
        {"type": "video", "url": "https://v"},
        {"type": "file", "data": "aGVsbG8=", "filename": "note.txt"},
        {"type": "file", "data": "aGVsbG8=", "filename": "n"},
    ]
    assert Options().media() is None
    assert Options(images=[]).media() is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([Image()], r"images\[0\]: give one of url, filepath and content"),
        ([Image(url="https://a", content=b"b")], r"images\[0\]: give one of"),
        ([Image(url="https://a"), Image(filepath="/there/is/none.png")], r"images\[1\]: No such file.*none.png"),
        ([File(url="https://a")], r"images\[0\]: give an actalog.media.Image, not File"),
        ("https://a", "images: give a list of actalog.media.Image"),
        (Image(url="https://a"), "images: give a list of"),
    ],
)  # fmt: skip
def test_what_is_nothing_of_that_is_named(given: Any, said: str):
    with pytest.raises(BadCall, match=said):
        as_task({"images": (Image, given)})


def test_content_is_bytes():
    text: Any = "text"
    with pytest.raises(BadCall, match="content must be bytes, not str"):
        as_task({"images": (Image, [Image(content=text)])})
