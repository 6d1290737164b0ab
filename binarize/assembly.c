/* SPDX-License-Identifier: MIT */
#include "binarize/assembly.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "binarize/work.h"
#include "model/model_load.h"

sgn_status sgn_assembly_init(sgn_assembly *a, const sgn_transformer *source, const sgn_transformer *result, const char *work, sgn_error *err) {
    *a = (sgn_assembly){ .source = source, .result = result, .work = work, .n = -1 };
    return sgn_work_model(&result->config, 1, &a->one, err);
}

void sgn_assembly_free(sgn_assembly *a) {
    sgn_transformer_free(&a->one);
    free(a->room);
    *a = (sgn_assembly){ 0 };
}

static sgn_status load_block(sgn_assembly *a, int64_t n, sgn_error *err) {
    sgn_json *rows;
    if (n == a->n) return SGN_OK;
    a->n = -1;
    SGN_TRY(sgn_work_load(a->work, n, &a->one, &rows, err));
    if (!rows) SGN_FAIL(err, SGN_IO, "%s: block %lld is not there any more; the same command makes it again", a->work, (long long)n);
    sgn_json_free(rows);
    sgn_params_refresh_signs(&a->one.params);
    a->n = n;
    return SGN_OK;
}

static sgn_status get_outside(sgn_assembly *a, const sgn_param *p, const sgn_real **data, sgn_error *err) {
    const sgn_param *from = sgn_params_find(&a->source->params, p->name);
    free(a->room);
    a->room = malloc((size_t)sgn_numel(p->tensor.shape) * sizeof *a->room);
    if (!a->room) SGN_FAIL(err, SGN_NOMEM, "no memory for '%s'", p->name);
    *data = a->room;
    return sgn_model_read(a->source, (int)(from - a->source->params.at), a->room, err);
}

sgn_status sgn_assembly_get(void *ctx, int i, const sgn_real **data, sgn_error *err) {
    sgn_assembly *a = ctx;
    const sgn_param *p = &a->result->params.at[i];
    long long n;
    int end = 0;
    if (sscanf(p->name, "model.layers.%lld.%n", &n, &end) != 1 || !end) return get_outside(a, p, data, err);
    char name[SGN_PARAM_NAME];
    snprintf(name, sizeof name, "model.layers.0.%s", p->name + end);
    SGN_TRY(load_block(a, n, err));
    *data = sgn_params_find(&a->one.params, name)->tensor.data;
    return SGN_OK;
}
