#!/usr/bin/env python3
"""Writes tests/golden/resampling.json: what imbalanced-learn keeps and makes of 200 random sets and three real ones;
and resampling_nominal.json: what it makes of 60 random sets of categories and a real one.

    pip install scikit-learn imbalanced-learn==0.14.2
    python3 tests/golden/resampling.py

Random sets have whole numbers, so that distances are exact, and none in which a row is equally far from two others: of
these imbalanced-learn takes whichever its search happens to find first. The third real set has such rows; there the
search that it is given takes the one of lower number. Sets of categories have no row that is equally far from two
others of its class, to nine digits. Equal versions write equal files.
"""
import json
import pathlib
import warnings
from unittest import mock

import imblearn
import numpy as np
import sklearn
from imblearn import over_sampling, under_sampling
from imblearn.metrics.pairwise import ValueDifferenceMetric
from imblearn.over_sampling import _adasyn
from sklearn import datasets
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import NearestNeighbors

NEIGHBOUR_SETS = 50  # random ones with lists of neighbours, which take the most room

warnings.filterwarnings("ignore")  # of NearMiss-3 with fewer candidates than rows asked for


def squared_distances(a, b):
    return ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)


class LowerNumberFirst(NearestNeighbors):
    """The exact search, in which a row's nearest is itself and of equally distant rows the lower number comes first."""

    def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
        distances = squared_distances(X, self._fit_X)
        is_own = (X[:, None, :] == self._fit_X[None, :, :]).all(axis=2)
        # The k-th of several equal queries is the k-th of the equal rows.
        seen = {}
        for i, row in enumerate(X):
            own = np.flatnonzero(is_own[i])
            place = seen.get(row.tobytes(), 0)
            seen[row.tobytes()] = place + 1
            if len(own) > 0:
                distances[i, own[min(place, len(own) - 1)]] = -1
        order = np.argsort(distances, axis=1, kind="stable")[:, : n_neighbors or self.n_neighbors]
        found = np.sqrt(np.maximum(np.take_along_axis(distances, order, axis=1), 0))
        return (found, order) if return_distance else order


class OfTheRow(ClassifierMixin, BaseEstimator):
    """Probabilities that depend on the row alone, so that folds do not matter, and that often tie."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        scores = np.stack([np.cos(np.arange(1, X.shape[1] + 1) @ X.T * (c + 1)) for c in range(len(self.classes_))])
        return np.round((np.exp(scores) / np.exp(scores).sum(axis=0)).T, 2)

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


def kept(sampler, X, y):
    """A digit per row, 1 if it remains, or null where there are not enough."""
    try:
        sampler.fit_resample(X, y)
    except ValueError as error:
        assert "n_neighbors" in str(error) or "more than 1 class" in str(error), error
        return None
    remaining = np.zeros(len(y), dtype=int)
    remaining[sampler.sample_indices_] = 1
    return "".join(map(str, remaining))


def cleaned(X, y, neighbours):
    """`neighbours(k)` is what imbalanced-learn is to search k neighbours with."""
    under = under_sampling
    near = {"n_neighbors": neighbours(4)}
    return {
        "tomek": kept(under.TomekLinks(), X, y),
        "tomek_all": kept(under.TomekLinks(sampling_strategy="all"), X, y),
        "edited_all": kept(under.EditedNearestNeighbours(**near), X, y),
        "edited_mode": kept(under.EditedNearestNeighbours(kind_sel="mode", **near), X, y),
        "edited_every_class": kept(under.EditedNearestNeighbours(sampling_strategy="all", **near), X, y),
        "edited_majority": kept(under.EditedNearestNeighbours(sampling_strategy="majority", **near), X, y),
        "repeated_all": kept(under.RepeatedEditedNearestNeighbours(**near), X, y),
        "repeated_mode": kept(under.RepeatedEditedNearestNeighbours(kind_sel="mode", **near), X, y),
        "all_neighbours": kept(under.AllKNN(**near), X, y),
        "all_neighbours_minority": kept(under.AllKNN(kind_sel="mode", allow_minority=True, **near), X, y),
        "cleaning_rule": kept(under.NeighbourhoodCleaningRule(), X, y),
        "near_miss_1": kept(under.NearMiss(version=1), X, y),
        "near_miss_2": kept(under.NearMiss(version=2), X, y),
        "near_miss_3": kept(under.NearMiss(version=3), X, y),
    }


def one_sided(X, y):
    chosen = {}
    sampler = under_sampling.OneSidedSelection(random_state=1, n_seeds_S=2)
    random = np.random.RandomState(1)
    counts = np.bincount(y)
    first = [[] for _ in counts]
    for c in range(len(counts)):
        if c == counts.argmin():
            continue
        first[c] = [int(i) for i in np.flatnonzero(y == c)[random.randint(0, counts[c], size=2)]]
    chosen["first"] = first
    chosen["kept"] = kept(sampler, X, y)
    return chosen


def hardness(X, y):
    probabilities = OfTheRow().fit(X, y).predict_proba(X)[np.arange(len(y)), y]
    sampler = under_sampling.InstanceHardnessThreshold(estimator=OfTheRow(), random_state=0, cv=2)
    return {"probabilities": probabilities.tolist(), "kept": kept(sampler, X, y)}


def adaptive(X, y):
    """How many rows ADASYN makes of each row of each class that it makes rows of."""
    counts = []
    repeat = np.repeat

    def recorded(rows, times):
        counts.append([int(n) for n in times])
        return repeat(rows, times)

    try:
        with mock.patch.object(_adasyn.np, "repeat", recorded):
            over_sampling.ADASYN(random_state=0).fit_resample(X, y)
    except (RuntimeError, ValueError) as error:
        assert "ADASYN is not suited" in str(error) or "No samples" in str(error), error
        return None
    return counts


def danger(X, y):
    sampler = over_sampling.BorderlineSMOTE(random_state=0)
    sampler.fit_resample(X, y)
    return {str(c): [int(i) for i in rows] for c, rows in sampler.in_danger_indices.items()}


def drawn_from(sampler, X, y):
    """The neighbours that a kind of SMOTE draws from, as numbers within the class, and how many rows it makes."""
    found = []
    make = over_sampling.SMOTE._make_samples

    def recorded(self, X, y_dtype, y_type, nn_data, nn_num, n_samples, *arguments, **keywords):
        found.append({"neighbours": nn_num.tolist(), "rows": int(n_samples)})
        return make(self, X, y_dtype, y_type, nn_data, nn_num, n_samples, *arguments, **keywords)

    with mock.patch.object(type(sampler), "_make_samples", recorded):
        sampler.fit_resample(X, y)
    return found


class Given(BaseEstimator):
    """Clusters that are known."""

    def __init__(self, clusters=None, n_clusters=3):
        self.clusters = clusters
        self.n_clusters = n_clusters

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return self.clusters

    def fit_predict(self, X, y=None):
        return self.clusters


def in_clusters(X, y, random):
    clusters = random.integers(0, 3, len(y))
    sampler = over_sampling.KMeansSMOTE(kmeans_estimator=Given(clusters), random_state=0)
    try:
        groups = drawn_from(sampler, X, y)
    except RuntimeError as error:
        assert "No clusters found" in str(error), error
        groups = None
    return {"clusters": clusters.tolist(), "groups": groups}


def with_categories(X, y, random):
    """Two columns of categories behind the others."""
    categories = random.integers(0, [3, 2], (len(y), 2))
    columns = [X.shape[1], X.shape[1] + 1]
    sampler = over_sampling.SMOTENC(categorical_features=columns, random_state=0)
    groups = drawn_from(sampler, np.hstack([X, categories]), y)
    return {"categories": categories.tolist(), "groups": groups}


def made(X, y, random):
    return {
        "one_sided": one_sided(X, y),
        "hardness": hardness(X, y),
        "adasyn": adaptive(X, y),
        "danger": danger(X, y),
        "smote": drawn_from(over_sampling.SMOTE(random_state=0), X, y),
        "clustered": in_clusters(X, y, random),
        "nominal": with_categories(X, y, random),
    }


def has_ties(X):
    distances = np.sort(squared_distances(X, X), axis=1)
    return bool((np.diff(distances, axis=1) == 0).any())


def random_set(random):
    while True:
        classes = int(random.integers(2, 5))
        columns = int(random.integers(1, 7))
        counts = random.permutation(7 + random.choice(30, classes, replace=False))
        y = random.permutation(np.repeat(np.arange(classes), counts))
        centres = random.normal(size=(classes, columns)) * random.uniform(0, 2)
        X = np.rint((centres[y] + random.normal(size=(len(y), columns))) * 2000)
        if columns == 1:
            X = np.rint(X * 500)
        if not has_ties(X):
            return X, y


def real_sets():
    wine = datasets.load_wine()
    yield "wine", wine.data, wine.target, False
    cancer = datasets.load_breast_cancer()
    yield "breast cancer", cancer.data, cancer.target, False
    iris = datasets.load_iris()
    rows = np.concatenate([np.arange(15), np.arange(50, 90), np.arange(100, 150)])
    yield "iris", iris.data[rows], iris.target[rows], True


class EachInTurn(np.random.RandomState):
    """Draws every row once, in order."""

    def choice(self, a, size=None, replace=True, p=None):
        return np.arange(len(a))


def nominal(X, y):
    """Of each class that SMOTE-N makes rows of: each row's neighbours, as numbers within the class and without itself,
    and the categories of the rows made of it, null where several are equally frequent."""
    found = {}
    sampler = over_sampling.SMOTEN(random_state=EachInTurn(0))
    make = over_sampling.SMOTEN._make_samples

    def recorded(self, X_class, klass, y_dtype, nn_indices, n_samples):
        made, labels = make(self, X_class, klass, y_dtype, nn_indices, n_samples)
        categories = self.categorical_encoder_.inverse_transform(made).tolist()
        for row, near in enumerate(nn_indices):
            assert near[0] == row
            for column in range(X_class.shape[1]):
                votes = np.sort(np.bincount(X_class[near, column]))[::-1]
                if len(votes) > 1 and votes[0] == votes[1]:
                    categories[row][column] = None
        found[int(klass)] = {"neighbours": nn_indices[:, 1:].tolist(), "categories": categories, "rows": int(n_samples)}
        return made[:n_samples], labels[: len(made)]

    with mock.patch.object(over_sampling.SMOTEN, "_make_samples", recorded):
        sampler.fit_resample(X, y)
    return found


def has_nominal_ties(X, y):
    metric = ValueDifferenceMetric().fit(X, y)
    for c in np.unique(y):
        distances = np.sort(metric.pairwise(X[y == c]), axis=1)
        if (np.diff(distances, axis=1)[:, :6] < 1e-9).any():
            return True
    return False


def random_categories(random):
    while True:
        classes = int(random.integers(2, 4))
        columns = int(random.integers(4, 9))
        counts = random.permutation(7 + random.choice(20, classes, replace=False))
        y = random.permutation(np.repeat(np.arange(classes), counts))
        X = random.integers(0, 6, (len(y), columns))
        X = np.where(random.random(X.shape) < 0.5, (X + y[:, None]) // 2, X)
        if not has_nominal_ties(X, y):
            return X, y


def nominal_sets():
    random = np.random.default_rng(2)
    for i in range(60):
        yield f"random {i}", *random_categories(random)
    wine = datasets.load_wine()
    parts = np.quantile(wine.data, np.arange(1, 8) / 8, axis=0)
    X = np.stack([np.searchsorted(parts[:, d], wine.data[:, d]) for d in range(wine.data.shape[1])], axis=1)
    assert not has_nominal_ties(X, wine.target)
    yield "wine in eighths", X, wine.target


def text(X):
    return [[int(v) if v == int(v) else float(v) for v in row] for row in X]


def main():
    random = np.random.default_rng(1)
    cases = []
    for i in range(200):
        X, y = random_set(random)
        expected = {**cleaned(X, y, lambda k: k - 1), **made(X, y, random)}
        if i >= NEIGHBOUR_SETS:
            del expected["smote"], expected["nominal"]
        cases.append({"name": f"random {i}", "rows": text(X), "labels": y.tolist(), **expected})
    for name, X, y, ties in real_sets():
        by_number = cleaned(X, y, lambda k: LowerNumberFirst(n_neighbors=k))
        expected = {k: v for k, v in by_number.items() if k.startswith(("edited", "repeated", "all"))}
        if not ties:
            own = cleaned(X, y, lambda k: k - 1)
            assert own == by_number, name
            expected = {**own, **made(X, y, random)}
        cases.append({"name": name, "rows": text(X), "labels": y.tolist(), **expected})
    write("resampling.json", cases)
    nominal_cases = []
    for name, X, y in nominal_sets():
        case = {"name": name, "rows": X.tolist(), "labels": y.tolist(), "classes": nominal(X, y)}
        nominal_cases.append(case)
    write("resampling_nominal.json", nominal_cases)


def write(name, cases):
    file = pathlib.Path(__file__).with_name(name)
    versions = {"imbalanced-learn": imblearn.__version__, "scikit-learn": sklearn.__version__}
    head = json.dumps({"versions": versions})[:-1]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    file.write_text(f'{head}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
