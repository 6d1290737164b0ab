/* Loops over threads: every element once, cuts that do not depend on threads, scratch of one's own.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/parallel.h"

enum { MOST = 1000 };
typedef struct { int64_t n, grain; int seen[MOST]; int64_t chunk_of[MOST]; int bad_ids; bool nested; } record;

static void visit(void *ctx, int64_t begin, int64_t end) {
    record *r = ctx;
    for (int64_t i = begin; i < end; i++) {
        __atomic_add_fetch(&r->seen[i], 1, __ATOMIC_RELAXED);
        r->chunk_of[i] = begin;
    }
    const int id = sgn_thread_id();
    if (id < 0 || id >= sgn_threads()) __atomic_add_fetch(&r->bad_ids, 1, __ATOMIC_RELAXED);
}

static void every_element_once(void **state) {
    (void)state;
    static const int64_t sizes[] = { 0, 1, 2, 7, 64, 999 }, grains[] = { -1, 1, 3, 64, 5000 };
    for (int threads = 1; threads <= 5; threads += 2)
        for (size_t s = 0; s < 6; s++)
            for (size_t g = 0; g < 5; g++) {
                static record r;
                r = (record){ .n = sizes[s], .grain = grains[g] };
                sgn_threads_set(threads);
                sgn_parallel(r.n, r.grain, visit, &r);
                const int64_t grain = r.grain < 1 ? 1 : r.grain;
                for (int64_t i = 0; i < r.n; i++) {
                    assert_int_equal(r.seen[i], 1);
                    assert_int_equal(r.chunk_of[i], i / grain * grain);
                }
                assert_int_equal(r.bad_ids, 0);
            }
    sgn_threads_set(0);
    assert_int_equal(sgn_threads(), sgn_threads_available());
    assert_int_equal(sgn_thread_id(), 0);
}

/* Two loops as one: each element of each once, the cuts of both as alone. */
static void jobs_run_together(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        static record a, b;
        a = (record){ .n = 999 }, b = (record){ .n = 70 };
        sgn_threads_set(threads);
        sgn_parallel_jobs((sgn_job[]){ { 999, 10, visit, &a }, { 0, 0, NULL, NULL }, { 70, 64, visit, &b } }, 3);
        for (int64_t i = 0; i < 999; i++) assert_true(a.seen[i] == 1 && a.chunk_of[i] == i / 10 * 10);
        for (int64_t i = 0; i < 70; i++) assert_true(b.seen[i] == 1 && b.chunk_of[i] == i / 64 * 64);
        assert_int_equal(a.bad_ids + b.bad_ids, 0);
    }
    sgn_parallel_jobs(NULL, 0);
    sgn_threads_set(0);
}

static void outer(void *ctx, int64_t begin, int64_t end) {
    record *r = ctx;
    const int id = sgn_thread_id();
    for (int64_t i = begin; i < end; i++) {
        static _Thread_local record inner;
        inner = (record){ .n = 10 };
        sgn_parallel(10, 1, visit, &inner);                  /* in this thread, under its id */
        for (int k = 0; k < 10; k++) r->seen[i] += inner.seen[k];
        if (sgn_thread_id() != id) __atomic_add_fetch(&r->bad_ids, 1, __ATOMIC_RELAXED);
    }
}

static void nested_loops_stay_in_their_thread(void **state) {
    (void)state;
    static record r;
    sgn_threads_set(3);
    sgn_parallel(50, 1, outer, &r);
    for (int i = 0; i < 50; i++) assert_int_equal(r.seen[i], 10);
    assert_int_equal(r.bad_ids, 0);
    sgn_threads_set(0);
}

static void use_scratch(void *ctx, int64_t begin, int64_t end) {
    int *bad = ctx;
    char *mine = sgn_scratch(SGN_SCRATCH_OP), *other = sgn_scratch(SGN_SCRATCH_KERNEL);
    for (int64_t i = begin; i < end; i++) {
        memset(mine, (int)i & 0x7F, 10000);
        memset(other, 0x7F - ((int)i & 0x7F), 100);
        for (int k = 0; k < 10000; k++) *bad |= mine[k] != ((int)i & 0x7F);
    }
    *bad |= (uintptr_t)mine % 64 != 0;
}

static void scratch_belongs_to_its_thread(void **state) {
    (void)state;
    sgn_error err = { 0 };
    int bad = 0;
    sgn_threads_set(2);
    check_ok(sgn_scratch_reserve(SGN_SCRATCH_OP, 10000, &err), &err);
    check_ok(sgn_scratch_reserve(SGN_SCRATCH_KERNEL, 100, &err), &err);
    sgn_threads_set(4);                                      /* more threads than at the reservation */
    assert_true(sgn_scratch_bytes() >= 4 * 10100);
    sgn_parallel(400, 1, use_scratch, &bad);
    assert_int_equal(bad, 0);
    check_fails(sgn_scratch_reserve(SGN_SCRATCH_OP, SIZE_MAX / 4, &err), SGN_NOMEM, &err, "scratch");
    sgn_parallel(400, 1, use_scratch, &bad);                 /* what was there is still there */
    assert_int_equal(bad, 0);
    sgn_scratch_free();
    assert_int_equal(sgn_scratch_bytes(), 0);
    sgn_threads_set(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_once), cmocka_unit_test(jobs_run_together), cmocka_unit_test(nested_loops_stay_in_their_thread),
        cmocka_unit_test(scratch_belongs_to_its_thread),
    };
    return check_run(tests);
}
