// tokenizer.mjs DIR TEXT - does @huggingface/tokenizers read DIR/tokenizer.json, and give TEXT the ids in DIR's shards?
// SPDX-License-Identifier: MIT
import { Tokenizer } from '@huggingface/tokenizers';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [dir, file] = process.argv.slice(2);
const set = JSON.parse(readFileSync(`${dir}/shards.json`));
const width = set.dtype === 'u16' ? 2 : 4;
const ours = set.shards.flatMap(({ file: name, tokens }) => {
    const bytes = execFileSync('zstd', ['-dc', `${dir}/${name}`], { maxBuffer: 1 << 30 });
    if (bytes.length !== tokens * width) throw new Error(`${name}: ${bytes.length} bytes for ${tokens} tokens`);
    return Array.from({ length: tokens }, (_, i) => bytes.readUIntLE(i * width, width));
});
const tokenizer = new Tokenizer(JSON.parse(readFileSync(`${dir}/tokenizer.json`)), { clean_up_tokenization_spaces: false });
const text = readFileSync(file, 'utf8');
const [end] = tokenizer.encode('<|endoftext|>').ids;
const theirs = [...tokenizer.encode(text).ids, end];           // one document
const at = theirs.findIndex((id, i) => id !== ours[i]);
if (at >= 0 || ours.length !== theirs.length) {
    console.error(`FAIL ${dir}: ${ours.length} tokens, ${theirs.length} expected; token ${at} is ${ours[at]}, expected ${theirs[at]}`);
    process.exit(1);
}
if (tokenizer.decode(ours.slice(0, -1)) !== text) {
    console.error(`FAIL ${dir}: the ids decode to another text`);
    process.exit(1);
}
console.log(`  ok   ${ours.length} tokens (${set.tokenizer.kind}, vocabulary ${set.vocab}) as @huggingface/tokenizers has them`);
