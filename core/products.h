/* products.h - which way a product with a sign matrix is computed: by tables of sums, or by SGEMM
 * over unpacked signs. Which one is faster depends on machine and shape, and the two round differently;
 * so the choice is measured once, cached, and recorded with a run.
 *
 * A choice belongs to (n, k) and a class of m: one (1), few (2 to 31), many. It does not depend on
 * threads; masked signs go the way of a binary matrix of their shape. What nobody has chosen is
 * computed by tables. SIGNUM_PRODUCTS=table|sgemm forces one way.
 * Choices are made outside loops, by one thread; the product looks them up.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_PRODUCTS_H
#define SGN_CORE_PRODUCTS_H

#include <stdbool.h>
#include <stdint.h>
#include "core/json.h"

typedef enum { SGN_PRODUCT_TABLE, SGN_PRODUCT_SGEMM } sgn_product_way;

/* "auto", "table" or "sgemm"; NULL: what SIGNUM_PRODUCTS says, else auto. Forgets shapes and choices. */
sgn_status sgn_products_use(const char *name, sgn_error *err);
/* A product of this shape will come; sgn_binary_gemm_reserve says so. Beyond 256 shapes: tables. */
void       sgn_products_expect(int64_t n, int64_t k);
sgn_product_way sgn_products_way(int64_t m, int64_t n, int64_t k);
bool       sgn_products_any(sgn_product_way way);      /* may some product go this way? */

/* Chooses for every expected shape, for up to m rows: as forced, as cached, or by measuring (some
 * milliseconds of one thread each), which is cached. Reserves scratch; a cache that cannot be
 * read or written costs another measurement, never an error. */
sgn_status sgn_products_settle(int64_t m, sgn_error *err);
/* What is cached for expected shapes, at any m; nothing is measured. */
sgn_status sgn_products_recall(sgn_error *err);

/* {"many 768x2048": "sgemm", ...}: all choices, to be kept with a run; freed by the caller. */
sgn_json  *sgn_products_record(void);
/* The choices of a record and no others; forced ones stay, and *differ says whether they are others.
 * NULL: a run from before there was a choice, all tables. SGN_FORMAT where it is no record. */
sgn_status sgn_products_restore(const sgn_json *record, const char *where, bool *differ, sgn_error *err);

/* products_cache.c: $XDG_CACHE_HOME/signum/products.json, else ~/.cache/signum/products.json:
 * {"version": 1, "CPU | kernel set | BLAS": record, ...}. An empty record where there is none. */
sgn_json  *sgn_products_cache_read(void);
/* Adds a record's choices; those that another process has made meanwhile win and replace the record's. */
void       sgn_products_cache_add(sgn_json *record);

#endif
