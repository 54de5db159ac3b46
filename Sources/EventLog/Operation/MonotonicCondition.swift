#if canImport(Glibc)
  import Glibc
#endif

enum MonotonicCondition {
  /// Makes a condition whose timed waits go by the monotonic clock: a wall clock that is set meanwhile must not hold
  /// anything up.
  static func initialize(_ condition: UnsafeMutablePointer<pthread_cond_t>) {
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }
}
