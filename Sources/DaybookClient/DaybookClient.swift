import CanonicalJSON
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
import Protocol

/// A connection to a Daybook server, for any number of tasks at once.
///
/// Calls are pipelined: ``send(_:_:)`` puts a call on the wire in the order of the calls to it and doesn't wait for its
/// answer. The connection isn't made anew when it ends; every call then fails with ``ClientError/closed(_:)``.
public final class DaybookClient: Sendable {
  /// An answer that is on its way.
  public struct Reply: Sendable {
    let future: EventLoopFuture<Response>

    /// Waits for the answer.
    /// - Throws: ``ClientError/remote(_:)`` where the server refused, and others where no answer came.
    public var value: JSON {
      get async throws {
        switch try await future.get().outcome {
        case .success(let result): return result
        case .failure(let error): throw ClientError.remote(error)
        }
      }
    }
  }

  /// What the server tells of itself: `log.event` of subscriptions, `projection.progress`. One consumer at a time.
  public let notifications: NotificationQueue
  private let channel: any Channel
  private let nextIdentifier = NIOLockedValueBox<Int64>(1)

  private init(channel: any Channel, notifications: NotificationQueue) {
    self.channel = channel
    self.notifications = notifications
  }

  /// Connects to a server.
  ///
  /// `certificateAuthorities` is the path of a PEM file that is trusted instead of the system's certificates.
  /// `maximumLine` bounds one answer.
  /// - Throws: ``ClientError/unreachable(_:)``.
  public static func connect(
    to endpoint: Endpoint, certificateAuthorities: String? = nil, maximumLine: Int = 256 << 20,
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) async throws -> DaybookClient {
    let resume = NIOLockedValueBox<(@Sendable () -> Void)?>(nil)
    let notifications = NotificationQueue { resume.withLockedValue { $0 }?() }
    let channel = try await Connector.connect(
      to: endpoint, certificateAuthorities: certificateAuthorities, group: group
    ) { channel in
      let handler = ClientHandler(maximumLine: maximumLine, notifications: notifications)
      try channel.pipeline.syncOperations.addHandler(handler)
      let bound = NIOLoopBound(handler, eventLoop: channel.eventLoop)
      resume.withLockedValue { slot in
        slot = { bound.eventLoop.execute { bound.value.resumeReading() } }
      }
    }
    return DaybookClient(channel: channel, notifications: notifications)
  }

  /// Calls a method and waits for its result.
  /// - Throws: ``ClientError``.
  public func call(_ method: String, _ params: JSONObject = [:]) async throws -> JSON {
    try await send(method, params).value
  }

  /// Puts a call on the wire; its answer is waited for later.
  public func send(_ method: String, _ params: JSONObject = [:]) -> Reply {
    let id = reserve(1)
    var bytes: [UInt8] = []
    MessageWriter.writeRequest(Request(id: RequestID(id), method: method, params: params), into: &bytes)
    let promise = channel.eventLoop.makePromise(of: Response.self)
    write(bytes, .response(id, promise)) { promise.fail($0) }
    return Reply(future: promise.futureResult)
  }

  /// Sends a notification: a call that the server carries out and never answers.
  public func notify(_ method: String, _ params: JSONObject = [:]) {
    var bytes: [UInt8] = []
    MessageWriter.writeRequest(Request(id: nil, method: method, params: params), into: &bytes)
    write(bytes, .nothing) { _ in }
  }

  /// Sends calls as one batch and waits for all of their results, in the order of the calls.
  ///
  /// A batch saves messages; it is no transaction (that is the method `batch.apply`).
  /// - Throws: ``ClientError`` where the batch as a whole wasn't answered.
  public func batch(
    _ calls: [(method: String, params: JSONObject)]
  ) async throws -> [Result<JSON, ClientError>] {
    guard !calls.isEmpty else { return [] }
    let first = reserve(Int64(calls.count))
    var bytes: [UInt8] = [UInt8(ascii: "[")]
    for (index, call) in calls.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      let request = Request(id: RequestID(first + Int64(index)), method: call.method, params: call.params)
      MessageWriter.writeRequest(request, into: &bytes)
    }
    bytes.append(UInt8(ascii: "]"))
    let promise = channel.eventLoop.makePromise(of: [Response].self)
    write(bytes, .batch(Array(first..<first + Int64(calls.count)), promise)) { promise.fail($0) }
    var results: [Result<JSON, ClientError>] = Array(
      repeating: .failure(.malformed("the batch's answer leaves a call out")), count: calls.count)
    for response in try await promise.futureResult.get() {
      guard let id = response.id.value.integerValue, id >= first, id < first + Int64(calls.count) else { continue }
      results[Int(id - first)] = response.outcome.mapError(ClientError.remote)
    }
    return results
  }

  /// When the certificate ends that the server showed, in seconds since 1970; nil without TLS.
  public func certificateEnd() async -> Int64? {
    // There is no TLS handler in a channel without TLS, which is an error there.
    guard let certificate = try? await channel.nioSSL_peerCertificate().get() else { return nil }
    return Int64(certificate.notValidAfter)
  }

  /// Closes the connection; calls that wait fail.
  public func close() async throws {
    do {
      try await channel.close().get()
    } catch ChannelError.alreadyClosed {
      // What the caller wanted is so already.
    }
  }

  private func reserve(_ count: Int64) -> Int64 {
    nextIdentifier.withLockedValue { next in
      defer { next += count }
      return next
    }
  }

  private func write(
    _ message: [UInt8], _ expectation: ClientHandler.Outgoing.Expectation,
    onFailure: @escaping @Sendable (any Error) -> Void
  ) {
    var bytes = channel.allocator.buffer(capacity: message.count + 1)
    bytes.writeBytes(message)
    bytes.writeInteger(UInt8(ascii: "\n"))
    let outgoing = ClientHandler.Outgoing(bytes: bytes, expectation: expectation)
    channel.writeAndFlush(outgoing).whenFailure { error in
      onFailure(error as? ClientError ?? ClientError.closed(String(describing: error)))
    }
  }
}
