import CanonicalJSON
import Catalog
import Dispatch
import Metrics
import Refusals
import Synchronization

/// What the server counts: read by `server.metrics` and `GET /metrics`, written from any thread. Counting takes no lock
/// and no memory.
final class ServerMetrics: Sendable {
  /// The kinds of call that are told apart.
  enum Kind: Sendable, CaseIterable {
    case command, query, server
  }

  /// How calls of one kind went.
  final class Calls: Sendable {
    let times = Histogram(bounds: Histogram.callBounds)
    fileprivate let refused = Atomic<UInt64>(0)
  }

  private static let codes = Refusal.Code.allCases
  private static let routes = HTTPRoute.allCases
  /// Why calls are refused with `conflict`, as ``Refusal/conflict(reason:_:_:)`` lists it.
  static let conflicts = ["version", "unique", "taken", "state", "reference", "command"]

  let commands = Calls()
  let queries = Calls()
  let others = Calls()
  /// Of each method, by its number: how many calls were answered, and how many refused.
  private let methods: AtomicCounters
  private let bytesRead = Atomic<UInt64>(0)
  private let bytesWritten = Atomic<UInt64>(0)
  private let connectionsOpen = Atomic<Int>(0)
  private let connectionsTotal = Atomic<UInt64>(0)
  private let connectionsRefused = Atomic<UInt64>(0)
  private let signInsAccepted = Atomic<UInt64>(0)
  private let signInsRefused = Atomic<UInt64>(0)
  private let subscriptions = Atomic<Int>(0)
  /// Of each code, in its order.
  private let refusals = AtomicCounters(count: Refusal.Code.allCases.count)
  /// Of each reason of ``conflicts``.
  private let conflicts = AtomicCounters(count: ServerMetrics.conflicts.count)
  /// Of each route and status.
  private let responses = AtomicCounters(count: (HTTPRoute.allCases.count + 1) * ServerMetrics.statuses.count)
  private static let statuses = 100..<600

  /// - Parameter methods: How many there are.
  init(methods count: Int) {
    methods = AtomicCounters(count: 2 * count)
  }

  func answered(_ kind: Kind, _ method: Int?, since start: UInt64, isRefused: Bool) {
    let duration = DispatchTime.now().uptimeNanoseconds &- start
    let calls = calls(of: kind)
    calls.times.record(nanoseconds: duration)
    if isRefused { calls.refused.wrappingAdd(1, ordering: .relaxed) }
    if let method { methods.add(at: 2 * method + (isRefused ? 1 : 0)) }
  }

  /// Counts a refusal by its code, and a conflict by its reason.
  func refused(_ refusal: Refusal) {
    refusals.add(at: Self.index(of: refusal.code))
    guard refusal.code == .conflict, let reason = refusal.data["reason"]?.stringValue else { return }
    if let index = Self.conflicts.firstIndex(of: reason) { conflicts.add(at: index) }
  }

  /// Counts an answer over HTTP; the route is nil where the request had none.
  func responded(_ route: HTTPRoute?, status: Int) {
    guard Self.statuses.contains(status) else { return }
    responses.add(at: Self.index(of: route, status))
  }

  func read(bytes: Int) { bytesRead.wrappingAdd(UInt64(bytes), ordering: .relaxed) }
  func wrote(bytes: Int) { bytesWritten.wrappingAdd(UInt64(bytes), ordering: .relaxed) }
  func signedIn() { signInsAccepted.wrappingAdd(1, ordering: .relaxed) }
  func signInRefused() { signInsRefused.wrappingAdd(1, ordering: .relaxed) }
  func subscriptionStarted() { subscriptions.wrappingAdd(1, ordering: .relaxed) }
  func subscriptionEnded() { subscriptions.wrappingSubtract(1, ordering: .relaxed) }
  func connectionRefused() { connectionsRefused.wrappingAdd(1, ordering: .relaxed) }
  func connectionClosed() { connectionsOpen.wrappingSubtract(1, ordering: .relaxed) }
  func connectionOpened() {
    connectionsOpen.wrappingAdd(1, ordering: .relaxed)
    connectionsTotal.wrappingAdd(1, ordering: .relaxed)
  }

  // MARK: Reading

  /// Figures that are one number each.
  struct Figures: Sendable {
    let bytesRead: UInt64
    let bytesWritten: UInt64
    let connections: Int
    let connectionsOpened: UInt64
    let connectionsRefused: UInt64
    let signInsAccepted: UInt64
    let signInsRefused: UInt64
    let subscriptions: Int
  }

  /// What they are now.
  var figures: Figures {
    Figures(
      bytesRead: bytesRead.load(ordering: .relaxed), bytesWritten: bytesWritten.load(ordering: .relaxed),
      connections: connectionsOpen.load(ordering: .relaxed),
      connectionsOpened: connectionsTotal.load(ordering: .relaxed),
      connectionsRefused: connectionsRefused.load(ordering: .relaxed),
      signInsAccepted: signInsAccepted.load(ordering: .relaxed),
      signInsRefused: signInsRefused.load(ordering: .relaxed),
      subscriptions: subscriptions.load(ordering: .relaxed))
  }

  /// How calls of a kind went.
  func calls(of kind: Kind) -> Calls {
    switch kind {
    case .command: commands
    case .query: queries
    case .server: others
    }
  }

  /// How many calls of a method, by its number, were answered and refused.
  func calls(ofMethod number: Int) -> (accepted: UInt64, refused: UInt64) {
    (methods[2 * number], methods[2 * number + 1])
  }

  /// How many calls were refused with a code.
  func refusals(_ code: Refusal.Code) -> UInt64 { refusals[Self.index(of: code)] }

  /// How many conflicts had a reason of ``conflicts``.
  func conflicts(at index: Int) -> UInt64 { conflicts[index] }

  /// The answers over HTTP that there were, with how many; the route is nil for requests that had none.
  var httpResponses: [(route: HTTPRoute?, status: Int, count: UInt64)] {
    (HTTPRoute.allCases.map(Optional.some) + [nil]).flatMap { route in
      Self.statuses.compactMap { status in
        let count = responses[Self.index(of: route, status)]
        return count > 0 ? (route, status, count) : nil
      }
    }
  }

  private static func index(of code: Refusal.Code) -> Int {
    codes.firstIndex(of: code) ?? 0
  }

  private static func index(of route: HTTPRoute?, _ status: Int) -> Int {
    let row = route.map(\.rawValue) ?? routes.count
    return row * statuses.count + status - statuses.lowerBound
  }

  /// All of it, with the methods of the table that it counts. Durations are in seconds, sizes in bytes.
  func json(of table: MethodTable) -> JSONObject {
    let figures = figures
    let refused = Refusal.Code.allCases.compactMap { code -> (key: String, value: JSON)? in
      let count = refusals(code)
      return count > 0 ? (code.rawValue, Self.count(count)) : nil
    }
    let asked = table.numbered.compactMap { method -> (key: String, value: JSON)? in
      guard case .query = method.entry else { return nil }
      let calls = calls(ofMethod: method.number)
      let count = calls.accepted + calls.refused
      return count > 0 ? (method.entry.signature.name, Self.count(count)) : nil
    }
    return [
      "bytes_read": Self.count(figures.bytesRead),
      "bytes_written": Self.count(figures.bytesWritten),
      "commands": commands.json,
      "connections": [
        "open": .integer(Int64(figures.connections)),
        "refused": Self.count(figures.connectionsRefused),
        "total": Self.count(figures.connectionsOpened),
      ],
      "queries": queries.json,
      "queries_by_method": .object(JSONObject(members: asked)),
      "refusals_by_type": .object(JSONObject(members: refused)),
      "server_calls": others.json,
      "sign_ins_refused": Self.count(figures.signInsRefused),
      "subscriptions": .integer(Int64(figures.subscriptions)),
    ]
  }

  fileprivate static func count(_ value: UInt64) -> JSON { .integer(Int64(clamping: value)) }
}

extension ServerMetrics.Calls {
  fileprivate var json: JSON {
    let taken = times.snapshot
    var buckets: [JSON] = []
    var seen: UInt64 = 0
    for (bound, count) in zip(taken.bounds, taken.counts) where count > 0 {
      seen += count
      buckets.append(["count": ServerMetrics.count(seen), "below_seconds": JSON(finite: Double(bound) / 1e9) ?? .null])
    }
    return [
      "count": ServerMetrics.count(taken.count),
      "duration_seconds_sum": JSON(finite: Double(taken.nanoseconds) / 1e9) ?? .null,
      "latency": .array(buckets),
      "refused": ServerMetrics.count(refused.load(ordering: .relaxed)),
    ]
  }
}
