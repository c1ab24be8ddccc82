/* SPDX-License-Identifier: MIT
 * disk.c - see disk.h. */
#include "tests/lib/disk.h"
#include "tests/lib/fail.h"
#include "tests/lib/place.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	BLOCK = 4096,
	/* Others look for a free device at the same time. */
	TRIES_MAX = 100,
	MKFS_WORDS_MAX = 24,
};

/* A device that goes with its last file descriptor, or -errno. */
static int take_loop(int control, const struct loop_config *config)
{
	char path[32];
	int device, error;

	snprintf(path, sizeof(path), "/dev/loop%ld",
		 (long)must_sys(ioctl(control, LOOP_CTL_GET_FREE)));
	device = open(path, O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -errno;
	if (ioctl(device, LOOP_CONFIGURE, config) == 0)
		return device;
	error = errno;
	close(device);
	return -error;
}

int disk_over(int file, uint32_t sector_bytes, int more_flags)
{
	const struct loop_config config = { .fd = (uint32_t)file,
					    .block_size = sector_bytes,
					    .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
	const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int plain = -EBUSY, device;

	if (control < 0)
		support_skip("no loop devices here: %s", strerror(errno));
	for (uint32_t tries = 0; plain == -EBUSY && tries < TRIES_MAX; tries++)
		plain = take_loop(control, &config);
	close(control);
	if (plain == -ENOENT || plain == -EPERM || plain == -EACCES)
		support_skip("no loop devices here: %s", strerror(-plain));
	must(plain >= 0, "LOOP_CONFIGURE: %s", strerror(-plain));
	device = file_reopen(plain, O_RDWR | more_flags);
	close(plain);
	return device;
}

/* Run mkfs.KIND on the file; options end with NULL. */
static void make_fs(int file, const char *kind, const char *const options[])
{
	char name[32], path[64], file_path[32];
	const char *argv[MKFS_WORDS_MAX];
	size_t n = 0;
	int status;
	pid_t pid;

	snprintf(name, sizeof(name), "mkfs.%s", kind);
	snprintf(path, sizeof(path), "/sbin/%s", name);
	snprintf(file_path, sizeof(file_path), "/proc/self/fd/%d", file);
	argv[n++] = name;
	while (*options != NULL && n < MKFS_WORDS_MAX - 2)
		argv[n++] = *options++;
	argv[n++] = file_path;
	argv[n] = NULL;
	pid = (pid_t)must_sys(fork());
	if (pid == 0) {
		fcntl(file, F_SETFD, 0);
		execvp(name, (char *const *)(uintptr_t)argv);
		/* Not in everybody's path. */
		execv(path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	must_sys(waitpid(pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		support_skip("no %s here", name);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %#x", name, (unsigned)status);
}

void disk_make_ext4(int file, const char *features)
{
	const char *const options[] = { "-q", "-F", "-b", "4096",   "-m", "0",
					"-N", "32", "-O", features, "-E", "lazy_itable_init=0",
					NULL };

	make_fs(file, "ext4", options);
}

int disk_mount(int device, const char *kind)
{
	int context, root = -1, error;
	char path[32];
	struct stat st;

	must_sys(fstat(device, &st));
	snprintf(path, sizeof(path), "/dev/loop%u", minor(st.st_rdev));
	context = fsopen(kind, FSOPEN_CLOEXEC);
	if (context < 0)
		support_skip("no %s here: %s", kind, strerror(errno));
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", path, 0) == 0 &&
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		root = fsmount(context, FSMOUNT_CLOEXEC, 0);
	error = errno;
	close(context);
	if (root < 0 && error == EPERM)
		support_skip("%s cannot be mounted here: %s", kind, strerror(error));
	return root >= 0 ? root : -error;
}

/* Mount what has been made in the file, which is closed. Its root. */
static int mount_new(int file, const char *kind)
{
	const int device = disk_over(file, 512, 0);
	const int root = disk_mount(device, kind);

	must(root >= 0, "mounting %s: %s", kind, strerror(-root));
	close(device);
	close(file);
	return root;
}

int disk_ext4(uint64_t size)
{
	const int file = place_backing(size);

	disk_make_ext4(file, "^has_journal,^resize_inode");
	return mount_new(file, "ext4");
}

int disk_xfs(uint64_t size)
{
	static const char *const options[] = { "-q", "-f", NULL };
	const int file = place_backing(size);

	make_fs(file, "xfs", options);
	return mount_new(file, "xfs");
}

void disk_fill(int root, uint32_t n)
{
	const int fd = (int)must_sys(openat(root, "filler", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	off_t size = 0;

	for (off_t chunk = 1 << 20; chunk >= BLOCK; chunk /= 2) {
		while (fallocate(fd, 0, size, chunk) == 0)
			size += chunk;
		must(errno == ENOSPC, "fallocate: %s", strerror(errno));
	}
	must_sys(ftruncate(fd, size - (off_t)n * BLOCK));
	must_sys(fsync(fd));
	close(fd);
}
