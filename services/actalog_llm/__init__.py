"""The only service that talks to models (law 11).

Hears: model.call.
Says:  call.answered with model.replied or model.failed; stream.delta and stream.progress.
Owns:  the provider clients; its rows in `calls`.
"""
