/* SPDX-License-Identifier: MIT
 * floor_memory_child.c - T12: a process that opens an engine, and looks at its own memory.
 *
 * It maps all pages of all programs and libraries; opens an engine without threads, uses and closes
 * it, so that what they and the allocator keep for themselves has been touched; gives back what is
 * free; and then looks at its resident memory before and after opening the engine that is asked
 * about, and after using it.
 * Invariants: none of its threads has ended before, and left a stack to be used again.
 * Threads:    the main thread; the engine has its own.
 * Ownership:  a load owns its engine, its memory and its file, freed by deinit().
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/mman.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/ioe.h"
#include "tools/commands.h"
#include "tools/suite/floor_memory.h"
#include "tools/sys.h"

#define ALIGN_BYTES 4096
#define BLOCK_BYTES 4096
#define BUFFERS     128 /* shared: nobody looks at what has been read */

struct load {
	struct ioe_engine *engine;
	_Atomic uint64_t n_left;
	struct ioe_event *events;
	struct ioe_event **batch;
	char *buffer;
	int fd;
	_Atomic int error;
};

static double field_kib(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line ? strtod(line + strlen(key), NULL) : 0;
}

/* Every page of code and constants, as otherwise they count where they are first used, 16 at a
 * time. Before Linux 5.14 they do: some 100 KiB more. */
static int map_programs(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128];

	if (!maps)
		return -ENOENT;
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end;
		char may[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, may) == 3 && may[0] == 'r' &&
		    may[1] != 'w' && strchr(line, '/'))
			(void)madvise((void *)start, end - start, MADV_POPULATE_READ);
	}
	(void)fclose(maps);
	return 0;
}

static int look(struct memory *ret_memory)
{
	struct mallinfo2 info = mallinfo2();
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char text[4096];
	size_t n;

	if (!file)
		return -ENOENT;
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	(void)fclose(file);
	if (!strstr(text, "\nRss:"))
		return -ENOENT;
	ret_memory->resident_kib = field_kib(text, "\nRss:");
	ret_memory->anonymous_kib = field_kib(text, "\nAnonymous:");
	ret_memory->allocated_kib = (double)(info.uordblks + info.hblkhd) / 1024;
	return 0;
}

static struct memory less(const struct memory *a, const struct memory *b)
{
	return (struct memory){
		.resident_kib = a->resident_kib - b->resident_kib,
		.anonymous_kib = a->anonymous_kib - b->anonymous_kib,
		.allocated_kib = a->allocated_kib - b->allocated_kib,
	};
}

static bool take(struct load *load)
{
	uint64_t left = atomic_load(&load->n_left);

	while (left && !atomic_compare_exchange_weak(&load->n_left, &left, left - 1))
		;
	return left != 0;
}

static void on_nop(struct ioe_event *event)
{
	struct load *load = event->arg;

	if (event->result)
		atomic_store(&load->error, (int)event->result);
	else if (take(load) && ioe_submit(load->engine, event))
		atomic_store(&load->error, -EIO);
}

static void on_read(struct ioe_event *event)
{
	struct load *load = event->arg;

	if (event->result < 0)
		atomic_store(&load->error, (int)event->result);
}

static int submit_and_drain(struct load *load, uint32_t n)
{
	int rc = ioe_submit_batch(load->engine, load->batch, n);

	if (rc != (int)n)
		return rc < 0 ? rc : -EIO;
	rc = ioe_engine_drain(load->engine);
	return rc ? rc : atomic_load(&load->error);
}

/* Callbacks submit again until all are done. */
static int run_nops(struct load *load, uint32_t in_flight, uint64_t n)
{
	const uint32_t first = n < in_flight ? (uint32_t)n : in_flight;

	atomic_store(&load->n_left, n - first);
	for (uint32_t i = 0; i < first; i++) {
		ioe_prep_nop(load->batch[i]);
		load->batch[i]->callback = on_nop;
		load->batch[i]->arg = load;
	}
	return submit_and_drain(load, first);
}

/* All at once, neighbours and others, so that slots, merging and its memory are used. */
static int run_reads(struct load *load, const struct errand *errand)
{
	const uint64_t blocks = errand->numbers[ERRAND_FILE_BYTES] / BLOCK_BYTES;

	for (uint64_t step = 1; step <= 2; step++) {
		int rc;

		for (uint32_t i = 0; i < errand->numbers[ERRAND_IN_FLIGHT]; i++) {
			ioe_prep_read(load->batch[i], load->fd,
				      load->buffer + (size_t)(i % BUFFERS) * BLOCK_BYTES,
				      BLOCK_BYTES, i * step % blocks * BLOCK_BYTES);
			load->batch[i]->callback = on_read;
			load->batch[i]->arg = load;
		}
		rc = submit_and_drain(load, errand->numbers[ERRAND_IN_FLIGHT]);
		if (rc)
			return rc;
	}
	return 0;
}

static int use(struct load *load, const struct errand *errand, uint64_t nops)
{
	int rc = run_nops(load, errand->numbers[ERRAND_IN_FLIGHT], nops);

	return rc ? rc : run_reads(load, errand);
}

/* Without threads, so that none of their stacks is kept. */
static int warm_up(struct load *load, const struct errand *errand)
{
	struct ioe_config config = {
		.size = sizeof(config),
		.backend = errand->numbers[ERRAND_BACKEND],
		.threading = IOE_THREADING_NONE,
	};
	struct memory memory;
	int rc = ioe_engine_open(&config, &load->engine);

	if (rc)
		return rc;
	rc = use(load, errand, errand->numbers[ERRAND_IN_FLIGHT]);
	(void)ioe_engine_close(load->engine, IOE_CLOSE_DRAIN);
	load->engine = NULL;
	return rc ? rc : look(&memory);
}

static int prepare(struct load *load, const struct errand *errand)
{
	const size_t n = errand->numbers[ERRAND_IN_FLIGHT];

	load->events = calloc(n, sizeof(*load->events));
	load->batch = calloc(n, sizeof(struct ioe_event *));
	load->buffer = aligned_alloc(ALIGN_BYTES, (size_t)BUFFERS * BLOCK_BYTES);
	if (!load->events || !load->batch || !load->buffer)
		return -ENOMEM;
	memset(load->buffer, 1, (size_t)BUFFERS * BLOCK_BYTES);
	for (size_t i = 0; i < n; i++)
		load->batch[i] = &load->events[i];
	load->fd = (int)sys_result(open(errand->filename, O_RDONLY | O_DIRECT | O_CLOEXEC));
	return load->fd < 0 ? load->fd : 0;
}

static int measure(struct load *load, const struct errand *errand, struct findings *findings)
{
	const struct ioe_config config = {
		.size = sizeof(config),
		.backend = errand->numbers[ERRAND_BACKEND],
		.depth_max = errand->numbers[ERRAND_DEPTH_MAX],
		.channel_capacity = errand->numbers[ERRAND_CHANNEL_CAPACITY],
	};
	struct memory before, opened, used = { .resident_kib = 0 }, later;
	int rc = map_programs();

	if (!rc)
		rc = prepare(load, errand);
	if (!rc)
		rc = warm_up(load, errand);
	if (rc)
		return rc;
	(void)malloc_trim(0);
	rc = look(&before);
	if (!rc)
		rc = ioe_engine_open(&config, &load->engine);
	if (!rc)
		rc = look(&opened);
	if (!rc)
		rc = use(load, errand, errand->numbers[ERRAND_NOPS_FIRST]);
	if (!rc)
		rc = look(&used);
	later = used;
	if (!rc && errand->numbers[ERRAND_NOPS_MORE])
		rc = run_nops(load, errand->numbers[ERRAND_IN_FLIGHT],
			      errand->numbers[ERRAND_NOPS_MORE]);
	if (!rc && errand->numbers[ERRAND_NOPS_MORE])
		rc = look(&later);
	if (rc)
		return rc;
	findings->opened = less(&opened, &before);
	findings->used = less(&used, &before);
	findings->later = less(&later, &used);
	return 0;
}

static void deinit(struct load *load)
{
	(void)ioe_engine_close(load->engine, IOE_CLOSE_DRAIN);
	if (load->fd >= 0)
		close(load->fd);
	free(load->events);
	free(load->batch);
	free(load->buffer);
}

int floor_memory_command(int argc, char **argv)
{
	struct findings findings = { .status = 0 };
	struct load load = { .fd = -1 };
	struct errand errand = { .filename = NULL };

	if (argc != 2 + ERRAND_NUMBERS) {
		fprintf(stderr, "ioe %s: for the suite only\n", argv[0]);
		return EXIT_USAGE;
	}
	errand.filename = argv[1];
	for (int i = 0; i < ERRAND_NUMBERS; i++)
		errand.numbers[i] = strtoull(argv[2 + i], NULL, 10);
	findings.status = measure(&load, &errand, &findings);
	deinit(&load);
	return write(STDOUT_FILENO, &findings, sizeof(findings)) == (ssize_t)sizeof(findings) ?
		       EXIT_OK :
		       EXIT_FAILED;
}
