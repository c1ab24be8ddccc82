/* SPDX-License-Identifier: MIT
 * sys.h - the system calls and clocks of the tool, with one error law.
 * Invariants: errno is read here and nowhere else in tools/; everything else passes -errno on.
 * Threads:    any.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_SYS_H
#define IOE_TOOLS_SYS_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND 1000000000ull
#define NS_PER_MSEC   1000000ull

/* What a call of the C library returned, as "-errno or >= 0". */
static inline int64_t sys_result(int64_t result)
{
	return result < 0 ? -errno : result;
}

static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

#endif
