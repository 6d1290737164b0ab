/* log.h - what the library has to say while it works. Nothing is printed here:
 * the program installs a sink, and without one messages are dropped.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_LOG_H
#define SGN_CORE_LOG_H

typedef enum { SGN_LOG_INFO, SGN_LOG_WARN } sgn_log_level;
typedef void (*sgn_log_sink)(void *ctx, sgn_log_level level, const char *line);

void sgn_log_to(sgn_log_sink sink, void *ctx);
void sgn_log(sgn_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define sgn_info(...) sgn_log(SGN_LOG_INFO, __VA_ARGS__)
#define sgn_warn(...) sgn_log(SGN_LOG_WARN, __VA_ARGS__)

#endif
