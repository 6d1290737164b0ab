/* SPDX-License-Identifier: MIT */
#include "export/format.h"

#include <string.h>

#define SGN_FORMAT(name) extern const sgn_format sgn_format_##name;
#include "export/formats.def"
#undef SGN_FORMAT

static const sgn_format *const formats[] = {
#define SGN_FORMAT(name) &sgn_format_##name,
#include "export/formats.def"
#undef SGN_FORMAT
};

const sgn_format *sgn_format_at(int i) {
    return i >= 0 && i < (int)(sizeof formats / sizeof *formats) ? formats[i] : NULL;
}

const sgn_format *sgn_format_find(const char *name) {
    for (int i = 0; sgn_format_at(i); i++)
        if (strcmp(sgn_format_at(i)->name, name) == 0) return sgn_format_at(i);
    return NULL;
}
