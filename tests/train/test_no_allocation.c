/* From the third step on, and in products once their room is taken, nothing is allocated: malloc and its kin and mmap
 * are replaced by ones that count.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/train/runs.h"

#include <dlfcn.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static int64_t allocations;

#ifndef SANITIZED
static void count(void) { __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED); }

static void *(*next_malloc)(size_t), *(*next_calloc)(size_t, size_t), *(*next_realloc)(void *, size_t),
            *(*next_aligned)(size_t, size_t);
static int (*next_memalign)(void **, size_t, size_t);

/* ISO C has no conversion from void * to a function. */
#define FIND(pointer, name) do { if (!(pointer)) *(void **)&(pointer) = dlsym(RTLD_NEXT, name); } while (0)

void *malloc(size_t n) {
    FIND(next_malloc, "malloc");
    count();
    return next_malloc(n);
}
void *calloc(size_t k, size_t n) {
    static _Alignas(16) char early[4096];              /* dlsym itself may ask before calloc is found */
    static size_t used;
    static bool finding;
    if (finding) {
        void *p = early + used;
        used += (k * n + 15) / 16 * 16;
        return p;
    }
    finding = !next_calloc;
    FIND(next_calloc, "calloc");
    finding = false;
    count();
    return next_calloc(k, n);
}
void *realloc(void *p, size_t n) {
    FIND(next_realloc, "realloc");
    count();
    return next_realloc(p, n);
}
void *aligned_alloc(size_t align, size_t n) {
    FIND(next_aligned, "aligned_alloc");
    count();
    return next_aligned(align, n);
}
int posix_memalign(void **out, size_t align, size_t n) {
    FIND(next_memalign, "posix_memalign");
    count();
    return next_memalign(out, align, n);
}
void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset) {
    count();
    return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
}
#endif

enum { STEPS = 8 };
static int64_t seen[STEPS + 1];                        /* allocations when a step was reported */

static void report(void *ctx, const sgn_progress *p) {
    (void)ctx;
    seen[p->step] = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
}

enum { THREADS = 6, SIDE = 96 };
static sgn_real operand[SIDE * SIDE], product[THREADS][SIDE * SIDE];

static void meet(void *ctx, int64_t begin, int64_t end) {
    (void)begin, (void)end;
    int *waiting = ctx;
    for (__atomic_fetch_sub(waiting, 1, __ATOMIC_RELAXED); __atomic_load_n(waiting, __ATOMIC_RELAXED) > 0;) sched_yield();
}

static void multiply(void *ctx, int64_t begin, int64_t end) {
    meet(ctx, begin, end);
    for (int i = 0; i < 50; i++)
        sgn_gemm_serial(&(sgn_gemm_args){ .m = SIDE, .n = SIDE, .k = SIDE, .a = 1, .A = operand, .lda = SIDE, .B = operand,
                                          .ldb = SIDE, .C = product[sgn_thread_id()], .ldc = SIDE });
}

/* However many overlap for the first time: OpenBLAS would map a buffer for each. */
static void products_find_their_buffers(void **state) {
    (void)state;
#ifdef SANITIZED
    check_skipped("allocation is the sanitizer's here");
    return;
#endif
    sgn_error err;
    check_ok(sgn_gemm_init(&err), &err);
    sgn_threads_set(THREADS);
    check_ok(sgn_gemm_reserve(&err), &err);
    int waiting = THREADS;
    sgn_parallel(THREADS, 1, meet, &waiting);              /* starts the threads */
    const int64_t before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
    waiting = THREADS;
    sgn_parallel(THREADS, 1, multiply, &waiting);
    assert_int_equal(__atomic_load_n(&allocations, __ATOMIC_RELAXED), before);
    sgn_threads_set(0);
}

static void third_step_allocates_nothing(void **state) {
    (void)state;
#ifdef SANITIZED
    check_skipped("allocation is the sanitizer's here");
    return;
#endif
    sgn_error err;
    sgn_run_config c;
    runs_data();
    runs_config(&c, (const char *[]){ "model.linear=full", "train.steps=2" }, 2);
    check_ok(sgn_train(&c, &(sgn_train_options){ .out = check_path("teacher") }, &err), &err);
    static const struct { const char *run, *recompute, *linear; bool taught; } runs[] = {
        { "alone", "train.recompute=false", "model.linear=fbi", false }, { "taught", "train.recompute=false", "model.linear=fbi", true },
        { "again", "train.recompute=true", "model.linear=fbi", false }, { "again-taught", "train.recompute=true", "model.linear=fbi", true },
        { "masked", "train.recompute=false", "model.linear=nm", true },
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        runs_config(&c, (const char *[]){ "train.steps=8", "train.save_every=0", "train.eval_every=4", runs[i].recompute, runs[i].linear }, 5);
        if (runs[i].taught) snprintf(c.distill.teacher, SGN_TEXT, "%s", check_path("teacher"));
        check_ok(sgn_train(&c, &(sgn_train_options){ .out = check_path(runs[i].run), .report = report }, &err), &err);
        assert_true(seen[1] > 100);                    /* the counting works */
        for (int step = 3; step <= STEPS; step++)      /* evaluation at 4 and 8 too */
            if (seen[step] != seen[step - 1])
                fail_msg("%s: step %d allocated %lld times", runs[i].run, step, (long long)(seen[step] - seen[step - 1]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(products_find_their_buffers), cmocka_unit_test(third_step_allocates_nothing) };
    return check_run(tests);
}
