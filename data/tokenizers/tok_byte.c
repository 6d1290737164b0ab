/* A byte is a token: id(b) = b, <|endoftext|> = 256. Nothing to learn, nothing unknown.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "data/tokenizer_kind.h"

static sgn_status built_in(sgn_vocabulary *v, sgn_error *err) {
    SGN_TRY(sgn_vocabulary_bytes(v, err));
    return sgn_vocabulary_add(v, SGN_EOT, strlen(SGN_EOT), true, "the bytes", err);
}

static bool reads(const sgn_vocabulary *v) {
    if ((v->form && !v->plain) || v->merges > 0 || v->count < 256) return false;
    for (int b = 0; b < 256; b++) {
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, b, &n);
        if (n != 1 || (unsigned char)piece[0] != b || v->special[b]) return false;
    }
    return true;
}

static sgn_status encode(void *encoder, const char *text, size_t size, unsigned flags, sgn_ids *out, sgn_error *err) {
    (void)encoder;
    (void)flags;
    SGN_TRY(sgn_ids_reserve(out, size, err));
    for (size_t i = 0; i < size; i++) out->id[out->count + i] = (unsigned char)text[i];
    out->count += size;
    return SGN_OK;
}

const sgn_tokenizer_kind sgn_tok_byte = {
    .name = "byte", .help = "256 bytes and " SGN_EOT, .built_in = built_in, .reads = reads, .encode = encode,
};
