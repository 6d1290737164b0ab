"""make_tokenizers.py SHARED OUT - tokenizer.json files of the kinds that models have, from the vocabularies of GPT-2 and LLaMA,
and a text of all sorts to try them on.
SPDX-License-Identifier: MIT"""
import json, os, random, struct, sys

shared, out = sys.argv[1:]
GPT2 = json.load(open(f'{shared}/tokenizers/gpt2/vocab.json'))
MERGES = [l for l in open(f'{shared}/tokenizers/gpt2/merges.txt').read().split('\n')[1:] if l]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
MARK = '\u2581'


def token(i, text, special=True, **more):
    return dict(id=i, content=text, single_word=False, lstrip=False, rstrip=False, normalized=not special, special=special, **more)


def byte_level(regex, space=False):
    return dict(type='ByteLevel', add_prefix_space=space, trim_offsets=True, use_regex=regex)


def bpe(vocab, merges, **more):
    return {**dict(type='BPE', dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False,
                   byte_fallback=False, ignore_merges=False, vocab=vocab, merges=merges), **more}


def save(name, added, normalizer, words, after, decoder, model):
    os.makedirs(f'{out}/{name}', exist_ok=True)
    json.dump(dict(version='1.0', truncation=None, padding=None, added_tokens=added, normalizer=normalizer, pre_tokenizer=words,
                   post_processor=after, decoder=decoder, model=model), open(f'{out}/{name}/tokenizer.json', 'w'))


def sequence(kind, *steps):
    return {'type': 'Sequence', kind: list(steps)}


def split(pattern, behavior='Isolated', kind='Regex'):
    return dict(type='Split', pattern={kind: pattern}, behavior=behavior, invert=False)


EOT = [token(50256, '<|endoftext|>')]
save('gpt2', EOT, None, byte_level(True), byte_level(True), byte_level(True), bpe(GPT2, MERGES))
save('gpt2-space', EOT, None, byte_level(True, True), None, byte_level(True), bpe(GPT2, MERGES))
save('llama3', EOT + [token(50257, '<think>', False)], None, sequence('pretokenizers', split(LLAMA3), byte_level(False)),
     byte_level(True), byte_level(True), bpe(GPT2, [m.split(' ') for m in MERGES], ignore_merges=True))
save('qwen2', EOT, dict(type='NFC'), sequence('pretokenizers', split(LLAMA3.replace('{1,3}', '')), byte_level(False)),
     byte_level(False), byte_level(False), bpe(GPT2, MERGES))
save('digits', EOT, sequence('normalizers', dict(type='NFKC'), dict(type='Lowercase')),
     sequence('pretokenizers', split('[\r\n]', 'Isolated'), dict(type='Digits', individual_digits=True), byte_level(True)), None,
     byte_level(True), bpe(GPT2, MERGES))


# --- LLaMA: pieces, scores and types out of tokenizer.model -------------------------------------------
def fields(data):
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            b = data[at]
            at += 1
            value |= (b & 127) << shift
            shift += 7
            if b < 128:
                return value
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            n = {1: 8, 5: 4}.get(key & 7) or varint()
            yield key >> 3, data[at:at + n]
            at += n


pieces = []
for number, body in fields(open(f'{shared}/tokenizers/llama/tokenizer.model', 'rb').read()):
    if number == 1:
        p = dict(fields(body))
        pieces.append((p[1].decode(), struct.unpack('<f', p[2])[0]))
vocab = {p: i for i, (p, _) in enumerate(pieces)}
cuts = []
for p, i in vocab.items():
    local = [(vocab[p[:k]], vocab[p[k:]], p[:k], p[k:]) for k in range(1, len(p)) if p[:k] in vocab and p[k:] in vocab]
    cuts += [(-pieces[i][1], *c) for c in sorted(local)]
cuts.sort(key=lambda c: c[0])
merges = [f'{c[3]} {c[4]}' for c in cuts]
MARKS = [token(i, t) for i, t in enumerate(['<unk>', '<s>', '</s>'])]
FALLBACK = sequence('decoders', dict(type='Replace', pattern={'String': MARK}, content=' '), dict(type='ByteFallback'), dict(type='Fuse'),
                    dict(type='Strip', content=' ', start=1, stop=0))
TEMPLATE = dict(type='TemplateProcessing', single=[{'SpecialToken': {'id': '<s>', 'type_id': 0}}, {'Sequence': {'id': 'A', 'type_id': 0}}],
                pair=[], special_tokens={'<s>': {'id': '<s>', 'ids': [1], 'tokens': ['<s>']}})
MODEL = dict(unk_token='<unk>', fuse_unk=True, byte_fallback=True)
save('llama', MARKS, sequence('normalizers', dict(type='Prepend', prepend=MARK), dict(type='Replace', pattern={'String': ' '}, content=MARK)),
     None, TEMPLATE, FALLBACK, bpe(vocab, merges, **MODEL))
META = dict(type='Metaspace', replacement=MARK, prepend_scheme='first', split=False)
save('metaspace', MARKS, None, META, TEMPLATE, FALLBACK, bpe(vocab, merges, **MODEL))
common = [(MARK, -9.0)] + [(p, s / 1000) for p, s in pieces[3:] if not p.startswith('<0x') and p != MARK][:9000]
save('unigram', MARKS[:1], None, sequence('pretokenizers', dict(type='WhitespaceSplit'),
     dict(type='Metaspace', replacement=MARK, prepend_scheme='always', split=True)), None,
     dict(type='Metaspace', replacement=MARK, prepend_scheme='always', split=True),
     dict(type='Unigram', unk_id=0, vocab=[['<unk>', 0.0]] + common, byte_fallback=False))

# --- the text (JavaScript takes U+FEFF for white space, and only 0 to 9 for digits: neither is in it) -----------------------------------------------------------------------------------------
random.seed(4)
text = open(f'{shared}/text/tinyshakespeare.txt').read()[:120000] + open(f'{shared}/text/wikitext-2/valid.txt').read()[:60000]
text += open(f'{shared}/tokenizers/vectors/gpt-2.inp').read()
text += open(sys.argv[0]).read()
sorts = ['中文字符，测试。', '日本語のテキスト', '한국어 문장', 'Ελληνικά', 'Привет, мир!', 'עברית', 'العربية 123', 'naïve café coöperate', 'e\u0301 a\u0308',
         '😀👍🏽🇩🇪👩‍👩‍👧', '1234567 3.14159 ½ ² Ⅷ', "I'm you'LL they've IT'S", '\t\t', '   ', '\n\n\n', ' \n ', '\r\n', '\u00a0\u3000', 'ﬁ ﬂ ①',
         'x = [i**2 for i in range(10)];', '#include <stdio.h>\n', '--- *** ###', '<think>', 'ABCdefGHI', 'ǅ ʰ', '\u200b\u200d', '/*/+-=', '▁x ▁▁y', 'हिन्दी में']
for _ in range(6000):
    text += random.choice(sorts) + random.choice(['', ' ', ' ', '\n', '  ', ', '])
plain = text.replace('<unk>', 'unk').replace('<|endoftext|>', 'end').replace('<s>', 's').replace('</s>', 's').replace(MARK, '_')
open(f'{out}/special.txt', 'w', newline='').write(text)
open(f'{out}/text.txt', 'w', newline='').write(plain)
