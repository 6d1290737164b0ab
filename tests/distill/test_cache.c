/* A cache of a teacher holds what the teacher says, however it was made, and says so when it does not.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/data/shard_files.h"
#include "core/archive.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "core/json.h"
#include "distill/cache_make.h"
#include "distill/pick.h"
#include "distill/teacher.h"
#include "model/model_load.h"

enum { VOCAB = 83, SEQ = 16, WINDOWS = 4100, BATCH = 3 };      /* three slices of 2048 windows, the last one short */

static const char *model_dir, *shards_dir, *small_dir;         /* small: 5 windows, one slice */

/* A random model with clear preferences, as a directory. */
static const char *put_model(const char *name, uint64_t seed) {
    enum { ARRAYS = 64 };
    const sgn_model_config c = { .dim = 16, .layers = 1, .heads = 2, .ffn = 24, .vocab = VOCAB, .context = 32, .linear = "full", .scales = "column",
                                 .rms_eps = 1e-5, .rope_theta = 10000, .rope_scaling = 1, .init_std = 0.6 };
    sgn_transformer m;
    sgn_error err;
    sgn_array at[ARRAYS];
    const void *data[ARRAYS];
    char path[600];
    static char where[512];
    snprintf(where, sizeof where, "%s", check_path(name));
    check_ok(sgn_transformer_init(&m, &c, true, &err), &err);
    check_ok(sgn_transformer_commit(&m, &err), &err);
    sgn_transformer_randomize(&m, seed);
    check_ok(sgn_make_directories(where, &err), &err);
    snprintf(path, sizeof path, "%s/config.json", where);
    sgn_json *j = sgn_model_config_to_json(&m.config);
    check_ok(sgn_json_save(j, 2, path, &err), &err);
    sgn_json_free(j);
    assert_true(m.params.count <= ARRAYS);
    for (int i = 0; i < m.params.count; i++) {
        const sgn_param *p = &m.params.at[i];
        at[i] = sgn_array_make(p->name, SGN_DTYPE_F32, p->tensor.shape.rank, p->tensor.shape.dim);
        data[i] = p->tensor.data;
    }
    snprintf(path, sizeof path, "%s/model.safetensors", where);
    check_ok(sgn_archive_write("safetensors", path, at, data, m.params.count, NULL, &err), &err);
    sgn_transformer_free(&m);
    return where;
}

static sgn_cache_options options_of(const char *out, bool samples, int64_t count) {
    return (sgn_cache_options){ .teacher = model_dir, .shards = shards_dir, .out = out, .samples = samples, .count = count, .seq = SEQ,
                                .bits = 16, .temperature = 1, .seed = 5, .parts = 1, .eot = -1 };
}

static void make(const sgn_cache_options *o) {
    sgn_error err;
    sgn_cache_report r;
    check_ok(sgn_cache_make(o, &r, &err), &err);
}

/* --- records ------------------------------------------------------------------------------------------- */

static void records(void **state) {
    (void)state;
    static const struct { bool samples; int64_t vocab, count, bits; double near; } kind[] = {
        { false, 500, 5, 16, 6e-4 }, { false, 500, 5, 8, 0.03 }, { false, 70000, 3, 16, 6e-4 },
        { true, 500, 20, 8, 1e-7 }, { true, 70000, 300, 16, 1e-7 } };
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) {
        const sgn_cache_job j = { .samples = kind[i].samples, .vocab = kind[i].vocab, .seq = 7, .count = kind[i].count, .bits = kind[i].bits,
                                  .temperature = 1, .windows = 1, .slice_windows = 1 };
        int32_t id[7 * 300], got_id[7 * 300];
        float w[7 * 300], got_w[7 * 300], rest[7], got_rest[7], entropy[7], floor[7];
        double mean;
        sgn_error err = { 0 };
        uint8_t *bytes = malloc(sgn_cache_record_most(&j));
        for (int64_t t = 0; t < j.seq; t++) {
            const int64_t n = j.samples ? 1 + t : j.count;
            for (int64_t k = 0; k < j.count; k++) {
                id[t * j.count + k] = (int32_t)((j.vocab - 1 - 31 * k - t) % j.vocab);
                w[t * j.count + k] = k >= n ? 0 : j.samples ? (float)(k ? 1 : j.count - n + 1) : 0.5f * exp2f((float)-k);
            }
            rest[t] = 0.5f * exp2f((float)(1 - j.count));
            entropy[t] = (float)t;
        }
        const sgn_cache_record in = { id, w, rest, entropy }, out = { got_id, got_w, got_rest, floor };
        const size_t size = sgn_cache_record_pack(&j, &in, bytes);
        assert_true(size <= sgn_cache_record_most(&j));
        sgn_cache_record o = out;
        check_ok(sgn_cache_record_unpack(&j, bytes, size, &o, &mean, "here", &err), &err);
        check_close(mean, 3, 0, 0);
        for (int64_t t = 0; t < j.seq; t++) {
            double sum = j.samples ? 0 : (double)got_rest[t], least = 0;
            if (!j.samples) least -= (double)got_rest[t] * log((double)got_rest[t]);
            for (int64_t k = 0; k < j.count; k++) {
                const double p = (double)got_w[t * j.count + k];
                check_close(p, w[t * j.count + k] / (j.samples ? (float)j.count : 1), 0, kind[i].near);
                if (p > 0) assert_int_equal(got_id[t * j.count + k], id[t * j.count + k]);
                sum += p;
                least -= p > 0 ? p * log(p) : 0;
            }
            check_close(sum, 1, 1e-6, 0);
            check_close(floor[t], j.samples ? 3 : least, 1e-5, 0);
        }
        for (size_t cut = 0; cut < size; cut++)
            check_fails(sgn_cache_record_unpack(&j, bytes, cut, &o, &mean, "here", &err), SGN_FORMAT, &err, "here");
        free(bytes);
    }
}

/* --- choosing -------------------------------------------------------------------------------------------- */

enum { WIDTH = 6, POSITIONS = 2 * SEQ, WORDS = 777 };

typedef struct {
    sgn_real hidden[POSITIONS * WIDTH], head[WORDS * WIDTH];
    sgn_soft soft;
} speaker;

static void speak(speaker *s) {
    for (int i = 0; i < POSITIONS * WIDTH; i++) s->hidden[i] = (sgn_real)sgn_rng_normal(3, 0, (uint64_t)i);
    for (int i = 0; i < WORDS * WIDTH; i++) s->head[i] = (sgn_real)sgn_rng_normal(3, 1, (uint64_t)(i % (700 * WIDTH)));     /* words 700.. repeat: ties */
    s->soft = (sgn_soft){ .kind = SGN_SOFT_HIDDEN, .hidden = s->hidden, .head = s->head, .width = WIDTH };
}

typedef struct { int32_t id[POSITIONS * WORDS]; float weight[POSITIONS * WORDS], rest[POSITIONS], entropy[POSITIONS]; } picks;

static sgn_soft pick(const speaker *s, const sgn_cache_job *j, picks *p) {
    static const uint64_t window[] = { 3, 11 };
    sgn_error err;
    sgn_pick_times times = { 0 };
    const sgn_cache_record r = { p->id, p->weight, p->rest, p->entropy };
    check_ok(sgn_pick_reserve(j, &s->soft, POSITIONS, &err), &err);
    sgn_pick(j, &s->soft, 2, window, &r, &times);
    return (sgn_soft){ .kind = j->samples ? SGN_SOFT_SAMPLES : SGN_SOFT_TOP, .top = j->count, .id = p->id, .prob = p->weight,
                       .rest = j->samples ? NULL : p->rest, .entropy = p->entropy };
}

static void largest_by_hand(void **state) {
    (void)state;
    static speaker s;
    static picks p, again;
    static sgn_real z[POSITIONS * WORDS];
    static const int64_t counts[] = { 1, 2, 7, 64, 200, 776, WORDS };
    speak(&s);
    sgn_gemm_forward(z, s.hidden, s.head, POSITIONS, WORDS, WIDTH);
    for (int i = 0; i < 14; i++) {
        const sgn_cache_job j = { .vocab = WORDS, .seq = SEQ, .count = counts[i / 2], .bits = 16, .temperature = i & 1 ? 2 : 1 };
        sgn_threads_set(1);
        pick(&s, &j, &p);
        sgn_threads_set(2);
        pick(&s, &j, &again);
        const size_t all = (size_t)(POSITIONS * j.count);
        assert_memory_equal(p.id, again.id, all * sizeof *p.id);
        assert_memory_equal(p.weight, again.weight, all * sizeof *p.weight);
        for (int t = 0; t < POSITIONS; t++) {
            double sum = 0, entropy = 0, mass = 0;
            const sgn_real *x = z + t * WORDS;
            for (int v = 0; v < WORDS; v++) sum += exp((double)x[v] / j.temperature);
            for (int v = 0; v < WORDS; v++) {
                const double q = exp((double)x[v] / j.temperature) / sum;
                int64_t before = 0;
                entropy -= q * log(q);
                for (int u = 0; u < WORDS; u++) before += x[u] > x[v] || (x[u] == x[v] && u < v);
                if (before >= j.count) continue;
                mass += q;
                assert_int_equal(p.id[t * j.count + before], v);
                check_close(p.weight[t * j.count + before], q, 0, 2e-6);
            }
            check_close(p.rest[t], 1 - mass, 2e-6, 0);
            check_close(p.entropy[t], entropy, 1e-5, 0);
        }
    }
}

/* --- learning from it --------------------------------------------------------------------------------------- */

typedef struct {
    sgn_tensor    h, head;
    sgn_real      grads[2][WORDS * WIDTH];
    sgn_loss_sums sums;
    double        loss;
} student;

/* The loss of a fixed student, and its gradients. */
static void learn(student *s, const sgn_soft *soft, double temperature) {
    static sgn_real h[POSITIONS * WIDTH], head[WORDS * WIDTH];
    static int32_t target[POSITIONS];
    sgn_error err;
    sgn_tape t;
    *s = (student){ .h = { .shape = sgn_shape2(POSITIONS, WIDTH), .data = h, .needs_grad = true, .leaf = true },
                    .head = { .shape = sgn_shape2(WORDS, WIDTH), .data = head, .needs_grad = true, .leaf = true } };
    s->h.grad = s->grads[0], s->head.grad = s->grads[1];
    for (int i = 0; i < POSITIONS * WIDTH; i++) h[i] = (sgn_real)sgn_rng_normal(4, 0, (uint64_t)i);
    for (int i = 0; i < WORDS * WIDTH; i++) head[i] = (sgn_real)sgn_rng_normal(4, 1, (uint64_t)i);
    for (int i = 0; i < POSITIONS; i++) target[i] = i * 13 % WORDS;
    const sgn_head_loss_args a = { .target = target, .soft = *soft, .lambda = 0.75, .temperature = temperature, .scale = 1.0 / POSITIONS, .sums = &s->sums };
    check_ok(sgn_tape_init(&t, 4, 1 << 16, &err), &err);
    sgn_tape_begin(&t, SGN_TAPE_TRAIN);
    sgn_tensor *loss = sgn_head_loss(&t, &s->h, &s->head, &a);
    check_ok(sgn_tape_backward(&t, loss, &err), &err);
    s->loss = (double)loss->data[0];
    sgn_tape_free(&t);
}

static double largest_of(const sgn_real *x, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)x[i]));
    return most;
}

static void all_classes_are_live(void **state) {
    (void)state;
    static speaker s;
    static picks p;
    static student live, kept;
    speak(&s);
    for (int i = 0; i < 3; i++) {
        const double T = i == 0 ? 1 : i == 1 ? 2.5 : 0.7;
        const sgn_cache_job j = { .vocab = WORDS, .seq = SEQ, .count = WORDS, .bits = 16, .temperature = T };
        const sgn_soft soft = pick(&s, &j, &p);
        learn(&live, &s.soft, T);
        learn(&kept, &soft, T);
        check_close(kept.loss, live.loss, 0, 1e-5);
        check_close(kept.sums.soft, live.sums.soft, 0, 1e-5);
        check_close(kept.sums.teacher_entropy, live.sums.teacher_entropy, 0, 1e-5);
        for (int k = 0; k < 2; k++) {
            const int64_t n = k ? WORDS * WIDTH : POSITIONS * WIDTH;
            check_array_close(kept.grads[k], live.grads[k], n, 1e-5 * largest_of(live.grads[k], n), 0);
        }
    }
}

/* R draws of N samples: the mean gradient differs from the full one by noise alone. With V the mean square distance of one
 * gradient from their mean, the mean of R has V/R; seeds are fixed, twice that is allowed (a top-8 teacher: 40 times). */
static void samples_are_unbiased(void **state) {
    (void)state;
    enum { R = 300, N = 8, ALL = (POSITIONS + WORDS) * WIDTH };
    static speaker s;
    static picks p;
    static student live, one;
    static double sum[ALL], squares[ALL];
    speak(&s);
    for (int i = 0; i < 2; i++) {
        const double T = i ? 2 : 1;
        double bias = 0, noise = 0, soft_mean = 0;
        memset(sum, 0, sizeof sum);
        memset(squares, 0, sizeof squares);
        learn(&live, &s.soft, T);
        for (int r = 0; r < R; r++) {
            const sgn_cache_job j = { .samples = true, .vocab = WORDS, .seq = SEQ, .count = N, .bits = 8, .temperature = T, .seed = (uint64_t)r };
            sgn_soft soft = pick(&s, &j, &p);
            for (int k = 0; k < POSITIONS * N; k++) p.weight[k] /= N;
            learn(&one, &soft, T);
            soft_mean += one.sums.soft / R;
            for (int k = 0; k < ALL; k++) {
                const double g = (double)(k < POSITIONS * WIDTH ? one.grads[0][k] : one.grads[1][k - POSITIONS * WIDTH]);
                sum[k] += g;
                squares[k] += g * g;
            }
        }
        for (int k = 0; k < ALL; k++) {
            const double mean = sum[k] / R, full = (double)(k < POSITIONS * WIDTH ? live.grads[0][k] : live.grads[1][k - POSITIONS * WIDTH]);
            bias += (mean - full) * (mean - full);
            noise += (squares[k] / R - mean * mean) / R;
        }
        if (!(bias < 2 * noise)) fail_msg("the mean gradient is off by %g, noise explains %g", sqrt(bias), sqrt(noise));
        check_close(soft_mean, live.sums.soft, 0, 0.02);
    }
}

/* --- whole caches ------------------------------------------------------------------------------------------- */

static bool same_file(const char *a, const char *b, const char *name) {
    char path[2][700], *text[2];
    size_t size[2];
    snprintf(path[0], 700, "%s/%s", a, name);
    snprintf(path[1], 700, "%s/%s", b, name);
    sgn_error err;
    for (int i = 0; i < 2; i++) check_ok(sgn_file_read(path[i], 1 << 26, &text[i], &size[i], &err), &err);
    const bool same = size[0] == size[1] && memcmp(text[0], text[1], size[0]) == 0;
    free(text[0]), free(text[1]);
    return same;
}

static void check_same(const char *a, const char *b) {
    static const char *const names[] = { SGN_CACHE_JSON, "slice-00000.zst", "slice-00001.zst", "slice-00002.zst" };
    for (int i = 0; i < 4; i++)
        if (!same_file(a, b, names[i])) fail_msg("%s differs", names[i]);
}

static bool three_batches(void *ctx, const sgn_cache_report *r) {
    (void)ctx;
    return r->made_windows < 3 * 128;
}

static bool into_the_second(void *ctx, const sgn_cache_report *r) {
    (void)ctx;
    return r->made_windows < 2048 + 3 * 128;
}

/* In one go, in parts, stopped twice, with one thread: the same bytes, and nothing else in the directory. */
static void however_made(void **state) {
    (void)state;
    sgn_error err;
    sgn_cache_report r;
    for (int samples = 0; samples < 2; samples++) {
        char name[4][32];
        const char *dir[4];
        for (int i = 0; i < 4; i++) {
            snprintf(name[i], sizeof name[i], "made-%d-%d", samples, i);
            dir[i] = check_path(name[i]);
        }
        sgn_cache_options o = options_of(dir[0], samples, samples ? 12 : 9);
        sgn_threads_set(2);
        check_ok(sgn_cache_make(&o, &r, &err), &err);
        assert_true(r.complete && r.windows == WINDOWS && r.slices == 3 && r.made_windows == WINDOWS && r.entropy > 0.5 && r.entropy < log(VOCAB));
        check_ok(sgn_cache_make(&o, &r, &err), &err);
        assert_true(r.complete && r.made_windows == 0);
        o.out = dir[1], o.parts = 2, o.part = 1;
        sgn_threads_set(1);
        check_ok(sgn_cache_make(&o, &r, &err), &err);
        assert_true(!r.complete && r.there == 1 && r.made_slices == 1);
        o.part = 0;
        check_ok(sgn_cache_make(&o, &r, &err), &err);
        assert_true(r.complete && r.made_slices == 2);
        check_same(dir[0], dir[1]);
        o = options_of(dir[2], samples, o.count);
        o.progress = three_batches;
        check_fails(sgn_cache_make(&o, &r, &err), SGN_INTERRUPTED, &err, "the same command goes on");
        o.progress = into_the_second;
        check_fails(sgn_cache_make(&o, &r, &err), SGN_INTERRUPTED, &err, "slices that are done stay");
        sgn_teacher t;
        check_fails(sgn_teacher_open(&t, dir[2], &(sgn_teacher_need){ .batch = 1, .seq = SEQ }, &err), SGN_CONFIG, &err, "1 of 3 slices are there");
        char left[700];                            /* what a kill leaves */
        snprintf(left, sizeof left, "%s/.tmp-slice-00001.zst-999-0", dir[2]);
        check_ok(sgn_file_write(left, "x", 1, &err), &err);
        o.progress = NULL;
        check_ok(sgn_cache_make(&o, &r, &err), &err);
        assert_true(r.complete && r.made_slices == 2);
        check_same(dir[0], dir[2]);
        char **names;
        int count;
        check_ok(sgn_directory_list(dir[2], "", "", &names, &count, &err), &err);
        assert_int_equal(count, 4);
        sgn_names_free(names, count);
        o.seed = 6, o.count--;
        check_fails(sgn_cache_make(&o, &r, &err), SGN_CONFIG, &err, samples ? "--samples 12, --samples 11 is wanted" : "--top 9, --top 8 is wanted");
    }
}

static sgn_teacher_need need_of(const char *shards, sgn_digest *hash) {
    static const sgn_model_config like = { .vocab = VOCAB };
    char path[700];
    snprintf(path, sizeof path, "%s/shards.json", shards);
    sgn_error err;
    check_ok(sgn_digest_file(path, hash, NULL, &err), &err);
    return (sgn_teacher_need){ .student = &like, .tokenizer_hash = "", .batch = BATCH, .seq = SEQ, .shards_hash = hash->hex, .eot = -1, .temperature = 1 };
}

/* Through the file: every window gives what the live teacher says; half precision is 5e-4 of a probability. */
static void file_is_live(void **state) {
    (void)state;
    static sgn_real z[VOCAB];
    sgn_error err;
    sgn_teacher live, cached;
    sgn_digest hash;
    sgn_soft a, b;
    int32_t tokens[BATCH * SEQ], ids[SEQ + 1];
    uint64_t window[BATCH] = { 4099, 17, 2048 };
    const char *dir = check_path("whole");
    const sgn_cache_options o = options_of(dir, false, VOCAB);
    make(&o);
    const sgn_teacher_need need = need_of(shards_dir, &hash);
    check_ok(sgn_teacher_open(&live, model_dir, &need, &err), &err);
    check_ok(sgn_teacher_open(&cached, dir, &need, &err), &err);
    assert_string_equal(cached.kind->name, "cache");
    assert_true(cached.kind->bytes(&cached) > 4 * BATCH * SEQ * VOCAB * 8 && cached.kind->mapped(&cached) == 0);
    sgn_shards *s = open_shards(shards_dir);
    for (int r = 0; r < BATCH; r++) {
        check_ok(sgn_shards_read(s, window[r] * SEQ, SEQ + 1, ids, &err), &err);
        memcpy(tokens + r * SEQ, ids, SEQ * sizeof *ids);
    }
    sgn_shards_close(s);
    const sgn_batch batch = { .batch = BATCH, .seq = SEQ, .tokens = tokens, .window = window, .place = 2 };
    check_ok(live.kind->soft(&live, &batch, &a, &err), &err);
    for (int pass = 0; pass < 2; pass++) {         /* not read ahead, read ahead */
        if (pass) check_ok(cached.kind->ahead(&cached, &batch, &err), &err);
        check_ok(cached.kind->soft(&cached, &batch, &b, &err), &err);
        assert_true(b.kind == SGN_SOFT_TOP && b.top == VOCAB);
        for (int t = 0; t < BATCH * SEQ; t++) {
            double sum = 0;
            if (a.head) sgn_gemm_forward(z, a.hidden + t * a.width, a.head, 1, VOCAB, a.width);
            else {
                check_ok(sgn_gemm_stored_reserve(a.stored, 1, VOCAB, a.width, &err), &err);
                sgn_gemm_forward_stored(z, a.hidden + t * a.width, a.stored, 1, VOCAB, a.width);
            }
            for (int v = 0; v < VOCAB; v++) sum += exp((double)z[v]);
            for (int k = 0; k < VOCAB; k++) check_close(b.prob[t * VOCAB + k], exp((double)z[b.id[t * VOCAB + k]]) / sum, 1e-7, 1e-3);
            assert_true(b.rest[t] == 0);
        }
    }
    sgn_teacher_close(&live);
    sgn_teacher_close(&cached);
}

static void misfits(void **state) {
    (void)state;
    sgn_error err;
    sgn_teacher t;
    sgn_digest hash;
    const char *dir = check_path("misfits");
    sgn_cache_options o = options_of(dir, false, 4);
    o.shards = small_dir;
    make(&o);
    const sgn_teacher_need fits = need_of(small_dir, &hash);
    check_ok(sgn_teacher_open(&t, dir, &fits, &err), &err);
    sgn_teacher_close(&t);
    sgn_teacher_need n = fits;
    n.tokenizer_hash = "0123456789abcdef0123456789abcdef";
    check_fails(sgn_teacher_open(&t, dir, &n, &err), SGN_CONFIG, &err, "another tokenizer");
    n = fits, n.student = &(sgn_model_config){ .vocab = VOCAB + 1 };
    check_fails(sgn_teacher_open(&t, dir, &n, &err), SGN_CONFIG, &err, "set model.vocab=83");
    n = fits, n.seq = 8;
    check_fails(sgn_teacher_open(&t, dir, &n, &err), SGN_CONFIG, &err, "set train.seq=16");
    n = fits, n.shards_hash = "0123456789abcdef0123456789abcdef";
    check_fails(sgn_teacher_open(&t, dir, &n, &err), SGN_CONFIG, &err, "other shards");
    n = fits, n.shards_hash = NULL;
    check_fails(sgn_teacher_open(&t, dir, &n, &err), SGN_CONFIG, &err, "data.train=DIR");
    n = fits, n.temperature = 2;
    check_fails(sgn_teacher_open(&t, dir, &n, &err), SGN_CONFIG, &err, "--temperature 2");
    n = fits, n.eot = 0;
    check_fails(sgn_teacher_open(&t, dir, &n, &err), SGN_CONFIG, &err, "with --mask-documents");
    sgn_cache_report r;
    o.out = check_path("never"), o.count = VOCAB + 1;
    check_fails(sgn_cache_make(&o, &r, &err), SGN_CONFIG, &err, "--top is 84; 1 to 83");
    o.count = 4, o.seq = 33;
    check_fails(sgn_cache_make(&o, &r, &err), SGN_CONFIG, &err, "--seq is 33");
    o.seq = SEQ, o.bits = 12;
    check_fails(sgn_cache_make(&o, &r, &err), SGN_CONFIG, &err, "--bits is 12");
    o.bits = 16, o.part = 2, o.parts = 2;
    check_fails(sgn_cache_make(&o, &r, &err), SGN_CONFIG, &err, "--part 2/2");
    o.part = 0, o.parts = 1, o.teacher = put_model("another", 99), o.out = dir;
    check_fails(sgn_cache_make(&o, &r, &err), SGN_CONFIG, &err, "holds a cache of teacher");
    assert_false(sgn_file_exists(check_path("never")));
}

/* --- damage -------------------------------------------------------------------------------------------------- */

static sgn_status read_all(const char *dir, sgn_error *err) {
    sgn_cache *c;
    SGN_TRY(sgn_cache_open(&c, dir, err));
    const sgn_status s = sgn_cache_verify(c, err);
    sgn_cache_close(c);
    return s;
}

/* Blanks, and last digits that no double tells apart. */
static bool says_the_same(const char *a, const char *b, size_t size) {
    sgn_error err;
    sgn_json *x, *y = NULL;
    char *p, *q;
    check_ok(sgn_json_parse(&x, a, size, "a", &err), &err);
    check_ok(sgn_json_parse(&y, b, size, "b", &err), &err);
    check_ok(sgn_json_dump(x, 0, &p, &err), &err);
    check_ok(sgn_json_dump(y, 0, &q, &err), &err);
    const bool same = strcmp(p, q) == 0;
    free(p), free(q);
    sgn_json_free(x);
    sgn_json_free(y);
    return same;
}

/* Every byte changed in turn, and the file cut at every place: never taken for what it was. */
static void damage(void **state) {
    (void)state;
    static const char *const files[] = { SGN_CACHE_JSON, "slice-00000.zst" };
    sgn_error err;
    for (int samples = 0; samples < 2; samples++) {
        const char *dir = check_path(samples ? "hurt-samples" : "hurt-top");
        sgn_cache_options o = options_of(dir, samples, 3);
        o.shards = small_dir;
        make(&o);
        check_ok(read_all(dir, &err), &err);
        for (int f = 0; f < 2; f++) {
            char path[700], *whole, *hurt;
            size_t size;
            snprintf(path, sizeof path, "%s/%s", dir, files[f]);
            check_ok(sgn_file_read(path, 1 << 22, &whole, &size, &err), &err);
            hurt = malloc(size);
            for (size_t at = 0; at < size; at++) {
                memcpy(hurt, whole, size);
                hurt[at] = (char)(hurt[at] ^ (1 << at % 7));
                FILE *out = fopen(path, "wb");
                assert_true(out && fwrite(hurt, 1, size, out) == size && fclose(out) == 0);
                err = (sgn_error){ 0 };
                const sgn_status s = read_all(dir, &err);
                if (s == SGN_OK && !(f == 0 && says_the_same(whole, hurt, size))) fail_msg("%s: a change at %zu of %zu is not noticed", files[f], at, size);
                if (s != SGN_OK && s != SGN_FORMAT && s != SGN_CONFIG) fail_msg("%s: a change at %zu: %s", files[f], at, err.text);
                if (s != SGN_OK) assert_non_null(strstr(err.text, files[f]) ? err.text : strstr(err.text, "is not finished"));
            }
            for (size_t n = 0; n < size; n += n < size - 200 ? 7 : 1) {
                FILE *out = fopen(path, "wb");
                assert_true(out && fwrite(whole, 1, n, out) == n && fclose(out) == 0);
                err = (sgn_error){ 0 };
                if (f == 0 && n + 2 > size) continue;      /* only the last newline is gone */
                if (read_all(dir, &err) == SGN_OK) fail_msg("%s: cut at %zu of %zu: not noticed", files[f], n, size);
            }
            FILE *out = fopen(path, "wb");
            assert_true(out && fwrite(whole, 1, size, out) == size && fclose(out) == 0);
            free(whole), free(hurt);
        }
        check_ok(read_all(dir, &err), &err);
    }
}

static int begin(void **state) {
    if (sgn_gemm_init(NULL) != SGN_OK || check_begin(state) != 0) return -1;
    static char model[512], shards[512], small[512];
    snprintf(model, sizeof model, "%s", put_model("model", 11));
    snprintf(shards, sizeof shards, "%s", put_shards("shards", WINDOWS * SEQ + 5, (sgn_shard_options){ .vocab = VOCAB }));
    snprintf(small, sizeof small, "%s", put_shards("small", 5 * SEQ + 1, (sgn_shard_options){ .vocab = VOCAB }));
    model_dir = model, shards_dir = shards, small_dir = small;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records), cmocka_unit_test(largest_by_hand), cmocka_unit_test(all_classes_are_live),
        cmocka_unit_test(samples_are_unbiased), cmocka_unit_test(however_made), cmocka_unit_test(file_is_live), cmocka_unit_test(misfits),
        cmocka_unit_test(damage),
    };
    return cmocka_run_group_tests(tests, begin, check_end);
}
