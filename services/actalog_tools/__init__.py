"""The tools service."""
