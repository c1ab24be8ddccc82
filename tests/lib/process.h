/* SPDX-License-Identifier: MIT
 * process.h - what this process has: threads, files, memory; and what it is forbidden.
 * Invariants: none.
 * Threads:    any.
 * Ownership:  none. */
#ifndef IOE_TESTS_PROCESS_H
#define IOE_TESTS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Threads of this process (/proc/self/task): its own, which are all that are not on their way out
 * but the workers of io_uring; those the kernel starts among them, and ends, as it likes. */
uint32_t process_n_threads(void);
uint32_t process_n_io_workers(void);
/* Open file descriptors, the one used for looking not counted. */
uint32_t process_n_fds(void);
/* Resident memory in bytes. */
uint64_t process_resident_bytes(void);
/* Linux AIO contexts' entries of the whole system (/proc/sys/fs/aio-nr). */
uint64_t system_aio_nr(void);
/* CPU time of this process, user and system. */
uint64_t process_cpu_ns(void);
/* CLOCK_MONOTONIC. */
int64_t clock_now_ns(void);

struct thread_info {
	pid_t tid;
	char name[32];
	uint64_t signals_blocked; /* bit n - 1 for signal n */
};

/* The process's own threads: up to n of them are filled in; returns how many there are. */
uint32_t process_threads(struct thread_info *ret_threads, uint32_t n);

/* Wait until the process has exactly n threads of its own again (a joined thread stays visible for
 * a moment); false if that does not come within some seconds. */
bool process_wait_threads(uint32_t n);

/* Wait until a thread of ours sleeps in the kernel (state S of /proc), for some seconds at the
 * most. Tells that it has come as far as it can; never used to make a race come out right. */
bool thread_wait_asleep(pid_t tid);

/* _exit() that keeps what stdio has and, in the coverage build, what has been counted: for children
 * that are not to run what their parent has registered with atexit(). */
void process_exit(int status) __attribute__((noreturn));

/* A number in a variable of the environment; fallback where it is not set, or empty. */
uint64_t process_number(const char *variable, uint64_t fallback);

/* From now on the system calls numbers[0..n) fail with error (a seccomp filter; for good). False:
 * filters cannot be installed here. */
bool process_forbid(int error, const int *numbers, uint32_t n);
/* The same for one system call when its first argument, of 32 bits, is more than max: a kernel that
 * has no room for more. */
bool process_forbid_above(int error, int number, uint32_t max);

/* Users that own nothing and are nobody else here: PROCESS_STRANGERS of them from this one on,
 * since the kernel counts locked memory by user. */
#define PROCESS_STRANGER  64900
#define PROCESS_STRANGERS 600
/* From now on this process is that user, without capabilities and other groups; it cannot lock
 * more memory than lock_bytes_max (RLIMIT_MEMLOCK). Who is not root stays who he is. False: it
 * cannot be done here. */
bool process_become_stranger(uid_t uid, uint64_t lock_bytes_max);

#endif
