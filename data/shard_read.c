/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "data/frame.h"
#include "data/shard_set.h"

enum { OPEN_FILES = 16, CACHE_BYTES = 8 << 20, CACHE_LEAST = 2, FRAME_LEAST = 9 };

typedef struct {
    int       shard;           /* -1: none */
    uint64_t  used;            /* when */
    sgn_reader file;
    uint64_t *offset;          /* (frames + 1) of the frames in the file */
    uint32_t *checksum;        /* (frames) */
} open_file;

typedef struct {
    int      shard;            /* -1: none */
    uint64_t frame, used;
    uint8_t *data;             /* ids as stored, checked */
} cached;

struct sgn_shards {
    sgn_path           dir;
    sgn_shard_set      set;
    uint64_t          *first;  /* (shards + 1): token that a shard begins with */
    open_file          open[OPEN_FILES];
    cached            *cache;  /* (cache_count) */
    int                cache_count;
    uint8_t           *frames; /* of the cache */
    uint8_t           *packed; /* a compressed frame, or a seek table */
    size_t             packed_room;
    sgn_frame_decoder *decoder;
    uint64_t           clock;
};

/* --- the seek table ----------------------------------------------------------------------------------- */

static size_t seek_size(uint64_t frames) { return (size_t)(SGN_SEEK_HEAD + frames * SGN_SEEK_ENTRY + SGN_SEEK_FOOT); }

static sgn_status check_seek(const sgn_shard_entry *e, const uint8_t *table, uint64_t frames, const char *path, sgn_error *err) {
    const size_t size = seek_size(frames);
    const uint8_t *foot = table + size - SGN_SEEK_FOOT;
    const uint64_t at = e->bytes - size;
    if (sgn_get32(foot + 5) != SGN_SEEK_FOOT_MAGIC)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the seek table has the wrong magic number; the file is cut off or "
                 "no seekable zstd", path, e->bytes - 4);
    if (sgn_get32(foot) != frames || foot[4] != SGN_SEEK_CHECKSUMS)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the seek table has %" PRIu32 " frames (descriptor 0x%02X), "
                 "%" PRIu64 " (0x80) are expected", path, e->bytes - SGN_SEEK_FOOT, sgn_get32(foot), foot[4], frames);
    if (sgn_get32(table) != SGN_SEEK_MAGIC || sgn_get32(table + 4) != size - SGN_SEEK_HEAD)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the seek table does not begin here", path, at);
    if (strcmp(sgn_digest_bytes(table, size).hex, e->seek_digest.hex) != 0)
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the seek table's digest is not the one in " SGN_SHARDS_JSON, path, at);
    return SGN_OK;
}

static sgn_status read_seek(sgn_shards *s, open_file *f, int shard, sgn_error *err) {
    const sgn_shard_entry *e = &s->set.shard[shard];
    const uint64_t frames = sgn_shard_frames(e->tokens, s->set.frame_tokens), full = s->set.frame_tokens;
    const size_t size = seek_size(frames), width = (size_t)s->set.info.width;
    const char *path = f->file.path.s;
    SGN_TRY(sgn_reader_get(&f->file, e->bytes - size, s->packed, size, err));
    SGN_TRY(check_seek(e, s->packed, frames, path, err));
    uint64_t at = 0;
    for (uint64_t k = 0; k < frames; k++, at += sgn_get32(s->packed + SGN_SEEK_HEAD + (k - 1) * SGN_SEEK_ENTRY)) {
        const uint8_t *entry = s->packed + SGN_SEEK_HEAD + k * SGN_SEEK_ENTRY;
        const uint64_t ids = k + 1 < frames ? full : e->tokens - k * full;
        if (sgn_get32(entry) < FRAME_LEAST || sgn_get32(entry) > sgn_frame_bound(full * width)
            || sgn_get32(entry + 4) != ids * width)
            SGN_FAIL(err, SGN_FORMAT, "%s: seek table: frame %" PRIu64 " has %" PRIu32 " bytes, %" PRIu32 " uncompressed; "
                     "%" PRIu64 " are expected", path, k, sgn_get32(entry), sgn_get32(entry + 4), ids * width);
        f->offset[k] = at;
        f->checksum[k] = sgn_get32(entry + 8);
    }
    f->offset[frames] = at;
    if (at + size != e->bytes)
        SGN_FAIL(err, SGN_FORMAT, "%s: the frames of the seek table end at %" PRIu64 ", the table begins at %" PRIu64, path, at,
                 e->bytes - size);
    return SGN_OK;
}

static sgn_status open_checked(const sgn_shards *s, int shard, sgn_reader *file, sgn_error *err) {
    sgn_path path;
    const uint64_t want = s->set.shard[shard].bytes;
    SGN_TRY(sgn_shard_path(&path, s->dir.s, shard, err));
    SGN_TRY(sgn_reader_open(file, path.s, err));
    if (file->size == want) return SGN_OK;
    const uint64_t size = file->size;
    sgn_reader_close(file);
    SGN_FAIL(err, SGN_FORMAT, "%s: has %" PRIu64 " bytes, " SGN_SHARDS_JSON " says %" PRIu64 "; copy or tokenize it again", path.s,
             size, want);
}

static sgn_status open_shard(sgn_shards *s, int shard, open_file **out, sgn_error *err) {
    open_file *f = &s->open[0];
    for (int i = 0; i < OPEN_FILES; i++) {
        if (s->open[i].shard == shard) {
            *out = &s->open[i];
            s->open[i].used = ++s->clock;
            return SGN_OK;
        }
        if (s->open[i].used < f->used) f = &s->open[i];        /* the one unused for longest */
    }
    sgn_reader_close(&f->file);
    f->shard = -1;
    f->used = 0;
    SGN_TRY(open_checked(s, shard, &f->file, err));
    SGN_TRY(read_seek(s, f, shard, err));
    f->shard = shard;
    f->used = ++s->clock;
    *out = f;
    return SGN_OK;
}

/* --- open and close ------------------------------------------------------------------------------------ */

static sgn_status place_tables(sgn_shards *s, uint64_t frames, sgn_error *err) {
    for (int i = 0; i < OPEN_FILES && i < s->set.info.shards; i++) {
        s->open[i].offset = malloc((size_t)(frames + 1) * sizeof *s->open[i].offset);
        s->open[i].checksum = malloc((size_t)frames * sizeof *s->open[i].checksum);
        if (!s->open[i].offset || !s->open[i].checksum) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its seek tables", s->dir.s);
    }
    for (int i = 0; i < OPEN_FILES; i++) {
        s->open[i].shard = -1;
        s->open[i].used = i < s->set.info.shards ? 0 : UINT64_MAX;     /* those without tables are never chosen */
    }
    return SGN_OK;
}

/* All memory there will be: nothing is allocated by reads. Sizes are held against the files' before. */
static sgn_status place(sgn_shards *s, sgn_error *err) {
    const size_t full = (size_t)s->set.frame_tokens * (size_t)s->set.info.width;
    uint64_t most = 0, all = 0;
    s->first = calloc((size_t)s->set.info.shards + 1, sizeof *s->first);
    if (!s->first) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for a list of shards", s->dir.s);
    for (int k = 0; k < s->set.info.shards; k++) {
        const sgn_shard_entry *e = &s->set.shard[k];
        const uint64_t frames = sgn_shard_frames(e->tokens, s->set.frame_tokens);
        sgn_reader file;
        SGN_TRY(open_checked(s, k, &file, err));
        sgn_reader_close(&file);
        if (frames > e->bytes / (FRAME_LEAST + SGN_SEEK_ENTRY) || e->bytes < seek_size(frames))
            SGN_FAIL(err, SGN_FORMAT, "%s/" SGN_SHARDS_JSON ": shards[%d]: %" PRIu64 " tokens cannot be in %" PRIu64 " bytes",
                     s->dir.s, k, e->tokens, e->bytes);
        s->first[k + 1] = s->first[k] + e->tokens;
        all += frames;
        if (frames > most) most = frames;
    }
    s->packed_room = sgn_frame_bound(full) > seek_size(most) ? sgn_frame_bound(full) : seek_size(most);
    uint64_t slots = CACHE_BYTES / full > CACHE_LEAST ? CACHE_BYTES / full : CACHE_LEAST;
    if (slots > all) slots = all;
    s->cache_count = (int)(slots < 256 ? slots : 256);
    s->cache = calloc((size_t)s->cache_count, sizeof *s->cache);
    s->frames = malloc((size_t)s->cache_count * full);
    s->packed = malloc(s->packed_room);
    if (!s->cache || !s->frames || !s->packed) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to read it", s->dir.s);
    for (int i = 0; i < s->cache_count; i++) s->cache[i] = (cached){ .shard = -1, .data = s->frames + (size_t)i * full };
    SGN_TRY(place_tables(s, most, err));
    return sgn_frame_decoder_open(&s->decoder, err);
}

static sgn_status find_directory(sgn_path *out, const char *dir, const char *role, sgn_error *err) {
    sgn_path file;
    SGN_TRY(sgn_path_set(&file, err, "%s/" SGN_SHARDS_JSON, dir));
    SGN_TRY(sgn_path_set(out, err, "%s", dir));
    if (sgn_file_exists(file.s)) return SGN_OK;
    if (!sgn_is_directory(dir))
        SGN_FAIL(err, SGN_IO, "%s: no such directory; make it with: signum tokenize FILES --out DIR", dir);
    if (role) {
        SGN_TRY(sgn_path_set(out, err, "%s/%s", dir, role));
        SGN_TRY(sgn_path_set(&file, err, "%s/" SGN_SHARDS_JSON, out->s));
        if (sgn_file_exists(file.s)) return SGN_OK;
    }
    SGN_FAIL(err, SGN_IO, "%s: holds no " SGN_SHARDS_JSON "%s%s; make it with: signum tokenize FILES --out DIR", dir,
             role ? ", nor does its subdirectory " : "", role ? role : "");
}

static sgn_status open_set(sgn_shards *s, const char *dir, const char *role, sgn_error *err) {
    sgn_path json;
    SGN_TRY(find_directory(&s->dir, dir, role, err));
    SGN_TRY(sgn_path_set(&json, err, "%s/" SGN_SHARDS_JSON, s->dir.s));
    SGN_TRY(sgn_shard_set_load(&s->set, json.s, err));
    SGN_TRY(place(s, err));
    open_file *unused;
    for (int k = 0; k < s->set.info.shards; k++) SGN_TRY(open_shard(s, k, &unused, err));  /* checks its seek table */
    return SGN_OK;
}

sgn_status sgn_shards_open(sgn_shards **out, const char *dir, const char *role, sgn_error *err) {
    *out = NULL;
    sgn_shards *s = calloc(1, sizeof *s);
    if (!s) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to read it", dir);
    const sgn_status status = open_set(s, dir, role, err);
    if (status == SGN_OK) *out = s;
    else sgn_shards_close(s);
    return status;
}

void sgn_shards_close(sgn_shards *s) {
    if (!s) return;
    for (int i = 0; i < OPEN_FILES; i++) {
        sgn_reader_close(&s->open[i].file);
        free(s->open[i].offset);
        free(s->open[i].checksum);
    }
    sgn_frame_decoder_close(s->decoder);
    sgn_shard_set_free(&s->set);
    free(s->first);
    free(s->cache);
    free(s->frames);
    free(s->packed);
    free(s);
}

void sgn_shards_limit(sgn_shards *s, size_t bytes, int files) {
    const size_t slots = bytes / ((size_t)s->set.frame_tokens * (size_t)s->set.info.width);
    const int most = slots > CACHE_LEAST ? (int)(slots < 256 ? slots : 256) : CACHE_LEAST;
    if (s->cache_count > most) s->cache_count = most;
    for (int i = files > 1 ? files : 1; i < OPEN_FILES; i++) {
        sgn_reader_close(&s->open[i].file);
        s->open[i].shard = -1;
        s->open[i].used = UINT64_MAX;              /* never chosen */
    }
}

const sgn_shard_info *sgn_shards_info(const sgn_shards *s) { return &s->set.info; }
const char *sgn_shards_directory(const sgn_shards *s) { return s->dir.s; }

/* --- reading -------------------------------------------------------------------------------------------- */

/* Whole loads, unlike sgn_get32, become vectors. */
static inline uint32_t stored16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return le16toh(v);
}
static inline uint32_t stored32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

/* No way out early: so these loops become vectors. */
static uint32_t greatest_id(const uint8_t *p, size_t n, int width) {
    uint32_t most = 0;
    if (width == 2)
        for (size_t i = 0; i < n; i++) {
            const uint32_t id = stored16(p + 2 * i);
            most = id > most ? id : most;
        }
    else
        for (size_t i = 0; i < n; i++) {
            const uint32_t id = stored32(p + 4 * i);
            most = id > most ? id : most;
        }
    return most;
}

static void load_ids(int32_t *restrict out, const uint8_t *restrict p, size_t n, int width) {
    if (width == 2)
        for (size_t i = 0; i < n; i++) out[i] = (int32_t)stored16(p + 2 * i);
    else
        for (size_t i = 0; i < n; i++) out[i] = (int32_t)stored32(p + 4 * i);
}

static sgn_status find_bad_id(const sgn_shards *s, const uint8_t *data, size_t ids, uint64_t first, const char *path, sgn_error *err) {
    size_t i = 0;
    const int width = s->set.info.width;
    while (greatest_id(data + i * (size_t)width, 1, width) < s->set.info.vocab && i + 1 < ids) i++;
    SGN_FAIL(err, SGN_FORMAT, "%s: token %" PRIu64 " is %" PRIu32 ", the vocabulary has %" PRIu32, path, first + i,
             greatest_id(data + i * (size_t)width, 1, width), s->set.info.vocab);
}

static sgn_status read_frame(sgn_shards *s, int shard, uint64_t frame, uint8_t *out, sgn_error *err) {
    open_file *f;
    SGN_TRY(open_shard(s, shard, &f, err));
    const uint64_t at = f->offset[frame], first = frame * s->set.frame_tokens, left = s->set.shard[shard].tokens - first;
    const size_t n = (size_t)(f->offset[frame + 1] - at), ids = left < s->set.frame_tokens ? (size_t)left : s->set.frame_tokens;
    const int width = s->set.info.width;
    const char *path = f->file.path.s;
    SGN_TRY(sgn_reader_get(&f->file, at, s->packed, n, err));
    SGN_TRY(sgn_frame_decode(s->decoder, s->packed, n, out, ids * (size_t)width, path, at, err));
    if (sgn_frame_checksum(s->packed, n) != f->checksum[frame])
        SGN_FAIL(err, SGN_FORMAT, "%s: offset %" PRIu64 ": the frame is not the one of the seek table", path, at);
    if (greatest_id(out, ids, width) >= s->set.info.vocab) return find_bad_id(s, out, ids, first, path, err);
    return SGN_OK;
}

static sgn_status get_frame(sgn_shards *s, int shard, uint64_t frame, const uint8_t **data, sgn_error *err) {
    cached *c = &s->cache[0];
    for (int i = 0; i < s->cache_count; i++) {
        if (s->cache[i].shard == shard && s->cache[i].frame == frame) {
            s->cache[i].used = ++s->clock;
            *data = s->cache[i].data;
            return SGN_OK;
        }
        if (s->cache[i].used < c->used) c = &s->cache[i];
    }
    c->shard = -1;
    c->used = 0;
    SGN_TRY(read_frame(s, shard, frame, c->data, err));
    c->shard = shard;
    c->frame = frame;
    c->used = ++s->clock;
    *data = c->data;
    return SGN_OK;
}

static int shard_of(const sgn_shards *s, uint64_t token) {
    int low = 0, high = s->set.info.shards - 1;    /* first[low] <= token < first[high + 1] */
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (s->first[middle] <= token) low = middle;
        else high = middle - 1;
    }
    return low;
}

sgn_status sgn_shards_read(sgn_shards *s, uint64_t first, size_t count, int32_t *out, sgn_error *err) {
    const uint64_t total = s->set.info.tokens, full = s->set.frame_tokens;
    if (first > total || count > total - first)
        SGN_FAIL(err, SGN_FORMAT, "%s: tokens %" PRIu64 " to %" PRIu64 " are wanted, there are %" PRIu64, s->dir.s, first,
                 first + count, total);
    while (count) {
        const int shard = shard_of(s, first), width = s->set.info.width;
        const uint64_t inside = first - s->first[shard], frame = inside / full, skip = inside % full;
        const uint64_t left = s->set.shard[shard].tokens - frame * full, ids = left < full ? left : full;
        const size_t n = ids - skip < count ? (size_t)(ids - skip) : count;
        const uint8_t *data;
        SGN_TRY(get_frame(s, shard, frame, &data, err));
        data += skip * (uint64_t)width;
        load_ids(out, data, n, width);
        first += n;
        count -= n;
        out += n;
    }
    return SGN_OK;
}

/* --- checks ---------------------------------------------------------------------------------------------- */

sgn_status sgn_shards_fit(const sgn_shards *s, uint32_t vocab, const char *hash, const char *who, sgn_error *err) {
    const sgn_shard_info *i = &s->set.info;
    const bool both = hash && *hash && i->tokenizer_hash[0];
    if (both && strcmp(hash, i->tokenizer_hash) != 0)
        SGN_FAIL(err, SGN_CONFIG, "%s: was made with another tokenizer (%s, vocabulary %" PRIu32 ", hash %.8s) than %s (hash %.8s); "
                 "tokenize the text again with --tokenizer of the model", s->dir.s, i->tokenizer, i->vocab, i->tokenizer_hash,
                 who, hash);
    if (i->vocab > vocab)
        SGN_FAIL(err, SGN_CONFIG, "%s: its vocabulary has %" PRIu32 " ids, that of %s %" PRIu32 "; tokenize the text again with "
                 "--tokenizer of the model, or set model.vocab to %" PRIu32, s->dir.s, i->vocab, who, vocab, i->vocab);
    return SGN_OK;
}

sgn_status sgn_shards_verify(sgn_shards *s, sgn_error *err) {
    for (int k = 0; k < s->set.info.shards; k++) {
        sgn_path path;
        sgn_digest d;
        SGN_TRY(sgn_shard_path(&path, s->dir.s, k, err));
        SGN_TRY(sgn_digest_file(path.s, &d, NULL, err));
        if (strcmp(d.hex, s->set.shard[k].digest.hex) != 0)
            SGN_FAIL(err, SGN_FORMAT, "%s: its contents have changed: digest %s, " SGN_SHARDS_JSON " says %s", path.s, d.hex,
                     s->set.shard[k].digest.hex);
    }
    return SGN_OK;
}
