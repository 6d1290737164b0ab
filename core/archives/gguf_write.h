/* gguf_write.h - the writing half of archive_gguf.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_ARCHIVES_GGUF_WRITE_H
#define SGN_CORE_ARCHIVES_GGUF_WRITE_H

#include "core/archive.h"

/* Version 3. Values in their order, then tensors in theirs. */
sgn_status sgn_gguf_write(const char *path, const sgn_array *at, const void *const *data, int count, const char *const *notes,
                          sgn_error *err);
sgn_status sgn_gguf_write_meta(const char *path, const sgn_array *at, const void *const *data, int count, const sgn_meta *meta,
                               int metas, sgn_error *err);
/* Up to 4 dimensions, none of them 0, a name of at most 63 bytes, a type that ggml has. */
bool       sgn_gguf_holds(const sgn_array *a);

#endif
