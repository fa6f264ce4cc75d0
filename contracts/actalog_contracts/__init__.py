"""What crosses a service border: messages, run events, definitions and topics.

Imports pydantic and nothing of ours. Strict at the border, tolerant inside.
"""
