import CanonicalJSON
import DaybookClient
import Refusals
import TestBasics
import Testing

extension Acceptance {
  @Suite struct ProtocolTests {
    /// How a connection is made.
    enum Door: String, CaseIterable, Sendable {
      case unix, tcp
    }

    /// A raw connection that may write to an organization, and that organization.
    private func connect(_ door: Door) async throws -> (socket: RawSocket, tenant: Tenant) {
      let server = try await SharedServer.get()
      let admin = try await server.client()
      let tenant = try await Tenant.make(admin, "raw")
      try await admin.close()
      guard door == .tcp else { return (try RawSocket.connect(to: Endpoint.parse(server.unixAddress)), tenant) }
      let socket = try RawSocket.connect(to: try await server.tcpAddress())
      let opened = try await socket.call("session.open", ["api_key": .string(tenant.apiKey)])
      try #require(
        opened["result"]?["principal"] != nil && opened["result"]?["permissions"] != nil, "\(opened.canonicalString)")
      return (socket, tenant)
    }

    /// Whether the connection still answers.
    private func lives(_ socket: RawSocket, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      let answer = try await socket.call("server.ping", id: "alive?")
      #expect(answer["result"] != nil, sourceLocation: sourceLocation)
    }

    private func expect(
      _ answer: JSON, _ code: Int, _ type: String, id: JSON, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ReceivedRefusal {
      let refusal = try #require(
        ReceivedRefusal(answer: answer), "no error: \(answer.canonicalString.prefix(300))",
        sourceLocation: sourceLocation)
      #expect(
        refusal.number == code && refusal.type == type, "\(answer.canonicalString.prefix(500))",
        sourceLocation: sourceLocation)
      #expect(
        answer["id"] == id, "the id is \(answer["id"]?.canonicalString ?? "missing")", sourceLocation: sourceLocation)
      #expect(answer["jsonrpc"] == "2.0" && answer["result"] == nil, sourceLocation: sourceLocation)
      #expect(!refusal.message.isEmpty, sourceLocation: sourceLocation)
      return refusal
    }

    @Test(.timeLimit(.minutes(1)), arguments: Door.allCases)
    func `a line of 5 MiB is read past and refused as too_large, and one of almost 4 MiB is taken`(_ door: Door)
      async throws
    {
      let (socket, _) = try await connect(door)
      func line(_ method: String, _ length: Int) -> String {
        #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":{"x":""# + String(repeating: "a", count: length)
          + #""}}"#
      }
      try await socket.send(line("pipeline.create", 5 << 20))
      let refusal = try expect(try await socket.answer(), -32013, "too_large", id: 1)
      #expect(refusal.data["limit"] == 4_194_304)
      try await lives(socket)
      try await socket.send(line("pipeline.create", (4 << 20) - 200))
      _ = try expect(try await socket.answer(), -32602, "invalid_params", id: 1)
      try await lives(socket)
      // What is no command and no query has no use for that much.
      try await socket.send(line("server.ping", (4 << 20) - 200))
      let small = try expect(try await socket.answer(), -32013, "too_large", id: 1)
      #expect(small.data["limit"] == 65_536)
      try await lives(socket)
    }

    @Test(.timeLimit(.minutes(1)), arguments: Door.allCases)
    func `broken UTF-8 and broken JSON are parse errors, and the connection lives on`(_ door: Door) async throws {
      let (socket, _) = try await connect(door)
      let start = Array(#"{"jsonrpc":"2.0","id":1,"method":"server.ping","params":{"x":""#.utf8)
      let ends = Array(#""}}"#.utf8) + [0x0A]
      for broken in [[0xFF], [0xC3, 0x28], [0xED, 0xA0, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xC0, 0xAF]]
        as [[UInt8]]
      {
        try await socket.send(start + broken + ends)
        _ = try expect(try await socket.answer(), -32700, "parse_error", id: nil)
      }
      for broken in [
        #"{"jsonrpc":"2.0","id":1,"method":"server.ping""#, "{", "nonsense",
        #"{"jsonrpc":"2.0","id":1,"method":"server.ping",}"#,
        #"{"a":"\ud800"}"#, "[1,", "{'id':1}", "\u{FEFF}{}", #"{"id":01}"#,
      ] {
        _ = try expect(try await socket.ask(broken), -32700, "parse_error", id: nil)
      }
      try await lives(socket)
    }

    @Test(.timeLimit(.minutes(1)), arguments: Door.allCases)
    func `what is JSON but no request is an invalid request`(_ door: Door) async throws {
      let (socket, _) = try await connect(door)
      for text in ["1", #""text""#, "[]", "{}", #"{"jsonrpc":"2.0","method":7}"#, "null"] {
        _ = try expect(try await socket.ask(text), -32600, "invalid_request", id: nil)
      }
      _ = try expect(
        try await socket.ask(#"{"jsonrpc":"1.0","id":1,"method":"server.ping"}"#), -32600, "invalid_request", id: 1)
      _ = try expect(try await socket.ask(#"{"jsonrpc":"2.0","id":1}"#), -32600, "invalid_request", id: 1)
      for id in [#"{"a":1}"#, "[1]", "true"] {
        _ = try expect(
          try await socket.ask(#"{"jsonrpc":"2.0","id":\#(id),"method":"server.ping"}"#), -32600, "invalid_request",
          id: nil)
      }
      try await lives(socket)
    }

    @Test(.timeLimit(.minutes(1)), arguments: Door.allCases)
    func `an unknown method gets suggestions, and wrong params get every fault`(_ door: Door) async throws {
      let (socket, tenant) = try await connect(door)
      let unknown = try expect(try await socket.call("pipeline.creat", id: 1), -32601, "method_not_found", id: 1)
      #expect(unknown.data["suggestions"]?.arrayValue?.contains("pipeline.create") == true, "\(unknown.data)")
      for name in [
        "", "x", "pipeline", "pipeline.create.now", "PIPELINE.CREATE", "pipeline.create ", "päpeline.create",
      ] {
        _ = try expect(try await socket.call(name, id: 2), -32601, "method_not_found", id: 2)
      }
      let wrong = try expect(
        try await socket.call(
          "pipeline.create",
          [
            "organization_id": .string(tenant.organization), "name": 7, "kind": "boat", "tags": "x",
            "is_scheduled": "yes",
            "default_params": [1], "bogus": 1, "expected_version": "one",
          ], id: 3), -32602, "invalid_params", id: 3)
      let problems = wrong.data["problems"]?.arrayValue ?? []
      let paths = Set(problems.compactMap { $0["path"]?.stringValue })
      #expect(
        paths.isSuperset(of: [
          "/name", "/kind", "/tags", "/is_scheduled", "/default_params", "/bogus", "/expected_version",
        ]), "\(paths)")
      #expect(problems.allSatisfy { $0["problem"]?.stringValue?.isEmpty == false })
      let missing = try expect(
        try await socket.call("pipeline.create", ["organization_id": .string(tenant.organization)], id: 4), -32602,
        "invalid_params", id: 4)
      #expect(missing.data["problems"]?.arrayValue?.contains { $0["path"] == "/name" } == true, "\(missing.data)")
      for params in ["[1,2]", #""x""#, "7"] {
        let answer = try await socket.ask(#"{"jsonrpc":"2.0","id":5,"method":"server.ping","params":\#(params)}"#)
        let refusal = try #require(ReceivedRefusal(answer: answer))
        #expect([-32602, -32600].contains(refusal.number), "\(answer.canonicalString)")
      }
      let doubled = try await socket.ask(
        #"{"jsonrpc":"2.0","id":6,"method":"pipeline.create","params":{"organization_id":"\#(tenant.organization)","name":"a","name":"b"}}"#
      )
      #expect(ReceivedRefusal(answer: doubled) != nil, "commands refuse duplicate keys: \(doubled.canonicalString)")
      try await lives(socket)
    }

    @Test(.timeLimit(.minutes(1)), arguments: Door.allCases)
    func `values that PostgreSQL can't hold are refused at the command`(_ door: Door) async throws {
      let (socket, tenant) = try await connect(door)
      let head =
        #"{"jsonrpc":"2.0","id":1,"method":"pipeline.create","params":{"organization_id":"\#(tenant.organization)","name":"#
      let deep = String(repeating: "[", count: 300) + String(repeating: "]", count: 300)
      for rest in [
        #""a\u0000b"}}"#, #""n","config":{"k":"\u0000"}}}"#, #""n","config":{"\u0000":1}}}"#,
        #""n","config":\#(deep)}}"#,
      ] {
        let answer = try await socket.ask(head + rest)
        let refusal = try #require(ReceivedRefusal(answer: answer), "\(rest.prefix(40)) was not refused")
        #expect(refusal.number == -32602 || refusal.number == -32700, "\(refusal)")
      }
      let run = try await socket.call(
        "run.start",
        ["organization_id": .string(tenant.organization), "rows_processed": .bigInteger("99999999999999999999")])
      _ = try expect(run, -32602, "invalid_params", id: "call")
      try await lives(socket)
    }

    @Test(.timeLimit(.minutes(1)), arguments: Door.allCases)
    func `ids come back as they were: strings, numbers, zero and null`(_ door: Door) async throws {
      let (socket, _) = try await connect(door)
      for id in [#""text""#, #""""#, #""\u00fc\"""#, "0", "-3", "1.5", "9007199254740991", "null"] {
        let answer = try await socket.ask(#"{"jsonrpc":"2.0","id":\#(id),"method":"server.ping"}"#)
        #expect(answer["id"] == (try JSON.parse(id)) && answer["result"] != nil, "\(id): \(answer.canonicalString)")
      }
    }

    @Test(.timeLimit(.minutes(1)), arguments: Door.allCases)
    func `batches are answered as one array, and notifications never`(_ door: Door) async throws {
      let (socket, tenant) = try await connect(door)
      let batch = try await socket.ask(
        #"[{"jsonrpc":"2.0","id":1,"method":"server.ping"},{"jsonrpc":"2.0","method":"server.ping"},7,{"jsonrpc":"2.0","id":"x","method":"no.such"}]"#
      )
      let answers = try #require(batch.arrayValue)
      #expect(answers.count == 3, "\(batch.canonicalString)")
      #expect(answers.contains { $0["id"] == 1 && $0["result"] != nil })
      #expect(answers.contains { $0["id"] == "x" && $0["error"]?["code"] == -32601 })
      #expect(answers.contains { $0["id"]?.isNull == true && $0["error"]?["code"] == -32600 })
      // Nothing of this is answered: the next line is the ping's.
      let name = "notified \(tenant.slug)"
      try await socket.send(#"[{"jsonrpc":"2.0","method":"server.ping"},{"jsonrpc":"2.0","method":"no.such"}]"#)
      try await socket.send(#"{"jsonrpc":"2.0","method":"no.such"}"#)
      try await socket.send(#"{"jsonrpc":"2.0","method":"pipeline.create","params":{"name":7}}"#)
      try await socket.send(
        #"{"jsonrpc":"2.0","method":"pipeline.create","params":{"organization_id":"\#(tenant.organization)","name":"\#(name)"}}"#
      )
      try await lives(socket)
      // But it is carried out, and a list waits for it as for every command sent before.
      let list = try await socket.call("pipeline.list", ["where": ["name": .string(name)]])
      #expect(list["result"]?["items"]?.arrayValue?.count == 1, "\(list.canonicalString.prefix(300))")
    }

    @Test(.timeLimit(.minutes(1)), arguments: Door.allCases)
    func `a person with nc can type: CR LF, blank lines, and a line in pieces`(_ door: Door) async throws {
      let (socket, _) = try await connect(door)
      try await socket.send(Array("\r\n\n\r\n".utf8))
      try await socket.send(Array("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}\r\n".utf8))
      #expect(try await socket.answer()["id"] == 1)
      for piece in ["{\"jsonrpc\":\"2.0\",", "\"id\":2,\"meth", "od\":\"server.ping\"", "}", "\r", "\n"] {
        try await socket.send(Array(piece.utf8))
      }
      #expect(try await socket.answer()["id"] == 2)
    }

    @Test(.timeLimit(.minutes(1)), arguments: Door.allCases)
    func `a thousand requests at once are all answered, and commands are applied in the order sent`(_ door: Door)
      async throws
    {
      let (socket, tenant) = try await connect(door)
      let pipeline = newID()
      var lines =
        #"{"jsonrpc":"2.0","id":0,"method":"pipeline.create","params":{"id":"\#(pipeline)","organization_id":"\#(tenant.organization)","name":"n"}}"#
        + "\n"
      for number in 1..<1000 {
        lines +=
          #"{"jsonrpc":"2.0","id":\#(number),"method":"pipeline.edit","params":{"id":"\#(pipeline)","description":"\#(number)","expected_version":\#(number)}}"#
          + "\n"
      }
      let bytes = Array(lines.utf8)
      async let sending: Void = socket.send(bytes)
      var ids: Set<Int64> = []
      while ids.count < 1000 {
        let answer = try await socket.answer()
        let id = try #require(answer["id"]?.integerValue)
        #expect(answer["result"]?["version"]?.integerValue == id + 1, "\(answer.canonicalString)")
        #expect(ids.insert(id).inserted)
      }
      try await sending
    }

    @Test(.timeLimit(.minutes(1)))
    func `over TCP nobody gets in without a key, a wrong one is refused, and the connection lives on`() async throws {
      let server = try await SharedServer.get()
      let tenant = try await Tenant.make(try await server.client(), "door")
      let socket = try RawSocket.connect(to: try await server.tcpAddress())
      for method in [
        "pipeline.list", "organization.create", "server.status", "log.read", "log.subscribe", "batch.apply",
        "session.whoami",
      ] {
        _ = try expect(try await socket.call(method, id: 1), -32001, "unauthenticated", id: 1)
      }
      #expect(try await socket.call("server.ping")["result"] != nil)
      #expect(try await socket.call("rpc.discover")["result"]?["openrpc"] != nil)
      let wrong = "dbk_" + String(tenant.apiKey.dropFirst(4).reversed())
      let refused = try expect(
        try await socket.call("session.open", ["api_key": .string(wrong)], id: 2), -32001, "unauthenticated", id: 2)
      #expect(!refused.message.contains(wrong))
      _ = try expect(
        try await socket.call("session.open", ["email": .string(tenant.email), "password": "wrong"], id: 3), -32001,
        "unauthenticated", id: 3)
      _ = try expect(try await socket.call("pipeline.list", id: 4), -32001, "unauthenticated", id: 4)
      let opened = try await socket.call("session.open", ["api_key": .string(tenant.apiKey)])
      #expect(opened["result"]?["principal"] != nil, "\(opened.canonicalString)")
      let who = try await socket.call("session.whoami")
      #expect(who["result"]?.canonicalString.contains(tenant.organization) == true)
      #expect(try await socket.call("pipeline.list")["result"]?["items"] != nil)
      _ = try await socket.call("session.close")
      _ = try expect(try await socket.call("pipeline.list", id: 5), -32001, "unauthenticated", id: 5)
      // A revoked key ends what it opened.
      let admin = try await server.client()
      let again = try await server.client(apiKey: tenant.apiKey)
      let keys = try await admin.all("api_key.list", ["where": ["organization_id": .string(tenant.organization)]])
      _ = try await admin.call("api_key.revoke", ["id": try #require(keys.first?["id"])])
      #expect(try await again.refusal("pipeline.list").code == .unauthenticated)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a foreign tenant's id is not found, whatever is asked of it, and lists and the log keep to one's own`()
      async throws
    {
      let server = try await SharedServer.get()
      let admin = try await server.client()
      let mine = try await Tenant.make(admin, "mine")
      let theirs = try await Tenant.make(admin, "theirs")
      let pipeline = try await admin.created(
        "pipeline", ["organization_id": .string(theirs.organization), "name": "secret plan"])
      let credential = try await admin.created(
        "credential", ["organization_id": .string(theirs.organization), "name": "c", "data": ["k": "v"]])
      let id: JSON = .string(pipeline)
      let socket = try RawSocket.connect(to: try await server.tcpAddress())
      _ = try await socket.call("session.open", ["api_key": .string(mine.apiKey)])
      let calls: [(String, JSONObject)] = [
        ("pipeline.get", ["id": id]), ("pipeline.edit", ["id": id, "name": "x"]), ("pipeline.delete", ["id": id]),
        ("pipeline.history", ["id": id]), ("pipeline.versions", ["id": id]), ("pipeline.publish", ["id": id]),
        ("pipeline.diff", ["id": id, "from_version": 1, "to_version": 1]),
        ("pipeline.rollback", ["id": id, "to_version": 1, "reason": "r"]), ("run.start", ["pipeline_id": id]),
        ("credential.reveal", ["id": .string(credential), "reason": "r"]),
        ("pipeline.reveal", ["id": id, "reason": "r"]),
        ("organization.get", ["id": .string(theirs.organization)]),
        ("organization.get", ["slug": .string(theirs.slug)]),
        ("user.get", ["id": .string(theirs.user)]),
        ("pipeline.create", ["organization_id": .string(theirs.organization), "name": "n"]),
      ]
      for (method, params) in calls {
        let answer = try await socket.call(method, params, id: 1)
        let refusal = try #require(ReceivedRefusal(answer: answer), "\(method): \(answer.canonicalString.prefix(300))")
        if method == "run.start" || method == "pipeline.create" {
          // A reference to what one can't see: not there, as for an id that nobody has.
          #expect([.notFound, .invalidParams].contains(refusal.code), "\(method): \(refusal)")
        } else {
          #expect(
            refusal.number == -32004 && refusal.code == .notFound, "\(method): \(answer.canonicalString.prefix(300))")
          #expect(
            refusal.data["resource_type"]?.stringValue == String(method.prefix { $0 != "." }),
            "\(method): \(refusal.data)")
          #expect(refusal.data.contains("id"), "\(method): \(refusal.data)")
        }
        #expect(!answer.canonicalString.contains("secret plan"))
      }
      let list = try await socket.call("pipeline.list", ["limit": 1000])
      #expect(
        list["result"]?["items"]?.arrayValue?.allSatisfy { $0["organization_id"]?.stringValue == mine.organization }
          == true)
      let filtered = try await socket.call(
        "pipeline.list", ["where": ["organization_id": .string(theirs.organization)]])
      #expect(filtered["result"]?["items"] == [])
      let organizations = try await socket.call("organization.list")
      #expect(
        organizations["result"]?["items"]?.arrayValue?.compactMap { $0["id"]?.stringValue } == [mine.organization])
      let log = try await socket.call("log.read", ["from": 1, "limit": 10000])
      #expect(
        log["result"]?.canonicalString.contains(theirs.organization) == false,
        "log.read keeps to one's own organization")
      let answer = try await socket.call("pipeline.get", ["id": .string(newID())], id: 9)
      _ = try expect(answer, -32004, "not_found", id: 9)
      try await lives(socket)
    }

    @Test(.timeLimit(.minutes(1)))
    func `what a key may not do on what it sees is forbidden and names the permission`() async throws {
      let server = try await SharedServer.get()
      let admin = try await server.client()
      let tenant = try await Tenant.make(admin, "reader", permissions: ["pipelines": ["read", "execute"]])
      let pipeline = try await admin.created(
        "pipeline", ["organization_id": .string(tenant.organization), "name": "p"])
      let client = try await server.client(apiKey: tenant.apiKey)
      #expect(try await client.item("pipeline", pipeline)["name"] == "p")
      let edit = try await client.refusal("pipeline.edit", ["id": .string(pipeline), "name": "x"])
      #expect(
        edit.number == -32003 && edit.code == .forbidden
          && edit.data["permission"]?.stringValue?.contains("write") == true, "\(edit)")
      #expect(
        try await client.refusal("organization.create", ["name": "n", "slug": .string("n-\(tenant.slug)")]).type
          == "forbidden")
      #expect(try await client.refusal("projection.rebuild").code == .forbidden)
      #expect(try await admin.item("pipeline", pipeline)["name"] == "p")
    }

    @Test(.timeLimit(.minutes(1)))
    func `a user's first membership comes with user create`() async throws {
      let server = try await SharedServer.get()
      let admin = try await server.client()
      let organization = try await admin.organization("first")
      let email = "first-\(newID().suffix(12))@example.com"
      let user = try await admin.created(
        "user",
        [
          "email": .string(email), "organization_id": .string(organization), "role": "member",
          "password": "a long enough password",
        ])
      let memberships = try await admin.all("membership.list", ["where": ["user_id": .string(user)]])
      #expect(
        memberships.first?["role"] == "member" && memberships.first?["organization_id"]?.stringValue == organization)
      let twice = try await admin.refusal("user.create", ["email": .string(email.uppercased())])
      #expect(twice.code == .conflict && twice.data["reason"] == "unique", "e-mail is unique in any case")
      #expect(!twice.message.lowercased().contains(email), "no error quotes a personal value")
    }
  }
}
