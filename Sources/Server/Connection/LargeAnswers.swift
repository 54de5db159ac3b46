import NIOConcurrencyHelpers
import Waiting

/// The large answers of one connection, which are made one after the other, each once the client takes its answers.
///
/// Nobody knows an answer's size before it is made. So it is made, and looked at: one that turns out to be large while
/// another is on its way is thrown away, and made again when it is its turn. So a connection holds one of them at most,
/// and what waits of it holds nothing.
final class LargeAnswers: Sendable {
  /// What a large answer keeps until it is in the outbox.
  struct Claim: Sendable {
    fileprivate let bytes: Int
  }

  private let turn = FairSemaphore(permits: 1)
  /// Methods whose last answer was large: they wait for their turn at once.
  private let methods: NIOLockedValueBox<Set<String>>
  private let memory: AnswerMemory
  private let outbox: Outbox
  private let makeRoom: @Sendable () -> Void

  /// - Parameter makeRoom: Called from time to time while there is no room.
  init(memory: AnswerMemory, outbox: Outbox, makeRoom: @escaping @Sendable () -> Void) {
    self.memory = memory
    methods = NIOLockedValueBox(memory.largeMethods)
    self.outbox = outbox
    self.makeRoom = makeRoom
  }

  /// Makes an answer. Where it comes with a claim, ``end(_:)`` must follow once it is in the outbox.
  /// - Parameters:
  ///   - method: The name of a method that there is.
  ///   - isRepeatable: Whether it may be made twice.
  /// - Throws: ``Refusal`` `overloaded` where there is no room in time; `CancellationError` where the client has left;
  ///   what `make` throws.
  func make(
    _ method: String, isRepeatable: Bool, _ make: () async throws -> [UInt8]
  ) async throws -> (bytes: [UInt8], claim: Claim?) {
    if !methods.withLockedValue({ $0.contains(method) }) {
      let bytes = try await make()
      guard bytes.count > memory.largeAnswer else { return (bytes, nil) }
      methods.withLockedValue { _ = $0.insert(method) }
      memory.wasLarge(method)
      guard isRepeatable else { return (bytes, nil) }
      if outbox.hasRoom, turn.tryAcquire() {
        if memory.tryReserve(bytes.count) { return (bytes, Claim(bytes: bytes.count)) }
        turn.release()
      }
    }
    let claim = try await waitForTurn()
    do {
      let bytes = try await make()
      if bytes.count <= memory.largeAnswer { methods.withLockedValue { _ = $0.remove(method) } }
      return (bytes, claim)
    } catch {
      end(claim)
      throw error
    }
  }

  private func waitForTurn() async throws -> Claim {
    try await turn.acquire()
    do {
      guard await outbox.waitForRoom() else { throw CancellationError() }
      let bytes = memory.limits.reservation
      try await memory.reserve(bytes, makeRoom: makeRoom)
      return Claim(bytes: bytes)
    } catch {
      turn.release()
      throw error
    }
  }

  /// The answer is in the outbox.
  func end(_ claim: Claim) {
    memory.release(claim.bytes)
    turn.release()
  }
}
