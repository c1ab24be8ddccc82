/* SPDX-License-Identifier: MIT
 * slow_file.c - a file whose latency is known: a file system (FUSE) with one file in it, `file`,
 *               for the scripts in this folder.
 *     slow_file FOLDER BYTES LATENCY_US [LATENCY_US PERCENT] [stall STALL_MS PERIOD_MS]
 * A read, write or sync is answered LATENCY_US after it came; PERCENT of them after the second
 * LATENCY_US instead, in a fixed order. What comes within the first STALL_MS of a period, counted
 * from the start of the program, is answered when these are over, and its latency after that.
 * Runs until it is told to end (SIGTERM), then unmounts.
 * Invariants: any number of requests wait at the same time; each is answered at its own time.
 * Threads:    one takes requests, one answers them; what waits is under lock.
 * Ownership:  the file is memory of this process. */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { FILE_INODE = 2, WAITING_MAX = 1 << 16 };

struct request {
	fuse_req_t req;
	uint64_t due_ns;
	const char *data; /* of a read */
	size_t bytes;     /* of a read or write; 0: a sync */
};

static struct {
	char *bytes;
	uint64_t size;
	uint64_t start_ns;
	uint64_t latency_ns[2];
	uint64_t percent; /* that have the second latency */
	uint64_t stall_ns;
	uint64_t period_ns;
	uint64_t n_came;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct request heap[WAITING_MAX]; /* the first one is due first */
	uint32_t n_waiting;
} slow;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void swap(uint32_t a, uint32_t b)
{
	struct request request = slow.heap[a];

	slow.heap[a] = slow.heap[b];
	slow.heap[b] = request;
}

static void push(const struct request *request)
{
	uint32_t i = slow.n_waiting++;

	if (i == WAITING_MAX)
		abort();
	slow.heap[i] = *request;
	for (; i && slow.heap[(i - 1) / 2].due_ns > slow.heap[i].due_ns; i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static struct request pop(void)
{
	struct request first = slow.heap[0];

	slow.heap[0] = slow.heap[--slow.n_waiting];
	for (uint32_t i = 0, child; (child = 2 * i + 1) < slow.n_waiting; i = child) {
		if (child + 1 < slow.n_waiting &&
		    slow.heap[child + 1].due_ns < slow.heap[child].due_ns)
			child++;
		if (slow.heap[i].due_ns <= slow.heap[child].due_ns)
			break;
		swap(i, child);
	}
	return first;
}

/* Begin to wait. */
static void come(fuse_req_t req, const char *data, size_t bytes)
{
	struct request request = { .req = req, .data = data, .bytes = bytes };
	const uint64_t now = now_ns();
	uint64_t from = now, n;

	if (slow.period_ns && (now - slow.start_ns) % slow.period_ns < slow.stall_ns)
		from = now - (now - slow.start_ns) % slow.period_ns + slow.stall_ns;
	pthread_mutex_lock(&slow.lock);
	n = slow.n_came++;
	/* 37 has no divisor in common with 100: of every 100 in a row, percent. */
	request.due_ns = from + slow.latency_ns[n * 37 % 100 < slow.percent];
	push(&request);
	pthread_cond_signal(&slow.changed);
	pthread_mutex_unlock(&slow.lock);
}

static void answer(const struct request *request)
{
	if (request->data)
		fuse_reply_buf(request->req, request->data, request->bytes);
	else if (request->bytes)
		fuse_reply_write(request->req, request->bytes);
	else
		fuse_reply_err(request->req, 0);
}

static void *answer_all(void *arg)
{
	(void)arg;
	/* The default slack of 50 us would be part of every latency. */
	prctl(PR_SET_TIMERSLACK, 1);
	pthread_mutex_lock(&slow.lock);
	for (;;) {
		struct request first;
		uint64_t due;

		if (!slow.n_waiting) {
			pthread_cond_wait(&slow.changed, &slow.lock);
			continue;
		}
		due = slow.heap[0].due_ns;
		if (due > now_ns()) {
			struct timespec until = { (time_t)(due / 1000000000u),
						  (long)(due % 1000000000u) };

			pthread_cond_timedwait(&slow.changed, &slow.lock, &until);
			continue;
		}
		first = pop();
		pthread_mutex_unlock(&slow.lock);
		answer(&first);
		pthread_mutex_lock(&slow.lock);
	}
	return NULL;
}

/* ---- Operations -------------------------------------------------------------------------- */

static void on_init(void *data, struct fuse_conn_info *connection)
{
	(void)data;
	/* As many as may be under way. */
	connection->max_background = 65535;
	connection->congestion_threshold = 65535;
	connection->want |= connection->capable & FUSE_CAP_ASYNC_DIO;
}

static struct stat stat_of(fuse_ino_t inode)
{
	struct stat st = { .st_ino = inode };

	if (inode == FUSE_ROOT_ID) {
		st.st_mode = S_IFDIR | 0755;
		st.st_nlink = 2;
	} else {
		st.st_mode = S_IFREG | 0644;
		st.st_nlink = 1;
		st.st_size = (off_t)slow.size;
		st.st_blocks = (blkcnt_t)(slow.size / 512);
		st.st_blksize = 4096;
	}
	return st;
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = FILE_INODE,
					  .attr_timeout = 3600,
					  .entry_timeout = 3600,
					  .attr = stat_of(FILE_INODE) };

	if (parent == FUSE_ROOT_ID && !strcmp(name, "file"))
		fuse_reply_entry(req, &entry);
	else
		fuse_reply_err(req, ENOENT);
}

static void on_getattr(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct stat st = stat_of(inode);

	(void)info;
	fuse_reply_attr(req, &st, 3600);
}

static void on_open(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *info)
{
	if (inode == FILE_INODE)
		fuse_reply_open(req, info);
	else
		fuse_reply_err(req, EISDIR);
}

static void on_read(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
		    struct fuse_file_info *info)
{
	const uint64_t at = (uint64_t)offset < slow.size ? (uint64_t)offset : slow.size;

	(void)inode;
	(void)info;
	come(req, slow.bytes + at, size < slow.size - at ? size : slow.size - at);
}

static void on_write(fuse_req_t req, fuse_ino_t inode, const char *data, size_t size, off_t offset,
		     struct fuse_file_info *info)
{
	(void)inode;
	(void)info;
	if ((uint64_t)offset + size > slow.size) {
		fuse_reply_err(req, EFBIG);
		return;
	}
	memcpy(slow.bytes + offset, data, size);
	come(req, NULL, size);
}

static void on_fsync(fuse_req_t req, fuse_ino_t inode, int is_data, struct fuse_file_info *info)
{
	(void)inode;
	(void)is_data;
	(void)info;
	come(req, NULL, 0);
}

static const struct fuse_lowlevel_ops operations = {
	.init = on_init,
	.lookup = on_lookup,
	.getattr = on_getattr,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.fsync = on_fsync,
};

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "slow_file: '%s' is no number\n", text);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv)
{
	int i = 4;

	if (argc < 4) {
		fprintf(stderr, "usage: slow_file FOLDER BYTES LATENCY_US [LATENCY_US PERCENT] "
				"[stall STALL_MS PERIOD_MS]\n");
		exit(2);
	}
	slow.size = number(argv[2]);
	slow.latency_ns[0] = number(argv[3]) * 1000;
	if (argc > i + 1 && strcmp(argv[i], "stall") != 0) {
		slow.latency_ns[1] = number(argv[i]) * 1000;
		slow.percent = number(argv[i + 1]);
		i += 2;
	}
	if (argc > i + 2 && !strcmp(argv[i], "stall")) {
		slow.stall_ns = number(argv[i + 1]) * 1000000;
		slow.period_ns = number(argv[i + 2]) * 1000000;
	}
}

int main(int argc, char **argv)
{
	char name[] = "-ofsname=slow_file";
	char *fuse_argv[] = { argv[0], name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, fuse_argv);
	struct fuse_session *session;
	pthread_condattr_t monotonic;
	pthread_t answerer;
	int rc = 1;

	parse(argc, argv);
	slow.bytes =
		mmap(NULL, slow.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slow.bytes == MAP_FAILED)
		return 1;
	pthread_mutex_init(&slow.lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&slow.changed, &monotonic);
	slow.start_ns = now_ns();
	session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (session && !fuse_set_signal_handlers(session) &&
	    !fuse_session_mount(session, argv[1])) {
		if (!pthread_create(&answerer, NULL, answer_all, NULL))
			rc = fuse_session_loop(session) < 0;
		fuse_session_unmount(session);
	}
	return rc;
}
