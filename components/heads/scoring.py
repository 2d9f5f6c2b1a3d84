"""Quotients that scores are made of."""

from __future__ import annotations

from components.heads.arrays import Array, np

BINS = 4000
"""Of the histograms that scores of order are read from."""
_NEGLIGIBLE = 1e-12


def ratio(numerator: Array | float, denominator: Array | float) -> Array:
    """Quotient, NaN where the denominator is not above 0."""
    above, below = np.broadcast_arrays(numerator, denominator)
    quotient = np.full(above.shape, np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def skill(loss: Array, constant_loss: Array, scale: Array | float) -> Array:
    """1 - loss / constant_loss; NaN where the constant is perfect.

    Args:
        loss: summed over authors.
        constant_loss: of the best constant, likewise.
        scale: what `constant_loss` is negligible beside.
    """
    # Equal labels leave rounding dust of a loss, against which any skill could be claimed.
    real_loss = np.where(constant_loss > _NEGLIGIBLE * scale, constant_loss, 0.0)
    return np.asarray(1.0 - ratio(loss, real_loss))
