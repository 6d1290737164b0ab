/* digest.h - XXH3 digests of bytes and files, and the manifest that proves a
 * directory complete. They find accidents, not attacks.
 *
 * MANIFEST, one line per file, sorted by name, then a line over all lines before:
 *     signum-manifest 1
 *     file <name> <bytes> <xxh3-128 as 32 hex digits>
 *     digest <xxh3-128>
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_DIGEST_H
#define SGN_CORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct { char hex[33]; } sgn_digest;      /* XXH3-128 */

/* Mapped files of so many bytes are not read whole at every start. */
enum { SGN_VERIFY_BELOW = 1 << 30 };

sgn_digest sgn_digest_bytes(const void *data, size_t size);
uint64_t   sgn_digest64(const void *data, size_t size);          /* XXH3-64 */
/* XXH3-128 over pieces: of all that was put since begin. */
typedef struct { uint64_t low, high; } sgn_hash128;
typedef struct sgn_hasher sgn_hasher;
sgn_status  sgn_hasher_open(sgn_hasher **h, sgn_error *err);
void        sgn_hasher_begin(sgn_hasher *h);
void        sgn_hasher_put(sgn_hasher *h, const void *data, size_t size);
sgn_hash128 sgn_hasher_end(const sgn_hasher *h);
void        sgn_hasher_close(sgn_hasher *h);
sgn_status sgn_digest_file(const char *path, sgn_digest *out, uint64_t *size, sgn_error *err);
/* The same up to SGN_DIGEST_WHOLE bytes; of larger files of their size and SGN_DIGEST_PIECES pieces of 64 KiB, evenly
 * spread, the first and the last 64 KiB among them: what has been trained, converted or cut differs there as well. */
enum { SGN_DIGEST_WHOLE = 64 << 20, SGN_DIGEST_PIECES = 1024 };
sgn_status sgn_digest_sample(const char *path, sgn_digest *out, sgn_error *err);

sgn_status sgn_manifest_write(const char *directory, sgn_error *err);    /* of all its files */
/* Names the first file that is missing, of another size or changed. */
sgn_status sgn_manifest_verify(const char *directory, sgn_error *err);
/* The same, but contents only of files that are small (under SGN_VERIFY_BELOW), or of none. The MANIFEST itself is always checked. */
typedef enum { SGN_VERIFY_SMALL, SGN_VERIFY_ALL, SGN_VERIFY_NONE } sgn_verify;
sgn_status sgn_manifest_check(const char *directory, sgn_verify which, sgn_error *err);

#endif
