/* SPDX-License-Identifier: MIT
 * test_backends.c - what each backend does with requests, as backend.h promises. */
#include "tests/unit/bench.h"

#include <sys/socket.h>

/* ---- Results ------------------------------------------------------------------------- */

static void write_and_read_back(uint32_t backend, enum place place)
{
	struct bench bench;
	int fd = place_file(place, 1 << 20, BENCH_SEED, 0);
	uint8_t *buffer = aligned_buffer(1 << 16);

	bench_open(&bench, backend, 8, 4);
	/* Twice: from the disk and, where there is one, from the page cache. */
	for (int i = 0; i < 2; i++) {
		check_eq(run_one(&bench, IOE_OP_READ, fd, buffer, 65536, 8192), 65536);
		check_eq(pattern_differs(buffer, 65536, 8192, BENCH_SEED), -1);
	}
	/* Inside and beyond the end. */
	pattern_fill(buffer, 8192, 4096, BENCH_SEED + 1);
	check_eq(run_one(&bench, IOE_OP_WRITE, fd, buffer, 8192, 4096), 8192);
	check_eq(file_differs(fd, 4096, 8192, BENCH_SEED + 1), -1);
	check_eq(file_differs(fd, 12288, 65536, BENCH_SEED), -1);
	check_eq(run_one(&bench, IOE_OP_WRITE, fd, buffer, 8192, (1 << 20) + 4096), 8192);
	check_eq(file_size(fd), (1 << 20) + 12288);
	/* The end of the file. */
	check_sys(ftruncate(fd, 10000));
	check_eq(run_one(&bench, IOE_OP_READ, fd, buffer, 8192, 8192), 10000 - 8192);
	check_eq(run_one(&bench, IOE_OP_READ, fd, buffer, 8192, 16384), 0);
	bench_close(&bench);
	close(fd);
	free(buffer);
}

static void write_and_read_vectors(uint32_t backend, enum place place)
{
	struct bench bench;
	int fd = place_file(place, 1 << 20, BENCH_SEED, 0);
	uint8_t *buffer = aligned_buffer(1 << 16);
	struct iovec iov[3] = { { buffer + 4096, 4096 },
				{ buffer, 4096 },
				{ buffer + 8192, 8192 } };
	struct ioe__request *request;

	bench_open(&bench, backend, 8, 4);
	request = prepare(&bench, 0, IOE_OP_READ, fd, NULL, 16384, 65536);
	request->iov = iov;
	request->n_iov = 3;
	check_eq(run(&bench, 0), 16384);
	check_eq(pattern_differs(buffer + 4096, 4096, 65536, BENCH_SEED), -1);
	check_eq(pattern_differs(buffer, 4096, 69632, BENCH_SEED), -1);
	check_eq(pattern_differs(buffer + 8192, 8192, 73728, BENCH_SEED), -1);
	request = prepare(&bench, 0, IOE_OP_WRITE, fd, NULL, 16384, 131072);
	request->iov = iov;
	request->n_iov = 3;
	check_eq(run(&bench, 0), 16384);
	check_eq(file_differs(fd, 131072, 8192, BENCH_SEED), 131072);
	check_eq(run_one(&bench, IOE_OP_READ, fd, buffer + 16384, 16384, 131072), 16384);
	check_eq(memcmp(buffer + 16384, buffer + 4096, 4096), 0);
	check_eq(memcmp(buffer + 20480, buffer, 4096), 0);
	check_eq(memcmp(buffer + 24576, buffer + 8192, 8192), 0);
	bench_close(&bench);
	close(fd);
	free(buffer);
}

BENCH_TEST(reads_and_writes_move_the_bytes)
{
	write_and_read_back(backend, PLACE_DISK);
	write_and_read_back(backend, PLACE_SHM);
	write_and_read_vectors(backend, PLACE_DISK);
	write_and_read_vectors(backend, PLACE_SHM);
}

BENCH_TEST(direct_reads_and_writes_move_the_bytes)
{
	write_and_read_back(backend, PLACE_DISK_DIRECT);
	write_and_read_vectors(backend, PLACE_DISK_DIRECT);
}

BENCH_TEST(other_operations_end_as_their_system_calls_do)
{
	struct bench bench;
	int fd = place_file(PLACE_DISK, 8192, BENCH_SEED, 0);
	struct ioe__request *request;

	bench_open(&bench, backend, 8, 4);
	check_eq(run_one(&bench, IOE_OP_NOP, -1, NULL, 0, 0), 0);
	check_eq(bench.counters.helped, 0);
	check_eq(run_one(&bench, IOE_OP_FSYNC, fd, NULL, 0, 0), 0);
	check_eq(run_one(&bench, IOE_OP_FDATASYNC, fd, NULL, 0, 0), 0);
	check_eq(run_one(&bench, IOE_OP_FALLOCATE, fd, NULL, 100000, 4096), 0);
	check_eq(file_size(fd), 104096);
	request = prepare(&bench, 0, IOE_OP_FALLOCATE, fd, NULL, 4096, 0);
	request->op_flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	check_eq(run(&bench, 0), 0);
	check_eq(file_differs(fd, 4096, 4096, BENCH_SEED), -1);
	check_eq(file_differs(fd, 0, 4096, BENCH_SEED), 0);
	bench_close(&bench);
	close(fd);
}

static int64_t by_system_call(const struct ioe__request *request)
{
	struct iovec iov = { request->buffer, request->length };

	switch (request->op) {
	case IOE_OP_READ:
		return ioe__preadv2(request->fd, &iov, 1, (int64_t)request->offset, 0);
	case IOE_OP_WRITE:
		return ioe__pwritev2(request->fd, &iov, 1, (int64_t)request->offset, 0);
	case IOE_OP_FSYNC:
		return ioe__fsync(request->fd);
	case IOE_OP_FDATASYNC:
		return ioe__fdatasync(request->fd);
	default:
		return ioe__fallocate(request->fd, (int)request->op_flags, (int64_t)request->offset,
				      (int64_t)request->length);
	}
}

BENCH_TEST(errors_are_those_of_the_system_calls)
{
	struct bench bench;
	int file = place_file(PLACE_DISK, 65536, BENCH_SEED, 0);
	int direct = file_reopen(file, O_RDWR | O_DIRECT);
	int read_only = file_reopen(file, O_RDONLY);
	int write_only = file_reopen(file, O_WRONLY);
	int directory = (int)check_sys(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int proc = (int)check_sys(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
	int full = (int)check_sys(open("/dev/full", O_RDWR | O_CLOEXEC));
	uint8_t *buffer = aligned_buffer(8192);
	int pipe_fds[2];
	struct {
		uint8_t op;
		int fd;
		void *buffer;
		uint64_t length, offset;
	} cases[] = {
		{ IOE_OP_READ, 1 << 20, buffer, 4096, 0 },
		{ IOE_OP_WRITE, 1 << 20, buffer, 4096, 0 },
		{ IOE_OP_FSYNC, 1 << 20, NULL, 0, 0 },
		{ IOE_OP_FDATASYNC, 1 << 20, NULL, 0, 0 },
		{ IOE_OP_FALLOCATE, 1 << 20, NULL, 4096, 0 },
		{ IOE_OP_READ, write_only, buffer, 4096, 0 },
		{ IOE_OP_WRITE, read_only, buffer, 4096, 0 },
		{ IOE_OP_FALLOCATE, read_only, NULL, 4096, 0 },
		{ IOE_OP_READ, directory, buffer, 4096, 0 },
		{ IOE_OP_READ, direct, buffer + 1, 4096, 0 },
		{ IOE_OP_READ, direct, buffer, 4096, 100 },
		{ IOE_OP_WRITE, direct, buffer, 100, 0 },
		{ IOE_OP_WRITE, full, buffer, 4096, 0 },
		{ IOE_OP_READ, file, (void *)(intptr_t)-4096, 4096, 0 },
		{ IOE_OP_WRITE, file, (void *)(intptr_t)-4096, 4096, 0 },
		{ IOE_OP_READ, file, (void *)64, 4096, 0 },
		{ IOE_OP_WRITE, file, (void *)64, 4096, 0 },
		{ IOE_OP_READ, direct, (void *)4096, 4096, 0 },
		{ IOE_OP_READ, file, buffer, 4096, INT64_MAX - 4096 },
		{ IOE_OP_READ, proc, buffer, 10, 0 },
		{ IOE_OP_FSYNC, -1, NULL, 0, 0 }, /* a pipe, below */
		{ IOE_OP_FALLOCATE, -1, NULL, 4096, 0 },
	};

	check_sys(pipe2(pipe_fds, O_CLOEXEC));
	bench_open(&bench, backend, 8, 4);
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = cases[i].fd == -1 ? pipe_fds[1] : cases[i].fd;
		const struct ioe__request *request =
			prepare(&bench, 0, cases[i].op, fd, cases[i].buffer, cases[i].length,
				cases[i].offset);
		int64_t expected = by_system_call(request);
		int64_t result = run(&bench, 0);

		cr_assert(result == expected, "case %u: %lld, not %lld", i, (long long)result,
			  (long long)expected);
	}
	bench_close(&bench);
	free(buffer);
}

/* P19 */
BENCH_TEST(p19_bad_fd_at_each_index_of_a_batch_fails_alone)
{
	struct bench bench;
	uint8_t *buffer = aligned_buffer(8 * BENCH_BLOCK);

	bench_open(&bench, backend, 8, 8);
	for (int place = PLACE_DISK; place <= PLACE_DISK_DIRECT; place++) {
		int fd = place_file((enum place)place, 1 << 20, BENCH_SEED, 0);

		for (uint32_t bad = 0; bad <= 8; bad++) {
			for (uint32_t i = 0; i < 8; i++) {
				prepare(&bench, i, (i + bad) % 2 ? IOE_OP_READ : IOE_OP_WRITE,
					i == bad ? 1 << 20 : fd, buffer + i * BENCH_BLOCK, 4096,
					i * BENCH_BLOCK);
				stage(&bench, i);
			}
			settle(&bench, 8);
			for (uint32_t i = 0; i < 8; i++)
				check_eq(bench.seen[i].result, i == bad ? -EBADF : 4096);
		}
		close(fd);
	}
	bench_close(&bench);
	free(buffer);
}

BENCH_TEST(full_depth_completes_each_once_with_its_generation)
{
	struct bench bench;
	int fd = place_file(PLACE_DISK_DIRECT, 1 << 20, BENCH_SEED, 0);
	uint8_t *buffer = aligned_buffer(BENCH_DEPTH * BENCH_BLOCK);
	uint32_t depth;

	bench_open(&bench, backend, BENCH_DEPTH, BENCH_DEPTH);
	depth = bench.config.ret_depth;
	check_eq(depth, BENCH_DEPTH);
	/* No slot has the same generation as its neighbour. */
	for (uint32_t i = 0; i < depth; i++)
		bench.requests[i].generation = UINT32_MAX - i;
	for (int round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < depth; i++) {
			prepare(&bench, i, IOE_OP_READ, fd, buffer + i * BENCH_BLOCK, 4096,
				((i * 7 + (uint32_t)round) % 256) * BENCH_BLOCK);
			stage(&bench, i);
		}
		settle(&bench, depth);
		for (uint32_t i = 0; i < depth; i++) {
			check_eq(bench.seen[i].result, 4096);
			check_eq(pattern_differs(buffer + i * BENCH_BLOCK, 4096,
						 ((i * 7 + (uint32_t)round) % 256) * BENCH_BLOCK,
						 BENCH_SEED),
				 -1);
		}
	}
	bench_close(&bench);
	close(fd);
	free(buffer);
}

/* ---- Files that cannot seek ---------------------------------------------------------- */

BENCH_TEST(pipe_is_read_and_written_whatever_the_offset)
{
	struct bench bench;
	int fds[2];
	char buffer[16] = "abcdefgh", other[16] = "";

	check_sys(pipe2(fds, O_CLOEXEC));
	bench_open(&bench, backend, 8, 4);
	/* The read is first, and waits. */
	prepare(&bench, 0, IOE_OP_READ, fds[0], other, 16, 1 << 20);
	stage(&bench, 0);
	check_eq(bench.ops->commit(bench.backend, 0), 0);
	prepare(&bench, 1, IOE_OP_WRITE, fds[1], buffer, 8, 4096);
	stage(&bench, 1);
	settle(&bench, 2);
	check_eq(bench.seen[0].result, 8);
	check_eq(bench.seen[1].result, 8);
	check_eq(memcmp(buffer, other, 8), 0);
	check_sys(close(fds[1]));
	check_eq(run_one(&bench, IOE_OP_READ, fds[0], other, 16, 0), 0);
	check_sys(close(fds[0]));
	bench_close(&bench);
}

/* io_uring waits all the same: backend.h says "may". */
BENCH_TEST(pipe_with_o_nonblock_says_eagain)
{
	struct bench bench;
	int fds[2];
	char buffer[16];

	check_sys(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	bench_open(&bench, backend, 8, 4);
	if (backend != IOE_BACKEND_URING)
		check_eq(run_one(&bench, IOE_OP_READ, fds[0], buffer, 16, 0), -EAGAIN);
	check_sys(write(fds[1], "x", 1));
	check_eq(run_one(&bench, IOE_OP_READ, fds[0], buffer, 16, 0), 1);
	bench_close(&bench);
	close(fds[0]);
	close(fds[1]);
}

/* Pipes and a socket at once: the cancelled end, the others go on, many times over. */
/* Whatever completes at once: each request, and with it what its cancel says of itself. */
BENCH_TEST(cancel_of_everything_overflows_no_queue)
{
	enum { N = 14 };
	struct bench bench;
	char buffer[N];
	int fds[2];

	check_sys(pipe2(fds, O_CLOEXEC));
	bench_open(&bench, backend, N, N);
	for (uint32_t i = 0; i < N; i++) {
		prepare(&bench, i, IOE_OP_READ, fds[0], &buffer[i], 1, 0);
		stage(&bench, i);
	}
	check_eq(bench.ops->commit(bench.backend, 0), 0);
	for (uint32_t i = 0; i < N; i++)
		bench.ops->cancel(bench.backend, &bench.requests[i]);
	settle(&bench, N);
	for (uint32_t i = 0; i < N; i++)
		check_eq(bench.seen[i].result, -ECANCELED);
	check_eq(bench.counters.cq_overflows, 0);
	bench_close(&bench);
	close(fds[0]);
	close(fds[1]);
}

BENCH_TEST(cancel_ends_waiting_reads_and_no_others)
{
	enum { N = 4 };
	struct bench bench;
	int fds[N][2];
	char buffer[N];

	for (int i = 0; i < N; i++)
		check_sys(i == 0 ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]) :
				   pipe2(fds[i], O_CLOEXEC));
	bench_open(&bench, backend, 8, N);
	for (uint32_t round = 0; round < (CHECK_SANITIZED ? 300 : 2000); round++) {
		uint32_t n_cancelled = 0;

		for (uint32_t i = 0; i < N; i++) {
			prepare(&bench, i, IOE_OP_READ, fds[i][0], &buffer[i], 1, 0);
			stage(&bench, i);
		}
		check_eq(bench.ops->commit(bench.backend, 0), 0);
		/* Now and then they have come to wait before. */
		if (round % 16 == 0)
			check_eq(bench.ops->commit(bench.backend, IOE__NS_PER_MS), 0);
		for (uint32_t i = 0; i < N; i++) {
			if (!(round & (1U << i)))
				continue;
			bench.ops->cancel(bench.backend, &bench.requests[i]);
			n_cancelled++;
		}
		settle(&bench, n_cancelled);
		for (uint32_t i = 0; i < N; i++)
			if (!(round & (1U << i)))
				check_sys(write(fds[i][1], "x", 1));
		settle(&bench, N - n_cancelled);
		for (uint32_t i = 0; i < N; i++)
			check_eq(bench.seen[i].result, round & (1U << i) ? -ECANCELED : 1);
	}
	bench_close(&bench);
	for (int i = 0; i < N; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

/* A full pipe: a write of more than it holds moves on as the reader reads. */
BENCH_TEST(pipe_write_waits_for_room_and_can_be_cancelled)
{
	enum { SIZE = 1 << 20 };
	struct bench bench;
	int fds[2];
	char *buffer = aligned_buffer(SIZE);
	int64_t held;

	check_sys(pipe2(fds, O_CLOEXEC));
	held = check_sys(fcntl(fds[1], F_GETPIPE_SZ));
	bench_open(&bench, backend, 8, 4);
	for (int64_t left = held; left > 0;) {
		int64_t result = run_one(&bench, IOE_OP_WRITE, fds[1], buffer, (uint64_t)left, 0);

		check_op(result, >, 0);
		left -= result;
	}
	prepare(&bench, 0, IOE_OP_WRITE, fds[1], buffer, SIZE, 0);
	stage(&bench, 0);
	check_eq(bench.ops->commit(bench.backend, IOE__NS_PER_MS), 0);
	check_eq(reap(&bench), 0);
	bench.ops->cancel(bench.backend, &bench.requests[0]);
	settle(&bench, 1);
	check_eq(bench.seen[0].result, -ECANCELED);
	prepare(&bench, 0, IOE_OP_WRITE, fds[1], buffer, 4096, 0);
	stage(&bench, 0);
	check_eq(bench.ops->commit(bench.backend, IOE__NS_PER_MS), 0);
	check_eq(reap(&bench), 0);
	check_eq(read(fds[0], buffer, 8192), 8192);
	settle(&bench, 1);
	check_eq(bench.seen[0].result, 4096);
	bench_close(&bench);
	close(fds[0]);
	close(fds[1]);
	free(buffer);
}

/* ---- Open and close ------------------------------------------------------------------ */

BENCH_TEST(close_leaves_nothing_behind)
{
	struct bench bench;
	int fd = place_file(PLACE_DISK, 65536, BENCH_SEED, 0);
	uint32_t n_fds, n_threads;
	char buffer[100] = "";

	/* Once before counting: a sanitizer starts a thread with our first. */
	bench_open(&bench, backend, 1, 1);
	bench_close(&bench);
	n_fds = process_n_fds();
	n_threads = process_n_threads();
	for (int i = 0; i < 20; i++) {
		bench_open(&bench, backend, 1 + (uint32_t)i, 3);
		check_eq(run_one(&bench, IOE_OP_WRITE, fd, buffer, 100, 0), 100);
		bench.ops->wake(bench.backend);
		bench_close(&bench);
	}
	check_eq(process_n_fds(), n_fds);
	cr_assert(process_wait_threads(n_threads));
	close(fd);
}
