/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/log.h"
#include "data/shares.h"

sgn_status sgn_metrics_open(sgn_metrics *m, const char *run, uint64_t bytes, sgn_error *err) {
    *m = (sgn_metrics){ .fd = -1 };
    SGN_TRY(sgn_path_set(&m->path, err, "%s/metrics.jsonl", run));
    m->fd = open(m->path.s, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    struct stat st = { 0 };
    if (m->fd < 0 || fstat(m->fd, &st) != 0)
        SGN_FAIL(err, SGN_IO, "%s: cannot open: %s", m->path.s, strerror(errno));
    m->bytes = bytes;
    if ((uint64_t)st.st_size < bytes) {
        sgn_warn("%s has %lld bytes, at the checkpoint it had %llu; earlier steps are missing from it", m->path.s,
                 (long long)st.st_size, (unsigned long long)bytes);
        m->bytes = (uint64_t)st.st_size;
    }
    if (ftruncate(m->fd, (off_t)m->bytes) != 0 || lseek(m->fd, (off_t)m->bytes, SEEK_SET) < 0)
        SGN_FAIL(err, SGN_IO, "%s: cannot cut it back to the checkpoint: %s", m->path.s, strerror(errno));
    return SGN_OK;
}

static void put_line(sgn_metrics *m, const char *line, size_t size) {
    size_t done = 0;
    while (done < size) {
        const ssize_t n = write(m->fd, line + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        done += (size_t)n;
    }
    if (done == size) {
        m->bytes += size;
        return;
    }
    if (!m->failed) sgn_warn("%s: a line could not be written: %s; training goes on without it", m->path.s, strerror(errno));
    m->failed = true;
    if (ftruncate(m->fd, (off_t)m->bytes) == 0) lseek(m->fd, (off_t)m->bytes, SEEK_SET);
}

void sgn_metrics_put(sgn_metrics *m, const sgn_progress *p, bool taught) {
    char line[640 + 21 * SGN_SHARES_MAX];
    int n = snprintf(line, sizeof line,
                     "{\"step\": %lld, \"tokens\": %lld, \"loss\": %.9g, \"hard\": %.9g, \"soft\": %.9g, \"lr\": %.9g, "
                     "\"grad_norm\": %.9g, \"flip_rate\": %.9g, \"tokens_per_s\": %.1f, \"seconds\": %.4f",
                     (long long)p->step, (long long)p->tokens, p->loss, p->hard, p->soft, p->lr, p->grad_norm,
                     p->flip_rate, p->tokens_per_s, p->seconds);
    if (taught) n += snprintf(line + n, sizeof line - (size_t)n, ", \"teacher_entropy\": %.9g", p->teacher_entropy);
    if (p->valid >= 0) n += snprintf(line + n, sizeof line - (size_t)n, ", \"valid\": %.9g", p->valid);
    if (p->valid_bpb >= 0) n += snprintf(line + n, sizeof line - (size_t)n, ", \"valid_bpb\": %.9g", p->valid_bpb);
    for (int i = 0; p->windows && i < p->sets; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, "%s%llu%s", i ? ", " : ", \"windows\": [", (unsigned long long)p->windows[i],
                      i + 1 < p->sets ? "" : "]");
    n += snprintf(line + n, sizeof line - (size_t)n, "}\n");
    put_line(m, line, (size_t)n);
}

void sgn_metrics_close(sgn_metrics *m) {
    if (m->path.s[0] && m->fd >= 0) close(m->fd);
    *m = (sgn_metrics){ .fd = -1 };
}
