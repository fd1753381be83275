#!/usr/bin/env python3
"""Writes what a reference implementation makes of texts, and a small encoder to try it with.

    python3 tests/golden/encoder.py small tests/golden/encoder
    python3 tests/golden/encoder.py model DIRECTORY > tests/golden/encoder/minilm.json
    python3 tests/golden/encoder.py lines DIRECTORY FILE ... > tests/golden/encoder/lines.txt

Needs transformers, tokenizers and torch; the same versions write the same files.

small   A BERT of two layers of 16 with random parameters and a vocabulary of its own: config.json, vocab.txt,
        model.safetensors; pieces.json, the pieces of texts; states.json, its hidden states.
model   Hidden states of the encoder in DIRECTORY on the same texts: a part of the numbers of three pieces of each.
lines   Of the first column of every 20th line of tables with tabs, up to 2,000: a checksum of its pieces.
"""

import json
import pathlib
import random
import sys
import zlib

import safetensors.torch
import tokenizers
import torch
import transformers

TEXTS = [
    "Hello, world!", "the cat sat on the mat", "It's NOT what I'd call \u201cfine\u201d\u2026", "", "   ", "na\u00efve caf\u00e9 r\u00e9sum\u00e9",
    "\u6211\u7231\u5317\u4eac\u5929\u5b89\u95e8", "\u4eca\u65e5\u306f\u3044\u3044\u5929\u6c17\u3067\u3059", "\ud55c\uad6d\uc5b4 \ubb38\uc7a5", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "\U0001f602\U0001f602 lol \U0001f44d\U0001f3fd", "a\u200bb\ufeffc\u00add", "x\u0000y\ufffdz", "tab\tand\nline\r\nend", "1,234.56 + 7% = $8",
    "e\u0301 and \u00e9 are one", "\u0130stanbul \u0131\u015f\u0131k", "STRASSE stra\u00dfe", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "a" * 100, "a" * 101, "unaffable",
    "email@example.org http://example.org/a?b=c&d", "don\u2019t \u2013 won\u2014t", "\uff21\uff22\uff23\uff11\uff12\uff13", "\u2167 \u00bd \u00b2 \u2122", "-- __init__ --",
    "the the the the the the the the", "mat cat sat", "{curly} <tag> [x", "\u1e9b\u0323",
]


def words_of(text):
    return "".join(c if c.isalpha() else " " for c in text.lower()).split()


def texts():
    """The texts, and as many that are made of their words."""
    rng = random.Random(1)
    words = sorted({word for text in TEXTS for word in text.split()})
    return TEXTS + [" ".join(rng.choices(words, k=rng.randrange(1, 24))) for _ in TEXTS]


def tokenizer_of(vocabulary):
    tokenizer = tokenizers.BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    tokenizer.no_truncation()
    return tokenizer


def states_of(model, tokenizer, text, most):
    tokenizer.enable_truncation(most)
    ids = torch.tensor([tokenizer.encode(text).ids])
    tokenizer.no_truncation()
    with torch.no_grad():
        return model(ids).last_hidden_state[0]


def golden(model, tokenizer, most):
    result = []
    for text in texts():
        states = states_of(model, tokenizer, text, most)
        stride = max(states.shape[1] // 16, 1)
        rows = sorted({0, len(states) // 2, len(states) - 1})
        result.append({"text": text, "stride": stride,
                       "states": {str(row): [round(x, 7) for x in states[row, ::stride].tolist()] for row in rows}})
    return json.dumps(result, indent=0)


def write_small(directory):
    directory.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "mat", "on", "hello", "world", "un",
              "##aff", "##able", "caf", "##e", "\u6211", "\u5317", "\u4eac", "\u0645", "##\u0631", "\U0001f602", "'", "\u2019", ",", ".", "!", "[", "]"]
    pieces += [c for c in letters] + ["##" + c for c in letters if c != "e"]
    (directory / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf8")
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=len(pieces), hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
        max_position_embeddings=40, initializer_range=0.5)
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "LayerNorm" in name:
            torch.nn.init.normal_(parameter, mean=1.0 if name.endswith("LayerNorm.weight") else 0.0, std=0.2)
    safetensors.torch.save_file({name: p.contiguous() for name, p in model.named_parameters()},
                                directory / "model.safetensors")
    keys = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
            "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "hidden_act", "hidden_dropout_prob"]
    (directory / "config.json").write_text(json.dumps({key: getattr(config, key) for key in keys}, indent=1) + "\n")
    tokenizer = tokenizer_of(directory / "vocab.txt")
    (directory / "pieces.json").write_text(
        json.dumps([{"text": text, "ids": tokenizer.encode(text).ids} for text in texts()], indent=0) + "\n")
    (directory / "states.json").write_text(golden(model, tokenizer, 40) + "\n")


def main():
    kind, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    if kind == "small":
        write_small(directory)
        return
    tokenizer = tokenizer_of(directory / "vocab.txt")
    if kind == "model":
        model = transformers.AutoModel.from_pretrained(directory, attn_implementation="eager").eval()
        print(golden(model, tokenizer, 128))
        return
    written = 0
    for name in sys.argv[3:]:
        rows = pathlib.Path(name).read_text(encoding="utf8").split("\n")
        for row in rows[::20]:
            text = row.split("\t")[0]
            if not text or written == 2000:
                continue
            ids = tokenizer.encode(text).ids
            print(f"{zlib.crc32(' '.join(map(str, ids)).encode()):08x}")
            written += 1


main()
