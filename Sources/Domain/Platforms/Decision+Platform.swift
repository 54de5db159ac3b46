import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

extension Decision {
  /// References that name the acting user where a platform needs one and nobody was named.
  static let actorFields: Set<String> = ["owner_id", "user_id", "author_id", "triggered_by"]

  /// A new resource's values as its organization's platform wants them: the acting user where the document wants
  /// somebody, and what else fills columns for which nothing is given.
  /// - Throws: ``Refusal`` `invalid_params` with every value that the document doesn't allow, by field.
  func platformValues(_ values: JSONObject, of type: ResourceModel, organization: Identifier?) throws -> JSONObject {
    if type.name == "membership", let organization { try checkNewMember(values, of: organization) }
    let named =
      type.name == "organization" ? values["platform"]?.stringValue : try organization.flatMap { try platform(of: $0) }
    guard let platform = named else { return values }
    let tables = engine.platformRules.tables(platform, type.name)
    guard !tables.isEmpty else { return values }
    var completed = values
    var problems: [ValueProblem] = []
    for table in tables where try holds(table, values, of: type) {
      for column in table.columns {
        if let fill = column.fill, completed[column.field] == nil {
          completed[column.field] = fill == PlatformColumn.actor ? actor.map { .string($0.text) } : fill
        }
        if column.isAsked, lacks(column.field, of: type) {
          problems.append(Decision.required(column, table))
        } else if column.isRequired, completed[column.field] == nil, !isReported {
          if Decision.actorFields.contains(column.field), let actor {
            completed[column.field] = .string(actor.text)
          } else {
            problems.append(Decision.required(column, table))
          }
        } else if let value = completed[column.field] {
          Decision.check(value, column, table, into: &problems)
        }
      }
    }
    guard problems.isEmpty else { throw Refusal.invalidParams(Decision.distinct(problems)) }
    return completed
  }

  /// Checks an edit against the organization's platform; of a user, against the platforms of all their organizations.
  /// - Parameter values: the new values in the clear; null clears one.
  func checkPlatform(_ values: JSONObject, of state: ResourceState, _ type: ResourceModel) throws {
    var platforms: Set<String> = []
    if type.name == "user" {
      for membership in try transaction.memberships(of: state.id) {
        if let organization = membership.organization, let platform = try platform(of: organization) {
          platforms.insert(platform)
        }
      }
    } else if let organization = state.organization, let platform = try platform(of: organization) {
      platforms.insert(platform)
    }
    var problems: [ValueProblem] = []
    for platform in platforms.sorted() {
      for table in engine.platformRules.tables(platform, type.name) {
        let touched = table.columns.filter { values.contains($0.field) }
        guard !touched.isEmpty, try holds(table, state.fields.merging(values), of: type) else { continue }
        for column in touched {
          let value = values[column.field] ?? .null
          if !value.isNull {
            Decision.check(value, column, table, into: &problems)
          } else if column.isRequired, state.fields.contains(column.field) {
            problems.append(Decision.required(column, table))
          }
        }
      }
    }
    guard problems.isEmpty else { throw Refusal.invalidParams(Decision.distinct(problems)) }
  }

  /// Whoever becomes a member has what the platform's table of users demands.
  func checkNewMember(_ values: JSONObject, of organization: Identifier) throws {
    guard let platform = try platform(of: organization),
      let id = values["user_id"]?.stringValue.flatMap({ Identifier($0) }),
      let user = try transaction.living(id, type: "user")
    else { return }
    let tables = engine.platformRules.tables(platform, "user")
    guard !tables.isEmpty else { return }
    let users = try model.type("user")
    var problems: [ValueProblem] = []
    for table in tables {
      for column in table.columns {
        guard let stored = user.fields[column.field] else {
          if column.isRequired { problems.append(Decision.required(column, table)) }
          continue
        }
        if column.isAsked, lacks(column.field, of: users) {
          problems.append(Decision.required(column, table))
          continue
        }
        // Nobody can be told what a value lacks that was erased.
        let opened = try engine.sealer.open(stored, resource: id, field: column.field)
        guard case .value(let value) = opened else { continue }
        Decision.check(value, column, table, into: &problems)
      }
    }
    guard !problems.isEmpty else { return }
    // In `user.create` the fields are the command's own; elsewhere it is the user who doesn't fit.
    if command.type === users { throw Refusal.invalidParams(Decision.distinct(problems)) }
    throw Refusal.invalidParams(
      Decision.distinct(problems).map { problem in
        ValueProblem(path: "/user_id", problem: "this user's \(problem.path.dropFirst()) \(problem.problem)")
      })
  }

  /// Whether the caller's own command makes a resource of that type and gives no value for a field, which then has its
  /// default.
  private func lacks(_ field: String, of type: ResourceModel) -> Bool {
    command.type === type && command.command.effect == .create && prepared.defaulted.contains(field)
  }

  /// Checks facts that a command tells against the document of the organization's platform.
  /// - Parameters:
  ///   - facts: objects, and where each stands among the parameters.
  ///   - method: the method that the document's columns name.
  /// - Throws: ``Refusal`` `invalid_params` with what is missing, and what is no integer of 32 bits.
  func checkTold(_ facts: [(path: String, facts: JSONObject)], by method: String, in organization: Identifier?) throws {
    guard let platform = try organization.flatMap({ try platform(of: $0) }),
      let told = engine.platformRules.told(platform, method)
    else { return }
    var problems: [ValueProblem] = []
    for (path, object) in facts {
      for (name, table) in told.asked where object[name] == nil {
        problems.append(
          ValueProblem(
            path: "\(path)/\(name)", problem: "is required on \(platform) (\(table).\(name) is NOT NULL)"))
      }
      for (name, table) in told.integers {
        guard let value = object[name]?.integerValue, Int32(exactly: value) == nil else { continue }
        problems.append(
          ValueProblem(
            path: "\(path)/\(name)", problem: "must be at most \(Int32.max) on \(platform) (\(table).\(name))"))
      }
    }
    guard problems.isEmpty else { throw Refusal.invalidParams(problems.sorted { $0.path < $1.path }) }
  }

  /// Reports from outside say what they know; what a document demands besides can't be asked of them.
  private var isReported: Bool { command.type.name == "openlineage" }

  /// Whether a row with these fields is one of the table's. A field that nobody has told, as a report's, counts as its
  /// default.
  private func holds(_ table: PlatformRules.Table, _ fields: JSONObject, of type: ResourceModel) throws -> Bool {
    for condition in table.conditions {
      var value = fields[condition.field] ?? type.field(condition.field)?.field.defaultValue
      if let reference = condition.reference {
        value = .none
        if let id = fields[reference]?.stringValue.flatMap({ Identifier($0) }), let state = try transaction.state(id) {
          value = try state.fields[condition.field] ?? model.type(state.type).field(condition.field)?.field.defaultValue
        }
      }
      guard let word = value?.stringValue else {
        guard condition.includesAbsent else { return false }
        continue
      }
      guard condition.words.contains(word) else { return false }
    }
    return true
  }

  private static func required(_ column: PlatformRules.Column, _ table: PlatformRules.Table) -> ValueProblem {
    ValueProblem(
      path: "/\(column.field)", problem: "is required on \(table.platform) (\(table.name).\(column.name) is NOT NULL)")
  }

  private static func check(
    _ value: JSON, _ column: PlatformRules.Column, _ table: PlatformRules.Table, into problems: inout [ValueProblem]
  ) {
    func refuse(_ problem: String) {
      problems.append(
        ValueProblem(
          path: "/\(column.field)", problem: "\(problem) on \(table.platform) (\(table.name).\(column.name))"))
    }
    if let words = column.words {
      let given = value.arrayValue?.compactMap(\.stringValue) ?? value.stringValue.map { [$0] } ?? []
      if !given.allSatisfy(words.contains) { refuse("must be one of \(column.documented.joined(separator: ", "))") }
    }
    if let limit = column.maximumLength {
      let text: String
      switch value {
      case .string(let string): text = string
      case .array, .object: text = value.canonicalString
      default: text = ""
      }
      if text.utf8.count > limit, text.unicodeScalars.count > limit { refuse("must be at most \(limit) characters") }
    }
    if let number = value.doubleValue {
      if let minimum = column.minimum, number < minimum { refuse("must be at least \(shown(minimum))") }
      if let maximum = column.maximum, number > maximum { refuse("must be at most \(shown(maximum))") }
    }
  }

  private static func shown(_ number: Double) -> String {
    Int64(exactly: number).map { String($0) } ?? String(number)
  }

  /// One problem a field: several tables of a platform may say the same.
  private static func distinct(_ problems: [ValueProblem]) -> [ValueProblem] {
    var seen: Set<String> = []
    return problems.filter { seen.insert($0.path).inserted }
  }
}
