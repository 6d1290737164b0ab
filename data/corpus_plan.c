/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "data/corpus_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "core/file.h"
#include "core/json.h"
#include "data/form.h"
#include "data/spm.h"
#include "data/tokenizer_kind.h"

enum { PLAN_LIMIT = 1 << 30, PARTS_MAX = 100000 };
#define PART_BYTES (UINT64_C(256) << 20)
#define FORMAT_NAME "signum-corpus-plan"

/* --- settings ------------------------------------------------------------------------------------------- */

static int32_t find_piece(const sgn_tokenizer *t, const char *name) {
    for (int32_t id = 0; name && id < sgn_tokenizer_vocab(t); id++) {
        size_t n;
        const char *piece = sgn_tokenizer_piece(t, id, &n);
        if (n == strlen(name) && memcmp(piece, name, n) == 0) return id;
    }
    return -1;
}

static sgn_status find_unknown(sgn_corpus_plan *p, sgn_error *err) {
    const sgn_tokenizer *t = p->options->tokenizer;
    const sgn_vocabulary *v = t ? sgn_tokenizer_vocabulary(t) : NULL;
    p->unknown = v && v->spm ? v->spm->unk : -1;
    if (!v || v->spm || !v->form) return SGN_OK;
    sgn_form f;
    SGN_TRY(sgn_form_parse(&f, v->form, "tokenizer", err));
    p->unknown = f.unk_id >= 0 && f.unk_id < sgn_tokenizer_vocab(t) ? (int32_t)f.unk_id : find_piece(t, f.unk);
    sgn_form_free(&f);
    return SGN_OK;
}

static sgn_status settle(sgn_corpus_plan *p, sgn_error *err) {
    const sgn_corpus_options *o = p->options;
    if (!(o->valid >= 0 && o->valid < 1))
        SGN_FAIL(err, SGN_CONFIG, "a validation fraction of %g: 0 (none) to below 1 is possible", o->valid);
    if (o->ids_width != 0 && o->ids_width != 2 && o->ids_width != 4)
        SGN_FAIL(err, SGN_CONFIG, "ids of %d bytes: u16 and u32 are read", o->ids_width);
    if (!o->tokenizer && !o->vocab)
        SGN_FAIL(err, SGN_CONFIG, "text needs a tokenizer (--tokenizer), token ids need one or the size of their vocabulary (--vocab)");
    const uint32_t known = o->tokenizer ? (uint32_t)sgn_tokenizer_vocab(o->tokenizer) : 0;
    if (known && o->vocab && known != o->vocab)
        SGN_FAIL(err, SGN_CONFIG, "a vocabulary of %" PRIu32 " was given, but the tokenizer has %" PRIu32, o->vocab, known);
    p->vocab = known ? known : o->vocab;
    p->eot = o->tokenizer && !o->no_eot ? sgn_tokenizer_eot(o->tokenizer) : -1;
    if (o->tokenizer && !o->no_eot && !o->ids_width && p->eot < 0)
        SGN_FAIL(err, SGN_CONFIG, "the tokenizer has no <|endoftext|> to put after documents; tokenize without it (--no-eot)");
    p->shards = (sgn_shard_options){
        .vocab = p->vocab, .tokenizer = o->tokenizer ? sgn_tokenizer_kind_name(o->tokenizer) : NULL,
        .tokenizer_hash = o->tokenizer ? sgn_tokenizer_hash(o->tokenizer) : NULL, .shard_tokens = o->shard_tokens, .level = o->level,
    };
    return find_unknown(p, err);
}

/* --- files and parts ------------------------------------------------------------------------------------ */

static bool look(const char *path, sgn_corpus_file *out) {
    struct stat st;
    if (stat(path, &st) != 0) return false;
    *out = (sgn_corpus_file){ (uint64_t)st.st_size, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
    return true;
}

static sgn_status cut(sgn_corpus_plan *p, sgn_error *err) {
    const uint64_t most = p->options->part_bytes ? p->options->part_bytes : PART_BYTES;
    const int n = p->inputs.count;
    p->file = calloc((size_t)n, sizeof *p->file);
    p->slice = calloc((size_t)n, sizeof *p->slice);
    if (!p->file || !p->slice) SGN_FAIL(err, SGN_NOMEM, "no memory for a list of %d files", n);
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++) {
        const bool stream = strcmp(p->inputs.path[i], "-") == 0;
        if (!stream && !look(p->inputs.path[i], &p->file[i])) SGN_FAIL(err, SGN_IO, "%s: is gone", p->inputs.path[i]);
        p->stream |= stream;
        if (p->parts == 0 || bytes >= most || (bytes && bytes + p->file[i].bytes > 2 * most)) {
            p->slice[p->parts++].first = i;
            bytes = 0;
        }
        p->slice[p->parts - 1].count++;
        bytes += p->file[i].bytes;
    }
    if (p->parts > PARTS_MAX)
        SGN_FAIL(err, SGN_CONFIG, "%d parts, at most %d are possible; give each more bytes (--part-bytes)", p->parts, PARTS_MAX);
    return SGN_OK;
}

sgn_status sgn_corpus_plan_unchanged(const sgn_corpus_plan *p, int part, sgn_error *err) {
    const sgn_corpus_slice *s = &p->slice[part];
    for (int i = s->first; i < s->first + s->count; i++) {
        sgn_corpus_file now;
        if (strcmp(p->inputs.path[i], "-") == 0) continue;
        if (!look(p->inputs.path[i], &now) || now.bytes != p->file[i].bytes || now.changed != p->file[i].changed)
            SGN_FAIL(err, SGN_IO, "%s: has changed while it was tokenized; begin again when it is complete", p->inputs.path[i]);
    }
    return SGN_OK;
}

/* --- plan.json ------------------------------------------------------------------------------------------ */

static void set_text(sgn_json *j, const char *key, const char *v) { sgn_json_set(j, key, v ? sgn_json_new_string(v) : sgn_json_new_null()); }
static void set_count(sgn_json *j, const char *key, uint64_t v) { sgn_json_set(j, key, sgn_json_new_int((int64_t)v)); }

/* Bytes that JSON cannot hold (a separator, a path) are told apart by their digest. */
static void set_bytes(sgn_json *j, const char *key, const char *v) {
    sgn_json *text = v ? sgn_json_new_string(v) : sgn_json_new_null();
    sgn_json_set(j, key, text ? text : sgn_json_new_string(sgn_digest_bytes(v, strlen(v)).hex));
}

static sgn_json *describe(const sgn_corpus_plan *p) {
    static const char *const formats[] = { "by name", "text", "jsonl" };
    const sgn_corpus_options *o = p->options;
    sgn_json *root = sgn_json_new_object(), *settings = sgn_json_new_object(), *inputs = sgn_json_new_array();
    set_text(root, "format", FORMAT_NAME);
    set_count(root, "version", 1);
    set_text(settings, "tokenizer", p->shards.tokenizer_hash);
    set_count(settings, "vocab", p->vocab);
    set_count(settings, "ids", (uint64_t)o->ids_width * 8);
    set_text(settings, "format", formats[o->text.format]);
    set_bytes(settings, "separator", o->text.separator);
    set_bytes(settings, "field", o->text.field);
    if (o->text.skip_bad) sgn_json_set(settings, "skip-bad", sgn_json_new_bool(true));
    sgn_json_set(settings, "valid", sgn_json_new_real(o->valid));
    sgn_json_set(settings, "no-eot", sgn_json_new_bool(o->no_eot));
    sgn_json_set(settings, "dedupe", sgn_json_new_bool(o->dedupe));
    set_count(settings, "shard-tokens", o->shard_tokens);
    set_count(settings, "part-bytes", o->part_bytes);
    set_count(settings, "level", (uint64_t)o->level);
    sgn_json_set(root, "settings", settings);
    for (int i = 0; i < p->inputs.count; i++) {
        sgn_json *f = sgn_json_new_object();
        set_bytes(f, "file", p->inputs.path[i]);
        set_count(f, "bytes", p->file[i].bytes);
        sgn_json_set(f, "changed", sgn_json_new_int(p->file[i].changed));
        sgn_json_append(inputs, f);
    }
    sgn_json_set(root, "inputs", inputs);
    return root;
}

sgn_status sgn_corpus_plan_make(sgn_corpus_plan *p, const sgn_corpus_options *o, sgn_error *err) {
    *p = (sgn_corpus_plan){ .options = o };
    SGN_TRY(settle(p, err));
    SGN_TRY(sgn_inputs_list(&p->inputs, o->inputs, o->input_count, err));
    SGN_TRY(cut(p, err));
    sgn_json *root = describe(p);
    const sgn_status s = sgn_json_dump(root, 1, &p->text, err);
    sgn_json_free(root);
    SGN_TRY(s);
    p->digest = sgn_digest_bytes(p->text, strlen(p->text));
    return SGN_OK;
}

void sgn_corpus_plan_free(sgn_corpus_plan *p) {
    sgn_inputs_free(&p->inputs);
    free(p->file);
    free(p->slice);
    free(p->text);
    *p = (sgn_corpus_plan){ 0 };
}

/* --- the same as before? -------------------------------------------------------------------------------- */

static bool same(const sgn_json *a, const sgn_json *b) {
    char *x = NULL, *y = NULL;
    const bool both = sgn_json_dump(a, 0, &x, NULL) == SGN_OK && sgn_json_dump(b, 0, &y, NULL) == SGN_OK && strcmp(x, y) == 0;
    free(x);
    free(y);
    return both;
}

static sgn_status name_difference(const sgn_json *old, const sgn_json *new, const char *path, sgn_error *err) {
    const sgn_json *settings = sgn_json_get(new, "settings"), *a = sgn_json_get(old, "inputs"), *b = sgn_json_get(new, "inputs");
    for (void *it = sgn_json_iter(settings); it; it = sgn_json_next(settings, it))
        if (!same(sgn_json_get(sgn_json_get(old, "settings"), sgn_json_iter_key(it)), sgn_json_iter_value(it)))
            SGN_FAIL(err, SGN_CONFIG, "%s: --%s was another when this was begun; go on with the same settings, or begin anew with "
                     "--restart", path, sgn_json_iter_key(it));
    if (sgn_json_get(sgn_json_get(old, "settings"), "skip-bad") && !sgn_json_get(settings, "skip-bad"))
        SGN_FAIL(err, SGN_CONFIG, "%s: was begun with --skip-bad; go on with it, or begin anew with --restart", path);
    if (sgn_json_size(a) != sgn_json_size(b))
        SGN_FAIL(err, SGN_CONFIG, "%s: there were %zu input files when this was begun, now there are %zu; begin anew with --restart",
                 path, sgn_json_size(a), sgn_json_size(b));
    for (size_t i = 0; i < sgn_json_size(b); i++)
        if (!same(sgn_json_at(a, i), sgn_json_at(b, i)))
            SGN_FAIL(err, SGN_CONFIG, "%s: %s has changed since this was begun; begin anew with --restart", path,
                     sgn_json_string(sgn_json_get(sgn_json_at(b, i), "file"), "a file"));
    SGN_FAIL(err, SGN_CONFIG, "%s: was made by another version of the program; begin anew with --restart", path);
}

sgn_status sgn_corpus_plan_compare(const sgn_corpus_plan *p, const char *path, sgn_error *err) {
    char *text;
    size_t size;
    SGN_TRY(sgn_file_read(path, PLAN_LIMIT, &text, &size, err));
    if (strcmp(text, p->text) == 0) {
        free(text);
        return SGN_OK;
    }
    sgn_json *old = NULL, *new = NULL;
    sgn_status s = sgn_json_parse(&old, text, size, path, err);
    if (s == SGN_OK) s = sgn_json_parse(&new, p->text, strlen(p->text), "plan", err);
    if (s == SGN_OK) s = name_difference(old, new, path, err);
    sgn_json_free(old);
    sgn_json_free(new);
    free(text);
    return s;
}
