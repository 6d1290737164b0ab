/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <string.h>
#include "cli/analyze.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"

enum { MOST_MODELS = 16, MAX_WORDS = 64 };

static const sgn_option options[] = {
    { "context", SGN_OPTION_WORD, offsetof(sgn_analysis, context), "N,N,...", "amdahl: tokens of context; default 128, 256 ... 8192" },
    { "speedup", SGN_OPTION_REAL, offsetof(sgn_analysis, speedup), "S", "amdahl: of a product with signs over one in full precision, default 3; measured with --measure" },
    { "causal", SGN_OPTION_FLAG, offsetof(sgn_analysis, causal), NULL, "amdahl: prefill and training compute the lower triangle of scores alone, as ours do" },
    { "measure", SGN_OPTION_FLAG, offsetof(sgn_analysis, measure), NULL, "amdahl: what this machine makes of it, beside what is predicted; implies --causal" },
    { "seq", SGN_OPTION_INT, offsetof(sgn_analysis, seq), "T", "amdahl --measure: tokens of the training window, default 256" },
    { "steps", SGN_OPTION_INT, offsetof(sgn_analysis, steps), "S", "amdahl --measure: training steps per round, default 3; decoded are eight times as many tokens" },
    { "threads", SGN_OPTION_INT, offsetof(sgn_analysis, threads), "N", "threads; default: as many as the process may use" },
    { "near", SGN_OPTION_REAL, offsetof(sgn_analysis, near), "X", "signs: a latent is near the boundary below X times its layer's mean |w|, default 0.1" },
    { "against", SGN_OPTION_WORD, offsetof(sgn_analysis, against), "WHO", "signs: agreement with a run, a checkpoint or any model of the shape; init: with the run's start" },
    { "svg", SGN_OPTION_WORD, offsetof(sgn_analysis, svg), "FILE", "draw it, too" },
    { "json", SGN_OPTION_FLAG, offsetof(sgn_analysis, json), NULL, "print one JSON object" },
    { 0 },
};

static sgn_status check(const sgn_analysis *o, sgn_error *err) {
    if (!(o->speedup > 0)) SGN_FAIL(err, SGN_CONFIG, "--speedup is %g; it is above 0", o->speedup);
    if (!(o->near > 0)) SGN_FAIL(err, SGN_CONFIG, "--near is %g; it is above 0", o->near);
    if (o->seq < 2 || o->seq > 1 << 20) SGN_FAIL(err, SGN_CONFIG, "--seq is %lld; it goes from 2 to %d", (long long)o->seq, 1 << 20);
    if (o->steps < 1 || o->steps > 100000) SGN_FAIL(err, SGN_CONFIG, "--steps is %lld; it goes from 1 to 100000", (long long)o->steps);
    if (o->threads < 0 || o->threads > 1024) SGN_FAIL(err, SGN_CONFIG, "--threads is %lld; it goes from 0 to 1024", (long long)o->threads);
    return SGN_OK;
}

static sgn_status run(int argc, char **argv, sgn_error *err) {
    sgn_analysis o = { .speedup = 3, .seq = 256, .steps = 3, .near = 0.1 };
    SGN_TRY(sgn_options_parse(options, &o, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 2, MAX_WORDS, err));
    SGN_TRY(check(&o, err));
    SGN_TRY(sgn_kernels_use(NULL, err));
    SGN_TRY(sgn_gemm_init(err));
    sgn_threads_set((int)o.threads);
    if (strcmp(argv[0], "amdahl") == 0)
        return sgn_analyze_amdahl(&o, argv[1], (const char *const *)argv + 2, argc - 2, err);
    if (strcmp(argv[0], "bits") == 0) {
        SGN_TRY(sgn_words_expect(argc, argv, 2, 1 + MOST_MODELS, err));
        return sgn_analyze_bits(&o, argv + 1, argc - 1, err);
    }
    if (strcmp(argv[0], "signs") == 0) {
        SGN_TRY(sgn_words_expect(argc, argv, 2, 2, err));
        return sgn_analyze_signs(&o, argv[1], err);
    }
    SGN_FAIL(err, SGN_CONFIG, "signum analyze looks at 'amdahl', 'bits' or 'signs', not at '%.80s'", argv[0]);
}

const sgn_command sgn_command_analyze = {
    .name = "analyze", .summary = "say what one bit can make faster, where the bits are, and what the signs of a run do",
    .usage = "amdahl MODEL | PRESET [KEY=VALUE ...] | bits MODEL... | signs RUN", .options = options, .run = run,
    .example = "signum analyze amdahl fbi-1.3b --context 512,2048,8192 --svg shares.svg\n"
               "signum analyze amdahl tiny --measure --threads 1\n"
               "signum analyze bits packed/one packed/two --svg bits.svg\n"
               "signum analyze signs runs/student --against init",
};
