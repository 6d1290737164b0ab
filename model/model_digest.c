/* SPDX-License-Identifier: MIT */
#include "model/model_digest.h"

#include <stdio.h>
#include <string.h>
#include "core/file.h"

static bool is_weights(const char *name) {
    static const char *const ends[] = { "config.json", ".safetensors", ".h5", ".gguf", ".bin" };
    const size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n >= strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0) return true;
    return false;
}

static sgn_status digest_one(const char *path, bool sample, sgn_digest *out, sgn_error *err) {
    return sample ? sgn_digest_sample(path, out, err) : sgn_digest_file(path, out, NULL, err);
}

sgn_status sgn_model_digest(const char *where, bool sample, sgn_digest *out, sgn_error *err) {
    sgn_path path;
    char **names, line[128];
    int count;
    if (!sgn_is_directory(where)) return digest_one(where, sample, out, err);
    SGN_TRY(sgn_path_set(&path, err, "%s/MANIFEST", where));
    if (sgn_file_exists(path.s)) return sgn_digest_file(path.s, out, NULL, err);
    SGN_TRY(sgn_directory_list(where, "", "", &names, &count, err));
    sgn_status s = SGN_OK;
    sgn_digest all = { "" };
    for (int i = 0; s == SGN_OK && i < count; i++) {
        sgn_digest one;
        if (names[i][0] == '.' || !is_weights(names[i])) continue;
        if ((s = sgn_path_set(&path, err, "%s/%s", where, names[i])) != SGN_OK) break;
        if ((s = digest_one(path.s, sample, &one, err)) != SGN_OK) break;
        const int n = snprintf(line, sizeof line, "%s %s", all.hex, one.hex);
        all = sgn_digest_bytes(line, (size_t)n);
    }
    sgn_names_free(names, count);
    *out = all;
    return s;
}
