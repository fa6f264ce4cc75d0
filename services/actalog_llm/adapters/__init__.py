"""Providers through their official SDKs: raw streams, no retries of their own, one connection pool.

Imported when the first model is called, because the SDKs take a second to import.
"""
