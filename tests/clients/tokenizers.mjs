// tokenizers.mjs DIR TEXT IDS - does @huggingface/tokenizers give TEXT the ids in IDS (a JSON array) by DIR/tokenizer.json?
// SPDX-License-Identifier: MIT
import { Tokenizer } from '@huggingface/tokenizers';
import { readFileSync } from 'node:fs';

const [dir, file, list] = process.argv.slice(2);
const ours = JSON.parse(readFileSync(list));
const text = readFileSync(file, 'utf8');
const tokenizer = new Tokenizer(JSON.parse(readFileSync(`${dir}/tokenizer.json`)), { clean_up_tokenization_spaces: false });
const theirs = tokenizer.encode(text, { add_special_tokens: false }).ids;
const at = theirs.findIndex((id, i) => id !== ours[i]);
if (at >= 0 || ours.length !== theirs.length) {
    const show = (ids) => JSON.stringify(ids.slice(Math.max(at - 2, 0), at + 6).map((id) => [id, tokenizer.decode([id])]));
    console.error(`FAIL ${dir}: ${ours.length} ids, ${theirs.length} expected; from id ${at - 2}:\n  ours   ${show(ours)}\n  theirs ${show(theirs)}`);
    process.exit(1);
}
console.log(`  ok   ${ours.length} ids of ${text.length} characters as @huggingface/tokenizers has them (${dir.split('/').pop()})`);
