#!/bin/bash
# Ids and text against SentencePiece itself: LLaMA's model, and models trained on the spot (BPE and Unigram, with and
# without byte fallback, identity and NFKC). With "quick": LLaMA's model only.
# SPDX-License-Identifier: MIT
set -e
cd "$(dirname "$0")/../.."
python=$(for p in /usr/bin/python3 python3; do $p -c 'import sentencepiece' 2>/dev/null && echo $p && break; done)
[ -n "$python" ] || { echo "SKIPPED: no python3 has sentencepiece (package python3-sentencepiece); this check needs it"; exit 0; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ "$1" = quick ] && more= || more=train
$python tests/clients/sentencepiece_client.py ./signum "$scratch" $more
