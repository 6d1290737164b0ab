/* spill.h - numbers that lie on disk because memory is too small for them: a file without a name, gone with its handle, however the
 * process ends.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_SPILL_H
#define SGN_CORE_SPILL_H

#include "core/file.h"

typedef struct {
    sgn_path directory;
    uint64_t size;
    int      fd;               /* valid while `open` */
    bool     open;
} sgn_spill;

/* size bytes in `directory`, taken from the disk at once: SGN_IO says how many are free, for `what`. */
sgn_status sgn_spill_open(sgn_spill *s, const char *directory, uint64_t size, const char *what, sgn_error *err);
sgn_status sgn_spill_get(const sgn_spill *s, uint64_t offset, void *out, size_t size, sgn_error *err);
sgn_status sgn_spill_put(sgn_spill *s, uint64_t offset, const void *data, size_t size, sgn_error *err);
void       sgn_spill_close(sgn_spill *s);

#endif
