/* product_sgemm.h - the binary product by SGEMM, for machines whose tables are slow.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_PRODUCT_SGEMM_H
#define SGN_CORE_PRODUCT_SGEMM_H

#include "core/kernels/kernels.h"

size_t sgn_product_sgemm_scratch(void);        /* bytes, in SGN_SCRATCH_KERNEL */
/* Over all threads; the same bits for any number of them. */
void   sgn_product_sgemm(const sgn_binary_product *p);

#endif
