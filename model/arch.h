/* arch.h - in what the architectures differ. Rows: model/archs.def.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_MODEL_ARCH_H
#define SGN_MODEL_ARCH_H

#include <stdbool.h>

typedef struct {
    const char *name;          /* the word in model.arch */
    const char *summary;
    bool layernorm;            /* norms are LayerNorm with gain and bias, else RMSNorm with a gain */
    bool positions;            /* a learned vector for each position joins the embedding, else queries and keys are rotated */
    bool gelu;                 /* down(gelu(up x)), else down(silu(gate x) . up x) */
} sgn_arch;

const sgn_arch *sgn_arch_find(const char *name);       /* NULL: none */
const sgn_arch *sgn_arch_at(int i);                    /* NULL past the end */

#endif
