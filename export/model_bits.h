/* model_bits.h - where the bits of a model's files are, row by row.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_MODEL_BITS_H
#define SGN_EXPORT_MODEL_BITS_H

#include "export/format.h"
#include "model/bit_count.h"

typedef struct {
    sgn_bits_row *row;             /* (count); without those that have no bits */
    int           count;
    sgn_bits      all;
    const char   *what;            /* what is counted */
    bool          stored;          /* as it lies in files, to the byte; else as it would be packed */
    uint64_t      file_bytes;      /* of files with arrays */
    uint64_t      beside_bytes;    /* of the other files of a directory: config, tokenizer, MANIFEST */
} sgn_model_bits;

/* Packed models by their planes, scales and matrices; checkpoints as they would be packed, scales f32; of all others the arrays of the
 * file, each in its type. */
sgn_status sgn_model_bits_open(sgn_model_bits *b, const char *where, sgn_verify verify, sgn_error *err);
void       sgn_model_bits_close(sgn_model_bits *b);
/* `all` of them, of a model that is open. */
sgn_status sgn_model_bits_of(const sgn_model_file *f, sgn_bits *all, sgn_error *err);

#endif
