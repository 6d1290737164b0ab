#!/bin/bash
# check_tokenizers.sh - the ids of tokenizer.json files of many kinds, against Hugging Face's tokenizers. Needs npm and ../shared.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/../cli/common.sh"
. tests/clients/npm.sh
[ -r ../shared/data/tokenizers/llama/tokenizer.model ] || skip "no ../shared/data"
python3 tests/clients/make_tokenizers.py ../shared/data "$D/made"

same_text() {                  # what normalizes nothing gives the text back
    case $1 in */digits | */qwen2 | */unigram) return 0 ;; esac
    "$S" tokenizer decode --tokenizer "$1" <"$D/ids.json" >"$D/back.txt"
    case $1 in */gpt2-space) printf ' '; esac >"$D/want.txt"
    cat "$D/made/text.txt" >>"$D/want.txt"
    cmp "$D/want.txt" "$D/back.txt" || { echo "FAIL $1: the ids decode to another text"; return 1; }
}
failed=0
for t in "$D"/made/*/; do
    t=${t%/}
    "$S" tokenizer encode --tokenizer "$t" --json --specials <"$D/made/special.txt" >"$D/ids.json"
    node $clients/tokenizers.mjs "$t" "$D/made/special.txt" "$D/ids.json" || failed=1
    "$S" tokenizer encode --tokenizer "$t" --json <"$D/made/text.txt" >"$D/ids.json"
    node $clients/tokenizers.mjs "$t" "$D/made/text.txt" "$D/ids.json" || failed=1
    same_text "$t" || failed=1
done
exit $failed
