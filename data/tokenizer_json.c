/* A vocabulary as a Hugging Face tokenizer.json. A byte-level piece is written with one printable
 * character per byte (GPT-2's table) so that any bytes fit into JSON; others stand as they are.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/json.h"
#include "data/form.h"
#include "data/form_write.h"
#include "data/piece_text.h"
#include "data/spm_json.h"
#include "data/vocabulary.h"

enum { FILE_LIMIT = 64 << 20, WRITTEN_MAX = SGN_PIECE_TEXT };

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct {
    const char *text;
    double      score;
    bool        special, added;
} entry;

typedef struct {
    const char *path;
    sgn_json   *root, *pieces, *merges;
    sgn_form    form;
    entry      *entries;       /* by id */
    size_t      count;         /* room: pieces and added tokens; fewer ids where an added token is a piece too */
    size_t      ids;           /* ids seen: all below must be taken */
} listing;

static sgn_status take_id(listing *l, entry new, int64_t i, sgn_error *err) {
    if (i < 0 || (uint64_t)i >= l->count)
        SGN_FAIL(err, SGN_FORMAT, "%s: id %lld of \"%.40s\" leaves a gap: %zu pieces have the ids 0 to %zu", l->path,
                 (long long)i, new.text, l->count, l->count - 1);
    entry *e = &l->entries[i];
    if (e->text && strcmp(e->text, new.text) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: id %lld belongs to both \"%.40s\" and \"%.40s\"", l->path, (long long)i, e->text, new.text);
    if (e->added) SGN_FAIL(err, SGN_FORMAT, "%s: added_tokens: id %lld (\"%.40s\") comes twice", l->path, (long long)i, new.text);
    if (e->text) new.score = e->score;
    *e = new;
    if ((size_t)i >= l->ids) l->ids = (size_t)i + 1;
    return SGN_OK;
}

static sgn_status list_added(listing *l, const sgn_json *added, sgn_error *err) {
    static const char keys[] = "id|content|single_word|lstrip|rstrip|normalized|special";
    for (size_t i = 0; i < sgn_json_size(added); i++) {
        const sgn_json *a = sgn_json_at(added, i);
        const char *text = sgn_json_string(sgn_json_get(a, "content"), NULL);
        char at[40];
        snprintf(at, sizeof at, "added_tokens[%zu]", i);
        if (!text) SGN_FAIL(err, SGN_FORMAT, "%s: added_tokens[%zu].content is not a string", l->path, i);
        SGN_TRY(sgn_form_keys(a, keys, at, l->path, err));
        const entry e = { .text = text, .special = sgn_json_bool(sgn_json_get(a, "special"), false), .added = true };
        SGN_TRY(take_id(l, e, sgn_json_int(sgn_json_get(a, "id"), -1), err));
    }
    return SGN_OK;
}

static sgn_status no_pieces(const listing *l, sgn_error *err) {
    SGN_FAIL(err, SGN_FORMAT, "%s: model.vocab is not %s of 1 to %d pieces", l->path, l->form.unigram ? "an array" : "an object", SGN_VOCAB_MAX);
}

/* Unigram: [["piece", score], ...] */
static sgn_status list_scored(listing *l, sgn_error *err) {
    for (size_t i = 0; i < sgn_json_size(l->pieces); i++) {
        const sgn_json *pair = sgn_json_at(l->pieces, i), *score = sgn_json_at(pair, 1);
        const char *text = sgn_json_string(sgn_json_at(pair, 0), NULL);
        const bool number = sgn_json_typeof(score) == SGN_JSON_REAL || sgn_json_typeof(score) == SGN_JSON_INT;
        if (!text || !number) SGN_FAIL(err, SGN_FORMAT, "%s: model.vocab[%zu] is not a pair of a piece and its score", l->path, i);
        SGN_TRY(take_id(l, (entry){ .text = text, .score = sgn_json_real(score, 0) }, (int64_t)i, err));
    }
    return SGN_OK;
}

static sgn_status list_pieces(listing *l, int32_t *in_model, sgn_error *err) {
    const sgn_json *added = sgn_json_get(l->root, "added_tokens");
    const sgn_json_type type = sgn_json_typeof(l->pieces);
    l->count = sgn_json_size(l->pieces) + sgn_json_size(added);
    if (type != (l->form.unigram ? SGN_JSON_ARRAY : SGN_JSON_OBJECT) || sgn_json_size(l->pieces) == 0 || l->count > SGN_VOCAB_MAX)
        return no_pieces(l, err);
    l->entries = calloc(l->count, sizeof *l->entries);
    if (!l->entries) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %zu pieces", l->path, l->count);
    if (l->form.unigram) SGN_TRY(list_scored(l, err));
    else for (void *it = sgn_json_iter(l->pieces); it; it = sgn_json_next(l->pieces, it))
        SGN_TRY(take_id(l, (entry){ .text = sgn_json_iter_key(it) }, sgn_json_int(sgn_json_iter_value(it), -1), err));
    *in_model = (int32_t)l->ids;
    return list_added(l, added, err);
}

static sgn_status add_entries(sgn_vocabulary *v, const listing *l, sgn_error *err) {
    v->score = l->form.unigram ? malloc(l->ids * sizeof *v->score) : NULL;
    if (l->form.unigram && !v->score) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for %zu scores", l->path, l->ids);
    for (size_t id = 0; id < l->ids; id++) {
        const entry *e = &l->entries[id];
        if (!e->text) SGN_FAIL(err, SGN_FORMAT, "%s: no piece has id %zu, but a later id exists", l->path, id);
        char bytes[SGN_PIECE_MAX];
        size_t n = strlen(e->text);
        const bool coded = l->form.byte_level && !e->added;
        if (coded && !sgn_piece_read(e->text, n, bytes, &n))
            SGN_FAIL(err, SGN_FORMAT, "%s: model.vocab: \"%.40s\" is not a byte-level piece of 1 to %d bytes", l->path,
                     e->text, SGN_PIECE_MAX);
        if (v->score) v->score[id] = e->score;
        SGN_TRY(e->added ? sgn_vocabulary_add_token(v, e->text, n, e->special, l->path, err)
                         : sgn_vocabulary_add(v, coded ? bytes : e->text, n, false, l->path, err));
    }
    return SGN_OK;
}

/* "left right" or ["left", "right"]. */
static sgn_status add_merge(sgn_vocabulary *v, const sgn_json *m, const listing *l, size_t i, sgn_error *err) {
    const char *left = sgn_json_string(sgn_json_typeof(m) == SGN_JSON_ARRAY ? sgn_json_at(m, 0) : m, "");
    const char *right = sgn_json_string(sgn_json_at(m, 1), "");
    size_t n = strlen(left);
    if (sgn_json_typeof(m) == SGN_JSON_STRING) {
        n = strcspn(left, " ");
        right = left + n + (left[n] == ' ');
    }
    const struct { const char *text; size_t n; } half[2] = { { left, n }, { right, strlen(right) } };
    int32_t id[2];
    for (int k = 0; k < 2; k++) {
        char bytes[SGN_PIECE_MAX];
        size_t size = half[k].n;
        const bool known = !l->form.byte_level || sgn_piece_read(half[k].text, half[k].n, bytes, &size);
        id[k] = known && size ? sgn_vocabulary_find(v, l->form.byte_level ? bytes : half[k].text, size) : -1;
        if (id[k] < 0 || v->special[id[k]])
            SGN_FAIL(err, SGN_FORMAT, "%s: model.merges[%zu]: \"%.*s\" is not in the vocabulary", l->path, i,
                     (int)(half[k].n < 40 ? half[k].n : 40), half[k].text);
    }
    return sgn_vocabulary_merge(v, id[0], id[1], l->path, err);
}

static sgn_status add_merges(sgn_vocabulary *v, const listing *l, sgn_error *err) {
    if (l->form.unigram) return SGN_OK;
    if (sgn_json_typeof(l->merges) != SGN_JSON_ARRAY) SGN_FAIL(err, SGN_FORMAT, "%s: model.merges is not an array", l->path);
    for (size_t i = 0; i < sgn_json_size(l->merges); i++) SGN_TRY(add_merge(v, sgn_json_at(l->merges, i), l, i, err));
    return SGN_OK;
}

static sgn_status find_mark(const sgn_vocabulary *v, const char *name, int32_t *mark, const char *path, sgn_error *err) {
    if (!name) return SGN_OK;
    *mark = sgn_vocabulary_find(v, name, strlen(name)) + 1;
    if (*mark == 0) SGN_FAIL(err, SGN_FORMAT, "%s: post_processor: \"%.40s\" is not in the vocabulary", path, name);
    return SGN_OK;
}

static sgn_status read_root(sgn_vocabulary *v, listing *l, sgn_error *err) {
    sgn_json *model = sgn_json_get(l->root, "model");
    if (sgn_json_typeof(model) != SGN_JSON_OBJECT)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: model.type is absent; this is no tokenizer.json", l->path);
    l->pieces = sgn_json_take(model, "vocab");
    l->merges = sgn_json_take(model, "merges");
    SGN_TRY(sgn_json_dump(l->root, 0, &v->form, err));
    SGN_TRY(sgn_form_parse(&l->form, v->form, l->path, err));
    v->plain = sgn_form_is_plain(&l->form);
    SGN_TRY(list_pieces(l, &v->model_count, err));
    SGN_TRY(add_entries(v, l, err));
    SGN_TRY(find_mark(v, l->form.bos, &v->bos, l->path, err));
    SGN_TRY(find_mark(v, l->form.eos, &v->eos, l->path, err));
    return add_merges(v, l, err);
}

sgn_status sgn_vocabulary_read(sgn_vocabulary *v, sgn_json *root, const char *path, sgn_error *err) {
    *v = (sgn_vocabulary){ 0 };
    listing l = { .path = path, .root = root };
    const sgn_status s = sgn_spm_in_json(root) ? sgn_spm_from_json(v, root, path, err) : read_root(v, &l, err);
    free(l.entries);
    sgn_form_free(&l.form);
    sgn_json_free(l.pieces);
    sgn_json_free(l.merges);
    sgn_json_free(l.root);
    if (s != SGN_OK) sgn_vocabulary_free(v);
    return s;
}

sgn_status sgn_vocabulary_load(sgn_vocabulary *v, const char *path, sgn_error *err) {
    *v = (sgn_vocabulary){ 0 };
    sgn_json *root;
    SGN_TRY(sgn_json_load(&root, path, FILE_LIMIT, err));
    return sgn_vocabulary_read(v, root, path, err);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A piece as the file has it, NUL-terminated. */
static void write_piece(const sgn_vocabulary *v, const sgn_form *f, int32_t id, char out[WRITTEN_MAX]) {
    size_t n;
    const char *bytes = sgn_vocabulary_piece(v, id, &n);
    if (f->byte_level && !v->token[id]) {
        sgn_piece_write(bytes, n, out);
    } else {
        memcpy(out, bytes, n);
        out[n] = '\0';
    }
}

static sgn_json *merges_of(const sgn_vocabulary *v, const sgn_form *f) {
    sgn_json *merges = sgn_json_new_array();
    char text[2 * WRITTEN_MAX];                    /* "left right" */
    for (int32_t i = 0; i < v->merges; i++) {
        write_piece(v, f, v->merge[i].left, text);
        char *space = text + strlen(text);
        const bool spaced = strchr(text, ' ') != NULL;
        write_piece(v, f, v->merge[i].right, space + 1);
        if (spaced || strchr(space + 1, ' ')) {
            sgn_json *pair = sgn_json_new_array();
            *space = '\0';
            sgn_json_append(pair, sgn_json_new_string(text));
            sgn_json_append(pair, sgn_json_new_string(space + 1));
            sgn_json_append(merges, pair);
        } else {
            *space = ' ';
            sgn_json_append(merges, sgn_json_new_string(text));
        }
    }
    return merges;
}

static sgn_json *pieces_of(const sgn_vocabulary *v, const sgn_form *f) {
    const int32_t count = v->model_count ? v->model_count : v->count;
    char text[WRITTEN_MAX];
    sgn_json *pieces = f->unigram ? sgn_json_new_array() : sgn_json_new_object();
    for (int32_t id = 0; id < count; id++) {
        write_piece(v, f, id, text);
        if (f->unigram) {
            sgn_json *pair = sgn_json_new_array();
            sgn_json_append(pair, sgn_json_new_string(text));
            sgn_json_append(pair, sgn_json_new_real(v->score[id]));
            sgn_json_append(pieces, pair);
        } else {
            sgn_json_set(pieces, text, sgn_json_new_int(id));
        }
    }
    return pieces;
}

sgn_status sgn_vocabulary_save(const sgn_vocabulary *v, const char *path, sgn_error *err) {
    if (v->spm) return sgn_spm_save_json(v, path, err);
    char *text = NULL;
    sgn_form f = { 0 };
    sgn_status s = v->form ? SGN_OK : sgn_form_write(&text, v, sgn_known_split_at(0), false, false, err);
    if (s == SGN_OK) s = sgn_form_parse(&f, v->form ? v->form : text, path, err);
    if (s == SGN_OK) {
        sgn_json *model = sgn_json_get(f.root, "model");
        sgn_json_set(model, "vocab", pieces_of(v, &f));
        if (!f.unigram) sgn_json_set(model, "merges", merges_of(v, &f));
        s = sgn_json_save(f.root, 1, path, err);
    }
    sgn_form_free(&f);
    free(text);
    return s;
}
