"""Whether what somebody wrote is an address. Where it is not is told before anything connects."""

import re
from urllib.parse import urlsplit

BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:(\d{1,5}))?")
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(\d{1,5}))?")
USUAL = {"http": "80", "https": "443"}  # which no browser says
HTTP_WANTED = "an address is wanted, as http://host:port"
BROKERS_WANTED = "addresses of brokers are wanted, as host:port, with commas between"
ORIGINS_WANTED = (
    "origins are wanted as browsers send them, as https://ui.example or http://localhost:3000,"
    " with commas between; or *"
)


def is_http(told: str) -> bool:
    """`http://host:port/path` or https, without query and fragment."""
    if not (told.isascii() and told.isprintable()) or any(one in told for one in " ?#\\"):
        return False
    try:
        address = urlsplit(told)
        fine = address.port is None or address.port > 0
    except ValueError:  # a port that is none, half an IPv6 address
        return False
    return fine and address.scheme in ("http", "https") and bool(address.hostname)


def are_brokers(told: str) -> bool:
    """One `host:port` or several, with commas between. Without a port it is 9092."""
    found = [BROKER.fullmatch(one) for one in listed(told)]
    return bool(found) and all(one and 0 < int(one[3] or 9_092) < 65_536 for one in found)


def listed(told: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(one.strip() for one in told.split(",") if one.strip())


def is_origin(told: str) -> bool:
    """As a browser sends it in `Origin`, letter for letter: what it never sends lets nobody in.
    `*` stands for all of them, `null` is what pages of files have."""
    if told in ("*", "null"):
        return True
    found = ORIGIN.fullmatch(told)
    if found is None:
        return False
    return found[3] is None or (
        0 < int(found[3]) < 65_536 and USUAL.get(told.partition(":")[0]) != found[3]
    )
