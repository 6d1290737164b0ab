/* archive_names.h - what files of other worlds call the arrays of a model, and what they say of its shape. Rows: model/archive_names.def.
 * The names of Hugging Face's LlamaForCausalLM are our own, and have no row.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_ARCHIVE_NAMES_H
#define SGN_MODEL_ARCHIVE_NAMES_H

#include "core/archive.h"
#include "model/model_config.h"

/* "model.layers.#.self_attn.q_proj", "blk.#.attn_q": # is the number of a layer; ".weight" or ".bias" follows both. */
typedef struct {
    const char *house, *theirs;
    bool        rotary;            /* queries and keys: heads, whose pairs turn */
} sgn_archive_name;

typedef struct {
    const char     *archive;       /* the kind of archive that has these names */
    const sgn_archive_name *names;         /* the last one zeroed */
    /* Do rotary positions turn neighbours 2j, 2j+1 of a head, where ours turn j and j + half? */
    bool       (*paired)(const sgn_archive *a);
    /* Resolved, from the values of the archive. What the model cannot compute is refused by name. */
    sgn_status (*config)(sgn_model_config *c, const sgn_archive *a, sgn_error *err);
} sgn_archive_names;

const sgn_archive_names *sgn_archive_names_find(const char *archive);      /* NULL: arrays have our names */
const sgn_archive_names *sgn_archive_names_at(int i);                      /* NULL past the end */
/* Our name in theirs; false: they have none. `rotary` may be NULL. */
bool sgn_archive_names_translate(const sgn_archive_names *n, const char *house, char out[SGN_ARRAY_NAME], bool *rotary);
/* SGN_UNSUPPORTED, naming the first array of the archive that no name stands for. */
sgn_status sgn_archive_names_check(const sgn_archive_names *n, const sgn_archive *a, sgn_error *err);

#endif
