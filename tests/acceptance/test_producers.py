"""A producer in another language needs nothing but JSON; what it sends twice is one run."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from tests.acceptance.outside import Told
from tests.acceptance.site import Site

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]
STRUCTURED = {"content-type": b"application/cloudevents+json; charset=utf-8"}


def of(site: Site, correlation: str) -> list[Told]:
    """The results that came for a task that has no id of its own."""
    return [one for one in site.outside.results if one.get("correlation_id") == correlation]


def task(correlation: str, **more: Any) -> dict[str, Any]:
    return {"target": "plain", "input": "hello", "correlation_id": correlation, **more}


def cloud_event(correlation: str) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": correlation, "source": "shop", "type": "task.submit.v1",
        "datacontenttype": "application/json", "data": task(correlation),
    }  # fmt: skip


@pytest.mark.parametrize("form", ["plain", "spaced", "structured", "binary", "confluent"])
async def test_json_is_enough_in_each_form_that_producers_write(site: Site, form: str):
    correlation = f"as-{form}"
    body = json.dumps(task(correlation)).encode()
    headers: dict[str, bytes] = {}
    match form:
        case "spaced":
            body = json.dumps(task(correlation), indent=2).encode() + b"\n"
            headers = {"content-type": b"text/plain", "x-anything": b"\xff\x00"}
        case "structured":
            body, headers = json.dumps(cloud_event(correlation)).encode(), STRUCTURED
        case "binary":
            headers = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"shop",
                       "ce_type": b"task.submit.v1"}  # fmt: skip
        case "confluent":
            body = b"\x00\x00\x00\x01\x2c" + body
        case _:
            pass
    await site.outside.publish(body, headers=headers)
    await site.outside.until(lambda: of(site, correlation))
    told = of(site, correlation)[0]
    assert {one["id"] for one in of(site, correlation)} == {told["id"]}  # a repeat has the same
    assert (told["type"], told["status"]) == ("run.result.v1", "completed")
    assert told["session_id"] == told["run_id"]


async def test_what_is_published_names_its_schema_where_it_can_be_fetched(site: Site):
    await site.outside.send({**task("schemas"), "run_id": "schemas"})
    told = (await site.outside.wait_for({"schemas"}))["schemas"]
    headers = [
        dict(record.headers) for topic in ("results", "events")
        for record in site.outside.records[topic] if b'"run_id":"schemas"' in (record.value or b"")
    ]  # fmt: skip
    assert len(headers) > 2
    found: dict[str, Any] = {}
    async with httpx2.AsyncClient() as http:
        for said in headers:
            kind = said["ce_type"].decode()
            found[kind] = (await http.get(said["ce_dataschema"].decode())).json()
            assert found[kind]["title"] == kind
    assert found["run.result.v1"]["properties"].keys() >= told.keys()


async def test_a_task_sent_again_and_again_is_one_run_with_one_result_id(site: Site):
    named = {**task("named"), "run_id": "again"}
    for partition in (0, 1, 2, 0):
        await site.outside.send(named, partition=partition)
    await site.outside.wait_for({"again"})
    # The same after its end, with what decides nothing changed: told again, by the same id.
    before = len(of(site, "named"))
    await site.outside.send({**named, "priority": 5}, key="elsewhere")
    await site.outside.until(lambda: len(of(site, "named")) > before)
    assert {(one["run_id"], one["id"]) for one in of(site, "named")} == {
        ("again", of(site, "named")[0]["id"])
    }
    # By source and id of a CloudEvent, without an id of ours.
    event = json.dumps(cloud_event("event")).encode()
    for partition in (0, 1, 2):
        await site.outside.publish(event, headers=STRUCTURED, partition=partition)
    await site.outside.until(lambda: of(site, "event"))
    # Twice the same bytes without any id are two tasks.
    for _ in range(2):
        await site.outside.send(task("twice"), partition=0)
    await site.outside.until(lambda: len({one["run_id"] for one in of(site, "twice")}) == 2)
    assert len({one["run_id"] for one in of(site, "event")}) == 1
    assert await site.log.pool.fetchval("select count(*) from runs where run_id = 'again'") == 1


async def test_runs_of_a_session_are_in_order_wherever_their_tasks_land(site: Site):
    for number in range(12):
        told = {**task("in-order"), "run_id": f"in-order-{number}", "session_id": "one"}
        await site.outside.send(told, partition=number % 3, key=f"k{number}")
    found = await site.outside.wait_for({f"in-order-{number}" for number in range(12)})
    await asyncio.gather(*(ended(site, run_id, told["events"]) for run_id, told in found.items()))
    order = site.outside.in_order()
    for run_id, told in found.items():
        assert list(order[run_id]) == list(range(1, told["events"] + 1))
    turns = await site.log.pool.fetch(
        "select turn from runs where session_id = 'one' order by turn"
    )
    assert [row["turn"] for row in turns] == list(range(1, 13))


async def ended(site: Site, run_id: str, seq: int) -> None:
    await site.outside.until(lambda: seq in site.outside.in_order().get(run_id, []))
