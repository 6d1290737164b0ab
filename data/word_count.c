/* SPDX-License-Identifier: MIT */
#include "data/word_count.h"

#include <stdlib.h>
#include <string.h>
#include "core/digest.h"

static uint32_t slot_of(const sgn_words *w, const char *word, size_t n) {
    uint32_t i = (uint32_t)sgn_digest64(word, n) & (w->slots - 1);
    for (; w->slot[i]; i = (i + 1) & (w->slots - 1)) {
        const sgn_word *have = &w->word[w->slot[i] - 1];
        if (have->n == n && memcmp(w->bytes + have->start, word, n) == 0) break;
    }
    return i;
}

/* Room for one more word of n bytes; slots are a power of two, at most half of them taken. */
static sgn_status grow(sgn_words *w, size_t n, sgn_error *err) {
    if (w->count == UINT32_MAX / 4) SGN_FAIL(err, SGN_NOMEM, "more than %u different words; learn from less text", w->count);
    if (w->count == w->room) {
        const uint32_t room = 2 * w->room + 4096;
        sgn_word *grown = realloc(w->word, room * sizeof *grown);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %u different words; learn from less text", room);
        w->word = grown;
        w->room = room;
    }
    if (n > w->bytes_room - w->size) {
        const size_t room = 2 * (w->bytes_room + n) + 65536;
        char *grown = realloc(w->bytes, room);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu bytes of words; learn from less text", room);
        w->bytes = grown;
        w->bytes_room = room;
    }
    if (2 * (w->count + 1) <= w->slots) return SGN_OK;
    const uint32_t slots = w->slots ? 2 * w->slots : 16384;
    uint32_t *fresh = calloc(slots, sizeof *fresh);
    if (!fresh) SGN_FAIL(err, SGN_NOMEM, "no memory for %u different words; learn from less text", slots / 2);
    free(w->slot);
    w->slot = fresh;
    w->slots = slots;
    for (uint32_t i = 0; i < w->count; i++)
        w->slot[slot_of(w, w->bytes + w->word[i].start, w->word[i].n)] = i + 1;
    return SGN_OK;
}

sgn_status sgn_words_add(sgn_words *w, const char *word, size_t n, sgn_error *err) {
    uint32_t i = w->slots ? slot_of(w, word, n) : 0;
    if (w->slots && w->slot[i]) {
        w->word[w->slot[i] - 1].count++;
        return SGN_OK;
    }
    SGN_TRY(grow(w, n, err));
    i = slot_of(w, word, n);
    memcpy(w->bytes + w->size, word, n);
    w->word[w->count++] = (sgn_word){ w->size, (uint32_t)n, 1 };
    w->slot[i] = w->count;
    w->size += n;
    return SGN_OK;
}

void sgn_words_free(sgn_words *w) {
    free(w->word);
    free(w->bytes);
    free(w->slot);
    *w = (sgn_words){ 0 };
}
