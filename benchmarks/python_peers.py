#!/usr/bin/env python3
"""The library against scikit-learn and imbalanced-learn, both sides in turn, medians and their ratios:

    pip install scikit-learn imbalanced-learn
    bazel build -c opt //benchmarks:python_peers
    python3 benchmarks/python_peers.py bazel-bin/benchmarks/python_peers [--rows=1000000] [--rounds=9]

Labels are of ten classes whose sizes fall by a factor of 1.5, in random order. Each side gets them as an array of
64-bit integers; predictions and scores are made of them by the same formula. Reading files and starting programs is not
measured.
"""
import argparse
import statistics
import subprocess
import sys
import tempfile
import time

import imblearn
import numpy as np
import sklearn
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score
from sklearn.model_selection import train_test_split

CLASSES = 10


def works(labels):
    """Name, what does it, and the least ratio that the project sets itself."""
    rows = np.arange(len(labels)).reshape(-1, 1)
    predictions = labels.copy()
    predictions[::4] = (predictions[::4] + 1) % CLASSES
    targets = (labels == 0).astype(np.int64)
    spread = np.arange(len(labels)) * 0.6180339887498949
    scores = spread - np.floor(spread) + 0.3 * targets
    return [
        ("oversample", lambda: RandomOverSampler(random_state=1).fit_resample(rows, labels), 10),
        ("undersample", lambda: RandomUnderSampler(random_state=1).fit_resample(rows, labels), 10),
        ("stratified split", lambda: train_test_split(rows[:, 0], test_size=0.2, stratify=labels, random_state=1), 10),
        ("precision, recall, F1", lambda: precision_recall_fscore_support(labels, predictions), 50),
        ("ROC AUC", lambda: roc_auc_score(targets, scores), 3),
        ("average precision", lambda: average_precision_score(targets, scores), 3),
    ]


def seconds_of_peer(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="what Bazel built of //benchmarks:python_peers")
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()

    shares = 1.5 ** -np.arange(CLASSES)
    labels = np.random.default_rng(1).choice(CLASSES, options.rows, p=shares / shares.sum())
    print(f"scikit-learn {sklearn.__version__}, imbalanced-learn {imblearn.__version__}, {options.rows} rows; medians\n")
    print(f"{'work':<21} {'peer':>10} {'ours':>10} {'ratio':>7} {'bar':>5}")
    with tempfile.NamedTemporaryFile() as file:
        labels.astype(np.int64).tofile(file.name)
        for name, work, bar in works(labels):
            peer, ours = [], []
            for _ in range(options.rounds):
                peer.append(seconds_of_peer(work))
                command = [options.program, f"--labels={file.name}", f"--classes={CLASSES}", f"--work={name}"]
                lines = subprocess.run(command + ["--repeats=3"], check=True, capture_output=True, text=True).stdout
                ours += [float(line) for line in lines.split()]
            peer_median, our_median = statistics.median(peer), statistics.median(ours)
            ratio = peer_median / our_median
            note = "" if ratio >= bar else "  below the bar"
            print(f"{name:<21} {peer_median * 1e3:>7.1f} ms {our_median * 1e3:>7.1f} ms {ratio:>6.1f}x {bar:>4}x{note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
