"""How long to wait before the next try."""

import random
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Backoff:
    """Exponential with full jitter, so that many lanes do not knock at the same moment."""

    first_s: float = 0.05
    most_s: float = 3.0  # what waits for a server goes on so soon after it is back
    dice: random.Random = field(default_factory=random.Random)

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after the `attempt`-th try (from 1)."""
        ceiling = min(self.most_s, self.first_s * 2 ** min(attempt - 1, 30))
        return ceiling * (0.5 + self.dice.random() / 2)
