import Logging

#if canImport(Glibc)
  import Glibc
#endif

/// Ends the process where stopping it in order takes too long, whatever is under way: what was acknowledged is on the
/// disk at any moment.
enum StopDeadline {
  /// How long a stop may take, in seconds.
  static let seconds: UInt32 = 9

  /// Begins to wait, on a thread of its own that nothing else can keep busy.
  /// - Throws: ``ServerStartError`` where there is no room for a thread.
  static func begin(_ logger: Logger) throws(ServerStartError) {
    let logger = Unmanaged.passRetained(Box(logger))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
        sleep(StopDeadline.seconds)
        box.logger.error(
          "stopping in order takes too long: the process ends as it is, and the next start takes its PostgreSQL over")
        _exit(1)
      }, logger.toOpaque())
    guard code == 0 else {
      logger.release()
      throw ServerStartError("Can't start a thread: \(String(cString: strerror(code))).")
    }
    pthread_detach(thread)
  }

  private final class Box: Sendable {
    let logger: Logger
    init(_ logger: Logger) { self.logger = logger }
  }
}
