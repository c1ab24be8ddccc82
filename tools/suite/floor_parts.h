/* SPDX-License-Identifier: MIT
 * floor_parts.h - what several measurements of the floor suite need.
 * Invariants: none beyond what each function says.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_FLOOR_PARTS_H
#define IOE_TOOLS_FLOOR_PARTS_H

#include <stdio.h>

#include "tools/suite/floor.h"

/* Events in flight where the figure is about nops: as many as a default engine has requests. */
#define FLOOR_NOP_DEPTH 128

/* Ours, by name. */
#define FLOOR_BACKENDS 3
extern const struct floor_backend {
	uint32_t backend; /* IOE_BACKEND_* */
	const char *name;
} floor_backends[FLOOR_BACKENDS];

/* Whether an engine with this IOE_BACKEND_* can be opened here: 0, or the -errno of that. */
int floor_backend_status(uint32_t backend);

/* The suite's options for events that do nothing on uring, as long as their rate needs: the disk
 * has no part in it, so a part of a second says as much as the suite's runtime. */
struct bench_options floor_nop_job(const struct floor *floor);

/* One value, measured once. */
struct spread floor_single(double value);

/* Write a file of what print() prints, which returns 0 or -errno. Returns 0, or -errno, said on
 * stderr. */
int floor_write_file(const char *path, int (*print)(FILE *out, const void *what), const void *what);

#endif
