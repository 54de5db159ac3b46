import BasicTypes
import CanonicalJSON
import Files

/// `decrypted.jsonl`: of each record that the caller sees in the clear, the reason and what changed, as `audit.search`
/// shows them to this caller. Every line is marked as decrypted.
enum DecryptedView {
  static func write(_ folder: BundleFolder, _ terms: ExportTerms, _ ask: BundleWriter.Ask) async throws {
    var output = try BundleOutput(folder.file(BundleFile.decrypted))
    var lines = try BundleLines(folder.file(BundleFile.events))
    var wanted = try next(&lines)
    var parameters: JSONObject = [
      "order": "position", "limit": 1000, "include_archived": true, "at_least": JSON(position: terms.last),
      "timeout_ms": 600_000,
    ]
    if let organization = terms.filter.organization { parameters["organization_id"] = .string(organization.text) }
    if let actor = terms.filter.actor { parameters["actor"] = .string(actor) }
    if terms.filter.resourceTypes.count == 1 { parameters["resource_type"] = .string(terms.filter.resourceTypes[0]) }
    if terms.filter.resources.count == 1 { parameters["resource_id"] = .string(terms.filter.resources[0].text) }
    if let since = terms.since { parameters["since"] = .string(since.text) }
    if let until = terms.until { parameters["until"] = .string(until.text) }
    paging: while wanted != nil {
      let answer = try await ask("audit.search", parameters)
      for row in answer["items"]?.arrayValue ?? [] {
        guard let position = row["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }) else { continue }
        while let at = wanted, at < position { wanted = try next(&lines) }
        guard let at = wanted else { break paging }
        guard at == position else { continue }
        let line: JSONObject = [
          "changes": row["changes"] ?? .null, "decrypted": true, "position": JSON(position: position),
          "reason": row["reason"] ?? .null,
        ]
        try output.line(line.canonicalBytes)
      }
      guard let cursor = answer["next_cursor"]?.stringValue else { break }
      parameters["cursor"] = .string(cursor)
    }
    try output.finish()
  }

  /// The position of the next record.
  private static func next(_ lines: inout BundleLines) throws -> UInt64? {
    guard let line = try lines.next() else { return nil }
    return EvidenceRecord.position(of: line)
  }
}

/// The reasons in `decrypted.jsonl`, asked for in the order of positions.
struct DecryptedReasons: ~Copyable {
  private var lines: BundleLines
  private var current: JSON?

  init(_ path: String) throws {
    var lines = try BundleLines(path)
    current = try lines.next().map { try JSON.parse($0) }
    self.lines = lines
  }

  mutating func reason(at position: UInt64) throws -> String? {
    let wanted = Int64(clamping: position)
    while let line = current, let at = line["position"]?.integerValue, at < wanted {
      current = try lines.next().map { try JSON.parse($0) }
    }
    guard let line = current, line["position"]?.integerValue == wanted else { return nil }
    guard let reason = line["reason"], !reason.isNull else { return nil }
    // What can't be shown, or not any more, says so: it isn't as if there had been no reason.
    let marks = ["erased", "restricted"]
    return reason.stringValue ?? "(\(marks.first { reason[$0] == true } ?? "locked"))"
  }
}
