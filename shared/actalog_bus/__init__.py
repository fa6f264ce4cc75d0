"""The bus: at least once, in order per lane. Memory and Kafka satisfy one port."""
