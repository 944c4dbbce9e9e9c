"""What changes by the step: the learning rate, and how long an average remembers."""

from __future__ import annotations

import math


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """The learning rate of a step of `steps`, counted from 0.

    Rises in equal steps to `peak` at the last of `warmup` steps, then falls along half
    a cosine, which would be at 0 one step after the last.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts;
    the warm-up of Goyal et al. 2017, arXiv:1706.02677, section 2.2.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def average_decay(updates: int, limit: float) -> float:
    """How much of an average of weights stays at this update, counted from 0.

    (1 + n) / (10 + n) up to `limit`: a short training is averaged over its last tenth,
    a long one as `limit` has it. Without that, a few hundred steps would still
    remember the weights they began with.

    Source: tf.train.ExponentialMovingAverage with num_updates, which
    tpu/models/official/efficientnet/main.py uses.
    """
    return min(limit, (1 + updates) / (10 + updates))
