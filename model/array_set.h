/* array_set.h - the arrays of a model's directory, from all its archives.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_ARRAY_SET_H
#define SGN_MODEL_ARRAY_SET_H

#include "core/archive.h"
#include "core/file.h"

typedef struct {
    char         directory[SGN_PATH_MAX];
    sgn_archive *at;
    int          count;
} sgn_array_set;

/* An index with its shards, else all *.safetensors, else all shard-*.h5. */
sgn_status sgn_array_set_open(sgn_array_set *set, const char *directory, sgn_error *err);
void       sgn_array_set_close(sgn_array_set *set);
/* NAME, or weights/NAME as checkpoints call it; NULL: none. */
const sgn_array *sgn_array_set_find(const sgn_array_set *set, const char *name, const sgn_archive **archive);

#endif
