/* Several sets by weight: exact shares, every window once per epoch, any step by itself; documents in windows.
 *
 * SPDX-License-Identifier: MIT */
#include "shard_files.h"
#include "data/documents.h"
#include "data/loader.h"

static sgn_error err;

/* --- whose turn it is ------------------------------------------------------------------------------- */

static const struct { const char *weight[6]; int count; uint32_t period; } vectors[] = {
    { { "0.7", "0.3" }, 2, 10 },
    { { "1" }, 1, 1 },
    { { "0.5", "0.5" }, 2, 2 },
    { { "1", "1", "1" }, 3, 3 },
    { { "70", "20", "7", "3" }, 4, 100 },
    { { "0.999", "0.001" }, 2, 1000 },
    { { "5", "3.25", "1.125", "0.0625", ".5", "2." }, 6, 191 },    /* in sixteenths: 80 52 18 1 8 32 */
    { { "0.1234", "0.8766" }, 2, 5000 },
    { { "1", "65535" }, 2, 65536 },
};
enum { VECTORS = sizeof vectors / sizeof *vectors };

/* By hand from the rule: of 5 places the set of weight 2 has times 0..2 and 2..4, the sets of weight 1 all: a b c a d -> the
 * first ends first at 0; b, c, d have deadline 5, and so has a's second sample, which comes once it may (2) and is the earlier set. */
static void turns_by_hand(void **state) {
    (void)state;
    static const int want[5] = { 0, 1, 0, 2, 3 };
    sgn_shares s;
    check_ok(sgn_shares_init(&s, (const char *[]){ "2", "1", "1", "1" }, 4, &err), &err);
    for (uint64_t i = 0; i < 15; i++) {
        uint64_t number;
        assert_int_equal(sgn_shares_turn(&s, i, &number), want[i % 5]);
        assert_int_equal(number, i / 5 * (want[i % 5] ? 1 : 2) + (i % 5 == 2));
    }
    sgn_shares_free(&s);
}

/* |samples of s - i w_s / P| < 1 after every i, and the n-th sample of a set is number n. */
static void shares_are_exact(void **state) {
    (void)state;
    for (int v = 0; v < VECTORS; v++) {
        sgn_shares s;
        uint64_t had[6] = { 0 }, counts[6], number;
        check_ok(sgn_shares_init(&s, vectors[v].weight, vectors[v].count, &err), &err);
        assert_int_equal(s.period, vectors[v].period);
        double sum = 0, w[6];
        for (int k = 0; k < s.count; k++) sum += w[k] = strtod(vectors[v].weight[k], NULL);
        for (int k = 0; k < s.count; k++) check_close(s.weight[k], w[k] / sum * s.period, 1e-6, 0);
        for (uint64_t i = 0; i < 2 * s.period + 777; i++) {
            const int set = sgn_shares_turn(&s, i, &number);
            if (number != had[set]++) fail_msg("%d: sample %llu is number %llu of set %d", v, (unsigned long long)i, (unsigned long long)number, set);
            for (int k = 0; k < s.count; k++) {
                const int64_t off = (int64_t)(had[k] * s.period) - (int64_t)((i + 1) * s.weight[k]);
                if (off >= s.period || -off >= s.period) fail_msg("%d: after %llu samples set %d is off by a window", v, (unsigned long long)i + 1, k);
            }
            if (i % 97 && i > 100) continue;
            sgn_shares_count(&s, i + 1, counts);
            for (int k = 0; k < s.count; k++) assert_int_equal(counts[k], had[k]);
        }
        sgn_shares_free(&s);
    }
}

static void weights_refused(void **state) {
    (void)state;
    static const char *const bad[] = { "", "0", "0.0", "-1", "1e3", "a", "1.2.3", "nan", "1234567890", "0.1234567891", " 1" };
    sgn_shares s;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_fails(sgn_shares_init(&s, (const char *[]){ "1", bad[i] }, 2, &err), SGN_CONFIG, &err, "is no weight");
    check_fails(sgn_shares_init(&s, (const char *[]){ "0.123456789", "1" }, 2, &err), SGN_CONFIG, &err, "fewer digits");
    check_fails(sgn_shares_init(&s, (const char *[]){ "999999999", "0.000000001" }, 2, &err), SGN_CONFIG, &err, "fewer digits");
}

/* --- sets -------------------------------------------------------------------------------------------- */

enum { VOCAB = 300, SEQ = 10, BATCH = 3 };
#define MARK "0123456789abcdef0123456789abcdef"
#define OTHER "f123456789abcdef0123456789abcdef"

static const char *list_of(const char *a, const char *wa, const char *b, const char *wb) {
    static char text[1200];
    snprintf(text, sizeof text, "%s=%s, %s=%s", a, wa, b, wb);
    return text;
}

static void open_two(sgn_mix *m, uint64_t seed) {
    static const char *a, *b;
    if (!a) {
        a = strdup(put_shards("a", 701, (sgn_shard_options){ .vocab = VOCAB, .shard_tokens = 300 }));
        b = strdup(put_shards("b=2", 211, (sgn_shard_options){ .vocab = VOCAB }));     /* only the last = is the weight's */
    }
    check_ok(sgn_mix_open(m, "", list_of(a, "0.75", b, "0.25"), NULL, &err), &err);
    check_ok(sgn_mix_order(m, &(sgn_sampler){ .seq = SEQ, .batch = BATCH, .seed = seed }, &err), &err);
}

/* Each set shows every window once per epoch of its own, whatever the other does. */
static void epochs_of_their_own(void **state) {
    (void)state;
    enum { A = 70, B = 21, ALL = A + B };
    sgn_mix m;
    open_two(&m, 5);
    assert_int_equal(sgn_mix_windows(&m), ALL);
    assert_int_equal(sgn_mix_tokens(&m), 912);
    int seen[ALL] = { 0 }, taken[2] = { 0 };
    for (uint64_t i = 0; i < 1000; i++) {
        const uint64_t w = sgn_mix_window(&m, i / BATCH, (int)(i % BATCH));
        assert_true(w < ALL);
        const int set = w >= A, size = set ? B : A;
        seen[w]++;
        if (++taken[set] % size == 0)
            for (int k = 0; k < size; k++) assert_int_equal(seen[(set ? A : 0) + k], taken[set] / size);
    }
    const sgn_mix_taken a = sgn_mix_take(&m, 1000, 0), b = sgn_mix_take(&m, 1000, 1);
    assert_int_equal(a.windows, taken[0]);
    assert_int_equal(b.windows, taken[1]);
    assert_int_equal(a.windows, 750);
    check_close(a.asked, 0.75, 0, 0);
    check_close(a.realised, 0.75, 0, 0);
    check_close(b.epochs, 250.0 / 21, 1e-12, 0);
    sgn_mix_close(&m);
}

static int same_windows(const sgn_mix *a, const sgn_mix *b) {
    int same = 0;
    for (uint64_t step = 0; step < 100; step++) same += sgn_mix_window(a, step, 1) == sgn_mix_window(b, step, 1);
    return same;
}

/* A loader that begins anywhere gives what one that came there gives: all is a function of (seed, step, row). */
static void any_step_by_itself(void **state) {
    (void)state;
    sgn_mix m, again, other;
    open_two(&m, 5);
    open_two(&again, 5);
    open_two(&other, 6);
    assert_int_equal(same_windows(&m, &again), 100);
    assert_true(same_windows(&m, &other) < 20);
    for (uint64_t begin = 0; begin < 60; begin += 13) {
        sgn_loader *l;
        sgn_batch b;
        check_ok(sgn_loader_open(&l, &m, begin, &err), &err);
        for (uint64_t step = begin; step < begin + 40; step++) {
            check_ok(sgn_loader_next(l, &b, &err), &err);
            for (int r = 0; r < BATCH; r++) {
                const uint64_t w = sgn_mix_window(&again, step, r), first = (w < 70 ? w : w - 70) * SEQ;
                assert_int_equal(b.window[r], w);
                for (int i = 0; i < SEQ; i++) {
                    assert_int_equal(b.tokens[r * SEQ + i], id_at(first + (uint64_t)i, VOCAB));
                    assert_int_equal(b.targets[r * SEQ + i], id_at(first + (uint64_t)i + 1, VOCAB));
                }
            }
            assert_null(b.first);
        }
        sgn_loader_close(l);
    }
    sgn_mix_close(&m);
    sgn_mix_close(&again);
    sgn_mix_close(&other);
}

/* A mix of one set is the sampler's order of that set. */
static void one_set_is_plain(void **state) {
    (void)state;
    const char *dir = put_shards("one", 500, (sgn_shard_options){ .vocab = VOCAB });
    char list[600];
    snprintf(list, sizeof list, "%s=3", dir);
    const sgn_sampler s = { .tokens = 500, .seq = 7, .batch = 4, .seed = 11 };
    for (int how = 0; how < 2; how++) {
        sgn_mix m;
        check_ok(sgn_mix_open(&m, how ? "" : dir, how ? list : "", NULL, &err), &err);
        check_ok(sgn_mix_order(&m, &s, &err), &err);
        for (uint64_t step = 0; step < 60; step++)
            for (int r = 0; r < 4; r++) assert_int_equal(sgn_mix_window(&m, step, r), sgn_sampler_window(&s, step, r));
        sgn_mix_close(&m);
    }
}

static void sets_refused(void **state) {
    (void)state;
    sgn_mix m;
    char a[512], b[512], c[512], many[2000] = "";
    snprintf(a, sizeof a, "%s", put_shards("x", 100, (sgn_shard_options){ .vocab = VOCAB, .tokenizer = "bpe", .tokenizer_hash = MARK }));
    snprintf(b, sizeof b, "%s", put_shards("y", 100, (sgn_shard_options){ .vocab = VOCAB, .tokenizer = "bpe", .tokenizer_hash = OTHER }));
    snprintf(c, sizeof c, "%s", put_shards("z", 100, (sgn_shard_options){ .vocab = VOCAB + 1, .tokenizer = "bpe", .tokenizer_hash = MARK }));
#define REFUSED(text, list) check_fails(sgn_mix_open(&m, "", list, NULL, &err), SGN_CONFIG, &err, text); sgn_mix_close(&m)
    REFUSED("/x (bpe, vocabulary 300", list_of(a, "1", b, "1"));
    REFUSED("/y (bpe, vocabulary 300", list_of(a, "1", b, "1"));
    REFUSED("/z (bpe, vocabulary 301", list_of(a, "1", c, "1"));
    REFUSED("has no weight", "a,b=1");
    REFUSED("has no weight", "=1");
    REFUSED("has no weight", "a=1,");
    REFUSED("is no weight", "a=1,b=x");
    for (int i = 0; i < 65; i++) strcat(many, i ? ",a=1" : "a=1");
    REFUSED("more than 64 sets", many);
    check_fails(sgn_mix_open(&m, "", list_of(a, "1", "nowhere", "1"), NULL, &err), SGN_IO, &err, "nowhere");
    sgn_mix_close(&m);
}

/* --- documents --------------------------------------------------------------------------------------- */

static void documents_by_hand(void **state) {
    (void)state;
    enum { END = 9 };
    static const int32_t tokens[] = { 1, 2, 9, 3, 9, 9, 4, 5,   9, 1, 1, 1, 1, 1, 1, 9 };
    static const int32_t first[] =  { 0, 0, 0, 3, 3, 5, 6, 6,   0, 1, 1, 1, 1, 1, 1, 1 };
    int32_t target[] =              { 2, 9, 3, 9, 9, 4, 5, 7,   1, 1, 1, 1, 1, 1, 9, 2 };
    static const int32_t want[] =   { 2, 9, -1, 9, -1, -1, 5, 7,   -1, 1, 1, 1, 1, 1, 9, -1 };
    int32_t got[16];
    sgn_documents_mark(tokens, 2, 8, END, got, target);
    assert_memory_equal(got, first, sizeof first);
    assert_memory_equal(target, want, sizeof want);
}

/* The loader marks the documents of its windows. */
static void loader_marks(void **state) {
    (void)state;
    sgn_mix m;
    sgn_loader *l;
    sgn_batch b;
    int ends = 0;
    check_ok(sgn_mix_open(&m, put_shards("few", 2000, (sgn_shard_options){ .vocab = 8 }), "", NULL, &err), &err);
    check_ok(sgn_mix_order(&m, &(sgn_sampler){ .seq = 33, .batch = 2, .seed = 1 }, &err), &err);
    m.eot = 5;
    check_ok(sgn_loader_open(&l, &m, 0, &err), &err);
    for (int k = 0; k < 30; k++) {
        check_ok(sgn_loader_next(l, &b, &err), &err);
        for (int i = 0; i < 66; i++) {
            assert_int_equal(b.targets[i] == -1, b.tokens[i] == 5);
            assert_int_equal(b.first[i], i % 33 == 0 ? 0 : b.tokens[i - 1] == 5 ? i % 33 : b.first[i - 1]);
            ends += b.tokens[i] == 5;
        }
    }
    assert_true(ends > 100);
    sgn_loader_close(l);
    sgn_mix_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_by_hand), cmocka_unit_test(shares_are_exact), cmocka_unit_test(weights_refused),
        cmocka_unit_test(epochs_of_their_own), cmocka_unit_test(any_step_by_itself), cmocka_unit_test(one_set_is_plain),
        cmocka_unit_test(sets_refused), cmocka_unit_test(documents_by_hand), cmocka_unit_test(loader_marks),
    };
    return check_run(tests);
}
