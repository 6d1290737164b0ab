/* What calibration measures, beside a forward pass in double written here. Windows of one token see only themselves: attention hands on
 * V n(x), so a block is y = x + O V n(x), then y + D (silu(G n(y)) . U n(y)).
 *
 * SPDX-License-Identifier: MIT */
#include "tests/data/shard_files.h"
#include "binarize/binarize.h"
#include "core/archive.h"
#include "core/gemm.h"
#include "model/model_load.h"

enum { DIM = 16, FFN = 40, LAYERS = 6, VOCAB = 60, TOKENS = 200, WINDOWS = 24, SEQ = 4 };
static const double eps = 1e-5;

static sgn_model_config config(void) {
    return (sgn_model_config){
        .dim = DIM, .layers = LAYERS, .heads = 2, .kv_heads = 2, .ffn = FFN, .vocab = VOCAB, .context = 64, .linear = "full", .scales = "column",
        .shift = true, .binary = "attention,mlp", .rms_eps = eps, .rope_theta = 10000, .rope_scaling = 1, .init_std = 0.02 };
}

/* Tails grow with the block, unevenly, so that outliers differ. */
static void open_source(sgn_transformer *m) {
    static const double tail[LAYERS] = { 1, 3, 1.2, 2, 1.5, 2.5 };
    sgn_error err;
    const sgn_model_config c = config();
    check_ok(sgn_transformer_init(m, &c, false, &err), &err);
    check_ok(sgn_transformer_commit(m, &err), &err);
    sgn_transformer_randomize(m, 3);
    for (int i = 0; i < m->params.count; i++) {
        const sgn_param *p = &m->params.at[i];
        int block = -1;
        sscanf(p->name, "model.layers.%d.", &block);
        for (int64_t k = 0; k < sgn_numel(p->tensor.shape); k++) {
            sgn_real *w = &p->tensor.data[k];
            const double x = sgn_rng_normal((uint64_t)i, 13, (uint64_t)k);
            if (p->class == SGN_PARAM_NORM) *w = (sgn_real)(1 + 0.3 * x);
            else *w = (sgn_real)(copysign(0.2, x) * pow(fabs(x), block < 0 ? 1 : tail[block]));
        }
    }
}

/* --- one token through one block ------------------------------------------------------------------------------- */

typedef struct { double a[DIM], o[DIM], m[DIM], d[FFN]; } inputs;      /* of q, k, v; o; gate, up; down */

static const double *input_of(const inputs *in, int i) { return i == SGN_O ? in->o : i == SGN_DOWN ? in->d : i == SGN_GATE || i == SGN_UP ? in->m : in->a; }

static void norm(const sgn_transformer *t, int gain, const double *x, double *y) {
    double sum = 0;
    for (int j = 0; j < DIM; j++) sum += x[j] * x[j];
    for (int j = 0; j < DIM; j++) y[j] = (double)t->params.at[gain].tensor.data[j] * x[j] / sqrt(sum / DIM + eps);
}

/* y = W x, or with xnor a_i sign(W) x. */
static void product(const sgn_linear *l, bool xnor, const double *x, double *y) {
    const sgn_real *w = l->params->at[l->p[0]].tensor.data;
    for (int64_t i = 0; i < l->out; i++) {
        double sum = 0, mean = 0;
        for (int64_t j = 0; j < l->in; j++) {
            const double v = (double)w[i * l->in + j];
            sum += (xnor ? v >= 0 ? 1 : -1 : v) * x[j];
            mean += fabs(v) / (double)l->in;
        }
        y[i] = xnor ? mean * sum : sum;
    }
}

static void block(const sgn_transformer *t, int n, bool xnor, double *x, inputs *in) {
    const sgn_block *b = &t->blocks[n];
    double step[DIM], gate[FFN];
    norm(t, b->attention_norm, x, in->a);
    product(&b->linear[SGN_V], xnor, in->a, in->o);
    product(&b->linear[SGN_O], xnor, in->o, step);
    for (int j = 0; j < DIM; j++) x[j] += step[j];
    norm(t, b->mlp_norm, x, in->m);
    product(&b->linear[SGN_GATE], xnor, in->m, gate);
    product(&b->linear[SGN_UP], xnor, in->m, in->d);
    for (int j = 0; j < FFN; j++) in->d[j] *= gate[j] / (1 + exp(-gate[j]));
    product(&b->linear[SGN_DOWN], xnor, in->d, step);
    for (int j = 0; j < DIM; j++) x[j] += step[j];
}

static void embed(const sgn_transformer *t, uint64_t place, double *x) {
    for (int j = 0; j < DIM; j++) x[j] = (double)t->params.at[t->embedding].tensor.data[id_at(place, VOCAB) * DIM + j];
}

/* --- runs ----------------------------------------------------------------------------------------------------------- */

static void attach(sgn_transformer *source, const sgn_transformer *m) {
    enum { ARRAYS = 9 * LAYERS + 3 };
    static sgn_array at[ARRAYS];
    const void *data[ARRAYS];
    sgn_error err;
    char path[512];
    assert_int_equal(m->params.count, ARRAYS);
    for (int i = 0; i < ARRAYS; i++) {
        const sgn_param *p = &m->params.at[i];
        at[i] = sgn_array_make(p->name, SGN_DTYPE_F32, p->tensor.shape.rank, p->tensor.shape.dim);
        data[i] = p->tensor.data;
    }
    check_ok(sgn_make_directories(check_path("model"), &err), &err);
    snprintf(path, sizeof path, "%s/model.safetensors", check_path("model"));
    check_ok(sgn_archive_write("safetensors", path, at, data, ARRAYS, NULL, &err), &err);
    check_ok(sgn_transformer_init(source, &m->config, false, &err), &err);
    check_ok(sgn_model_attach(source, check_path("model"), &err), &err);
}

static sgn_json *binarize(const sgn_transformer *m, sgn_binarize_options o, int64_t seq, const char *work) {
    sgn_error err;
    sgn_json *rows;
    sgn_transformer source;
    attach(&source, m);
    sgn_shards *s = open_shards(put_shards("text", TOKENS, (sgn_shard_options){ .vocab = VOCAB }));
    sgn_model_config c = m->config;
    snprintf(c.linear, sizeof c.linear, "%s", sgn_binarize_kind(&o));
    const sgn_binarize_job job = { .how = o, .windows = WINDOWS, .seq = seq, .work = check_path(work) };
    check_ok(sgn_binarize_run(&source, &c, s, &job, &rows, &err), &err);
    sgn_shards_close(s);
    sgn_transformer_free(&source);
    assert_int_equal(sgn_json_size(rows), LAYERS * SGN_LINEARS);
    return rows;
}
static double real_of(const sgn_json *rows, int n, int i, const char *key) {
    return sgn_json_real(sgn_json_get(sgn_json_at(rows, (size_t)(n * SGN_LINEARS + i)), key), -1);
}

/* tr(W H W^T) = 2/T sum_t |W x_t|^2 and the same of W - Q, of every layer behind the binary blocks before its own. */
static void energies(void **state) {
    (void)state;
    static double x[WINDOWS][DIM], y[FFN], q[FFN];
    static inputs in[WINDOWS];
    sgn_transformer m;
    open_source(&m);
    sgn_json *rows = binarize(&m, (sgn_binarize_options){ .method = sgn_binarizer_find("xnor") }, 1, "one");
    for (int t = 0; t < WINDOWS; t++) embed(&m, (uint64_t)t * (TOKENS / WINDOWS), x[t]);
    for (int n = 0; n < LAYERS; n++) {
        for (int t = 0; t < WINDOWS; t++) {
            double dense[DIM];
            memcpy(dense, x[t], sizeof dense);
            block(&m, n, false, dense, &in[t]);
        }
        for (int i = 0; i < SGN_LINEARS; i++) {
            const sgn_linear *l = &m.blocks[n].linear[i];
            double energy = 0, error = 0;
            for (int t = 0; t < WINDOWS; t++) {
                product(l, false, input_of(&in[t], i), y);
                product(l, true, input_of(&in[t], i), q);
                for (int64_t k = 0; k < l->out; k++) energy += 2 * y[k] * y[k] / WINDOWS, error += 2 * pow(y[k] - q[k], 2) / WINDOWS;
            }
            check_close(real_of(rows, n, i, "energy"), energy, 0, 1e-4);
            check_close(real_of(rows, n, i, "error"), error, 0, 1e-4);
            check_close(real_of(rows, n, i, "row_signs_error"), error, 0, 1e-4);
        }
        inputs made;
        for (int t = 0; t < WINDOWS; t++) block(&m, n, true, x[t], &made);
    }
    sgn_json_free(rows);
    sgn_transformer_free(&m);
}

/* Longer windows: what q, k and v of the first block read is still a normed embedding. */
static void windows(void **state) {
    (void)state;
    sgn_transformer m;
    open_source(&m);
    sgn_json *rows = binarize(&m, (sgn_binarize_options){ .method = sgn_binarizer_find("xnor") }, SEQ, "four");
    for (int i = SGN_Q; i <= SGN_V; i++) {
        double energy = 0, x[DIM], a[DIM], y[DIM];
        for (int t = 0; t < WINDOWS * SEQ; t++) {
            embed(&m, (uint64_t)(t / SEQ * (TOKENS / WINDOWS) + t % SEQ), x);
            norm(&m, m.blocks[0].attention_norm, x, a);
            product(&m.blocks[0].linear[i], false, a, y);
            for (int k = 0; k < DIM; k++) energy += 2 * y[k] * y[k] / (WINDOWS * SEQ);
        }
        check_close(real_of(rows, 0, i, "energy"), energy, 0, 1e-4);
    }
    sgn_json_free(rows);
    sgn_transformer_free(&m);
}

/* --- N of each block ---------------------------------------------------------------------------------------------------- */

/* #{S > times mean S} / #S over a block's layers; what enters them has mean squares `input`. */
static double outliers(const sgn_block *b, const inputs *input, double times) {
    static double s[SGN_LINEARS * DIM * FFN];
    int64_t count = 0;
    double mean = 0, above = 0;
    for (int i = 0; i < SGN_LINEARS; i++) {
        const sgn_linear *l = &b->linear[i];
        const sgn_real *w = l->params->at[l->p[0]].tensor.data;
        double row[FFN] = { 0 }, col[FFN] = { 0 };
        for (int64_t k = 0; k < l->out * l->in; k++) row[k / l->in] += fabs((double)w[k]), col[k % l->in] += fabs((double)w[k]);
        for (int64_t k = 0; k < l->out * l->in; k++)
            s[count++] = fabs((double)w[k]) * (1 / row[k / l->in] + 1 / col[k % l->in]) * pow(input_of(input, i)[k % l->in], 0.25);
    }
    for (int64_t k = 0; k < count; k++) mean += s[k] / (double)count;
    for (int64_t k = 0; k < count; k++) above += s[k] > times * mean;
    return 100 * above / (double)count;
}

/* z = 2 (o - min) / (max - min) less its mean, rounded, 1 becomes 2: N + z of 8. */
static void kept_of(const double *o, int n, int *kept) {
    double least = o[0], most = o[0], mean = 0;
    for (int k = 1; k < LAYERS; k++) least = fmin(least, o[k]), most = fmax(most, o[k]);
    for (int k = 0; k < LAYERS; k++) mean += 2 * (o[k] - least) / (most - least) / LAYERS;
    for (int k = 0; k < LAYERS; k++) {
        const int z = (int)rint(2 * (o[k] - least) / (most - least) - mean);
        kept[k] = n + (z == 1 ? 2 : z);
    }
}

/* N follows outliers of the dense model beyond six means; beyond 5.6 two blocks would have another. */
static void layerwise(void **state) {
    (void)state;
    static double x[WINDOWS][DIM];
    sgn_transformer m;
    open_source(&m);
    sgn_json *rows = binarize(&m, (sgn_binarize_options){ .method = sgn_binarizer_find("stbllm"), .n = 4, .m = 8, .layerwise = true }, 1, "layerwise");
    double six[LAYERS], fewer[LAYERS];
    int kept[LAYERS], other[LAYERS];
    for (int t = 0; t < WINDOWS; t++) embed(&m, (uint64_t)t * (TOKENS / WINDOWS), x[t]);
    for (int n = 0; n < LAYERS; n++) {
        inputs squares = { { 0 }, { 0 }, { 0 }, { 0 } }, in;
        for (int t = 0; t < WINDOWS; t++) {
            block(&m, n, false, x[t], &in);
            for (int j = 0; j < DIM; j++) squares.a[j] += in.a[j] * in.a[j] / WINDOWS, squares.o[j] += in.o[j] * in.o[j] / WINDOWS, squares.m[j] += in.m[j] * in.m[j] / WINDOWS;
            for (int j = 0; j < FFN; j++) squares.d[j] += in.d[j] * in.d[j] / WINDOWS;
        }
        six[n] = outliers(&m.blocks[n], &squares, 6);
        fewer[n] = outliers(&m.blocks[n], &squares, 5.6);
    }
    kept_of(six, 4, kept);
    kept_of(fewer, 4, other);
    assert_memory_not_equal(kept, other, sizeof kept);
    for (int n = 0; n < LAYERS; n++)
        for (int i = 0; i < SGN_LINEARS; i++) assert_int_equal(real_of(rows, n, i, "n"), kept[n]);
    sgn_json_free(rows);
    sgn_transformer_free(&m);
}

static bool stop(void *ctx, const sgn_binarize_progress *p) { return (void)ctx, (void)p, false; }

/* While the source is digested, which takes as long as to read it, it can be stopped, and nothing is written yet. */
static void stopped_at_once(void **state) {
    (void)state;
    sgn_error err;
    sgn_json *rows;
    sgn_transformer m, source;
    open_source(&m);
    attach(&source, &m);
    sgn_shards *s = open_shards(put_shards("text", TOKENS, (sgn_shard_options){ .vocab = VOCAB }));
    const sgn_binarize_job job = { .how = { .method = sgn_binarizer_find("xnor") }, .windows = WINDOWS, .seq = 1, .work = check_path("stopped"),
                                   .progress = stop };
    sgn_model_config c = m.config;
    snprintf(c.linear, sizeof c.linear, "xnor");
    check_fails(sgn_binarize_run(&source, &c, s, &job, &rows, &err), SGN_INTERRUPTED, &err, "the same command");
    assert_null(rows);
    assert_false(sgn_file_exists(check_path("stopped")));
    sgn_shards_close(s);
    sgn_transformer_free(&source);
    sgn_transformer_free(&m);
}

static int begin(void **state) {
    sgn_error err = { 0 };
    return sgn_gemm_init(&err) == SGN_OK ? check_begin(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(energies), cmocka_unit_test(windows), cmocka_unit_test(layerwise), cmocka_unit_test(stopped_at_once) };
    return cmocka_run_group_tests(tests, begin, check_end);
}
