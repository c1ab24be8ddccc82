/* SPDX-License-Identifier: MIT
 * power_disk.c - see power_disk.h. The loop device's writes and flushes are the writes and fsyncs
 *                of the file below it, so the server of that file sees what a disk sees.
 * Invariants: current = durable with the cache written over it, oldest first. A request is applied
 *             before it is answered, and a cut is made between two requests.
 * Threads:    the server has one.
 * Ownership:  the server's memory is its own, but for struct power_disk_shared. It ends when the
 *             kernel has no more to ask: the mount is held by the loop device's file only. */
#include "tests/crash/power_disk.h"
#include "tests/lib/disk.h"
#include "tests/lib/fail.h"
#include "tests/lib/fuse_server.h"
#include "tests/lib/random.h"

#define FUSE_USE_VERSION 312
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CACHE_MAX = 4096,  /* sectors; a cache that is full writes itself out, as disks do */
	LOOK_AGAIN_MS = 5, /* at the counter, while nothing is written */
};

struct power_disk_shared {
	bool ignores_flushes;
	struct power_cut cut;
	const uint8_t *watched;
	size_t watched_bytes;
	const uint32_t *counter;
	uint8_t watched_then[POWER_DISK_WATCHED_MAX];
	uint8_t image[POWER_DISK_BYTES];
};

struct cached {
	uint32_t sector;
	uint8_t data[POWER_DISK_SECTOR];
};

/* The server's own. */
static struct {
	struct power_disk_shared *shared;
	int control;
	bool armed; /* a cut is wanted */
	uint32_t n_writes_left;
	uint32_t counter_before;
	uint32_t n_cached;
	struct cached cache[CACHE_MAX];
	uint8_t durable[POWER_DISK_BYTES];
	uint8_t current[POWER_DISK_BYTES];
} server;

static bool read_image(int image, uint8_t *bytes)
{
	for (uint64_t at = 0; at < POWER_DISK_BYTES;) {
		const ssize_t n = pread(image, bytes + at, POWER_DISK_BYTES - at, (off_t)at);

		if (n <= 0)
			return false;
		at += (uint64_t)n;
	}
	return true;
}

/* ---- The server -------------------------------------------------------------------------- */

static void put(uint8_t *image, const struct cached *cached)
{
	memcpy(image + (uint64_t)cached->sector * POWER_DISK_SECTOR, cached->data,
	       POWER_DISK_SECTOR);
}

static void flush_cache(void)
{
	for (uint32_t i = 0; i < server.n_cached; i++)
		put(server.durable, &server.cache[i]);
	server.n_cached = 0;
}

/* The memory first: what is synced after that may be in the image, and need not be. */
static void make_cut(void)
{
	struct power_disk_shared *shared = server.shared;
	struct power_cut *cut = &shared->cut;
	struct random random = random_open_at(cut->seed, 0);
	const uint32_t *words = (const uint32_t *)(const void *)shared->watched;
	const char word = 0;

	for (size_t i = 0; i < shared->watched_bytes / sizeof(uint32_t); i++) {
		const uint32_t value = __atomic_load_n(&words[i], __ATOMIC_ACQUIRE);

		memcpy(shared->watched_then + i * sizeof(value), &value, sizeof(value));
	}
	memcpy(shared->image, server.durable, POWER_DISK_BYTES);
	cut->n_cached = server.n_cached;
	cut->n_kept = 0;
	for (uint32_t i = 0; i < server.n_cached; i++) {
		if (random_below(&random, 16) >= cut->kept_of_16)
			continue;
		put(shared->image, &server.cache[i]);
		cut->n_kept++;
	}
	server.armed = false;
	if (write(server.control, &word, 1) != 1)
		_exit(3);
}

static void cut_if_counted(void)
{
	const struct power_disk_shared *shared = server.shared;

	if (server.armed &&
	    __atomic_load_n(shared->counter, __ATOMIC_ACQUIRE) - server.counter_before >=
		    shared->cut.n_counted)
		make_cut();
}

/* Past the page cache: a write that waits there would be neither in the cache nor durable. */
static void on_open(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *info)
{
	(void)inode;
	info->direct_io = 1;
	fuse_reply_open(req, info);
}

static void on_read(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
		    struct fuse_file_info *info)
{
	const uint64_t at = (uint64_t)offset;

	(void)inode;
	(void)info;
	if (at >= POWER_DISK_BYTES)
		size = 0;
	else if (size > POWER_DISK_BYTES - at)
		size = POWER_DISK_BYTES - at;
	fuse_reply_buf(req, (const char *)server.current + at, size);
}

static void on_write(fuse_req_t req, fuse_ino_t inode, const char *data, size_t size, off_t offset,
		     struct fuse_file_info *info)
{
	const uint64_t at = (uint64_t)offset;

	(void)inode;
	(void)info;
	if (at % POWER_DISK_SECTOR != 0 || size % POWER_DISK_SECTOR != 0 || at > POWER_DISK_BYTES ||
	    size > POWER_DISK_BYTES - at) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	for (size_t done = 0; done < size; done += POWER_DISK_SECTOR) {
		struct cached *cached;

		if (server.n_cached == CACHE_MAX)
			flush_cache();
		cached = &server.cache[server.n_cached++];
		cached->sector = (uint32_t)((at + done) / POWER_DISK_SECTOR);
		memcpy(cached->data, data + done, POWER_DISK_SECTOR);
		put(server.current, cached);
	}
	if (server.armed && server.n_writes_left != POWER_DISK_NEVER && --server.n_writes_left == 0)
		make_cut();
	fuse_reply_write(req, size);
}

static void on_fsync(fuse_req_t req, fuse_ino_t inode, int data_only, struct fuse_file_info *info)
{
	(void)inode;
	(void)data_only;
	(void)info;
	if (!__atomic_load_n(&server.shared->ignores_flushes, __ATOMIC_ACQUIRE))
		flush_cache();
	fuse_reply_err(req, 0);
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = fuse_server_lookup,
	.getattr = fuse_server_getattr,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.fsync = on_fsync,
};

static void arm(void)
{
	server.armed = true;
	server.n_writes_left = server.shared->cut.n_writes;
	server.counter_before = __atomic_load_n(server.shared->counter, __ATOMIC_ACQUIRE);
}

/* Until the kernel has no more to ask: the mount of what is on the device goes after whoever had
 * it, and asks for more when it goes. */
static void serve(struct fuse_session *session)
{
	struct pollfd fds[2] = { { .fd = fuse_session_fd(session), .events = POLLIN },
				 { .fd = server.control, .events = POLLIN } };
	struct fuse_buf buffer = { .mem = NULL };
	char word;
	int n;

	while (!fuse_session_exited(session)) {
		if (poll(fds, 2, server.armed ? LOOK_AGAIN_MS : -1) < 0)
			continue;
		cut_if_counted();
		if (fds[1].revents != 0) {
			if (read(server.control, &word, 1) == 1)
				arm();
			else
				fds[1].fd = -1; /* nobody is there to ask for more */
		}
		if (fds[0].revents == 0)
			continue;
		n = fuse_session_receive_buf(session, &buffer);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			return;
		fuse_session_process_buf(session, &buffer);
	}
}

static void run_server(struct power_disk_shared *shared, int device, int control, int image)
{
	struct fuse_session *session;

	/* A Ctrl-C is for those who use the disk. */
	setsid();
	/* The kernel writes pages out through us: it must not wait for that on our behalf. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	server.shared = shared;
	if (!read_image(image, server.durable))
		_exit(3);
	memcpy(server.current, server.durable, POWER_DISK_BYTES);
	session = fuse_server_begin(&operations, sizeof(operations), POWER_DISK_BYTES, device,
				    &control);
	server.control = control;
	serve(session);
	_exit(0);
}

/* ---- The test ---------------------------------------------------------------------------- */

void power_disk_open(struct power_disk *disk, int image, const void *watched, size_t watched_bytes,
		     const uint32_t *counter)
{
	const int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int control[2], mount, file;

	if (device < 0)
		support_skip("no FUSE here: /dev/fuse: %s", strerror(errno));
	must(watched_bytes <= POWER_DISK_WATCHED_MAX, "too much to watch");
	disk->shared = mmap(NULL, sizeof(*disk->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(disk->shared != MAP_FAILED, "mmap: %s", strerror(errno));
	disk->shared->watched = watched;
	disk->shared->watched_bytes = watched_bytes;
	disk->shared->counter = counter;
	disk->watched = disk->shared->watched_then;
	mount = fuse_server_mount(device);
	must_sys(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control));
	fflush(NULL);
	disk->server = (pid_t)must_sys(fork());
	if (disk->server == 0)
		run_server(disk->shared, device, control[1], image);
	close(device);
	close(control[1]);
	disk->control = control[0];
	file = (int)must_sys(openat(mount, "file", O_RDWR | O_CLOEXEC));
	close(mount);
	disk->device = disk_over(file, POWER_DISK_SECTOR, 0);
	close(file);
}

void power_disk_close(struct power_disk *disk)
{
	int status;

	close(disk->device);
	close(disk->control);
	must_sys(waitpid(disk->server, &status, 0));
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server of the disk: %#x",
	     (unsigned)status);
	munmap(disk->shared, sizeof(*disk->shared));
}

void power_disk_ignore_flushes(struct power_disk *disk)
{
	__atomic_store_n(&disk->shared->ignores_flushes, true, __ATOMIC_RELEASE);
}

void power_disk_cut(struct power_disk *disk, struct power_cut *cut)
{
	char word = 0;

	disk->shared->cut = *cut;
	must(write(disk->control, &word, 1) == 1 && read(disk->control, &word, 1) == 1,
	     "the server of the disk is gone");
	*cut = disk->shared->cut;
}

int power_disk_snapshot(const struct power_disk *disk)
{
	const int file = (int)must_sys(memfd_create("ioe-snapshot", MFD_CLOEXEC));

	for (uint64_t at = 0; at < POWER_DISK_BYTES;)
		at += (uint64_t)must_sys(
			write(file, disk->shared->image + at, POWER_DISK_BYTES - at));
	return file;
}
