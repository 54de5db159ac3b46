#ifndef DAYBOOK_CLMDB_SHIM_H
#define DAYBOOK_CLMDB_SHIM_H
#include <lmdb.h>

/* pipe2(2), which headers show only with _GNU_SOURCE: between pipe(2) and fcntl(2) another thread's fork would take the
   ends along. */
static inline int clmdb_pipe(int ends[2], int flags) {
  extern int pipe2(int ends[2], int flags);
  return pipe2(ends, flags);
}

/* sync_file_range(2), likewise: writes a part of a file to the disk and waits until it is there. */
static inline int clmdb_write_out(int file, long long offset, long long count) {
  extern int sync_file_range(int file, long offset, long count, unsigned int flags);
  return sync_file_range(file, (long)offset, (long)count, 1 | 2 | 4); /* wait before, write, wait after */
}
#endif
