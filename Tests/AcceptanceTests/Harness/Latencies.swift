import CanonicalJSON
import DaybookClient
import Glibc
import NIOConcurrencyHelpers
import TestBasics

/// How long calls took, by name.
struct Latencies: CustomStringConvertible {
  private var all: [(name: String, took: [Duration])] = []

  /// Notes how long a call took.
  mutating func note(_ name: String, _ took: Duration) {
    if let index = all.firstIndex(where: { $0.name == name }) {
      all[index].took.append(took)
    } else {
      all.append((name, [took]))
    }
  }

  /// By name, the time that so many of a hundred calls took at most.
  func percentiles(_ percent: Int) -> [(name: String, took: Duration)] {
    all.map { ($0.name, $0.took.sorted()[($0.took.count * percent - 1) / 100]) }
  }

  var description: String {
    zip(percentiles(50), zip(percentiles(99), percentiles(100))).map { half, rest in
      "\(half.name) \(half.took), p99 \(rest.0.took), worst \(rest.1.took)"
    }.joined(separator: "; ")
  }
}

/// A tenant that goes on with what it does every day while something else is under way, and notes how long it takes.
///
/// It has a thread and a socket of its own: what is under way keeps the test's other threads busy, and a client among
/// them would measure that.
struct Bystander: Sendable {
  private let address: Endpoint
  private let apiKey: JSON
  private let organization: JSON

  init(of server: DaybookProcess, _ tenant: Tenant) async throws {
    address = try await server.tcpAddress()
    apiKey = .string(tenant.apiKey)
    organization = .string(tenant.organization)
  }

  /// Runs the body with this tenant at work beside it, which makes a pipeline, edits and reads it, again and again.
  /// - Returns: How long its calls took.
  /// - Throws: What the body throws, or what any of its calls is refused with.
  func beside(_ body: () async throws -> Void) async throws -> Latencies {
    let isOver = NIOLockedValueBox(false)
    let work = Task { try await blocking { try self.work(until: { isOver.withLockedValue { $0 } }) } }
    do {
      try await body()
    } catch {
      isOver.withLockedValue { $0 = true }
      _ = await work.result
      throw error
    }
    isOver.withLockedValue { $0 = true }
    return try await work.value
  }

  private func work(until isOver: () -> Bool) throws -> Latencies {
    let socket = try RawSocket.connect(to: address)
    defer { socket.close() }
    _ = try socket.callNow("session.open", ["api_key": apiKey])
    var took = Latencies()
    func measured(_ name: String, _ method: String, _ params: JSONObject) throws -> JSON {
      let began = ContinuousClock.now
      let result = try socket.callNow(method, params)
      took.note(name, ContinuousClock.now - began)
      return result
    }
    var round = 0
    while !isOver() {
      round += 1
      let made = try measured(
        "create", "pipeline.create", ["organization_id": organization, "name": .string("beside \(round)")])
      let id = made["id"] ?? .null
      _ = try measured("edit", "pipeline.edit", ["id": id, "description": "edited"])
      _ = try measured("get", "pipeline.get", ["id": id])
      // A tenant at work, and no attack of its own.
      usleep(2000)
    }
    return took
  }
}
