/* SPDX-License-Identifier: MIT */
#include "model/packed_arrays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/coded.h"
#include "core/kernels/kernels.h"

/* Packed: X.sign U8 (out, 8 ceil(in/64)), bit j of a row is its byte j/8, bit j%8; 1 is +1. */
sgn_status sgn_packed_read_signs(const sgn_array_set *set, const sgn_param *p, bool *found, sgn_error *err) {
    const int64_t rows = p->tensor.shape.dim[0], cols = p->tensor.shape.dim[1], stride = 8 * sgn_plane_stride(cols);
    char name[SGN_ARRAY_NAME];
    snprintf(name, sizeof name, "%.*s.sign", (int)(strlen(p->name) - strlen(".weight")), p->name);
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
            p->tensor.data[i * cols + j] = bits[i * stride + j / 8] >> (j % 8) & 1 ? 1 : -1;
    free(bits);
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
