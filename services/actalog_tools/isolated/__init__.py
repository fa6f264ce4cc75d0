"""Tools in processes of their own: what hangs, forks, crashes or takes all memory harms itself.

    tools service (`pool`) --- asks ---> worker --- runs the author's callable
          |                                ^
          +------ fork, kill ---> guardian +--- forks it, and kills all that came of it

The guardian is a small process without threads: it forks workers in milliseconds, sees each of
their descendants (also those that left their session), and when the service is gone, however it
died, it kills them all. Linux; elsewhere what leaves its process group is not found.
"""
