#!/usr/bin/env python3
"""Expected values of tests/metrics/entities_golden_test.cc, from seqeval and from the conlleval.pl that its source
distribution holds:

    pip install seqeval==1.2.2
    pip download --no-deps --no-binary :all: seqeval==1.2.2
    python3 tests/golden/entities.py seqeval-1.2.2.tar.gz > tests/golden/entities.json

The published example is the chunker's output at https://www.clips.uantwerpen.be/conll2000/chunking/output.html, as
in tests/data/ground_truth.txt of seqeval (MIT licence). Only its tags are taken, not the words.
"""
import importlib.metadata
import itertools
import json
import platform
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import warnings

from seqeval.metrics import classification_report
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from seqeval.metrics.v1 import precision_recall_fscore_support as strict_precision_recall_fscore_support
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

SCHEMES = {"IOB1": (IOB1, "BI"), "IOB2": (IOB2, "BI"), "BIOES": (IOBES, "BIES"), "BILOU": (BILOU, "BILU")}
IGNORED = -100


def member(distribution, path):
    name = next(name for name in distribution.getnames() if name.endswith("/" + path))
    return distribution.extractfile(name).read().decode()


def conlleval(script, targets, predictions):
    """What the script prints for sequences of tags."""
    lines = []
    for target, prediction in zip(targets, predictions):
        lines += [f"x {t} {p}" for t, p in zip(target, prediction)] + [""]
    with tempfile.NamedTemporaryFile("w", suffix=".pl") as file:
        file.write(script)
        file.flush()
        return subprocess.run(["perl", file.name], input="\n".join(lines) + "\n", capture_output=True, text=True,
                              check=True).stdout


def names_of(scheme, types):
    return ["O"] + [f"{prefix}-{name}" for name in types for prefix in SCHEMES[scheme][1]]


def in_bioes(sequences):
    """seqeval's default reading knows no L and U."""
    return [[{"L": "E", "U": "S"}.get(tag[0], tag[0]) + tag[1:] for tag in tags] for tags in sequences]


def kept(case, which):
    """The sequences of tags that remain without the ignored tokens, and the places of these tokens."""
    sequences, places = [], []
    for begin, end in zip(case["offsets"], case["offsets"][1:]):
        at = [i for i in range(begin, end) if case["targets"][i] != IGNORED]
        sequences.append([case["names"][case[which][i]] for i in at])
        places.append([i - begin for i in at])
    return sequences, places


def with_type_first(tags):
    return ["O" if tag == "O" else f"{tag[2:]}-{tag[0]}" for tag in tags]


def entities(case, which, strict):
    """Sequence, type, begin and end of each, in a row. Those of tags that have their type first are the same."""
    types = list(dict.fromkeys(name[2:] for name in case["names"] if name != "O"))
    sequences, places = kept(case, which)
    found = []
    for s, (tags, at) in enumerate(zip(sequences, places)):
        if strict:
            spans, others = [[(entity.tag, entity.start, entity.end - 1) for entity in Entities(
                [own], SCHEMES[case["scheme"]][0], suffix=suffix).entities[0]]
                for own, suffix in [(tags, False), (with_type_first(tags), True)]]
        else:
            spans = get_entities(in_bioes([tags])[0])
            others = get_entities(with_type_first(in_bioes([tags])[0]), suffix=True)
        assert spans == others
        for name, first, last in spans:
            found += [s, types.index(name), at[first], at[last] + 1]
    return found


def figures(case, strict):
    """Precision, recall and F1, each as micro, macro and weighted average; none without entities."""
    targets, predictions = kept(case, "targets")[0], kept(case, "predictions")[0]
    if not entities(case, "targets", strict) and not entities(case, "predictions", strict):
        return None
    result = []
    for average in ["micro", "macro", "weighted"]:
        if strict:
            scores = strict_precision_recall_fscore_support(targets, predictions, average=average,
                                                            scheme=SCHEMES[case["scheme"]][0])
        else:
            scores = precision_recall_fscore_support(in_bioes(targets), in_bioes(predictions), average=average)
        result += [round(float(score), 10) for score in scores[:3]]
    return result


def with_expected(case, script=None):
    for reading, strict in [("conlleval", False), ("strict", True)]:
        case[reading] = {which: entities(case, which, strict) for which in ["targets", "predictions"]}
        case[reading]["figures"] = figures(case, strict)
    if script:
        case["conlleval_report"] = conlleval(script, kept(case, "targets")[0], kept(case, "predictions")[0])
    return case


def all_sequences(scheme, types, length):
    """Every sequence of a length as a target, with another one as the prediction."""
    names = names_of(scheme, types)
    sequences = list(itertools.product(range(len(names)), repeat=length))
    others = sequences[7:] + sequences[:7]
    return {"scheme": scheme, "names": names, "offsets": list(range(0, length * len(sequences) + 1, length)),
            "targets": [tag for tags in sequences for tag in tags],
            "predictions": [tag for tags in others for tag in tags]}


def well_formed(rng, scheme, types, length):
    tags, last = [], None
    while len(tags) < length:
        name = rng.choice(types + [None])
        size = min(rng.choice([1, 1, 2, 3]), length - len(tags))
        if name is None:
            tags += ["O"] * size
        elif scheme == "IOB1":
            tags += [("B-" if last == name else "I-") + name] + ["I-" + name] * (size - 1)
        elif scheme == "IOB2":
            tags += ["B-" + name] + ["I-" + name] * (size - 1)
        else:
            end, single = ("E-", "S-") if scheme == "BIOES" else ("L-", "U-")
            tags += [single + name] if size == 1 else ["B-" + name] + ["I-" + name] * (size - 2) + [end + name]
        last = name
    return tags


def random_case(rng, scheme):
    types = ["PER", "ORG", "LOC-city", "X"][:rng.randint(1, 4)]
    names = names_of(scheme, types)
    rng.shuffle(names)
    present = rng.sample(types, rng.randint(0, len(types)))
    noise, error, ignored = rng.choice([0, 0.1, 0.5]), rng.choice([0, 0.1, 0.3, 1]), rng.choice([0, 0, 0.3])
    case = {"scheme": scheme, "names": names, "offsets": [0], "targets": [], "predictions": []}
    for _ in range(rng.randint(0, 6)):
        tags = well_formed(rng, scheme, present, rng.randint(0, 12))
        targets = [names.index(tag) if rng.random() >= noise else rng.randrange(len(names)) for tag in tags]
        case["predictions"] += [t if rng.random() >= error else rng.randrange(len(names)) for t in targets]
        case["targets"] += [t if rng.random() >= ignored else IGNORED for t in targets]
        case["offsets"].append(len(case["targets"]))
    return case


def published(text, script):
    """The example, in one scheme and with all of its expected texts."""
    targets, predictions = [[]], [[]]
    for line in text.splitlines():
        if line.strip():
            targets[-1].append(line.split()[-2])
            predictions[-1].append(line.split()[-1])
        elif targets[-1]:
            targets.append([])
            predictions.append([])
    names = {tag for tags in targets + predictions for tag in tags} - {"O"}
    names = ["O"] + sorted(names, key=lambda tag: (tag[2:], tag))
    return {
        "names": names,
        "offsets": list(itertools.accumulate(map(len, targets), initial=0)),
        "targets": [names.index(tag) for tags in targets for tag in tags],
        "predictions": [names.index(tag) for tags in predictions for tag in tags],
        "conlleval_report": conlleval(script, targets, predictions),
        "report": classification_report(targets, predictions, digits=4),
        "strict_report": classification_report(targets, predictions, digits=4, mode="strict", scheme=IOB2),
    }


def main():
    warnings.simplefilter("ignore")  # figures that are 0 / 0
    with tarfile.open(sys.argv[1]) as distribution:
        script = member(distribution, "tests/conlleval.pl")
        example = member(distribution, "tests/data/ground_truth.txt")
    rng = random.Random(1)
    # Those of IOB1 and IOB2 that the script reads too, and the others.
    read = [all_sequences("IOB1", ["A", "B"], 3), all_sequences("IOB2", ["A", "B"], 3)]
    read += [random_case(rng, scheme) for _ in range(10) for scheme in ["IOB1", "IOB2"]]
    cases = [all_sequences("BIOES", ["A"], 3), all_sequences("BIOES", ["A", "B"], 2)]
    cases += [random_case(rng, scheme) for _ in range(16) for scheme in SCHEMES]

    def dump(value):
        return json.dumps(value, separators=(",", ":"))

    versions = {name: importlib.metadata.version(name) for name in ["seqeval", "numpy"]}
    versions["conlleval.pl"] = re.search(r"version: *(\S+)", script).group(1)
    versions["python"] = platform.python_version()
    print('{"versions":' + dump(versions) + ',\n"published":' + dump(published(example, script)) + ',\n"cases":[')
    expected = [with_expected(case, script) for case in read] + [with_expected(case) for case in cases]
    print(",\n".join(map(dump, expected)) + "\n]}")


if __name__ == "__main__":
    main()
