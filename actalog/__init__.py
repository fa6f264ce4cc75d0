"""The front door for authors, and the command line."""
