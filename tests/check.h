/* check.h - what every test program shares: assertions that print the error, and a directory of its own.
 *
 *     int main(void) {
 *         const struct CMUnitTest tests[] = { cmocka_unit_test(round_trip) };
 *         return check_run(tests);
 *     }
 * Programs run in the root of the tree. Include it first.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TESTS_CHECK_H
#define SGN_TESTS_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE            /* mkdtemp */
#endif
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "core/file.h"
#include "core/status.h"

/* check_ok(call, &err): the call succeeds; else its sentence is printed. */
#define check_ok(call, err) \
    do { \
        *(err) = (sgn_error){ 0 }; \
        const sgn_status check_s_ = (call); \
        if (check_s_ != SGN_OK) fail_msg("%s: %s: %s", #call, sgn_status_text(check_s_), (err)->text); \
    } while (0)

/* check_fails(call, SGN_FORMAT, &err, "text"): it fails with this status, and the sentence contains the text. */
#define check_fails(call, expected, err, text_) \
    do { \
        *(err) = (sgn_error){ 0 }; \
        const sgn_status check_s_ = (call); \
        if (check_s_ != (expected)) \
            fail_msg("%s: %s (%s), expected %s", #call, sgn_status_text(check_s_), (err)->text, #expected); \
        if ((err)->status != (expected)) fail_msg("%s: the error is not filled in", #call); \
        if (!strstr((err)->text, (text_))) fail_msg("%s: \"%s\" does not mention \"%s\"", #call, (err)->text, text_); \
        if (strchr((err)->text, '\n')) fail_msg("%s: \"%s\" is more than one line", #call, (err)->text); \
    } while (0)

/* |got - want| <= absolute + relative * |want|; not a number never passes. */
#define check_close(got, want, absolute, relative) \
    do { \
        const double check_g_ = (double)(got), check_w_ = (double)(want); \
        if (!(fabs(check_g_ - check_w_) <= (absolute) + (relative) * fabs(check_w_))) \
            fail_msg("%s = %.9g, expected %.9g", #got, check_g_, check_w_); \
    } while (0)

#define check_array_close(got, want, count, absolute, relative) \
    do { \
        for (int64_t check_i_ = 0; check_i_ < (int64_t)(count); check_i_++) { \
            const double check_g_ = (double)(got)[check_i_], check_w_ = (double)(want)[check_i_]; \
            if (!(fabs(check_g_ - check_w_) <= (absolute) + (relative) * fabs(check_w_))) \
                fail_msg("%s[%lld] = %.9g, expected %.9g", #got, (long long)check_i_, check_g_, check_w_); \
        } \
    } while (0)

/* --- a temporary directory, made before and removed after the tests of a program ----------------- */

static char check_directory[256];

static inline int check_begin(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(check_directory, sizeof check_directory, "%s/signum-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(check_directory)) return -1;
    /* Neither what was once measured here nor a measurement may decide a test; SIGNUM_PRODUCTS=sgemm tries the other way. */
    return setenv("XDG_CACHE_HOME", check_directory, 1) == 0 && setenv("SIGNUM_PRODUCTS", "table", 0) == 0 ? 0 : -1;
}

static inline int check_end(void **state) {
    (void)state;
    return sgn_remove_tree(check_directory, NULL) == SGN_OK ? 0 : -1;
}

#define check_run(tests) cmocka_run_group_tests(tests, check_begin, check_end)

/* The path of `name` in the temporary directory; good until eight calls later. */
static inline const char *check_path(const char *name) {
    static char path[8][512];
    static int  next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", check_directory, name);
    return p;
}

/* The path of a file of the shared data ("data/text/big.txt"), or NULL where there is none:
 * the test then returns. Loud, so that a skipped test is never taken for a passed one. */
static inline const char *check_shared(const char *name) {
    static char path[8][512];
    static int  next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "../shared/%s", name);
    if (access(p, R_OK) == 0) return p;
    fprintf(stderr, "SKIPPED: %s is not there; this test needs it\n", p);
    return NULL;
}

static inline void check_skipped(const char *why) {
    fprintf(stderr, "SKIPPED: %s\n", why);
}

#endif
