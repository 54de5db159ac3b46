import BasicTypes
import CanonicalJSON
import Catalog
import DaybookClient
import DaybookTestKit
import Foundation
import JSONSchema
import NIOCore
import Queries
import Refusals
import ServerTestKit
import Testing

@testable import Server

/// What the one table of methods promises: a method is its entry, and what `rpc.discover` says of it is so.
@Suite(.timeLimit(.minutes(5)))
struct MethodTableTests {
  @Test func `a query is one entry: it is answered, its ranges are checked, and rpc.discover describes it`()
    async throws
  {
    let entry = QueryMethod(
      "organization.echo", "Answers what it was asked.",
      [.count("times", "How often.", in: 1...3, default: 2), .parameter("word", .text, "The word.", isRequired: true)],
      result: ["type": "object", "properties": ["said": ["type": "array"]], "required": ["said"]],
      example: ["word": "hello"],
      answer: { arguments, _ in
        let word = JSON.string(arguments.text("word") ?? "")
        return JSON.object(["said": .array(Array(repeating: word, count: arguments.count("times")))]).canonicalBytes
      })
    let folder = NSTemporaryDirectory() + "daybook-" + UUID().uuidString.prefix(8)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }  // A leftover in the temporary folder harms nobody.
    let server = try await DaybookServer.start(TestServer.configuration(folder: folder), additional: [entry])
    let running = Task { try await server.run() }
    let address = try #require(server.addresses.first { $0.hasPrefix("unix:") })
    let client = try await DaybookClient.connect(to: Endpoint.parse(address))
    #expect(try await client.call("organization.echo", ["word": "hello"]) == ["said": ["hello", "hello"]])
    #expect(
      try await client.call("organization.echo", ["word": "a", "times": 1, "at_least": 0, "timeout_ms": 5])
        == ["said": ["a"]])
    do {
      _ = try await client.call("organization.echo", ["times": 4, "wodr": "x"])
      Issue.record("it was taken")
    } catch ClientError.remote(let refusal) {
      let paths = (refusal.data["problems"]?.arrayValue ?? []).compactMap { $0["path"]?.stringValue }
      #expect(refusal.code == .invalidParams && Set(paths) == ["/times", "/wodr", "/word"])
    }
    let described = try #require(
      try await client.call("rpc.discover")["methods"]?.arrayValue?.first { $0["name"] == "organization.echo" })
    let times = try #require(described["params"]?.arrayValue?.first { $0["name"] == "times" })
    #expect(times["schema"]?["minimum"] == 1 && times["schema"]?["maximum"] == 3 && times["schema"]?["default"] == 2)
    #expect(described["errors"]?.arrayValue?.contains(["$ref": "#/components/errors/stale"]) == true)
    #expect(described["examples"]?.arrayValue?.first?["params"] == [["name": "word", "value": "hello"]])
    try await client.close()
    await server.stop()
    try await running.value
  }

  @Test func `every method says with which codes it may refuse, and refuses with no other`() async throws {
    try await TestServer.run {
      // The stranger asks one method after the other, as long as that takes on a busy machine.
      $0.signInTimeout = .minutes(30)
    } _: { test in
      let client = try await test.administrator()
      let world = try await World(client)
      let stranger = try await DaybookClient.connect(to: test.endpoint("tcp"))
      for method in world.methods {
        let unknown = try await world.refusal(of: method, ["no_such_parameter": 1])
        #expect(unknown?.code == .invalidParams, "\(method.name)")
        _ = try await world.refusal(of: method, method.example ?? [:])
        do {
          _ = try await stranger.call(method.name, method.example ?? [:])
          #expect(!method.errors.contains(.unauthenticated), "\(method.name) is answered to strangers")
        } catch ClientError.remote(let refusal) {
          let code = try #require(refusal.code)
          #expect(method.errors.contains(code), "\(method.name) refuses a stranger with \(refusal)")
        }
      }
      try await stranger.close()
      try await client.close()
    }
  }

  @Test func `every example's params are taken, and what it is answered with is what the schema says`() async throws {
    let database = try await ThrowawayPostgres.database()
    try await TestServer.run {
      $0.postgres = PostgresSettings(url: database)
    } _: { test in
      let client = try await test.administrator()
      var world = try await World(client)
      // Everything is made first, what refers to other things after them.
      var waiting = world.methods.filter { $0.makes && $0.example != nil }
      var made: [String] = []
      while !waiting.isEmpty {
        var later: [World.Method] = []
        for method in waiting {
          if try await world.call(method, unless: .notFound) {
            made.append(method.type)
          } else {
            later.append(method)
          }
        }
        try #require(later.count < waiting.count, "can't be made: \(later.map(\.name))")
        waiting = later
      }
      // Then everything else is called, and at last all is deleted, what was made last first.
      for method in world.methods where method.example != nil && !method.makes && !method.deletes {
        _ = try await world.call(method, unless: nil)
      }
      for type in made.reversed() {
        for method in world.methods where method.type == type && method.deletes && method.example != nil {
          _ = try await world.call(method, unless: nil)
        }
      }
      let without = world.methods.filter { $0.example == nil }.map(\.name)
      #expect(without.count < 20, "\(without)")
      #expect(world.refused.isEmpty, "\(world.refused.sorted { $0.key < $1.key })")
      // The examples before it leave some resources in a state that an example isn't for, or gone.
      #expect(world.accepted * 4 > world.methods.count * 3, "\(world.accepted) of \(world.methods.count)")
      try await client.close()
    }
  }
}

/// What `rpc.discover` says of a server.
private struct World {
  struct Method {
    let name: String
    let example: JSONObject?
    let shown: JSON?
    let result: JSON
    let errors: Set<Refusal.Code>

    var type: String { String(name.prefix { $0 != "." }) }
    var verb: String { String(name.drop { $0 != "." }.dropFirst()) }
    /// Whether it makes the resource of its type that the other examples speak of.
    var makes: Bool { verb == "create" || name == "lineage_edge.link" || name == "legal_hold.place" }
    var deletes: Bool { ["delete", "unlink", "release"].contains(verb) }
  }

  let client: DaybookClient
  let methods: [Method]
  private let definitions: JSON
  /// How many examples were accepted.
  var accepted = 0
  /// The methods whose example was refused for what it says, and how.
  var refused: [String: String] = [:]

  init(_ client: DaybookClient) async throws {
    self.client = client
    let document = try await client.call("rpc.discover")
    definitions = World.local(document["components"]?["schemas"] ?? [:])
    methods = try (document["methods"]?.arrayValue ?? []).map { method in
      let example = method["examples"]?.arrayValue?.first
      let errors = try (method["errors"]?.arrayValue ?? []).map { error in
        let name = try #require(error["$ref"]?.stringValue?.split(separator: "/").last)
        #expect(document["components"]?["errors"]?[String(name)]?["code"] != nil)
        return try #require(Refusal.Code(rawValue: String(name)))
      }
      return Method(
        name: try #require(method["name"]?.stringValue),
        example: try example.map { pairing in
          JSONObject(
            members: try (pairing["params"]?.arrayValue ?? []).map { param in
              (key: try #require(param["name"]?.stringValue), value: param["value"] ?? .null)
            })
        },
        shown: example?["result"]?["value"], result: World.local(method["result"]?["schema"] ?? [:]),
        errors: Set(errors))
    }
    try #require(methods.count > 200)
  }

  /// A schema whose references the checker follows.
  private static func local(_ schema: JSON) -> JSON {
    switch schema {
    case .object(let object):
      if let reference = object["$ref"]?.stringValue, let name = reference.split(separator: "/").last {
        return ["$ref": .string("#/$defs/\(name)")]
      }
      return .object(object.mapValues(local))
    case .array(let elements): return .array(elements.map(local))
    default: return schema
    }
  }

  private func problems(of value: JSON, _ method: Method) -> [ValueProblem] {
    guard var schema = method.result.objectValue else { return [] }
    schema["$defs"] = definitions
    var check = JSONSchemaCheck()
    return check.problems(of: value, schema: .object(schema), path: "")
  }

  /// What a call is refused with, which must be among what the method says; nil where it is accepted.
  func refusal(of method: Method, _ params: JSONObject) async throws -> ReceivedRefusal? {
    do {
      _ = try await client.call(method.name, params)
      return nil
    } catch ClientError.remote(let refusal) {
      let code = try #require(refusal.code)
      #expect(method.errors.contains(code), "\(method.name) refuses with \(refusal)")
      return refusal
    }
  }

  /// Calls a method by its example; false where it is refused with a code by which it shall be tried again.
  mutating func call(_ method: Method, unless code: Refusal.Code?) async throws -> Bool {
    var params = method.example ?? [:]
    if params["timeout_ms"] == nil, method.errors.contains(.stale) { params["timeout_ms"] = 60_000 }
    do {
      let result = try await client.call(method.name, params)
      #expect(problems(of: result, method).isEmpty, "\(method.name): \(result.canonicalString.prefix(600))")
      accepted += 1
      let shown = try #require(method.shown)
      #expect(problems(of: shown, method).isEmpty, "the shown result of \(method.name): \(shown)")
    } catch ClientError.remote(let refusal) {
      if refusal.code == code { return false }
      if let code = refusal.code, [.conflict, .notFound, .gone, .forbidden].contains(code) { return true }
      refused[method.name] = "\(refusal) \(refusal.data["problems"]?.canonicalString ?? "")"
    }
    return true
  }
}
