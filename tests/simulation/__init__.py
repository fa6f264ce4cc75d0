"""The whole platform in one thread on virtual time, driven by a seed.

Real: every service's `build_app`, deciders, handlers, claims, `KafkaBus` with its subscriptions
and dispatcher, the gateway's acceptance. Simulated: the loop (`loop.py`), the broker below the bus
(`broker.py`, `consumer.py`), the database around the log in memory (`store.py`), models and tools
(`outside.py`), people and other systems (`clients.py`). `plan.py` says what happens in a seed,
`faults.py` lets it happen, `oracle.py` and `published.py` judge by the log, by what was published
and by what happened outside. `aimed.py` has plans for one thing each, `sabotage.py` faults of the
code that must be caught.

`make simulate ARGS="--seed 42 --shrink"` tells a seed's story with what is needed for it.
"""
