/* SPDX-License-Identifier: MIT
 * bad_file.c - see bad_file.h. A child serves the file system, and shares the bytes and the log
 *              with the test.
 * Invariants: the log is written by the server only; an entry is complete before it is counted, and
 *             has its result before `answered`.
 * Threads:    the server has one; it never waits but for the kernel and for the test.
 * Ownership:  the server ends when its end of the control socket says that the test is gone. */
#include "tests/lib/bad_file.h"
#include "tests/lib/fail.h"
#include "tests/lib/fuse_server.h"

#define FUSE_USE_VERSION 312
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	HELD_MAX = 256,
	LOOK_MS = 100,
};

/* What the test says to the server, which says it back when it is done. */
enum { WORD_RELEASE, WORD_PASS };

#define PF_EXITING 0x4u /* include/linux/sched.h; the flags in /proc/PID/stat */
#define ONCE       0x10000

struct bad_file_shared {
	uint32_t n_blocks;
	enum bad_file_mode mode;
	uint32_t clock;
	uint32_t n_logged;
	uint32_t n_held;
	uint32_t n_pass;       /* so many of what is held may be answered yet ... */
	uint32_t pass_waiting; /* ... each when so many wait */
	uint32_t hold_block;   /* UINT32_MAX: none */
	uint64_t hold_size_max;
	uint32_t hold_syncs;
	uint32_t answer_ns;                 /* how long each answer takes */
	int errors[2][BAD_FILE_BLOCKS_MAX]; /* [BAD_FILE_READ or _WRITE][block]; may be | ONCE */
	struct bad_file_entry log[BAD_FILE_LOG_MAX];
	_Alignas(4096) uint8_t bytes[BAD_FILE_BLOCKS_MAX * BAD_FILE_BLOCK];
};

/* A transfer, or a sync, that waits for the release. */
struct held {
	fuse_req_t req;
	uint32_t index;
	uint8_t *data; /* of a write: a copy */
};

/* The server's own. */
static struct {
	struct bad_file_shared *shared;
	struct held held[HELD_MAX];
	bool interrupted; /* somebody waits no longer for one of them */
} server;

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* ---- The server -------------------------------------------------------------------------- */

static uint32_t log_coming(enum bad_file_op op, uint64_t offset, uint64_t size)
{
	struct bad_file_shared *shared = server.shared;
	const uint32_t index = shared->n_logged;

	if (index == BAD_FILE_LOG_MAX)
		_exit(3);
	shared->log[index] = (struct bad_file_entry){
		.op = op, .offset = offset, .size = size, .came = ++shared->clock
	};
	store(&shared->n_logged, index + 1);
	return index;
}

static void log_answer(uint32_t index, int64_t result)
{
	struct bad_file_shared *shared = server.shared;

	shared->log[index].result = result;
	store(&shared->log[index].answered, ++shared->clock);
}

static bool ends_short(enum bad_file_op op)
{
	const enum bad_file_mode mode = server.shared->mode;

	return op == BAD_FILE_READ ? mode == BAD_FILE_SHORT_READS : mode == BAD_FILE_SHORT_WRITES;
}

/* How much of the transfer is done: bytes, or -errno. */
static int64_t outcome(const struct bad_file_entry *entry)
{
	struct bad_file_shared *shared = server.shared;
	const uint64_t size = shared->n_blocks * BAD_FILE_BLOCK;
	uint64_t end = entry->offset + entry->size;

	if (end > size)
		end = size;
	for (uint64_t at = entry->offset; at < end;
	     at = (at / BAD_FILE_BLOCK + 1) * BAD_FILE_BLOCK) {
		int *bad = &shared->errors[entry->op][at / BAD_FILE_BLOCK];
		const int error = *bad & ~ONCE;

		if (error == 0)
			continue;
		if (*bad & ONCE)
			*bad = 0;
		if (ends_short(entry->op) && at > entry->offset)
			return (int64_t)(at - entry->offset);
		return -error;
	}
	if (entry->offset < end)
		return (int64_t)(end - entry->offset);
	return entry->op == BAD_FILE_WRITE ? -EFBIG : 0;
}

/* data: of a write, else NULL. */
static void answer(fuse_req_t req, uint32_t index, const uint8_t *data)
{
	const struct bad_file_entry *entry = &server.shared->log[index];
	const struct timespec time = { 0, (long)server.shared->answer_ns };
	const int64_t result = entry->op == BAD_FILE_FSYNC ? 0 : outcome(entry);
	uint8_t *at = server.shared->bytes + entry->offset;

	if (time.tv_nsec > 0)
		nanosleep(&time, NULL);
	/* Logged first: when the test has the answer, it finds it in the log. */
	if (result > 0 && data != NULL)
		memcpy(at, data, (size_t)result);
	log_answer(index, result);
	if (result < 0 || entry->op == BAD_FILE_FSYNC)
		fuse_reply_err(req, (int)-result);
	else if (entry->op == BAD_FILE_WRITE)
		fuse_reply_write(req, (size_t)result);
	else
		fuse_reply_buf(req, (const char *)at, (size_t)result);
}

/* The kernel lets the server know that a request is waited for by a thread that has been killed. */
static void on_interrupt(fuse_req_t req, void *data)
{
	(void)req;
	(void)data;
	server.interrupted = true;
}

static bool is_held(const struct bad_file_entry *entry)
{
	const struct bad_file_shared *shared = server.shared;
	const uint32_t block = load(&shared->hold_block);
	const uint64_t at = block * BAD_FILE_BLOCK;

	if (entry->op == BAD_FILE_FSYNC)
		return load(&shared->hold_syncs) != 0;
	if (block == BAD_FILE_EVERY)
		return entry->size <= shared->hold_size_max;
	return block != UINT32_MAX && entry->size <= shared->hold_size_max &&
	       entry->offset < at + BAD_FILE_BLOCK && at < entry->offset + entry->size;
}

static void answer_oldest(void)
{
	const struct held held = server.held[0];
	const uint32_t n = server.shared->n_held - 1;

	memmove(&server.held[0], &server.held[1], n * sizeof(held));
	store(&server.shared->n_held, n);
	answer(held.req, held.index, held.data);
	free(held.data);
}

static void pass_held(void)
{
	struct bad_file_shared *shared = server.shared;

	while (shared->n_pass > 0 && shared->n_held >= shared->pass_waiting) {
		shared->n_pass--;
		answer_oldest();
	}
}

/* data: of a write, else NULL. */
static void come(fuse_req_t req, enum bad_file_op op, uint64_t offset, uint64_t size,
		 const uint8_t *data)
{
	struct bad_file_shared *shared = server.shared;
	const uint32_t index = log_coming(op, offset, size);
	struct held *held = &server.held[shared->n_held];

	if (!is_held(&shared->log[index])) {
		answer(req, index, data);
		return;
	}
	if (shared->n_held == HELD_MAX)
		_exit(3);
	*held = (struct held){ .req = req, .index = index };
	if (op == BAD_FILE_WRITE) {
		held->data = malloc(size);
		if (held->data == NULL)
			_exit(3);
		memcpy(held->data, data, size);
	}
	fuse_req_interrupt_func(req, on_interrupt, NULL);
	store(&shared->n_held, shared->n_held + 1);
	pass_held();
}

static void answer_held(void)
{
	server.interrupted = false;
	while (server.shared->n_held > 0)
		answer_oldest();
}

/* The kernel is to ask for as much at once as can be held; by itself it asks for 12.
 * And whether it may make one request of direct IO asynchronously. If so, it makes -EIO of a
 * short write (fuse_get_res_by_io(), fs/fuse/file.c). If not, io_uring goes on with a short read
 * where it began, because nobody has moved the position (fuse_direct_IO(); seen on 6.18). */
static void on_init(void *user, struct fuse_conn_info *connection)
{
	(void)user;
	connection->max_background = HELD_MAX;
	if (server.shared->mode == BAD_FILE_SHORT_WRITES)
		connection->want &= ~(unsigned)FUSE_CAP_ASYNC_DIO;
}

/* Past the page cache, so that requests come as they were made, unless the test wants it. */
static void on_open(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *info)
{
	(void)inode;
	info->direct_io = server.shared->mode != BAD_FILE_CACHED;
	fuse_reply_open(req, info);
}

static void on_read(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
		    struct fuse_file_info *info)
{
	(void)inode;
	(void)info;
	come(req, BAD_FILE_READ, (uint64_t)offset, size, NULL);
}

static void on_write(fuse_req_t req, fuse_ino_t inode, const char *data, size_t size, off_t offset,
		     struct fuse_file_info *info)
{
	(void)inode;
	(void)info;
	come(req, BAD_FILE_WRITE, (uint64_t)offset, size, (const uint8_t *)data);
}

static void on_fsync(fuse_req_t req, fuse_ino_t inode, int data_only, struct fuse_file_info *info)
{
	(void)inode;
	(void)data_only;
	(void)info;
	come(req, BAD_FILE_FSYNC, 0, 0, NULL);
}

static const struct fuse_lowlevel_ops operations = {
	.init = on_init,
	.lookup = fuse_server_lookup,
	.getattr = fuse_server_getattr,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.fsync = on_fsync,
};

/* A test that ends, or is killed, waits for what the kernel still has of its files before it closes
 * anything else. */
static bool test_is_exiting(void)
{
	char path[32], text[512] = "";
	const char *behind_name;
	unsigned flags = PF_EXITING;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", getppid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0) {
		behind_name = strrchr(text, ')');
		if (behind_name == NULL ||
		    sscanf(behind_name, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
			flags = PF_EXITING;
	}
	if (fd >= 0)
		close(fd);
	return (flags & PF_EXITING) != 0;
}

/* Until the kernel has no more to ask, or the test is gone. */
static void serve(struct fuse_session *session, int control)
{
	struct pollfd fds[2] = { { .fd = fuse_session_fd(session), .events = POLLIN },
				 { .fd = control, .events = POLLIN } };
	struct fuse_buf buffer = { .mem = NULL };
	char word;
	int n;

	while (!fuse_session_exited(session)) {
		n = poll(fds, 2, server.shared->n_held > 0 ? LOOK_MS : -1);
		if (server.interrupted || (n == 0 && test_is_exiting()))
			answer_held();
		if (n <= 0)
			continue;
		if (fds[1].revents != 0) {
			if (read(control, &word, 1) != 1)
				return;
			if (word == WORD_PASS)
				pass_held();
			else
				answer_held();
			if (write(control, &word, 1) != 1)
				return;
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

static void run_server(struct bad_file_shared *shared, int device, int control)
{
	struct fuse_session *session =
		fuse_server_begin(&operations, sizeof(operations),
				  shared->n_blocks * BAD_FILE_BLOCK, device, &control);

	server.shared = shared;
	serve(session, control);
	_exit(0);
}

/* ---- The test ---------------------------------------------------------------------------- */

void bad_file_open(struct bad_file *file, uint32_t n_blocks, enum bad_file_mode mode)
{
	const int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int control[2], mount;
	struct stat st;

	if (device < 0)
		support_skip("no FUSE here: /dev/fuse: %s", strerror(errno));
	must(n_blocks <= BAD_FILE_BLOCKS_MAX, "%u blocks are too many", n_blocks);
	*file = (struct bad_file){ .fd = -1 };
	file->shared = mmap(NULL, sizeof(*file->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(file->shared != MAP_FAILED, "mmap: %s", strerror(errno));
	file->shared->n_blocks = n_blocks;
	file->shared->mode = mode;
	file->shared->hold_block = UINT32_MAX;
	mount = fuse_server_mount(device);
	must_sys(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control));
	fflush(NULL);
	file->server = (pid_t)must_sys(fork());
	if (file->server == 0)
		run_server(file->shared, device, control[1]);
	close(device);
	close(control[1]);
	file->control = control[0];
	file->fd = (int)must_sys(openat(mount, "file", O_RDWR | O_CLOEXEC));
	close(mount);
	must_sys(fstat(file->fd, &st));
	file->connection = minor(st.st_dev);
}

void bad_file_close(struct bad_file *file)
{
	int status;

	close(file->fd);
	close(file->control);
	must_sys(waitpid(file->server, &status, 0));
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server of the file system: %#x",
	     (unsigned)status);
	munmap(file->shared, sizeof(*file->shared));
}

void bad_file_fail(struct bad_file *file, uint32_t block, int read_error, int write_error)
{
	file->shared->errors[BAD_FILE_READ][block] = read_error;
	file->shared->errors[BAD_FILE_WRITE][block] = write_error;
}

void bad_file_fail_once(struct bad_file *file, uint32_t block, int error)
{
	bad_file_fail(file, block, error | ONCE, error | ONCE);
}

void bad_file_slow(struct bad_file *file, uint32_t answer_ns)
{
	file->shared->answer_ns = answer_ns;
}

void bad_file_mend(struct bad_file *file)
{
	memset(file->shared->errors, 0, sizeof(file->shared->errors));
}

void bad_file_hold(struct bad_file *file, uint32_t block, uint64_t size_max)
{
	file->shared->hold_size_max = size_max;
	store(&file->shared->hold_block, block);
}

void bad_file_hold_syncs(struct bad_file *file)
{
	store(&file->shared->hold_syncs, 1);
}

static void tell(struct bad_file *file, char word)
{
	must(write(file->control, &word, 1) == 1 && read(file->control, &word, 1) == 1,
	     "the server of the file system is gone");
}

void bad_file_release(struct bad_file *file)
{
	store(&file->shared->hold_syncs, 0);
	store(&file->shared->hold_block, UINT32_MAX);
	tell(file, WORD_RELEASE);
}

void bad_file_pass(struct bad_file *file, uint32_t n, uint32_t n_waiting)
{
	store(&file->shared->pass_waiting, n_waiting);
	store(&file->shared->n_pass, n);
	tell(file, WORD_PASS);
}

/* The mount of fusectl is in no directory either. */
void bad_file_abort(struct bad_file *file)
{
	const int context = fsopen("fusectl", FSOPEN_CLOEXEC);
	int mount = -1, abort_fd;
	char path[32];

	if (context < 0)
		support_skip("no fusectl here: %s", strerror(errno));
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	must(mount >= 0, "mounting fusectl: %s", strerror(errno));
	snprintf(path, sizeof(path), "%u/abort", file->connection);
	abort_fd = (int)must_sys(openat(mount, path, O_WRONLY | O_CLOEXEC));
	must(write(abort_fd, "1", 1) == 1, "aborting FUSE: %s", strerror(errno));
	close(abort_fd);
	close(mount);
	close(context);
}

uint32_t bad_file_n_logged(const struct bad_file *file)
{
	return load(&file->shared->n_logged);
}

struct bad_file_entry bad_file_log(const struct bad_file *file, uint32_t index)
{
	const struct bad_file_entry *entry = &file->shared->log[index];

	must(index < bad_file_n_logged(file), "no request %u", index);
	/* What it says was written before it was answered. */
	if (load(&entry->answered) == 0)
		return (struct bad_file_entry){ .op = entry->op,
						.offset = entry->offset,
						.size = entry->size,
						.came = entry->came };
	return *entry;
}

uint32_t bad_file_n_held(const struct bad_file *file)
{
	return load(&file->shared->n_held);
}

uint8_t *bad_file_bytes(const struct bad_file *file)
{
	return file->shared->bytes;
}
