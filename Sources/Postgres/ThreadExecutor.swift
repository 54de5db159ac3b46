import Glibc
import NIOConcurrencyHelpers

/// A serial executor with one thread of its own, so that what an actor on it does may block without taking a thread
/// from Swift's pool. The thread ends after ``stop()``.
///
/// Unchecked Sendable: `jobs` and `isStopped` are touched only while `state` is locked.
final class ThreadExecutor: SerialExecutor, @unchecked Sendable {
  private enum Work: Equatable { case none, some }
  private let state = ConditionLock(value: Work.none)
  private var jobs: [UnownedJob] = []
  private var isStopped = false

  /// Starts the thread.
  /// - Throws: `connectionFailed` if the system allows no further thread.
  init() throws(PostgresError) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let retained = Unmanaged.passRetained(self)
    let failure = pthread_create(
      &thread, &attributes,
      { argument in
        if let argument { Unmanaged<ThreadExecutor>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, retained.toOpaque())
    guard failure == 0 else {
      retained.release()
      throw PostgresError(
        .connectionFailed, message: "no thread for a connection: \(String(cString: strerror(failure)))")
    }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    state.lock()
    jobs.append(job)
    state.unlock(withValue: .some)
  }

  /// Ends the thread once what is enqueued has run. Nothing may be enqueued afterwards.
  func stop() {
    state.lock()
    isStopped = true
    state.unlock(withValue: .some)
  }

  private func run() {
    let executor = asUnownedSerialExecutor()
    while true {
      state.lock(whenValue: .some)
      let batch = jobs
      let isLast = isStopped
      jobs.removeAll()
      state.unlock(withValue: .none)
      for job in batch { job.runSynchronously(on: executor) }
      if isLast { return }
    }
  }
}
