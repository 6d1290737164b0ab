/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdio.h>
#include "core/gemm.h"
#include "core/kernels/kernels.h"

static sgn_status run(int argc, char **argv, sgn_error *err) {
    SGN_TRY(sgn_options_parse(NULL, NULL, &argc, argv, err));
    SGN_TRY(sgn_words_expect(argc, argv, 0, 0, err));
    SGN_TRY(sgn_gemm_init(err));
    printf("signum %s (%s kernels, %s)\n", SGN_VERSION, sgn_kernels_get()->name, sgn_gemm_library());
    return SGN_OK;
}

const sgn_command sgn_command_version = {
    .name = "version", .summary = "print version, kernel set and BLAS library",
    .usage = "", .example = "signum version", .run = run,
};
