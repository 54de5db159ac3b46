import CanonicalJSON
import TestBasics
import Testing

/// The events of the outside test data.
enum RealEvents {
  /// The events of a file: one a line, one alone, or an array.
  static func read(_ path: String) throws -> [JSONObject] {
    let text = String(decoding: try Repository.shared(path), as: UTF8.self)
    if path.hasSuffix(".ndjson") {
      return try text.split(separator: "\n").map { try #require(try JSON.parse(String($0)).objectValue) }
    }
    let json = try JSON.parse(text)
    if let array = json.arrayValue { return try array.map { try #require($0.objectValue) } }
    return [try #require(json.objectValue)]
  }

  static let files = [
    "openlineage/compatibility_74_run_events.ndjson", "marquez/metadata_26_run_events.json",
    "marquez/event_large.json", "marquez/event_required_no_timezone.json", "marquez/event_unicode.json",
    "marquez/event_without_schema_url.json",
  ]
}
