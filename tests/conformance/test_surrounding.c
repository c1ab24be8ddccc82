/* SPDX-License-Identifier: MIT
 * test_surrounding.c - what this suite is said to be run in by tests/surroundings is there: the
 *                      file system, the block devices, the forbidden calls and AUTO's choice of
 *                      what is left (P27), the user who can lock next to nothing (P28). */
#include "tests/lib/rig.h"

#include <linux/magic.h>
#include <linux/major.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

struct expected {
	const char *name;
	void (*look)(const struct expected *expected);
	long fs; /* magic number */
	bool on_loop;
	int uring_error;     /* what these calls say */
	int aio_error;       /* 0: they are not forbidden */
	const char *backend; /* AUTO's choice */
};

static void disk_has_files(const struct expected *expected)
{
	const int fd = place_file(PLACE_DISK, 4096, RIG_SEED, 0);
	struct statfs fs;
	struct stat st;

	check_sys(fstat(fd, &st));
	cr_assert(S_ISREG(st.st_mode));
	check_sys(fstatfs(fd, &fs));
	if (expected->fs != 0)
		check_eq(fs.f_type, expected->fs);
	/* This machine's disk may be an ext4 too. */
	if (expected->on_loop)
		check_eq(major(st.st_dev), LOOP_MAJOR);
	close(fd);
}

static void disk_has_devices(const struct expected *expected)
{
	const int fd = place_file(PLACE_DISK_DIRECT, 5000, RIG_SEED, 0);
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	uint64_t bytes = 0;
	struct stat st;
	int sector = 0;

	(void)expected;
	check_sys(fstat(fd, &st));
	cr_assert(S_ISBLK(st.st_mode));
	check_sys(ioctl(fd, BLKSSZGET, &sector));
	check_eq(sector, 4096);
	check_sys(ioctl(fd, BLKGETSIZE64, &bytes));
	check_eq(bytes, 8192);
	check_eq(file_size(fd), 8192);
	check_eq(file_differs(fd, 0, 8192, RIG_SEED), -1);
	check_eq(ioe_file_alignment(fd, &alignment), 0);
	check_eq(alignment.offset_bytes, 4096);
	close(fd);
}

static void calls_are_forbidden(const struct expected *expected)
{
	unsigned long context = 0;

	check_eq(syscall(SYS_io_uring_setup, 1, NULL), -1);
	check_eq(errno, expected->uring_error);
	check_eq(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0), -1);
	check_eq(errno, expected->uring_error);
	if (expected->aio_error == 0)
		return;
	check_eq(syscall(SYS_io_setup, 1, &context), -1);
	check_eq(errno, expected->aio_error);
	check_eq(syscall(SYS_io_submit, context, 0, NULL), -1);
	check_eq(errno, expected->aio_error);
}

static void rest_is_left_to_auto(const struct expected *expected)
{
	const struct ioe_config aio = { .size = sizeof(aio), .backend = IOE_BACKEND_AIO };
	struct ioe_engine *engine;
	int ret;

	calls_are_forbidden(expected);
	ret = ioe_engine_open(&aio, &engine);
	if (ret == 0)
		check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
	else if (expected->aio_error == 0)
		cr_skip_test("aio is not available here");
	check_eq(ret, -expected->aio_error);
	check_eq(ioe_engine_open(NULL, &engine), 0);
	cr_assert_str_eq(ioe_engine_backend(engine), expected->backend);
	cr_assert_not_null(strstr(ioe_engine_reason(engine), "uring is not available"), "%s",
			   ioe_engine_reason(engine));
	check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
}

static void we_are_a_stranger(const struct expected *expected)
{
	struct rlimit limit;
	char line[256];
	bool none = false;
	FILE *file;

	(void)expected;
	cr_assert(geteuid() != 0 && getuid() != 0);
	check_sys(getrlimit(RLIMIT_MEMLOCK, &limit));
	check_eq(limit.rlim_cur, 65536);
	check_eq(limit.rlim_max, 65536);
	file = fopen("/proc/self/status", "re");
	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		none = none || strcmp(line, "CapEff:\t0000000000000000\n") == 0;
	fclose(file);
	cr_assert(none, "we have capabilities");
}

static const struct expected table[] = {
	{ "plain", disk_has_files, 0, false, 0, 0, NULL },
	{ "ext4", disk_has_files, EXT4_SUPER_MAGIC, true, 0, 0, NULL },
	{ "xfs", disk_has_files, XFS_SUPER_MAGIC, true, 0, 0, NULL },
	{ "tmpfs", disk_has_files, TMPFS_MAGIC, false, 0, 0, NULL },
	{ "device", disk_has_devices, 0, false, 0, 0, NULL },
	{ "uring-enosys", rest_is_left_to_auto, 0, false, ENOSYS, 0, "aio" },
	{ "uring-eperm", rest_is_left_to_auto, 0, false, EPERM, 0, "aio" },
	{ "both-enosys", rest_is_left_to_auto, 0, false, ENOSYS, ENOSYS, "threads" },
	{ "both-eperm", rest_is_left_to_auto, 0, false, EPERM, EPERM, "threads" },
	{ "stranger", we_are_a_stranger, 0, false, 0, 0, NULL },
};

Test(surrounding, p27_p28_is_what_it_is_said_to_be)
{
	const char *name = getenv("IOE_SURROUNDING");

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, name != NULL ? name : "plain") != 0)
			continue;
		table[i].look(&table[i]);
		return;
	}
	cr_assert_fail("nothing is known of surrounding %s", name);
}
