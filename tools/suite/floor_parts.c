/* SPDX-License-Identifier: MIT
 * floor_parts.c - what several measurements of the floor suite need.
 * Invariants: see floor_parts.h.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include "tools/suite/floor_parts.h"

#include <string.h>

#include "tools/sys.h"

#define NOP_RUN_NS       (300 * NS_PER_MSEC)
#define NOP_RUN_QUICK_NS (3 * NS_PER_MSEC)

const struct floor_backend floor_backends[FLOOR_BACKENDS] = {
	{ IOE_BACKEND_URING, "uring" },
	{ IOE_BACKEND_AIO, "aio" },
	{ IOE_BACKEND_THREADS, "threads" },
};

int floor_backend_status(uint32_t backend)
{
	struct ioe_config config = {
		.size = sizeof(config),
		.backend = backend,
		.threading = IOE_THREADING_NONE,
		.depth_max = 1,
	};
	struct ioe_engine *engine = NULL;
	int rc = ioe_engine_open(&config, &engine);

	if (!rc)
		(void)ioe_engine_close(engine, IOE_CLOSE_DRAIN);
	return rc;
}

struct bench_options floor_nop_job(const struct floor *floor)
{
	struct bench_options base = floor->suite->job;

	base.rw = BENCH_NOP;
	base.iodepth = FLOOR_NOP_DEPTH;
	base.runtime_ns = floor->suite->quick ? NOP_RUN_QUICK_NS : NOP_RUN_NS;
	return bench_options_for(&base, BENCH_URING);
}

struct spread floor_single(double value)
{
	return (struct spread){ .min = value, .median = value, .max = value };
}

int floor_write_file(const char *path, int (*print)(FILE *out, const void *what), const void *what)
{
	FILE *out = fopen(path, "we");
	int rc = out ? 0 : (int)sys_result(-1);

	if (out) {
		rc = print(out, what);
		if (!rc && ferror(out))
			rc = -EIO;
		if (fclose(out))
			rc = -EIO;
	}
	if (rc)
		fprintf(stderr, "ioe suite: %s: %s\n", path, strerror(-rc));
	return rc;
}
