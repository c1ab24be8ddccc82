/* SPDX-License-Identifier: MIT
 * test_full_device.c - aio: requests that a device has no room for wait for those it has, and not
 *                      on helpers, one of which would sleep for each. */
#include "tests/lib/bad_file.h"
#include "tests/lib/disk.h"
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { N = 250, SECTOR = 512 };

/* How many requests a block device has in its queue. */
static uint32_t n_in_queue(int device)
{
	unsigned reads = 0, writes = 0;
	struct stat st;
	char path[64];
	FILE *file;

	check_sys(fstat(device, &st));
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/inflight", major(st.st_rdev),
		 minor(st.st_rdev));
	file = fopen(path, "re");
	cr_assert_not_null(file, "%s: %s", path, strerror(errno));
	check_eq(fscanf(file, "%u %u", &reads, &writes), 2);
	fclose(file);
	return reads + writes;
}

/* A loop device over a file that does not answer: its queue (128) is full, for certain. */
Test(faults, full_device_is_waited_for_without_helpers__aio_inline, .timeout = RIG_TIMEOUT_S)
{
	static const struct rig_row row = { "aio_inline", IOE_BACKEND_AIO, IOE_THREADING_INLINE,
					    PLACE_DISK };
	struct bad_file file;
	struct ioe_config config;
	struct rig rig;
	struct job *jobs;
	uint32_t n_taken;
	int device;

	bad_file_open(&file, BAD_FILE_BLOCKS_MAX, BAD_FILE_WHOLE);
	device = disk_over(file.fd, SECTOR, O_DIRECT);
	bad_file_hold(&file, 0, UINT64_MAX);
	rig_init(&rig, &row);
	jobs = rig_jobs(&rig, N);
	config = rig_config(&rig);
	config.depth_max = N;
	rig_open(&rig, &config);
	/* No two are neighbours: the block layer would make one of them. */
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, device, rig_buffer(&rig, SECTOR), SECTOR,
			      (uint64_t)2 * i * SECTOR);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	}
	check_eq(rig_batch(&rig, jobs, N, false), N);
	rig_wait_in_flight(&rig, N);
	n_taken = n_in_queue(device);
	bad_file_release(&file);
	rig_wait_all(&rig);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].result, SECTOR);
	if (n_taken == N)
		cr_skip_test("the queue of this device takes %d", N);
	/* One that finds the queue full again and again is helped in the end. */
	check_op(rig_stats(&rig).helped, <, (N - n_taken) / 2);
	rig_deinit(&rig);
	close(device);
	bad_file_close(&file);
}
