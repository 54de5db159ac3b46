import NIOCore

/// Lets a number of items be under way at once; the others wait in the order in which they came.
struct Lane<Item> {
  private var running = 0
  private var waiting = CircularBuffer<Item>()

  /// Whether nothing is under way, and nothing waits.
  var isIdle: Bool { running == 0 && waiting.isEmpty }

  /// Whether an item waits.
  var isWaiting: Bool { !waiting.isEmpty }

  /// The item that has waited longest.
  var first: Item? { waiting.first }

  /// Whether one more item may be under way.
  func hasRoom(width: Int) -> Bool { running < width }

  /// Takes an item in, behind those that wait.
  mutating func enter(_ item: Item) { waiting.append(item) }

  /// The next item that may start while fewer than `width` are under way; it is under way from now on.
  mutating func start(width: Int) -> Item? {
    guard running < width, let item = waiting.popFirst() else { return nil }
    running += 1
    return item
  }

  /// Notes that so many items aren't under way any more.
  mutating func leave(_ count: Int = 1) { running -= count }

  /// Forgets all items.
  mutating func clear() {
    running = 0
    waiting.removeAll()
  }
}

extension Lane: Equatable where Item: Equatable {}
extension Lane: Hashable where Item: Hashable {}
extension Lane: Sendable where Item: Sendable {}
