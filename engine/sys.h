/* SPDX-License-Identifier: MIT
 * sys.h - every system call of the engine that libc or liburing do not give in the form we
 *         want, as functions returning >= 0 or -errno; and, in test builds, the seam.
 * Invariants: errno is read here and nowhere else.
 * Threads:    any.
 * Ownership:  none. */
#ifndef IOE_SYS_H
#define IOE_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* An invariant of ours; never a kernel result or a caller's input. Stays on in release. */
void ioe__assert_failed(const char *what, const char *file, int line)
	__attribute__((noreturn, cold));
#define ioe__assert(cond) \
	(__builtin_expect(!(cond), 0) ? ioe__assert_failed(#cond, __FILE__, __LINE__) : (void)0)

#define IOE__CACHE_LINE   64
#define IOE__ALIGNED_LINE __attribute__((aligned(IOE__CACHE_LINE)))

#define IOE__NS_PER_MS INT64_C(1000000)
#define IOE__NS_PER_S  INT64_C(1000000000)

/* The most one read or write moves (MAX_RW_COUNT, include/linux/fs.h): INT_MAX rounded down to a
 * page. It is a multiple of every sector size, so that direct IO stays aligned behind it. */
#define IOE__TRANSFER_MAX UINT64_C(0x7ffff000)

static inline long ioe__sys_result(long ret)
{
	return ret < 0 ? -errno : ret;
}

static inline int64_t ioe__clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * IOE__NS_PER_S + now.tv_nsec;
}

/* Sleep while *word is expected, until a wake or for timeout_ns at most (-1: no limit).
 * 0, -EAGAIN (it is not expected), -EINTR or -ETIMEDOUT. */
static inline int ioe__futex_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
	struct timespec ts = { 0, 0 };

	if (timeout_ns >= 0) {
		ts.tv_sec = (time_t)(timeout_ns / IOE__NS_PER_S);
		ts.tv_nsec = (long)(timeout_ns % IOE__NS_PER_S);
	}
	return (int)ioe__sys_result(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
					    timeout_ns >= 0 ? &ts : NULL, NULL, 0));
}

/* Wake up to n sleepers. The kernel uses the address of a private futex as a name only, so that
 * waking on memory that has been freed since is harmless (sleepers look again anyway). */
static inline void ioe__futex_wake(uint32_t *word, int n)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* As ioe__futex_wait(), but until a wake for one of `bits`. */
static inline int ioe__futex_wait_bits(uint32_t *word, uint32_t expected, int64_t deadline_ns,
				       uint32_t bits)
{
	const struct timespec ts = { .tv_sec = (time_t)(deadline_ns / IOE__NS_PER_S),
				     .tv_nsec = (long)(deadline_ns % IOE__NS_PER_S) };

	return (int)ioe__sys_result(syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
					    expected, deadline_ns != INT64_MAX ? &ts : NULL, NULL,
					    bits));
}

/* Wake everybody who sleeps on the word for one of `bits`. */
static inline void ioe__futex_wake_bits(uint32_t *word, uint32_t bits)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL,
		      bits);
}

static inline int64_t ioe__preadv2(int fd, const struct iovec *iov, uint32_t n_iov, int64_t offset,
				   int rw_flags)
{
	return ioe__sys_result(preadv2(fd, iov, (int)n_iov, offset, rw_flags));
}

static inline int64_t ioe__pwritev2(int fd, const struct iovec *iov, uint32_t n_iov, int64_t offset,
				    int rw_flags)
{
	return ioe__sys_result(pwritev2(fd, iov, (int)n_iov, offset, rw_flags));
}

static inline int ioe__fsync(int fd)
{
	return (int)ioe__sys_result(fsync(fd));
}

static inline int ioe__fdatasync(int fd)
{
	return (int)ioe__sys_result(fdatasync(fd));
}

static inline int ioe__fallocate(int fd, int mode, int64_t offset, int64_t length)
{
	return (int)ioe__sys_result(fallocate(fd, mode, offset, length));
}

/* The flags of an open file (O_DIRECT, O_NONBLOCK, ...). Never keep the answer: fds are reused. */
static inline int ioe__fd_flags(int fd)
{
	return (int)ioe__sys_result(fcntl(fd, F_GETFL));
}

static inline int ioe__poll(struct pollfd *fds, uint32_t n, int timeout_ms)
{
	return (int)ioe__sys_result(poll(fds, n, timeout_ms));
}

static inline int ioe__eventfd_open(void)
{
	return (int)ioe__sys_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/* Make an eventfd readable; it cannot fail but by being readable already. */
static inline void ioe__eventfd_signal(int fd)
{
	const uint64_t one = 1;
	ssize_t ret = write(fd, &one, sizeof(one));

	(void)ret;
}

static inline void ioe__eventfd_clear(int fd)
{
	uint64_t value;
	ssize_t ret = read(fd, &value, sizeof(value));

	(void)ret;
}

static inline void ioe__sleep_ns(int64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / IOE__NS_PER_S),
			       .tv_nsec = (long)(ns % IOE__NS_PER_S) };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static inline void ioe__cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

#ifdef IOE_TEST_SEAM
/* The seam: where tests change what reality cannot be made to do. Not in release builds. All are
 * called on the driver's thread; NULL: nothing is changed. */
struct ioe__backend;
struct ioe__completion;
struct ioe__driver;
struct ioe__request;
struct ioe__seam {
	/* May shorten a request that is about to be given to the backend (read or write of one
	 * buffer: lower request->length). */
	void (*on_stage)(struct ioe__driver *driver, struct ioe__request *request);
	/* The backend is about to ask the kernel to take n requests, in one system call: of how
	 * many it is to be asked, or what it answers (-EAGAIN, -EBUSY, -EINTR) without being
	 * asked. Not called by a backend without such a call. */
	int (*on_submit)(const struct ioe__backend *backend, uint32_t n);
	/* Sees n completions as reaped, in an array with room for more; may change results and
	 * order, add (duplicates, stale ones), and hold some back, if it wakes the backend as long
	 * as it has any: it is called after each commit, n = 0 too. Returns the new number. */
	uint32_t (*on_reap)(struct ioe__driver *driver, struct ioe__completion *completions,
			    uint32_t n, uint32_t room);
};
extern struct ioe__seam ioe__seam;

static inline int ioe__seam_submit(const struct ioe__backend *backend, uint32_t n)
{
	return ioe__seam.on_submit != NULL ? ioe__seam.on_submit(backend, n) : (int)n;
}
#endif

#endif
