/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/products.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "core/file.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"

enum { LIMIT = 1 << 20, VERSION = 1 };

static sgn_status place(sgn_path *directory, sgn_path *file) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/') SGN_TRY(sgn_path_set(directory, NULL, "%s/signum", cache));
    else if (home && *home == '/') SGN_TRY(sgn_path_set(directory, NULL, "%s/.cache/signum", home));
    else return SGN_IO;
    return sgn_path_set(file, NULL, "%s/products.json", directory->s);
}

/* The lines of /proc/cpuinfo that say which CPU it is: a name, or ARM's numbers. */
static void name_cpu(char *out, size_t room) {
    static const char *const keys[] = { "model name", "CPU implementer", "CPU part" };
    enum { KEYS = sizeof keys / sizeof *keys };
    char line[512];
    bool seen[KEYS] = { false };
    *out = '\0';
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        for (int i = 0; colon && i < KEYS; i++) {
            if (seen[i] || strncmp(line, keys[i], strlen(keys[i])) != 0) continue;
            seen[i] = true;
            const size_t used = strlen(out), length = strcspn(colon + 1, "\n");
            snprintf(out + used, room - used, "%s%.*s", used ? " " : "", (int)(length ? length - 1 : 0), colon + 2);
        }
    }
    if (f) fclose(f);
    if (!*out) snprintf(out, room, "unknown CPU");
}

typedef struct { char s[512]; } machine_key;

static machine_key machine(void) {
    machine_key key;
    char cpu[256];
    name_cpu(cpu, sizeof cpu);
    snprintf(key.s, sizeof key.s, "%s | %s | %s", cpu, sgn_kernels_get()->name, sgn_gemm_library());
    return key;
}

/* The whole file; a new object where it is missing, damaged or of another version. */
static sgn_json *load(const char *path) {
    sgn_json *all;
    if (sgn_file_exists(path) && sgn_json_load(&all, path, LIMIT, NULL) == SGN_OK) {
        if (sgn_json_int(sgn_json_get(all, "version"), 0) == VERSION) return all;
        sgn_json_free(all);
    }
    all = sgn_json_new_object();
    sgn_json_set(all, "version", sgn_json_new_int(VERSION));
    return all;
}

/* dst gets the choices of src: those that dst has already (known) or those that it has not. */
static void put(sgn_json *dst, const sgn_json *src, bool known) {
    for (void *it = sgn_json_iter(src); it; it = sgn_json_next(src, it)) {
        const char *key = sgn_json_iter_key(it), *way = sgn_json_string(sgn_json_iter_value(it), "");
        if (strcmp(way, "table") != 0 && strcmp(way, "sgemm") != 0) continue;
        if ((sgn_json_get(dst, key) != NULL) == known) sgn_json_set(dst, key, sgn_json_new_string(way));
    }
}

sgn_json *sgn_products_cache_read(void) {
    sgn_json *record = sgn_json_new_object();
    sgn_path directory, file;
    if (place(&directory, &file) != SGN_OK) return record;
    sgn_json *all = load(file.s);
    put(record, sgn_json_get(all, machine().s), false);
    sgn_json_free(all);
    return record;
}

static void merge(const char *path, sgn_json *record) {
    sgn_json *all = load(path), *mine = sgn_json_new_object();
    put(mine, sgn_json_get(all, machine().s), false);
    put(record, mine, true);
    put(mine, record, false);
    sgn_json_set(all, machine().s, mine);
    (void)sgn_json_save(all, 2, path, NULL);
    sgn_json_free(all);
}

/* Of two runs that measure at the same time, both go on with what the first has written. */
void sgn_products_cache_add(sgn_json *record) {
    sgn_path directory, file, lock;
    if (place(&directory, &file) != SGN_OK || sgn_path_set(&lock, NULL, "%s/.lock", directory.s) != SGN_OK) return;
    if (sgn_make_directories(directory.s, NULL) != SGN_OK) return;
    const int held = open(lock.s, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (held >= 0) (void)flock(held, LOCK_EX);
    merge(file.s, record);
    if (held >= 0) close(held);
}
