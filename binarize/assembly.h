/* assembly.h - the weights of a binarized model, one parameter after the other: of blocks from the work directory, the rest from the source.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_BINARIZE_ASSEMBLY_H
#define SGN_BINARIZE_ASSEMBLY_H

#include "model/transformer.h"

typedef struct {                       /* start zeroed */
    const sgn_transformer *source, *result;        /* files attached; declared only */
    const char            *work;
    sgn_transformer        one;        /* block n of the result */
    int64_t                n;          /* -1: none yet */
    sgn_real              *room;       /* of the last parameter from the source */
} sgn_assembly;

sgn_status sgn_assembly_init(sgn_assembly *a, const sgn_transformer *source, const sgn_transformer *result, const char *work, sgn_error *err);
void       sgn_assembly_free(sgn_assembly *a);
/* *data: the numbers of the result's parameter i, derived ones too, until the next call. ctx: the assembly. Block by block is fastest. */
sgn_status sgn_assembly_get(void *ctx, int i, const sgn_real **data, sgn_error *err);

#endif
