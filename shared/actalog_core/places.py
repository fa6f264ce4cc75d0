"""Where things are at the gateway."""

from urllib.parse import quote, urlencode


def located(*parts: str, tenant_id: str = "default", **asked: int) -> str:
    """A path of which each part stays one, whatever it is made of; another tenant than the default
    is named behind it, since nothing of that one is found without."""
    path = "".join(f"/{quote(one, safe=':')}" for one in parts)
    named = {} if tenant_id == "default" else {"tenant_id": tenant_id}
    query = urlencode({**asked, **named}, quote_via=quote)
    return f"{path}?{query}" if query else path
