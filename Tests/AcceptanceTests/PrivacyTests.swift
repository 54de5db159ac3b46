import BasicTypes
import CanonicalJSON
import DaybookClient
import Foundation
import Glibc
import Refusals
import TestBasics
import Testing

/// A value that must not be found in clear, in any of the forms in which a file may hold it.
struct Marker: Sendable {
  let name: String
  /// The value, where it is text.
  let text: String
  let patterns: [(form: String, bytes: [UInt8])]

  init(_ name: String, _ text: String) {
    self.name = name
    self.text = text
    let bytes = Array(text.utf8)
    var patterns: [(form: String, bytes: [UInt8])] = [
      ("UTF-8", bytes), ("UTF-16LE", bytes.flatMap { [$0, 0] }), ("UTF-16BE", bytes.flatMap { [0, $0] }),
      ("hex", Array(Hex.encode(bytes).utf8)), ("HEX", Array(Hex.encode(bytes).uppercased().utf8)),
    ]
    let units = text.utf16.map { unit in
      String(repeating: "0", count: 4 - String(unit, radix: 16).count) + String(unit, radix: 16)
    }
    patterns.append(("JSON escapes", Array(units.map { "\\u" + $0 }.joined().utf8)))
    patterns.append(("JSON ESCAPES", Array(units.map { "\\u" + $0.uppercased() }.joined().utf8)))
    // Base64 of the value at each of the three places it may have in a group, without the characters that its
    // neighbours have a share in.
    for offset in 0..<3 {
      let padded = [UInt8](repeating: 0x2E, count: offset) + bytes
      let whole = padded.count / 3 * 3
      let encoded = Array(Base64.encode(Array(padded[..<whole])).utf8)
      patterns.append(("base64 at \(offset)", Array(encoded.dropFirst(offset == 0 ? 0 : 4))))
    }
    if bytes.contains(where: { $0 >= 0x80 }) {
      let escaped = text.utf16.map { unit in
        unit < 0x80 ? String(UnicodeScalar(UInt8(unit))) : "\\u" + String(UInt32(unit) | 0x10000, radix: 16).dropFirst()
      }
      patterns.append(("JSON escapes", Array(escaped.joined().utf8)))
    }
    self.patterns = patterns
  }

  init(_ name: String, binary: [UInt8]) {
    self.name = name
    text = ""
    patterns = [("binary", binary)]
  }

  /// The forms of it that are in those bytes.
  func found(in data: Data) -> [String] {
    data.withUnsafeBytes { (whole: UnsafeRawBufferPointer) -> [String] in
      guard let start = whole.baseAddress else { return [] }
      return patterns.filter { Self.search(start, whole.count, $0.bytes, $0.bytes.count) != nil }.map(\.form)
    }
  }

  /// libc's `memmem`, which its headers show to GNU programs only: a search in Swift
  /// would take minutes in a debug build.
  private static let search: Search = {
    guard let symbol = dlsym(nil, "memmem") else { preconditionFailure("libc has no memmem") }
    return unsafeBitCast(symbol, to: Search.self)
  }()

  private typealias Search =
    @convention(c) (UnsafeRawPointer, Int, UnsafeRawPointer, Int) -> UnsafeRawPointer?
}

extension Acceptance {
  @Suite struct PrivacyTests {
    @Test(.timeLimit(.minutes(3)))
    func `personal and secret values are in no file in clear, and come back to whoever may read them`() async throws {
      try await withServer(["--log-level", "trace"]) { server in
        let unique = newID().suffix(12)
        let texts = [
          "email": "Zelda.\(unique)@private-\(unique).example", "username": "zelda-\(unique)-name",
          "name": "Zelda Quux \(unique)",
          "password": "pass-\(unique)-phrase word", "reason": "because of her illness \(unique)",
          "log line": "customer \(unique) called twice",
          "credential": "credential-\(unique)-data", "connection": "connection-\(unique)-password",
          "rotated": "rotated-\(unique)-data", "pipeline": "pipeline-\(unique)-password",
        ]
        let address = "127.83.41.29"
        let pipeline = try await plant(server, texts, from: address)

        var markers = texts.map { Marker($0.key, $0.value) }
        // The index of e-mails ignores case, so its form must not be there either.
        markers.append(Marker("email in lower case", texts["email"]!.lowercased()))
        markers.append(Marker("ip", address))
        markers.append(Marker("ip as PostgreSQL's inet", binary: [2, 32, 127, 83, 41, 29]))
        markers.append(Marker("api key", pipeline.apiKey))
        try await server.client().caughtUp()
        _ = try await server.psql("ANALYZE")
        _ = try await server.psql("CHECKPOINT")
        try await scan(server, markers)

        // Whoever may read gets them.
        let admin = try await server.client()
        let user = try await admin.call("user.get", ["email": .string(texts["email"]!)])
        #expect(user["item"]?["email"]?.stringValue?.lowercased() == texts["email"]!.lowercased())
        #expect(user["item"]?["full_name"]?.stringValue == texts["name"]!)
        #expect(!user.canonicalString.contains("password_hash"), "a hash is never shown")
        let history = try await admin.all("pipeline.history", ["id": .string(pipeline.id)])
        #expect(history.contains { $0["reason"]?.stringValue == texts["reason"]! })
        let rows = try await admin.all("audit.search", ["resource_id": .string(pipeline.id)])
        #expect(
          rows.contains { $0.canonicalString.contains(address) && $0["reason"]?.stringValue == texts["reason"]! },
          "\(rows)")
        let revealed = try await admin.call(
          "credential.reveal", ["id": .string(pipeline.credential), "reason": "the test"])
        #expect(revealed["data"]?["token"]?.stringValue == texts["rotated"]!)
        let shown = try await admin.call("pipeline.reveal", ["id": .string(pipeline.id), "reason": "the test"])
        #expect(shown["data"]?["config"]?["password"]?.stringValue == texts["pipeline"]!)
        let connection = try await admin.call("connection.get", ["id": .string(pipeline.connection)])
        #expect(
          !connection.canonicalString.contains(texts["connection"]!)
            && connection["item"]?["config"]?["host"] == "db.internal")
        for method in ["credential.get", "credential.history", "connection.history"] {
          let id = method.hasPrefix("credential") ? pipeline.credential : pipeline.connection
          let answer = try await admin.call(method, ["id": .string(id)]).canonicalString
          for name in ["credential", "rotated", "connection"] {
            #expect(!answer.contains(texts[name]!), "\(method) shows the \(name)")
          }
        }
        #expect(try await server.psql("SELECT message FROM personal.run_logs").contains(texts["log line"]!))
        #expect(
          try await server.psql("SELECT email FROM personal.users").lowercased().contains(texts["email"]!.lowercased()))

        // The reads, and an error about these values, have left nothing either.
        _ = try await admin.refusal(
          "user.create", ["email": .string(texts["email"]!), "username": .string(texts["username"]!)])
        _ = try await server.psql("CHECKPOINT")
        try await scan(server, markers)
        // Neither has a crash of PostgreSQL with its recovery, nor a stop.
        server.signalPostgres(SIGKILL)
        _ = try await eventually("the e-mail is found again", within: .seconds(60), every: .milliseconds(200)) {
          () -> Bool? in
          do {
            let list = try await admin.call("user.list", ["where": ["email": .string(texts["email"]!)]])
            return list["items"]?.arrayValue?.count == 1 ? true : nil
          } catch let error as ClientError {
            guard [.stale, .unavailable].contains(error.code) else { throw error }
            return nil
          }
        }
        #expect(try await server.terminate() == .code(0))
        try await server.start()
        try await server.client().caughtUp()
        // PostgreSQL writes unlogged tables to disk when it stops, so now the scan must find there what belongs there.
        try await scan(server, markers, finds: true)
      }
    }

    private struct Planted: Sendable {
      let id, credential, connection, apiKey: String
    }

    /// Writes each value where it belongs, as a person who comes from an address of their own.
    private func plant(_ server: DaybookProcess, _ texts: [String: String], from address: String) async throws
      -> Planted
    {
      func text(_ name: String) throws -> JSON { .string(try #require(texts[name])) }
      let admin = try await server.client()
      let organization: JSON = .string(try await admin.organization("private"))
      let user = try await admin.created(
        "user",
        [
          "email": try text("email"), "username": try text("username"), "full_name": try text("name"),
          "password": try text("password"),
          "role": "developer",
        ])
      _ = try await admin.created(
        "membership", ["organization_id": organization, "user_id": .string(user), "role": "owner"])
      let key = try await admin.call(
        "api_key.create", ["organization_id": organization, "name": "k", "permissions": ["*": ["read"]]])

      let socket = try RawSocket.connect(to: try await server.tcpAddress(), from: address)
      func tell(_ method: String, _ params: JSONObject) async throws -> String {
        let answer = try await socket.call(method, params)
        return try #require(answer["result"], "\(method): \(answer.canonicalString)")["id"]?.stringValue ?? ""
      }
      _ = try await tell("session.open", ["email": try text("email"), "password": try text("password")])
      let pipeline = try await tell(
        "pipeline.create",
        [
          "organization_id": organization, "name": "p", "reason": try text("reason"),
          "config": ["host": "db.internal", "password": try text("pipeline")],
          "nodes": [["id": "a", "env": [["name": "DB_PASSWORD", "value": try text("pipeline")]]]],
          "steps": [
            ["name": "s", "order_index": 0, "step_type": "load", "config": ["api_key": try text("pipeline")]]
          ],
        ])
      _ = try await tell("pipeline.edit", ["id": .string(pipeline), "description": "d", "reason": try text("reason")])
      let run = try await tell("run.start", ["pipeline_id": .string(pipeline)])
      _ = try await tell("run.log", ["id": .string(run), "lines": [["message": try text("log line")]]])
      let credential = try await tell(
        "credential.create", ["organization_id": organization, "name": "c", "data": ["token": try text("credential")]])
      _ = try await tell("credential.rotate", ["id": .string(credential), "data": ["token": try text("rotated")]])
      let connection = try await tell(
        "connection.create",
        [
          "organization_id": organization, "name": "db", "type": "postgres",
          "config": [
            "host": "db.internal", "password": try text("connection"), "pool": [["password": try text("connection")]],
          ],
        ])
      return Planted(
        id: pipeline, credential: credential, connection: connection, apiKey: try #require(key["api_key"]?.stringValue))
    }

    /// Looks for the values in every file of the server's folder and of its
    /// PostgreSQL, but for the unlogged tables, which may hold them.
    private func scan(
      _ server: DaybookProcess, _ markers: [Marker], finds: Bool = false,
      sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
      let unlogged = Set(
        try await server.psql(
          """
          SELECT pg_relation_filepath(c.oid) FROM pg_class c WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'i', 't', 'S')
          """
        ).split(separator: "\n").map(String.init))
      try #require(!unlogged.isEmpty)
      var files: [String] = []
      var held = 0
      for root in Set([server.folder.path, server.postgresHome]) {
        guard let found = FileManager.default.enumerator(atPath: root) else { continue }
        for case let name as String in found { files.append(root + "/" + name) }
      }
      for kind in ["/log/data.mdb", "/pg_wal/", "/base/", "stderr.log", "/vault/"] {
        #expect(files.contains { $0.contains(kind) }, "there are files of \(kind)", sourceLocation: sourceLocation)
      }
      for path in files {
        var information = stat()
        guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFREG, information.st_size > 0 else {
          continue
        }
        // Files come and go while PostgreSQL works.
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else { continue }
        let isUnlogged = unlogged.contains { relation in
          guard let range = path.range(of: "/" + relation) else { return false }
          return path[range.upperBound...].allSatisfy { $0.isNumber || $0 == "." || $0 == "_" || $0.isLetter }
        }
        for marker in markers {
          let forms = marker.found(in: data)
          if isUnlogged {
            held += forms.count
          } else {
            #expect(forms.isEmpty, "the \(marker.name) is in \(path) as \(forms)", sourceLocation: sourceLocation)
          }
        }
      }
      if finds { #expect(held > 0, "the scan finds what is there", sourceLocation: sourceLocation) }
    }
  }
}
