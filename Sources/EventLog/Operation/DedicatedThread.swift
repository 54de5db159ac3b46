#if canImport(Glibc)
  import Glibc
#endif

/// A thread of its own, joined when its work is over.
final class DedicatedThread: @unchecked Sendable {
  // Invariant behind @unchecked: `handle` is set once in init and read by the one that joins.
  private var handle = pthread_t()

  private final class Work {
    let run: @Sendable () -> Void
    init(run: @escaping @Sendable () -> Void) { self.run = run }
  }

  init(_ run: @escaping @Sendable () -> Void) throws(EventLogError) {
    let work = Unmanaged.passRetained(Work(run: run))
    let code = pthread_create(
      &handle, nil,
      { argument in
        guard let argument else { return nil }
        let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
        work.run()
        return nil
      }, work.toOpaque())
    guard code == 0 else {
      work.release()
      throw EventLogError(.unusable, "Can't start a thread: \(String(cString: strerror(code))).", underlying: code)
    }
  }

  func join() { pthread_join(handle, nil) }
}
