/* analyze.h - the parts of `signum analyze`.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_ANALYZE_H
#define SGN_CLI_ANALYZE_H

#include "cli/svg.h"
#include "core/json.h"
#include "eval/amdahl.h"
#include "train/run_config.h"

typedef struct {
    const char *context;           /* "128,512" */
    double      speedup;           /* of a product with signs */
    bool        causal, measure;
    int64_t     seq, steps, threads;
    double      near;              /* of a layer's mean |w| */
    const char *against;           /* init, or a model argument; NULL: nothing */
    const char *svg;               /* NULL: no picture */
    bool        json;
} sgn_analysis;

enum { SGN_CONTEXTS_MAX = 32 };

/* words: KEY=VALUE for a preset. */
sgn_status sgn_analyze_amdahl(const sgn_analysis *o, const char *model, const char *const *words, int count, sgn_error *err);
sgn_status sgn_analyze_bits(const sgn_analysis *o, char **models, int count, sgn_error *err);
sgn_status sgn_analyze_signs(const sgn_analysis *o, const char *run, sgn_error *err);

/* What this machine makes of it, medians of ratios' parts; 0: not measured, and `why` says why. */
typedef struct {
    sgn_speedup product;                       /* of the model's shapes, weighted by their multiply-adds */
    double      passes, step;                  /* full precision over signs: forward and backward, the whole step */
    double      prefill[SGN_CONTEXTS_MAX], decode[SGN_CONTEXTS_MAX];
    char        why[480];           /* neither prefill nor decode */
} sgn_machine;
/* c: of the run whose model is analysed; file: a model file to run instead of random weights, NULL: none. */
sgn_status sgn_machine_measure(const sgn_analysis *o, const sgn_run_config *c, const char *file, const int64_t *context, int contexts,
                               sgn_machine *out, sgn_error *err);

#endif
