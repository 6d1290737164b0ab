/* fuzz.h - what a fuzz target provides, and what it may use.
 *
 * NAME_fuzz.c defines the first two functions. Linked with replay.c it is a test program, with engine.c
 * and libFuzzer a fuzzer. What a target finds wrong it says by fuzz_check, which aborts.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_FUZZ_H
#define SGN_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include "core/archive.h"
#include "core/status.h"

/* Feeds one input to one parser; what opens is listed, read whole, written, read again and closed. Returns 0. */
int  LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Gives `take` small valid inputs, made by our own writers. Mutations start from these. */
typedef void fuzz_take(const void *data, size_t size);
void fuzz_seeds(fuzz_take *take);
void fuzz_take_file(fuzz_take *take, const char *path);

/* A path in this process's own directory, removed at exit; good until eight calls later. */
const char *fuzz_path(const char *name);
/* Makes a file of these bytes there; returns its path. */
const char *fuzz_put(const char *name, const void *data, size_t size);
/* Bytes of a file, malloc'd, with a NUL behind them; the file must be there. */
char *fuzz_get(const char *path, size_t *size);

#define fuzz_check(condition) ((condition) ? (void)0 : fuzz_wrong(#condition, __FILE__, __LINE__, ""))
#define fuzz_ok(call, err) ((call) == SGN_OK ? (void)0 : fuzz_wrong(#call, __FILE__, __LINE__, (err)->text))
_Noreturn void fuzz_wrong(const char *what, const char *file, int line, const char *text);

/* False where s is SGN_OK. Else the error must be one line that names `path`, and no input here is a reason to run
 * out of memory. */
int  fuzz_refused(sgn_status s, const sgn_error *err, const char *path);
extern uint64_t fuzz_refusals;         /* so far: no valid input may add to them */

/* Everything that can be done with an archive: opened, described, mapped, read, read as floats; the same twice. */
void fuzz_archive(const char *path);
/* The same; and what `kind` writes of it gives it back. */
void fuzz_archive_written(const char *path, const char *kind);

/* The same of a tokenizer's file: text of all sorts encoded and decoded, the pieces, the file saved and opened again. */
void fuzz_tokenizer(const char *path, const uint8_t *data, size_t size);

#endif
