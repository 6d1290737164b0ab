/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "data/tokenizer.h"
#include "data/tokenizer_kind.h"
#include "tests/fuzz/fuzz.h"

/* Is text given back as it was? Not where it is normalized, nor where a byte is a mark, which decoding leaves out. */
static int keeps_text(const sgn_vocabulary *v) {
    int keeps = !v->spm && (!v->form || v->plain);
    for (int32_t i = 0; i < v->count; i++) keeps &= !v->special[i] || v->start[i + 1] - v->start[i] > 1;
    return keeps;
}

static void use(const sgn_tokenizer *t, const char *text, size_t size) {
    sgn_error err = { 0 };
    sgn_ids ids = { 0 };
    sgn_decoder d = { 0 };
    char *back = malloc(2 * size + 64);
    size_t n = 0, more;
    const char *part;
    fuzz_check(back != NULL);
    fuzz_ok(sgn_tokenizer_encode(t, text, size, &ids, &err), &err);
    for (size_t i = 0; i < ids.count; i++) {
        fuzz_check(ids.id[i] >= 0 && ids.id[i] < sgn_tokenizer_vocab(t));
        fuzz_ok(sgn_decoder_put(&d, t, ids.id[i], &part, &more, &err), &err);
        if (more && n + more <= 2 * size + 64) memcpy(back + n, part, more);
        n += more;
    }
    sgn_decoder_end(&d, &part, &more);
    if (more && n + more <= 2 * size + 64) memcpy(back + n, part, more);
    if (keeps_text(sgn_tokenizer_vocabulary(t))) fuzz_check(n + more == size && memcmp(back, text, size) == 0);
    free(back);
    sgn_decoder_free(&d);
    sgn_ids_free(&ids);
}

void fuzz_tokenizer(const char *path, const uint8_t *data, size_t size) {
    static const char text[] = "Then  the caf\xC3\xA9, 12 the\n\n \xF0\x9F\x98\x80 \xFF \xEF\xAC\x81 <s> the ";
    sgn_error err = { 0 };
    sgn_tokenizer *t, *again;
    if (fuzz_refused(sgn_tokenizer_open(&t, path, &err), &err, path)) {
        fuzz_check(!t);
        return;
    }
    use(t, text, sizeof text - 1);
    use(t, (const char *)data, size < 200 ? size : 200);
    for (int32_t i = -1; i <= sgn_tokenizer_vocab(t); i++) {
        size_t n;
        fuzz_check((sgn_tokenizer_piece(t, i, &n) != NULL) == (i >= 0 && i < sgn_tokenizer_vocab(t)));
    }
    fuzz_check(sgn_tokenizer_eot(t) < sgn_tokenizer_vocab(t) && sgn_tokenizer_bos(t) < sgn_tokenizer_vocab(t));
    const char *saved = fuzz_path("saved.json");
    if (!fuzz_refused(sgn_tokenizer_save(t, saved, &err), &err, saved)) {
        fuzz_ok(sgn_tokenizer_open(&again, saved, &err), &err);
        fuzz_check(strcmp(sgn_tokenizer_hash(t), sgn_tokenizer_hash(again)) == 0);
        sgn_tokenizer_close(again);
    }
    sgn_tokenizer_close(t);
}
