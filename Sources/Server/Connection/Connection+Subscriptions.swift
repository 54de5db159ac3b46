import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Domain
import EventLog
import NIOCore
import Protocol
import Queries
import Refusals

extension Connection {
  /// `log.subscribe`: answers, then tells of events from a position on as the client takes them.
  func subscribe(_ arguments: Arguments, _ principal: Principal, _ reply: Reply) throws {
    let from = arguments.position("from") ?? 1
    guard machine.maySubscribe else {
      let limit = machine.limits.subscriptions
      throw Refusal.tooLarge(limit: Int64(limit), "A connection may have at most \(limit) subscriptions.")
    }
    // Who may read nothing learns it now.
    _ = try services.queries.logFilter(arguments, principal: principal)
    let id = tasks.nextSubscription()
    let result: JSONObject = ["position": JSON(position: services.log.head.position), "subscription": .integer(id)]
    reply.succeed(JSON.object(result).canonicalBytes, kind: .server)
    if http != nil { beginStreaming() }
    let subscription = Subscription(
      id: id, isOverHTTP: http != nil, wanted: arguments, principal: principal, services: services, outbox: outbox,
      caller: RecordedCaller(principal: principal, origin: peer.origin(for: session), accesses: services.accesses))
    services.metrics.subscriptionStarted()
    let eventLoop = eventLoop
    tasks.subscriptions[id] = services.connections.spawn {
      await subscription.run(from: from)
      eventLoop.execute {
        self.tasks.subscriptions[id] = nil
        self.services.metrics.subscriptionEnded()
        self.machine.subscriptionEnded()
        // Over HTTP nothing else comes on this connection.
        if self.http != nil { self.machine.stop() }
        self.proceed()
      }
    }
    machine.subscriptionStarted()
  }

  /// `log.unsubscribe`.
  func unsubscribe(_ id: Int64) throws {
    guard let task = tasks.subscriptions[id] else { throw Refusal.notFound(type: "subscription", id: String(id)) }
    task.cancel()
  }
}

/// One subscription: reads the log at the pace of its client, and holds no more than one chunk of it.
struct Subscription: Sendable {
  /// How many records, and about how many bytes, are read at a time.
  private static let chunk = (records: 512, bytes: 256 << 10)

  let id: Int64
  /// Whether it tells server-sent events instead of notifications.
  let isOverHTTP: Bool
  /// The params of `log.subscribe`: what the subscriber wants to hear of.
  let wanted: Arguments
  let principal: Principal
  let services: Services
  let outbox: Outbox
  let caller: RecordedCaller

  /// Runs until the task is cancelled, the connection ends, or the subscriber may read the log no longer.
  func run(from first: UInt64) async {
    var next = first
    do {
      while await outbox.waitForRoom() {
        let records = try await services.log.records(
          from: next, limit: Self.chunk.records, maximumBytes: Self.chunk.bytes)
        guard let last = records.last else {
          _ = try await services.log.waitForEvents(after: next - 1)
          continue
        }
        // Memberships and keys change while a subscription runs.
        guard let current = try services.engine.refresh(principal) else { throw Refusal.unauthenticated() }
        let filter = try services.queries.logFilter(wanted, principal: current)
        let accepted = try services.log.read { try filter.accepted(records, in: $0) }
        next = last.position + 1
        guard let first = accepted.first, let end = accepted.last, !Task.isCancelled else { continue }
        if filter.isOfWholeLog {
          caller.note(.log(records: accepted.count, first: first.position, last: end.position))
        }
        outbox.put(answering: 0) { output in
          if isOverHTTP {
            EventStream.write(accepted, into: &output)
          } else {
            for record in accepted { write(record, into: &output) }
          }
        }
      }
    } catch is CancellationError {
      // The connection or the client ended it.
    } catch {
      let described = services.describe(error, method: "log.subscribe")
      let params: JSONObject = ["error": described.json, "subscription": .integer(id)]
      outbox.put(answering: 0) { output in
        if isOverHTTP { return EventStream.end(described, into: &output) }
        MessageWriter.writeNotification(
          method: "log.ended", params: JSON.object(params).canonicalBytes, into: &output)
        output.append(UInt8(ascii: "\n"))
      }
    }
  }

  private func write(_ record: LogRecord, into output: inout [UInt8]) {
    output.append(contentsOf: #"{"jsonrpc":"2.0","method":"log.event","params":{"record":"#.utf8)
    QueryEngine.spliced(record, into: &output)
    output.append(contentsOf: #","subscription":"#.utf8)
    JSONText.writeInteger(id, into: &output)
    output.append(contentsOf: "}}\n".utf8)
  }
}
