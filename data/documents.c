/* SPDX-License-Identifier: MIT */
#include "data/documents.h"

#include <inttypes.h>
#include "core/file.h"
#include "data/tokenizer.h"

void sgn_documents_mark(const int32_t *tokens, int64_t batch, int64_t seq, int32_t eot, int32_t *first, int32_t *targets) {
    for (int64_t r = 0; r < batch; r++, tokens += seq, first += seq, targets += seq) {
        int32_t begin = 0;
        for (int64_t i = 0; i < seq; i++) {
            first[i] = begin;
            if (tokens[i] != eot) continue;
            targets[i] = -1;
            begin = (int32_t)(i + 1);
        }
    }
}

sgn_status sgn_documents_eot(const sgn_shards *s, int64_t given, const char *asker, const char *setting, int32_t *eot, sgn_error *err) {
    const char *directory = sgn_shards_directory(s);
    const uint32_t vocab = sgn_shards_info(s)->vocab;
    if (given >= (int64_t)vocab)
        SGN_FAIL(err, SGN_CONFIG, "%s = %" PRId64 " is outside the vocabulary of %" PRIu32 " of %s", setting, given, vocab, directory);
    *eot = (int32_t)given;
    if (given >= 0) return SGN_OK;
    sgn_path path;
    sgn_tokenizer *t;
    SGN_TRY(sgn_path_set(&path, err, "%s/tokenizer.json", directory));
    if (!sgn_file_exists(path.s))
        SGN_FAIL(err, SGN_CONFIG, "%s: %s has no tokenizer.json to say which id ends a document; set %s", asker, directory, setting);
    SGN_TRY(sgn_tokenizer_open(&t, path.s, err));
    *eot = sgn_tokenizer_eot(t);
    sgn_tokenizer_close(t);
    if (*eot < 0)
        SGN_FAIL(err, SGN_CONFIG, "%s: the tokenizer %s has no <|endoftext|>; set %s to the id that ends a document", asker, path.s, setting);
    return SGN_OK;
}
