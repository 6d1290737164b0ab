/* Arenas and memory from the system.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "core/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#endif

static void blocks_are_aligned_and_apart(void **state) {
    (void)state;
    sgn_error err;
    sgn_arena a;
    check_ok(sgn_arena_init(&a, 10 * SGN_ALIGN, &err), &err);
    char *last = NULL;
    for (int i = 0; i < 5; i++) {
        char *p = sgn_arena_alloc(&a, (size_t)i * 32 + 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % SGN_ALIGN, 0);
        if (last) assert_true(p >= last);
        memset(p, i, (size_t)i * 32 + 1);
        last = p + i * 32 + 1;
    }
    assert_int_equal(a.used, 9 * SGN_ALIGN);         /* 1, 33, 65, 97, 129 bytes: 1, 1, 2, 2, 3 lines */
    assert_null(sgn_arena_alloc(&a, SGN_ALIGN + 1));
    assert_non_null(sgn_arena_alloc(&a, SGN_ALIGN));
    assert_null(sgn_arena_alloc(&a, 1));
    assert_null(sgn_arena_alloc(&a, SIZE_MAX));
    assert_null(sgn_arena_alloc(&a, SIZE_MAX - SGN_ALIGN));
    assert_int_equal(a.used, 10 * SGN_ALIGN);
    char *first = a.base;
    sgn_arena_reset(&a);
    assert_int_equal(a.used, 0);
    assert_int_equal(a.peak, 10 * SGN_ALIGN);
    assert_ptr_equal(sgn_arena_alloc(&a, 3), first);
    sgn_arena_free(&a);
    sgn_arena_free(&a);
    assert_null(a.base);
}

/* Later blocks end, one of them moves to where they began. */
static void rewinding(void **state) {
    (void)state;
    sgn_error err;
    sgn_arena a;
    check_ok(sgn_arena_init(&a, 10 * SGN_ALIGN, &err), &err);
    char *first = sgn_arena_alloc(&a, 3), *second = sgn_arena_alloc(&a, 70), *third = sgn_arena_alloc(&a, 200);
    memset(first, 1, 3);
    for (int i = 0; i < 200; i++) third[i] = (char)i;
    assert_ptr_equal(sgn_arena_keep(&a, SGN_ALIGN, third, 200), second);       /* they overlap */
    for (int i = 0; i < 200; i++) assert_int_equal(second[i], (char)i);
    assert_int_equal(a.used, 5 * SGN_ALIGN);
    assert_int_equal(a.peak, 7 * SGN_ALIGN);
#ifdef ASAN
    assert_true(__asan_address_is_poisoned(second + 4 * SGN_ALIGN));
#endif
    sgn_arena_rewind(&a, SGN_ALIGN);
    assert_true(first[2] == 1);
#ifdef ASAN
    assert_true(__asan_address_is_poisoned(second));
#endif
    assert_ptr_equal(sgn_arena_alloc(&a, 1), second);
    sgn_arena_free(&a);
}

static void measuring_counts_what_the_real_one_takes(void **state) {
    (void)state;
    sgn_error err;
    sgn_arena dry, real;
    sgn_arena_measure(&dry);
    for (size_t n = 0; n < 300; n += 7) assert_null(sgn_arena_alloc(&dry, n));
    const size_t need = dry.peak;
    sgn_arena_reset(&dry);
    assert_true(dry.measure);
    sgn_arena_free(&dry);
    check_ok(sgn_arena_init(&real, need, &err), &err);
    for (size_t n = 0; n < 300; n += 7) assert_non_null(sgn_arena_alloc(&real, n));
    assert_int_equal(real.used, need);
    assert_null(sgn_arena_alloc(&real, 1));
    sgn_arena_free(&real);
}

static void too_much_is_an_error(void **state) {
    (void)state;
    sgn_error err;
    sgn_arena a;
    void *p;
    check_fails(sgn_arena_init(&a, SIZE_MAX, &err), SGN_NOMEM, &err, "arena");
    assert_null(a.base);
    check_fails(sgn_arena_init(&a, SIZE_MAX / 4, &err), SGN_NOMEM, &err, "smaller model");
    assert_null(sgn_arena_alloc(&a, 1));
    sgn_arena_free(&a);
    check_fails(sgn_memory_alloc(&p, SIZE_MAX, "the moon", &err), SGN_NOMEM, &err, "the moon");
    assert_null(p);
    check_ok(sgn_memory_alloc(&p, 0, "nothing", &err), &err);
    assert_null(p);
    sgn_memory_free(p, 0);
    check_ok(sgn_memory_alloc(&p, 5 << 20, "pages", &err), &err);
    for (size_t i = 0; i < 5 << 20; i += 4096) assert_int_equal(((char *)p)[i], 0);
    sgn_memory_free(p, 5 << 20);
}

/* Under the address sanitizer memory that was taken back must not be touched. */
static void released_memory_is_poisoned(void **state) {
    (void)state;
#ifdef ASAN
    sgn_error err;
    sgn_arena a;
    check_ok(sgn_arena_init(&a, 1024, &err), &err);
    char *p = sgn_arena_alloc(&a, 100);
    assert_false(__asan_address_is_poisoned(p + 99));
    assert_true(__asan_address_is_poisoned(p + 128));
    sgn_arena_reset(&a);
    assert_true(__asan_address_is_poisoned(p));
    sgn_arena_free(&a);
#else
    check_skipped("poisoning shows only in the asan flavour");
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_apart),  cmocka_unit_test(rewinding), cmocka_unit_test(measuring_counts_what_the_real_one_takes),
        cmocka_unit_test(too_much_is_an_error),          cmocka_unit_test(released_memory_is_poisoned),
    };
    return check_run(tests);
}
