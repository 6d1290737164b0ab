/* SPDX-License-Identifier: MIT */
#include "eval/requests.h"

#include <stdlib.h>
#include <string.h>
#include "eval/rewrite.h"

sgn_status sgn_request_style_init(sgn_request_style *style, const sgn_tokenizer *t, int64_t max_length, bool bos, sgn_error *err) {
    const int32_t first = sgn_tokenizer_bos(t), end = sgn_tokenizer_eos(t) >= 0 ? sgn_tokenizer_eos(t) : sgn_tokenizer_eot(t);
    *style = (sgn_request_style){ t, max_length, bos ? first : -1, bos ? first : end >= 0 ? end : first };
    if (max_length < 2) SGN_FAIL(err, SGN_CONFIG, "--max-length %lld: at least 2 tokens are needed", (long long)max_length);
    if (bos && first < 0) SGN_FAIL(err, SGN_CONFIG, "this tokenizer puts nothing before a text; leave out --bos");
    return SGN_OK;
}

sgn_status sgn_request_style_check(const sgn_request_style *style, sgn_error *err) {
    if (style->empty >= 0) return SGN_OK;
    SGN_FAIL(err, SGN_CONFIG, "this tokenizer has no token that ends a text, which is read where nothing stands before what is scored");
}

void sgn_request_free(sgn_request *q) {
    sgn_ids_free(&q->ids);
    *q = (sgn_request){ 0 };
}

/* BOS, where the style puts one, and the ids of the text. */
static sgn_status encode(const sgn_request_style *style, const char *text, size_t size, sgn_ids *ids, sgn_error *err) {
    ids->count = 0;
    SGN_TRY(sgn_ids_reserve(ids, 1, err));
    if (style->bos >= 0) ids->id[ids->count++] = style->bos;
    return sgn_tokenizer_encode(style->tokenizer, text, size, ids, err);
}

static void drop_first(sgn_ids *ids, size_t n) {
    memmove(ids->id, ids->id + n, (ids->count - n) * sizeof *ids->id);
    ids->count -= n;
}

/* Ids of context and continuation, *split: those of the context. */
static sgn_status encode_pair(sgn_ids *ids, const sgn_request_style *style, const char *context, const char *continuation, size_t *split,
                              sgn_error *err) {
    const size_t n = strlen(context);
    if (n == 0) {
        ids->count = 0;
        SGN_TRY(sgn_request_style_check(style, err));
        SGN_TRY(sgn_ids_reserve(ids, 1, err));
        ids->id[ids->count++] = style->empty;
        *split = 1;
        return sgn_tokenizer_encode(style->tokenizer, continuation, strlen(continuation), ids, err);
    }
    SGN_TRY(encode(style, context, (size_t)(sgn_trim_white(context, context + n) - context), ids, err));
    *split = ids->count;
    sgn_growing whole = { 0 };
    sgn_status s = sgn_growing_put(&whole, context, n, err);
    if (s == SGN_OK) s = sgn_growing_put(&whole, continuation, strlen(continuation), err);
    if (s == SGN_OK) s = encode(style, whole.text, whole.size, ids, err);
    free(whole.text);
    return s;
}

sgn_status sgn_request_make(sgn_request *q, const sgn_request_style *style, const char *context, const char *continuation, const char *where,
                            sgn_error *err) {
    size_t split;
    SGN_TRY(encode_pair(&q->ids, style, context, continuation, &split, err));
    if (split == 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: the context is only white space, so there is nothing to read before the answer", where);
    if (q->ids.count <= split)
        SGN_FAIL(err, SGN_FORMAT, "%s: the answer '%.60s' adds no token to its context; correct or remove this record", where, continuation);
    q->scored = q->ids.count - split;
    const size_t most = (size_t)style->max_length + 1;
    q->short_of = q->scored >= most ? q->scored - most + 1 : 0;
    q->scored -= q->short_of;
    q->cut = q->ids.count > most;
    if (q->cut) drop_first(&q->ids, q->ids.count - most);
    return SGN_OK;
}

bool sgn_window_at(size_t count, int64_t max_length, int64_t i, size_t *begin, size_t *end, size_t *context) {
    const size_t most = (size_t)max_length;
    *begin = (size_t)i * most;
    if (*begin >= count) return false;
    *end = count - *begin < most ? count : *begin + most;
    *context = i == 0 ? 0 : most - (*end - *begin) + 1;
    return true;
}
