/* SPDX-License-Identifier: MIT
 * device.c - block devices that must not be written to, and files that results must not go into.
 * Invariants: nothing is written.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>

#include "tools/bench/target.h"
#include "tools/sys.h"

/* Does the kernel know partitions of this block device? */
static bool is_partitioned(dev_t device)
{
	char path[128];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device), minor(device));
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%.64s/partition", major(device),
			 minor(device), entry->d_name);
		found = entry->d_name[0] != '.' && !access(path, F_OK);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* A partition table that the kernel has not read, or not been told of: MBR or GPT. A device that
 * cannot be read counts as one: better refused than destroyed. */
static bool has_partition_table(int fd)
{
	unsigned char block[512];

	if (pread(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
		return true;
	if (block[510] != 0x55 || block[511] != 0xaa)
		return false;
	for (size_t entry = 0; entry < 4; entry++) {
		if (block[446 + 16 * entry + 4]) /* its type; 0xee where a GPT follows */
			return true;
	}
	return false;
}

/* --allow_mounted_write=1: who says so knows what is on it. */
int device_check(const struct bench_options *options, const char *path, uint64_t device,
		 uint64_t *ret_size)
{
	const bool guard = bench_is_write(options) && !options->allow_mounted_write;
	bool partitioned;
	int fd, rc;

	if (guard && is_partitioned(device))
		return target_complain(-EINVAL,
				       "%s has partitions: will not write to it without "
				       "--allow_mounted_write=1",
				       path);
	/* O_EXCL: the kernel refuses a device that is mounted, swap, or part of another. */
	fd = (int)sys_result(open(path, (bench_is_write(options) ? O_RDWR : O_RDONLY) | O_CLOEXEC |
						(guard ? O_EXCL : 0)));
	if (fd == -EBUSY)
		return target_complain(-EINVAL,
				       "%s is mounted or in use: will not write to it "
				       "without --allow_mounted_write=1",
				       path);
	if (fd < 0)
		return target_complain(fd, "%s: %s", path, strerror(-fd));
	rc = (int)sys_result(ioctl(fd, BLKGETSIZE64, ret_size));
	partitioned = guard && has_partition_table(fd);
	close(fd);
	if (partitioned)
		return target_complain(-EINVAL,
				       "%s has a partition table: will not write to it "
				       "without --allow_mounted_write=1",
				       path);
	if (rc < 0)
		return target_complain(rc, "%s: size of the device: %s", path, strerror(-rc));
	return 0;
}

int device_check_results(const struct bench_options *options, const char *path,
			 const struct stat *st)
{
	const struct {
		const char *option;
		const char *path;
	} results[] = { { "output", options->output }, { "write_iolog", options->write_iolog } };
	struct stat other;

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		if (results[i].path && !stat(results[i].path, &other) &&
		    other.st_dev == st->st_dev && other.st_ino == st->st_ino)
			return target_complain(-EINVAL, "%s is a file of the job: not for --%s",
					       path, results[i].option);
	}
	return 0;
}
