/* SPDX-License-Identifier: MIT */
#include "model/array_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sgn_array_set_close(sgn_array_set *set) {
    for (int i = 0; i < set->count; i++) sgn_archive_close(&set->at[i]);
    free(set->at);
    *set = (sgn_array_set){ 0 };
}

static sgn_status open_names(sgn_array_set *set, char *const *names, int count, sgn_error *err) {
    set->at = calloc((size_t)count, sizeof *set->at);
    if (!set->at) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a list of %d files", set->directory, count);
    for (; set->count < count; set->count++) {
        sgn_path path;
        SGN_TRY(sgn_path_set(&path, err, "%s/%s", set->directory, names[set->count]));
        SGN_TRY(sgn_archive_open(&set->at[set->count], path.s, err));
    }
    return SGN_OK;
}

sgn_status sgn_array_set_open(sgn_array_set *set, const char *directory, sgn_error *err) {
    static const char *const pattern[][2] = { { "model.safetensors.index.json", "" }, { "", ".safetensors" }, { "shard-", ".h5" } };
    sgn_path copy;
    *set = (sgn_array_set){ 0 };
    SGN_TRY(sgn_path_set(&copy, err, "%s", directory));
    memcpy(set->directory, copy.s, sizeof set->directory);
    for (int i = 0; i < 3; i++) {
        char **names;
        int count;
        SGN_TRY(sgn_directory_list(directory, pattern[i][0], pattern[i][1], &names, &count, err));
        const sgn_status s = count ? open_names(set, names, count, err) : SGN_OK;
        sgn_names_free(names, count);
        if (s != SGN_OK) sgn_array_set_close(set);
        if (s != SGN_OK || count) return s;
    }
    SGN_FAIL(err, SGN_IO, "%s holds no weights: no *.safetensors and no shard-*.h5", directory);
}

const sgn_array *sgn_array_set_find(const sgn_array_set *set, const char *name, const sgn_archive **archive) {
    char under[SGN_ARRAY_NAME];
    snprintf(under, sizeof under, "weights/%s", name);
    for (int i = 0; i < set->count; i++) {
        int k = sgn_archive_find(&set->at[i], name);
        if (k < 0) k = sgn_archive_find(&set->at[i], under);
        if (k < 0) continue;
        *archive = &set->at[i];
        return &set->at[i].at[k];
    }
    return NULL;
}
