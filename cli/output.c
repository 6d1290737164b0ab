/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "data/vocabulary.h"

sgn_status sgn_print_json(sgn_json *j, int indent, sgn_error *err) {
    char *text = NULL;
    const sgn_status s = sgn_json_dump(j, indent, &text, err);
    if (s == SGN_OK) puts(text);
    free(text);
    sgn_json_free(j);
    return s;
}

const char *sgn_size_print(uint64_t bytes, sgn_size_text *out) {
    static const char *const unit[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
    double size = (double)bytes;
    int u = 0;
    for (; size >= 1024 && u < 4; u++) size /= 1024;
    snprintf(out->s, sizeof out->s, u ? "%.2f %s" : "%.0f %s", size, unit[u]);
    return out->s;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number) { (void)number; interrupted = 1; }

void sgn_interrupt_catch(void) {
    struct sigaction once = { .sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND };
    sigaction(SIGINT, &once, NULL);
    sigaction(SIGTERM, &once, NULL);
}

bool sgn_interrupted(void) { return interrupted; }

sgn_status sgn_model_tokenizer(const sgn_model_file *f, const char *given, sgn_tokenizer **t, sgn_error *err) {
    sgn_path beside;
    const char *path = given ? given : beside.s;
    *t = NULL;
    if (!given && sgn_vocabulary_find_beside(sgn_model_file_directory(f), &beside, NULL) != SGN_OK)
        SGN_FAIL(err, SGN_IO, "%s has no tokenizer.json; name one with --tokenizer", sgn_model_file_directory(f));
    SGN_TRY(sgn_tokenizer_open(t, path, err));
    const int64_t vocab = sgn_model_file_lowered(f)->config.vocab;
    if (sgn_tokenizer_vocab(*t) <= vocab) return SGN_OK;
    const sgn_status s = SGN_ERROR(err, SGN_CONFIG, "%s has %d ids, but the model's vocabulary has %lld; it is another model's tokenizer",
                                   path, sgn_tokenizer_vocab(*t), (long long)vocab);
    sgn_tokenizer_close(*t);
    *t = NULL;
    return s;
}

sgn_status sgn_words_or_input(int count, char **words, char **out, size_t *size, sgn_error *err) {
    FILE *to = open_memstream(out, size);
    if (!to) SGN_FAIL(err, SGN_NOMEM, "no memory for the input");
    char buffer[1 << 16];
    for (int i = 0; i < count; i++) fprintf(to, "%s%s", i ? " " : "", words[i]);
    for (size_t n; count == 0 && (n = fread(buffer, 1, sizeof buffer, stdin)) > 0;) fwrite(buffer, 1, n, to);
    const bool bad = ferror(stdin) || ferror(to);
    if (fclose(to) == 0 && !bad) return SGN_OK;
    free(*out);
    *out = NULL;
    SGN_FAIL(err, SGN_IO, "standard input could not be read");
}
