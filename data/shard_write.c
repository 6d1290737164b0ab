/* Frames are gathered and compressed together, in parallel; each by itself, so that the bytes do not
 * depend on how many threads there are.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "core/parallel.h"
#include "data/frame.h"
#include "data/shard_set.h"
#include "data/vocabulary.h"

/* Enough for what one round of `signum tokenize` encodes of most languages: 10 MiB of ids, touched as they come. */
enum { FRAMES = 320 };

typedef struct {
    uint8_t   *ids;                    /* (SGN_FRAME_TOKENS) as stored */
    uint8_t   *packed;
    size_t     filled, size;           /* ids in it; bytes of packed */
    sgn_status status;
    sgn_error  error;
} frame;

struct sgn_shard_writer {
    sgn_staging        stage;
    sgn_shard_options  options;
    sgn_shard_set      set;
    sgn_frame_encoder **encoder;       /* (encoders) one per thread */
    int                encoders;
    sgn_writer        *file;           /* of the shard being written; NULL: between shards */
    sgn_path           path;
    uint64_t           tokens;         /* of that shard, its last frame included */
    uint8_t           *seek;           /* its seek table, growing */
    size_t             seek_size, seek_room;
    uint32_t           frames;
    frame              frame[FRAMES];
    int                present;        /* the one being filled; those before are full */
    int                given;          /* of the full ones, those that the last job was for */
    uint8_t           *memory;         /* of all frames */
    size_t             packed_room;
};

static sgn_status start(sgn_shard_writer *w, const char *dir, const sgn_shard_options *o, sgn_error *err) {
    w->options = *o;
    if (o->vocab < 1 || o->vocab > SGN_VOCAB_MAX)
        SGN_FAIL(err, SGN_CONFIG, "vocabulary of %" PRIu32 ": 1 to %d are possible", o->vocab, SGN_VOCAB_MAX);
    if (!o->shard_tokens) w->options.shard_tokens = 1u << 26;
    sgn_shard_info *i = &w->set.info;
    i->vocab = o->vocab;
    i->width = o->vocab <= 65536 ? 2 : 4;
    w->set.frame_tokens = SGN_FRAME_TOKENS;
    if (o->tokenizer && o->tokenizer_hash && *o->tokenizer_hash) {
        strncat(i->tokenizer, o->tokenizer, sizeof i->tokenizer - 1);
        strncat(i->tokenizer_hash, o->tokenizer_hash, sizeof i->tokenizer_hash - 1);
    }
    const size_t size = (size_t)SGN_FRAME_TOKENS * (size_t)i->width;
    w->packed_room = sgn_frame_bound(size);
    w->memory = malloc(FRAMES * (size + w->packed_room));
    if (!w->memory) SGN_FAIL(err, SGN_NOMEM, "no memory to write shards");
    for (int k = 0; k < FRAMES; k++) {
        w->frame[k].ids = w->memory + (size_t)k * (size + w->packed_room);
        w->frame[k].packed = w->frame[k].ids + size;
    }
    w->encoder = calloc((size_t)sgn_threads(), sizeof(sgn_frame_encoder *));
    if (!w->encoder) SGN_FAIL(err, SGN_NOMEM, "no memory to write shards");
    for (; w->encoders < sgn_threads(); w->encoders++) SGN_TRY(sgn_frame_encoder_open(&w->encoder[w->encoders], o->level, err));
    return sgn_staging_begin(&w->stage, dir, o->replace, err);
}

sgn_status sgn_shard_writer_open(sgn_shard_writer **out, const char *dir, const sgn_shard_options *o, sgn_error *err) {
    sgn_shard_writer *w = *out = calloc(1, sizeof *w);
    if (!w) SGN_FAIL(err, SGN_NOMEM, "no memory to write shards");
    const sgn_status s = start(w, dir, o, err);
    if (s != SGN_OK) {
        sgn_shard_writer_abandon(w);
        *out = NULL;
    }
    return s;
}

void sgn_shard_writer_abandon(sgn_shard_writer *w) {
    if (!w) return;
    if (w->file) sgn_writer_abandon(w->file);
    sgn_staging_abandon(&w->stage);
    for (int k = 0; k < w->encoders; k++) sgn_frame_encoder_close(w->encoder[k]);
    free(w->encoder);
    sgn_shard_set_free(&w->set);
    free(w->seek);
    free(w->memory);
    free(w);
}

void sgn_shard_writer_count(sgn_shard_writer *w, uint64_t documents, uint64_t text_bytes) {
    w->set.info.documents += documents;
    w->set.info.text_bytes += text_bytes;
}

uint64_t sgn_shard_writer_tokens(const sgn_shard_writer *w) { return w->set.info.tokens + w->tokens; }
const char *sgn_shard_writer_directory(const sgn_shard_writer *w) { return w->stage.stage.s; }

/* --- frames and files ------------------------------------------------------------------------------- */

static sgn_status grow_seek(sgn_shard_writer *w, size_t more, sgn_error *err) {
    if (w->seek_size + more <= w->seek_room) return SGN_OK;
    const size_t room = 2 * (w->seek_size + more) + 4096;
    uint8_t *grown = realloc(w->seek, room);
    if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for a seek table");
    w->seek = grown;
    w->seek_room = room;
    return SGN_OK;
}

static sgn_status begin_shard(sgn_shard_writer *w, sgn_error *err) {
    SGN_TRY(sgn_shard_path(&w->path, w->stage.stage.s, w->set.info.shards, err));
    w->tokens = w->frames = 0;
    w->seek_size = SGN_SEEK_HEAD;      /* filled in at the end */
    SGN_TRY(grow_seek(w, 0, err));
    return sgn_writer_open(&w->file, w->path.s, err);
}

static void encode_frames(void *ctx, int64_t begin, int64_t end) {
    sgn_shard_writer *w = ctx;
    for (frame *f = &w->frame[begin]; f < &w->frame[end]; f++) {
        f->error = (sgn_error){ 0 };
        f->status = sgn_frame_encode(w->encoder[sgn_thread_id()], f->ids, f->filled * (size_t)w->set.info.width, f->packed, w->packed_room,
                                     &f->size, &f->error);
    }
}

/* The first `count`, which are compressed; one that is not yet full becomes the first. */
static sgn_status write_frames(sgn_shard_writer *w, int count, sgn_error *err) {
    SGN_TRY(grow_seek(w, (size_t)count * SGN_SEEK_ENTRY + SGN_SEEK_FOOT, err));
    for (int k = 0; k < count; k++) {
        frame *f = &w->frame[k];
        if (f->status != SGN_OK) SGN_FAIL(err, f->status, "%s", f->error.text);
        sgn_writer_put(w->file, f->packed, f->size);
        sgn_put32(sgn_put32(sgn_put32(w->seek + w->seek_size, (uint32_t)f->size), (uint32_t)(f->filled * (size_t)w->set.info.width)),
                  sgn_frame_checksum(f->packed, f->size));
        w->seek_size += SGN_SEEK_ENTRY;
        w->frames++;
        f->filled = 0;
    }
    if (count && count < FRAMES) {
        const frame first = w->frame[0];
        w->frame[0] = w->frame[count];
        w->frame[count] = first;
    }
    w->present = w->given = 0;
    return SGN_OK;
}

static sgn_status flush_frames(sgn_shard_writer *w, sgn_error *err) {
    const int count = w->present + (w->present < FRAMES && w->frame[w->present].filled > 0);
    sgn_parallel(count, 1, encode_frames, w);
    return write_frames(w, count, err);
}

sgn_job sgn_shard_writer_job(sgn_shard_writer *w) {
    w->given = w->present;
    return (sgn_job){ w->given, 1, encode_frames, w };
}

static sgn_status end_shard(sgn_shard_writer *w, sgn_error *err) {
    if (!w->file) return SGN_OK;
    SGN_TRY(flush_frames(w, err));
    uint8_t *foot = sgn_put32(w->seek + w->seek_size, w->frames);
    *foot++ = SGN_SEEK_CHECKSUMS;
    sgn_put32(foot, SGN_SEEK_FOOT_MAGIC);
    w->seek_size += SGN_SEEK_FOOT;
    sgn_put32(sgn_put32(w->seek, SGN_SEEK_MAGIC), (uint32_t)(w->seek_size - SGN_SEEK_HEAD));
    sgn_writer_put(w->file, w->seek, w->seek_size);
    sgn_writer *file = w->file;
    w->file = NULL;
    SGN_TRY(sgn_writer_close(file, err));
    sgn_shard_entry e = { .tokens = w->tokens, .seek_digest = sgn_digest_bytes(w->seek, w->seek_size) };
    SGN_TRY(sgn_digest_file(w->path.s, &e.digest, &e.bytes, err));
    w->tokens = 0;
    return sgn_shard_set_add(&w->set, &e, err);
}

static void store(sgn_shard_writer *w, const int32_t *ids, size_t count) {
    frame *f = &w->frame[w->present];
    uint8_t *to = f->ids + f->filled * (size_t)w->set.info.width;
    if (w->set.info.width == 2)
        for (size_t i = 0; i < count; i++, to += 2) {
            to[0] = (uint8_t)ids[i];
            to[1] = (uint8_t)(ids[i] >> 8);
        }
    else
        for (size_t i = 0; i < count; i++) to = sgn_put32(to, (uint32_t)ids[i]);
    f->filled += count;
    w->tokens += count;
    w->present += f->filled == SGN_FRAME_TOKENS;
}

/* The directory has its final name in messages. */
static sgn_status with_name(const sgn_shard_writer *w, sgn_status s, sgn_error *err) {
    if (s != SGN_OK) sgn_error_replace(err, w->stage.stage.s, w->stage.final.s);
    return s;
}

static sgn_status put(sgn_shard_writer *w, const int32_t *ids, size_t count, sgn_error *err) {
    for (size_t i = 0; i < count; i++)
        if ((uint32_t)ids[i] >= w->options.vocab)
            SGN_FAIL(err, SGN_FORMAT, "token %" PRIu64 " is %" PRId32 ", the vocabulary has %" PRIu32,
                     sgn_shard_writer_tokens(w) + i, ids[i], w->options.vocab);
    while (count) {
        if (!w->file) SGN_TRY(begin_shard(w, err));
        size_t n = SGN_FRAME_TOKENS - w->frame[w->present].filled;
        if (n > count) n = count;
        if (n > w->options.shard_tokens - w->tokens) n = (size_t)(w->options.shard_tokens - w->tokens);
        store(w, ids, n);
        ids += n;
        count -= n;
        if (w->present == FRAMES) SGN_TRY(flush_frames(w, err));
        if (w->tokens == w->options.shard_tokens) SGN_TRY(end_shard(w, err));
    }
    return SGN_OK;
}

sgn_status sgn_shard_writer_put(sgn_shard_writer *w, const int32_t *ids, size_t count, sgn_error *err) {
    return with_name(w, put(w, ids, count, err), err);
}

sgn_status sgn_shard_writer_drain(sgn_shard_writer *w, sgn_error *err) {
    return with_name(w, w->given ? write_frames(w, w->given, err) : SGN_OK, err);
}

static sgn_status finish(sgn_shard_writer *w, sgn_error *err) {
    sgn_path path;
    SGN_TRY(end_shard(w, err));
    if (w->set.info.tokens == 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: there is not a single token to write; the input is empty", w->stage.final.s);
    SGN_TRY(sgn_path_set(&path, err, "%s/" SGN_SHARDS_JSON, w->stage.stage.s));
    SGN_TRY(sgn_shard_set_save(&w->set, path.s, err));
    return sgn_staging_commit(&w->stage, err);
}

sgn_status sgn_shard_writer_close(sgn_shard_writer *w, sgn_error *err) {
    const sgn_status s = with_name(w, finish(w, err), err);
    sgn_shard_writer_abandon(w);       /* what is committed stays */
    return s;
}
