/* SPDX-License-Identifier: MIT
 * disk_stats.h - what the block devices under the files of a run did meanwhile.
 * Invariants: a device is there once, however many files it has; of a partition it is the whole
 *             disk, as in fio. A file without a device of its own (tmpfs, btrfs) has none.
 * Threads:    one at a time.
 * Ownership:  none: the caller's struct, nothing behind it.
 */
#ifndef IOE_TOOLS_DISK_STATS_H
#define IOE_TOOLS_DISK_STATS_H

#include <stdbool.h>
#include <stdint.h>

#define DISK_STATS_MAX      16
#define DISK_STATS_NAME_MAX 64

/* Read and write, and in flight, in the order of /sys/dev/block/M:m/stat. */
struct disk_counts {
	uint64_t ios[2];
	uint64_t merges[2];
	uint64_t sectors[2];
	uint64_t ticks_ms[2];
	uint64_t io_ticks_ms; /* in which there was something to do */
	uint64_t in_queue_ms;
};

struct disk {
	char name[DISK_STATS_NAME_MAX];
	uint64_t id; /* dev_t */
	uint64_t start_ns;
	uint64_t end_ns;
	struct disk_counts start;
	struct disk_counts end;
};

struct disk_stats {
	struct disk disks[DISK_STATS_MAX];
	uint32_t n;
};

/* Count from now on what the device under an open file does. False: it has none, or there is no
 * room for one more. stats is zeroed at first. */
bool disk_stats_add(struct disk_stats *stats, int fd);

/* Count up to now; may be called again. */
void disk_stats_read(struct disk_stats *stats);

/* Between the two; util_percent: of the time, 100 at most. */
struct disk_counts disk_counts_of(const struct disk *disk, double *ret_util_percent);

#endif
