// What Swift's Glibc module lacks. Only headers that module does not have may be included here;
// everything else is declared by plain types and defined in system.c.
#pragma once
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/// The loop whose thread this is, or null. An opaque thread-local: pthread_self() is declared const
/// and its value may be reused across a suspension.
const void *csystem_current_loop(void);
void csystem_set_current_loop(const void *loop);

/// Gives `take` the Swift jobs that a capturing thread sends to the global pool. They are `take`'s to run.
void csystem_capture_global_jobs(void (*take)(void *job));
void csystem_set_capturing(bool capturing);

/// Processors that this process may run on.
int csystem_processor_count(void);

/// Seconds of processor time that the calling thread has used.
double csystem_thread_cpu_seconds(void);

/// accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC. `address` may be null; `length` is in and out.
int csystem_accept(int listener, void *address, unsigned *length);
