/* SPDX-License-Identifier: MIT */
#include "model/packed_arrays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
