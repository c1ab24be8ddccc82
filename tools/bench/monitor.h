/* SPDX-License-Identifier: MIT
 * monitor.h - watches a running job: deadline, Ctrl-C, rates over time, the live line.
 * Invariants: wakes at most ten times a second, so that what it watches is not disturbed.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_MONITOR_H
#define IOE_TOOLS_MONITOR_H

#include "tools/bench/job.h"

/* Returns when every thread of the job has ended. Fills rates and interrupted. */
void monitor_watch(struct job *job, struct job_result *result);

/* A text before the live line ("round 2/5"), or NULL. Kept by reference. */
void monitor_set_prefix(const char *prefix);

#endif
