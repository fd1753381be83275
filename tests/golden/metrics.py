#!/usr/bin/env python3
"""Writes tests/golden/metrics.json: what scikit-learn, imbalanced-learn and torchmetrics say of many small cases.

    pip install torch scikit-learn imbalanced-learn torchmetrics
    python3 tests/golden/metrics.py

Classes are often absent from targets or predictions, and scores often tie. Equal versions write equal files.
"""
import json
import pathlib
import warnings

import imblearn
import numpy as np
import sklearn
import torch
import torchmetrics
from imblearn.metrics import geometric_mean_score
from sklearn import metrics as sk
from torchmetrics import functional as tm

warnings.filterwarnings("ignore")  # of figures that are undefined: that is what the cases are for


def number(value):
    """JSON has no NaN."""
    value = float(value)
    return None if np.isnan(value) else value


def confusion_case(random):
    classes = int(random.integers(2, 6))
    rows = int(random.integers(1, 40))
    targets = random.integers(0, classes - random.integers(0, 2), rows)
    predictions = np.where(random.random(rows) < 0.5, targets, random.integers(0, classes, rows))
    labels = np.arange(classes)
    precision, recall, f1, _ = sk.precision_recall_fscore_support(targets, predictions, labels=labels, zero_division=0)

    def average(figure, kind, zero_division=0):
        return number(figure(targets, predictions, labels=labels, average=kind, zero_division=zero_division))

    return {
        "classes": classes,
        "targets": targets.tolist(),
        "predictions": predictions.tolist(),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "macro_precision": average(sk.precision_score, "macro"),
        "macro_recall": average(sk.recall_score, "macro"),
        "macro_f1": average(sk.f1_score, "macro"),
        "macro_f1_ones": average(sk.f1_score, "macro", 1),
        "macro_f1_skipped": average(sk.f1_score, "macro", np.nan),
        "weighted_precision": average(sk.precision_score, "weighted"),
        "weighted_f1": average(sk.f1_score, "weighted"),
        "accuracy": number(sk.accuracy_score(targets, predictions)),
        "balanced_accuracy": number(sk.balanced_accuracy_score(targets, predictions)),
        "mcc": number(sk.matthews_corrcoef(targets, predictions)),
        "kappa": number(sk.cohen_kappa_score(targets, predictions, labels=labels)),
        "kappa_linear": number(sk.cohen_kappa_score(targets, predictions, labels=labels, weights="linear")),
        "kappa_quadratic": number(sk.cohen_kappa_score(targets, predictions, labels=labels, weights="quadratic")),
        "g_mean": number(geometric_mean_score(targets, predictions, labels=labels, average="multiclass")),
    }


def probabilities(random, rows, classes):
    logits = np.round(2 * random.normal(size=(rows, classes))) / 2  # ties
    p = np.exp(logits)
    return p / p.sum(1, keepdims=True)


def ranking_case(random):
    classes = int(random.integers(2, 5))
    rows = int(random.integers(2, 40))
    # Each class but perhaps the last one occurs: without a class scikit-learn has no macro average.
    targets = np.concatenate([np.arange(classes - 1), random.integers(0, classes, rows)])
    p = probabilities(random, len(targets), classes)
    is_class = targets[:, None] == np.arange(classes)
    areas = [number(sk.roc_auc_score(y, s)) if 0 < y.sum() < len(y) else None for y, s in zip(is_class.T, p.T)]
    precisions = [number(sk.average_precision_score(y, s)) for y, s in zip(is_class.T, p.T)]
    y, scores = torch.tensor(targets), torch.tensor(p)
    complete = None not in areas
    # Bins are (l, r] here, as in Guo et al. 2017, and [l, r) in torchmetrics: a number of them such that none begins at
    # a confidence.
    top = p.max(1)
    bins = int(random.integers(1, 16))
    while np.abs(top * bins - np.round(top * bins)).min() < 1e-5:
        bins += 1
    return {
        "classes": classes,
        "targets": targets.tolist(),
        "scores": p.ravel().tolist(),
        "roc_auc": areas,
        "average_precision": precisions,
        "macro_roc_auc": number(np.mean(areas)) if complete else None,
        "weighted_roc_auc": number(np.average(areas, weights=is_class.sum(0))) if complete else None,
        "macro_roc_auc_torchmetrics": number(tm.auroc(scores, y, task="multiclass", num_classes=classes)),
        "micro_average_precision": number(sk.average_precision_score(is_class, p, average="micro")),
        "log_loss": number(sk.log_loss(targets, p, labels=np.arange(classes))),
        "brier": number(np.mean(np.sum((p - is_class) ** 2, 1))),
        "bins": bins,
        "ece_torchmetrics": number(tm.calibration_error(scores, y, task="multiclass", num_classes=classes, n_bins=bins)),
    }


def multilabel_case(random):
    labels = int(random.integers(1, 6))
    rows = int(random.integers(1, 30))
    targets = (random.random((rows, labels)) < 0.3).astype(int)
    scores = np.round(random.random((rows, labels)) * 8) / 8
    predictions = (scores > 0.6).astype(int)

    def average(figure, kind):
        # Of one label scikit-learn would take the matrix for one of two classes.
        if labels == 1 and kind != "samples":
            return number(figure(targets[:, 0], predictions[:, 0], zero_division=0))
        return number(figure(targets, predictions, average=kind, zero_division=0)) if labels > 1 else None

    areas = [number(sk.roc_auc_score(y, s)) if 0 < y.sum() < rows else None for y, s in zip(targets.T, scores.T)]
    return {
        "labels": labels,
        "targets": targets.ravel().tolist(),
        "scores": scores.ravel().tolist(),
        "predictions": predictions.ravel().tolist(),
        "macro_f1": average(sk.f1_score, "macro"),
        "micro_f1": average(sk.f1_score, "micro"),
        "micro_precision": average(sk.precision_score, "micro"),
        "weighted_f1": average(sk.f1_score, "weighted"),
        "samples_f1": average(sk.f1_score, "samples"),
        "samples_jaccard": average(sk.jaccard_score, "samples"),
        "subset_accuracy": number(np.mean((targets == predictions).all(1))),
        "hamming_loss": number(sk.hamming_loss(targets, predictions)),
        "roc_auc": areas,
        "average_precision": [number(sk.average_precision_score(y, s)) for y, s in zip(targets.T, scores.T)],
    }


def main():
    random = np.random.default_rng(6)
    golden = {
        "versions": {
            "scikit-learn": sklearn.__version__,
            "imbalanced-learn": imblearn.__version__,
            "torchmetrics": torchmetrics.__version__,
        },
        "confusion": [confusion_case(random) for _ in range(60)],
        "ranking": [ranking_case(random) for _ in range(40)],
        "multilabel": [multilabel_case(random) for _ in range(40)],
    }
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
