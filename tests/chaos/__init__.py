"""The platform as real processes under real faults."""
