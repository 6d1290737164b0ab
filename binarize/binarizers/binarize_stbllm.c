/* stbllm: N of each M inputs kept by importance, three groups, salient columns, block by block (binarize/blockwise.h). The mask survives.
 * SPDX-License-Identifier: MIT */
#include "binarize/blockwise.h"

static sgn_status check(const sgn_binarize_options *o, const char *path, int64_t out, int64_t in, sgn_error *err) {
    (void)out;
    return sgn_blockwise_check(o, path, in, err);
}

static sgn_status fit(const sgn_binarize_layer *l, sgn_linear *to, float *q, sgn_binarize_report *r, sgn_error *err) {
    SGN_TRY(sgn_blockwise_make(l, true, l->kept, to, q, r, err));
    r->kept_n = l->kept;
    r->claimed = sgn_stbllm_claim(l->kept, l->o->m, r->salient);
    r->stored = sgn_stbllm_bits(l->kept, l->o->m);
    return SGN_OK;
}

const sgn_binarizer sgn_binarizer_stbllm = {
    .name = "stbllm", .summary = "N of M kept by importance, three groups, salient columns, errors passed on (STBLLM)", .kind = "zoned",
    .check = check, .fit = fit,
};
