import NIOConcurrencyHelpers
import Refusals
import Synchronization
import Waiting

/// The memory of all answers that are made and that their clients haven't taken yet, and the room for large ones.
///
/// Whoever takes answers waits for nobody. Where clients leave so many that the limit comes near, each connection gets
/// less room; large answers wait for theirs, and who has taken nothing for a while is closed for them.
final class AnswerMemory: Sendable {
  /// What the memory is given; tests have their own.
  struct Limits: Sendable, Hashable {
    /// How many bytes may be held before large answers wait.
    var bytes = 512 << 20
    /// How much is kept free for a large answer whose size isn't known before it is made.
    var reservation = 32 << 20
    /// How long a large answer waits for room.
    var patience = Duration.seconds(10)
    /// Who has taken nothing for so long is closed where others wait for room.
    var stall = Duration.seconds(10)
  }

  /// From so many bytes on an answer is a large one.
  private static let large = 256 << 10
  /// The same while there is little room.
  private static let largeWhenTight = 16 << 10
  /// How many bytes a connection may have unsent while there is little room.
  static let tightRoom = 64 << 10

  let limits: Limits
  private let held = Atomic<Int>(0)
  private let mostHeld = Atomic<Int>(0)
  private let mostOfConnection = Atomic<Int>(0)
  private let closed = Atomic<Int>(0)
  private let waiting = Atomic<Int>(0)
  /// Methods that have had large answers: a connection that is new to one begins by waiting for its turn.
  private let methods = NIOLockedValueBox<Set<String>>([])
  /// Bytes kept free for large answers that are being made.
  private let reserved = Awaited(0)

  init(limits: Limits = Limits()) {
    self.limits = limits
  }

  /// Bytes of answers that are made and not taken; the most there were; the most that one connection had; how many
  /// large answers wait for room; how many connections were closed since they took nothing.
  var figures: (held: Int, mostHeld: Int, mostOfConnection: Int, waiting: Int, closed: Int) {
    (
      held.load(ordering: .relaxed), mostHeld.load(ordering: .relaxed), mostOfConnection.load(ordering: .relaxed),
      waiting.load(ordering: .relaxed), closed.load(ordering: .relaxed)
    )
  }

  /// Whether clients have left so much that each gets less.
  var isTight: Bool { held.load(ordering: .relaxed) >= limits.bytes / 2 }

  /// From so many bytes on an answer needs room before it is made.
  var largeAnswer: Int { isTight ? Self.largeWhenTight : Self.large }

  /// Notes that a connection holds so many bytes more, or fewer, and how many it then holds in all.
  func changed(by bytes: Int, ofConnection total: Int) {
    let now = held.wrappingAdd(bytes, ordering: .sequentiallyConsistent).newValue
    if bytes > 0 {
      mostHeld.max(now, ordering: .relaxed)
      mostOfConnection.max(total, ordering: .relaxed)
    } else if waiting.load(ordering: .sequentiallyConsistent) > 0 {
      reserved.update { _ in }
    }
  }

  /// The methods that have had large answers.
  var largeMethods: Set<String> { methods.withLockedValue { $0 } }

  /// Notes that a method, one that there is, had a large answer.
  func wasLarge(_ method: String) { methods.withLockedValue { _ = $0.insert(method) } }

  /// Notes that a connection was closed since it took nothing.
  func closedOne() { closed.wrappingAdd(1, ordering: .relaxed) }

  /// Keeps room free for an answer, if there is any; ``release(_:)`` must follow. Where nothing else is held there is
  /// room for any.
  func tryReserve(_ bytes: Int) -> Bool {
    reserved.update { reserved in
      guard hasRoom(bytes, beside: reserved) else { return false }
      reserved += bytes
      return true
    }
  }

  private func hasRoom(_ bytes: Int, beside reserved: Int) -> Bool {
    let taken = held.load(ordering: .sequentiallyConsistent) + reserved
    return taken == 0 || taken + bytes <= limits.bytes
  }

  /// Waits for room.
  /// - Parameter makeRoom: Called from time to time while it waits.
  /// - Throws: ``Refusal`` `overloaded` where there is none in time; `CancellationError`.
  func reserve(_ bytes: Int, makeRoom: @Sendable () -> Void) async throws {
    guard !tryReserve(bytes) else { return }
    waiting.wrappingAdd(1, ordering: .sequentiallyConsistent)
    defer { waiting.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    let end = ContinuousClock.now + limits.patience
    while ContinuousClock.now < end {
      do {
        try await reserved.wait(
          atMost: min(.seconds(1), limits.patience / 10), late: { _ in Late() },
          until: { reserved in self.hasRoom(bytes, beside: reserved) ? .success(()) : nil })
        if tryReserve(bytes) { return }
      } catch is Late {
        makeRoom()
      }
    }
    throw Refusal.overloaded(retryAfterMilliseconds: 1000)
  }

  /// Gives back what was kept free.
  func release(_ bytes: Int) {
    reserved.update { $0 -= bytes }
  }

  private struct Late: Error {}
}
