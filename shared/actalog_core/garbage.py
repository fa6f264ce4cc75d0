"""The cycle collector, set for processes that hold large caches."""

import gc

# Nearly all of what a run makes is freed by its reference count. Python's own threshold (700 new
# containers) looks for cycles several times in each run, a fifth of a platform's CPU time; at
# these a cycle lives some tens of runs longer. Looked at more seldom still, what has gathered takes
# longer to be looked at, in the middle of somebody's run.
YOUNG, MIDDLE, OLD = 20_000, 20, 50


def collect_seldom() -> None:
    """Once a process stands: what is there now stays, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
