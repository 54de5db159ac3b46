import CanonicalJSON
import DaybookClient
import Refusals
import TestBasics
import Testing

extension Acceptance {
  /// Calls that nobody would write.
  @Suite struct RandomCallerTests {
    @Test(.timeLimit(.minutes(20)), .seeded)
    func `whatever values a caller sends to whatever method, the server answers soon, and others notice nothing`()
      async throws
    {
      try await withServer { server in
        let client = try await server.client()
        let tenant = try await Tenant.make(client, "random")
        try await client.caughtUp()
        let document = try await client.call("rpc.discover")
        var caller = try RandomCaller(document, tenant, random: Seeded())
        let witness = try await server.client(apiKey: tenant.apiKey)
        let clock = ContinuousClock()
        let others = Task { () -> Duration in
          var worst = Duration.zero
          while !Task.isCancelled {
            let began = clock.now
            _ = try await witness.call("organization.get", ["id": .string(tenant.organization)])
            worst = max(worst, clock.now - began)
          }
          return worst
        }
        var succeeded: [JSON: Int] = [:]
        var slowest: (took: Duration, call: String) = (.zero, "")
        for _ in 0..<(isThorough ? 20_000 : 600) {
          let (method, params) = caller.next()
          let call = "\(method) \(JSON.object(params).canonicalString.prefix(2000))"
          let began = clock.now
          do {
            let result = try await client.call(method, params)
            succeeded[.string(method), default: 0] += 1
            caller.learn(result, of: method)
          } catch ClientError.remote(let refusal) {
            #expect(refusal.code != .internal, "\(call): \(refusal.message)")
          } catch {
            throw HarnessError("\(call): \(error)\n\(TestFiles.tail(server.errorFile))")
          }
          if clock.now - began > slowest.took { slowest = (clock.now - began, call) }
        }
        others.cancel()
        let worst = try await others.value
        // Generous, since tests share the machine.
        #expect(slowest.took < .seconds(10), "\(slowest.took): \(slowest.call)")
        #expect(worst < .seconds(5), "somebody else's read took \(worst)")
        #expect(succeeded.count > (isThorough ? 80 : 20), "methods that went through: \(succeeded.count)")
        let memory = try ProcessMemory.of(await server.pid)
        #expect(memory.peak < 1 << 30, "the peak was \(memory.peak >> 20) MiB")
        let items = try #require(try await client.call("projection.status")["items"]?.arrayValue)
        let parked = items.filter { $0["state"] == "parked" }.map(\.canonicalString)
        #expect(parked.isEmpty, "\(parked)")
        #expect(try await server.terminate() == .code(0))
      }
    }
  }
}

/// Makes calls of every method that a server describes: mostly as described, with ids that are there, and now and then
/// something odd.
private struct RandomCaller {
  private struct Parameter {
    let name: String
    let isRequired: Bool
    let schema: JSON
  }

  /// What takes the whole server away, or long by right, or ends the session that asks.
  private static let leftOut = [
    "log.backup", "log.subscribe", "projection.rebuild", "projection.retry", "projection.skip", "projection.verify",
    "projection.unskip",
    "retention.sweep", "rpc.discover", "session.open", "session.close", "organization.delete",
  ]

  private static let odd: [JSON] = {
    let literals = [
      "0", "-1", "2147483647", "2147483648", "-2147483649", "9007199254740993", "9223372036854775807",
      "-9223372036854775808", "9223372036854775808", "1000000000000000000000000000000", "1e308", "-1e308", "5e-324",
      "0.5", "-0.0", "true", "null", "\"\"", #""x""#, #""é""#, #""e\u0301""#, #""\ud7ff""#, #""\u202e""#,
      #""9999-12-31T23:59:59.999999Z""#, #""0001-01-01T00:00:00Z""#, #""2026-02-30T00:00:00Z""#,
      #""9999-12-31T23:59:59-14:00""#, #""0 0 30 2 *""#, #""2147483647-2147483647""#, #""P1D""#,
      #""00000000-0000-0000-0000-000000000000""#, #""ffffffff-ffff-ffff-ffff-ffffffffffff""#, "[]", "{}", "[[]]",
      "[{}]", #"{"":""}"#, #"{"é":1,"e\u0301":2}"#, #"{"gte":1,"lt":null}"#, #"{"in":[1,"x",null]}"#,
      #"{"prefix":"\udbff\udfff"}"#, #"{"interval":9223372036854775807,"start_date":"9999-12-31T00:00:00Z"}"#,
      #"{"nodes":[{"id":"1"}],"edges":[{"source":"1","target":"1"}]}"#, ##"{"$ref":"#"}"##,
      ##"{"type":"object","properties":{"a":{"$ref":"#/properties/a"}}}"##,
    ]
    // Each is JSON: the literals are ours.
    let read = literals.compactMap { try? JSON.parse($0) }
    let long = JSON.string(String(repeating: "x", count: 70_000))
    return read + [long, .array(Array(repeating: 0, count: 5000))]
  }()

  private let methods: [(name: String, parameters: [Parameter])]
  private let schemas: JSON
  private var random: Seeded
  private var ids: [JSON]
  private var idsByType: [JSON: [JSON]]

  init(_ document: JSON, _ tenant: Tenant, random: Seeded) throws {
    self.random = random
    schemas = document["components"]?["schemas"] ?? [:]
    methods = try #require(document["methods"]?.arrayValue).compactMap { method in
      guard let name = method["name"]?.stringValue, !Self.leftOut.contains(name) else { return nil }
      let parameters = (method["params"]?.arrayValue ?? []).compactMap { parameter -> Parameter? in
        guard let name = parameter["name"]?.stringValue else { return nil }
        return Parameter(
          name: name, isRequired: parameter["required"] == true, schema: parameter["schema"] ?? [:])
      }
      return (name, parameters)
    }
    let (organization, user) = (JSON.string(tenant.organization), JSON.string(tenant.user))
    ids = [organization, user]
    idsByType = ["organization": [organization], "user": [user]]
  }

  mutating func next() -> (method: String, params: JSONObject) {
    let method = methods[random.next(upperBound: UInt64(methods.count)).index]
    var params: JSONObject = [:]
    for parameter in method.parameters where isSo(parameter.isRequired ? 93 : 20) {
      switch parameter.name {
      case "timeout_ms": params["timeout_ms"] = 100
      // Nobody waits for a position that never comes.
      case "at_least": continue
      case "organization_id" where isSo(90): params["organization_id"] = ids[0]
      case "id" where method.name.hasSuffix(".create") && isSo(90): continue
      default: params[parameter.name] = value(parameter.schema, named: parameter.name, of: method.name, depth: 0)
      }
    }
    return (method.name, params)
  }

  /// Takes note of what a call made.
  mutating func learn(_ result: JSON, of method: String) {
    guard let id = result["id"], id.stringValue != nil else { return }
    ids.append(id)
    idsByType[.string(String(method.prefix { $0 != "." })), default: []].append(id)
  }

  private mutating func isSo(_ percent: UInt64) -> Bool { random.next(upperBound: UInt64(100)) < percent }

  private mutating func any(_ values: [JSON]) -> JSON { values.randomElement(using: &random) ?? .null }

  private mutating func value(_ given: JSON, named name: String, of method: String, depth: Int) -> JSON {
    if isSo(8) { return any(Self.odd) }
    var schema = given
    if let reference = given["$ref"]?.stringValue, let last = reference.split(separator: "/").last {
      schema = schemas[String(last)] ?? [:]
    }
    if let words = schema["enum"]?.arrayValue { return any(words) }
    if schema["format"] == "uuid" { return id(named: name, of: method) }
    let types = schema["type"]?.arrayValue ?? [schema["type"] ?? .null]
    switch any(types).stringValue {
    case "integer": return any([0, 1, 2, 3, -1, 100, 2_147_483_647, 9_223_372_036_854_775_807])
    case "number": return any([0, 1.5, -1, 1e308])
    case "boolean": return any([true, false])
    case "string":
      if schema["format"] == "date-time" {
        return any(["2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"])
      }
      return any([.string("x\(random.next() % 1_000_000)"), .string("a@b\(random.next() % 100_000).org"), "* * * * *"])
    case "array":
      guard depth < 3 else { return [] }
      let count = Int(random.next() % 3)
      return .array(
        (0..<count).map { _ in value(schema["items"] ?? [:], named: name, of: method, depth: depth + 1) })
    case "object":
      guard let properties = schema["properties"]?.objectValue, depth < 3 else { return any([[:], ["a": 1]]) }
      var object: JSONObject = [:]
      for (key, property) in properties where isSo(60) {
        object[key] = value(property, named: key, of: method, depth: depth + 1)
      }
      return .object(object)
    default: return any(Self.odd)
    }
  }

  /// An id that is there, of the type that the name says where that is known.
  private mutating func id(named name: String, of method: String) -> JSON {
    let type = name == "id" ? String(method.prefix { $0 != "." }) : String(name.dropLast(name.hasSuffix("_id") ? 3 : 0))
    if isSo(95), let known = idsByType[.string(type)]?.suffix(30) { return any(Array(known)) }
    return any(ids)
  }
}

extension UInt64 {
  fileprivate var index: Int { Int(self) }
}
