"""Servers that run beside `actalog up`: PostgreSQL and a Kafka-compatible broker from PyPI."""
