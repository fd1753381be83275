#!/usr/bin/env python3
"""Tables of scikit-learn for synthetic_rows_table.cc, which compares ways to train on them: docs/synthetic_rows.md.

    pip install scikit-learn
    bazel build -c opt //benchmarks:synthetic_rows_table
    python3 benchmarks/synthetic_rows_table.py bazel-bin/benchmarks/synthetic_rows_table --set=digits [--seeds=40]
"""
import argparse
import subprocess
import sys
import tempfile

import numpy as np
import sklearn
from sklearn import datasets

SETS = {"digits": datasets.load_digits, "breast_cancer": datasets.load_breast_cancer, "wine": datasets.load_wine}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="what Bazel built of //benchmarks:synthetic_rows_table")
    parser.add_argument("--set", choices=SETS, default="digits")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--imbalance", type=float, default=10)
    options = parser.parse_args()
    rows, labels = SETS[options.set](return_X_y=True)
    name = f"{options.set} of scikit-learn {sklearn.__version__}, {options.imbalance:g} : 1, {options.seeds} seeds"
    print(name + "\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        rows.astype(np.float32).tofile(f"{folder}/rows")
        labels.astype(np.int64).tofile(f"{folder}/labels")
        command = [options.program, f"--rows={folder}/rows", f"--labels={folder}/labels"]
        command += [f"--seeds={options.seeds}", f"--imbalance={options.imbalance}"]
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
