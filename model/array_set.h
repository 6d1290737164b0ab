/* array_set.h - the arrays of a model's directory, from all its archives.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_ARRAY_SET_H
#define SGN_MODEL_ARRAY_SET_H

#include "core/archive.h"
#include "core/file.h"
#include "model/archive_names.h"

typedef struct {
    char         directory[SGN_PATH_MAX];          /* or the one file */
    sgn_archive *at;
    int          count;
    const sgn_archive_names *names;                        /* of all its arrays; NULL: our own */
    const sgn_archive *adapter;                    /* the last of `at`: terms of low rank (model/adapter.h); NULL: none */
} sgn_array_set;

/* A GGUF file with a part of its model in an adapter beside it says here what that is called. */
#define SGN_ADAPTER_KEY "signum.adapter"

/* Of a directory an index with its shards, else all *.safetensors, else all shard-*.h5, else the one *.gguf, else
 * the one *.bin that is llama2.c's; or a file of any of these formats. An adapter that a GGUF file names comes with it. */
sgn_status sgn_array_set_open(sgn_array_set *set, const char *directory, sgn_error *err);
void       sgn_array_set_close(sgn_array_set *set);
/* NAME, or weights/NAME as checkpoints call it, or what its format calls it; NULL: none. */
const sgn_array *sgn_array_set_find(const sgn_array_set *set, const char *name, const sgn_archive **archive);
/* Are the rows of NAME paired as those of sgn_stored with a `head` are? */
bool sgn_array_set_paired(const sgn_array_set *set, const char *name);

#endif
