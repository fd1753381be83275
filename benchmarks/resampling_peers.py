#!/usr/bin/env python3
"""What resamples rows of features, against imbalanced-learn, both sides in turn and on one thread; least times, ratios:

    pip install scikit-learn imbalanced-learn==0.14.2
    bazel build -c opt //benchmarks:resampling_peers
    python3 benchmarks/resampling_peers.py bazel-bin/benchmarks/resampling_peers [--rounds=3] [--set=20000x16] [--work=...]

Rows are floats, of two clouds half a standard deviation apart in every column. Reading files and starting programs is
not measured, and allocating what is returned is, by both sides in large pages where the system has them.
"""
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import subprocess
import sys
import tempfile
import time
import warnings

import imblearn
import numpy as np
import sklearn
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
from imblearn.under_sampling import EditedNearestNeighbours, NearMiss, TomekLinks

warnings.filterwarnings("ignore")

SETS = {"20000x16": (20000, 16, 0.05), "20000x384": (20000, 384, 0.05), "100000x32": (100000, 32, 0.02)}
# What does it, and the least ratio that the project sets itself.
WORKS = {
    "SMOTE": (lambda: SMOTE(random_state=1), 2),
    "Borderline-SMOTE": (lambda: BorderlineSMOTE(random_state=1), 2),
    "ADASYN": (lambda: ADASYN(random_state=1), 2),
    "SMOTE, recipes alone": (lambda: SMOTE(random_state=1), None),
    "SMOTE, neighbours alone": (lambda: SMOTE(random_state=1), None),
    "Tomek links": (lambda: TomekLinks(), {"20000x16": 3, "20000x384": 1, "100000x32": 2}),
    "edited neighbours": (lambda: EditedNearestNeighbours(), {"20000x16": 3, "20000x384": 1, "100000x32": 2}),
    "NearMiss": (lambda: NearMiss(), None),
}


def data(rows, columns, share):
    random = np.random.default_rng(1)
    labels = np.zeros(rows, dtype=np.int64)
    labels[random.choice(rows, int(rows * share), replace=False)] = 1
    values = random.standard_normal((rows, columns), dtype=np.float32) + np.float32(0.5) * labels[:, None]
    return values.astype(np.float32), labels


def seconds_of_peer(sampler, values, labels):
    start = time.perf_counter()
    sampler().fit_resample(values, labels)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="what Bazel built of //benchmarks:resampling_peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", choices=SETS, help="by default all")
    parser.add_argument("--work", action="append", choices=WORKS, help="by default all")
    options = parser.parse_args()
    print(f"scikit-learn {sklearn.__version__}, imbalanced-learn {imblearn.__version__}, one thread; least times\n")
    print(f"{'rows':<10} {'work':<24} {'peer':>11} {'ours':>11} {'ratio':>7} {'bar':>4}")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.set or SETS:
            values, labels = data(*SETS[name])
            values.tofile(f"{folder}/rows")
            labels.tofile(f"{folder}/labels")
            for work in options.work or WORKS:
                sampler, bar = WORKS[work]
                peer, ours = [], []
                for _ in range(options.rounds):
                    peer.append(seconds_of_peer(sampler, values, labels))
                    command = [options.program, f"--rows={folder}/rows", f"--labels={folder}/labels"]
                    command += [f"--work={work}", "--repeats=2"]
                    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                    ours += [float(line) for line in lines.split()]
                least = bar[name] if isinstance(bar, dict) else bar
                theirs, own = min(peer), min(ours)
                note = "  below the bar" if least and theirs / own < least else ""
                shown = f"{least}x" if least else ""
                print(f"{name:<10} {work:<24} {theirs * 1e3:>8.1f} ms {own * 1e3:>8.1f} ms {theirs / own:>6.1f}x "
                      f"{shown:>4}{note}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
