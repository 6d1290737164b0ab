/* SPDX-License-Identifier: MIT */
#include "model/packed_arrays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/coded.h"
#include "core/json.h"
#include "core/kernels/kernels.h"
#include "core/zoned_bits.h"

enum { CONFIG_LIMIT = 16 << 20 };

static int layer_name(const sgn_param *p) {
    const size_t n = strlen(p->name), end = strlen(".weight");
    return (int)(n > end && strcmp(p->name + n - end, ".weight") == 0 ? n - end : 0);      /* 0: no weight */
}

/* p += one where the bit is 1, else zero: a plane U8 (out, 8 ceil(in/64)), bit j of a row is its byte j/8, bit j%8. */
static sgn_status read_plane(const sgn_array_set *set, const char *name, const sgn_param *p, int one, int zero, bool *found, sgn_error *err) {
    const int64_t rows = p->tensor.shape.dim[0], cols = p->tensor.shape.dim[1], stride = 8 * sgn_plane_stride(cols);
    const sgn_archive *archive;
    const sgn_array *a = sgn_array_set_find(set, name, &archive);
    *found = a != NULL;
    if (!a) return SGN_OK;
    if (a->dtype != SGN_DTYPE_U8 || a->rank != 2 || a->dim[0] != rows || a->dim[1] != stride)
        SGN_FAIL(err, SGN_SHAPE, "%s: '%s' is not U8 (%lld, %lld), which %lld weights per row take; export the model again",
                 archive->path, name, (long long)rows, (long long)stride, (long long)cols);
    uint8_t *bits = malloc((size_t)a->bytes);
    if (!bits) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", archive->path, name);
    const sgn_status s = archive->kind->read(archive, (int)(a - archive->at), bits, err);
    for (int64_t i = 0; s == SGN_OK && i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            p->tensor.data[i * cols + j] += (sgn_real)(bits[i * stride + j / 8] >> (j % 8) & 1 ? one : zero);
    free(bits);
    return s;
}

/* Packed: X.sign, 1 is +1; X.plus and X.minus; of what is no X.weight the plane has its own name. */
sgn_status sgn_packed_read_signs(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err) {
    const int n = layer_name(p);
    char name[SGN_ARRAY_NAME];
    memset(p->tensor.data, 0, (size_t)sgn_numel(p->tensor.shape) * sizeof *p->tensor.data);
    if (!n) return read_plane(set, p->name, p, 1, -1, found, err);
    snprintf(name, sizeof name, "%.*s.sign", n, p->name);
    SGN_TRY(read_plane(set, name, p, 1, -1, found, err));
    if (*found || p->code != SGN_CODE_TERNARY) return SGN_OK;
    snprintf(name, sizeof name, "%.*s.plus", n, p->name);
    SGN_TRY(read_plane(set, name, p, 1, 0, found, err));
    if (!*found) return SGN_OK;
    snprintf(name, sizeof name, "%.*s.minus", n, p->name);
    SGN_TRY(read_plane(set, name, p, -1, 0, found, err));
    if (!*found) SGN_FAIL(err, SGN_FORMAT, "%s has no '%s'; export the model again", set->directory, name);
    return SGN_OK;
}

const sgn_array *sgn_packed_in_place(const sgn_array_set *set, const sgn_param *p) {
    static const char *const end[] = { "sign", "plus", "codes", "zones" };
    const int n = layer_name(p);
    const sgn_archive *archive;
    const sgn_array *a = NULL;
    char name[SGN_ARRAY_NAME];
    for (size_t k = 0; n && !a && k < sizeof end / sizeof *end; k++) {
        snprintf(name, sizeof name, "%.*s.%s", n, p->name, end[k]);
        a = sgn_array_set_find(set, name, &archive);
    }
    return a;
}

/* --- zones --------------------------------------------------------------------------------------------------- */

/* What config.json says of them. */
static sgn_status form_of(const sgn_array_set *set, const sgn_param *p, sgn_zoned_bits *z, sgn_error *err) {
    char linear[SGN_PARAM_NAME];
    sgn_path path;
    sgn_json *j;
    snprintf(linear, sizeof linear, "%.*s", layer_name(p), p->name);
    SGN_TRY(sgn_path_set(&path, err, "%s/config.json", set->directory));
    SGN_TRY(sgn_json_load(&j, path.s, CONFIG_LIMIT, err));
    const sgn_json *stage = sgn_json_at(sgn_json_at(sgn_json_get(sgn_json_get(sgn_json_get(j, "signum"), "stages"), linear), 0), 0);
    const bool known = sgn_zoned_bits_parse(z, p->tensor.shape.dim[0], p->tensor.shape.dim[1], sgn_json_string(sgn_json_get(stage, "keep"), ""),
                                            (int)sgn_json_int(sgn_json_get(stage, "id"), 0));
    sgn_json_free(j);
    if (!known) SGN_FAIL(err, SGN_FORMAT, "%s: signum.stages: %s: it names no form of zones", path.s, linear);
    return SGN_OK;
}

static sgn_status read_bytes(const sgn_array_set *set, const sgn_param *p, const char *end, int64_t bytes, uint8_t **out, sgn_error *err) {
    char name[SGN_ARRAY_NAME];
    snprintf(name, sizeof name, "%.*s.%s", layer_name(p), p->name, end);
    const sgn_archive *archive;
    const sgn_array *a = sgn_array_set_find(set, name, &archive);
    if (!a || a->dtype != SGN_DTYPE_U8 || (int64_t)a->bytes != bytes)
        SGN_FAIL(err, SGN_SHAPE, "%s: '%s' is not U8 of %lld bytes; export the model again", set->directory, name, (long long)bytes);
    *out = malloc((size_t)bytes);
    if (!*out) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", archive->path, name);
    return archive->kind->read(archive, (int)(a - archive->at), *out, err);
}

sgn_status sgn_packed_read_zones(const sgn_array_set *set, const sgn_param *p, const sgn_tensor *scale, const sgn_tensor *zone, sgn_error *err) {
    sgn_zoned_bits z;
    SGN_TRY(form_of(set, p, &z, err));
    uint8_t *byte = NULL, *salient = NULL;
    sgn_status s = read_bytes(set, p, "zones", z.rows * sgn_zoned_bits_stride(&z), &byte, err);
    if (s == SGN_OK) s = read_bytes(set, p, "salient", (z.cols + 7) / 8, &salient, err);
    z.byte = byte, z.salient = salient;
    for (int64_t i = 0; s == SGN_OK && i < z.rows; i++)
        if (!sgn_zoned_bits_latents(&z, i, scale->data + i * scale->shape.dim[1], p->tensor.data + i * z.cols, zone->data + i * z.cols))
            s = SGN_ERROR(err, SGN_FORMAT, "%s: zones of '%s' have bits in row %lld that stand for nothing", set->directory, p->name, (long long)i);
    free(byte);
    free(salient);
    return s;
}

/* Packed: X.codes U8 (out, stride), docs/formats/packed.md: +-1, and 0 for what is not kept. */
sgn_status sgn_packed_read_codes(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err) {
    const sgn_coded as = { p->code, p->tensor.shape.dim[0], p->tensor.shape.rank == 2 ? p->tensor.shape.dim[1] : 0, NULL };
    const int of = sgn_code_get(as.code)->of;
    char name[SGN_ARRAY_NAME];
    snprintf(name, sizeof name, "%.*s.codes", (int)(strlen(p->name) - strlen(".weight")), p->name);
    const sgn_archive *archive;
    const sgn_array *a = as.cols && sgn_coded_bits(as.code) ? sgn_array_set_find(set, name, &archive) : NULL;
    *found = a != NULL;
    if (!a) return SGN_OK;
    if (a->dtype != SGN_DTYPE_U8 || a->rank != 2 || a->dim[0] != as.rows || a->dim[1] != sgn_coded_stride(as.code, as.cols))
        SGN_FAIL(err, SGN_SHAPE, "%s: '%s' is not U8 (%lld, %lld), which %lld weights per row of %s signs take; take the model.keep it was trained with",
                 archive->path, name, (long long)as.rows, (long long)sgn_coded_stride(as.code, as.cols), (long long)as.cols, sgn_code_get(as.code)->name);
    uint8_t *byte = malloc((size_t)a->bytes);
    if (!byte) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", archive->path, name);
    sgn_status s = archive->kind->read(archive, (int)(a - archive->at), byte, err);
    const sgn_coded c = { as.code, as.rows, as.cols, byte };
    if (s == SGN_OK && sgn_coded_check(&c) >= 0) s = SGN_ERROR(err, SGN_FORMAT, "%s: '%s' has codes that stand for nothing", archive->path, name);
    for (int64_t i = 0; s == SGN_OK && i < as.rows; i++)
        for (int64_t j = 0; j < as.cols; j++) {
            const uint32_t word = sgn_coded_at(&c, i, j / of) >> j % of;
            p->tensor.data[i * as.cols + j] = word & 1 ? word >> 16 & 1 ? 1 : -1 : 0;
        }
    free(byte);
    return s;
}

/* Packed: X.q8_0 U8 (out, 34 in/32), blocks as in core/kernels/blocks.inc. */
sgn_status sgn_packed_read_blocks(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err) {
    const sgn_shape shape = p->tensor.shape;
    char name[SGN_ARRAY_NAME];
    snprintf(name, sizeof name, "%.*s.q8_0", (int)(strlen(p->name) - strlen(".weight")), p->name);
    const sgn_archive *archive;
    const sgn_array *a = shape.rank == 2 ? sgn_array_set_find(set, name, &archive) : NULL;
    *found = a != NULL;
    if (!a) return SGN_OK;
    const int64_t bytes = (int64_t)sgn_stored_row_bytes(SGN_DTYPE_Q8_0, shape.dim[1]);
    if (a->dtype != SGN_DTYPE_U8 || a->rank != 2 || shape.dim[1] % sgn_dtype_block(SGN_DTYPE_Q8_0) || a->dim[0] != shape.dim[0] || a->dim[1] != bytes)
        SGN_FAIL(err, SGN_SHAPE, "%s: '%s' is not U8 (%lld, %lld), which %lld weights per row take; export the model again",
                 archive->path, name, (long long)shape.dim[0], (long long)bytes, (long long)shape.dim[1]);
    void *raw = malloc((size_t)a->bytes);
    if (!raw) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for '%s'", archive->path, name);
    const sgn_status s = archive->kind->read(archive, (int)(a - archive->at), raw, err);
    if (s == SGN_OK) sgn_kernels_get()->to_real[SGN_DTYPE_Q8_0](p->tensor.data, raw, sgn_numel(shape));
    free(raw);
    return s;
}
