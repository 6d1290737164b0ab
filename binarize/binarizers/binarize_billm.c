/* billm: two groups by magnitude and salient columns of two orders, block by block (binarize/blockwise.h). With --n, after plain N:M
 * pruning: what STBLLM is compared with. SPDX-License-Identifier: MIT */
#include "binarize/blockwise.h"

static sgn_status check(const sgn_binarize_options *o, const char *path, int64_t out, int64_t in, sgn_error *err) {
    (void)out;
    return o->n ? sgn_blockwise_check(o, path, in, err) : SGN_OK;
}

static sgn_status fit(const sgn_binarize_layer *l, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err) {
    SGN_TRY(sgn_blockwise_make(l, false, l->kept, to, q, r, err));
    r->kept_n = l->kept;
    r->claimed = l->kept ? sgn_stbllm_claim(l->kept, l->o->m, r->salient) : sgn_billm_claim(r->salient);
    r->stored = l->kept ? sgn_billm_masked_bits(l->out, l->kept, l->o->m, r->salient) : sgn_billm_bits(l->out, r->salient);
    return SGN_OK;
}

const sgn_binarizer sgn_binarizer_billm = {
    .name = "billm", .summary = "two groups by magnitude, salient columns with two signs, errors passed on (BiLLM)", .kind = "zoned", .check = check, .fit = fit,
};
