/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/clock.h"

#include <time.h>

static double seconds(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double sgn_clock_wall(void) { return seconds(CLOCK_MONOTONIC); }
double sgn_clock_thread(void) { return seconds(CLOCK_THREAD_CPUTIME_ID); }
