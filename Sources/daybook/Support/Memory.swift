#if canImport(Glibc)
  import Glibc
#endif

/// What this process has in its memory: keys, and values that they opened.
enum Memory {
  /// PR_SET_DUMPABLE of linux/prctl.h.
  private static let setDumpable: CInt = 4

  /// Keeps it from lying in files and logs after a crash, and from other processes of the same user (prctl(2),
  /// PR_SET_DUMPABLE). To be called first, while there is one thread.
  static func keepPrivate() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    // Swift imports no function with a variable number of arguments, such as prctl.
    typealias Control = @convention(c) (CInt, CUnsignedLong, CUnsignedLong, CUnsignedLong, CUnsignedLong) -> CInt
    if let symbol = dlsym(nil, "prctl") {
      _ = unsafeBitCast(symbol, to: Control.self)(setDumpable, 0, 0, 0, 0)
    }
    // The runtime's handlers of fatal signals write registers, and the memory that they point to, to standard error.
    for fatal in [SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP] { signal(fatal, SIG_DFL) }
    // For the processes that this one starts.
    setenv("SWIFT_BACKTRACE", "enable=no", 1)
  }
}
