"""The run log and what lies beside it. The truth (law 1): everything else can be rebuilt."""
