/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/tokenizer_kind.h"
#include "data/utf8.h"

/* Bytes at the end that may be the beginning of a character: 0..3. */
static size_t held_back(const char *text, size_t size) {
    for (size_t n = size < 3 ? size : 3; n > 0; n--)
        if (sgn_utf8_is_begun(text + size - n, n)) return n;
    return 0;
}

static void forget_shown(sgn_decoder *d) {
    if (d->shown) memmove(d->text, d->text + d->shown, d->size - d->shown);
    d->size -= d->shown;
    d->shown = 0;
}

sgn_status sgn_decoder_put(sgn_decoder *d, const sgn_tokenizer *t, int32_t id,
                           const char **text, size_t *n, sgn_error *err) {
    forget_shown(d);
    size_t more;
    const char *piece = sgn_tokenizer_piece(t, id, &more);
    if (!piece)
        SGN_FAIL(err, SGN_FORMAT, "token id %d: the vocabulary ends at %d", id, sgn_tokenizer_vocab(t) - 1);
    if (sgn_tokenizer_is_special(t, id) && !d->specials) more = 0;
    if (more && !d->begun) {
        const int32_t spaces = sgn_tokenizer_leading_spaces(t, id);
        for (int32_t k = spaces; k > 0 && more && *piece == ' '; k--) piece++, more--;
        d->begun = more > 0 || spaces < INT32_MAX;
    }
    if (d->size + more > d->room) {
        const size_t room = 2 * (d->size + more) + 64;
        char *grown = realloc(d->text, room);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu bytes of text", room);
        d->text = grown;
        d->room = room;
    }
    if (more) memcpy(d->text + d->size, piece, more);
    d->size += more;
    d->shown = d->size - held_back(d->text, d->size);
    *text = d->text;
    *n = d->shown;
    return SGN_OK;
}

void sgn_decoder_end(sgn_decoder *d, const char **text, size_t *n) {
    forget_shown(d);
    d->shown = d->size;
    d->begun = false;
    *text = d->text;
    *n = d->size;
}

void sgn_decoder_free(sgn_decoder *d) {
    free(d->text);
    *d = (sgn_decoder){ .specials = d->specials };
}
