/* A fuzz target as a test, without a fuzzer: valid inputs, all their truncations, a flip of each byte, FUZZ_CASES
 * (2000) changes of fields, and what was found once (tests/fuzz/found/NAME/). The same inputs every time.
 *
 *     NAME_fuzz [FILE...]      these inputs instead
 *     NAME_fuzz --write DIR    the valid inputs as files, for a fuzzer to start from
 *
 * An input that crashes, hangs or is found wrong is written beside the program, as NAME_fuzz.input.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "core/file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

enum { CASES = 2000, HANG = 120 };     /* HANG: seconds, far beyond what any input takes */

static struct {
    const uint8_t *data;
    size_t         size;
    char           what[256], file[512];
} now;

static struct {
    const char *write;                 /* a directory; NULL: run */
    int         seeds;
    uint64_t    cases, inputs;
} run;

/* --- what failed ----------------------------------------------------------------------------------- */

static void say(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

static void report(void) {
    if (!now.what[0]) return;
    const int fd = open(now.file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, now.data, now.size) != (ssize_t)now.size) return;
    close(fd);
    say(now.what);
    say(": written to ");
    say(now.file);
    say("\n");
    now.what[0] = '\0';
}

static void on_signal(int sig) {
    report();
    signal(sig, SIG_DFL);
    raise(sig);
}

void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

/* A sanitizer has its own way to say that it dies, and needs its memory. */
static void guard(void) {
    static const int signals[] = { SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE };
    const struct rlimit data = { UINT64_C(1) << 30, RLIM_INFINITY };
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(report);
    else setrlimit(RLIMIT_DATA, &data);
    for (size_t i = 0; i < (__sanitizer_set_death_callback ? 2 : sizeof signals / sizeof *signals); i++) signal(signals[i], on_signal);
}

/* --- inputs ---------------------------------------------------------------------------------------- */

/* In memory of just this size: what reads past the end is seen. */
static void feed(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    fuzz_check(exact != NULL);
    if (size) memcpy(exact, data, size);
    now.data = exact;
    now.size = size;
    alarm(HANG);
    LLVMFuzzerTestOneInput(exact, size);
    alarm(0);
    now.what[0] = '\0';
    run.inputs++;
    free(exact);
}

static void take(const void *data, size_t size) {
    const int seed = run.seeds++;
    if (run.write) {
        char path[600];
        sgn_error err = { 0 };
        snprintf(path, sizeof path, "%s/seed-%d", run.write, seed);
        fuzz_ok(sgn_file_write(path, data, size, &err), &err);
        return;
    }
    uint8_t *out = malloc(size + FUZZ_GROWTH);
    fuzz_check(out != NULL);
    snprintf(now.what, sizeof now.what, "valid input %d", seed);
    const uint64_t before = fuzz_refusals;
    feed(data, size);
    if (fuzz_refusals != before) fuzz_wrong("a valid input is refused", now.file, seed, "");
    for (uint64_t k = 0; k < 2 * size + run.cases; k++) {
        const char *how = "";
        const size_t n = fuzz_damage(data, size, k, out, &how);
        snprintf(now.what, sizeof now.what, "input %d, case %llu (%s)", seed, (unsigned long long)k, how);
        feed(out, n);
    }
    free(out);
}

static void feed_file(const char *path) {
    size_t size;
    char *data = fuzz_get(path, &size);
    snprintf(now.what, sizeof now.what, "%.200s", path);
    feed((const uint8_t *)data, size);
    free(data);
}

static void feed_found(const char *name) {
    sgn_path directory, file;
    char **names;
    int count;
    fuzz_ok(sgn_path_set(&directory, NULL, "tests/fuzz/found/%.*s", (int)strcspn(name, "."), name), &(sgn_error){ 0 });
    if (!sgn_is_directory(directory.s) || sgn_directory_list(directory.s, "", "", &names, &count, NULL) != SGN_OK) return;
    for (int i = 0; i < count; i++) {
        fuzz_ok(sgn_path_set(&file, NULL, "%s/%s", directory.s, names[i]), &(sgn_error){ 0 });
        feed_file(file.s);
    }
    sgn_names_free(names, count);
}

int main(int argc, char **argv) {
    const char *cases = getenv("FUZZ_CASES"), *name = strrchr(argv[0], '/');
    run.cases = cases ? strtoull(cases, NULL, 10) : CASES;
    snprintf(now.file, sizeof now.file, "%s.input", argv[0]);
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        sgn_error err = { 0 };
        run.write = argv[2];
        fuzz_ok(sgn_make_directories(run.write, &err), &err);
        fuzz_seeds(take);
        return 0;
    }
    guard();
    for (int i = 1; i < argc; i++) feed_file(argv[i]);
    if (argc == 1) {
        feed_found(name ? name + 1 : argv[0]);
        feed(NULL, 0);
        fuzz_seeds(take);
        fuzz_check(fuzz_refusals > run.inputs / 4);
    }
    printf("[  PASSED  ] %d test(s), %llu inputs\n", argc > 1 ? argc - 1 : run.seeds, (unsigned long long)run.inputs);
    return 0;
}
