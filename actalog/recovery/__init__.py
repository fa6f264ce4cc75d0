"""A restored database: noticed before anything is heard, and gone on with (protocol 15)."""
