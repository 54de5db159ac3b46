import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import Refusals

/// What a document's own schema says of one column, as `literal_rules.py` prints it.
struct DocumentedColumn {
  let platform: String
  let table: String
  let name: String
  /// NOT NULL.
  let isNotNull: Bool
  /// Whether it is, or is part of, the primary key.
  let isKey: Bool
  /// Whether its default is made anew for each row, such as a time.
  let isMade: Bool
  /// The n of `varchar(n)`.
  let length: Int?
  /// The least number.
  let least: Int64?
  /// Whether it holds whole numbers of 32 bits, other than keys.
  let isInteger: Bool
  /// The closed list of words.
  let words: [String]
  /// The documented default.
  let defaultValue: JSON?
  /// The table that a foreign key leads to.
  let target: String?
  /// The UNIQUE constraints that begin with it.
  let unique: [[String]]

  init?(_ line: JSON) {
    guard let platform = line["platform"]?.stringValue, let table = line["table"]?.stringValue,
      let name = line["column"]?.stringValue
    else { return nil }
    self.platform = platform
    self.table = table
    self.name = name
    isNotNull = line["not_null"] == true
    isKey = line["key"] == true
    isMade = line["is_made"] == true
    isInteger = line["type"] == "integer" && line["key"] == false && line["references"] == nil
    length = line["length"]?.integerValue.map { Int($0) }
    least = line["least"]?.integerValue
    words = (line["words"]?.arrayValue ?? []).compactMap(\.stringValue)
    defaultValue = line["default"]
    target = line["references"]?.stringValue
    unique = (line["unique"]?.arrayValue ?? []).map { ($0.arrayValue ?? []).compactMap(\.stringValue) }
  }

  /// The rules that it has.
  var rules: [Rule] {
    var rules: [Rule] = []
    if let length { rules.append(.length(length)) }
    if !isKey, defaultValue == nil, !isMade { rules.append(isNotNull ? .required : .nullable) }
    if let defaultValue { rules.append(.standard(defaultValue)) }
    if !words.isEmpty { rules.append(.words(words)) }
    if let least { rules.append(.least(least)) }
    if isInteger { rules.append(.integer) }
    rules += unique.map { .unique($0) }
    if target != nil { rules.append(.reference) }
    return rules
  }

  /// One rule of a column.
  enum Rule {
    case length(Int)
    case required
    case nullable
    case standard(JSON)
    case words([String])
    case least(Int64)
    case integer
    case unique([String])
    case reference

    /// What kinds there are, in the order of the table that counts them.
    static let kinds = [
      "length", "required", "nullable", "default", "words", "least", "integer", "unique", "reference",
    ]

    /// Its kind.
    var kind: String {
      switch self {
      case .length: "length"
      case .required: "required"
      case .nullable: "nullable"
      case .standard: "default"
      case .words: "words"
      case .least: "least"
      case .integer: "integer"
      case .unique: "unique"
      case .reference: "reference"
      }
    }
  }
}

/// Tries the rules of a platform's document by real commands on a log of its own.
final class RuleTrials {
  /// What came of a rule.
  enum Outcome {
    case right
    /// The commands do otherwise, as said.
    case against(String)
    /// It can't be tried by commands, for this reason.
    case skipped(String)
  }

  /// The commands given so far to try a rule, apart from those that made what they need.
  private(set) var requests = 0
  private let book: TestDomain
  private let platform: Platform
  private let maker: ResourceMaker
  private var count: Int64 = 0

  init(_ name: String) async throws {
    let book = try TestDomain()
    guard let platform = book.catalog.platform(name) else { throw Unknown(description: "no platform \(name)") }
    self.book = book
    self.platform = platform
    maker = try await ResourceMaker(platform, catalog: book.catalog) { try await book.call($0, $1) }
  }

  private struct Unknown: Error, CustomStringConvertible {
    let description: String
  }

  /// Why the catalog says that a column is not as documented; nil where it doesn't.
  func explanation(of column: DocumentedColumn) -> String? {
    let why = platform.table(column.table)?.column(column.name)?.why ?? ""
    return why.isEmpty ? nil : why
  }

  /// Tries one rule.
  func outcome(of rule: DocumentedColumn.Rule, _ column: DocumentedColumn) async throws -> Outcome {
    guard let table = platform.table(column.table), let described = table.column(column.name) else {
      return .against("the catalog doesn't list the column")
    }
    do {
      if case .standard(let value) = rule { return try await standard(value, table, described) }
      if case .unique(let columns) = rule { return try await unique(columns, table) }
      let place = try place(described, in: table)
      switch rule {
      case .length(let limit):
        if !column.words.isEmpty { throw Skip("one of a list of words is never that long") }
        return try await length(limit, place)
      case .required: return try await required(place)
      case .nullable:
        try await take("nothing", place, place.setting(nil, in: parameters(place)))
        return .right
      case .words(let words): return try await self.words(words, place, described)
      case .least(let least): return try await limit(least, beyond: least - 1, place)
      case .integer: return try await limit(Int64(Int32.max), beyond: Int64(Int32.max) + 1, place)
      case .reference: return try await reference(place)
      case .standard, .unique: return .right
      }
    } catch let skip as Skip {
      return .skipped(skip.reason)
    } catch let fault as Fault {
      return .against(fault.description)
    }
  }

  private struct Skip: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  /// What the commands do against the document.
  private struct Fault: Error {
    let description: String
    init(_ description: String) { self.description = description }
  }

  // MARK: - Where commands set a column

  /// The parameter of a command that sets a column.
  private struct Place {
    let table: PlatformTable
    let method: String
    let field: Field
    /// The parameter whose one object has it as a member.
    var list: String?
    /// The type of the resource that the command makes, where that holds the value as its field.
    var type: ResourceType?

    /// How a refusal names it.
    var path: String {
      if let list { return "/\(list)/0/\(field.name)" }
      if method == "calculation.attach_file", field.name == "calculation_id" { return "/id" }
      return "/\(field.name)"
    }

    /// The parameters with another value; nil leaves it out.
    func setting(_ value: JSON?, in params: JSONObject) -> JSONObject {
      var params = params
      if let list {
        var object = params[list]?.arrayValue?.first?.objectValue ?? [:]
        object[field.name] = value
        params[list] = [.object(object)]
      } else {
        params[field.name] = value
      }
      return params
    }
  }

  private func place(_ column: PlatformColumn, in table: PlatformTable) throws -> Place {
    switch column.source {
    case .absent: throw Skip("a hash or a token, which the service makes and nobody sees")
    case .computed(_, let method):
      guard let method, let (type, command) = book.catalog.command(method) else {
        throw Skip("worked out by the view")
      }
      let isCreation = command.effect == .create
      if !isCreation, let field = command.parameters.first(where: { $0.name == column.name }) {
        return Place(table: table, method: method, field: field)
      }
      for list in command.parameters + (isCreation ? type.fields : []) {
        if let member = list.items.first(where: { $0.name == column.name }), member.name != "id" {
          return Place(table: table, method: method, field: member, list: list.name)
        }
      }
      throw Skip("worked out by the view")
    case .field(let name):
      guard let type = table.resource.flatMap({ book.catalog.type($0) }) else { throw Skip("worked out by the view") }
      let field = name == "organization_id" ? type.organizationField : type.field(name)
      guard let field else { throw Skip("set by the service: ids, times, who made it, versions") }
      guard field.isAssignable else { throw Skip("set by other commands than what makes it: states, times, counts") }
      let method = type.name == "calculation_file" ? "calculation.attach_file" : "\(type.name).create"
      return Place(table: table, method: method, field: field, type: type)
    }
  }

  /// Parameters with which the command of a place is taken.
  private func parameters(_ place: Place) async throws -> JSONObject {
    switch place.method {
    case "run.log":
      return ["id": .string(try await maker.make("run")), "lines": [["level": "INFO", "message": "m"]]]
    case "run.measure": return ["id": .string(try await maker.make("run")), "node_id": "n"]
    case "run.preview":
      return [
        "id": .string(try await maker.make("run")), "node_id": "n", "sample_data": [[1]], "schema_info": [:],
      ]
    case "system.log":
      let line: JSONObject = ["level": "INFO", "message": "m"]
      let params: JSONObject = place.list.map { [$0: [.object(line)]] } ?? line
      return params.merging(["organization_id": .string(maker.organization)])
    default: break
    }
    var params: JSONObject
    if place.list == "steps" {
      params = try await maker.parameters(for: "pipeline")
      params["steps"] = [["name": "s", "order_index": 0, "step_type": "load", "config": [:]]]
    } else {
      params = try await maker.parameters(for: place.table)
    }
    // Without it, a role is that of the membership where such a role has the word.
    if place.method == "user.create" { params["membership_role"] = "member" }
    return params
  }

  // MARK: - Giving commands

  /// Gives a command, and answers its result or why it was refused.
  private func call(_ place: Place, _ params: JSONObject) async throws -> Result<JSONObject, Refusal> {
    requests += 1
    var params = params
    if place.method == "calculation.attach_file" {
      params = params.filter { $0.key == "file_id" || $0.key == "role" }.merging(
        params["calculation_id"].map { ["id": $0] } ?? [:])
    }
    do {
      return .success(try await book.call(place.method, params))
    } catch let error as Refusal {
      return .failure(error)
    }
  }

  /// The id of what the command makes with a value that must be taken.
  @discardableResult
  private func take(_ what: String, _ place: Place, _ params: JSONObject) async throws -> String {
    switch try await call(place, params) {
    case .failure(let error): throw Fault("\(what) is refused: \(Self.said(error))")
    case .success(let result):
      let member = place.method == "calculation.attach_file" ? "calculation_file_id" : "id"
      return result[member]?.stringValue ?? ""
    }
  }

  /// Expects that a value is refused by the name of its parameter.
  private func refuse(_ what: String, _ place: Place, _ params: JSONObject) async throws {
    switch try await call(place, params) {
    case .success: throw Fault("\(what) is taken")
    case .failure(let error):
      guard Self.paths(error).contains(place.path) else {
        throw Fault("\(what) is refused, but not as \(place.path): \(Self.said(error))")
      }
    }
  }

  /// Expects that an edit of what was made is refused by the name of its parameter, where an edit may change it.
  private func refuseEdit(_ what: String, _ place: Place, _ id: String, _ values: JSONObject) async throws {
    guard let type = place.type, !place.field.isImmutable, type.command("edit") != nil else { return }
    let edit = Place(table: place.table, method: "\(type.name).edit", field: place.field, type: type)
    try await refuse("\(what) in an edit", edit, values.merging(["id": .string(id)]))
  }

  private static func paths(_ error: Refusal) -> [String] {
    (error.data["problems"]?.arrayValue ?? []).compactMap { $0["path"]?.stringValue }
  }

  private static func said(_ error: Refusal) -> String { "\(error) \(JSON.object(error.data).canonicalString)" }

  /// What the resource shows in the document's words.
  private func shown(_ field: String, of id: String, _ column: PlatformColumn) throws -> JSON? {
    let value = try book.item(id)[field]
    if let word = value?.stringValue.flatMap({ column.words[$0] }) { return .string(word) }
    return value == .null ? nil : value
  }

  // MARK: - The rules

  /// As long as the column is taken and kept, one more refused, in letters of one byte and of two.
  private func length(_ limit: Int, _ place: Place) async throws -> Outcome {
    let base = try await parameters(place)
    let letters =
      switch (place.field.name, place.field.type) {
      case ("file_hash", _): ["0"]
      case (_, .slug): ["x"]
      default: ["x", "é"]
      }
    for letter in letters {
      guard let fits = text(limit, of: letter, place), let exceeds = text(limit + 1, of: letter, place) else {
        throw Skip("a value with a form of its own: a time zone, a schedule, an address")
      }
      try await refuse("\(limit + 1) × \(letter)", place, place.setting(.string(exceeds), in: base))
      let id = try await take("\(limit) × \(letter)", place, place.setting(.string(fits), in: parameters(place)))
      guard place.type != nil else { continue }
      guard try book.item(id)[place.field.name] == .string(fits) else { throw Fault("\(limit) × \(letter) is cut") }
      try await refuseEdit("\(limit + 1) × \(letter)", place, id, [place.field.name: .string(exceeds)])
    }
    return .right
  }

  /// A text of so many characters that no other has; nil where the field's texts have a form of their own.
  private func text(_ length: Int, of letter: String, _ place: Place) -> String? {
    count += 1
    if place.field.name == "file_hash" { return String(repeating: letter, count: length) }
    switch place.field.type {
    case .string, .text, .slug, .json, .enum:
      guard !["timezone", "schedule"].contains(place.field.name) else { return nil }
      let start = "v\(count)"
      return start + String(repeating: letter, count: length - start.count)
    case .email:
      let (start, end) = ("v\(count)", "@example.org")
      return start + String(repeating: letter, count: length - start.count - end.count) + end
    default: return nil
    }
  }

  /// Without a value the command is refused, and an edit that takes it away too.
  private func required(_ place: Place) async throws -> Outcome {
    let base = try await parameters(place)
    try await refuse("nothing", place, place.setting(nil, in: base))
    if place.type != nil {
      try await refuseEdit("null", place, take("what it needs", place, base), [place.field.name: nil])
    }
    return .right
  }

  /// Without a value the resource shows the documented one.
  private func standard(_ value: JSON, _ table: PlatformTable, _ column: PlatformColumn) async throws -> Outcome {
    guard case .field(let name) = column.source, let type = table.resource.flatMap({ book.catalog.type($0) }),
      let field = type.field(name)
    else { throw Skip("only a read model shows it") }
    let method = type.name == "calculation_file" ? "calculation.attach_file" : "\(type.name).create"
    let place = Place(table: table, method: method, field: field, type: type)
    let id = try await take("nothing", place, place.setting(nil, in: parameters(place)))
    guard let shown = try shown(name, of: id, column) else { throw Skip("null in the log, which the view fills in") }
    guard shown.canonicalString == value.canonicalString else {
      return .against("\(shown.canonicalString) where nothing was given, documented \(value.canonicalString)")
    }
    return .right
  }

  /// Every word is taken and shown as it is; others, and the same in other letters or with a space, are refused.
  private func words(_ words: [String], _ place: Place, _ column: PlatformColumn) async throws -> Outcome {
    let isArray = place.field.type == .tags
    func setting(_ word: String, in params: JSONObject) -> JSONObject {
      var params = place.setting(isArray ? [.string(word)] : .string(word), in: params)
      if let configuration = Self.configurations[word] { params["config"] = configuration }
      return params
    }
    var last = ""
    for word in words {
      let id = try await take("'\(word)'", place, setting(word, in: parameters(place)))
      last = id
      guard place.type != nil else { continue }
      let shown = try shown(place.field.name, of: id, column)
      guard shown == (isArray ? [.string(word)] : .string(word)) else {
        throw Fault("'\(word)' shows as \(shown?.canonicalString ?? "null")")
      }
    }
    let base = try await parameters(place)
    // Daybook's own words too, but for those that show as one of the document's.
    var others = ["no_such_word", ""] + place.field.values.filter { !words.contains(column.words[$0] ?? $0) }
    for word in words {
      others += [word.uppercased() == word ? word.lowercased() : word.uppercased(), " \(word)", "\(word) "]
    }
    for other in others {
      try await refuse("'\(other)'", place, setting(other, in: base))
      try await refuseEdit("'\(other)'", place, last, setting(other, in: [:]))
    }
    return .right
  }

  /// What Spark's own types ask of a configuration, so that their words are taken.
  private static let configurations: [String: JSON] = [
    "local": ["master": "local[*]"], "standalone": ["master": "spark://host:7077"], "yarn": ["master": "yarn"],
    "kubernetes": ["master": "k8s://https://host:6443", "namespace": "n", "image": "i"],
    "databricks": ["host": "https://x.example.com", "token": "t", "cluster_id": "c"],
    "livy": ["url": "http://livy:8998"],
  ]

  /// The last number that is allowed is taken, one beyond it refused.
  private func limit(_ last: Int64, beyond: Int64, _ place: Place) async throws -> Outcome {
    let id = try await take("\(last)", place, place.setting(.integer(last), in: parameters(place)))
    try await refuse("\(beyond)", place, place.setting(.integer(beyond), in: parameters(place)))
    if place.type != nil { try await refuseEdit("\(beyond)", place, id, [place.field.name: .integer(beyond)]) }
    return .right
  }

  /// A second row of the same values is refused by their names.
  private func unique(_ columns: [String], _ table: PlatformTable) async throws -> Outcome {
    let places = try columns.map { name in
      guard let column = table.column(name) else { throw Fault("the catalog doesn't list \(name)") }
      return try place(column, in: table)
    }
    guard let place = places.first, let type = place.type else { throw Skip("numbered inside of another resource") }
    var first = try await parameters(place)
    var second = try await parameters(place)
    for field in places.map(\.field) {
      if first[field.name] == nil { first[field.name] = try await maker.value(for: field, nil) }
      second[field.name] = first[field.name]
    }
    try await take("the first", place, first)
    let names = Set(places.map(\.field.name))
    switch try await call(place, second) {
    case .success: throw Fault("the same \(columns.joined(separator: ", ")) is taken twice")
    case .failure(let error):
      let told = Set((error.data["fields"]?.arrayValue ?? []).compactMap(\.stringValue))
      guard error.data["reason"] == "unique", names.subtracting(["organization_id"]).isSubset(of: told) else {
        throw Fault("the same \(columns.joined(separator: ", ")) is refused otherwise: \(Self.said(error))")
      }
    }
    let isWide = type.unique.contains { constraint in
      (constraint.platforms.isEmpty || constraint.platforms.contains(platform.name))
        && names.isSuperset(of: constraint.fields)
    }
    return isWide ? .right : .against("unique in an organization only")
  }

  /// An id of nothing is refused.
  private func reference(_ place: Place) async throws -> Outcome {
    let nothing: JSON = "00000000-0000-4000-8000-00000000dead"
    switch try await call(place, place.setting(nothing, in: parameters(place))) {
    case .success: throw Fault("an id of nothing is taken")
    case .failure(let error):
      guard error.code == .notFound || Self.paths(error).contains(place.path) else {
        throw Fault("an id of nothing is refused otherwise: \(Self.said(error))")
      }
      return .right
    }
  }
}
