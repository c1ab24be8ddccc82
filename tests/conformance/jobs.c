/* SPDX-License-Identifier: MIT
 * jobs.c - run more of these tests at once than there are CPUs: closing an engine on aio waits for
 *          the kernel for some 25 ms, in which another test can run. -jN says otherwise. */
#include "tests/check.h"

#ifndef IOE_PLAIN_RUNNER
#include <criterion/options.h>

enum { JOBS = 4 };

__attribute__((constructor)) static void run_more_at_once(void)
{
	criterion_options.jobs = JOBS;
}
#endif
