/* SPDX-License-Identifier: MIT
 * disk_stats.c - what the block devices under the files of a run did meanwhile.
 * Invariants: see disk_stats.h.
 * Threads:    see disk_stats.h.
 * Ownership:  see disk_stats.h.
 */
#include "tools/bench/disk_stats.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tools/sys.h"

/* Folder of a device in sysfs, of the whole disk if it is a partition. False: there is none. */
static bool find_folder(dev_t device, char folder[PATH_MAX])
{
	char path[PATH_MAX + 16];
	char *name;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device), minor(device));
	if (!realpath(path, folder))
		return false;
	snprintf(path, sizeof(path), "%s/partition", folder);
	name = strrchr(folder, '/');
	if (!access(path, F_OK) && name)
		*name = '\0';
	return true;
}

static bool read_counts(const char *folder, struct disk_counts *counts)
{
	char path[PATH_MAX + 16];
	unsigned long long v[11];
	FILE *file;
	int n;

	snprintf(path, sizeof(path), "%s/stat", folder);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fscanf(file, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
		   &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9], &v[10]);
	fclose(file);
	if (n != 11)
		return false;
	*counts = (struct disk_counts){
		.ios = { v[0], v[4] },
		.merges = { v[1], v[5] },
		.sectors = { v[2], v[6] },
		.ticks_ms = { v[3], v[7] },
		.io_ticks_ms = v[9],
		.in_queue_ms = v[10],
	};
	return true;
}

bool disk_stats_add(struct disk_stats *stats, int fd)
{
	struct disk *disk = &stats->disks[stats->n];
	char folder[PATH_MAX];
	const char *name;
	struct stat st;
	dev_t device;

	if (fstat(fd, &st) || stats->n == DISK_STATS_MAX)
		return false;
	device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	if (!find_folder(device, folder))
		return false;
	name = strrchr(folder, '/');
	name = name ? name + 1 : folder;
	if (strlen(name) >= sizeof(disk->name))
		return false;
	for (uint32_t i = 0; i < stats->n; i++) {
		if (!strcmp(stats->disks[i].name, name))
			return true;
	}
	memset(disk, 0, sizeof(*disk));
	if (!read_counts(folder, &disk->start))
		return false;
	memcpy(disk->name, name, strlen(name) + 1);
	disk->id = device;
	disk->start_ns = clock_now_ns();
	disk->end_ns = disk->start_ns;
	disk->end = disk->start;
	stats->n++;
	return true;
}

void disk_stats_read(struct disk_stats *stats)
{
	for (uint32_t i = 0; i < stats->n; i++) {
		struct disk *disk = &stats->disks[i];
		char folder[PATH_MAX];

		/* A device may be taken away: then as it was last. */
		if (find_folder(disk->id, folder) && read_counts(folder, &disk->end))
			disk->end_ns = clock_now_ns();
	}
}

struct disk_counts disk_counts_of(const struct disk *disk, double *ret_util_percent)
{
	const struct disk_counts *a = &disk->start, *b = &disk->end;
	double ms = (double)(disk->end_ns - disk->start_ns) / (double)NS_PER_MSEC, util;
	struct disk_counts counts = {
		.io_ticks_ms = b->io_ticks_ms - a->io_ticks_ms,
		.in_queue_ms = b->in_queue_ms - a->in_queue_ms,
	};

	for (int d = 0; d < 2; d++) {
		counts.ios[d] = b->ios[d] - a->ios[d];
		counts.merges[d] = b->merges[d] - a->merges[d];
		counts.sectors[d] = b->sectors[d] - a->sectors[d];
		counts.ticks_ms[d] = b->ticks_ms[d] - a->ticks_ms[d];
	}
	util = ms > 0 ? 100 * (double)counts.io_ticks_ms / ms : 0;
	*ret_util_percent = util < 100 ? util : 100;
	return counts;
}
