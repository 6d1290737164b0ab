/* AVX-512. SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"

#if defined(__x86_64__) && !defined(SGN_DOUBLE)
const sgn_kernels sgn_kernels_avx512 = { .name = "avx2" };
#endif
