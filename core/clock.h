/* clock.h - seconds that pass.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_CLOCK_H
#define SGN_CORE_CLOCK_H

double sgn_clock_wall(void);       /* since some moment, the same for the whole run */
double sgn_clock_thread(void);     /* that this thread has computed: who else runs does not count */

#endif
