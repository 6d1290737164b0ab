/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "distill/cache_make.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/parallel.h"
#include "data/documents.h"
#include "data/frames.h"
#include "data/shard.h"
#include "distill/pick.h"
#include "distill/teacher.h"
#include "model/model_digest.h"
#include "model/model_load.h"

typedef struct {
    const sgn_cache_options *o;
    sgn_cache_job      job;
    sgn_shards        *shards;
    sgn_teacher        teacher;
    sgn_cache_report  *report;
    int64_t            rows;           /* windows at once */
    int32_t           *ids, *tokens;   /* (seq + 1), (rows, seq) */
    int32_t           *first, *targets;/* (rows, seq): data.mask_documents */
    uint64_t          *window;         /* (rows) */
    sgn_cache_record   picked;         /* (rows, seq, count), (rows, seq) */
    uint8_t           *record, *packed;/* (rows) of most, of room bytes */
    size_t             most, room;
    size_t            *size, *packed_size;     /* (rows) */
    sgn_frame_encoder **encoder;       /* (rows) */
    sgn_status        *status;         /* (rows) */
    sgn_frame_decoder *decoder;
} maker;

static double lap(double *from) {
    const double now = sgn_clock_wall(), passed = now - *from;
    *from = now;
    return passed;
}

/* --- the job --------------------------------------------------------------------------------------------- */

static sgn_status check_counts(const sgn_cache_options *o, int64_t vocab, sgn_error *err) {
    const int64_t most = o->samples ? SGN_CACHE_SAMPLES_MAX : vocab < 65536 ? vocab : 65536;
    if (o->count < 1 || o->count > most)
        SGN_FAIL(err, SGN_CONFIG, "--%s is %" PRId64 "; 1 to %" PRId64 " are possible", o->samples ? "samples" : "top", o->count, most);
    if (o->bits != 8 && o->bits != 16) SGN_FAIL(err, SGN_CONFIG, "--bits is %" PRId64 "; 8 or 16 is expected", o->bits);
    if (!(o->temperature >= 0.01 && o->temperature <= 100))
        SGN_FAIL(err, SGN_CONFIG, "--temperature is %g; 0.01 to 100 are possible", o->temperature);
    if (o->parts < 1 || o->part < 0 || o->part >= o->parts)
        SGN_FAIL(err, SGN_CONFIG, "--part %" PRId64 "/%" PRId64 ": the first number goes from 0 to one less than the second", o->part, o->parts);
    return SGN_OK;
}

static sgn_status find_eot(maker *m, sgn_error *err) {
    int32_t eot = -1;
    if (m->o->mask_documents) SGN_TRY(sgn_documents_eot(m->shards, m->o->eot, "--mask-documents", "--eot", &eot, err));
    m->job.eot = eot;
    return SGN_OK;
}

static sgn_status describe_job(maker *m, const char *directory, const sgn_model_config *c, sgn_error *err) {
    const sgn_cache_options *o = m->o;
    const sgn_shard_info *info = sgn_shards_info(m->shards);
    sgn_path path;
    SGN_TRY(check_counts(o, c->vocab, err));
    if (o->seq < 1 || o->seq > c->context)
        SGN_FAIL(err, SGN_CONFIG, "--seq is %" PRId64 "; '%s' was made for 1 to %" PRId64 " tokens of context", o->seq, o->teacher, (int64_t)c->context);
    if (info->tokens < (uint64_t)o->seq + 1)
        SGN_FAIL(err, SGN_CONFIG, "%s has %" PRIu64 " tokens, fewer than one window of --seq + 1 = %" PRId64, sgn_shards_directory(m->shards),
                 info->tokens, o->seq + 1);
    m->job = (sgn_cache_job){
        .samples = o->samples, .vocab = c->vocab, .seq = o->seq, .count = o->count, .bits = o->bits, .temperature = o->temperature,
        .seed = o->seed, .windows = (info->tokens - 1) / (uint64_t)o->seq };
    snprintf(m->job.teacher, sizeof m->job.teacher, "%s", o->teacher);
    strcpy(m->job.tokenizer_hash, info->tokenizer_hash);
    SGN_TRY(find_eot(m, err));
    SGN_TRY(sgn_model_digest(directory, false, &m->job.teacher_hash, err));
    SGN_TRY(sgn_path_set(&path, err, "%s/shards.json", sgn_shards_directory(m->shards)));
    SGN_TRY(sgn_digest_file(path.s, &m->job.shards_hash, NULL, err));
    sgn_cache_job_settle(&m->job);
    return SGN_OK;
}

/* The first process says what is made here, the others find it. */
static sgn_status join(maker *m, sgn_cache_info *info, sgn_error *err) {
    if (!sgn_is_cache(m->o->out)) {
        const sgn_cache_info begun = { .job = m->job };
        SGN_TRY(sgn_make_directories(m->o->out, err));
        SGN_TRY(sgn_cache_info_save(&begun, m->o->out, err));
    }
    SGN_TRY(sgn_cache_info_load(info, m->o->out, err));
    SGN_TRY(sgn_cache_same_job(&info->job, &m->job, m->o->out, err));
    m->job = info->job;
    m->report->windows = m->job.windows;
    m->report->slices = sgn_cache_slices(&m->job);
    m->report->seq = m->job.seq;
    return SGN_OK;
}

/* --- the teacher ------------------------------------------------------------------------------------------ */

static sgn_status allocate(maker *m, sgn_error *err) {
    const size_t rows = (size_t)m->rows, seq = (size_t)m->job.seq, all = rows * seq * (size_t)m->job.count;
    m->most = sgn_cache_record_most(&m->job);
    m->room = sgn_frame_bound(m->most < SGN_CACHE_SUMMARY ? SGN_CACHE_SUMMARY : m->most);
    m->picked = (sgn_cache_record){ malloc(all * sizeof(int32_t)), malloc(all * sizeof(float)), malloc(rows * seq * sizeof(float)),
                                    malloc(rows * seq * sizeof(float)) };
    m->ids = malloc((seq + 1) * sizeof *m->ids);
    m->tokens = malloc(rows * seq * sizeof *m->tokens);
    m->first = malloc(rows * seq * sizeof *m->first);
    m->targets = malloc(rows * seq * sizeof *m->targets);
    m->window = malloc(rows * sizeof *m->window);
    m->record = malloc(rows * m->most);
    m->packed = malloc(rows * m->room);
    m->size = malloc(rows * sizeof *m->size);
    m->packed_size = malloc(rows * sizeof *m->packed_size);
    m->status = malloc(rows * sizeof *m->status);
    m->encoder = calloc(rows, sizeof(sgn_frame_encoder *));
    if (!m->picked.id || !m->picked.weight || !m->picked.rest || !m->picked.entropy || !m->ids || !m->tokens || !m->first || !m->targets || !m->window || !m->record
        || !m->packed || !m->size || !m->packed_size || !m->status || !m->encoder)
        SGN_FAIL(err, SGN_NOMEM, "no memory for predictions of %zu x %zu tokens; lower --top or --samples", rows, seq);
    for (size_t i = 0; i < rows; i++) SGN_TRY(sgn_frame_encoder_open(&m->encoder[i], m->o->level ? m->o->level : 1, err));
    return sgn_frame_decoder_open(&m->decoder, err);
}

/* As many as a slice is made of, halved until a block's activations (hidden and MLP, about 4 d + 3 ffn per token) are few
 * beside the weights of a teacher of that width. A function of job and teacher: it decides bits. */
static int64_t rows_at_once(const sgn_cache_job *j, const sgn_model_config *c) {
    enum { ACTIVATIONS = 16 << 20 };
    int64_t rows = sgn_cache_rows(j);
    while (rows > 1 && rows * j->seq * (4 * (int64_t)c->dim + 3 * (int64_t)c->ffn) > ACTIVATIONS) rows /= 2;
    return rows;
}

static sgn_status setup(maker *m, sgn_cache_info *info, sgn_error *err) {
    sgn_path directory;
    sgn_model_config c;
    SGN_TRY(sgn_shards_open(&m->shards, m->o->shards, "train", err));
    SGN_TRY(sgn_model_resolve(m->o->teacher, "TEACHER", &directory, err));
    SGN_TRY(sgn_model_load_config(directory.s, NULL, &c, err));
    const char *hash = sgn_shards_info(m->shards)->tokenizer_hash;
    SGN_TRY(sgn_shards_fit(m->shards, (uint32_t)c.vocab, NULL, m->o->teacher, err));
    SGN_TRY(describe_job(m, directory.s, &c, err));
    m->rows = rows_at_once(&m->job, &c);
    const sgn_teacher_need need = { .student = &c, .tokenizer_hash = hash, .batch = m->rows, .seq = m->job.seq };
    SGN_TRY(sgn_teacher_open(&m->teacher, m->o->teacher, &need, err));
    SGN_TRY(join(m, info, err));
    return allocate(m, err);
}

static void discard(maker *m) {
    for (int64_t i = 0; m->encoder && i < m->rows; i++) sgn_frame_encoder_close(m->encoder[i]);
    void *const parts[] = { m->picked.id, m->picked.weight, m->picked.rest, m->picked.entropy, m->ids, m->tokens, m->first, m->targets, m->window,
                            m->record, m->packed, m->size, m->packed_size, m->status, (void *)m->encoder };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
    sgn_frame_decoder_close(m->decoder);
    sgn_teacher_close(&m->teacher);
    sgn_shards_close(m->shards);
}

/* --- windows ------------------------------------------------------------------------------------------------ */

static sgn_cache_record row_of(const maker *m, int64_t r) {
    const int64_t at = r * m->job.seq, all = at * m->job.count;
    return (sgn_cache_record){ m->picked.id + all, m->picked.weight + all, m->picked.rest + at, m->picked.entropy + at };
}

static void pack_rows(void *ctx, int64_t begin, int64_t end) {
    maker *m = ctx;
    for (int64_t r = begin; r < end; r++) {
        const sgn_cache_record row = row_of(m, r);
        uint8_t *record = m->record + (size_t)r * m->most;
        m->size[r] = sgn_cache_record_pack(&m->job, &row, record);
        m->status[r] = sgn_frame_encode(m->encoder[r], record, m->size[r], m->packed + (size_t)r * m->room, m->room, &m->packed_size[r], NULL);
    }
}

static double mean_entropy(const uint8_t *record) {
    float mean;
    memcpy(&mean, record, sizeof mean);        /* as it is stored; records are little-endian, and so is every machine we run on */
    return (double)mean;
}

/* Windows [first, first + rows) of the corpus into the slice. */
static sgn_status make_rows(maker *m, uint64_t first, int64_t rows, sgn_frames_writer *w, double *entropy, sgn_error *err) {
    const size_t seq = (size_t)m->job.seq;
    sgn_cache_report *report = m->report;
    sgn_pick_times times = { 0 };
    sgn_soft live;
    double at = 0;
    lap(&at);
    for (int64_t r = 0; r < rows; r++) {
        m->window[r] = first + (uint64_t)r;
        SGN_TRY(sgn_shards_read(m->shards, m->window[r] * seq, seq + 1, m->ids, err));
        memcpy(m->tokens + (size_t)r * seq, m->ids, seq * sizeof *m->ids);
    }
    const bool masked = m->job.eot >= 0;
    if (masked) sgn_documents_mark(m->tokens, rows, m->job.seq, (int32_t)m->job.eot, m->first, m->targets);
    report->data_s += lap(&at);
    const sgn_batch batch = { .batch = (int)rows, .seq = (int)seq, .tokens = m->tokens, .first = masked ? m->first : NULL, .window = m->window };
    SGN_TRY(m->teacher.kind->soft(&m->teacher, &batch, &live, err));
    report->hidden_s += lap(&at);
    SGN_TRY(sgn_pick_reserve(&m->job, &live, rows * m->job.seq, err));
    sgn_pick(&m->job, &live, rows, m->window, &m->picked, &times);
    report->head_s += times.head;
    report->pick_s += times.pick;
    lap(&at);
    sgn_parallel(rows, 1, pack_rows, m);
    for (int64_t r = 0; r < rows; r++) {
        if (m->status[r] != SGN_OK) SGN_FAIL(err, m->status[r], "window %" PRIu64 " cannot be compressed", m->window[r]);
        *entropy += mean_entropy(m->record + (size_t)r * m->most);
        SGN_TRY(sgn_frames_writer_put(w, m->packed + (size_t)r * m->room, m->packed_size[r], m->size[r], err));
        report->made_bytes += m->packed_size[r];
    }
    report->write_s += lap(&at);
    report->made_windows += (uint64_t)rows;
    if (m->o->progress && !m->o->progress(m->o->ctx, report))
        SGN_FAIL(err, SGN_INTERRUPTED, "stopped by a signal; slices that are done stay, the same command goes on");
    return SGN_OK;
}

/* --- slices -------------------------------------------------------------------------------------------------- */

static sgn_status fill_slice(maker *m, uint64_t slice, sgn_frames_writer *w, sgn_error *err) {
    const uint64_t first = slice * m->job.slice_windows, windows = sgn_cache_slice_windows(&m->job, slice);
    uint8_t summary[SGN_CACHE_SUMMARY];
    size_t n;
    double entropy = 0;
    for (uint64_t k = 0; k < windows; k += (uint64_t)m->rows) {
        const uint64_t left = windows - k;
        SGN_TRY(make_rows(m, first + k, left < (uint64_t)m->rows ? (int64_t)left : m->rows, w, &entropy, err));
    }
    sgn_cache_summary_pack(&m->job, slice, entropy, summary);
    SGN_TRY(sgn_frame_encode(m->encoder[0], summary, sizeof summary, m->packed, m->room, &n, err));
    return sgn_frames_writer_put(w, m->packed, n, sizeof summary, err);
}

static sgn_status make_slice(maker *m, uint64_t slice, const char *path, sgn_error *err) {
    sgn_frames_writer *w;
    SGN_TRY(sgn_frames_writer_open(&w, path, err));
    const sgn_status s = fill_slice(m, slice, w, err);
    if (s != SGN_OK) {
        sgn_frames_writer_abandon(w);
        return s;
    }
    double at = 0;
    lap(&at);
    SGN_TRY(sgn_frames_writer_close(w, err));
    m->report->write_s += lap(&at);
    m->report->made_slices++;
    return SGN_OK;
}

/* What a killed process left of this slice; its lock is ours. */
static void sweep(const char *directory, uint64_t slice) {
    char prefix[48], **names;
    int count;
    sgn_path path;
    snprintf(prefix, sizeof prefix, ".tmp-slice-%05" PRIu64 ".zst-", slice);
    if (sgn_directory_list(directory, prefix, "", &names, &count, NULL) != SGN_OK) return;
    for (int i = 0; i < count; i++)
        if (sgn_path_set(&path, NULL, "%s/%s", directory, names[i]) == SGN_OK) unlink(path.s);
    sgn_names_free(names, count);
}

/* Makes the slice, unless it is there or another process is at it. Locks end with their process; where a file
 * system has none, two may make the same bytes. */
static sgn_status claim_slice(maker *m, uint64_t slice, sgn_error *err) {
    sgn_path path, lock;
    SGN_TRY(sgn_cache_path(&path, m->o->out, slice, err));
    if (sgn_file_exists(path.s)) return SGN_OK;
    SGN_TRY(sgn_path_set(&lock, err, "%s/.lock-%05" PRIu64, m->o->out, slice));
    const int fd = open(lock.s, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) SGN_FAIL(err, SGN_IO, "%s: cannot create: %s", lock.s, strerror(errno));
    sgn_status s = SGN_OK;
    const bool taken = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (!taken && !sgn_file_exists(path.s)) {
        sweep(m->o->out, slice);
        s = make_slice(m, slice, path.s, err);
    }
    if (!taken && s == SGN_OK) unlink(lock.s);         /* the slice is there: whoever has it open will see it */
    close(fd);
    return s;
}

static sgn_status count_there(maker *m, sgn_error *err) {
    m->report->there = 0;
    for (uint64_t k = 0; k < m->report->slices; k++) {
        sgn_path path;
        SGN_TRY(sgn_cache_path(&path, m->o->out, k, err));
        m->report->there += sgn_file_exists(path.s);
    }
    return SGN_OK;
}

/* Tables and summaries of all slices, read back from the disk. */
static sgn_status list_slices(maker *m, sgn_cache_info *info, sgn_error *err) {
    sgn_frames f = { 0 };
    sgn_status s = SGN_OK;
    const size_t most = m->most < SGN_CACHE_SUMMARY ? SGN_CACHE_SUMMARY : m->most;
    uint8_t *summary = malloc(most);
    info->slice = calloc((size_t)m->report->slices, sizeof *info->slice);
    if (!summary || !info->slice) s = SGN_ERROR(err, SGN_NOMEM, "no memory for a list of slices");
    for (uint64_t k = 0; s == SGN_OK && k < m->report->slices; k++) {
        const uint32_t windows = (uint32_t)sgn_cache_slice_windows(&m->job, k);
        double entropy = 0;
        sgn_path path;
        s = sgn_cache_path(&path, m->o->out, k, err);
        if (s == SGN_OK) s = sgn_frames_open(&f, path.s, windows + 1, most, err);
        if (s == SGN_OK) s = sgn_frames_read(&f, m->decoder, windows, m->packed, summary, err);
        if (s == SGN_OK) s = sgn_cache_summary_unpack(&m->job, k, summary, f.size[windows], &entropy, path.s, err);
        if (s == SGN_OK) s = sgn_digest_file(path.s, &info->slice[k].file, NULL, err);
        if (s != SGN_OK) break;
        info->slice[k].bytes = f.file.size;
        info->slice[k].table = f.table;
        info->bytes += f.file.size;
        info->entropy += entropy / (double)m->job.windows;
    }
    sgn_frames_free(&f);
    free(summary);
    return s;
}

static sgn_status make(maker *m, sgn_cache_info *info, sgn_error *err) {
    SGN_TRY(setup(m, info, err));
    if (!info->complete)
        for (uint64_t k = (uint64_t)m->o->part; k < m->report->slices; k += (uint64_t)m->o->parts) SGN_TRY(claim_slice(m, k, err));
    SGN_TRY(count_there(m, err));
    if (!info->complete && m->report->there == m->report->slices) {
        SGN_TRY(list_slices(m, info, err));
        info->complete = true;
        SGN_TRY(sgn_cache_info_save(info, m->o->out, err));
    }
    m->report->complete = info->complete;
    m->report->entropy = info->entropy;
    m->report->bytes = info->bytes;
    return SGN_OK;
}

sgn_status sgn_cache_make(const sgn_cache_options *o, sgn_cache_report *report, sgn_error *err) {
    maker m = { .o = o, .report = report };
    sgn_cache_info info = { 0 };
    *report = (sgn_cache_report){ 0 };
    const sgn_status s = make(&m, &info, err);
    discard(&m);
    sgn_cache_info_free(&info);
    return s;
}
