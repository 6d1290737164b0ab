/* work.h - the work directory of a binarization: its settings, and finished blocks with their reports.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_WORK_H
#define SGN_BINARIZE_WORK_H

#include "core/digest.h"
#include "core/file.h"
#include "core/json.h"
#include "model/transformer.h"

typedef struct {                       /* of one process on a work directory; start zeroed */
    int  fd;                           /* valid while `held` */
    bool held;
} sgn_work_lock;

/* Makes the directory with these settings (taken), or finds the same there. Blocks of others: SGN_CONFIG names what differs; with
 * `replace` a warning does, and they are removed. SGN_IO where another process is at work. */
sgn_status sgn_work_open(const char *directory, sgn_json *settings, bool replace, sgn_work_lock *lock, sgn_error *err);
void       sgn_work_let_go(sgn_work_lock *lock);
/* A committed model of one block of that shape, of `vocab` tokens, with a tied head. */
sgn_status sgn_work_model(const sgn_model_config *c, int64_t vocab, sgn_transformer *one, sgn_error *err);
/* Block n: the parameters of a model of one layer, rows of its report (borrowed). */
sgn_status sgn_work_save(const char *directory, int64_t n, const sgn_transformer *one, const sgn_json *rows, sgn_error *err);
/* *rows (owned) is NULL where there is none. */
sgn_status sgn_work_load(const char *directory, int64_t n, sgn_transformer *one, sgn_json **rows, sgn_error *err);
/* "model.layers.0.mlp..." of a model of one layer is NAME of block n. */
typedef struct { char s[SGN_PARAM_NAME]; } sgn_layer_name;
bool       sgn_layer_name_of(const char *one, int64_t n, sgn_layer_name *out);      /* false: of no block */

#endif
