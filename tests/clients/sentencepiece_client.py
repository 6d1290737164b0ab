"""Token ids and decoded text of SentencePiece itself against signum's, on about 5 MB of mixed text.

Usage: sentencepiece_client.py signum SCRATCH [train]: LLaMA's model, with `train` also models made on the spot.
SPDX-License-Identifier: MIT
"""
import json
import os
import random
import struct
import subprocess
import sys

import sentencepiece as spm

SHARED = "../shared/data/text/"


def shared(name, begin, size):
    path = SHARED + name
    if not os.path.exists(path):
        print(f"SKIPPED: {path} is not there; its text is left out")
        return ""
    with open(path, "rb") as f:
        f.seek(begin)
        return f.read(size).decode("utf-8", "ignore")


def mixed(size, seed=1):
    """Words of several scripts, emoji, spaces of all kinds, numbers, code, stray marks."""
    r = random.Random(seed)
    ranges = [(0x61, 0x7B, 9), (0x41, 0x5B, 2), (0x30, 0x3A, 2), (0xC0, 0x180, 2), (0x391, 0x3CA, 1), (0x410, 0x450, 3),
              (0x4E00, 0x5200, 6), (0x3041, 0x3097, 2), (0x30A1, 0x30FB, 1), (0xAC00, 0xAD00, 1), (0x1F300, 0x1F650, 2),
              (0x5D0, 0x5EB, 1), (0x627, 0x64B, 1), (0x905, 0x93A, 1), (0xFF01, 0xFF5F, 2), (0x2460, 0x24FF, 1),
              (0x300, 0x370, 1), (0xFB00, 0xFB07, 1), (0x21, 0x30, 3), (0x2000, 0x2070, 1), (0x1D400, 0x1D500, 1)]
    joins = [" "] * 14 + ["", "", "  ", "\n", "\n\n", "\t", "   ", "\u3000", "\u00a0", ", ", ". ", "\u3002", "\uff0c", "\u2581", "\r\n",
                          "\u200d", "\ufe0f", "e\u0301", "\ufdfa", "<s>", "</s>", "<0x41>", "\ufffd"]
    weights = [w for _, _, w in ranges]
    out, n = [], 0
    while n < size:
        low, high, _ = r.choices(ranges, weights)[0]
        word = "".join(chr(r.randrange(low, high)) for _ in range(r.randint(1, 9))) + r.choice(joins)
        n += len(word.encode())
        out.append(word)
    return "".join(out)


def documents(size):
    """About `size` bytes as texts of very different lengths, and some small ones by hand."""
    text = mixed(size // 3) + shared("novels.md", 0, size // 3) + shared("wikitext-2/train.txt", 0, size // 4) + shared("stories.md", 1 << 20, size // 12)
    hand = [" ", "  ", "\n", "a", " a", "a ", "\u2581", "\u2581\u2581a", "\u3000", "  Hello   world  ", "\u00bd \ufb01 \u2460 \u337f", "\u4f60\u597d",
            "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467", "aaaaaaaaaaaaaaaaaaaaa", "=" * 500, " " * 300, "x" * 5000, "\u0301",
            "<unk>", "<s>", "abXYZcd", "XYZ XYZ", "  XYZ", "\U0001f9ff\U0001faf6\U0001fae0 \U0001fae0", "\u3131\u3132"]
    r, i, out = random.Random(2), 0, hand
    while i < len(text):
        n = r.choice([1, 10, 100, 1000, 1000, 10000, 200000])
        out.append(text[i:i + n])
        i += n
    return [d for d in out if d]


def run(*words, **more):
    return subprocess.run(words, stdout=subprocess.PIPE, check=True, **more).stdout


def check(signum, model, docs, path):
    own = spm.SentencePieceProcessor(model_file=model)
    expected = own.encode(docs)
    lines = run(signum, "tokenizer", "encode", "--texts", "--tokenizer", model, path).decode().split("\n")[:-1]
    assert len(lines) == len(docs), f"{model}: {len(lines)} lines for {len(docs)} documents"
    wrong = 0
    for doc, want, line in zip(docs, expected, lines):
        got = [int(x) for x in line.split()]
        if got == want:
            continue
        wrong += 1
        at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        print(f"{model}: a text of {len(doc)} characters differs from id {at} on: {got[at:at + 8]} instead of {want[at:at + 8]},"
              f" before it {own.decode(want[:at])[-20:]!r}")
    for want in expected[:12]:
        text = run(signum, "tokenizer", "decode", "--tokenizer", model, input=" ".join(map(str, want)).encode())
        if text.decode() != own.decode(want):
            wrong += 1
            print(f"{model}: {want[:8]} decode to {text[:40]!r} instead of {own.decode(want)[:40]!r}")
    print(f"{os.path.basename(model)}: {len(docs)} texts, {sum(map(len, expected))} ids, {wrong} differ")
    return wrong


def saved(signum, model, scratch):
    """A model that signum wrote is one for SentencePiece: the same ids."""
    again = os.path.join(scratch, "again.model")
    run(signum, "tokenizer", "convert", "--tokenizer", model, "--out", again)
    a, b = (spm.SentencePieceProcessor(model_file=m) for m in (model, again))
    docs = documents(200000)
    wrong = int(a.encode(docs) != b.encode(docs) or a.decode(a.encode(docs)) != b.decode(a.encode(docs)))
    print(f"{os.path.basename(model)}: written again, {'other' if wrong else 'the same'} ids")
    return wrong


def trained(scratch):
    text = os.path.join(scratch, "learn.txt")
    with open(text, "w") as f:
        f.write(mixed(300000, 3) + shared("big.txt", 1 << 20, 300000))
    users = ["XYZ", "\U0001f600", "ab"]
    for kind in ("bpe", "unigram"):
        for fallback in (False, True):
            for rule in ("identity", "nmt_nfkc", "nmt_nfkc_cf"):
                if rule == "nmt_nfkc_cf" and fallback:
                    continue
                name = os.path.join(scratch, f"{kind}-{'bytes' if fallback else 'unk'}-{rule}")
                more = {"remove_extra_whitespaces": False, "split_by_whitespace": False, "user_defined_symbols": users} if fallback and rule == "identity" \
                    else {"add_dummy_prefix": False} if rule == "nmt_nfkc_cf" else {}
                spm.SentencePieceTrainer.train(input=text, model_prefix=name, vocab_size=6000, model_type=kind, byte_fallback=fallback, minloglevel=2,
                                               character_coverage=0.98, normalization_rule_name=rule, max_sentence_length=20000, hard_vocab_limit=False,
                                               num_threads=2, **more)
                yield name + ".model"


# --- models that no trainer makes: the same file with some pieces changed ---------------------------------

def varint(n):
    n &= (1 << 64) - 1
    return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])


def fields(data):
    at = 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            at += 1
            n |= (data[at - 1] & 127) << shift
            shift += 7
            if data[at - 1] < 128:
                return n
    while at < len(data):
        tag = number()
        size = 0 if tag & 7 == 0 else 4 if tag & 7 == 5 else number()
        value = number() if tag & 7 == 0 else data[at:at + size]
        at += size
        yield tag >> 3, tag & 7, value


def message(parts):
    return b"".join(varint(n << 3 | w) + (varint(x) if w == 0 else x if w == 5 else varint(len(x)) + x) for n, w, x in parts)


def twisted(model, how, scratch):
    """unused: some pieces are; dropped: some characters are no pieces; user: some pieces are taken first;
    ties: scores rounded; spaces: not escaped."""
    r, out, count = random.Random(5), [], 0
    with open(model, "rb") as f:
        top = [x for x in fields(f.read()) if x[0] in (1, 2, 3)]
    for n, w, value in top:
        parts = {number: (number, wire, x) for number, wire, x in fields(value)}
        if n == 1:
            kind, one = parts.get(3, (3, 0, 1))[2], len(parts[1][2].decode()) == 1
            if kind == 1 and how == "dropped" and one and r.random() < 0.2:
                continue
            if kind == 1 and r.random() < {"unused": 0.1, "user": 0.01}.get(how, 0):
                kind = 5 if how == "unused" else 4
            if kind == 1 and how == "ties":
                parts[2] = (2, 5, struct.pack("<f", round(struct.unpack("<f", parts[2][2])[0] / (3 if "unigram" in model else 1000))))
            parts[3] = (3, 0, kind)
            count += 1
        if n == 2:
            parts[4] = (4, 0, count)
        if n == 3 and how == "spaces":
            parts[5] = (5, 0, 0)
        out.append((n, w, message(sorted(parts.values()))))
    path = os.path.join(scratch, f"{how}-{os.path.basename(model)}")
    with open(path, "wb") as f:
        f.write(message(out))
    return path


def main():
    signum, scratch = sys.argv[1:3]
    docs = documents(5000000)
    path = os.path.join(scratch, "texts.jsonl")
    with open(path, "w") as f:
        f.writelines(json.dumps({"text": d}, ensure_ascii=i % 2 == 0) + "\n" for i, d in enumerate(docs))
    print(f"{len(docs)} texts, {sum(len(d.encode()) for d in docs)} bytes")
    llama = "../shared/data/tokenizers/llama/tokenizer.model"
    models = [llama] if os.path.exists(llama) else []
    if not models:
        print(f"SKIPPED: {llama} is not there")
    if "train" in sys.argv[3:]:
        models += trained(scratch)
    wrong = sum(check(signum, m, docs, path) + saved(signum, m, scratch) for m in models)
    docs = documents(400000)
    with open(path, "w") as f:
        f.writelines(json.dumps({"text": d}) + "\n" for d in docs)
    for model in models[1:]:
        wrong += sum(check(signum, twisted(model, how, scratch), docs, path) for how in ("unused", "dropped", "user", "ties", "spaces"))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
