/* SPDX-License-Identifier: MIT
 * surround.c - run a suite with something else around it than what this machine has: another file
 *              system or a block device in the place of the disk, system calls forbidden, another
 *              user.
 *     surround --list
 *     surround NAME PROGRAM [ARGUMENT...]
 * It prepares itself and becomes PROGRAM, whose tests inherit everything; conformance/
 * test_surrounding.c looks whether it is true. Exit status 77 and the reason where
 * that surrounding cannot be had.
 * Invariants: nothing is left behind: mounts are in a namespace that ends with the suite.
 * Threads:    one.
 * Ownership:  what is open is PROGRAM's. */
#include "tests/lib/disk.h"
#include "tests/lib/fail.h"
#include "tests/lib/place.h"
#include "tests/lib/process.h"

#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	FS_BYTES = 1 << 30,
	SECTOR_BYTES = 4096,
	LOCK_BYTES = 64 << 10,
};

/* Where everybody may write, on a disk. */
#define OPEN_TO_ALL "/var/tmp"

static char *program;

static void set(const char *variable, const char *value)
{
	must_sys(setenv(variable, value, 1));
}

/* ---- The disk is another ----------------------------------------------------------------- */

/* A namespace of mounts of our own, that the suite inherits (file descriptors it would not:
 * Criterion closes them), and a directory of it to mount upon. */
static const char *own_mount_point(void)
{
	static const char *const everywhere[] = { "/mnt", "/media", "/srv" };

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		support_skip("no namespace of mounts here: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(everywhere) / sizeof(everywhere[0]); i++) {
		const char *dir = everywhere[i];

		/* What is there is hidden: not the program. */
		if (strncmp(program, dir, strlen(dir)) != 0 && access(dir, X_OK) == 0)
			return dir;
	}
	support_skip("no directory to mount upon");
}

static void use_root(int root)
{
	const char *dir = own_mount_point();

	must_sys(move_mount(root, "", AT_FDCWD, dir, MOVE_MOUNT_F_EMPTY_PATH));
	close(root);
	set("IOE_TEST_DIR", dir);
}

static void use_ext4(void)
{
	use_root(disk_ext4(FS_BYTES));
}

static void use_xfs(void)
{
	use_root(disk_xfs(FS_BYTES));
}

static void use_tmpfs(void)
{
	set("IOE_TEST_DIR", "/dev/shm");
}

/* The library of the tests makes a device for each file (place.h). Where there can be none, it is
 * said here, and not by each test. */
static void use_devices(void)
{
	const int file = place_backing(SECTOR_BYTES);
	char text[16];

	close(disk_over(file, SECTOR_BYTES, 0));
	close(file);
	snprintf(text, sizeof(text), "%d", SECTOR_BYTES);
	set("IOE_TEST_SECTOR", text);
}

/* ---- System calls are forbidden ---------------------------------------------------------- */

static void forbid(int error, bool aio_too)
{
	static const int calls[] = { SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
				     SYS_io_setup,       SYS_io_submit,      SYS_io_getevents,
				     SYS_io_pgetevents,  SYS_io_cancel,      SYS_io_destroy };

	if (!process_forbid(error, calls, aio_too ? sizeof(calls) / sizeof(calls[0]) : 3))
		support_skip("seccomp filters cannot be installed here: %s", strerror(errno));
}

static void forbid_uring_enosys(void)
{
	forbid(ENOSYS, false);
}

static void forbid_uring_eperm(void)
{
	forbid(EPERM, false);
}

static void forbid_both_enosys(void)
{
	forbid(ENOSYS, true);
}

static void forbid_both_eperm(void)
{
	forbid(EPERM, true);
}

/* ---- Another user ------------------------------------------------------------------------ */

static bool stranger_can_run(const char *path)
{
	const int before = setfsuid(PROCESS_STRANGER);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	setfsuid((uid_t)before);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The program may be in a directory of root's own: then its directory is bound to another that is
 * not. */
static void open_the_way(void)
{
	char *dir = strdup(program), *base = strdup(program);
	static char elsewhere[4096];
	const char *point;

	must(dir != NULL && base != NULL, "no memory");
	if (geteuid() == 0 && !stranger_can_run(program)) {
		point = own_mount_point();
		must_sys(mount(dirname(dir), point, NULL, MS_BIND, NULL));
		snprintf(elsewhere, sizeof(elsewhere), "%s/%s", point, basename(base));
		if (!stranger_can_run(elsewhere))
			support_skip("%s is closed to other users", program);
		program = elsewhere;
	}
	free(dir);
	free(base);
}

static void be_a_stranger(void)
{
	const char *given = getenv("IOE_TEST_DIR");
	const char *dir = given != NULL ? realpath(given, NULL) : NULL;

	open_the_way();
	if (!process_become_stranger(PROCESS_STRANGER, LOCK_BYTES))
		support_skip("no other user here: %s", strerror(errno));
	set("IOE_TEST_DIR", dir != NULL && access(dir, W_OK | X_OK) == 0 ? dir : OPEN_TO_ALL);
	/* Where we are may be closed, too. */
	must_sys(chdir("/"));
}

static void change_nothing(void)
{
}

static const struct {
	const char *name;
	void (*prepare)(void);
	const char *what;
} surroundings[] = {
	{ "plain", change_nothing, "this machine as it is" },
	{ "ext4", use_ext4, "the disk is an ext4 of its own" },
	{ "xfs", use_xfs, "the disk is an xfs of its own" },
	{ "tmpfs", use_tmpfs, "the disk is /dev/shm" },
	{ "device", use_devices, "files are block devices with sectors of 4096 bytes" },
	{ "uring-enosys", forbid_uring_enosys, "seccomp says ENOSYS to io_uring" },
	{ "uring-eperm", forbid_uring_eperm, "seccomp says EPERM to io_uring" },
	{ "both-enosys", forbid_both_enosys, "seccomp says ENOSYS to io_uring and to AIO" },
	{ "both-eperm", forbid_both_eperm, "seccomp says EPERM to io_uring and to AIO" },
	{ "stranger", be_a_stranger, "another user, no capabilities, 64 KiB of locked memory" },
};

#define N_SURROUNDINGS (sizeof(surroundings) / sizeof(surroundings[0]))

int main(int argc, char **argv)
{
	support_is_program = true;
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < N_SURROUNDINGS; i++)
			printf("%s %s\n", surroundings[i].name, surroundings[i].what);
		return 0;
	}
	if (argc < 3) {
		fprintf(stderr, "usage: %s --list | NAME PROGRAM [ARGUMENT...]\n", argv[0]);
		return 2;
	}
	for (size_t i = 0; i < N_SURROUNDINGS; i++) {
		if (strcmp(argv[1], surroundings[i].name) != 0)
			continue;
		/* Whoever prepares may leave the directory we are in. */
		program = realpath(argv[2], NULL);
		must(program != NULL, "%s: %s", argv[2], strerror(errno));
		surroundings[i].prepare();
		set("IOE_SURROUNDING", surroundings[i].name);
		argv[2] = program;
		execv(program, argv + 2);
		must(false, "%s: %s", program, strerror(errno));
	}
	fprintf(stderr, "%s: no surrounding %s\n", argv[0], argv[1]);
	return 2;
}
