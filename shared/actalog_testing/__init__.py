"""Doubles, conformance suites and the scripted model server: shipped."""
