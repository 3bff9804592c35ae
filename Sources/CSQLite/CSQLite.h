// SQLite, and functions for those of its macros that Swift does not import.
#pragma once
#include <sqlite3.h>

// SQLite copies the bytes before the call returns.
static inline int omniway_sqlite3_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count) {
    return sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}
