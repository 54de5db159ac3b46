import CanonicalJSON
import DaybookClient
import Glibc
import Refusals
import TestBasics
import Testing

extension Acceptance {
  /// What is far too much of something: each ends in an answer or a clear refusal, and the others go on meanwhile.
  /// `DAYBOOK_THOROUGH=1` takes the full sizes, and is for a release build (`DAYBOOK_BINARY`) on a quiet machine.
  @Suite struct HugeInputTests {
    /// A tenth of the full size in every run.
    private static func size(_ full: Int) -> Int { isThorough ? full : full / 10 }

    /// Runs the body beside a tenant that must not notice, against a server of its own.
    /// - Parameter memory: How many bytes of memory of its own the server may take on.
    private func unnoticed(
      _ what: String, memory limit: Int, _ body: @Sendable (DaybookProcess, Tenant) async throws -> Void
    ) async throws {
      try await withServer { server in
        let administrator = try await server.client()
        let tenant = try await Tenant.make(administrator, "huge")
        let other = try await Tenant.make(administrator, "other")
        try await administrator.caughtUp()
        let before = try ProcessMemory.anonymous(of: await server.pid)
        let bystander = try await Bystander(of: server, other)
        let took = try await bystander.beside { try await body(server, tenant) }
        let grown = try ProcessMemory.anonymous(of: await server.pid) - before
        print("\(what): others \(took), memory \(grown >> 20) MiB more")
        for (name, p99) in took.percentiles(99) {
          #expect(p99 < (isThorough ? .milliseconds(100) : .seconds(20)), "\(what), \(name): p99 \(p99)")
        }
        #expect(grown < limit, "\(what): \(grown >> 20) MiB more")
        #expect(try await server.terminate() == .code(0))
      }
    }

    @Test(.timeLimit(.minutes(5)))
    func `an event of 6,000 times 6,000 datasets is refused with the limit, soon`() async throws {
      try await unnoticed("6,000 x 6,000 datasets", memory: 256 << 20) { server, tenant in
        let client = try await server.client(apiKey: tenant.apiKey)
        let datasets = { (prefix: String) -> JSON in
          .array((0..<Self.size(60_000) / 10).map { ["namespace": "huge", "name": .string("\(prefix)-\($0)")] })
        }
        let event: JSON = [
          "eventType": "COMPLETE", "eventTime": "2026-01-01T00:00:00Z", "producer": "https://example.org/huge",
          "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
          "run": ["runId": .string(newID())], "job": ["namespace": "huge", "name": "cross product"],
          "inputs": datasets("in"), "outputs": datasets("out"),
        ]
        let clock = ContinuousClock()
        for _ in 0..<3 {
          let began = clock.now
          let refusal = try await client.refusal(
            "openlineage.record", ["organization_id": .string(tenant.organization), "event": event])
          #expect([.tooLarge, .invalidParams].contains(refusal.code), "\(refusal)")
          #expect(isThorough == false || refusal.json.canonicalString.contains("2000"), "it says the limit: \(refusal)")
          #expect(clock.now - began < .seconds(isThorough ? 2 : 20))
        }
        #expect(try await client.call("server.ping").objectValue != nil)
      }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a line as long as one may be ends in an answer or a refusal, whatever it holds`() async throws {
      try await unnoticed("4 MiB of anything", memory: 384 << 20) { server, tenant in
        let length = 4 << 20
        let organization = #""organization_id":"\#(tenant.organization)""#
        func padded(_ start: String, _ unit: String, _ end: String) -> String {
          start + String(repeating: unit, count: (length - 1024 - start.utf8.count - end.utf8.count) / unit.utf8.count)
            + end
        }
        let creation = #"{"jsonrpc":"2.0","id":1,"method":"pipeline.create","params":{"name":"huge",\#(organization),"#
        let lines: [(what: String, line: String)] = [
          ("a text", padded(creation + #""description":""#, "a", #""}}"#)),
          ("escapes", padded(creation + #""description":""#, #"\u0000"#, #""}}"#)),
          ("a list", padded(creation + #""config":{"a":["#, "1,", "1]}}}")),
          ("depth", padded(creation + #""config":"#, "[", "")),
          ("members", creation + (0..<Self.size(260_000)).map { #""m\#($0)":1,"# }.joined() + #""z":1}}"#),
          ("a number", padded(creation + #""config":{"n":"#, "9", "}}}")),
          ("a method", padded(#"{"jsonrpc":"2.0","id":1,"method":""#, "m", #""}"#)),
          ("an id", padded(#"{"jsonrpc":"2.0","method":"server.ping","id":""#, "i", #""}"#)),
          ("a batch", padded("[", "1,", "1]")),
          ("no JSON", padded("", "x", "")),
        ]
        for (what, line) in lines {
          let socket = try RawSocket.connect(to: try await server.tcpAddress())
          defer { socket.close() }
          let opened = try await socket.call("session.open", ["api_key": .string(tenant.apiKey)])
          #expect(opened["result"] != nil)
          let answer = try await socket.ask(line)
          let outcome = answer["result"] ?? answer["error"] ?? answer
          #expect(!outcome.isNull, "\(what) is answered")
          if let error = ReceivedRefusal(answer: answer) {
            #expect(error.code != nil && error.code != .internal && !error.message.isEmpty, "\(what): \(error)")
          }
          #expect(try await socket.call("server.ping")["result"] != nil, "\(what): the connection goes on")
        }
        // A byte more than may be: refused, and the connection goes on or is closed with a reason.
        let socket = try RawSocket.connect(to: try await server.tcpAddress())
        defer { socket.close() }
        _ = try await socket.call("session.open", ["api_key": .string(tenant.apiKey)])
        let refused = try await socket.ask(String(repeating: " ", count: length + 1))
        #expect(ReceivedRefusal(answer: refused)?.code == .tooLarge, "\(refused.canonicalString.prefix(200))")
      }
    }

    @Test(.timeLimit(.minutes(5)))
    func `100 log reads that nobody takes hold no more than the room for answers`() async throws {
      try await unnoticed("100 unread reads", memory: 640 << 20) { server, tenant in
        let administrator = try await server.client()
        let text = String(repeating: "large ", count: 5000)
        for index in 0..<Self.size(1000) {
          _ = try await administrator.created(
            "pipeline",
            [
              "organization_id": .string(tenant.organization), "name": .string("large \(index)"),
              "description": .string(text),
            ])
        }
        var sockets: [RawSocket] = []
        for _ in 0..<100 {
          let socket = try RawSocket.connect(to: try await server.tcpAddress())
          #expect(try await socket.call("session.open", ["api_key": .string(tenant.apiKey)])["result"] != nil)
          try await socket.send(#"{"jsonrpc":"2.0","id":1,"method":"log.read","params":{"from":1,"limit":1000}}"#)
          sockets.append(socket)
        }
        try await Task.sleep(for: .seconds(isThorough ? 20 : 3))
        let held = try await administrator.call("server.metrics")["answers"]?["held_bytes_max"]?.integerValue
        #expect(try #require(held) <= 640 << 20, "\(held ?? 0) bytes of answers")
        for socket in sockets { socket.close() }
      }
    }

    @Test(.timeLimit(.minutes(10)), arguments: [true, false])
    func `10,000 idle connections are held or refused, and who has signed in notices nothing`(
      ofStrangersAlone isOfStrangers: Bool
    ) async throws {
      Descriptors.raise()
      let what = isOfStrangers ? "10,000 strangers" : "10,000 idle connections"
      try await unnoticed(what, memory: 256 << 20) { server, tenant in
        var sockets: [RawSocket] = []
        var refused = 0
        for number in 0..<Self.size(10_000) {
          let socket = try RawSocket.connect(to: try await server.tcpAddress(), from: "127.0.0.\(number % 250 + 2)")
          // Every second one signs in where they aren't all strangers.
          if !isOfStrangers, number % 2 == 0 {
            do {
              let opened = try await socket.call("session.open", ["api_key": .string(tenant.apiKey)])
              if opened["result"] == nil { refused += 1 }
            } catch {
              refused += 1
            }
          }
          sockets.append(socket)
        }
        let administrator = try await server.client()
        let metrics = try await administrator.call("server.metrics")["connections"]
        print("idle connections: \(metrics?.canonicalString ?? "none"), \(refused) refused")
        #expect(metrics?["open"]?.integerValue ?? 0 > 100)
        // Another tenant comes in, and so does one more stranger.
        let another = try await Tenant.make(administrator, "late")
        #expect(try await server.client(apiKey: another.apiKey).call("server.ping").objectValue != nil)
        for socket in sockets { socket.close() }
      }
    }

    @Test(.timeLimit(.minutes(5)))
    func `1,000 subscriptions hear of every event, each once`() async throws {
      try await unnoticed("1,000 subscriptions", memory: 256 << 20) { server, tenant in
        let client = try await server.client(apiKey: tenant.apiKey)
        let name = "heard by all"
        let first = try await client.head() + 1
        var sockets: [RawSocket] = []
        let perConnection = 64
        for _ in 0..<Self.size(1024) / perConnection + 1 {
          let socket = try RawSocket.connect(to: try await server.tcpAddress())
          _ = try await socket.call("session.open", ["api_key": .string(tenant.apiKey)])
          for number in 0..<perConnection {
            let subscribed = JSON.object([
              "jsonrpc": "2.0", "id": .integer(Int64(number)), "method": "log.subscribe",
              "params": ["from": .integer(first)],
            ])
            try await socket.send(subscribed.canonicalString)
          }
          try await socket.send(#"{"jsonrpc":"2.0","id":"one more","method":"log.subscribe","params":{}}"#)
          // Events come between the answers.
          var answered = 0
          while answered <= perConnection {
            let line = try await socket.answer(within: .seconds(60))
            guard let id = line["id"] else { continue }
            answered += 1
            if id == "one more" {
              #expect(ReceivedRefusal(answer: line)?.code != nil, "one more is refused: \(line.canonicalString)")
            } else {
              #expect(line["result"] != nil, "\(line.canonicalString)")
            }
          }
          sockets.append(socket)
        }
        _ = try await client.created(
          "pipeline", ["organization_id": .string(tenant.organization), "name": .string(name)])
        for socket in sockets {
          var heard = 0
          while heard < perConnection {
            if try await socket.answer(within: .seconds(60)).canonicalString.contains(name) { heard += 1 }
          }
        }
        for socket in sockets { socket.close() }
      }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a batch of 10,000 commands is carried out whole or not at all`() async throws {
      try await unnoticed("a batch of 10,000", memory: 512 << 20) { server, tenant in
        let client = try await server.client(apiKey: tenant.apiKey)
        let count = Self.size(10_000)
        var commands = (0..<count).map { index -> JSON in
          [
            "method": "pipeline.create",
            "params": ["organization_id": .string(tenant.organization), "name": .string("batch \(index)")],
          ]
        }
        let done = try await client.call("batch.apply", ["commands": .array(commands)])
        #expect(done["results"]?.arrayValue?.count == count)
        let named: JSONObject = ["where": ["name": "batch 0"], "timeout_ms": 60_000]
        #expect(try await client.all("pipeline.list", named).count == 1)
        commands[count - 1] = ["method": "pipeline.delete", "params": ["id": .string(newID())]]
        let refusal = try await client.refusal("batch.apply", ["commands": .array(commands)])
        #expect(refusal.code == .notFound, "\(refusal)")
        #expect(try await client.all("pipeline.list", named).count == 1, "nothing of a refused batch is there")
        // Several at once.
        let whole = Array(commands.dropLast())
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<4 {
            group.addTask {
              _ = try await client.call("batch.apply", ["commands": .array(whole)])
            }
          }
          try await group.waitForAll()
        }
      }
    }
  }
}

/// How many files this process may have open.
private enum Descriptors {
  /// Takes as many as the system gives.
  static func raise() {
    var limit = rlimit()
    let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    getrlimit(kind, &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(kind, &limit)
  }
}
