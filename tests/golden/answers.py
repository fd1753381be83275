#!/usr/bin/env python3
"""Writes answers.json: exact match and F1 of answers, and kinds of characters.

    python3 tests/golden/answers.py > tests/golden/answers.json

Needs torchmetrics. The same versions write the same file.

squad
    Generated answers with several references; scores by torchmetrics.text.SQuAD, in single precision. Its F1 follows
    SQuAD 2.0 in that two empty answers agree; it is given the references as SQuAD 2.0 takes them, without those whose
    form is empty where a question has others. All is ASCII.
characters
    The kind of each code point of the Basic Multilingual Plane in Python, as run lengths: "u" not assigned, "w" letter
    or number, "p" punctuation, "s" white space, "o" anything else.
"""

import json
import platform
import random
import re
import string
import sys
import unicodedata

import torch
import torchmetrics
from torchmetrics.text import SQuAD

ASCII_PIECES = ["a", "A", "an", "The", "the", "THE", "cat", "Cat", "cats", "dog", "dog", "New", "York", "N.Y.", "an.",
                "don't", "state-of-the-art", "1,000", "42", "$5", "a1",
                "(the)", "_", "...", "\x01", "a\x01b", "the\x7f"]
ASCII_GAPS = [" ", " ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\x0b", "\x0c", "\x1f", "", "-"]


def squad_form(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", text).split())


def join(rng, pieces, gaps):
    text = rng.choice(["", "", " "])
    for i, piece in enumerate(pieces):
        text += (rng.choice(gaps) if i > 0 else "") + piece
    return text


def mutate(rng, pieces, choices):
    """Some of the pieces, some twice, some others, perhaps in another order."""
    result = []
    for piece in pieces:
        action = rng.randrange(8)
        if action > 0:
            result.append(rng.choice(choices) if action == 1 else piece)
        if action == 2:
            result.append(piece)
    if rng.randrange(4) == 0:
        rng.shuffle(result)
    return result


def squad_cases(seed, count, choices, gaps):
    rng = random.Random(seed)
    cases = []
    metric = SQuAD()
    for i in range(count):
        pieces = [rng.choice(choices) for _ in range(rng.randrange(7))]
        references = [join(rng, mutate(rng, pieces, choices), gaps) for _ in range(1 + rng.randrange(4))]
        prediction = rng.choice(references) if i % 5 == 0 else join(rng, pieces, gaps)
        prediction = prediction.swapcase() if i % 10 == 0 else prediction
        kept = [r for r in references if squad_form(r)] or [""]
        one = SQuAD()
        question = ([{"prediction_text": prediction, "id": "q"}],
                    [{"answers": {"answer_start": [0] * len(kept), "text": kept}, "id": "q"}])
        one.update(*question)
        metric.update(*question)
        scores = {name: round(value.item() / 100, 8) for name, value in one.compute().items()}
        cases.append({"prediction": prediction, "references": references, **scores})
    total = {name: round(value.item() / 100, 8) for name, value in metric.compute().items()}
    return {"total": total, "cases": cases}


def run_lengths(letters):
    return "".join(f"{m.group(1)}{len(m.group(0))}" for m in re.finditer(r"(.)\1*", letters))


def kind(character):
    category = unicodedata.category(character)
    if category in ("Cn", "Cs"):
        return "u"
    if not character.split():
        return "s"
    if re.match(r"\w", character) and character != "_":
        return "w"
    return "p" if category.startswith("P") else "o"


def characters():
    return {"kinds": run_lengths("".join(kind(chr(i)) for i in range(0x10000)))}


def lines(value, depth):
    """JSON with the containers down to a depth spread over lines."""
    if depth == 0 or not isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[\n" + ",\n".join(lines(v, depth - 1) for v in value) + "\n]"
    return "{\n" + ",\n".join(f"{json.dumps(k)}: {lines(v, depth - 1)}" for k, v in value.items()) + "\n}"


def main():
    golden = {
        "tools": {
            "python": platform.python_version(),
            "unicode": unicodedata.unidata_version,
            "torch": torch.__version__,
            "torchmetrics": torchmetrics.__version__,
        },
        "squad": squad_cases(1, 120, ASCII_PIECES, ASCII_GAPS),
        "characters": characters(),
    }
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    print(lines(golden, 3))


if __name__ == "__main__":
    main()
