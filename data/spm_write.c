/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "data/protobuf.h"
#include "data/spm.h"

static void put_message(sgn_proto_writer *w, uint32_t number, sgn_proto_writer *part) {
    sgn_proto_put_bytes(w, number, part->data, part->size);
    w->failed |= part->failed;
    part->size = 0;
}

static void put_id(sgn_proto_writer *w, uint32_t number, int32_t id) { sgn_proto_put_varint(w, number, (uint64_t)(int64_t)id); }

static void put_trainer(sgn_proto_writer *part, const sgn_vocabulary *v) {
    const sgn_spm *m = v->spm;
    sgn_proto_put_varint(part, 3, m->unigram ? 1 : 2);
    sgn_proto_put_varint(part, 4, (uint64_t)v->count);
    sgn_proto_put_varint(part, 35, m->byte_fallback);
    put_id(part, 40, m->unk);
    put_id(part, 41, m->bos);
    put_id(part, 42, m->eos);
    put_id(part, 43, m->pad);
    sgn_proto_put_bytes(part, 44, m->unk_surface, strlen(m->unk_surface));
    const int32_t id[] = { m->unk, m->bos, m->eos, m->pad };
    for (uint32_t i = 0; i < 4; i++) {                 /* SentencePiece finds them by these names */
        size_t n = 0;
        const char *piece = id[i] >= 0 ? sgn_vocabulary_piece(v, id[i], &n) : "";
        if (n) sgn_proto_put_bytes(part, 45 + i, piece, n);
    }
}

static void put_normalizer(sgn_proto_writer *part, const sgn_spm *m) {
    sgn_proto_put_bytes(part, 1, m->normalizer, strlen(m->normalizer));
    sgn_proto_put_bytes(part, 2, m->charsmap, m->charsmap_size);
    sgn_proto_put_varint(part, 3, m->dummy_prefix);
    sgn_proto_put_varint(part, 4, m->squeeze);
    sgn_proto_put_varint(part, 5, m->escape);
}

sgn_status sgn_spm_write(const sgn_vocabulary *v, uint8_t **out, size_t *size, sgn_error *err) {
    const sgn_spm *m = v->spm;
    sgn_proto_writer w = { 0 }, part = { 0 };
    for (int32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *piece = sgn_vocabulary_piece(v, id, &n);
        sgn_proto_put_bytes(&part, 1, piece, n);
        sgn_proto_put_float(&part, 2, m->score[id]);
        sgn_proto_put_varint(&part, 3, m->type[id]);
        put_message(&w, 1, &part);
    }
    put_trainer(&part, v);
    put_message(&w, 2, &part);
    put_normalizer(&part, m);
    put_message(&w, 3, &part);
    free(part.data);
    *out = w.data;
    *size = w.size;
    if (!w.failed) return SGN_OK;
    free(w.data);
    *out = NULL;
    SGN_FAIL(err, SGN_NOMEM, "no memory to write a model of %d pieces", v->count);
}

sgn_status sgn_vocabulary_save_model(const sgn_vocabulary *v, const char *path, sgn_error *err) {
    if (!v->spm) SGN_FAIL(err, SGN_UNSUPPORTED, "%s: only a SentencePiece tokenizer can be written as a model; write a tokenizer.json", path);
    uint8_t *data;
    size_t size;
    SGN_TRY(sgn_spm_write(v, &data, &size, err));
    const sgn_status s = sgn_file_write(path, data, size, err);
    free(data);
    return s;
}
