/* Shards. The first byte says what the rest is: a shards.json beside a valid shard; a head of 24 bytes (width, vocabulary,
 * ids of a frame, ids of the shard, each little-endian) and a shard, listed by a shards.json that fits it; or a
 * size of 4 bytes and a single frame.
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/frame.h"
#include "data/shard_set.h"
#include "tests/fuzz/fuzz.h"

enum { LIST, SHARD, FRAME, SORTS, HEAD = 1 + 4 + 4 + 4 + 8, VOCAB = 300, TOKENS = 40000, ALL = 1 << 20 };

typedef struct { uint8_t data[HEAD + (1 << 16)]; } input;

static const char *directory(void) {
    static char path[600];
    if (*path) return path;
    snprintf(path, sizeof path, "%s", fuzz_path("set"));
    sgn_error err = { 0 };
    sgn_shard_writer *w;
    int32_t id = 0;
    fuzz_ok(sgn_shard_writer_open(&w, path, &(sgn_shard_options){ .vocab = VOCAB, .replace = true, .tokenizer = "byte", .tokenizer_hash = "00" }, &err), &err);
    for (int i = 0; i < TOKENS; i++, id = (id + 1) % 7) fuzz_ok(sgn_shard_writer_put(w, &id, 1, &err), &err);
    sgn_shard_writer_count(w, 3, 70);
    fuzz_ok(sgn_shard_writer_close(w, &err), &err);
    return path;
}

static void put64(uint8_t *to, uint64_t x) {
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(x >> 8 * i);
}

void fuzz_seeds(fuzz_take *take) {
    static input in;
    size_t json_size, shard_size;
    directory();
    char *json = fuzz_get(fuzz_path("set/shards.json"), &json_size), *shard = fuzz_get(fuzz_path("set/shard-00000.zst"), &shard_size);
    fuzz_check(json_size < sizeof in.data && shard_size + HEAD < sizeof in.data);
    in.data[0] = LIST;
    memcpy(in.data + 1, json, json_size);
    take(in.data, 1 + json_size);
    in.data[0] = SHARD;
    sgn_put32(in.data + 1, 2);
    sgn_put32(in.data + 5, VOCAB);
    sgn_put32(in.data + 9, SGN_FRAME_TOKENS);
    put64(in.data + 13, TOKENS);
    memcpy(in.data + HEAD, shard, shard_size);
    take(in.data, HEAD + shard_size);
    const uint32_t first = sgn_get32((const uint8_t *)shard + shard_size - SGN_SEEK_FOOT - 3 * SGN_SEEK_ENTRY);
    in.data[0] = FRAME;
    sgn_put32(in.data + 1, 2 * SGN_FRAME_TOKENS);
    memcpy(in.data + 5, shard, first);
    take(in.data, 5 + first);
    free(json);
    free(shard);
}

/* What opens is read from both ends, twice to the same ids. */
static void read_set(const char *dir) {
    sgn_error err = { 0 };
    sgn_shards *s;
    if (fuzz_refused(sgn_shards_open(&s, dir, NULL, &err), &err, dir)) return;
    const sgn_shard_info *i = sgn_shards_info(s);
    const size_t n = i->tokens < ALL ? (size_t)i->tokens : ALL;
    int32_t *ids = malloc(2 * n * sizeof *ids);
    fuzz_check(ids && n > 0);
    if (!fuzz_refused(sgn_shards_read(s, 0, n, ids, &err), &err, dir)) {
        for (size_t k = 0; k < n; k++) fuzz_check(ids[k] >= 0 && (uint32_t)ids[k] < i->vocab);
        fuzz_ok(sgn_shards_read(s, 0, n, ids + n, &err), &err);
        fuzz_check(memcmp(ids, ids + n, n * sizeof *ids) == 0);
    }
    err = (sgn_error){ 0 };
    fuzz_refused(sgn_shards_read(s, i->tokens - 1, 1, ids, &err), &err, dir);
    err = (sgn_error){ 0 };
    fuzz_check(sgn_shards_read(s, i->tokens, 1, ids, &err) == SGN_FORMAT);
    err = (sgn_error){ 0 };
    fuzz_refused(sgn_shards_verify(s, &err), &err, dir);
    free(ids);
    sgn_shards_close(s);
}

/* A table of contents whose seals fit, whatever it says. */
static void list_shard(const uint8_t *head, const uint8_t *shard, size_t size) {
    sgn_error err = { 0 };
    sgn_shard_set set = { .info = { .vocab = sgn_get32(head + 4), .width = sgn_get32(head) % 8 == 4 ? 4 : 2 }, .frame_tokens = sgn_get32(head + 8) };
    const uint64_t tokens = sgn_get32(head + 12) | (uint64_t)sgn_get32(head + 16) << 32;
    sgn_shard_entry e = { .tokens = tokens, .bytes = size, .digest = sgn_digest_bytes(shard, size) };
    const uint64_t frames = set.frame_tokens ? sgn_shard_frames(tokens, set.frame_tokens) : 0;
    const uint64_t table = frames < size ? SGN_SEEK_HEAD + frames * SGN_SEEK_ENTRY + SGN_SEEK_FOOT : 0;
    e.seek_digest = sgn_digest_bytes(shard + size - (table <= size ? table : 0), table <= size ? table : 0);
    fuzz_ok(sgn_shard_set_add(&set, &e, &err), &err);
    fuzz_ok(sgn_shard_set_save(&set, fuzz_path("own/shards.json"), &err), &err);
    sgn_shard_set_free(&set);
    fuzz_put("own/shard-00000.zst", shard, size);
}

static void decode(const uint8_t *data, size_t size) {
    sgn_error err = { 0 };
    sgn_frame_decoder *d;
    const size_t claimed = sgn_get32(data) % ALL;
    uint8_t *out = malloc(claimed ? claimed : 1);
    fuzz_check(out != NULL);
    fuzz_ok(sgn_frame_decoder_open(&d, &err), &err);
    if (!fuzz_refused(sgn_frame_decode(d, data + 4, size - 4, out, claimed, "x.zst", 7, &err), &err, "x.zst: offset 7"))
        sgn_frame_checksum(data + 4, size - 4);
    sgn_frame_decoder_close(d);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int made;
    sgn_error err = { 0 };
    char own[600];
    snprintf(own, sizeof own, "%s", fuzz_path("own"));
    if (!made++) fuzz_ok(sgn_make_directories(own, &err), &err);
    if (size >= 1 && data[0] % SORTS == LIST) {
        const char *dir = directory();
        fuzz_put("set/shards.json", data + 1, size - 1);
        read_set(dir);
    } else if (size > HEAD && data[0] % SORTS == SHARD) {
        list_shard(data + 1, data + HEAD, size - HEAD);
        read_set(own);
    } else if (size > 5 && data[0] % SORTS == FRAME) {
        decode(data + 1, size - 1);
    }
    return 0;
}
