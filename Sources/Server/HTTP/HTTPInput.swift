import NIOCore
import NIOHTTP1

/// What was read of an HTTP connection and not taken yet: requests in the order in which they came, each its head
/// first, then its whole body.
///
/// A pure state machine: append what the decoder tells, then take events until there are none. It holds one body of
/// ``maximumBody`` bytes at most, besides what was appended and not yet taken.
struct HTTPInput {
  /// What comes next.
  enum Event {
    /// A request begins. Its body follows, unless ``skipBody()`` is called first.
    case head(HTTPRequestHead)
    /// The whole body of the request that began.
    case body(ByteBuffer)
    /// The body is longer than it may be. Nothing follows.
    case tooLong
    /// What came is no HTTP, for this reason. Nothing follows.
    case malformed(String)
  }

  private enum State {
    case head
    case body(ByteBuffer)
    case skipping
    case ended
  }

  /// How many requests may wait behind the one that is being answered.
  static let maximumWaiting = 256

  /// The greatest length of a body in bytes. A change holds for everything that isn't taken yet.
  var maximumBody = 0

  private var parts = CircularBuffer<HTTPServerRequestPart>()
  private var waiting = 0
  private var fault: String?
  private var state = State.head

  /// Whether something was appended and not taken.
  var hasMore: Bool { !parts.isEmpty || fault != nil }

  /// Whether everything that was appended is taken, and the next thing to come is a request.
  var isBetweenRequests: Bool {
    if case .head = state { !hasMore } else { false }
  }

  /// How many bytes of the body that comes are there.
  var bodyBytes: Int {
    if case .body(let body) = state { body.readableBytes } else { 0 }
  }

  /// Adds what was read.
  mutating func append(_ part: HTTPServerRequestPart) {
    if case .ended = state { return }
    guard fault == nil else { return }
    if case .head = part {
      guard waiting < Self.maximumWaiting else {
        return fail("At most \(Self.maximumWaiting) requests may wait for their answers on one connection.")
      }
      waiting += 1
    }
    parts.append(part)
  }

  /// Notes that what comes now is no HTTP; what came before is still taken.
  mutating func fail(_ sentence: String) {
    if fault == nil { fault = sentence }
  }

  /// The next event, or nil where what was read so far makes none.
  mutating func next() -> Event? {
    while true {
      if case .ended = state { return nil }
      guard let part = parts.popFirst() else {
        guard let fault else { return nil }
        end()
        return .malformed(fault)
      }
      switch (state, part) {
      case (.head, .head(let head)):
        waiting -= 1
        state = .body(ByteBuffer())
        return .head(head)
      case (.body(var body), .body(let more)):
        // Nobody else may hold the buffer, or each piece would copy it.
        state = .skipping
        guard body.readableBytes + more.readableBytes <= maximumBody else {
          end()
          return .tooLong
        }
        if body.readableBytes == 0 { body = more } else { body.writeImmutableBuffer(more) }
        state = .body(body)
      case (.body(let body), .end):
        state = .head
        return .body(body)
      case (.skipping, .end): state = .head
      // The decoder tells a head, pieces of the body, and an end, in this order.
      case (.skipping, _), (.head, _), (.body, .head), (.ended, _): break
      }
    }
  }

  /// The body of the request that began isn't wanted: it is read past.
  mutating func skipBody() {
    if case .body = state { state = .skipping }
  }

  /// Forgets everything that was appended and not taken, and takes nothing more.
  mutating func end() {
    parts.removeAll()
    waiting = 0
    state = .ended
  }
}
