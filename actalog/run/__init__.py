"""Runs as an author sees them: outputs, events, requirements."""
