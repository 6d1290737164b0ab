/* SPDX-License-Identifier: MIT */
#include "shard_files.h"
#include <time.h>
#include "data/loader.h"

enum { VOCAB = 500, TOKENS = 5 * SGN_FRAME_TOKENS + 123 };

/* The set at `dir` alone, its windows as of s. */
static sgn_mix open_one(const char *dir, const sgn_sampler *s) {
    sgn_error err;
    sgn_mix m;
    check_ok(sgn_mix_open(&m, dir, "", NULL, &err), &err);
    check_ok(sgn_mix_order(&m, s, &err), &err);
    return m;
}

static void check_batch(const sgn_sampler *s, uint64_t step, const sgn_batch *b) {
    assert_int_equal(b->batch, s->batch);
    assert_int_equal(b->seq, s->seq);
    for (int r = 0; r < b->batch; r++) {
        assert_int_equal(b->window[r], sgn_sampler_window(s, step, r));
        const uint64_t first = sgn_sampler_first(s, b->window[r]);
        for (int i = 0; i < b->seq; i++) {
            assert_int_equal(b->tokens[r * b->seq + i], id_at(first + (uint64_t)i, VOCAB));
            assert_int_equal(b->targets[r * b->seq + i], id_at(first + (uint64_t)i + 1, VOCAB));
        }
    }
}

static void nap(long microseconds) { nanosleep(&(struct timespec){ .tv_nsec = microseconds * 1000 }, NULL); }

/* Every batch is what sampler and shards say, whoever of reader and caller is slower. */
static void batches_are_right(void **state) {
    (void)state;
    sgn_error err;
    const char *dir = put_shards("set", TOKENS, (sgn_shard_options){ .vocab = VOCAB, .shard_tokens = 40000 });
    for (int order = 0; order < 2; order++)
        for (int slow = 0; slow < 2; slow++) {
            const sgn_sampler s = { .tokens = TOKENS, .seq = 33, .batch = 5, .order = (sgn_order)order, .seed = 9 };
            const uint64_t first = 7 + 400 * (uint64_t)slow;
            sgn_mix m = open_one(dir, &s);
            sgn_loader *l;
            sgn_batch b;
            check_ok(sgn_loader_open(&l, &m, first, &err), &err);
            for (uint64_t k = 0; k < 600; k++) {   /* more than an epoch */
                check_ok(sgn_loader_next(l, &b, &err), &err);
                if (slow && k % 50 == 0) nap(2000);
                check_batch(&s, first + k, &b);
            }
            assert_true(sgn_loader_waited(l) >= 0);
            sgn_loader_close(l);
            sgn_mix_close(&m);
        }
}

/* What was handed out stays as it is until the next call, however far the thread reads ahead. */
static void batch_holds_until_next(void **state) {
    (void)state;
    sgn_error err;
    const sgn_sampler s = { .tokens = TOKENS, .seq = 8, .batch = 2, .seed = 1 };
    sgn_mix m = open_one(put_shards("set", TOKENS, (sgn_shard_options){ .vocab = VOCAB }), &s);
    sgn_loader *l;
    sgn_batch b;
    check_ok(sgn_loader_open(&l, &m, 0, &err), &err);
    for (uint64_t k = 0; k < 20; k++) {
        check_ok(sgn_loader_next(l, &b, &err), &err);
        nap(500);
        check_batch(&s, k, &b);
    }
    sgn_loader_close(l);
    sgn_mix_close(&m);
}

/* Batches before the damage arrive, then the error does, and stays. */
static void errors_arrive_in_their_turn(void **state) {
    (void)state;
    sgn_error err;
    put_shards("bad", TOKENS, (sgn_shard_options){ .vocab = VOCAB });
    const char *file = check_path("bad/shard-00000.zst");
    char *data;
    size_t size;
    check_ok(sgn_file_read(file, 1 << 24, &data, &size, &err), &err);
    data[size / 2] ^= 0x40;
    check_ok(sgn_file_write(file, data, size, &err), &err);
    free(data);
    const sgn_sampler s = { .tokens = TOKENS, .seq = 64, .batch = 4, .order = SGN_ORDER_SEQUENTIAL };
    sgn_mix m = open_one(check_path("bad"), &s);
    sgn_loader *l;
    sgn_batch b;
    check_ok(sgn_loader_open(&l, &m, 0, &err), &err);
    uint64_t k = 0;
    for (err = (sgn_error){ 0 }; sgn_loader_next(l, &b, &err) == SGN_OK; k++) check_batch(&s, k, &b);
    assert_int_equal(k, 2 * SGN_FRAME_TOKENS / (64 * 4) - 1);  /* frame 2 of 0..5 is damaged: its first id is a last target */
    assert_int_equal(err.status, SGN_FORMAT);
    assert_non_null(strstr(err.text, "bad/shard-00000.zst: offset"));
    check_fails(sgn_loader_next(l, &b, &err), SGN_FORMAT, &err, "shard-00000.zst");
    sgn_loader_close(l);
    sgn_mix_close(&m);
}

/* Allocations of any thread, counted by standing before the C library's own functions. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__GLIBC__) && !defined(SANITIZED)
static int allocations;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
#define COUNT() __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED)
void *malloc(size_t size) { COUNT(); return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { COUNT(); return __libc_calloc(count, size); }
void *realloc(void *p, size_t size) { COUNT(); return __libc_realloc(p, size); }

static void steady_state_allocates_nothing(void **state) {
    (void)state;
    sgn_error err;
    const sgn_sampler s = { .tokens = TOKENS, .seq = 16, .batch = 3, .seed = 4 };
    sgn_mix m = open_one(put_shards("set", TOKENS, (sgn_shard_options){ .vocab = VOCAB, .shard_tokens = 3000 }), &s);
    m.eot = 7;                                     /* documents are marked on the way */
    sgn_loader *l;
    sgn_batch b;
    check_ok(sgn_loader_open(&l, &m, 0, &err), &err);
    check_ok(sgn_loader_next(l, &b, &err), &err);
    const int before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
    assert_true(before > 0);
    for (int k = 0; k < 1000; k++) check_ok(sgn_loader_next(l, &b, &err), &err);
    assert_int_equal(__atomic_load_n(&allocations, __ATOMIC_RELAXED), before);
    sgn_loader_close(l);
    sgn_mix_close(&m);
}
#else
static void steady_state_allocates_nothing(void **state) {
    (void)state;
    check_skipped("a sanitizer's or another C library's allocator cannot be counted");
}
#endif

static void refusals(void **state) {
    (void)state;
    sgn_error err;
    sgn_loader *l;
    sgn_sampler s = { .seq = 100, .batch = 1 };
    sgn_mix m;
    check_ok(sgn_mix_open(&m, put_shards("set", 100, (sgn_shard_options){ .vocab = VOCAB }), "", NULL, &err), &err);
    check_fails(sgn_mix_order(&m, &s, &err), SGN_CONFIG, &err, "set: has 100 tokens, fewer than one window");
    s.seq = 99;
    check_ok(sgn_mix_order(&m, &s, &err), &err);
    check_ok(sgn_loader_open(&l, &m, 0, &err), &err);
    sgn_loader_close(l);                           /* closed without a batch taken */
    sgn_mix_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_right), cmocka_unit_test(batch_holds_until_next),
        cmocka_unit_test(errors_arrive_in_their_turn), cmocka_unit_test(steady_state_allocates_nothing),
        cmocka_unit_test(refusals),
    };
    return check_run(tests);
}
