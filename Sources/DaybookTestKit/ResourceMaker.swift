import CanonicalJSON
import Catalog

/// Makes resources that satisfy the catalog, and a platform's document where one
/// is given, with as little as they ask for.
package final class ResourceMaker {
  /// Gives a command and answers its result.
  package typealias Call = (_ method: String, _ params: JSONObject) async throws -> JSONObject

  /// What can't be made, and why.
  package struct Failure: Error, CustomStringConvertible {
    /// A sentence for a person.
    package let description: String
  }

  /// The platform whose rules the resources satisfy.
  package let platform: Platform?
  /// The organization of everything that is made.
  package let organization: String
  /// An owner of the organization.
  package let user: String
  private let catalog: Catalog
  private let call: Call
  private var count = 0

  /// A maker in an organization of its own.
  package init(_ platform: Platform?, catalog: Catalog, call: @escaping Call) async throws {
    self.platform = platform
    self.catalog = catalog
    self.call = call
    let name = platform?.name ?? "none"
    var params: JSONObject = ["name": .string(name), "slug": .string("main-\(name)")]
    if let platform { params["platform"] = .string(platform.name) }
    organization = try await ResourceMaker.identifier(call("organization.create", params))
    user = try await ResourceMaker.identifier(
      call(
        "user.create",
        [
          "email": .string("first@\(name).example.org"), "username": .string("first-\(name)"),
          "keycloak_id": .string("kc-\(name)"), "role": "developer", "display_name": "First",
          "organization_id": .string(organization), "membership_role": "owner",
        ]))
  }

  /// A text that no other has.
  package func fresh(_ prefix: String) -> String {
    count += 1
    return "\(prefix)\(count)"
  }

  /// Parameters with which `create` makes a row of a documented table.
  package func parameters(for table: PlatformTable) async throws -> JSONObject {
    let type = try resourceType(table.resource ?? "")
    var conditions = JSONObject()
    for condition in table.when {
      guard let word = condition.words.first else { continue }
      if let reference = condition.reference {
        // A row without the reference may belong to the table too.
        if condition.includesAbsent { continue }
        guard let target = type.field(reference)?.reference?.types.first else {
          throw Failure(description: "\(table.name): \(reference) is no reference")
        }
        conditions[reference] = .string(try await make(target, with: [condition.field: .string(word)]))
      } else {
        conditions[condition.field] = .string(word)
      }
    }
    return try await parameters(for: type, table, with: conditions)
  }

  /// Parameters with which `create` makes a resource of a type.
  package func parameters(for name: String) async throws -> JSONObject {
    if let table = platform?.tables.first(where: { $0.resource == name }) { return try await parameters(for: table) }
    return try await parameters(for: resourceType(name), nil, with: [:])
  }

  /// Makes a resource of a type, of the first documented table whose conditions the
  /// given values meet, and answers its id.
  package func make(_ name: String, with given: JSONObject = [:]) async throws -> String {
    if given.isEmpty { return try await create(name, parameters(for: name)) }
    let table = platform?.tables.first { table in
      table.resource == name
        && table.when.allSatisfy { condition in
          guard condition.reference == nil else { return true }
          return given[condition.field]?.stringValue.map { condition.words.contains($0) } ?? true
        }
    }
    return try await create(name, parameters(for: resourceType(name), table, with: given).merging(given))
  }

  /// Gives the command that makes a resource of a type, and answers its id.
  package func create(_ name: String, _ params: JSONObject) async throws -> String {
    if name == "calculation_file" {
      let result = try await call(
        "calculation.attach_file", ["id": params["calculation_id"] ?? .null, "file_id": params["file_id"] ?? .null])
      guard let id = result["calculation_file_id"]?.stringValue else {
        throw Failure(description: "calculation.attach_file says no calculation_file_id")
      }
      return id
    }
    let method = catalog.command("\(name).create") == nil ? ResourceMaker.otherCreations[name] : "\(name).create"
    guard let method else { throw Failure(description: "no command makes a \(name)") }
    return try await ResourceMaker.identifier(call(method, params))
  }

  private static let otherCreations = ["legal_hold": "legal_hold.place"]

  private static func identifier(_ result: JSONObject) throws -> String {
    guard let id = result["id"]?.stringValue else { throw Failure(description: "a result has no id") }
    return id
  }

  private func resourceType(_ name: String) throws -> ResourceType {
    guard let type = catalog.type(name) else { throw Failure(description: "there is no resource type \(name)") }
    return type
  }

  private func parameters(
    for type: ResourceType, _ table: PlatformTable?, with given: JSONObject
  ) async throws -> JSONObject {
    var params = given
    if type.organization != .none || type.name == "user" { params["organization_id"] = .string(organization) }
    if type.name == "organization", let platform { params["platform"] = .string(platform.name) }
    for (name, value) in try await special(type.name, given) where params[name] == nil { params[name] = value }
    for field in type.fields where field.isAssignable && params[field.name] == nil {
      let column = table?.columns.first { $0.source == .field(field.name) }
      let isDemanded = column.map { $0.isNotNull && $0.isEnforced } ?? false
      let isAsked = column?.isAsked ?? false
      guard field.isRequired || isDemanded,
        field.defaultValue == nil || isAsked || isRefused(field.defaultValue, column)
      else { continue }
      if isAsked, let value = field.defaultValue, !isRefused(value, column) {
        params[field.name] = value
      } else {
        params[field.name] = try await value(for: field, column)
      }
    }
    return params
  }

  /// What the shapes of some fields, and of some pairs of fields, ask for besides.
  private func special(_ type: String, _ given: JSONObject) async throws -> JSONObject {
    switch (platform?.name, type) {
    case ("etlab", "connection"):
      return ["type": "local", "config": ["master": "local[*]"], "owner_id": .string(user)]
    case (_, "run") where given["pipeline_id"] == nil: return ["code": "print(1)"]
    case ("etlab", "pipeline") where given["kind"] == nil:
      return ["kind": "page", "workspace_id": .string(try await make("workspace"))]
    case (_, "pipeline") where given["kind"] == "dag":
      return [
        "tasks": [["id": "t", "type": "spark_submit", "name": "n", "config": [:]]], "dag_id": .string(fresh("dag")),
      ]
    case (_, "calculation"): return ["code": "print(1)"]
    case (_, "file"): return ["file_hash": .string(String(repeating: "0", count: 64))]
    case (_, "task_run"):
      // A step that the run's version has.
      let step: JSONObject = [
        "id": "00000000-0000-4000-8000-000000000001", "name": "s", "order_index": 0, "step_type": "load",
        "config": [:],
      ]
      let pipeline = try await make("pipeline", with: ["steps": [.object(step)]])
      let run = try await make("run", with: ["pipeline_id": .string(pipeline)])
      return ["run_id": .string(run), "step_id": step["id"] ?? .null]
    case (_, "module_template"): return ["config_schema": ["type": "object"]]
    case (_, "legal_hold"): return ["held_id": .string(user), "reason": "a case"]
    case (_, "user_preferences"): return ["user_id": .string(try await make("user"))]
    case (_, "membership"):
      // Somebody who isn't a member yet.
      let id = try await ResourceMaker.identifier(
        call(
          "user.create",
          [
            "email": .string(fresh("p") + "@example.org"), "username": .string(fresh("u")),
            "keycloak_id": .string(fresh("k")), "role": "developer",
          ]))
      return ["user_id": .string(id)]
    default: return [:]
    }
  }

  private func isRefused(_ value: JSON?, _ column: PlatformColumn?) -> Bool {
    guard let column, !column.values.isEmpty, let word = value?.stringValue else { return false }
    return !column.values.contains(column.words[word] ?? word)
  }

  /// A value of a field that a documented column takes too.
  package func value(for field: Field, _ column: PlatformColumn?) async throws -> JSON {
    switch field.type {
    case .string, .text: return .string(fresh("v"))
    case .slug: return .string(fresh("slug-"))
    case .email: return .string(fresh("p") + "@example.org")
    case .integer, .bigint: return .integer(Int64(max(field.minimum ?? 1, column?.minimum ?? 1)))
    case .float: return .number(1.5)
    case .boolean: return true
    case .timestamp: return "2030-01-01T00:00:00Z"
    case .json, .object: return ["k": "v"]
    case .tags: return ["t"]
    case .list:
      var item = JSONObject()
      for member in field.items where member.isRequired { item[member.name] = try await value(for: member, nil) }
      return [.object(item)]
    case .enum:
      let words = field.values.filter { word in
        guard let column, !column.values.isEmpty else { return true }
        return column.values.contains(column.words[word] ?? word)
      }
      return .string(words.first ?? "")
    case .reference:
      let target = field.reference?.types.last ?? ""
      if target == "user" { return .string(user) }
      if target == "organization" { return .string(organization) }
      return .string(try await make(target))
    case .uuid: return .string(user)
    case .ip: return "192.0.2.1"
    }
  }
}
