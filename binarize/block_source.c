/* SPDX-License-Identifier: MIT */
#include "binarize/block_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "binarize/work.h"
#include "model/model_load.h"

static sgn_status read_named(const sgn_transformer *whole, const char *name, sgn_real *out, sgn_error *err) {
    const sgn_param *p = sgn_params_find(&whole->params, name);
    if (!p) SGN_FAIL(err, SGN_FORMAT, "%s: the model has no '%s'", whole->files->directory, name);
    return sgn_model_read(whole, (int)(p - whole->params.at), out, err);
}

static sgn_status make_one(const sgn_transformer *whole, int64_t vocab, sgn_transformer *one, sgn_error *err) {
    sgn_model_config c = whole->config;
    snprintf(c.linear, SGN_TEXT, "full");
    c.mixed[0] = '\0';
    return sgn_work_model(&c, vocab, one, err);
}

sgn_status sgn_block_source_init(sgn_block_source *s, const sgn_transformer *whole, sgn_error *err) {
    *s = (sgn_block_source){ .whole = whole, .n = -1 };
    return make_one(whole, 1, &s->one, err);
}

void sgn_block_source_free(sgn_block_source *s) {
    sgn_transformer_free(&s->one);
    *s = (sgn_block_source){ 0 };
}

sgn_status sgn_block_source_load(sgn_block_source *s, int64_t n, sgn_error *err) {
    if (n == s->n) return SGN_OK;
    s->n = -1;
    for (int i = 0; i < s->one.params.count; i++) {
        const sgn_param *p = &s->one.params.at[i];
        sgn_layer_name name;
        if (sgn_layer_name_of(p->name, n, &name)) SGN_TRY(read_named(s->whole, name.s, p->tensor.data, err));
    }
    memcpy(s->one.blocks[0].path, s->whole->blocks[n].path, sizeof s->one.blocks[0].path);
    s->n = n;
    return SGN_OK;
}

sgn_status sgn_block_source_embed(const sgn_block_source *s, sgn_calibration *c, sgn_error *err) {
    sgn_transformer m;
    sgn_status status = make_one(s->whole, s->whole->config.vocab, &m, err);
    for (int i = 0; status == SGN_OK && i < m.params.count; i++)
        if (m.params.at[i].class == SGN_PARAM_EMBEDDING) status = read_named(s->whole, m.params.at[i].name, m.params.at[i].tensor.data, err);
    if (status == SGN_OK) status = sgn_calibration_embed(c, &m, err);
    sgn_transformer_free(&m);
    return status;
}

typedef sgn_status asked(void *ctx, sgn_error *err);

static sgn_status digest_all(const sgn_transformer *whole, asked *go_on, void *ctx, sgn_hasher *h, sgn_real *room, sgn_error *err) {
    sgn_hasher_begin(h);
    for (int i = 0; i < whole->params.count; i++) {
        SGN_TRY(go_on(ctx, err));
        SGN_TRY(sgn_model_read(whole, i, room, err));
        sgn_hasher_put(h, room, (size_t)sgn_numel(whole->params.at[i].tensor.shape) * sizeof *room);
    }
    return SGN_OK;
}

sgn_status sgn_block_source_digest(const sgn_transformer *whole, asked *go_on, void *ctx, char out[33], sgn_error *err) {
    int64_t most = 0;
    for (int i = 0; i < whole->params.count; i++) {
        const int64_t n = sgn_numel(whole->params.at[i].tensor.shape);
        if (n > most) most = n;
    }
    sgn_hasher *h;
    SGN_TRY(sgn_hasher_open(&h, err));
    sgn_real *room = malloc((size_t)most * sizeof *room);
    const sgn_status s = room ? digest_all(whole, go_on, ctx, h, room, err)
                              : SGN_ERROR(err, SGN_NOMEM, "no memory for a parameter of %lld numbers", (long long)most);
    if (s == SGN_OK) {
        const sgn_hash128 sum = sgn_hasher_end(h);
        snprintf(out, 33, "%016llx%016llx", (unsigned long long)sum.high, (unsigned long long)sum.low);
    }
    sgn_hasher_close(h);
    free(room);
    return s;
}
