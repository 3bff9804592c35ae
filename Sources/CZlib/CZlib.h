// zlib, and functions for those of its macros that Swift does not import.
#pragma once
#include <zlib.h>

static inline int omniway_deflateInit2(z_stream *stream, int level, int windowBits, int memLevel) {
    return deflateInit2(stream, level, Z_DEFLATED, windowBits, memLevel, Z_DEFAULT_STRATEGY);
}

static inline int omniway_inflateInit2(z_stream *stream, int windowBits) {
    return inflateInit2(stream, windowBits);
}
