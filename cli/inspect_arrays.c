/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/inspect.h"
#include "cli/output.h"
#include "core/archive.h"
#include "export/parts.h"

typedef struct { char s[SGN_ARRAY_NAME]; } array_name;

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The name without "weights/" and the "@row" of a piece. */
static array_name bare(const char *name) {
    array_name out;
    if (strncmp(name, "weights/", 8) == 0) name += 8;
    snprintf(out.s, sizeof out.s, "%s", name);
    out.s[strcspn(out.s, "@")] = '\0';
    return out;
}

/* Is it X.weight beside X.wscale? */
static bool is_latent(const sgn_archive *a, const char *name) {
    const array_name w = bare(name);
    if (strncmp(name, "weights/", 8) != 0 && strchr(name, '/')) return false;      /* moments of a checkpoint */
    if (!ends_with(w.s, ".weight")) return false;
    const int n = (int)(strlen(w.s) - strlen(".weight"));
    for (int i = 0; i < a->count; i++) {
        const array_name other = bare(a->at[i].name);
        if (strncmp(other.s, w.s, (size_t)n) == 0 && strcmp(other.s + n, ".wscale") == 0) return true;
    }
    return false;
}

/* Weights per row of a plane X.sign, 0: unknown. */
static int64_t plane_cols(const sgn_model_config *c, const char *name) {
    const char *layers = strstr(name, "model.layers.");
    if (!c || !layers || !ends_with(name, ".sign")) return 0;
    const int64_t n = strtoll(layers + strlen("model.layers."), NULL, 10);
    for (int l = 0; l < SGN_LINEARS; l++) {
        const sgn_linear_name linear = sgn_linear_name_of(n, (sgn_block_linear)l);
        const size_t length = strlen(linear.s);
        if (strncmp(name, linear.s, length) != 0 || strcmp(name + length, ".sign") != 0) continue;
        int64_t out, in;
        sgn_linear_shape(c, (sgn_block_linear)l, &out, &in);
        return in;
    }
    return 0;
}

static sgn_status read_raw(const sgn_archive *a, int i, void **out, sgn_error *err) {
    *out = malloc((size_t)a->at[i].bytes + 1);
    if (!*out) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", a->path, a->at[i].name);
    return a->kind->read(a, i, *out, err);
}

static sgn_status share_of_signs(const sgn_archive *a, int i, int64_t cols, sgn_json *out, sgn_error *err) {
    const sgn_array *x = &a->at[i];
    void *bits = NULL;
    if (x->rank != 2 || x->dim[1] < (cols + 7) / 8 || x->dim[0] == 0) return SGN_OK;
    sgn_status s = read_raw(a, i, &bits, err);
    int64_t ones = 0;
    for (int64_t b = 0; s == SGN_OK && b < (int64_t)x->bytes; b++) ones += __builtin_popcount(((const uint8_t *)bits)[b]);
    if (s == SGN_OK) sgn_json_set(out, "positive", sgn_json_new_real((double)ones / (double)(x->dim[0] * cols)));
    free(bits);
    return s;
}

static void set_finite(sgn_json *out, const char *key, double value) {
    sgn_json_set(out, key, isfinite(value) ? sgn_json_new_real(value) : sgn_json_new_string(isnan(value) ? "nan" : "infinite"));
}

static sgn_status describe_numbers(const sgn_archive *a, int i, bool latent, bool stats, sgn_json *out, sgn_error *err) {
    const int64_t n = (int64_t)sgn_array_numel(&a->at[i]);
    if (n == 0) return SGN_OK;
    float *x = malloc((size_t)n * sizeof *x);
    if (!x) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", a->path, a->at[i].name);
    const sgn_status s = sgn_archive_read_f32(a, i, x, n, err);
    int64_t positive = 0, bad = 0;
    double least = INFINITY, most = -INFINITY, sum = 0;
    for (int64_t k = 0; s == SGN_OK && k < n; k++) {
        positive += x[k] >= 0;
        bad += !isfinite(x[k]);
        least = fmin(least, (double)x[k]);
        most = fmax(most, (double)x[k]);
        sum += (double)x[k];
    }
    free(x);
    SGN_TRY(s);
    if (latent) sgn_json_set(out, "positive", sgn_json_new_real((double)positive / (double)n));
    if (!stats) return SGN_OK;
    set_finite(out, "min", least);
    set_finite(out, "max", most);
    set_finite(out, "mean", sum / (double)n);
    if (bad) sgn_json_set(out, "not_finite", sgn_json_new_int(bad));
    return SGN_OK;
}

static sgn_status describe(const sgn_archive *a, int i, const sgn_model_config *config, bool stats, sgn_json *out, sgn_error *err) {
    const sgn_array *x = &a->at[i];
    sgn_json *shape = sgn_json_new_array();
    for (int k = 0; k < x->rank; k++) sgn_json_append(shape, sgn_json_new_int(x->dim[k]));
    sgn_json_set(out, "name", sgn_json_new_text(x->name, strlen(x->name)));
    sgn_json_set(out, "dtype", sgn_json_new_string(sgn_dtype_name(x->dtype)));
    sgn_json_set(out, "shape", shape);
    sgn_json_set(out, "bytes", sgn_json_new_int((int64_t)x->bytes));
    const int64_t cols = x->dtype == SGN_DTYPE_U8 ? plane_cols(config, x->name) : 0;
    if (cols) return share_of_signs(a, i, cols, out, err);
    const bool latent = is_latent(a, x->name);
    return latent || stats ? describe_numbers(a, i, latent, stats, out, err) : SGN_OK;
}

sgn_status sgn_inspect_arrays(const char *file, const sgn_model_config *config, bool stats, sgn_json *list, sgn_error *err) {
    sgn_archive a;
    SGN_TRY(sgn_archive_open(&a, file, err));
    sgn_status s = SGN_OK;
    for (int i = 0; s == SGN_OK && i < a.count; i++) {
        sgn_json *j = sgn_json_new_object();
        sgn_json_append(list, j);
        s = describe(&a, i, config, stats, j, err);
    }
    sgn_archive_close(&a);
    return s;
}

sgn_status sgn_inspect_notes(const char *file, const char *const *keys, sgn_json *out, sgn_error *err) {
    sgn_archive a;
    SGN_TRY(sgn_archive_open(&a, file, err));
    for (; *keys; keys++) {
        const char *text = a.kind->note ? a.kind->note(&a, *keys) : NULL;
        char *end;
        const long long number = text ? strtoll(text, &end, 10) : 0;
        if (text) sgn_json_set(out, *keys, *text && !*end ? sgn_json_new_int(number) : sgn_json_new_text(text, strlen(text)));
    }
    sgn_archive_close(&a);
    return SGN_OK;
}
