"""Normalised discounted cumulative gain of the first ten (Järvelin and Kekäläinen, 2002)."""

import math
from collections.abc import Sequence

DEPTH = 10


def ndcg(gains: Sequence[int], ideal: Sequence[int]) -> float:
    """Between 0 and 1: the gains as they came, beside the best order of all there is (`ideal`, in any order)."""
    best = _dcg(sorted(ideal, reverse=True))
    return _dcg(gains) / best if best else 0.0


def _dcg(gains: Sequence[int]) -> float:
    return sum((2.0**gain - 1) / math.log2(place + 2) for place, gain in enumerate(gains[:DEPTH]))
