"""The support desk as an App: `actalog up --app actalog.examples.support_desk.app:app`."""

from typing import Literal

from actalog import Agent, App, tool
from actalog.examples.support_desk.shop import euros, query, write
from actalog.guardrails import PIIDetectionGuardrail


@tool(read_only=True)
def order_status(order_id: str) -> str:
    """Where an order is now: whether it was shipped, with whom, and when it arrives.

    Args:
        order_id: The number of the order, as it stands on the invoice.
    """
    found = query("SELECT * FROM orders WHERE order_id = ?", order_id.strip("# "))
    if not found:
        return f"There is no order {order_id}."
    order = found[0]
    items = query(
        "SELECT quantity, name FROM order_items JOIN products USING (sku) WHERE order_id = ?",
        order["order_id"],
    )
    what = ", ".join(f"{item['quantity']} x {item['name']}" for item in items)
    sent = f", sent on {order['shipped_on']} with {order['carrier']}" if order["carrier"] else ""
    return (
        f"Order {order['order_id']} ({what}, {euros(order['total_cents'])}) is"
        f" {order['status']}{sent}; expected on {order['expected_on']}."
    )


@tool(read_only=True)
def find_products(words: str) -> str:
    """Products of the catalogue, with price and whether they are in stock.

    Args:
        words: What to look for: a name, or words of the description.
    """
    wanted = [word for word in words.lower().split() if len(word) > 3]
    found: list[tuple[int, str]] = []
    for product in query("SELECT * FROM products ORDER BY sku"):
        text = f"{product['name']} {product['description']}".lower()
        stock = f"{product['stock']} in stock" if product["stock"] else "out of stock"
        price = euros(product["price_cents"])
        told = f"{product['name']} ({price}, {stock}): {product['description']}"
        found.append((sum(word in text for word in wanted), told))
    best = sorted((one for one in found if one[0]), key=lambda one: -one[0])
    return " ".join(told for _, told in best[:3]) or "Nothing in the catalogue fits."


@tool(read_only=True)
def shop_policy(
    topic: Literal["return", "refund", "exchange", "warranty", "delivery", "payment"],
) -> str:
    """The shop's rules about a topic.

    Args:
        topic: What the question is about.
    """
    return query("SELECT text FROM policies WHERE topic = ?", topic)[0]["text"]


@tool(idempotent=True, requires_confirmation=True)
def pay_back(order_id: str, reason: str, idempotency_key: str) -> str:
    """Gives the customer the money of an order again. A person confirms it first.

    Args:
        order_id: The number of the order.
        reason: Why, in a few words.
    """
    write(
        "INSERT OR IGNORE INTO refunds SELECT ?, order_id, ? FROM orders WHERE order_id = ?",
        idempotency_key, reason, order_id.strip("# "),
    )  # fmt: skip
    done = query("SELECT order_id FROM refunds WHERE idempotency_key = ?", idempotency_key)
    return f"Order {order_id} was paid back." if done else f"There is no order {order_id}."


support = Agent(
    name="support",
    model="openai:gpt-5.4-mini",
    description="You answer customers of a small shop for outdoor clothes.",
    instructions=[
        "Look things up before you answer; never guess about an order, a price or a rule.",
        "Answer in one or two friendly sentences.",
        "Do not ask for card numbers or other personal data, and do not repeat them.",
    ],
    tools=[order_status, find_products, shop_policy, pay_back],
    pre_hooks=[PIIDetectionGuardrail(mask_pii=True)],
    add_history_to_context=True,
    num_history_runs=3,
    update_memory_on_run=True,
    add_memories_to_context=True,
)

app = App(agents=[support])
