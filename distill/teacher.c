/* SPDX-License-Identifier: MIT */
#include "distill/teacher.h"

#include <string.h>
#include "distill/cache.h"

#define FIELD(key, type, min, max, otherwise, help) \
    { #key, SGN_FIELD_##type, offsetof(sgn_distill_config, key), min, max, NULL, otherwise, help }

const sgn_field sgn_distill_fields[] = {
    FIELD(teacher, TEXT, 0, 0, "", "a model argument (run, checkpoint, packed or Hugging Face directory, .gguf file, llama2.c .bin), or a cache made by `signum teacher-cache`; empty: no teacher"),
    FIELD(lambda, REAL, 0, 1, "1", "loss = lambda * soft + (1 - lambda) * hard; without a teacher all is hard"),
    FIELD(lambda_end, REAL, -1, 1, "-1", "step s of n takes lambda + (lambda_end - lambda) s/n, s from 0 to n - 1; -1: lambda stays"),
    FIELD(temperature, REAL, 0.01, 100, "1", "divides the logits of student and teacher in the soft loss"),
    { 0 },
};

sgn_status sgn_distill_check(const sgn_distill_config *c, sgn_error *err) {
    if (c->lambda_end > -1 && c->lambda_end < 0)
        SGN_FAIL(err, SGN_CONFIG, "distill.lambda_end = %g is no share of the loss; it goes from 0 to 1, or is -1 where distill.lambda stays", c->lambda_end);
    return SGN_OK;
}

double sgn_distill_lambda(const sgn_distill_config *c, int64_t step, int64_t steps) {
    return c->lambda_end < 0 ? c->lambda : c->lambda + (c->lambda_end - c->lambda) * (double)step / (double)steps;
}

double sgn_distill_lambda_most(const sgn_distill_config *c) { return c->lambda_end > c->lambda ? c->lambda_end : c->lambda; }

#define SGN_TEACHER(name) extern const sgn_teacher_kind sgn_teacher_##name;
#include "distill/teachers.def"
#undef SGN_TEACHER

static const sgn_teacher_kind *const table[] = {
#define SGN_TEACHER(name) &sgn_teacher_##name,
#include "distill/teachers.def"
#undef SGN_TEACHER
};

const sgn_teacher_kind *sgn_teacher_kind_find(const char *name) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i]->name, name) == 0) return table[i];
    return NULL;
}

sgn_status sgn_teacher_open(sgn_teacher *t, const char *where, const sgn_teacher_need *need, sgn_error *err) {
    *t = (sgn_teacher){ .kind = sgn_teacher_kind_find(!*where ? "none" : sgn_is_cache(where) ? "cache" : "live") };
    const sgn_status s = t->kind->open(t, where, need, err);
    if (s != SGN_OK) sgn_teacher_close(t);
    return s;
}

sgn_soft sgn_teacher_expect(const sgn_teacher *t) { return t->kind->expect ? t->kind->expect(t) : (sgn_soft){ .kind = SGN_SOFT_NONE }; }

void sgn_teacher_close(sgn_teacher *t) {
    if (t->kind) t->kind->close(t);
    *t = (sgn_teacher){ 0 };
}
