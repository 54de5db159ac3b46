import Glibc
import Testing

/// Runs `body` to its end on a thread with a stack of that many bytes; of eight times as many under the address
/// sanitizer, which makes every frame larger.
func onStack(ofBytes size: Int, _ body: @escaping @Sendable () -> Void) {
  final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var attributes = pthread_attr_t()
  #expect(pthread_attr_init(&attributes) == 0)
  let isInstrumented = dlsym(nil, "__asan_init") != nil
  #expect(pthread_attr_setstacksize(&attributes, isInstrumented ? size * 8 : size) == 0)
  defer { pthread_attr_destroy(&attributes) }
  var thread = pthread_t()
  let started = pthread_create(
    &thread, &attributes,
    { argument in
      if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
      return nil
    }, Unmanaged.passRetained(Work(body)).toOpaque())
  #expect(started == 0)
  #expect(pthread_join(thread, nil) == 0)
}
