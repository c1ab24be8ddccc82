/* SPDX-License-Identifier: MIT
 * test_sectors.c - PITFALLS P12: merged direct IO to a disk with sectors of 4096 bytes. What is
 *                  aligned succeeds, what is not ends with -EINVAL alone.
 * Invariants: none.
 * Threads:    the test's.
 * Ownership:  the rig's. */
#include "tests/lib/disk.h"
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <unistd.h>

enum {
	N = 64,
	SECTOR = 4096,
	/* From buffer to buffer: as aligned as they have to be, and not adjacent. */
	STRIDE = 5 * SECTOR,
};

#define OTHER_SEED UINT64_C(0x77)

struct sectors {
	int file;   /* behind the device */
	int device; /* O_DIRECT */
};

static struct sectors sectors_open(struct rig *rig, uint32_t sector_bytes)
{
	struct sectors sectors;

	sectors.file = rig_file(rig, N * SECTOR);
	sectors.device = rig_keep_fd(rig, disk_over(sectors.file, sector_bytes, O_DIRECT));
	return sectors;
}

static void prep(struct ioe_event *event, uint8_t op, int fd, void *buffer, uint64_t length,
		 uint64_t offset)
{
	if (op == IOE_OP_READ)
		ioe_prep_read(event, fd, buffer, length, offset);
	else
		ioe_prep_write(event, fd, buffer, length, offset);
}

MATRIX_TEST(faults, p12_aligned_buffers_of_merged_requests_stay_aligned)
{
	const struct sectors sectors = sectors_open(rig, SECTOR);
	struct job *reads = rig_jobs(rig, N), *writes = rig_jobs(rig, N);
	uint8_t *in = rig_buffer(rig, N * STRIDE), *out = rig_buffer(rig, N * STRIDE);

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		uint8_t *from = out + i * STRIDE;

		pattern_fill(from, SECTOR, i * SECTOR, OTHER_SEED);
		prep(&reads[i].event, IOE_OP_READ, sectors.device, in + i * STRIDE, SECTOR,
		     i * SECTOR);
		prep(&writes[i].event, IOE_OP_WRITE, sectors.device, from, SECTOR, i * SECTOR);
	}
	check_eq(rig_batch(rig, reads, N, false), N);
	rig_wait_all(rig);
	check_eq(rig_batch(rig, writes, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(reads[i].result, SECTOR);
		check_eq(pattern_differs(in + i * STRIDE, SECTOR, i * SECTOR, RIG_SEED), -1);
		check_eq(writes[i].result, SECTOR);
	}
	check_eq(file_differs(sectors.file, 0, N * SECTOR, OTHER_SEED), -1);
	check_eq(rig_stats(rig).merged_requests, 2);
	check_eq(rig_stats(rig).merged_events, 2 * N);
	check_eq(rig_stats(rig).split, 0);
}

/* Where an event of a batch is, and how far its buffer is from where it should be. */
struct shape {
	uint64_t offset;
	uint64_t length;
	uint64_t shift;
};

/* Each ends as the same event does when it must not be merged; file: where its bytes are. */
static void end_as_alone(struct rig *rig, int fd, int file, uint8_t op, const struct shape *shapes,
			 uint32_t n)
{
	struct job *jobs = rig_jobs(rig, n), *alone = rig_jobs(rig, n);
	uint8_t *buffer = rig_buffer(rig, (uint64_t)n * STRIDE);

	for (uint32_t i = 0; i < n; i++) {
		const struct shape *shape = &shapes[i];
		uint8_t *at = buffer + i * STRIDE + shape->shift;

		pattern_fill(at, shape->length, shape->offset, RIG_SEED);
		prep(&alone[i].event, op, fd, at, shape->length, shape->offset);
		alone[i].event.flags = IOE_EVENT_NO_MERGE;
		rig_do(rig, &alone[i]);
		pattern_fill(at, shape->length, shape->offset, OTHER_SEED);
		prep(&jobs[i].event, op, fd, at, shape->length, shape->offset);
	}
	check_eq(rig_batch(rig, jobs, n, false), n);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < n; i++) {
		const struct shape *shape = &shapes[i];
		const uint64_t moved = alone[i].done;
		const uint64_t seed = op == IOE_OP_READ || moved == 0 ? RIG_SEED : OTHER_SEED;

		cr_assert(jobs[i].result == alone[i].result,
			  "%s of %llu bytes at %llu, buffer + %llu: %lld, alone %lld",
			  op == IOE_OP_READ ? "read" : "write", (unsigned long long)shape->length,
			  (unsigned long long)shape->offset, (unsigned long long)shape->shift,
			  (long long)jobs[i].result, (long long)alone[i].result);
		check_eq(jobs[i].done, moved);
		check_eq(file_differs(file, shape->offset, shape->length, seed), -1);
		if (moved > 0)
			check_eq(pattern_differs(jobs[i].event.buffer, moved, shape->offset, seed),
				 -1);
	}
}

static void end_as_alone_on_sectors(struct rig *rig, const struct shape *shapes, uint32_t n)
{
	const struct sectors sectors = sectors_open(rig, SECTOR);

	rig_open(rig, NULL);
	end_as_alone(rig, sectors.device, sectors.file, IOE_OP_READ, shapes, n);
	end_as_alone(rig, sectors.device, sectors.file, IOE_OP_WRITE, shapes, n);
	check_op(rig_stats(rig).merged_requests, >=, 2);
}

/* Which addresses are misaligned is the kernel's business: 1 is, for this device. */
MATRIX_TEST(faults, p12_misaligned_buffers_fail_alone)
{
	static const struct shape shapes[] = {
		{ 0, SECTOR, 0 },          { SECTOR, SECTOR, 512 },   { 2 * SECTOR, SECTOR, 1 },
		{ 3 * SECTOR, SECTOR, 0 }, { 4 * SECTOR, SECTOR, 4 }, { 5 * SECTOR, SECTOR, 0 },
	};

	end_as_alone_on_sectors(rig, shapes, 6);
	/* They have not been merged in the first place. */
	check_eq(rig_stats(rig).split, 0);
}

/* The length is misaligned, then the offset of the next as well. */
MATRIX_TEST(faults, p12_misaligned_lengths_fail_alone)
{
	static const struct shape shapes[] = {
		{ 0, SECTOR, 0 },
		{ SECTOR, SECTOR, 0 },
		{ 2 * SECTOR, SECTOR + 512, 0 },
		{ 3 * SECTOR + 512, 2 * SECTOR, 0 },
		{ 5 * SECTOR + 512, 100, 0 },
	};

	end_as_alone_on_sectors(rig, shapes, 5);
}

/* Each part of a sector is misaligned, also where they would make whole sectors together. */
MATRIX_TEST(faults, p12_parts_of_a_sector_fail_as_they_do_alone)
{
	static const struct shape shapes[] = {
		{ 0, SECTOR, 0 },
		{ SECTOR, SECTOR, 0 },
		{ 2 * SECTOR, SECTOR / 2, 0 },
		{ 2 * SECTOR + SECTOR / 2, SECTOR / 2, 0 },
		{ 3 * SECTOR, SECTOR / 4, 0 },
		{ 3 * SECTOR + SECTOR / 4, SECTOR + SECTOR * 3 / 4, 0 },
	};

	end_as_alone_on_sectors(rig, shapes, 6);
}

/* The same on the disk that the tests are on, whatever its sectors are. */
MATRIX_TEST(faults, p12_parts_of_a_sector_of_the_disk_fail_as_they_do_alone)
{
	const int fd = rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, N * SECTOR, RIG_SEED, 0));
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	struct shape shapes[6] = { { 0, SECTOR, 0 }, { SECTOR, SECTOR, 0 } };
	uint64_t half;

	check_eq(ioe_file_alignment(fd, &alignment), 0);
	half = alignment.offset_bytes / 2;
	for (uint32_t i = 2; i < 6; i++)
		shapes[i] = (struct shape){ 2 * SECTOR + (i - 2) * half, half, i == 5 ? 4 : 0 };
	rig_open(rig, NULL);
	end_as_alone(rig, fd, fd, IOE_OP_READ, shapes, 6);
	end_as_alone(rig, fd, fd, IOE_OP_WRITE, shapes, 6);
	check_op(rig_stats(rig).merged_requests, >=, 2);
}

/* Sectors larger than a page, which a look at addresses alone does not tell of. */
MATRIX_TEST(faults, p12_pages_of_a_large_sector_fail_as_they_do_alone)
{
	const struct sectors sectors = sectors_open(rig, 4 * SECTOR);
	static const struct shape shapes[] = {
		{ 0, 4 * SECTOR, 0 },       { 4 * SECTOR, SECTOR, 0 },
		{ 5 * SECTOR, SECTOR, 0 },  { 6 * SECTOR, SECTOR, 0 },
		{ 7 * SECTOR, SECTOR, 0 },  { 8 * SECTOR, 4 * SECTOR, 0 },
		{ 12 * SECTOR, SECTOR, 0 }, { 13 * SECTOR, 3 * SECTOR, 0 },
	};

	rig_open(rig, NULL);
	end_as_alone(rig, sectors.device, sectors.file, IOE_OP_READ, shapes, 8);
	end_as_alone(rig, sectors.device, sectors.file, IOE_OP_WRITE, shapes, 8);
}
