/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/text_inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "core/file.h"
#include "core/log.h"

enum { DEPTH = 32, LIST_LIMIT = 64 << 20 };

/* The path has one of these endings, perhaps with .gz or .zst behind it. */
static bool ends_with(const char *path, const char *const *endings) {
    size_t n = strlen(path);
    if (n > 3 && strcmp(path + n - 3, ".gz") == 0) n -= 3;
    else if (n > 4 && strcmp(path + n - 4, ".zst") == 0) n -= 4;
    for (; *endings; endings++) {
        const size_t m = strlen(*endings);
        if (n > m && memcmp(path + n - m, *endings, m) == 0) return true;
    }
    return false;
}

bool sgn_input_is_jsonl(const char *path) {
    static const char *const endings[] = { ".jsonl", ".ndjson", NULL };
    return ends_with(path, endings);
}

static bool is_text(const char *path) {
    static const char *const endings[] = { ".txt", ".text", ".md", NULL };
    return ends_with(path, endings) || sgn_input_is_jsonl(path);
}

static sgn_status add(sgn_inputs *in, const char *path, sgn_error *err) {
    if (in->count == in->room) {
        const int room = 2 * in->room + 16;
        char **grown = realloc(in->path, (size_t)room * sizeof *grown);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %d files", room);
        in->path = grown;
        in->room = room;
    }
    in->path[in->count] = strdup(path);
    if (!in->path[in->count]) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of files");
    in->count++;
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) in->bytes += (uint64_t)st.st_size;
    else in->unknown = true;
    return SGN_OK;
}

static sgn_status add_directory(sgn_inputs *in, const char *path, int depth, int *left_out, sgn_error *err);

static sgn_status add_entry(sgn_inputs *in, const char *directory, const char *name, int depth, int *left_out, sgn_error *err) {
    sgn_path path;
    if (name[0] == '.') return SGN_OK;
    SGN_TRY(sgn_path_set(&path, err, "%s/%s", directory, name));
    if (sgn_is_directory(path.s)) return add_directory(in, path.s, depth + 1, left_out, err);
    if (is_text(name)) return add(in, path.s, err);
    ++*left_out;
    return SGN_OK;
}

static sgn_status add_directory(sgn_inputs *in, const char *path, int depth, int *left_out, sgn_error *err) {
    char **names;
    int count;
    if (depth > DEPTH) SGN_FAIL(err, SGN_IO, "%s: nested deeper than %d directories; is it a link to itself?", path, DEPTH);
    SGN_TRY(sgn_directory_list(path, "", "", &names, &count, err));
    sgn_status s = SGN_OK;
    for (int i = 0; i < count && s == SGN_OK; i++) s = add_entry(in, path, names[i], depth, left_out, err);
    sgn_names_free(names, count);
    return s;
}

static sgn_status add_named(sgn_inputs *in, const char *name, sgn_error *err);

static sgn_status add_list(sgn_inputs *in, const char *path, sgn_error *err) {
    char *text, *rest = NULL;
    size_t size;
    SGN_TRY(sgn_file_read(path, LIST_LIMIT, &text, &size, err));
    sgn_status s = SGN_OK;
    for (char *line = strtok_r(text, "\r\n", &rest); line && s == SGN_OK; line = strtok_r(NULL, "\r\n", &rest))
        s = line[0] == '@' ? SGN_ERROR(err, SGN_CONFIG, "%s: a list cannot name another list (%s)", path, line)
                           : add_named(in, line, err);
    free(text);
    return s;
}

static sgn_status add_named(sgn_inputs *in, const char *name, sgn_error *err) {
    if (name[0] == '@') return add_list(in, name + 1, err);
    if (strcmp(name, "-") == 0) return add(in, name, err);
    if (sgn_is_directory(name)) {
        const int before = in->count;
        int left_out = 0;
        SGN_TRY(add_directory(in, name, 0, &left_out, err));
        if (left_out) sgn_warn("%s: %d files left out: their names do not end in .txt, .md, .jsonl (.gz, .zst)", name, left_out);
        if (in->count == before) SGN_FAIL(err, SGN_IO, "%s: no text files below (.txt, .md, .jsonl, each also .gz or .zst)", name);
        return SGN_OK;
    }
    struct stat st;
    if (stat(name, &st) != 0) SGN_FAIL(err, SGN_IO, "%s: cannot open: %s", name, strerror(errno));
    return add(in, name, err);
}

sgn_status sgn_inputs_list(sgn_inputs *in, const char *const *names, int count, sgn_error *err) {
    *in = (sgn_inputs){ 0 };
    sgn_status s = SGN_OK;
    for (int i = 0; i < count && s == SGN_OK; i++) s = add_named(in, names[i], err);
    if (s == SGN_OK && in->count == 0) s = SGN_ERROR(err, SGN_CONFIG, "no input files were named");
    if (s != SGN_OK) sgn_inputs_free(in);
    else if (in->unknown) in->bytes = 0;
    return s;
}

void sgn_inputs_free(sgn_inputs *in) {
    for (int i = 0; i < in->count; i++) free(in->path[i]);
    free(in->path);
    *in = (sgn_inputs){ 0 };
}
