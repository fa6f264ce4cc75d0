"""Examples that are installed with Actalog and run without any key."""
