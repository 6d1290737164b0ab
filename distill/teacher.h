/* teacher.h - who says what the next token should be. Rows: distill/teachers.def.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DISTILL_TEACHER_H
#define SGN_DISTILL_TEACHER_H

#include "core/config.h"
#include "core/ops.h"
#include "data/batch.h"
#include "model/transformer.h"

typedef struct {
    char   teacher[SGN_TEXT];      /* a model argument; empty: none */
    double lambda, lambda_end, temperature;
} sgn_distill_config;

extern const sgn_field sgn_distill_fields[];

/* lambda_end is a share, or -1? */
sgn_status sgn_distill_check(const sgn_distill_config *c, sgn_error *err);
/* The teacher's share of the loss in step 0 .. steps-1: a straight line from lambda, which would be at lambda_end after the last. */
double sgn_distill_lambda(const sgn_distill_config *c, int64_t step, int64_t steps);
/* The largest of them, which memory is planned for. */
double sgn_distill_lambda_most(const sgn_distill_config *c);

typedef struct sgn_teacher sgn_teacher;

/* What a teacher must agree with. */
typedef struct {
    const sgn_model_config *student;
    const char *tokenizer_hash;    /* of the training data */
    int64_t     batch, seq;
    const char *shards_hash;       /* digest of the shards.json of the training data */
    int64_t     eot;               /* ends documents that do not see each other; -1: windows are not divided */
    double      temperature;
} sgn_teacher_need;

typedef struct {
    const char *name, *summary;
    sgn_status (*open)(sgn_teacher *t, const char *where, const sgn_teacher_need *need, sgn_error *err);
    /* What soft() will give, but for the data of a batch. NULL: nothing. */
    sgn_soft   (*expect)(const sgn_teacher *t);
    /* Reads ahead for a batch of the loader, in its thread. NULL: there is nothing to read. */
    sgn_status (*ahead)(sgn_teacher *t, const sgn_batch *b, sgn_error *err);
    /* Soft targets of one batch, valid until the next call. */
    sgn_status (*soft)(sgn_teacher *t, const sgn_batch *b, sgn_soft *out, sgn_error *err);
    size_t     (*bytes)(const sgn_teacher *t);         /* of memory */
    size_t     (*mapped)(const sgn_teacher *t);        /* of files used where they lie: pages that the system may take back */
    void       (*close)(sgn_teacher *t);
} sgn_teacher_kind;

struct sgn_teacher { const sgn_teacher_kind *kind; void *state; };

const sgn_teacher_kind *sgn_teacher_kind_find(const char *name);        /* none, live, cache */
/* Chooses the kind from what `where` is. */
sgn_status sgn_teacher_open(sgn_teacher *t, const char *where, const sgn_teacher_need *need, sgn_error *err);
/* A live teacher of this shape with random weights: costs what a trained one costs. */
sgn_status sgn_teacher_open_random(sgn_teacher *t, const sgn_model_config *c, const sgn_teacher_need *need, sgn_error *err);
sgn_soft   sgn_teacher_expect(const sgn_teacher *t);
void       sgn_teacher_close(sgn_teacher *t);

#endif
