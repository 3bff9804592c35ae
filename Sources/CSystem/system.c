#define _GNU_SOURCE
#include "CSystem.h"
#include <sys/socket.h>

static _Thread_local const void *current_loop;

const void *csystem_current_loop(void) { return current_loop; }
void csystem_set_current_loop(const void *loop) { current_loop = loop; }

int csystem_accept(int listener, void *address, unsigned *length) {
    return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
