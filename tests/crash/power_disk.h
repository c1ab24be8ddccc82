/* SPDX-License-Identifier: MIT
 * power_disk.h - a disk whose power can be cut at a chosen write: a loop device over a file that a
 *                process of our own serves (FUSE), which keeps apart what a flush has made durable
 *                and what is only in the disk's cache.
 *
 *     power_disk_open(&disk, image, &acks, sizeof(acks), &acks.n_synced);
 *     ... a file system on disk.device, a writer ...
 *     power_disk_cut(&disk, &cut);
 *     snapshot = power_disk_snapshot(&disk);      what would be found when power is back
 *     memcpy(&acks_then, disk.watched, ...);      the memory, as it was before the cut
 *     ... unmount, kill the writer ...
 *     power_disk_close(&disk);
 *
 * A cut takes nothing away from the device, which goes on: it makes an image of what is durable and
 * of such of the later writes, sector by sector, as chance decides. Sectors have 4096 bytes and are
 * written whole or not at all; beyond that they may be lost, and kept, in any order.
 *
 * Invariants: between the copy of the watched memory and the image nothing is written to the
 *             disk: what the memory says has been synced must be in the image.
 * Threads:    one; opened before the process has threads (it forks).
 * Ownership:  the server ends when nothing has the device open any more, however the test ends. */
#ifndef IOE_TESTS_POWER_DISK_H
#define IOE_TESTS_POWER_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define POWER_DISK_BYTES (UINT64_C(32) << 20)
#define POWER_DISK_NEVER UINT32_MAX
enum {
	POWER_DISK_SECTOR = 4096,
	POWER_DISK_WATCHED_MAX = 1 << 16,
};

/* When the power goes, whichever comes first (or POWER_DISK_NEVER), and what of the cache survives
 * it. */
struct power_cut {
	uint32_t n_writes;   /* with this write from now, which reaches the cache (>= 1) */
	uint32_t n_counted;  /* when the counter has grown by so much, soon after */
	uint32_t kept_of_16; /* how likely a sector of the cache is to survive */
	uint64_t seed;
	/* How it was. */
	uint32_t n_cached; /* sectors written and not flushed */
	uint32_t n_kept;
};

struct power_disk_shared;

struct power_disk {
	int device;          /* the loop device */
	const void *watched; /* the memory as it was at the last cut */
	int control;
	pid_t server;
	struct power_disk_shared *shared;
};

/* With the content of image, a file of POWER_DISK_BYTES. watched is memory shared with other
 * processes, of at most POWER_DISK_WATCHED_MAX bytes, in which *counter is. Skips the test where it
 * cannot be had. */
void power_disk_open(struct power_disk *disk, int image, const void *watched, size_t watched_bytes,
		     const uint32_t *counter);
/* Nothing may have the device open or mounted but *disk itself. */
void power_disk_close(struct power_disk *disk);

/* From now on the disk lies: a flush makes nothing durable. */
void power_disk_ignore_flushes(struct power_disk *disk);
/* Wait for the moment, and cut. */
void power_disk_cut(struct power_disk *disk, struct power_cut *cut);
/* What was left by the last cut: a new file in memory. */
int power_disk_snapshot(const struct power_disk *disk);

#endif
