// What Swift's Glibc module lacks. Only headers that module does not have may be included here;
// everything else is declared by plain types and defined in system.c.
#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/// The loop whose thread this is, or null. An opaque thread-local: pthread_self() is declared const
/// and its value may be reused across a suspension.
const void *csystem_current_loop(void);
void csystem_set_current_loop(const void *loop);

/// accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC. `address` may be null; `length` is in and out.
int csystem_accept(int listener, void *address, unsigned *length);
