import Access
import CanonicalJSON
import DaybookClient
import Refusals
import Testing

/// Calls every method of a running server with one company's key on ids of the
/// others, which answer as ids that nobody has.
struct ForeignCalls {
  /// One method as `rpc.discover` describes it.
  private struct Method {
    let name: String
    let parameters: [(name: String, isRequired: Bool, schema: JSON, summary: String?)]

    init(_ description: JSON) throws {
      name = try #require(description["name"]?.stringValue)
      parameters = try #require(description["params"]?.arrayValue).map { parameter in
        (
          name: try #require(parameter["name"]?.stringValue), isRequired: parameter["required"] == true,
          schema: parameter["schema"] ?? [:], summary: parameter["summary"]?.stringValue
        )
      }
    }

    var type: String { String(name.prefix { $0 != "." }) }
    func has(_ parameter: String) -> Bool { parameters.contains { $0.name == parameter } }
    /// Whether `id` says which resource the method is called on, and not which id a new one shall have.
    var hasTarget: Bool {
      parameters.contains { $0.name == "id" && $0.summary != "An id of the caller's own choice." }
    }
    /// The parameters that are ids of other resources.
    var references: [String] {
      parameters.filter { $0.name != "id" && $0.schema["format"] == "uuid" }.map(\.name)
    }
  }

  /// Searches: of what can't be seen they find nothing.
  private static let searches: Set<String> = ["audit.search", "log.read", "system.logs"]
  /// Ids that are no references: whatever they name is kept as it was told and never
  /// looked up, or is waited for and never comes.
  private static let loose: Set<String> = [
    "notification.create resource_id", "notification.edit resource_id", "notification.notify resource_id",
    "task_run.create step_id", "task_run.start step_id", "system.log user_id", "log.subscribe resource_id",
    "log.subscribe organization_id",
    // Whoever it names, there or not, has no place in the organization.
    "permissions.as_of user_id",
  ]
  /// What no key may do, whosever id is given: only a person has notifications of their own, and joins.
  private static let persons: Set<String> = [
    "invitation.decline", "invitation.redeem", "notification.mark_all_read", "workspace.join",
  ]
  /// What no key may ask, whosever id is given: only a person does, of themselves or by their office, or administrators
  /// alone. With a parameter where the others are looked at first.
  private static let offices: Set<String> = [
    "openlineage.move from", "redaction.create", "subject.find", "subject.list_exports", "subject.receipt",
    "subject.report",
  ]
  /// Of what nothing is there: a month that is told in a minute has nothing old enough to be swept.
  private static let unmade: Set<String> = ["retention"]
  /// Values that no schema describes well enough to make one up.
  private static let values: [String: JSON] = [
    "password": "correct horse battery", "file_hash": .string(String(repeating: "a", count: 64)),
    "manifest_sha256": .string(String(repeating: "a", count: 64)), "code": "print(1)",
    "email": "nobody@example.com", "message": "said", "docker_image": "python:3.12",
    "event": [
      "eventTime": "2026-01-01T00:00:00Z", "eventType": "START", "producer": "https://example.com",
      "run": ["runId": "0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b"], "job": ["namespace": "n", "name": "j"],
    ],
  ]

  let administrator: DaybookClient
  private let methods: [Method]
  private let companies: [String: String]
  /// By type, all living resources with the organization of each, users with those of their memberships.
  private let resources: [String: [(id: String, organizations: Set<String>)]]

  /// Checks one company of each platform against all others.
  static func check(_ endpoint: Endpoint) async throws {
    let administrator = try await DaybookClient.connect(to: endpoint)
    try await addWhatIsMissing(administrator)
    let calls = try await ForeignCalls(administrator)
    var checked: Set<String> = []
    for (platform, company) in calls.companies.sorted(by: { $0.key < $1.key }) {
      let key = try await calls.administrator.call(
        "api_key.create",
        [
          "organization_id": .string(company), "name": "foreign calls",
          "permissions": ["*": ["read", "write", "execute", "admin"]],
        ])
      let client = try await DaybookClient.connect(to: endpoint)
      _ = try await client.call("session.open", ["api_key": key["api_key"] ?? .null])
      for method in calls.methods {
        checked.formUnion(try await calls.try(method, on: client, of: company, platform))
      }
      try await client.close()
    }
    try await calls.administrator.close()
    // No method is passed over for want of something to call it on.
    for method in calls.methods where !unmade.contains(method.type) {
      for parameter in method.references + (method.hasTarget ? ["id"] : []) {
        #expect(
          checked.contains("\(method.name) \(parameter)"), "\(method.name) was never tried with a foreign \(parameter)")
      }
    }
  }

  /// Makes what the demo has none of: a role of every company, an invitation to it, and a job that hasn't ended where
  /// there are files.
  private static func addWhatIsMissing(_ administrator: DaybookClient) async throws {
    let memberships =
      try await administrator.call("membership.list", ["limit": 1000, "timeout_ms": 60_000])["items"]?.arrayValue ?? []
    for company in try #require(try await administrator.call("organization.list")["items"]?.arrayValue) {
      let id = try #require(company["id"])
      let name = "foreign_\(UInt32.random(in: 0...UInt32.max))"
      _ = try await administrator.call("sql_role.create", ["organization_id": id, "name": .string(name)])
      let members = Set(memberships.filter { $0["organization_id"] == id }.compactMap { $0["user_id"]?.stringValue })
      let user = memberships.compactMap { $0["user_id"]?.stringValue }.first { !members.contains($0) }
      _ = try await administrator.call(
        "invitation.create", ["organization_id": id, "user_id": .string(try #require(user))])
      _ = try await administrator.call("export.create", ["organization_id": id, "reason": "a test"])
      let files = try await administrator.call(
        "file.list", ["where": ["organization_id": id], "limit": 1, "timeout_ms": 60_000])
      if let file = files["items"]?.arrayValue?.first?["id"] {
        _ = try await administrator.call("file_job.start", ["file_id": file, "job_type": "conversion"])
      }
    }
  }

  private init(_ administrator: DaybookClient) async throws {
    self.administrator = administrator
    let document = try await administrator.call("rpc.discover")
    methods = try #require(document["methods"]?.arrayValue).map { try Method($0) }
    var companies: [String: String] = [:]
    var resources: [String: [(id: String, organizations: Set<String>)]] = [:]
    for method in methods where method.name.hasSuffix(".list") {
      let items = try #require(
        try await administrator.call(method.name, ["limit": 1000, "timeout_ms": 60_000])["items"]?.arrayValue)
      resources[method.type] = try items.map { item in
        let id = try #require(item["id"]?.stringValue)
        // What is public is everybody's to see.
        let isPublic = item["is_public"] == true || item["is_builtin"] == true
        let organization = method.type == "organization" ? id : item["organization_id"]?.stringValue
        return (id: id, organizations: isPublic ? [] : Set([organization].compactMap(\.self)))
      }
      guard method.type == "organization" else { continue }
      for item in items {
        guard let platform = item["platform"]?.stringValue, let id = item["id"]?.stringValue else { continue }
        companies[platform] = min(companies[platform] ?? id, id)
      }
    }
    let memberships =
      try await administrator.call("membership.list", ["limit": 1000, "timeout_ms": 60_000])["items"]?.arrayValue ?? []
    resources["user"] = resources["user"]?.map { user in
      (
        id: user.id,
        organizations: Set(
          memberships.filter { $0["user_id"]?.stringValue == user.id }.compactMap { $0["organization_id"]?.stringValue }
        )
      )
    }
    self.companies = companies
    self.resources = resources
    #expect(companies.count == 5)
  }

  /// Tries a method with a foreign id as each of its parameters that take one; answers those that were tried.
  private func `try`(
    _ method: Method, on client: DaybookClient, of company: String, _ platform: String
  ) async throws -> Set<String> {
    var tried: Set<String> = []
    let stood = ["lineage": "dataset", "permissions": "pipeline", "subject": "user"][method.type] ?? method.type
    if method.hasTarget, let foreign = foreign(stood, to: company) {
      var params = parameters(of: method, own: company)
      for name in method.references where params[name]?.isNull == true {
        params[name] = self.foreign(target(of: name, method), to: company).map(JSON.string)
      }
      params["id"] = .string(foreign)
      tried.insert("\(method.name) id")
      let refused = try await refusal(client, method.name, params)
      #expect(
        refused?.code == (Self.offices.contains(method.name) ? .forbidden : .notFound),
        "\(method.name) of a foreign \(method.type) (\(platform)): \(refused.map { "\($0.message)" } ?? "taken")")
    }
    for parameter in method.references {
      guard let foreign = foreign(target(of: parameter, method), to: company) else { continue }
      guard var params = own(method, company, but: parameter) else { continue }
      tried.insert("\(method.name) \(parameter)")
      if method.has("organization_id") { params["organization_id"] = .string(company) }
      params[parameter] = .string(foreign)
      let what = "\(method.name) with a foreign \(parameter) (\(platform))"
      if Self.searches.contains(method.name) {
        let found = try await client.call(method.name, params)
        #expect((found["items"] ?? found["records"])?.arrayValue?.isEmpty == true, "\(what)")
      } else if Self.loose.contains("\(method.name) \(parameter)") {
        continue
      } else {
        var refused = try await refusal(client, method.name, params)
        // Told of what has ended already, a method may have nothing to do; there are others then.
        for other in method.hasTarget ? resources[method.type] ?? [] : [] {
          guard refused == nil || refused?.code == .conflict else { break }
          guard other.organizations.contains(company) else { continue }
          params["id"] = .string(other.id)
          refused = try await refusal(client, method.name, params)
        }
        let isPersonal =
          Self.persons.contains(method.name) || Self.offices.contains(method.name)
          || Self.offices.contains("\(method.name) \(parameter)")
        let expected: Refusal.Code = isPersonal ? .forbidden : .notFound
        #expect(refused?.code == expected, "\(what): \(refused.map { "\($0)" } ?? "taken")")
      }
    }
    return tried
  }

  /// Parameters with which a company may call a method on its own; nil where it has nothing to call it on.
  private func own(_ method: Method, _ company: String, but parameter: String) -> JSONObject? {
    var params = parameters(of: method, own: company)
    guard params.allSatisfy({ !$0.value.isNull || $0.key == parameter }) else { return nil }
    guard method.hasTarget else { return params }
    let type = method.type == "permissions" ? "pipeline" : method.type
    let mine = (resources[type] ?? []).filter { $0.organizations.contains(company) }
    guard let id = mine.first?.id else { return nil }
    params["id"] = .string(id)
    return params
  }

  private func foreign(_ type: String, to company: String) -> String? {
    (resources[type] ?? []).first { !$0.organizations.isEmpty && !$0.organizations.contains(company) }?.id
  }

  /// The type of what a parameter refers to.
  private func target(of parameter: String, _ method: Method) -> String {
    let named = String(parameter.dropLast(3))
    if resources[named] != nil { return named }
    switch parameter {
    case "parent_run_id": return "run"
    case "output_file_id": return "file"
    case "source_id", "target_id": return "dataset"
    case "held_id", "resource_id": return "pipeline"
    case "template_id": return "pipeline_template"
    default: return "user"
    }
  }

  /// The parameters that a method can't do without, made up from their schemas; ids are a company's own.
  private func parameters(of method: Method, own company: String) -> JSONObject {
    var params = JSONObject()
    for parameter in method.parameters where parameter.isRequired && parameter.name != "id" {
      if parameter.schema["format"] == "uuid" {
        let type = target(of: parameter.name, method)
        let mine = (resources[type] ?? []).first { $0.organizations.contains(company) }
        params[parameter.name] = mine.map { .string($0.id) } ?? .null
      } else {
        params[parameter.name] = sample(parameter.name, parameter.schema)
      }
    }
    if method.has("timeout_ms") { params["timeout_ms"] = 60_000 }
    // Either this or something else is required; no schema says so.
    if ["run.start", "run.create", "calculation.start", "calculation.create"].contains(method.name) {
      params["code"] = "print(1)"
    }
    if method.name == "system.log" { params["message"] = "said" }
    if method.name == "redaction.create" { params["pointers"] = ["/description"] }
    if method.name == "user_preferences.create" {
      let mine = (resources["user"] ?? []).first { $0.organizations.contains(company) }
      params["user_id"] = mine.map { .string($0.id) } ?? .null
    }
    if method.has("dry_run") { params["dry_run"] = true }
    return params
  }

  private func sample(_ name: String, _ schema: JSON) -> JSON {
    if let value = Self.values[name] { return value }
    if let first = schema["enum"]?.arrayValue?.first { return first }
    let type = schema["type"]?.stringValue ?? schema["type"]?.arrayValue?.first?.stringValue
    switch type {
    case "string": return schema["format"] == "date-time" ? "2026-01-01T00:00:00Z" : "abcd"
    case "integer": return .integer(max(1, schema["minimum"]?.integerValue ?? 1))
    case "number": return 1
    case "boolean": return true
    case "array": return [sample("", schema["items"] ?? [:])]
    case "object":
      let members = schema["properties"]?.objectValue ?? [:]
      var object = JSONObject()
      for member in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] {
        object[member] = sample(member, members[member] ?? [:])
      }
      return .object(object)
    default: return [:]
    }
  }

  /// What a call is refused with; nil where it is not.
  private func refusal(
    _ client: DaybookClient, _ method: String, _ params: JSONObject
  ) async throws -> (code: Refusal.Code?, message: String)? {
    do {
      _ = try await client.call(method, params)
      return nil
    } catch ClientError.remote(let refusal) {
      let problems = refusal.data["problems"]?.canonicalString ?? ""
      return (code: refusal.code, message: "\(refusal.message) \(problems)")
    }
  }
}
