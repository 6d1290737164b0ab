/* A tokenizer.model: ModelProto { 1 pieces { 1 piece, 2 score, 3 type }, 2 trainer_spec, 3 normalizer_spec,
 * 5 denormalizer_spec }.
 *
 * SPDX-License-Identifier: MIT */
#include "data/spm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "data/protobuf.h"
#include "data/utf8.h"

enum { FILE_LIMIT = 1 << 30 };

enum { UNIGRAM = 1, BPE = 2 };
enum {                         /* fields of trainer_spec and normalizer_spec */
    MODEL_TYPE = 3, VOCAB_SIZE = 4, SUFFIX_SPACE = 24, BYTE_FALLBACK = 35,
    UNK_ID = 40, BOS_ID = 41, EOS_ID = 42, PAD_ID = 43, UNK_SURFACE = 44,
    NAME = 1, CHARSMAP = 2, DUMMY_PREFIX = 3, SQUEEZE = 4, ESCAPE = 5
};

void sgn_spm_free(sgn_spm *m) {
    if (!m) return;
    free(m->score);
    free(m->type);
    free(m->charsmap);
    free(m);
}

sgn_status sgn_spm_make(sgn_vocabulary *v, int32_t count, sgn_error *err) {
    sgn_spm *m = v->spm = calloc(1, sizeof *m);
    if (m) {
        *m = (sgn_spm){ .dummy_prefix = true, .squeeze = true, .escape = true, .unk = -1, .bos = -1, .eos = -1, .pad = -1 };
        m->score = calloc((size_t)count + 1, sizeof *m->score);
        m->type = calloc((size_t)count + 1, sizeof *m->type);
        snprintf(m->unk_surface, sizeof m->unk_surface, " \xE2\x81\x87 ");
        snprintf(m->normalizer, sizeof m->normalizer, "identity");
    }
    if (!m || !m->score || !m->type) SGN_FAIL(err, SGN_NOMEM, "no memory for the scores of %d pieces", count);
    return SGN_OK;
}

/* --- checking ------------------------------------------------------------------------------------ */

int sgn_spm_byte(const char *piece, size_t n) {
    static const char digits[] = "0123456789ABCDEF";
    if (n != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>') return -1;
    const char *high = memchr(digits, piece[3], 16), *low = memchr(digits, piece[4], 16);
    return high && low ? (int)((high - digits) << 4 | (low - digits)) : -1;
}

static sgn_status check_piece(const sgn_vocabulary *v, int32_t id, int32_t bytes[256], const char *where, sgn_error *err) {
    sgn_spm *m = v->spm;
    size_t n;
    const char *piece = sgn_vocabulary_piece(v, id, &n);
    if (!isfinite(m->score[id])) SGN_FAIL(err, SGN_FORMAT, "%s: pieces[%d].score is not a finite number", where, id);
    if (memchr(piece, '\0', n)) SGN_FAIL(err, SGN_FORMAT, "%s: pieces[%d].piece has a NUL in it", where, id);
    if (m->type[id] < SGN_SPM_NORMAL || m->type[id] > SGN_SPM_BYTE)
        SGN_FAIL(err, SGN_FORMAT, "%s: pieces[%d].type is %d; 1 to 6 are known", where, id, m->type[id]);
    if (m->type[id] == SGN_SPM_UNKNOWN) {
        if (m->unk >= 0) SGN_FAIL(err, SGN_FORMAT, "%s: pieces %d and %d are both the unknown one", where, m->unk, id);
        m->unk = id;
    }
    if (m->type[id] != SGN_SPM_BYTE) return SGN_OK;
    const int b = sgn_spm_byte(piece, n);
    if (b < 0) SGN_FAIL(err, SGN_FORMAT, "%s: pieces[%d] (\"%.*s\") is a byte piece, but not <0x00> to <0xFF>", where, id, n > 20 ? 20 : (int)n, piece);
    if (bytes[b] >= 0) SGN_FAIL(err, SGN_FORMAT, "%s: pieces %d and %d stand for the same byte", where, bytes[b], id);
    bytes[b] = id;
    return SGN_OK;
}

/* An id of the model, -1: none; two roles may not share one. */
static sgn_status check_id(const sgn_vocabulary *v, int32_t id, const char *name, const char *where, sgn_error *err) {
    const sgn_spm *m = v->spm;
    if (id < -1 || id >= v->count)
        SGN_FAIL(err, SGN_FORMAT, "%s: trainer_spec.%s is %d; there are %d pieces", where, name, id, v->count);
    if (id >= 0 && (id == m->unk) + (id == m->bos) + (id == m->eos) + (id == m->pad) > 1)
        SGN_FAIL(err, SGN_FORMAT, "%s: trainer_spec.%s is %d, which is another special id too", where, name, id);
    return SGN_OK;
}

sgn_status sgn_spm_check(sgn_vocabulary *v, const char *where, sgn_error *err) {
    sgn_spm *m = v->spm;
    int32_t bytes[256];
    for (int b = 0; b < 256; b++) bytes[b] = -1;
    if (v->count == 0) SGN_FAIL(err, SGN_FORMAT, "%s: the model has no pieces", where);
    m->unk = -1;
    for (int32_t id = 0; id < v->count; id++) SGN_TRY(check_piece(v, id, bytes, where, err));
    if (m->unk < 0) SGN_FAIL(err, SGN_FORMAT, "%s: none of the %d pieces is the unknown one (type 2)", where, v->count);
    for (int b = 0; b < 256; b++)
        if ((bytes[b] >= 0) != m->byte_fallback)
            SGN_FAIL(err, SGN_FORMAT, m->byte_fallback ? "%s: trainer_spec.byte_fallback is set, but there is no piece for byte 0x%02X"
                     : "%s: there is a piece for byte 0x%02X, but trainer_spec.byte_fallback is not set", where, (unsigned)b);
    v->bos = m->bos + 1;
    v->eos = m->eos + 1;
    SGN_TRY(check_id(v, m->bos, "bos_id", where, err));
    SGN_TRY(check_id(v, m->eos, "eos_id", where, err));
    return check_id(v, m->pad, "pad_id", where, err);
}

/* --- reading ------------------------------------------------------------------------------------- */

typedef struct {               /* what is known only once all has been read */
    sgn_vocabulary *v;
    const char     *where;
    uint64_t        model_type;
    int64_t         vocab_size, id[4];         /* unk, bos, eos, pad */
    bool            given[4];
    size_t          pieces;
} reading;

static sgn_status read_piece(reading *r, const sgn_proto *file, const sgn_proto_field *outer, sgn_error *err) {
    static const char *const name[] = { "", "piece", "score", "type" };
    static const int wire[] = { 0, SGN_PROTO_BYTES, SGN_PROTO_32, SGN_PROTO_VARINT };
    sgn_proto p = sgn_proto_inside(file, outer, "pieces");
    sgn_proto_field f, text = { 0 };
    sgn_spm *m = r->v->spm;
    const int32_t id = r->v->count;
    char where[SGN_PATH_MAX + 64];
    bool more;
    uint32_t bits = 0;
    m->type[id] = SGN_SPM_NORMAL;
    for (;;) {
        SGN_TRY(sgn_proto_next(&p, &f, &more, err));
        if (!more) break;
        if (f.number == 0 || f.number > 3) continue;
        SGN_TRY(sgn_proto_expect(&p, &f, wire[f.number], name[f.number], err));
        if (f.number == 1) text = f;
        else if (f.number == 2) bits = (uint32_t)f.value;
        else m->type[id] = (uint8_t)(f.value < 255 ? f.value : 255);
    }
    memcpy(&m->score[id], &bits, sizeof bits);
    snprintf(where, sizeof where, "%s: byte %zu", r->where, outer->offset);
    if (sgn_utf8_prefix((const char *)text.bytes, text.size) != text.size)
        SGN_FAIL(err, SGN_FORMAT, "%s: pieces[%d].piece is not UTF-8", where, id);
    const bool special = m->type[id] == SGN_SPM_CONTROL;
    return sgn_vocabulary_add(r->v, (const char *)text.bytes, text.size, special, where, err);
}

static sgn_status read_trainer(reading *r, const sgn_proto *file, const sgn_proto_field *outer, sgn_error *err) {
    sgn_proto p = sgn_proto_inside(file, outer, "trainer_spec");
    sgn_proto_field f;
    sgn_spm *m = r->v->spm;
    bool more;
    for (;;) {
        SGN_TRY(sgn_proto_next(&p, &f, &more, err));
        if (!more) break;
        const bool number = f.number == MODEL_TYPE || f.number == VOCAB_SIZE || f.number == SUFFIX_SPACE || f.number == BYTE_FALLBACK
                            || (f.number >= UNK_ID && f.number <= PAD_ID);
        if (number) SGN_TRY(sgn_proto_expect(&p, &f, SGN_PROTO_VARINT, "a number", err));
        if (f.number == MODEL_TYPE) r->model_type = f.value;
        if (f.number == VOCAB_SIZE) r->vocab_size = (int64_t)f.value;
        if (f.number == BYTE_FALLBACK) m->byte_fallback = f.value != 0;
        if (f.number >= UNK_ID && f.number <= PAD_ID) r->id[f.number - UNK_ID] = (int64_t)f.value, r->given[f.number - UNK_ID] = true;
        if (f.number == SUFFIX_SPACE && f.value)
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: trainer_spec.treat_whitespace_as_suffix is set, which is not supported", r->where);
        if (f.number != UNK_SURFACE) continue;
        SGN_TRY(sgn_proto_expect(&p, &f, SGN_PROTO_BYTES, "unk_surface", err));
        if (f.size >= sizeof m->unk_surface || memchr(f.bytes, 0, f.size))
            SGN_FAIL(err, SGN_FORMAT, "%s: byte %zu: trainer_spec.unk_surface has %zu bytes, or a NUL; less than %zu are allowed",
                     r->where, f.offset, f.size, sizeof m->unk_surface);
        memcpy(m->unk_surface, f.bytes, f.size);
        m->unk_surface[f.size] = '\0';
    }
    return SGN_OK;
}

static sgn_status read_normalizer(reading *r, const sgn_proto *file, const sgn_proto_field *outer, sgn_error *err) {
    sgn_proto p = sgn_proto_inside(file, outer, "normalizer_spec");
    sgn_proto_field f;
    sgn_spm *m = r->v->spm;
    bool more;
    for (;;) {
        SGN_TRY(sgn_proto_next(&p, &f, &more, err));
        if (!more) break;
        if (f.number == NAME || f.number == CHARSMAP) SGN_TRY(sgn_proto_expect(&p, &f, SGN_PROTO_BYTES, "name or precompiled_charsmap", err));
        if (f.number >= DUMMY_PREFIX && f.number <= ESCAPE) SGN_TRY(sgn_proto_expect(&p, &f, SGN_PROTO_VARINT, "a switch", err));
        if (f.number == NAME) snprintf(m->normalizer, sizeof m->normalizer, "%.*s", f.size > 31 ? 31 : (int)f.size, (const char *)f.bytes);
        if (f.number == DUMMY_PREFIX) m->dummy_prefix = f.value != 0;
        if (f.number == SQUEEZE) m->squeeze = f.value != 0;
        if (f.number == ESCAPE) m->escape = f.value != 0;
        if (f.number != CHARSMAP || f.size == 0) continue;
        free(m->charsmap);
        m->charsmap = malloc(f.size);
        if (!m->charsmap) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for normalizer_spec.precompiled_charsmap", r->where);
        memcpy(m->charsmap, f.bytes, f.size);
        m->charsmap_size = f.size;
    }
    return SGN_OK;
}

static sgn_status read_denormalizer(const reading *r, const sgn_proto *file, const sgn_proto_field *outer, sgn_error *err) {
    sgn_proto p = sgn_proto_inside(file, outer, "denormalizer_spec");
    sgn_proto_field f;
    bool more;
    for (;;) {
        SGN_TRY(sgn_proto_next(&p, &f, &more, err));
        if (!more) break;
        if (f.number == CHARSMAP && f.wire == SGN_PROTO_BYTES && f.size)
            SGN_FAIL(err, SGN_UNSUPPORTED, "%s: byte %zu: denormalizer_spec.precompiled_charsmap is not supported", r->where, f.offset);
    }
    return SGN_OK;
}

/* The special ids, where they are given or the piece there can be one. */
static sgn_status settle(reading *r, sgn_error *err) {
    static const char *const name[] = { "", "Unigram", "BPE", "Word", "Char" };
    sgn_spm *m = r->v->spm;
    int32_t *const role[] = { &m->unk, &m->bos, &m->eos, &m->pad };
    if (r->model_type != UNIGRAM && r->model_type != BPE)
        SGN_FAIL(err, SGN_UNSUPPORTED, "%s: trainer_spec.model_type is %llu (%s); Unigram (1) and BPE (2) are supported", r->where,
                 (unsigned long long)r->model_type, r->model_type < 5 ? name[r->model_type] : "unknown");
    m->unigram = r->model_type == UNIGRAM;
    if (r->vocab_size >= 0 && r->vocab_size != r->v->count)
        SGN_FAIL(err, SGN_FORMAT, "%s: trainer_spec.vocab_size is %lld, but there are %d pieces", r->where, (long long)r->vocab_size, r->v->count);
    for (int i = 0; i < 4; i++) {
        const int64_t id = r->id[i];
        if (r->given[i] && (id < -1 || id >= r->v->count))
            SGN_FAIL(err, SGN_FORMAT, "%s: trainer_spec.%s_id is %lld; there are %d pieces", r->where,
                     (const char *[]){ "unk", "bos", "eos", "pad" }[i], (long long)id, r->v->count);
        *role[i] = id < r->v->count && (r->given[i] || (id >= 0 && m->type[id] == SGN_SPM_CONTROL)) ? (int32_t)id : -1;
    }
    const int32_t unk = m->unk;
    SGN_TRY(sgn_spm_check(r->v, r->where, err));
    if (r->given[0] && unk != m->unk)
        SGN_FAIL(err, SGN_FORMAT, "%s: trainer_spec.unk_id is %d, but the unknown piece (type 2) is %d", r->where, unk, m->unk);
    return SGN_OK;
}

/* How many pieces there are, so that the arrays are made once. */
static sgn_status count_pieces(reading *r, const uint8_t *data, size_t size, sgn_error *err) {
    sgn_proto p = { data, size, 0, 0, r->where, "the model" };
    sgn_proto_field f;
    bool more;
    for (;;) {
        SGN_TRY(sgn_proto_next(&p, &f, &more, err));
        if (!more) break;
        r->pieces += f.number == 1;
    }
    if (r->pieces == 0 || r->pieces > SGN_VOCAB_MAX)
        SGN_FAIL(err, SGN_FORMAT, "%s: the model has %zu pieces; 1 to %d are allowed", r->where, r->pieces, SGN_VOCAB_MAX);
    return SGN_OK;
}

sgn_status sgn_spm_parse(sgn_vocabulary *v, const void *data, size_t size, const char *where, sgn_error *err) {
    static const char *const name[] = { "", "pieces", "trainer_spec", "normalizer_spec", "", "denormalizer_spec" };
    reading r = { .v = v, .where = where, .model_type = UNIGRAM, .vocab_size = -1, .id = { 0, 1, 2, -1 } };
    sgn_proto p = { data, size, 0, 0, where, "the model" };
    sgn_proto_field f;
    bool more;
    SGN_TRY(count_pieces(&r, data, size, err));
    SGN_TRY(sgn_spm_make(v, (int32_t)r.pieces, err));
    for (;;) {
        SGN_TRY(sgn_proto_next(&p, &f, &more, err));
        if (!more) break;
        if (f.number > 5 || f.number == 4) continue;
        SGN_TRY(sgn_proto_expect(&p, &f, SGN_PROTO_BYTES, name[f.number], err));
        SGN_TRY(f.number == 1 ? read_piece(&r, &p, &f, err) : f.number == 2 ? read_trainer(&r, &p, &f, err)
                : f.number == 3 ? read_normalizer(&r, &p, &f, err) : read_denormalizer(&r, &p, &f, err));
    }
    return settle(&r, err);
}

sgn_status sgn_spm_load(sgn_vocabulary *v, const char *path, sgn_error *err) {
    char *data;
    size_t size;
    SGN_TRY(sgn_file_read(path, FILE_LIMIT, &data, &size, err));
    const sgn_status s = sgn_spm_parse(v, data, size, path, err);
    free(data);
    return s;
}
