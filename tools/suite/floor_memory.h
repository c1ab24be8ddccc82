/* SPDX-License-Identifier: MIT
 * floor_memory.h - what floor_memory.c asks a process of floor_memory_child.c, and the answer.
 * Invariants: both are the same program: the answer is a struct as it lies in memory, on the
 *             child's standard output.
 * Threads:    the main thread of each.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_FLOOR_MEMORY_H
#define IOE_TOOLS_FLOOR_MEMORY_H

#include <stdint.h>

/* Arguments of the command, behind the name of a file: numbers. */
enum errand_number {
	ERRAND_BACKEND,          /* IOE_BACKEND_* */
	ERRAND_DEPTH_MAX,        /* 0: the default */
	ERRAND_CHANNEL_CAPACITY, /* 0: the default */
	ERRAND_IN_FLIGHT,
	ERRAND_NOPS_FIRST, /* then the memory is looked at */
	ERRAND_NOPS_MORE,  /* and then again; 0: not */
	ERRAND_FILE_BYTES,
	ERRAND_NUMBERS,
};

#define FLOOR_MEMORY_COMMAND "floor-memory"

struct errand {
	const char *filename; /* is read with O_DIRECT */
	uint64_t numbers[ERRAND_NUMBERS];
};

struct memory {
	double resident_kib;
	double anonymous_kib;
	double allocated_kib;
};

struct findings {
	int status;           /* 0, or -errno of what went wrong; -ENOENT: cannot be looked at */
	struct memory opened; /* more than before */
	struct memory used;   /* more than before */
	struct memory later;  /* more than when used */
};

#endif
