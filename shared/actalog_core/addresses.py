"""Whether what somebody wrote is an address. Where it is not is told before anything connects."""

import re
from urllib.parse import urlsplit

BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:(\d{1,5}))?")
HTTP_WANTED = "an address is wanted, as http://host:port"
BROKERS_WANTED = "addresses of brokers are wanted, as host:port, with commas between"


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
    found = [BROKER.fullmatch(one.strip()) for one in told.split(",") if one.strip()]
    return bool(found) and all(one and 0 < int(one[3] or 9_092) < 65_536 for one in found)
