"""Bytes that nobody meant to send, at everything that reads what comes from outside."""
