/* gguf_arrays.h - the arrays of a GGUF file: a model's under llama.cpp's names in the types that were asked for, and those of an adapter.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EXPORT_GGUF_ARRAYS_H
#define SGN_EXPORT_GGUF_ARRAYS_H

#include "export/dense.h"

typedef struct {
    sgn_array   *at;
    const void **data;
    void       **made;             /* what is ours to free */
    int          count, room;
} sgn_gguf_arrays;

typedef struct {
    sgn_dtype type;                /* of the layers of signs, or of all layers where none is of signs */
    sgn_dtype other;               /* of all other matrices; vectors are F32 */
    bool      paired;              /* heads of q and k have the order 0, h/2, 1, h/2 + 1, ... */
    bool      approximate;         /* what the type does not hold is rounded, not refused; rows that are no whole blocks are F16 */
    int       rounded, unfit;      /* out: how many layers were; how many matrices are F16 */
} sgn_gguf_types;

/* A block of +d and -d, or of these and zeros? */
bool       sgn_gguf_is_signs(sgn_dtype t);
/* Every matrix whole: sums of chains are one matrix. SGN_UNSUPPORTED, naming the layer, where a type does not hold its numbers. */
sgn_status sgn_gguf_arrays_make(sgn_gguf_arrays *a, const sgn_lowered_model *lm, sgn_gguf_types *types, sgn_error *err);
/* Terms u v^T of rank 1 as a LoRA: NAME.lora_a (1, in) = v, NAME.lora_b (out, 1) = u. count 0: there are none. */
sgn_status sgn_gguf_adapter_make(sgn_gguf_arrays *a, const sgn_lowered_model *lm, bool paired, sgn_error *err);
/* The model without these terms; shares all else, free(out->blocks). */
sgn_status sgn_gguf_without_shifts(sgn_lowered_model *out, const sgn_lowered_model *lm, sgn_error *err);
void       sgn_gguf_arrays_free(sgn_gguf_arrays *a);

#endif
