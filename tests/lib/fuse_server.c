/* SPDX-License-Identifier: MIT
 * fuse_server.c - see fuse_server.h. */
#include "tests/lib/fuse_server.h"
#include "tests/lib/fail.h"

#define FUSE_USE_VERSION 312
#include <fcntl.h>
#include <fuse3/fuse_log.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

enum {
	CONTROL_FD = 100,
	DEVICE_FD = 101,
	INODE = 2, /* of the file; 1 is the directory */
};

#define VALID_S 3600.0 /* what the kernel may keep names and attributes for */

/* The server's own. */
static uint64_t size_bytes;

static int set_option(int context, const char *key, uint32_t value, const char *format)
{
	char text[16];

	snprintf(text, sizeof(text), format, value);
	return fsconfig(context, FSCONFIG_SET_STRING, key, text, 0);
}

int fuse_server_mount(int device)
{
	const int context = fsopen("fuse", FSOPEN_CLOEXEC);
	int mount = -1;

	if (context < 0)
		support_skip("no FUSE here: %s", strerror(errno));
	if (set_option(context, "fd", (uint32_t)device, "%u") == 0 &&
	    set_option(context, "rootmode", S_IFDIR, "%o") == 0 &&
	    set_option(context, "user_id", geteuid(), "%u") == 0 &&
	    set_option(context, "group_id", getegid(), "%u") == 0 &&
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (mount < 0 && errno == EPERM)
		support_skip("FUSE cannot be mounted here: %s", strerror(errno));
	must(mount >= 0, "mounting FUSE: %s", strerror(errno));
	close(context);
	return mount;
}

/* libfuse says that the connection was aborted, which is how it ends: by this or by perror(). */
static void say_nothing(enum fuse_log_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
}

static struct stat attributes(fuse_ino_t inode)
{
	if (inode == FUSE_ROOT_ID)
		return (struct stat){ .st_ino = inode, .st_mode = S_IFDIR | 0700, .st_nlink = 2 };
	return (struct stat){ .st_ino = inode,
			      .st_mode = S_IFREG | 0600,
			      .st_nlink = 1,
			      .st_blksize = 4096,
			      .st_size = (off_t)size_bytes };
}

void fuse_server_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = INODE,
					  .attr = attributes(INODE),
					  .attr_timeout = VALID_S,
					  .entry_timeout = VALID_S };

	if (parent == FUSE_ROOT_ID && strcmp(name, "file") == 0)
		fuse_reply_entry(req, &entry);
	else
		fuse_reply_err(req, ENOENT);
}

void fuse_server_getattr(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *info)
{
	const struct stat st = attributes(inode);

	(void)info;
	fuse_reply_attr(req, &st, VALID_S);
}

struct fuse_session *fuse_server_begin(const struct fuse_lowlevel_ops *operations, size_t size,
				       uint64_t file_bytes, int device, int *control)
{
	char name[] = "fuse_server", path[32];
	char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *session;

	size_bytes = file_bytes;
	/* Whoever waits for the end of the test's pipes must not wait for the server's as well. */
	*control = dup2(*control, CONTROL_FD);
	device = dup2(device, DEVICE_FD);
	if (*control < 0 || device < 0 || close_range(3, CONTROL_FD - 1, 0) < 0 ||
	    close_range(DEVICE_FD + 1, ~0U, 0) < 0)
		_exit(3);
	fuse_set_log_func(say_nothing);
	(void)!freopen("/dev/null", "w", stderr);
	snprintf(path, sizeof(path), "/dev/fd/%d", device);
	session = fuse_session_new(&args, operations, size, NULL);
	if (session == NULL || fuse_session_mount(session, path) != 0)
		_exit(3);
	return session;
}
