/* metrics.h - RUN/metrics.jsonl: one object per step, cut back to the checkpoint when a run resumes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_TRAIN_METRICS_H
#define SGN_TRAIN_METRICS_H

#include "core/file.h"
#include "train/trainer.h"

typedef struct {
    int      fd;
    uint64_t bytes;            /* written and whole */
    bool     failed;           /* a line was lost; said once */
    sgn_path path;
} sgn_metrics;

/* Keeps the first `bytes` bytes of what is there (fewer, with a warning, where there are fewer). */
sgn_status sgn_metrics_open(sgn_metrics *m, const char *run, uint64_t bytes, sgn_error *err);
/* Nothing is allocated. A line that cannot be written is left out whole, with a warning. */
void       sgn_metrics_put(sgn_metrics *m, const sgn_progress *p, bool taught);
void       sgn_metrics_close(sgn_metrics *m);

#endif
