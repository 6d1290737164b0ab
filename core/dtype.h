/* dtype.h - types of numbers in files, and matrices that stay in them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_DTYPE_H
#define SGN_CORE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* type, numbers of a block, bytes of a block, name: safetensors', or ggml's of what has blocks (core/kernels/blocks.inc). A type whose matrices are used as they lie
 * in a file also has a converter, `to_real` of core/kernels. */
#define SGN_DTYPE_LIST(X) \
    X(F64, 1, 8, "F64") X(F32, 1, 4, "F32") X(F16, 1, 2, "F16") X(BF16, 1, 2, "BF16") \
    X(I64, 1, 8, "I64") X(I32, 1, 4, "I32") X(I16, 1, 2, "I16") X(I8, 1, 1, "I8")     \
    X(U16, 1, 2, "U16") X(U8, 1, 1, "U8") X(BOOL, 1, 1, "BOOL")                           \
    X(Q8_0, 32, 34, "Q8_0") X(Q4_0, 32, 18, "Q4_0") X(Q1_0, 128, 18, "Q1_0")              \
    X(TQ1_0, 256, 54, "TQ1_0") X(TQ2_0, 256, 66, "TQ2_0")

typedef enum {
#define X(name, numbers, bytes, text) SGN_DTYPE_##name,
    SGN_DTYPE_LIST(X)
#undef X
    SGN_DTYPE_COUNT
} sgn_dtype;

int64_t     sgn_dtype_block(sgn_dtype t);         /* numbers of a block; 1: no blocks */
size_t      sgn_dtype_bytes(sgn_dtype t);         /* of a block */
const char *sgn_dtype_name(sgn_dtype t);
bool        sgn_dtype_parse(const char *name, sgn_dtype *out);

/* A matrix as its file has it: rows of whole blocks, one after the other, at any address. NULL: none.
 * Its shape is that of the tensor that it belongs to. Files that pair neighbours for rotary positions have the rows of a
 * head in the order 0, h/2, 1, h/2 + 1, ... of ours: then `head` is h, else 0. */
typedef struct {
    sgn_dtype   dtype;
    const void *data;
    int64_t     head;
} sgn_stored;

size_t      sgn_stored_row_bytes(sgn_dtype t, int64_t cols);
const void *sgn_stored_row(sgn_stored s, int64_t cols, int64_t row);
/* Where a file that pairs neighbours has our row: p h/2 + j of a head of h rows is its 2j + p. */
int64_t     sgn_paired_row(int64_t row, int64_t head);

/* IEEE half and bfloat16, round to nearest even. */
float    sgn_f16_to_f32(uint16_t h);
uint16_t sgn_f32_to_f16(float f);
float    sgn_bf16_to_f32(uint16_t h);
uint16_t sgn_f32_to_bf16(float f);

#endif
