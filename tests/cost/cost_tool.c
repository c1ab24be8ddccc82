/* SPDX-License-Identifier: MIT
 * cost_tool.c - what `ioe bench` adds to an IO: CPU for each 4 KiB random read, of the command with
 *               its defaults and of a loop that does no more than submit again, in turn.
 * Invariants: both sides do the same IO: direct, depth DEPTH, io_uring, callbacks inline.
 * Threads:    the engine's driver, and the main thread, which waits.
 * Ownership:  buffers and events are static; the file is unlinked already. */
#include "engine/ioe.h"
#include "tests/lib/fail.h"
#include "tests/lib/place.h"
#include "tests/lib/process.h"

#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEPTH = 32, BLOCK = 4096, RUNS_MAX = 99 };
#define FILE_BYTES (UINT64_C(256) << 20)

static _Alignas(BLOCK) char buffers[DEPTH][BLOCK];
static struct ioe_event events[DEPTH];
static struct ioe_engine *engine;
/* Callbacks run on the one driver. */
static uint64_t n_left;
static uint32_t n_live;
static uint64_t n_failed;
static sem_t over;

/* Any block of the file; what the tool takes for its random numbers costs about as much. */
static uint64_t offset_of(uint64_t n)
{
	n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (n >> 32) % (FILE_BYTES / BLOCK) * BLOCK;
}

static void on_read(struct ioe_event *event)
{
	n_failed += event->result != BLOCK;
	if (n_left > 0) {
		event->offset = offset_of(n_left--);
		if (ioe_submit(engine, event) == 0)
			return;
		n_failed++;
	}
	if (--n_live == 0)
		sem_post(&over);
}

/* us of CPU for each of n_ios. */
static double bare(int fd, uint64_t n_ios)
{
	const struct ioe_config config = { .size = sizeof(config),
					   .backend = IOE_BACKEND_URING,
					   .threading = IOE_THREADING_INLINE,
					   .depth_max = DEPTH };
	struct ioe_event *batch[DEPTH];
	uint64_t cpu_ns;

	if (ioe_engine_open(&config, &engine) != 0)
		support_skip("no io_uring here");
	must(sem_init(&over, 0, 0) == 0, "sem_init");
	n_left = n_ios - DEPTH;
	n_live = DEPTH;
	for (uint32_t i = 0; i < DEPTH; i++) {
		ioe_prep_read(&events[i], fd, buffers[i], BLOCK, offset_of(n_ios + i));
		events[i].callback = on_read;
		batch[i] = &events[i];
	}
	cpu_ns = process_cpu_ns();
	must(ioe_submit_batch(engine, batch, DEPTH) == DEPTH, "ioe_submit_batch");
	while (sem_wait(&over) != 0)
		;
	cpu_ns = process_cpu_ns() - cpu_ns;
	must(ioe_engine_close(engine, IOE_CLOSE_DRAIN) == 0, "close");
	must(n_failed == 0, "%llu reads failed", (unsigned long long)n_failed);
	return (double)cpu_ns / 1e3 / (double)n_ios;
}

static double tool(int fd, uint64_t n_ios)
{
	const char *folder = getenv("IOE_RELEASE_DIR");
	static const char key[] = "\"cpu_us_per_io\":";
	static char text[1 << 20];
	char command[512];
	size_t n;
	const char *found;
	FILE *pipe;

	(void)snprintf(command, sizeof(command),
		       "%s/ioe bench --filename=/proc/%d/fd/%d --rw=randread --bs=4k --direct=1 "
		       "--ioengine=io_uring --threading=inline --iodepth=%d --number_ios=%llu "
		       "--time_based --runtime=1000 --invalidate=0 --eta=never "
		       "--output-format=json",
		       folder != NULL ? folder : "build/release", (int)getpid(), fd, DEPTH,
		       (unsigned long long)n_ios);
	pipe = popen(command, "r");
	must(pipe != NULL, "popen: %s", strerror(errno));
	n = fread(text, 1, sizeof(text) - 1, pipe);
	must(pclose(pipe) == 0, "failed: %s", command);
	text[n] = '\0';
	found = strstr(text, key);
	must(found != NULL, "no %s in what the command says", key);
	return strtod(found + sizeof(key) - 1, NULL);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	uint64_t n_runs = process_number("IOE_COST_RUNS", 9);
	const uint64_t n_ios = n_runs > 1 ? 60000 : 2000;
	double ratios[RUNS_MAX] = { 0 };
	double bares[RUNS_MAX] = { 0 };
	double tools[RUNS_MAX] = { 0 };
	int fd;

	support_is_program = true;
	n_runs = n_runs < 1 ? 1 : n_runs < RUNS_MAX ? n_runs : RUNS_MAX;
	fd = place_file(PLACE_DISK_DIRECT, FILE_BYTES, 1, 0);
	for (uint64_t i = 0; i < n_runs; i++) {
		bares[i] = bare(fd, n_ios);
		tools[i] = tool(fd, n_ios);
		ratios[i] = tools[i] / bares[i];
	}
	qsort(bares, n_runs, sizeof(double), compare);
	qsort(tools, n_runs, sizeof(double), compare);
	qsort(ratios, n_runs, sizeof(double), compare);
	printf("a random read: ioe bench %.2f us of CPU, a bare loop %.2f us, ratio %.3f (%.3f to "
	       "%.3f)\n",
	       tools[n_runs / 2], bares[n_runs / 2], ratios[n_runs / 2], ratios[0],
	       ratios[n_runs - 1]);
	return 0;
}
