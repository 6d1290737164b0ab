/* SPDX-License-Identifier: MIT */
#include "data/documents.h"

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
