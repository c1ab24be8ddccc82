/* SPDX-License-Identifier: MIT
 * test_reuse.c - P29: an fd that has become another file is looked at again. What is known of one
 *                is for one drain, or one batch. */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <unistd.h>

/* Two parts of a sector, which direct IO refuses, alone; as one request they would be aligned. */
static void read_parts(struct rig *rig, int fd, struct job *jobs, uint8_t *buffer, uint32_t sector)
{
	for (uint32_t i = 0; i < 2; i++)
		ioe_prep_read(&jobs[i].event, fd, buffer + i * (sector / 2), sector / 2,
			      i * (sector / 2));
	check_eq(rig_batch(rig, jobs, 2, false), 2);
	rig_wait_all(rig);
}

NONE_TEST(reuse, p29_fd_that_has_become_direct_is_seen_as_direct)
{
	const int direct = rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, 65536, RIG_SEED, 0));
	const int fd = rig_keep_fd(rig, place_file(PLACE_DISK, 65536, RIG_SEED, 0));
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	struct job *jobs = rig_jobs(rig, 2);
	uint8_t *buffer = rig_buffer(rig, 65536);

	check_eq(ioe_file_alignment(direct, &alignment), 0);
	if (alignment.offset_bytes < 2 ||
	    pread(direct, buffer, 1, 0) == 1) /* tmpfs asks for nothing */
		cr_skip_test("nothing is misaligned here");
	rig_open(rig, NULL);
	read_parts(rig, fd, jobs, buffer, alignment.offset_bytes);
	check_eq(jobs[0].result, alignment.offset_bytes / 2);
	check_sys(dup2(direct, fd));
	read_parts(rig, fd, jobs, buffer, alignment.offset_bytes);
	check_eq(jobs[0].result, -EINVAL);
	check_eq(jobs[1].result, -EINVAL);
}
