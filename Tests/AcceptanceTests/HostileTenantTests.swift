import CanonicalJSON
import DaybookClient
import Refusals
import TestBasics
import Testing

extension Acceptance {
  /// Whoever has every permission of their own organization, and means harm: the other organizations go on.
  @Suite struct HostileTenantTests {
    @Test(.timeLimit(.minutes(20)), .seeded)
    func `whatever a tenant does with every right of its own, the others' commands and read models go on`() async throws
    {
      try await withServer { server in
        let administrator = try await server.client()
        let tenant = try await Tenant.make(administrator, "quiet")
        let hostile = try await Tenant.make(administrator, "hostile")
        try await administrator.caughtUp()
        let before = try ProcessMemory.anonymous(of: await server.pid)
        let victim = try await server.client(apiKey: tenant.apiKey)
        let marker = "what only the quiet ones know"
        let secret = try await victim.created(
          "pipeline",
          ["organization_id": .string(tenant.organization), "name": "secret", "description": .string(marker)])
        let attacker = HostileTenant(
          server: server, tenant: hostile, foreign: [tenant.organization, tenant.user, secret], seed: try Seeded().seed)
        let attack = Task { await attacker.run() }
        defer { attack.cancel() }

        var late = Duration.zero
        var peak = 0
        let clock = ContinuousClock()
        let began = clock.now
        let took = try await Bystander(of: server, tenant).beside {
          // For its time, and until each of the attack's kinds has got through to something: on a busy machine some
          // take longer than that.
          while true {
            let elapsed = clock.now - began
            if elapsed > (isThorough ? .seconds(600) : .seconds(12)) {
              let silent = await attacker.ledger.silent(of: HostileTenant.actors.map(\.name))
              if silent.isEmpty || elapsed > .seconds(900) { break }
            }
            let id = try await victim.created(
              "pipeline", ["organization_id": .string(tenant.organization), "name": "read your writes"])
            let answer = try await victim.call("pipeline.edit", ["id": .string(id), "description": "edited"])
            let position = try #require(answer["position"]?.integerValue)
            let asked = clock.now
            let listed = try await victim.call(
              "pipeline.list",
              ["where": ["id": .string(id)], "at_least": .integer(position), "timeout_ms": 60_000])
            late = max(late, clock.now - asked)
            #expect(listed["items"]?.arrayValue?.first?["description"] == "edited")
            peak = max(peak, try ProcessMemory.anonymous(of: await server.pid))
            try await Task.sleep(for: .milliseconds(100))
          }
        }
        attack.cancel()
        await attacker.connections.closeAll()
        await attack.value
        let done = await attacker.ledger.done
        print("hostile tenant: \(done.canonicalString)")
        print("others: \(took), read models late by \(late) at most, memory \(before >> 20) -> \(peak >> 20) MiB")

        // The goal is 100 ms, of a release build on a quiet machine. In every run it is a debug build on a busy one,
        // where the middle one tells: it was at 2.7 s before tenants took turns.
        for (name, half) in took.percentiles(50) { #expect(half < .seconds(1), "\(name): p50 \(half)") }
        for (name, worst) in took.percentiles(99) {
          #expect(worst < (isThorough ? .milliseconds(100) : .seconds(20)), "\(name): p99 \(worst)")
        }
        #expect(late < (isThorough ? .seconds(5) : .seconds(30)))
        #expect(peak < 512 << 20, "\(peak >> 20) MiB of memory of its own")
        #expect(await attacker.ledger.leaks(of: marker) == [])
        let silent = await attacker.ledger.silent(of: HostileTenant.actors.map(\.name))
        #expect(silent == [], "they never got through to anything")
        let items = try #require(try await administrator.call("projection.status")["items"]?.arrayValue)
        #expect(items.allSatisfy { $0["state"] != "parked" }, "\(items.map(\.canonicalString))")
        #expect(try await server.terminate() == .code(0))
      }
    }
  }
}

/// Somebody who has a key with every permission, and does what costs most.
private struct HostileTenant: Sendable {
  /// What came back, over all connections.
  actor Ledger {
    private var answered: [(name: String, answered: Int64, refused: [JSON: Int64])] = []
    private var answers: [String] = []

    func note(_ name: String, _ outcome: Result<JSON, ReceivedRefusal>) {
      let index = answered.firstIndex { $0.name == name } ?? answered.count
      if index == answered.count { answered.append((name, 0, [:])) }
      switch outcome {
      case .success(let answer):
        answered[index].answered += 1
        keep(answer)
      case .failure(let refusal):
        answered[index].refused[.string(refusal.code.map { "\($0)" } ?? "unknown"), default: 0] += 1
      }
    }

    /// What reads of foreign things answered, as far as it is short enough to be looked at.
    private func keep(_ answer: JSON) {
      let text = answer.canonicalString
      if text.utf8.count < 100_000, answers.count < 20_000 { answers.append(text) }
    }

    func leaks(of marker: String) -> [String] { answers.filter { $0.contains(marker) } }

    /// Those of the names of which no call was answered yet.
    func silent(of names: [String]) -> [String] {
      names.filter { name in !answered.contains { $0.name == name && $0.answered > 0 } }
    }

    /// By actor, how many calls were answered, and refused by code.
    var done: JSON {
      var all: JSONObject = [:]
      for actor in answered {
        var counts: JSONObject = ["answered": .integer(actor.answered)]
        for (code, count) in actor.refused { counts[code.stringValue ?? ""] = .integer(count) }
        all[actor.name] = .object(counts)
      }
      return .object(all)
    }
  }

  /// The connections that are open: closing them ends what waits for an answer.
  actor Connections {
    private var open: [DaybookClient] = []
    private var isOver = false

    func add(_ client: DaybookClient) async throws {
      guard !isOver else {
        try await client.close()
        throw CancellationError()
      }
      open.append(client)
    }

    func closeAll() async {
      isOver = true
      for client in open { try? await client.close() }
      open = []
    }
  }

  struct Actor: Sendable {
    let name: String
    let act: @Sendable (HostileTenant, DaybookClient, inout Seeded) async throws -> Void
  }

  let server: DaybookProcess
  let tenant: Tenant
  let foreign: [String]
  let seed: UInt64
  let ledger = Ledger()
  let connections = Connections()
  /// How large the attack is: in every run, a tenth of what a line, a batch and an answer may be.
  private let size = isThorough ? 1 : 10
  private var organization: JSON { .string(tenant.organization) }

  static let actors: [Actor] = [
    Actor(name: "batches") { try await $0.batches($1, &$2) },
    Actor(name: "large edits") { try await $0.largeEdits($1, &$2) },
    Actor(name: "rollbacks") { try await $0.rollbacks($1, &$2) },
    Actor(name: "measures") { try await $0.measures($1, &$2) },
    Actor(name: "deep pipelining") { try await $0.pipelined($1, &$2) },
    Actor(name: "lists") { try await $0.lists($1, &$2) },
    Actor(name: "unknown names") { try await $0.unknownNames($1, &$2) },
    Actor(name: "wide lineage") { try await $0.wideLineage($1, &$2) },
    Actor(name: "cascades") { try await $0.cascades($1, &$2) },
    Actor(name: "foreign reads") { try await $0.foreignReads($1, &$2) },
    Actor(name: "unread answers") { try await $0.unreadAnswers($1, &$2) },
  ]

  /// Goes on until the task is cancelled.
  func run() async {
    await withTaskGroup(of: Void.self) { group in
      for (number, actor) in Self.actors.enumerated() {
        group.addTask {
          var random = Seeded(seed: seed &+ UInt64(number))
          while !Task.isCancelled {
            do {
              let client = try await server.client(apiKey: tenant.apiKey)
              try await connections.add(client)
              while !Task.isCancelled { try await actor.act(self, client, &random) }
              try await client.close()
            } catch {
              // Cut off, or refused a connection: comes again.
              try? await Task.sleep(for: .milliseconds(50))
            }
          }
        }
      }
    }
  }

  /// Calls, and notes what came back; throws where the connection is gone.
  @discardableResult
  private func tell(_ name: String, _ reply: DaybookClient.Reply) async throws -> JSON? {
    do {
      let answer = try await reply.value
      await ledger.note(name, .success(answer))
      return answer
    } catch ClientError.remote(let refusal) {
      await ledger.note(name, .failure(refusal))
      return nil
    }
  }

  private func creation(_ name: String) -> JSONObject { ["organization_id": organization, "name": .string(name)] }

  private func batches(_ client: DaybookClient, _ random: inout Seeded) async throws {
    let count = max(10, ([10, 1000, 3000, 10_000].randomElement(using: &random) ?? 1) / size)
    let commands = (0..<count).map { index -> JSON in
      ["method": "pipeline.create", "params": .object(creation("batch \(index)"))]
    }
    try await tell("batches", client.send("batch.apply", ["commands": .array(commands)]))
  }

  /// A value of about so many bytes.
  private func large(_ bytes: Int, _ random: inout Seeded) -> JSON {
    let words = (0..<bytes / 20 / size).map { JSON.string("\($0) \(random.next(upperBound: UInt64(1_000_000_000)))") }
    return ["words": .array(words)]
  }

  private func largeEdits(_ client: DaybookClient, _ random: inout Seeded) async throws {
    guard let id = try await tell("large edits", client.send("pipeline.create", creation("large")))?["id"] else {
      return
    }
    for _ in 0..<8 {
      let bytes = [1_900_000, 300_000].randomElement(using: &random) ?? 1
      try await tell("large edits", client.send("pipeline.edit", ["id": id, "config": large(bytes, &random)]))
    }
  }

  private func rollbacks(_ client: DaybookClient, _ random: inout Seeded) async throws {
    guard let id = try await tell("rollbacks", client.send("pipeline.create", creation("rollback")))?["id"] else {
      return
    }
    for _ in 0..<3 {
      try await tell("rollbacks", client.send("pipeline.edit", ["id": id, "config": large(900_000, &random)]))
    }
    let replies = (0..<40).map { client.send("pipeline.rollback", ["id": id, "to_version": .integer($0 % 3 + 1)]) }
    for reply in replies { try await tell("rollbacks", reply) }
  }

  private func measures(_ client: DaybookClient, _ random: inout Seeded) async throws {
    let id = try await tell("measures", client.send("pipeline.create", creation("measured")))?["id"]
    guard let id else { return }
    let rules = (0..<400 / size).map { index in
      client.send(
        "alert_rule.create",
        [
          "organization_id": organization, "name": .string("rule \(index)"), "pipeline_id": id,
          "metric": "rows_input", "threshold": .integer(Int64(index)), "operator": "gte", "severity": "high",
          "cooldown_minutes": 0,
        ])
    }
    for rule in rules { try await tell("measures", rule) }
    guard let run = try await tell("measures", client.send("run.start", ["pipeline_id": id]))?["id"] else { return }
    let sent = (0..<50).map { index in
      client.send("run.measure", ["id": run, "node_id": .string("n\(index)"), "rows_input": 1000])
    }
    for reply in sent { try await tell("measures", reply) }
    let asked = (0..<50).map { _ in
      client.send(
        "alert_rule.evaluate",
        ["organization_id": organization, "pipeline_id": id, "metric": "rows_input", "value": 1_000_000])
    }
    for reply in asked { try await tell("measures", reply) }
  }

  private func pipelined(_ client: DaybookClient, _ random: inout Seeded) async throws {
    guard let id = try await tell("deep pipelining", client.send("pipeline.create", creation("deep")))?["id"] else {
      return
    }
    let replies = (0..<512 / size).map {
      client.send("pipeline.edit", ["id": id, "description": .string("edit \($0)")])
    }
    for reply in replies { try await tell("deep pipelining", reply) }
  }

  private func lists(_ client: DaybookClient, _ random: inout Seeded) async throws {
    let calls: [(String, JSONObject)] = [
      ("pipeline.list", ["limit": 1000, "where": ["name": ["contains": "a"]]]),
      ("pipeline.list", ["limit": 1000, "order": ["-description"]]),
      ("audit.search", ["organization_id": organization, "limit": 1000]),
      ("log.read", ["from": 1, "limit": 1000]), ("rpc.discover", [:]), ("run.list", ["limit": 1000]),
      ("organization.history", ["id": organization]),
    ]
    let replies = (0..<20).map { _ in
      let call = calls.randomElement(using: &random) ?? calls[0]
      return client.send(call.0, call.1)
    }
    for reply in replies { try await tell("lists", reply) }
  }

  private func unknownNames(_ client: DaybookClient, _ random: inout Seeded) async throws {
    var params = creation("unknown")
    for index in 0..<20_000 / size { params["unknown_\(index)"] = 1 }
    try await tell("unknown names", client.send("pipeline.create", params))
    try await tell("unknown names", client.send("rpc.discover"))
  }

  private func wideLineage(_ client: DaybookClient, _ random: inout Seeded) async throws {
    let width = max(20, ([20, 200, 3000].randomElement(using: &random) ?? 1) / size)
    let turn = random.next(upperBound: UInt64(1000))
    let datasets = { (prefix: String) -> JSON in
      .array((0..<width).map { ["namespace": "wide", "name": .string("\(prefix)\(turn)-\($0)")] })
    }
    let event: JSON = [
      "eventType": "COMPLETE", "eventTime": "2026-01-01T00:00:00Z", "producer": "https://example.org/hostile",
      "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
      "run": ["runId": .string(newID())], "job": ["namespace": "wide", "name": .string("job \(turn)")],
      "inputs": datasets("in"), "outputs": datasets("out"),
    ]
    try await tell(
      "wide lineage", client.send("openlineage.record", ["organization_id": organization, "event": event]))
  }

  private func cascades(_ client: DaybookClient, _ random: inout Seeded) async throws {
    guard let id = try await tell("cascades", client.send("pipeline.create", creation("cascade")))?["id"] else {
      return
    }
    for _ in 0..<4 {
      let replies = (0..<200 / size).map { _ in client.send("run.start", ["pipeline_id": id]) }
      for reply in replies { try await tell("cascades", reply) }
    }
    try await tell("cascades", client.send("pipeline.delete", ["id": id]))
  }

  /// Asks for what belongs to somebody else, in every way.
  private func foreignReads(_ client: DaybookClient, _ random: inout Seeded) async throws {
    for id in foreign.map(JSON.string) {
      for method in ["pipeline.get", "pipeline.history", "pipeline.versions", "user.get", "organization.get"] {
        try await tell("foreign reads", client.send(method, ["id": id]))
      }
      try await tell("foreign reads", client.send("audit.search", ["organization_id": id]))
      try await tell("foreign reads", client.send("pipeline.list", ["where": ["id": id]]))
      try await tell("foreign reads", client.send("pipeline.list", ["where": ["organization_id": id]]))
      try await tell(
        "foreign reads", client.send("pipeline.create", ["id": id, "name": "taken", "organization_id": id]))
      try await tell("foreign reads", client.send("log.read", ["from": 1, "limit": 1000, "organization_id": id]))
    }
  }

  /// Asks for much and reads nothing.
  private func unreadAnswers(_ client: DaybookClient, _ random: inout Seeded) async throws {
    let socket = try RawSocket.connect(to: try await server.tcpAddress())
    defer { socket.close() }
    let opened = try await socket.call("session.open", ["api_key": .string(tenant.apiKey)])
    await ledger.note("unread answers", .success(opened))
    for _ in 0..<200 {
      try await socket.send(
        Array(#"{"jsonrpc":"2.0","id":1,"method":"log.read","params":{"from":1,"limit":1000}}"#.utf8) + [10])
    }
    try await Task.sleep(for: .seconds(2))
  }
}
