#ifndef DAYBOOK_CLMDB_SHIM_H
#define DAYBOOK_CLMDB_SHIM_H
#include <lmdb.h>

/* pipe2(2), which headers show only with _GNU_SOURCE: between pipe(2) and fcntl(2) another thread's fork would take the
   ends along. */
static inline int clmdb_pipe(int ends[2], int flags) {
  extern int pipe2(int ends[2], int flags);
  return pipe2(ends, flags);
}
#endif
