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

/* Threads of this process (/proc/self/task). */
uint32_t process_n_threads(void);
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

/* The threads of this process: up to n of them are filled in; returns how many there are. */
uint32_t process_threads(struct thread_info *ret_threads, uint32_t n);

/* Wait until the process has exactly n threads again (a joined thread stays visible for a moment);
 * false if that does not come within some seconds. */
bool process_wait_threads(uint32_t n);

/* Wait until a thread of ours sleeps in the kernel (state S of /proc), for some seconds at the
 * most. Tells that it has come as far as it can; never used to make a race come out right. */
bool thread_wait_asleep(pid_t tid);

/* From now on the system calls numbers[0..n) fail with error (a seccomp filter; for good). False:
 * filters cannot be installed here. */
bool process_forbid(int error, const int *numbers, uint32_t n);

#endif
