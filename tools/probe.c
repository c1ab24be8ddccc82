/* SPDX-License-Identifier: MIT
 * probe.c - `ioe probe`: which backends open here, which one the engine takes and why, and what
 * O_DIRECT on a file must be aligned to.
 * Invariants: nothing is written; every line is the answer of an attempt, not of a version number.
 * Threads:    the main thread.
 * Ownership:  none that outlives the command.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/ioe.h"
#include "tools/commands.h"
#include "tools/machine.h"
#include "tools/options.h"
#include "tools/sys.h"

struct probe_options {
	const char *filename;
};

static const struct option_def defs[] = {
	{ .name = "filename",
	  .type = OPTION_STRING,
	  .offset = offsetof(struct probe_options, filename),
	  .min = 1,
	  .initial_help = "none",
	  .help = "file or device to ask about" },
	{ .name = NULL },
};

static const struct option_table probe_table = {
	.command = "ioe probe",
	.summary = "which backends there are here, and what a file wants",
	.parts = (const struct option_def *const[]){ defs, NULL },
};

static void probe_backend(uint32_t backend, const char *name)
{
	struct ioe_config config = { .size = sizeof(config) };
	struct ioe_stats stats = { .size = sizeof(stats) };
	struct ioe_engine *engine;
	int rc;

	config.backend = backend;
	config.threading = IOE_THREADING_INLINE;
	rc = ioe_engine_open(&config, &engine);
	if (rc) {
		printf("  %-8s not available: %s\n", name, strerror(-rc));
		return;
	}
	(void)ioe_engine_stats(engine, &stats);
	if (backend == IOE_BACKEND_AUTO)
		printf("  %-8s would take %s: %s\n", name, ioe_engine_backend(engine),
		       ioe_engine_reason(engine));
	else
		printf("  %-8s opens, depth %u: %s\n", name, stats.depth,
		       ioe_engine_reason(engine));
	(void)ioe_engine_close(engine, IOE_CLOSE_DRAIN);
}

static int probe_file(const char *path)
{
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	char fs[600];
	int fd = (int)sys_result(open(path, O_RDONLY | O_CLOEXEC)), rc;

	if (fd < 0) {
		fprintf(stderr, "ioe probe: %s: %s\n", path, strerror(-fd));
		return EXIT_FAILED;
	}
	machine_file_system(path, fs, sizeof(fs));
	rc = ioe_file_alignment(fd, &alignment);
	close(fd);
	printf("%s (%s)\n", path, fs);
	if (rc)
		printf("  O_DIRECT %s\n", rc == -EOPNOTSUPP ? "is not possible" : strerror(-rc));
	else
		printf("  O_DIRECT memory aligned to %u, offset and length to %u bytes\n",
		       alignment.memory_bytes, alignment.offset_bytes);
	return EXIT_OK;
}

int probe_command(int argc, char **argv)
{
	struct probe_options options;
	struct option_given given;
	char kernel[96], cpu[288];

	if (options_ask_for_help(argc, argv)) {
		options_help(&probe_table);
		return EXIT_OK;
	}
	options_init(&probe_table, &options);
	if (options_parse(&probe_table, argc, argv, &options, &given))
		return EXIT_USAGE;
	machine_kernel(kernel, sizeof(kernel));
	machine_cpu(cpu, sizeof(cpu));
	printf("ioe %s; kernel %s; CPU %s\nbackends\n", ioe_version(), kernel, cpu);
	probe_backend(IOE_BACKEND_URING, "uring");
	probe_backend(IOE_BACKEND_AIO, "aio");
	probe_backend(IOE_BACKEND_THREADS, "threads");
	probe_backend(IOE_BACKEND_AUTO, "auto");
	return options.filename ? probe_file(options.filename) : EXIT_OK;
}
