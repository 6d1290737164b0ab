/* golden.h - the C side of llama_fbi.py: numbers by formula, models filled with them, and sketches of tensors.
 *
 * A sketch is a norm and some products with +-1 vectors; see make_golden.py.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_GOLDEN_H
#define SGN_TESTS_GOLDEN_H

#include "tests/check.h"
#include "core/json.h"
#include "model/transformer.h"

/* splitmix64 of (FNV-1a of the name) + index. */
static inline uint64_t golden_stream(const char *prefix, const char *name) {
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *c = prefix; *c; c++) h = (h ^ (uint8_t)*c) * 0x100000001b3u;
    for (const char *c = name; *c; c++) h = (h ^ (uint8_t)*c) * 0x100000001b3u;
    return h;
}
static inline uint64_t golden_mix(uint64_t stream, int64_t i) {
    uint64_t z = stream + (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
/* offset + k 2^-exponent, k = top 24 bits - 2^23. */
static inline sgn_real golden_value(uint64_t stream, int64_t i, int64_t exponent, double offset) {
    const int64_t k = (int64_t)(golden_mix(stream, i) >> 40) - (1 << 23);
    return (sgn_real)(offset + ldexp((double)k, (int)-exponent));
}
/* floor(vocab u^2), u = top 24 bits / 2^24. */
static inline int32_t golden_token(uint64_t stream, int64_t i, int64_t vocab) {
    const uint64_t k = golden_mix(stream, i) >> 40;
    return (int32_t)(((k * k) >> 24) * (uint64_t)vocab >> 24);
}

/* --- the file --------------------------------------------------------------------------------- */

static inline sgn_json *golden_load(const char *path) {
    sgn_json *j;
    sgn_error err;
    check_ok(sgn_json_load(&j, path, 1 << 20, &err), &err);
    return j;
}
static inline double golden_number(const sgn_json *object, const char *key) {
    const sgn_json *j = sgn_json_get(object, key);
    if (!j) fail_msg("the golden file lacks \"%s\"", key);
    return sgn_json_real(j, NAN);
}
static inline int64_t golden_int(const sgn_json *object, const char *key) {
    return (int64_t)golden_number(object, key);
}

/* --- models ------------------------------------------------------------------------------------ */

static inline void golden_fill(sgn_param *p, const sgn_json *spread) {
    static const char *const key[] = {
        [SGN_PARAM_MATRIX] = "matrix", [SGN_PARAM_LATENT] = "matrix", [SGN_PARAM_EMBEDDING] = "embedding",
        [SGN_PARAM_HEAD] = "head", [SGN_PARAM_NORM] = "norm", [SGN_PARAM_SCALE] = "scale", [SGN_PARAM_BIAS] = "bias",
    };
    const int64_t exponent = golden_int(spread, key[p->class]), n = sgn_numel(p->tensor.shape);
    const bool    alpha = strstr(p->name, ".wscale") != NULL;
    const double  offset = p->class == SGN_PARAM_NORM ? 1 : alpha ? 0x1p-6 : 0;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s.", sgn_json_string(sgn_json_get(spread, "name"), ""));
    const uint64_t stream = golden_stream(prefix, p->name);
    for (int64_t i = 0; i < n; i++)
        p->tensor.data[i] = exponent ? golden_value(stream, i, exponent, offset) : (sgn_real)offset;
}

/* A committed model of this config.json, filled as make() in llama_fbi.py does. */
static inline void golden_model(sgn_transformer *m, const sgn_json *config, const sgn_json *spread, bool train) {
    sgn_model_config c = { 0 };
    sgn_error err;
    check_ok(sgn_model_config_from_json(&c, config, "golden config", &err), &err);
    check_ok(sgn_transformer_init(m, &c, train, &err), &err);
    check_ok(sgn_transformer_commit(m, &err), &err);
    for (int i = 0; i < m->params.count; i++) golden_fill(&m->params.at[i], spread);
    for (int64_t b = 0; golden_int(spread, "scale") == 0 && b < m->config.layers; b++)
        for (int j = 0; j < SGN_LINEARS; j++) {
            sgn_linear *l = &m->blocks[b].linear[j];
            if (l->kind->derive) l->kind->derive(l);
        }
    sgn_params_refresh_signs(&m->params);
}

/* --- sketches ------------------------------------------------------------------------------------ */

/* x agrees with the sketch to `relative` of its norm. */
static inline void golden_compare(const char *what, const char *name, const sgn_real *x, int64_t n,
                                  const sgn_json *sketch, double relative) {
    const uint64_t stream = golden_stream("dot.", name);
    const double   norm = sgn_json_real(sgn_json_at(sketch, 0), NAN);
    double         squares = 0, dot[8] = { 0 };
    const int      dots = (int)sgn_json_size(sketch) - 1;
    assert_in_range(dots, 1, 8);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t bits = golden_mix(stream, i);
        squares += (double)x[i] * (double)x[i];
        for (int j = 0; j < dots; j++) dot[j] += bits >> j & 1 ? (double)x[i] : -(double)x[i];
    }
    if (!(fabs(sqrt(squares) - norm) <= relative * norm))
        fail_msg("%s of %s: norm %.9g, expected %.9g", what, name, sqrt(squares), norm);
    for (int j = 0; j < dots; j++) {
        const double want = sgn_json_real(sgn_json_at(sketch, (size_t)j + 1), NAN);
        if (!(fabs(dot[j] - want) <= 3 * relative * norm))        /* e norm times a normal variate */
            fail_msg("%s of %s: product %d is %.9g, expected %.9g (norm %.9g)", what, name, j, dot[j], want, norm);
    }
}

/* All gradients of m, and none more or fewer than the file has. */
static inline void golden_compare_gradients(const sgn_transformer *m, const sgn_json *sketches, double relative) {
    assert_int_equal(m->params.count, sgn_json_size(sketches));
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        const sgn_json  *s = sgn_json_get(sketches, p->name);
        if (!s) fail_msg("the golden file has no gradient of %s", p->name);
        golden_compare("gradient", p->name, p->tensor.grad, sgn_numel(p->tensor.shape), s, relative);
    }
}

#endif
