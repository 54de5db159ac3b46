import BasicTypes
import CanonicalJSON
import MerkleTree

/// What the server recorded of an export, and signs when its bundle is complete: who asked for which part of the log,
/// and how much of it there is.
package struct ExportTerms: Sendable, Equatable {
  /// The export's id.
  package var id: Identifier
  /// Who asked.
  package var actor: String
  /// When.
  package var at: Timestamp
  /// Which events of the range.
  package var filter: ExportFilter
  /// The first instant that was asked for, where the range was given by time.
  package var since: Timestamp?
  /// The instant before which events were asked for, where the range was given by time.
  package var until: Timestamp?
  /// The first position of the range.
  package var first: UInt64
  /// The last one.
  package var last: UInt64
  /// The size of the log's tree in which the range is proved.
  package var treeSize: UInt64
  /// The root of that tree.
  package var root: Digest
  /// How many events of the range pass the filter, as the server counted them.
  package var events: UInt64
  /// Whose headers are shown; nil for all. Of other events of the range only the hash of the header is shown.
  package var headersOf: Identifier?
  /// The types of which no header is shown, because the one who asked doesn't see such resources; sorted.
  package var withheldTypes: [String]
  /// How many headers are not shown for that reason.
  package var withheld: UInt64
  /// Whether values and reasons were asked for in the clear.
  package var isDecrypted: Bool

  /// Terms of these parts.
  package init(
    id: Identifier, actor: String, at: Timestamp, filter: ExportFilter, since: Timestamp? = nil,
    until: Timestamp? = nil, first: UInt64, last: UInt64, treeSize: UInt64, root: Digest, events: UInt64,
    headersOf: Identifier? = nil, withheldTypes: [String] = [], withheld: UInt64 = 0, isDecrypted: Bool = false
  ) {
    self.id = id
    self.actor = actor
    self.at = at
    self.filter = filter
    self.since = since
    self.until = until
    self.first = first
    self.last = last
    self.treeSize = treeSize
    self.root = root
    self.events = events
    self.headersOf = headersOf
    self.withheldTypes = withheldTypes
    self.withheld = withheld
    self.isDecrypted = isDecrypted
  }

  /// Whether every header is shown.
  package var showsAll: Bool { headersOf == nil && withheldTypes.isEmpty }

  /// Whether a header is shown.
  package func shows(_ header: EvidenceHeader) -> Bool {
    (headersOf == nil || header.organization == headersOf)
      && !withheldTypes.contains { $0.utf8.elementsEqual(header.type.utf8) }
  }

  /// The terms as the manifest and the signed statement have them.
  package var json: JSONObject {
    [
      "actor": .string(actor), "at": .string(at.text), "decrypted": .bool(isDecrypted),
      "events": JSON(position: events), "export": .string(id.text), "filter": .object(filter.json),
      "first": JSON(position: first), "headers_of": headersOf.map { .string($0.text) } ?? .null,
      "last": JSON(position: last), "root": .string(root.base64),
      "since": since.map { .string($0.text) } ?? .null, "tree_size": JSON(position: treeSize),
      "until": until.map { .string($0.text) } ?? .null, "withheld": JSON(position: withheld),
      "withheld_types": .array(withheldTypes.map(JSON.string)),
    ]
  }

  /// The terms that ``json`` wrote; nil for anything else.
  package init?(_ json: JSON) {
    func count(_ name: String) -> UInt64? { json[name]?.integerValue.flatMap { UInt64(exactly: $0) } }
    func time(_ name: String) -> Timestamp? { json[name]?.stringValue.flatMap { Timestamp($0) } }
    guard let id = json["export"]?.stringValue.flatMap({ Identifier($0) }), let actor = json["actor"]?.stringValue,
      let at = time("at"), let filter = json["filter"].flatMap({ ExportFilter($0) }), let first = count("first"),
      let last = count("last"), let treeSize = count("tree_size"),
      let root = json["root"]?.stringValue.flatMap({ Digest(base64: $0) }), let events = count("events"),
      let withheld = count("withheld"), let withheldTypes = json["withheld_types"]?.arrayValue,
      let isDecrypted = json["decrypted"]?.boolValue
    else { return nil }
    self.init(
      id: id, actor: actor, at: at, filter: filter, since: time("since"), until: time("until"), first: first,
      last: last, treeSize: treeSize, root: root, events: events,
      headersOf: json["headers_of"]?.stringValue.flatMap { Identifier($0) },
      withheldTypes: withheldTypes.compactMap(\.stringValue), withheld: withheld,
      isDecrypted: isDecrypted)
    guard .object(self.json) == json, first >= 1, first <= last, last <= treeSize else { return nil }
  }

  /// The text that the log's key signs for a complete bundle: what it is, the export's id, the SHA-256 of the manifest
  /// in hex, and these terms as canonical JSON, each on a line.
  package func statement(manifest: Digest) -> String {
    "\(ExportTerms.heading)\n\(id.text)\n\(manifest.hex)\n\(json.canonicalString)\n"
  }

  /// The first line of ``statement(manifest:)``. No checkpoint begins so: the origin of a log has no space.
  package static let heading = "daybook export"
}
