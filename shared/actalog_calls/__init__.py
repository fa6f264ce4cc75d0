"""Answering commands that cost or act: claims, leases, outcomes (protocol 6).

Hears: nothing of its own; services hand it the commands they heard.
Says:  call.answered, for each command once its outcome stands.
Owns:  the rows of `calls` that its process holds.
"""
