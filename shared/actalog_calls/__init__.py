"""Answering commands that cost or act: claims, leases, outcomes (protocol 6)."""
