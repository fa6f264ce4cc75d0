"""`/openapi.json`: what is posted is described, and every reference leads somewhere."""

import json
import re
from typing import Any

import pytest

from actalog_contracts.tasks import TaskSubmit
from actalog_gateway.app import routed

DOCUMENT: dict[str, Any] = routed().openapi()
POSTS = {path: told["post"] for path, told in DOCUMENT["paths"].items() if "post" in told}


@pytest.mark.parametrize("path", sorted(POSTS.keys() - {"/agents/{agent_id}/runs/{run_id}/cancel"}))
def test_what_is_posted_has_a_schema(path: str):
    for content in POSTS[path]["requestBody"]["content"].values():
        assert content["schema"]


def test_every_route_tells_of_its_errors():
    for path, methods in DOCUMENT["paths"].items():
        for method, told in methods.items():
            assert {"4XX", "500", "503"} <= told["responses"].keys(), (method, path)


def test_the_document_is_whole():
    """Generators of clients leave out what leads out of it, or stop."""
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT)):
        kind = reference.removeprefix("#/components/schemas/")
        assert kind in DOCUMENT["components"]["schemas"], reference


def test_a_task_is_described_with_all_its_fields_and_their_parts():
    schema = POSTS["/v1/tasks"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"].keys() == TaskSubmit.model_fields.keys()
    assert (schema["required"], schema["additionalProperties"]) == (["target", "input"], False)
    assert schema["properties"]["media"]["items"]["required"] == ["type"]


@pytest.mark.parametrize(
    ("method", "path", "kinds"),
    [
        ("get", "/metrics", ["text/plain"]),
        ("get", "/v1/blobs/{blob_id}", ["*/*"]),
        ("get", "/v1/runs/{run_id}/events", ["text/event-stream"]),
        ("post", "/agents/{agent_id}/runs", ["application/json", "text/event-stream"]),
        ("get", "/agents", ["application/json"]),
    ],
)
def test_what_is_answered_is_of_the_kind_that_is_told(method: str, path: str, kinds: list[str]):
    assert sorted(DOCUMENT["paths"][path][method]["responses"]["200"]["content"]) == kinds


def test_ids_of_the_path_are_no_fields_of_the_body():
    path = "/v1/runs/{run_id}/requirements/{requirement_id}"
    schema = POSTS[path]["requestBody"]["content"]["application/json"]["schema"]
    assert {"decision", "digest", "arguments", "note", "by"} <= schema["properties"].keys()
    assert schema["required"] == ["decision"]
    assert "run_id" not in schema["properties"]


def test_every_id_of_a_path_says_what_it_must_not_have():
    """A validator in front of the pattern hid it."""
    ids = [
        one
        for methods in DOCUMENT["paths"].values()
        for told in methods.values()
        for one in told.get("parameters", ())
        if one["in"] == "path" and one["name"].endswith("_id")
    ]
    assert ids
    assert all({"pattern", "minLength", "maxLength"} <= one["schema"].keys() for one in ids)


def test_forms_are_taken_in_both_of_their_encodings():
    for path in ("/agents/{agent_id}/runs", "/agents/{agent_id}/runs/{run_id}/continue"):
        kinds = POSTS[path]["requestBody"]["content"].keys()
        assert kinds == {"multipart/form-data", "application/x-www-form-urlencoded"}


def test_what_has_a_status_of_its_own_tells_it():
    run = POSTS["/agents/{agent_id}/runs"]["responses"]["202"]["content"]["application/json"]
    assert run["schema"]["properties"]["status"] == {"const": "PENDING"}
    ready = DOCUMENT["paths"]["/health/ready"]["get"]["responses"]
    for status in ("200", "503"):
        assert "missing" in ready[status]["content"]["application/json"]["schema"]["properties"]
    assert "501" in DOCUMENT["paths"]["/sessions"]["get"]["responses"]
