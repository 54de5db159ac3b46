import CanonicalJSON
import DaybookClient
import TestBasics
import Testing

/// A command as it was sent, and what it makes.
struct SentCommand: Sendable {
  let id: String
  let method: String
  let params: JSONObject
  /// The pipelines that it creates.
  let creates: [String]
  /// The pipeline that it edits, and the description that it gives it.
  var edits: (pipeline: String, description: String)?
}

/// What was sent and what came back, over all connections and restarts of a test.
actor Ledger {
  private(set) var sent: [SentCommand] = []
  private(set) var acknowledged: [String: JSON] = [:]
  private(set) var refused: [String] = []

  func send(_ command: SentCommand) { sent.append(command) }
  func acknowledge(_ id: String, _ result: JSON) { acknowledged[id] = result }
  func refuse(_ command: SentCommand, _ error: ClientError) {
    refused.append("\(command.method) \(command.id): \(error)")
  }

  /// Commands without an answer, in the order sent.
  var open: [SentCommand] { sent.filter { acknowledged[$0.id] == nil } }
  var count: Int { sent.count }
}

/// Connections that send commands one after another, many of them on their way at
/// once, until they are stopped or cut off.
struct Load: Sendable {
  let ledger: Ledger
  let organization: String
  private let stopped = StopFlag()
  private let connections: [Task<Void, any Error>]

  private actor StopFlag {
    private(set) var isSet = false
    func set() { isSet = true }
  }

  init(
    on server: DaybookProcess, organization: String, ledger: Ledger, connections count: Int = 3, window: Int = 16
  ) {
    self.ledger = ledger
    self.organization = organization
    let flag = stopped
    connections = (0..<count).map { _ in
      Task {
        let client = try await server.client()
        var waiting: [(SentCommand, DaybookClient.Reply)] = []
        var first = 0
        var turn = 0
        var own: String?
        var isOpen = true
        while await !flag.isSet, isOpen {
          let command = Self.command(turn, own, organization)
          own = command.creates.last ?? own
          turn += 1
          await ledger.send(command)
          waiting.append((command, client.send(command.method, command.params)))
          if waiting.count - first >= window {
            isOpen = await Self.settle(waiting[first], ledger)
            first += 1
          }
        }
        for sent in waiting[first...] { _ = await Self.settle(sent, ledger) }
        try await client.close()
      }
    }
  }

  /// Stops sending and waits until every command has been answered or its connection has ended.
  func stop() async throws {
    await stopped.set()
    for connection in connections { try await connection.value }
  }

  /// Waits until as many commands have been acknowledged.
  func acknowledged(atLeast count: Int, within limit: Duration = .seconds(60)) async throws {
    _ = try await eventually("\(count) acknowledged commands", within: limit) { () -> Bool? in
      await ledger.acknowledged.count >= count ? true : nil
    }
  }

  private static func settle(_ sent: (SentCommand, DaybookClient.Reply), _ ledger: Ledger) async -> Bool {
    do {
      await ledger.acknowledge(sent.0.id, try await sent.1.value)
      return true
    } catch let error as ClientError {
      guard case .remote = error else { return false }
      await ledger.refuse(sent.0, error)
      return true
    } catch {
      return false
    }
  }

  private static func command(_ turn: Int, _ own: String?, _ organization: String) -> SentCommand {
    let id = newID()
    if turn % 3 == 1, let own {
      return SentCommand(
        id: id, method: "pipeline.edit",
        params: ["id": .string(own), "description": .string(id), "command_id": .string(id)], creates: [],
        edits: (own, id))
    }
    if turn % 7 == 6 {
      let pair = [newID(), newID()]
      let commands = pair.map { new -> JSON in
        ["method": "pipeline.create", "params": .object(creation(new, organization))]
      }
      return SentCommand(
        id: id, method: "batch.apply", params: ["commands": .array(commands), "command_id": .string(id)], creates: pair)
    }
    let new = newID()
    return SentCommand(
      id: id, method: "pipeline.create",
      params: creation(new, organization).merging(["command_id": .string(id)]), creates: [new])
  }

  private static func creation(_ id: String, _ organization: String) -> JSONObject {
    [
      "id": .string(id), "organization_id": .string(organization), "name": .string("load \(id)"),
      "config": ["batch": ["size": 500], "retries": 3],
    ]
  }
}

/// The log as a load must have left it.
enum LoadCheck {
  /// Every acknowledged event is where the answer said, and no position is missing. Answers the records.
  @discardableResult
  static func acknowledgedIsThere(_ ledger: Ledger, _ client: DaybookClient) async throws -> [JSON] {
    let head = try await client.head()
    let records = try await client.records()
    // That all of the log is read is recorded meanwhile.
    #expect(records.count >= head, "what the log had is there")
    #expect(
      records.compactMap(\.position) == Array(1...Int64(records.count)), "positions are 1, 2, 3 … without a gap")
    for (command, result) in await ledger.acknowledged {
      let events =
        result["events"]?.arrayValue ?? result["results"]?.arrayValue?.flatMap { $0["events"]?.arrayValue ?? [] } ?? []
      #expect(!events.isEmpty, "command \(command) was answered without events: \(result.canonicalString)")
      for event in events {
        guard let position = event.position, position >= 1, position <= head else {
          Issue.record("acknowledged event lost: \(event.canonicalString), the log ends at \(head)")
          continue
        }
        let header = records[Int(position) - 1]["header"]
        #expect(
          header?["id"] == event["id"] && header?["event"] == event["event"], "position \(position) holds another event"
        )
      }
    }
    return records
  }

  /// Sends again what had no answer, with the same command ids; afterwards every command has been applied exactly once.
  static func completes(_ ledger: Ledger, _ client: DaybookClient) async throws {
    for command in await ledger.open {
      await ledger.acknowledge(command.id, try await client.call(command.method, command.params))
    }
    let records = try await acknowledgedIsThere(ledger, client)
    var created: [String: Int] = [:]
    var edited: [String: Int] = [:]
    for record in records {
      switch record["header"]?["event"]?.stringValue {
      case "pipeline.created": created[record["header"]?["resource"]?.stringValue ?? "", default: 0] += 1
      case "pipeline.edited": edited[record["body"]?["set"]?["description"]?.stringValue ?? "", default: 0] += 1
      default: break
      }
    }
    let sent = await ledger.sent
    let creations = sent.flatMap(\.creates)
    #expect(created == Dictionary(uniqueKeysWithValues: creations.map { ($0, 1) }), "each creation once")
    let edits = sent.compactMap { $0.edits?.description }
    #expect(edited == Dictionary(uniqueKeysWithValues: edits.map { ($0, 1) }), "each edit once")
  }

  /// PostgreSQL has every event once and every pipeline as the log has it.
  static func postgresAgrees(_ ledger: Ledger, _ server: DaybookProcess, _ client: DaybookClient) async throws {
    try await client.caughtUp()
    let head = try await client.head()
    let ids = try await server.psql("SELECT count(*), count(DISTINCT id), min(id), max(id) FROM daybook.audit_trail")
    // That all of the log was read is recorded meanwhile.
    let count = ids.split(separator: "|").first.flatMap { Int64($0) } ?? 0
    #expect(count >= head && ids == "\(count)|\(count)|1|\(count)")
    var expected: [String: (version: Int64, description: String)] = [:]
    for record in try await client.records()
    where record["header"]?["event"]?.stringValue?.hasPrefix("pipeline.") == true {
      guard let id = record["header"]?["resource"]?.stringValue else { continue }
      expected[id, default: (0, "")].version = record["header"]?["version"]?.integerValue ?? 0
      if let text = record["body"]?["set"]?["description"]?.stringValue { expected[id]?.description = text }
    }
    let rows = try await server.psql(
      "SELECT id, version, coalesce(description, '') FROM daybook.pipelines ORDER BY id::text COLLATE \"C\"")
    let lines = rows.split(separator: "\n").map(String.init)
    let wanted = expected.sorted { $0.key < $1.key }.map { "\($0.key)|\($0.value.version)|\($0.value.description)" }
    #expect(lines.count == wanted.count)
    #expect(lines == wanted, "daybook.pipelines is what the log says, without a duplicate row")
  }

  /// `daybook verify` finds nothing.
  static func verifies(_ server: DaybookProcess, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let result = try await server.run(["verify", "--data", server.data, "--json"], within: .seconds(120))
    #expect(result.status == .code(0), "\(result.output) \(result.errors)", sourceLocation: sourceLocation)
    #expect(try result.json()["healthy"] == true, sourceLocation: sourceLocation)
  }
}
