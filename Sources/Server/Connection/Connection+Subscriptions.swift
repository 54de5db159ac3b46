import Access
import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import NIOCore
import Protocol
import Queries
import Refusals

extension Connection {
  /// How many subscriptions one connection may have.
  private static let maximumSubscriptions = 64

  /// `log.subscribe`: answers, then tells of events from a position on as the client takes them.
  func subscribe(_ request: Request, _ principal: Principal?, _ reply: Reply) throws {
    guard let principal else { throw Refusal.unauthenticated() }
    var parameters = CallParameters(request.params)
    let from = parameters.integer("from", in: 1...Int64.max).map(UInt64.init) ?? 1
    let wanted = SubscriptionRequest(
      events: parameters.strings("events"), resource: parameters.identifier("resource_id"))
    try parameters.finish()
    guard subscriptions.count < Self.maximumSubscriptions else {
      throw Refusal.tooLarge(
        limit: Int64(Self.maximumSubscriptions),
        "A connection may have at most \(Self.maximumSubscriptions) subscriptions.")
    }
    // Who may read nothing learns it now.
    _ = try services.queries.logFilter(events: wanted.events, resource: wanted.resource, principal: principal)
    nextSubscription += 1
    let id = nextSubscription
    let result: JSONObject = ["position": JSON(position: services.log.head.position), "subscription": .integer(id)]
    reply.succeed(JSON.object(result).canonicalBytes, kind: .server)
    let subscription = Subscription(
      id: id, wanted: wanted, principal: principal, services: services, outbox: outbox)
    services.metrics.subscriptionStarted()
    let eventLoop = eventLoop
    subscriptions[id] = services.connections.spawn {
      await subscription.run(from: from)
      eventLoop.execute {
        self.subscriptions[id] = nil
        self.services.metrics.subscriptionEnded()
        self.pump()
      }
    }
  }

  /// `log.unsubscribe`.
  func unsubscribe(_ request: Request, _ reply: Reply) throws {
    var parameters = CallParameters(request.params)
    let id = parameters.integer("subscription", in: 1...Int64.max)
    if id == nil { parameters.refuse("subscription", "is required") }
    try parameters.finish()
    guard let id, let task = subscriptions[id] else {
      throw Refusal.notFound(type: "subscription", id: id.map(String.init) ?? "")
    }
    task.cancel()
    reply.succeed(Array("{}".utf8), kind: .server)
  }
}

/// What a subscriber wants to hear of.
struct SubscriptionRequest: Sendable {
  let events: [String]?
  let resource: Identifier?
}

/// One subscription: reads the log at the pace of its client, and holds no more than one chunk of it.
struct Subscription: Sendable {
  /// How many records, and about how many bytes, are read at a time.
  private static let chunk = (records: 512, bytes: 256 << 10)

  let id: Int64
  let wanted: SubscriptionRequest
  let principal: Principal
  let services: Services
  let outbox: Outbox

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
        let filter = try services.queries.logFilter(
          events: wanted.events, resource: wanted.resource, principal: current)
        let accepted = try records.filter(filter.accepts)
        next = last.position + 1
        guard !accepted.isEmpty, !Task.isCancelled else { continue }
        outbox.put(answering: 0) { output in
          for record in accepted { write(record, into: &output) }
        }
      }
    } catch is CancellationError {
      // The connection or the client ended it.
    } catch {
      let described = services.describe(error, method: "log.subscribe")
      let params: JSONObject = ["error": described.json, "subscription": .integer(id)]
      outbox.put(answering: 0) { output in
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
