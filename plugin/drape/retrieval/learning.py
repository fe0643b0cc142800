"""What each kind of evidence is worth, learned from the recording itself.

What a detector or tracker says of a candidate, what its place has shown at other times, and what other views show at
the same time are nearly independent once it is known whether the candidate is a person. So each can teach the others
(co-training; Blum and Mitchell 1998): a model of the places is fitted to the existence that the own view gives, and the
weight of the views to what these two together say. A teacher that errs flattens a pupil, but does not turn him round:
the pupil's probability is a mixture of the teacher's mean among persons and among others, and is stretched back
(Elkan and Noto 2008, and for two-sided noise Menon et al. 2015, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drape.retrieval.pairing import Floats, log_odds, logistic

RIDGE = 10.0
STEPS = 20
MOST = 5.0
"""Largest log-odds, either way, that one kind of evidence may add."""
TRUST = 50.0
"""Persons that must be seen before the recording outweighs the defaults."""
WIDTH = 3.0
"""Standard deviation, around its default, of the weight of the views in different recordings."""
WEIGHTS = (0.5, 8.0)
SEEN = 0.8
"""Share of persons whom other views see too, before anything is known."""


@dataclass(frozen=True)
class PlaceModel:
    """Log-odds of a place: logistic regression on squares and products of the log densities.

    ``mean``, ``scale`` (F,) standardize the densities and ``weights`` (1 + Q,) act on ``expand``'s terms; ``low``
    and ``high`` are the teacher's means among others and persons, ``prior`` the log-odds of a person anywhere.
    """

    mean: Floats
    scale: Floats
    weights: Floats
    low: float
    high: float
    prior: float

    def evidence(self, densities: Floats) -> Floats:
        """(N,) log-odds that a place adds, within ``MOST``."""
        raw = logistic(_expand((densities - self.mean) / self.scale) @ self.weights)
        clean = np.clip((raw - self.low) / max(self.high - self.low, 1e-3), 1e-3, 1 - 1e-3)
        return np.clip(log_odds(clean) - self.prior, -MOST, MOST)


@dataclass(frozen=True)
class ViewModel:
    """Log-odds of the other views' support.

    A person whom others see too (a share ``seen`` of all) has support that is tilted by ``weight`` from that of
    candidates that are no persons; one whom only the own view sees has the same support as those. ``offset`` makes the
    likelihood ratio's mean among no persons 1.
    """

    weight: float
    offset: float
    seen: float

    def evidence(self, support: Floats, doubt: Floats | float = 0.0) -> Floats:
        """(N,) log-odds that support (N,) in [0, 1] adds, within ``MOST``; it never falls when support grows.

        Args:
            support: see ``others.support``.
            doubt: (N,) log-likelihood ratio, at most 0, of other instants in which others should have seen the person.
        """
        return np.clip(np.log(self._ratio(support, doubt)), -MOST, MOST)

    def tilt(self, support: Floats) -> Floats:
        """(N,) log-likelihood ratio of support (N,) for a person whom others see."""
        return self.weight * support - self.offset

    def seen_by_others(self, support: Floats) -> Floats:
        """(N,) probability that a person with this support is one whom others see."""
        return 1 - (1 - self.seen) / self._ratio(support)

    def _ratio(self, support: Floats, doubt: Floats | float = 0.0) -> Floats:
        return np.asarray(1 - self.seen + self.seen * np.exp(self.tilt(support) + doubt))


def fit_places(densities: Floats, teacher: Floats, counted: Floats) -> PlaceModel | None:
    """Fit the model of places.

    Args:
        densities: (N, F).
        teacher: (N,) existence by other evidence.
        counted: (N,) weight of each candidate.

    Returns:
        The model, or None where there are not enough persons and others to learn from.
    """
    persons, others = float(teacher.sum()), float((1 - teacher).sum())
    if min(persons, others) < TRUST:
        return None
    mean, scale = densities.mean(axis=0), np.maximum(densities.std(axis=0), 1e-3)
    terms = _expand((densities - mean) / scale)
    weights = _regress(terms, teacher, counted)
    high = float((teacher**2).sum() / persons)
    low = float((teacher * (1 - teacher)).sum() / others)
    return PlaceModel(mean, scale, weights, low, high, float(log_odds(teacher.mean())))


def fit_views(support: Floats, existence: Floats, default: float) -> ViewModel:
    """Learn what the support of other views is worth.

    Support of persons is distributed as that of others, tilted exponentially (Qin 1998); the likelihood ratio's mean
    among others is 1, as for every likelihood ratio, which sets the offset. The weight maximizes the likelihood of the
    mixture of both, with a normal prior around ``default`` that yields as there are more persons.

    Args:
        support: (N,) of candidates in whose instants there are other views.
        existence: (N,) by all other evidence.
        default: weight where nothing is known.
    """
    model = ViewModel(default, default / 2, SEEN)
    if len(support) == 0:
        return model
    others = 1 - existence + 1e-9
    for _ in range(STEPS):
        weight = model.weight
        tilted = others * np.exp(weight * support)
        model = ViewModel(weight, float(np.log(tilted.sum() / others.sum())), model.seen)
        posterior = logistic(log_odds(existence) + model.evidence(support))
        known = posterior * model.seen_by_others(support)
        centre = np.average(support, weights=tilted)
        spread = np.average((support - centre) ** 2, weights=tilted)
        gradient = known @ (support - centre) - TRUST * (weight - default) / WIDTH**2
        curvature = known.sum() * spread + TRUST / WIDTH**2
        seen = (known.sum() + TRUST * SEEN) / (posterior.sum() + TRUST)
        weight = float(np.clip(weight + np.clip(gradient / curvature, -1, 1), *WEIGHTS))
        model = ViewModel(weight, float(np.log(np.average(np.exp(weight * support), weights=others))), float(seen))
    return model


def _expand(x: Floats) -> Floats:
    """A constant, the columns, their squares and products, (N, 1 + F + F (F + 1) / 2)."""
    count = x.shape[1]
    products = [x[:, i] * x[:, j] for i in range(count) for j in range(i + 1)]
    return np.stack([np.ones(len(x)), *x.T, *products], axis=1)


def _regress(terms: Floats, target: Floats, counted: Floats) -> Floats:
    """Ridge logistic regression on soft targets, by Newton's method (Hastie et al. 2009, section 4.4.1)."""
    scale = np.maximum(terms.std(axis=0), 1e-6)
    scale[0] = 1
    terms = terms / scale
    ridge = np.full(terms.shape[1], RIDGE)
    ridge[0] = 1e-6
    weights = np.zeros(terms.shape[1])
    for _ in range(STEPS):
        p = logistic(terms @ weights)
        gradient = terms.T @ (counted * (p - target)) + ridge * weights
        hessian = (terms * (counted * p * (1 - p))[:, None]).T @ terms + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(weights / scale)
