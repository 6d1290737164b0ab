/* SPDX-License-Identifier: MIT */
#include "data/corpus_report.h"

#include <stddef.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 20 };
#define FORMAT_NAME "signum-corpus-report"

static const struct { const char *key; size_t offset; } counts[] = {
#define COUNT(name) { #name, offsetof(sgn_corpus_report, name) }
    COUNT(files), COUNT(parts), COUNT(documents), COUNT(duplicates), COUNT(duplicate_bytes), COUNT(bytes), COUNT(invalid_bytes),
    COUNT(unknown_ids), COUNT(tokens), COUNT(train_tokens), COUNT(valid_tokens), COUNT(read_bytes),
#undef COUNT
};
enum { COUNTS = sizeof counts / sizeof *counts };

static uint64_t *count_at(sgn_corpus_report *r, int i) { return (uint64_t *)(void *)((char *)r + counts[i].offset); }

void sgn_corpus_report_add(sgn_corpus_report *sum, const sgn_corpus_report *r) {
    sgn_corpus_report from = *r;
    for (int i = 0; i < COUNTS; i++) *count_at(sum, i) += *count_at(&from, i);
    sum->work_seconds += r->work_seconds;
    sgn_bad_lines_join(&sum->bad, &r->bad);
}

static void put_bad(sgn_json *j, const sgn_bad_lines *b) {
    sgn_json *why = sgn_json_new_array();
    for (uint64_t i = 0; i < b->count && i < SGN_BAD_KEPT; i++) sgn_json_append(why, sgn_json_new_string(b->why[i]));
    sgn_json_set(j, "bad_documents", sgn_json_new_int((int64_t)b->count));
    sgn_json_set(j, "bad", why);
}

static sgn_status take_bad(sgn_bad_lines *b, const sgn_json *j, const char *path, sgn_error *err) {
    const int64_t n = sgn_json_int(sgn_json_get(j, "bad_documents"), 0);
    const sgn_json *why = sgn_json_get(j, "bad");
    if (n < 0 || (n > 0 && sgn_json_size(why) != (size_t)(n < SGN_BAD_KEPT ? n : SGN_BAD_KEPT)))
        SGN_FAIL(err, SGN_FORMAT, "%s: bad_documents is not the count of what bad lists", path);
    for (size_t i = 0; n > 0 && i < sgn_json_size(why); i++) sgn_bad_lines_add(b, sgn_json_string(sgn_json_at(why, i), ""));
    b->count = (uint64_t)n;
    return SGN_OK;
}

sgn_json *sgn_corpus_report_json(const sgn_corpus_report *r) {
    sgn_corpus_report from = *r;
    sgn_json *j = sgn_json_new_object();
    for (int i = 0; i < COUNTS; i++) sgn_json_set(j, counts[i].key, sgn_json_new_int((int64_t)*count_at(&from, i)));
    if (r->bad.count) put_bad(j, &r->bad);
    if (r->tokens) sgn_json_set(j, "bytes_per_token", sgn_json_new_real((double)r->bytes / (double)r->tokens));
    sgn_json_set(j, "seconds", sgn_json_new_real(r->seconds));
    sgn_json_set(j, "work_seconds", sgn_json_new_real(r->work_seconds));
    if (r->work_seconds > 0) sgn_json_set(j, "mb_per_s", sgn_json_new_real(1e-6 * (double)(r->bytes + r->duplicate_bytes) / r->work_seconds));
    return j;
}

sgn_status sgn_corpus_report_save(const sgn_corpus_report *r, const char *plan, const char *path, sgn_error *err) {
    sgn_json *j = sgn_corpus_report_json(r);
    sgn_json_set(j, "format", sgn_json_new_string(FORMAT_NAME));
    sgn_json_set(j, "plan", sgn_json_new_string(plan));
    const sgn_status s = sgn_json_save(j, 2, path, err);
    sgn_json_free(j);
    return s;
}

static sgn_status read_root(sgn_corpus_report *r, const sgn_json *j, const char *plan, const char *path, sgn_error *err) {
    *r = (sgn_corpus_report){ 0 };
    if (strcmp(sgn_json_string(sgn_json_get(j, "format"), ""), FORMAT_NAME) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: format is not \"" FORMAT_NAME "\"", path);
    if (plan && strcmp(sgn_json_string(sgn_json_get(j, "plan"), ""), plan) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: plan is not %s: it was made from other inputs or settings", path, plan);
    for (int i = 0; i < COUNTS; i++) {
        const int64_t n = sgn_json_int(sgn_json_get(j, counts[i].key), -1);
        if (n < 0) SGN_FAIL(err, SGN_FORMAT, "%s: %s is not a count", path, counts[i].key);
        *count_at(r, i) = (uint64_t)n;
    }
    SGN_TRY(take_bad(&r->bad, j, path, err));
    r->seconds = sgn_json_real(sgn_json_get(j, "seconds"), 0);
    r->work_seconds = sgn_json_real(sgn_json_get(j, "work_seconds"), 0);
    return SGN_OK;
}

sgn_status sgn_corpus_report_load(sgn_corpus_report *r, const char *plan, const char *path, sgn_error *err) {
    sgn_json *j;
    SGN_TRY(sgn_json_load(&j, path, FILE_LIMIT, err));
    const sgn_status s = read_root(r, j, plan, path, err);
    sgn_json_free(j);
    return s;
}
