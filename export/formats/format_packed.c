/* packed: a directory that is read in place. docs/formats/packed.md has it byte by byte.
 *
 *     config.json         LlamaConfig; "signum": {"format": "packed", "format_version": 2, "stages": {LINEAR: [[stage, ..], ..]}}
 *     model.safetensors   LINEAR.NAME: sign planes U8 (rows, 8 ceil(cols/64)), codes of masked signs U8, scales F32 or F16, matrices F32, F16 or blocks of Q8_0
 *     tokenizer.json      as it was in training; MANIFEST: sizes and digests
 *
 * SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "core/quantize.h"
#include "export/formats/packed.h"

static const sgn_packed_shape shapes[SGN_STAGE_COUNT] = {
    [SGN_STAGE_NORM] = { .v = true },                [SGN_STAGE_SCALE] = { .v = true },
    [SGN_STAGE_SIGN] = { .planes = 1 },              [SGN_STAGE_GROUP_SIGN] = { .planes = 1, .v = true },
    [SGN_STAGE_TERNARY] = { .planes = 2 },           [SGN_STAGE_MASKED_SIGN] = { .codes = true },
    [SGN_STAGE_ZONES] = { .zones = true, .v = true },
    [SGN_STAGE_DENSE] = { .w = true },               [SGN_STAGE_RANK1] = { .v = true, .u = true },
};
sgn_packed_shape sgn_packed_shape_of(sgn_stage_kind kind) { return shapes[kind]; }
const char      *sgn_packed_plane_key(int plane) { return plane ? "plane2" : "plane"; }

/* Numbers in another type than they have in memory. */
typedef struct converted { struct converted *next; max_align_t data[]; } converted;

typedef struct {
    sgn_parts  parts;
    converted *made;
    sgn_dtype  scales, matrices;
} writing;

static void free_writing(writing *w) {
    sgn_parts_free(&w->parts);
    while (w->made) {
        converted *next = w->made->next;
        free(w->made);
        w->made = next;
    }
}

static sgn_status convert(writing *w, const char *name, sgn_dtype type, const float *x, int64_t rows, int64_t cols, const void **out,
                          sgn_error *err) {
    *out = x;
    if (type == SGN_DTYPE_F32) return SGN_OK;
    if (cols % sgn_dtype_block(type))
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: its rows of %lld numbers are no whole blocks of %lld; --type f16 has no blocks", name,
                 (long long)cols, (long long)sgn_dtype_block(type));
    if (!sgn_quantize_holds(type, x, rows * cols, 0))
        SGN_FAIL(err, SGN_NUMERIC, "%s: it has numbers too large for %s; f32 holds them", name, sgn_dtype_name(type));
    converted *c = malloc(sizeof *c + (size_t)rows * sgn_stored_row_bytes(type, cols));
    if (!c) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to write it as %s", name, sgn_dtype_name(type));
    c->next = w->made;
    w->made = c;
    sgn_quantize(type, x, rows * cols, c->data);
    *out = c->data;
    return SGN_OK;
}

/* NAME.weight, or NAME.q8_0: bytes that no reader of safetensors takes for numbers. */
static sgn_status add_matrix(writing *w, const char *name, sgn_stored s, int64_t rows, int64_t cols, sgn_error *err) {
    const void *data;
    SGN_TRY(convert(w, name, w->matrices, s.data, rows, cols, &data, err));
    if (w->matrices != SGN_DTYPE_Q8_0) sgn_parts_add(&w->parts, w->matrices, rows, cols, data, "%s.weight", name);
    else sgn_parts_add(&w->parts, SGN_DTYPE_U8, rows, (int64_t)sgn_stored_row_bytes(SGN_DTYPE_Q8_0, cols), data, "%s.q8_0", name);
    return SGN_OK;
}

static sgn_status add_scales(writing *w, const char *linear, const char *name, const float *x, int64_t rows, int64_t cols, sgn_error *err) {
    const void *data;
    char full[SGN_ARRAY_NAME];
    snprintf(full, sizeof full, "%s.%s", linear, name);
    SGN_TRY(convert(w, full, w->scales, x, rows, cols ? cols : 1, &data, err));
    sgn_parts_add(&w->parts, w->scales, rows, cols, data, "%s", full);
    return SGN_OK;
}

/* Masked signs as the file has them: codes, or two planes. */
static sgn_status settle(writing *w, const char *linear, const sgn_lowered_stage *s, sgn_lowered_stage *out, sgn_error *err) {
    const size_t bytes = sgn_masked_bytes(s);
    converted *c = bytes ? malloc(sizeof *c + bytes) : NULL;
    if (bytes && !c) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for codes of its signs", linear);
    if (c) c->next = w->made, w->made = c;
    *out = c ? sgn_masked_settle(s, c->data) : *s;
    return SGN_OK;
}

static sgn_status take(writing *w, const char *linear, size_t bytes, void **out, sgn_error *err) {
    converted *c = calloc(1, sizeof *c + bytes);
    if (!c) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for codes of its signs", linear);
    c->next = w->made;
    w->made = c;
    *out = c->data;
    return SGN_OK;
}

/* "keep": "N:M", or "all", or "any". */
static sgn_status add_zones(writing *w, const char *linear, const sgn_lowered_stage *s, sgn_json *j, sgn_error *err) {
    sgn_zoned_bits z = s->zones;
    char keep[24];
    if (!z.byte) {
        void *byte = NULL, *salient = NULL;
        SGN_TRY(sgn_zoned_bits_form(&z, s->zone, s->rows, s->cols, linear, err));
        SGN_TRY(take(w, linear, (size_t)(s->rows * sgn_zoned_bits_stride(&z)), &byte, err));
        SGN_TRY(take(w, linear, (size_t)(s->cols + 7) / 8, &salient, err));
        sgn_zoned_bits_pack(&z, s->latent, s->zone, s->v, byte, salient);
        z.byte = byte, z.salient = salient;
    }
    snprintf(keep, sizeof keep, "%d:%d", z.kept, z.of);
    sgn_json_set(j, "keep", sgn_json_new_string(z.of ? keep : z.pruned ? "any" : "all"));
    sgn_json_set(j, "id", sgn_json_new_int(z.id));
    sgn_parts_add(&w->parts, SGN_DTYPE_U8, s->rows, sgn_zoned_bits_stride(&z), z.byte, "%s.zones", linear);
    sgn_parts_add(&w->parts, SGN_DTYPE_U8, (s->cols + 7) / 8, 0, z.salient, "%s.salient", linear);
    return SGN_OK;
}

static sgn_status add_stage(writing *w, const char *linear, const sgn_lowered_stage *given, sgn_json *j, sgn_error *err) {
    sgn_lowered_stage one;
    SGN_TRY(settle(w, linear, given, &one, err));
    const sgn_lowered_stage *s = &one;
    const char *const *name = s->name;
    sgn_json_set(j, "stage", sgn_json_new_string(sgn_stage_word(s->kind)));
    for (int i = 0; i < shapes[s->kind].planes; i++) {
        sgn_json_set(j, sgn_packed_plane_key(i), sgn_json_new_string(*name));
        sgn_parts_add(&w->parts, SGN_DTYPE_U8, s->rows, 8 * s->plane[i].stride, s->plane[i].word, "%s.%s", linear, *name++);
    }
    if (shapes[s->kind].codes) {
        sgn_json_set(j, "keep", sgn_json_new_string(sgn_code_get(s->code)->name));
        sgn_json_set(j, "codes", sgn_json_new_string(*name));
        sgn_parts_add(&w->parts, SGN_DTYPE_U8, s->rows, sgn_coded_stride(s->code, s->cols), s->coded.byte, "%s.%s", linear, *name++);
    }
    if (shapes[s->kind].zones) {
        sgn_json_set(j, "zones", sgn_json_new_string(*name++));
        SGN_TRY(add_zones(w, linear, s, j, err));
    }
    if (s->w.data) {
        sgn_json_set(j, "w", sgn_json_new_string(w->matrices == SGN_DTYPE_Q8_0 ? "q8_0" : "weight"));
        SGN_TRY(add_matrix(w, linear, s->w, s->rows, s->cols, err));
    }
    if (s->v) {
        const int64_t cols = sgn_packed_v_cols(s);
        sgn_json_set(j, "v", sgn_json_new_string(*name));
        SGN_TRY(add_scales(w, linear, *name++, s->v, cols ? s->rows : s->v_size, cols, err));
    }
    if (s->u) {
        sgn_json_set(j, "u", sgn_json_new_string(*name));
        SGN_TRY(add_scales(w, linear, *name, s->u, s->u_size, 0, err));
    }
    if (s->kind == SGN_STAGE_GROUP_SIGN) sgn_json_set(j, "group", sgn_json_new_int(s->group));
    return SGN_OK;
}

static sgn_status add_linear(writing *w, sgn_json *stages, const char *linear, const sgn_lowered *l, sgn_error *err) {
    sgn_json *chains = sgn_json_new_array();
    sgn_json_set(stages, linear, chains);
    for (int c = 0; c < l->count; c++) {
        sgn_json *chain = sgn_json_new_array();
        sgn_json_append(chains, chain);
        for (int i = 0; i < l->chain[c].count; i++) {
            sgn_json *stage = sgn_json_new_object();
            sgn_json_append(chain, stage);
            SGN_TRY(add_stage(w, linear, &l->chain[c].stage[i], stage, err));
        }
    }
    return SGN_OK;
}

static sgn_status add_model(writing *w, sgn_json *stages, const sgn_lowered_model *lm, sgn_error *err) {
    sgn_lowered_model model = *lm;
    sgn_plain x;
    for (int i = 0; (x = sgn_plain_at(&model, i)).name; i++)
        if (x.there && x.matrix) {
            const sgn_linear_name name = sgn_packed_stem(x.name);
            SGN_TRY(add_matrix(w, name.s, *x.matrix, x.rows, x.cols, err));
        }
    for (int64_t n = 0; n < lm->config.layers; n++)
        for (int l = 0; l < SGN_LINEARS; l++) {
            const sgn_lowered *linear = &lm->blocks[n].linear[l];
            const sgn_linear_name name = sgn_linear_name_of(n, (sgn_block_linear)l);
            if (!linear->count) continue;
            SGN_TRY(add_linear(w, stages, name.s, linear, err));
        }
    return sgn_parts_end(&w->parts, err);
}

static sgn_dtype type_of(const char *word) {
    return !word || strcmp(word, "f32") == 0 ? SGN_DTYPE_F32 : strcmp(word, "f16") == 0 ? SGN_DTYPE_F16 : SGN_DTYPE_Q8_0;
}

static sgn_status write_directory(const char *directory, const sgn_transformer *m, const sgn_lowered_model *lm,
                                  const sgn_export_options *o, sgn_error *err) {
    (void)m;
    sgn_path path;
    if (o->scales && strcmp(o->scales, "f32") != 0 && strcmp(o->scales, "f16") != 0)
        SGN_FAIL(err, SGN_CONFIG, "--scales is f32 or f16, not '%.20s'", o->scales);
    SGN_TRY(sgn_path_set(&path, err, "%s/model.safetensors", directory));
    sgn_json *config = sgn_model_config_to_json(&lm->config), *ours = sgn_json_get(config, "signum");
    if (!ours) sgn_json_set(config, "signum", ours = sgn_json_new_object());
    sgn_json *stages = sgn_json_new_object();
    sgn_json_set(ours, "format", sgn_json_new_string("packed"));
    sgn_json_set(ours, "format_version", sgn_json_new_int(SGN_PACKED_VERSION));
    sgn_json_set(ours, "stages", stages);
    writing w = { .scales = type_of(o->scales), .matrices = type_of(o->type) };
    sgn_status s = add_model(&w, stages, lm, err);
    sgn_parts_add_vectors(&w.parts, lm);
    if (s == SGN_OK) s = sgn_parts_end(&w.parts, err);
    if (s == SGN_OK) s = sgn_archive_write("safetensors", path.s, w.parts.at, w.parts.data, w.parts.count, NULL, err);
    free_writing(&w);
    if (s == SGN_OK) return sgn_export_config(directory, config, o, err);
    sgn_json_free(config);
    return s;
}

static const char *const types[] = { "f32", "f16", "q8_0", NULL };

const sgn_format sgn_format_packed = {
    .name = "packed", .summary = "sign planes and scales, run in place", .types = types, .write = write_directory,
    .recognise = sgn_packed_recognise, .open = sgn_packed_open, .close = sgn_packed_close,
};
