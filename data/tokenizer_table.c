/* SPDX-License-Identifier: MIT */
#include "data/tokenizer_kind.h"

#define SGN_TOKENIZER(name) extern const sgn_tokenizer_kind sgn_tok_##name;
#include "data/tokenizers.def"
#undef SGN_TOKENIZER

static const sgn_tokenizer_kind *const table[] = {
#define SGN_TOKENIZER(name) &sgn_tok_##name,
#include "data/tokenizers.def"
#undef SGN_TOKENIZER
};

const sgn_tokenizer_kind *sgn_tokenizer_kind_at(int i) {
    return i >= 0 && i < (int)(sizeof table / sizeof *table) ? table[i] : NULL;
}
