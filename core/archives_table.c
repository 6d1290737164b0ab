/* SPDX-License-Identifier: MIT */
#include "core/archive.h"

#define SGN_ARCHIVE(name) extern const sgn_archive_kind sgn_archive_##name;
#include "core/archives.def"
#undef SGN_ARCHIVE

static const sgn_archive_kind *const table[] = {
#define SGN_ARCHIVE(name) &sgn_archive_##name,
#include "core/archives.def"
#undef SGN_ARCHIVE
};

const sgn_archive_kind *sgn_archive_kind_at(int i) {
    return i >= 0 && i < (int)(sizeof table / sizeof *table) ? table[i] : NULL;
}
