/* corpus_work.h - OUT.parts: where one or several processes put finished parts until OUT is whole.
 *
 *     plan.json        inputs and settings; the first process writes it, the others compare
 *     lock             held shared by every process at work
 *     part-00000.lock  held by the process that works on the part
 *     part-00000/      a finished part
 *     merge.lock       held by the process that makes OUT of the parts
 *     merged           OUT before it has its name
 *
 * Locks are flock(2): they end with their process, however it ends.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_DATA_CORPUS_WORK_H
#define SGN_DATA_CORPUS_WORK_H

#include "core/file.h"
#include "data/corpus_plan.h"

typedef struct {               /* start zeroed, fds -1: sgn_corpus_work_leave sees to it */
    sgn_path dir;
    int      member, claim;    /* locks; -1: none */
    bool     finished;         /* OUT is made: the parts are of no use */
} sgn_corpus_work;

typedef enum { SGN_PART_DONE, SGN_PART_MINE, SGN_PART_BUSY } sgn_part_state;

/* Joins those at work on OUT, or begins. A directory of another plan is refused; `restart` discards it,
 * and so does the absence of any finished part. */
sgn_status sgn_corpus_work_join(sgn_corpus_work *w, const char *out, const sgn_corpus_plan *plan, bool restart, sgn_error *err);
/* MINE: until released. BUSY: another process has it. */
sgn_status sgn_corpus_work_claim(sgn_corpus_work *w, int part, sgn_part_state *state, sgn_error *err);
void       sgn_corpus_work_release(sgn_corpus_work *w);
sgn_status sgn_corpus_work_part(const sgn_corpus_work *w, int part, sgn_path *out, sgn_error *err);
/* Claims the right to merge: MINE, or BUSY. */
sgn_status sgn_corpus_work_claim_merge(sgn_corpus_work *w, sgn_part_state *state, sgn_error *err);
/* Another process has removed the directory: it made OUT of it. */
bool       sgn_corpus_work_gone(const sgn_corpus_work *w);
sgn_status sgn_corpus_work_remove(sgn_corpus_work *w, sgn_error *err);
/* A directory that nobody else uses is removed where it holds no finished part, or `finished` is set. */
void       sgn_corpus_work_leave(sgn_corpus_work *w);

#endif
