import BasicTypes
import CanonicalJSON

/// One check of a dataset and how it went, as a `dataQualityAssertions` facet of the dataset or a test of the run has
/// it.
struct ReportedAssertion {
  /// What is kept of it, in the clear: what was checked and how it went.
  let json: JSONObject
  /// What tells it from other checks of the dataset.
  let key: JSON

  /// How many checks of one dataset are kept, those that were reported last.
  static let limit = 1000
  private static let words = ["assertion", "column", "name", "type", "severity", "expected", "actual", "description"]

  /// Whether it was found that the dataset isn't as it should be.
  var isFailed: Bool { json["success"] == false }

  /// Whether it is less than an error.
  var isWarning: Bool { ["warn", "warning"].contains(json["severity"]?.stringValue?.lowercased() ?? "") }

  /// What was checked, for people.
  var title: String {
    let name = json["name"]?.stringValue ?? json["assertion"]?.stringValue ?? ""
    guard let column = json["column"]?.stringValue, !column.isEmpty else { return name }
    return "\(name) of \(column)"
  }

  /// An element of a facet; nil where it doesn't say what was checked or how it went.
  init?(_ element: JSON) {
    guard let object = element.objectValue else { return nil }
    var json = JSONObject()
    for word in Self.words { if let text = object[word]?.stringValue { json[word] = .string(text) } }
    if let parameters = object["params"]?.objectValue, !parameters.isEmpty { json["params"] = .object(parameters) }
    guard json["assertion"] != nil || json["name"] != nil else { return nil }
    if let success = object["success"]?.boolValue {
      json["success"] = .bool(success)
    } else {
      switch object["status"]?.stringValue?.lowercased() {
      case "pass", "passed", "success": json["success"] = true
      case "fail", "failed", "error": json["success"] = false
      default: return nil
      }
    }
    self.json = json
    key = Self.key(of: json)
  }

  private static func key(of json: JSONObject) -> JSON {
    .array(["assertion", "column", "name", "type", "params"].map { json[$0] ?? .null })
  }

  /// The checks of a dataset's facets.
  static func all(_ facets: JSONObject) -> [ReportedAssertion] {
    read(facets["dataQualityAssertions"]?["assertions"])
  }

  /// The tests of a run: the facet is called `test`, and `testRun` by some producers.
  static func tests(_ facets: JSONObject) -> [ReportedAssertion] {
    read((facets["test"] ?? facets["testRun"])?["tests"])
  }

  private static func read(_ list: JSON?) -> [ReportedAssertion] {
    (list?.arrayValue ?? []).compactMap { ReportedAssertion($0) }
  }

  /// Each check once, the last word of those of a time deciding, in the order of their bytes.
  /// - Parameter kept: as a dataset has them, each with its time under `reported_at`.
  static func merged(_ kept: [JSON], with told: [ReportedAssertion], at time: Timestamp) -> [JSON] {
    var byKey: [JSON: JSON] = [:]
    func add(_ key: JSON, _ value: JSON) {
      guard let known = byKey[key] else {
        byKey[key] = value
        return
      }
      if rank(known).lexicographicallyPrecedes(rank(value)) { byKey[key] = value }
    }
    for value in kept { if let object = value.objectValue { add(key(of: object), value) } }
    for assertion in told {
      var object = assertion.json
      object["reported_at"] = .string(time.text)
      add(assertion.key, .object(object))
    }
    var all = byKey.values.map { (rank: rank($0), value: $0) }
    if all.count > limit {
      all.sort { $1.rank.lexicographicallyPrecedes($0.rank) }
      all.removeLast(all.count - limit)
    }
    return all.map { (bytes: $0.value.canonicalBytes, value: $0.value) }
      .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }.map(\.value)
  }

  /// By its time, then by its bytes. Times have one form, so their texts are in their order.
  private static func rank(_ value: JSON) -> [UInt8] {
    Array((value["reported_at"]?.stringValue ?? "").utf8) + value.canonicalBytes
  }
}

extension ReportedFields {
  /// A report's word on checks of a dataset: each has its own time, so those of other reports stay.
  mutating func decide(assertions told: [ReportedAssertion], at time: Timestamp) {
    guard !told.isEmpty else { return }
    var statistics = self["statistics"]?.objectValue ?? [:]
    let kept = statistics["assertions"]?.arrayValue ?? []
    statistics["assertions"] = .array(ReportedAssertion.merged(kept, with: told, at: time))
    set("statistics", .object(statistics))
  }
}
