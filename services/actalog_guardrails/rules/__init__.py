"""Rule packs: pure functions from a text to what was found in it."""
