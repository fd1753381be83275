#!/usr/bin/env python3
"""Writes answers.json: exact match and F1 of answers, and the forms in which they are compared.

    python3 tests/golden/answers.py > tests/golden/answers.json

Needs torchmetrics. The same versions write the same file.

squad, squad_unicode
    Generated answers with several references; scores by torchmetrics.text.SQuAD, in single precision. Its F1 follows
    SQuAD 2.0 in that two empty answers agree; it is given the references as SQuAD 2.0 takes them, without those whose
    form is empty where a question has others. squad is all ASCII.
mlqa
    Generated answers and references by language; forms and scores by the rules of MLQA as they are written down below.
characters
    What Python makes of each code point of the Basic Multilingual Plane. kinds and sigma are run lengths: "u" not
    assigned; "w" letter or number, "p" punctuation, "s" white space; "c" cased and "i" skipped beside a capital sigma;
    "o" anything else.
"""

import collections
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

ARTICLES = {
    "en": "a an the",
    "es": "un una unos unas el la los las",
    "de": "ein eine einen einem eines einer der die das den dem des",
    "vi": "c\u1ee7a l\u00e0 c\u00e1i chi\u1ebfc nh\u1eefng",
}

# What answers are put together from, by language: articles, words in several cases, numbers, marks, symbols, and
# punctuation of the script.
PIECES = {
    "en": ["the", "The", "a", "A", "an", "theory", "Athens", "cat's", "U.S.", "3.14", "\u201cthe\u201d", "na\u00efve",
           "\u0130zmir", "$5", "\u20ac7", "x^2", "state-of-the-art", "a\u0301", "_the_", "e\u2013the"],
    "es": ["el", "La", "los", "UNAS", "una", "unidad", "Espa\u00f1a", "\u00bfqu\u00e9?", "\u00a1s\u00ed!", "n.\u00ba",
           "la\u0301piz", "\u00c9l", "1.\u00aa", "\u00ablas\u00bb", "del", "LAS3"],
    "de": ["Der", "die", "DAS", "einen", "eines", "einerlei", "Stra\u00dfe", "STRA\u1e9eE", "\u201eden\u201c",
           "\u00dcber", "Sankt-Georg", "10.", "dem_", "des", "U-Bahn"],
    "vi": ["c\u1ee7a", "C\u1ee6A", "L\u00e0", "l\u00e0m", "c\u00e1i", "chi\u1ebfc", "nh\u1eefng", "Vi\u1ec7t", "Nam",
           "c\u0309ua", "cu\u0309a", "la\u0300", "H\u00e0 N\u1ed9i", "\u0110\u1ee9c", "1975,"],
    "ar": ["\u0627\u0644\u0643\u062a\u0627\u0628", "\u0643\u062a\u0627\u0628", "\u0633\u0624\u0627\u0644",
           "\u0627\u0644\u0644\u0647", "\u0648\u0627\u0644\u0628\u064a\u062a", "\u061f", "\u060c", "\u061b",
           "\u0627\u064e\u0644\u0643", "\u0661\u0662\u066a", "\u0627", "\u0644", "Al", "\u0627\u0644", "\u00ab"],
    "hi": ["\u092d\u093e\u0930\u0924", "\u0915\u0940", "\u0930\u093e\u091c\u0927\u093e\u0928\u0940",
           "\u0926\u093f\u0932\u094d\u0932\u0940\u0964", "\u0965", "\u0967\u0968", "Delhi", "the", "(\u0939\u0948)",
           "\u0939\u0948\u0902", "\u0921\u0949.", "\u0970"],
    "zh": ["\u5317\u4eac", "\u5927\u5b66", "\uff0c", "\u3002", "\u300a\u7ea2\u697c\u68a6\u300b", "NBA\u7403\u961f",
           "2008\u5e74", "\u9fa5\u9fa6", "\u3400", "\U00020000", "\u304b\u306a", "A\u80a1", "\uff21\uff22", "\u00b7",
           "\u3000", "\u4e00"],
    "sw": ["Mto", "Nile", "wa", "la", "the", "ng'ombe", "Juma\u2019s", "1964", "\u00d4", "-"],
    "ko": ["\uc11c\uc6b8", "\ud2b9\ubcc4\uc2dc,", "\u1112\u1161\u11ab", "\u300a", "2002\ub144", "FIFA", "\u00b7",
           "(\u97d3)"],
    "el": ["\u039f\u0394\u039f\u03a3", "\u03a3", "\u039f\u03a3\u2019", "\u0391\u03a3\u0395", "A\u03a3", "1\u03a3",
           "\u03a6\u0399\u039b\u039f\u03a3.", "\u1f08\u03b8\u1fc6\u03bd\u03b1\u03b9", "\u00aa\u03a3",
           "\u03a3\u0301\u0391"],
}
GAPS = [" ", " ", " ", " ", "", "  ", "\t", "\n", "\u00a0", "\u2003", "\x1c", "\u200b"]

ASCII_PIECES = ["a", "A", "an", "The", "the", "THE", "cat", "Cat", "cats", "dog", "dog", "New", "York", "N.Y.", "an.",
                "don't", "state-of-the-art", "1,000", "42", "$5", "a1",
                "(the)", "_", "...", "\x01", "a\x01b", "the\x7f"]
ASCII_GAPS = [" ", " ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\x0b", "\x0c", "\x1f", "", "-"]


def is_punctuation(character):
    return unicodedata.category(character).startswith("P") or character in string.punctuation


def mlqa_form(text, language):
    text = "".join(c for c in text.lower() if not is_punctuation(c))
    if language in ARTICLES:
        text = re.sub(r"\b(?:%s)\b" % ARTICLES[language].replace(" ", "|"), " ", text)
    if language == "ar":
        text = text.replace("\u0627\u0644", " ")
    if language == "zh":
        text = re.sub("([\u4e00-\u9fa5])", r" \1 ", text)
    return " ".join(text.split())


def squad_form(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", text).split())


def f1_of_forms(prediction, reference):
    """As in SQuAD 1.1 and MLQA: 0 where there is no token in common."""
    counts = [collections.Counter(form.split()) for form in (prediction, reference)]
    common = sum(min(n, counts[1][token]) for token, n in counts[0].items())
    return 2 * common / (sum(counts[0].values()) + sum(counts[1].values())) if common else 0.0


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


def mlqa_cases(seed, count):
    result = {}
    for language, choices in PIECES.items():
        rng = random.Random(f"{seed} {language}")
        cases = []
        for i in range(count):
            pieces = [rng.choice(choices) for _ in range(rng.randrange(6) if i else 0)]
            texts = [join(rng, mutate(rng, pieces, choices), GAPS), join(rng, pieces, GAPS)]
            forms = [mlqa_form(text, language) for text in texts]
            cases.append({"texts": texts, "forms": forms, "exact_match": float(forms[0] == forms[1]),
                          "f1": f1_of_forms(*forms)})
        result[language] = cases
    return result


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


def sigma_kind(character):
    if unicodedata.category(character) in ("Cn", "Cs"):
        return "u"
    if (character + "\u03a3").lower().endswith("\u03c2"):
        return "c"
    return "i" if ("A" + character + "\u03a3").lower().endswith("\u03c2") else "o"


def characters():
    plane = [chr(i) for i in range(0x10000)]
    changed = [c for c in plane if c.lower() != c and len(c.lower()) == 1]
    return {
        "kinds": run_lengths("".join(map(kind, plane))),
        "sigma": run_lengths("".join(map(sigma_kind, plane))),
        "upper": "".join(changed),
        "lower": "".join(c.lower() for c in changed),
    }


def lines(value, depth):
    """JSON with the containers down to a depth spread over lines."""
    if depth == 0 or not isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[\n" + ",\n".join(lines(v, depth - 1) for v in value) + "\n]"
    return "{\n" + ",\n".join(f"{json.dumps(k)}: {lines(v, depth - 1)}" for k, v in value.items()) + "\n}"


def main():
    every_piece = [piece for pieces in PIECES.values() for piece in pieces]
    golden = {
        "tools": {
            "python": platform.python_version(),
            "unicode": unicodedata.unidata_version,
            "torch": torch.__version__,
            "torchmetrics": torchmetrics.__version__,
        },
        "squad": squad_cases(1, 120, ASCII_PIECES, ASCII_GAPS),
        "squad_unicode": squad_cases(2, 40, every_piece, GAPS),
        "mlqa": mlqa_cases(3, 25),
        "characters": characters(),
    }
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    print(lines(golden, 3))


if __name__ == "__main__":
    main()
